"""The two sides are two people, however their addresses are written."""

import pytest
from allauth.account.models import EmailAddress

from accounts.models import User
from core.errors import Invalid
from payments.services import people
from tests.payments.fixtures import UserFactory


@pytest.fixture
def ada(db: None) -> User:
    user = UserFactory(email="ada@bücher.example")
    for email, verified in (("ada@work.example", True), ("someone@else.example", False)):
        EmailAddress.objects.create(user=user, email=email, verified=verified)
    return user


@pytest.mark.parametrize(
    "written",
    [
        "ada@bücher.example", " Ada@Bücher.Example\n", "ada@xn--bcher-kva.example", "ADA@WORK.example",
        "\tada@work.example",
    ],
)  # fmt: skip
def test_no_address_of_ones_own_is_the_other_side(ada: User, written: str) -> None:
    with pytest.raises(Invalid, match="your own e-mail address") as refused:
        people.other_side(ada, written)
    assert (refused.value.code, refused.value.errors[0].pointer) == ("parties_equal", "/counterparty_email")
    with pytest.raises(Invalid) as refused:
        people.two(ada.email, written)
    assert (refused.value.code, refused.value.errors[0].pointer) == ("parties_equal", "/seller/email")


def test_an_address_that_others_have_is_the_other_side(ada: User) -> None:
    """One that a person has claimed and never verified is not theirs."""
    for written in ("Bob@Example.org ", "someone@else.example", ""):
        assert people.other_side(ada, written) == written.strip().lower()
    assert people.two("Ada@bücher.example", " bob@example.org") == ("ada@bücher.example", "bob@example.org")


def test_one_person_with_two_verified_addresses_is_not_two(ada: User) -> None:
    with pytest.raises(Invalid):
        people.two("ada@work.example", ada.email)


def test_an_address_that_hides_or_turns_its_letters_is_refused(ada: User) -> None:
    for written in ("bob@ex\u202eample.org", "bob@exa\u200bmple.org"):
        with pytest.raises(Invalid) as refused:
            people.other_side(ada, written)
        assert refused.value.code == "characters"
        with pytest.raises(Invalid):
            people.two(written, "carol@example.org")
