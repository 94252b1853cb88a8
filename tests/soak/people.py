"""The people of a soak, the partner, and the network's contracts: made once, before anything fails."""

import io
from dataclasses import dataclass, field

from django.contrib.auth.models import Group
from django.core.management import call_command

from accounts.models import User
from chain.models import Network
from core.actors import SYSTEM
from disputes.services import groups
from partners.models import Scope
from partners.services.accounts import create_partner
from partners.services.keys import create_key
from tests.chain.fixtures import Anvil
from tests.soak.plan import PEOPLE

# Seconds after which what was final is read once more: here minutes stand for hours.
SECOND_PASS = 15


@dataclass
class People:
    """Who acts."""

    buyers: list[User] = field(default_factory=list)
    sellers: list[User] = field(default_factory=list)
    arbitrators: list[User] = field(default_factory=list)
    lead: User | None = None
    secret: str = ""


def settle_in(chain: Anvil, fee: str) -> tuple[Network, People]:
    """Tables, contracts, operator, seats and everybody. The node mines meanwhile."""
    call_command("migrate", verbosity=0, interactive=False)
    told = io.StringIO()
    call_command("chain_deploy", verbosity=0, stdout=told)
    call_command("operator_deploy", fee_recipient=fee, verbosity=0, stdout=told)
    network = Network.objects.get(slug="local")
    Network.objects.filter(pk=network.pk).update(second_pass_after=SECOND_PASS)
    return network, _people()


def _people() -> People:
    groups.ensure()
    found = People()
    for number in range(PEOPLE):
        found.buyers.append(_user(f"buyer{number}"))
        found.sellers.append(_user(f"seller{number}"))
    found.arbitrators = [_user(name, groups.ARBITRATORS) for name in ("ada", "abe")]
    found.lead = _user("lena", groups.LEADS)
    partner = create_partner(name="Bazaar", owner=_user("olga"), actor=SYSTEM)
    found.secret = create_key(partner, livemode=False, scopes=Scope.values, actor=SYSTEM).secret
    return found


def _user(name: str, group: str = "") -> User:
    user = User.objects.create_user(
        f"{name}@example.org", "correct horse", display_name=name.title(), is_staff=bool(group)
    )
    if group:
        user.groups.add(Group.objects.get(name=group))
    return user
