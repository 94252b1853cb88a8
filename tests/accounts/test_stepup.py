"""Before money leaves, the password is asked for again, and guessing it is bounded."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django import forms
from django.db import connection

from accounts.models import User, WrongTry
from accounts.services.guesses import MAX_FAILURES, WINDOW
from accounts.stepup import REFUSED, StepUpMixin, confirm
from core import clock

PASSWORD = "correct horse battery"


class ReleaseForm(StepUpMixin, forms.Form):
    amount = forms.CharField()


@pytest.fixture
def bob(db):
    return User.objects.create_user("bob@example.com", PASSWORD)


def test_the_right_password_confirms_and_counts_nothing(bob):
    assert confirm(bob, PASSWORD)
    assert not WrongTry.objects.exists()


def test_a_wrong_password_is_refused_and_counted(bob):
    assert not confirm(bob, "guess")
    assert WrongTry.objects.count() == 1


def test_after_too_many_wrong_tries_even_the_right_password_is_refused(bob):
    for _ in range(MAX_FAILURES):
        confirm(bob, "guess")
    assert not confirm(bob, PASSWORD)
    assert WrongTry.objects.count() == MAX_FAILURES


def test_the_limit_ends_after_its_window(bob):
    for _ in range(MAX_FAILURES):
        confirm(bob, "guess")
    with clock.travelled(WINDOW + timedelta(seconds=1)):
        assert confirm(bob, PASSWORD)


def test_one_persons_failures_do_not_lock_another(bob):
    sally = User.objects.create_user("sally@example.com", PASSWORD)
    for _ in range(MAX_FAILURES):
        confirm(bob, "guess")
    assert confirm(sally, PASSWORD)


def test_wrong_and_locked_give_the_same_sentence(bob):
    wrong = ReleaseForm({"amount": "1", "password": "guess"}, user=bob)
    assert wrong.errors["password"] == [REFUSED]
    for _ in range(MAX_FAILURES):
        confirm(bob, "guess")
    locked = ReleaseForm({"amount": "1", "password": PASSWORD}, user=bob)
    assert locked.errors["password"] == [REFUSED]


def test_the_password_is_the_last_field_and_never_sent_back(bob):
    form = ReleaseForm({"amount": "1", "password": "guess"}, user=bob)
    assert list(form.fields) == ["amount", "password"]
    assert "guess" not in form.as_p()


@pytest.mark.django_db(transaction=True)
def test_wrong_tries_sent_at_once_are_counted_one_by_one():
    bob = User.objects.create_user("bob@example.com", PASSWORD)
    together = Barrier(12)

    def guess(number: int) -> bool:
        together.wait()
        try:
            return confirm(User.objects.get(pk=bob.pk), f"guess {number}")
        finally:
            connection.close()

    with ThreadPoolExecutor(12) as pool:
        assert not any(pool.map(guess, range(12)))
    assert WrongTry.objects.count() == MAX_FAILURES
