"""The demo's people, partner and policy; made once, found again by every later start."""

import json
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.contrib.auth.models import Group
from eth_account import Account

from accounts.models import User
from chain.models import Network
from core.actors import SYSTEM
from disputes.services import groups
from partners.models import ApiKey, Partner
from partners.services.accounts import create_partner
from partners.services.keys import create_key
from payments.services import setup
from wallets.services.seats import contract_seats

PASSWORD = "holdfast-demo"  # noqa: S105  (printed by the demo, which holds no real money)


@dataclass(frozen=True)
class Person:
    email: str
    name: str
    role: str
    group: str = ""
    operator: bool = False


PEOPLE = (
    Person("alice@demo.test", "Alice", "buys"),
    Person("bob@demo.test", "Bob", "sells"),
    Person("carol@demo.test", "Carol", "a stranger to their deals"),
    Person("ada@demo.test", "Ada", "arbitrator", groups.ARBITRATORS),
    Person("lena@demo.test", "Lena", "lead arbitrator, approves rulings", groups.LEADS),
    Person("admin@demo.test", "Olga", "operator, sees everything in the admin", operator=True),
)


def seed() -> None:
    """Make whoever and whatever is missing. Safe to run again."""
    groups.ensure()
    for person in PEOPLE:
        _ensure_person(person)
    network = Network.objects.get(slug="local")
    _ensure_policy(network)
    _ensure_partner()


def user(name: str) -> User:
    """The demo person of this display name."""
    return User.objects.get(display_name=name, email__endswith="@demo.test")


def address_of(name: str) -> str:
    """A payout or refund address of the demo's own; its key is thrown away."""
    key = f"address of {name}"
    if not remembered(key):
        remember(key, Account.create().address)
    return remembered(key)


def api_key() -> str:
    """The demo partner's test key, kept beside the demo's data because keys are shown only once."""
    return remembered("api_key")


def remembered(what: str) -> str:
    """What the demo wrote down under this name; empty if nothing."""
    return str(_load().get(what, ""))


def remember(what: str, value: str) -> None:
    """Write something down for the next start."""
    _save(_load() | {what: value})


def _ensure_person(person: Person) -> None:
    if User.objects.filter(email=person.email).exists():
        return
    staff = bool(person.group) or person.operator
    made = User.objects.create_user(
        person.email,
        PASSWORD,
        display_name=person.name,
        is_staff=staff,
        is_superuser=person.operator,
    )
    if person.group:
        made.groups.add(Group.objects.get(name=person.group))


def _ensure_policy(network: Network) -> None:
    seats = [seat.address for seat in contract_seats()[:4]]
    setup.ensure_policy(network, seats=seats, fee_recipient=address_of("fees"))


def _ensure_partner() -> None:
    if ApiKey.objects.filter(partner__name="Bazaar").exists() and api_key():
        return
    partner = Partner.objects.filter(name="Bazaar").first()
    if partner is None:
        partner = create_partner(name="Bazaar", owner=user("Olga"), actor=SYSTEM)
    issued = create_key(
        partner,
        livemode=False,
        scopes=["read", "deals", "release", "refund", "disputes"],
        actor=SYSTEM,
        label="demo",
    )
    remember("api_key", issued.secret)


def _file() -> Path:
    return settings.STATE_FOLDER / "demo.json"


def _load() -> dict[str, str]:
    path = _file()
    return json.loads(path.read_text()) if path.exists() else {}


def _save(values: dict[str, str]) -> None:
    _file().parent.mkdir(parents=True, exist_ok=True)
    _file().write_text(json.dumps(values, indent=1))
    _file().chmod(0o600)
