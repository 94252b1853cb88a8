"""Operators issue, roll and revoke keys; the secret is shown once and every change is audited."""

import re
from collections.abc import Callable

import pytest
from django.contrib.admin.utils import quote
from django.db import Error, transaction
from django.test import Client

from accounts.models import User
from core import clock
from core.models import AuditEntry
from partners.models import ApiKey, Partner
from partners.services import keys
from partners.services.keys import IssuedKey

pytestmark = pytest.mark.django_db
ADD = "/admin/partners/apikey/add/"
PASSWORD = "a long password"
PROOF = {"own_password": PASSWORD}
DIALOG = {"_form_submitted": "on"}


@pytest.fixture
def operator(client: Client) -> Client:
    client.force_login(User.objects.create_superuser(email="op@example.com", password=PASSWORD))
    return client


def _secret(text: str) -> str:
    found = re.search(r"sk_(?:test|live)_[\w-]{43}", text)
    assert found
    return found.group()


def test_a_new_key_is_shown_once_and_works(operator: Client, partner: Partner) -> None:
    form = {
        "partner": partner.pk,
        "label": "shop",
        "scopes": ["read", "deals"],
        "ip_allow_list": "192.0.2.1/24",
    }
    assert operator.get(ADD).status_code == 200
    assert operator.post(ADD, form).status_code == 200 and not ApiKey.objects.exists()
    response = operator.post(ADD, form | PROOF)
    assert response.status_code == 200 and "no-store" in response["Cache-Control"]
    secret = _secret(response.content.decode())
    key = keys.find_usable(secret)
    assert key is not None and key.scopes == ["read", "deals"] and key.ip_allow_list == ["192.0.2.0/24"]
    page = operator.get(f"/admin/partners/apikey/{quote(key.pk)}/change/")
    assert secret not in page.content.decode() and page.status_code == 200
    assert AuditEntry.objects.filter(action="api_key.created", subject_id=key.pk).exists()


def test_a_malformed_allow_list_is_told_at_its_field(operator: Client, partner: Partner) -> None:
    form = {"partner": partner.pk, "scopes": ["read"], "ip_allow_list": "home"} | PROOF
    response = operator.post(ADD, form)
    assert "is not an IP address" in response.content.decode()
    assert not ApiKey.objects.exists()


@pytest.mark.parametrize("verb", ["roll", "revoke"])
def test_looking_at_a_dialog_changes_nothing(operator: Client, issued: IssuedKey, verb: str) -> None:
    assert operator.get(_dialog(operator, issued, verb)).status_code == 200
    key = ApiKey.objects.get()
    assert key.revoked_at is None and key.expires_at is None


def test_a_key_is_rolled_and_revoked_in_dialogs(operator: Client, issued: IssuedKey) -> None:
    operator.post(_dialog(operator, issued, "roll"), DIALOG | {"hours": 24, "own_password": "a guess"})
    assert ApiKey.objects.count() == 1
    rolled = operator.post(_dialog(operator, issued, "roll"), DIALOG | PROOF | {"hours": 24})
    assert keys.find_usable(_secret(rolled.content.decode())) is not None
    again = operator.post(_dialog(operator, issued, "roll"), DIALOG | PROOF | {"hours": 24})
    assert "rolled before" in again.content.decode()
    operator.post(_dialog(operator, issued, "revoke"), DIALOG)
    assert keys.find_usable(issued.secret) is None


def test_a_partner_is_made_renamed_and_switched_off(
    operator: Client, issue: Callable[..., IssuedKey]
) -> None:
    secret = issue().secret
    partner = Partner.objects.get()
    address = f"/admin/partners/partner/{partner.pk}/change/"
    assert operator.get(address).status_code == 200
    operator.post(address, {"name": "Bazaar"})
    partner.refresh_from_db()
    assert (partner.name, partner.enabled) == ("Bazaar", False)
    assert keys.find_usable(secret) is None
    operator.post(address, {"name": "Bazaar", "enabled": "on"})
    assert not Partner.objects.get(pk=partner.pk).enabled, "on again only with the password"
    made = {"name": "Fair", "owner": partner.owner_id}
    operator.post("/admin/partners/partner/add/", made)
    operator.post("/admin/partners/partner/add/", made | PROOF)
    assert Partner.objects.filter(name="Fair", enabled=True).exists()
    actions = set(AuditEntry.objects.values_list("action", flat=True))
    assert {"partner.created", "partner.renamed", "partner.disabled"} <= actions


def test_nothing_of_a_partner_can_be_deleted(operator: Client, issued: IssuedKey) -> None:
    assert operator.post(f"/admin/partners/apikey/{quote(issued.key.pk)}/delete/").status_code == 403
    assert operator.post(f"/admin/partners/partner/{issued.key.partner_id}/delete/").status_code == 403


def _dialog(operator: Client, issued: IssuedKey, verb: str) -> str:
    page = operator.get(f"/admin/partners/apikey/{quote(issued.key.pk)}/change/").content.decode()
    found = re.search(rf'"(/admin/partners/apikey/{quote(issued.key.pk)}/[^"]*{verb}[^"]*)"', page)
    assert found, "the page offers the action"
    return found.group(1)


def test_only_label_and_allow_list_of_a_key_change(operator: Client, issued: IssuedKey) -> None:
    address = f"/admin/partners/apikey/{quote(issued.key.pk)}/change/"
    form = {"label": "till", "ip_allow_list": "192.0.2.0/24", "scopes": ["read"], "livemode": "on"} | PROOF
    assert operator.post(address, form).status_code == 302
    key = ApiKey.objects.get()
    assert (key.label, key.ip_allow_list) == ("till", ["192.0.2.0/24"])
    assert (key.scopes, key.livemode) == (issued.key.scopes, False)
    assert AuditEntry.objects.filter(action="api_key.described").exists()


@pytest.mark.parametrize("column", ["scopes", "hash", "livemode", "partner_id"])
def test_the_database_itself_keeps_a_keys_rights(issued: IssuedKey, column: str) -> None:
    values = {"scopes": ["read"], "hash": "0x" + "00" * 32, "livemode": True, "partner_id": "ptn_x"}
    with pytest.raises(Error), transaction.atomic():
        ApiKey.objects.update(**{column: values[column]})


def test_a_revoked_key_never_comes_back(issued: IssuedKey) -> None:
    ApiKey.objects.update(revoked_at=clock.now())
    with pytest.raises(Error), transaction.atomic():
        ApiKey.objects.update(revoked_at=None)
    with pytest.raises(Error), transaction.atomic():
        ApiKey.objects.all().delete()
