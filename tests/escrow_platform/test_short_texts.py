"""Whatever short text people give, wherever they give it, nothing in it hides or reverses."""

from datetime import timedelta
from typing import Any

import pytest
from django import forms
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile

import accounts.forms
import disputes.pages.forms
import payments.pages.action_forms
import payments.pages.forms
from accounts.models import User
from core import clock, files
from core.actors import SYSTEM
from core.errors import Invalid
from partners.admin import PartnerForm
from partners.services.accounts import create_partner
from payments.agreement import Agreement, Milestone, check
from payments.services.deals import default_clocks

TURNED, HIDDEN = "A \u202etisbew", "\u200b\u200b\u200b"
MODULES = (accounts.forms, disputes.pages.forms, payments.pages.action_forms, payments.pages.forms)
READ_BY_MACHINES = {"amount", "version_hash"}


def lines() -> list[tuple[str, forms.CharField]]:
    """Every one-line text of our forms that another person will read."""
    found = []
    for module in MODULES:
        own = [form for form in vars(module).values() if getattr(form, "__module__", "") == module.__name__]
        for form in own:
            fields: dict[str, Any] = getattr(form, "base_fields", {})
            found += [
                (f"{form.__name__}.{key}", field) for key, field in fields.items() if is_line(key, field)
            ]
    return found


def is_line(name: str, field: forms.Field) -> bool:
    plain = type(field) is forms.CharField and type(field.widget) is forms.TextInput
    return plain and name not in READ_BY_MACHINES


# The form of a profile cleans its name itself: see below.
BY_VALIDATOR = [line for line in lines() if line[0] != "ProfileForm.display_name"]


@pytest.mark.parametrize(("name", "field"), BY_VALIDATOR)
def test_every_line_of_a_form_refuses_it(name: str, field: forms.CharField) -> None:
    for text in (TURNED, HIDDEN):
        with pytest.raises(ValidationError):
            field.run_validators(text)


def test_the_forms_are_really_read() -> None:
    names = {name for name, _ in lines()}
    assert {"DealForm.title", "MilestoneForm.title", "SignupForm.display_name"} <= names


@pytest.mark.parametrize("text", [TURNED, HIDDEN, "Ada\x00"])
def test_names_titles_and_file_names_are_refused(db: None, text: str) -> None:
    person = User(email="a@example.org")
    assert not accounts.forms.ProfileForm({"display_name": text}, instance=person).is_valid()
    form = PartnerForm({"name": text})
    assert "name" in form.errors
    with pytest.raises(Invalid):
        create_partner(name=text, owner=person, actor=SYSTEM)
    with pytest.raises(Invalid, match="Rename the file"):
        files.save(SimpleUploadedFile(f"{text}.txt", b"plain"))


def test_terms_are_refused_with_each_place_named() -> None:
    milestone = Milestone(title=HIDDEN, amount=10**6, deliver_at=clock.now() + timedelta(days=9))
    terms = Agreement(
        title=TURNED,
        description="A website with three pages\u202e.",
        network="here",
        token="0x" + "1" * 40,
        milestones=(milestone,),
        **default_clocks(),
    )
    with pytest.raises(Invalid) as refused:
        check(terms)
    places = {error.pointer for error in refused.value.errors if error.code == "characters"}
    assert places == {"/title", "/description", "/milestones/0/title"}
