"""What may be done with an object now, by which side, until when, and whether the partner may do it."""

from typing import Any

from payments import selectors
from payments.api.reading import paid_of, waiting_of
from payments.models import Deal, Escrow, Party, Role
from payments.services.deals import ACCEPT
from payments.states import DealState

# A party may let the partner do these for it.
DELEGATED = frozenset({"release", "refund", "dispute"})
# Nobody has to let the partner do these.
FREE = frozenset({"retry_payout"})


def of_deal(deal: Deal) -> list[dict[str, Any]]:
    """While proposed, each side that has to answer accepts or counters; both may call it off."""
    if deal.state == DealState.AGREED:
        return [_shown(selectors.Action("cancel", Role.BUYER))]
    if deal.state != DealState.PROPOSED:
        return []
    due = next((wait.due_at for wait in waiting_of(deal) if wait.kind == ACCEPT), None)
    newest = max(deal.versions.all(), key=lambda version: version.number).hash
    found = []
    for party in deal.parties.all():
        if party.accepted_hash != newest and deal.turn in ("", party.role):
            found += [selectors.Action(name, party.role, due) for name in ("accept", "counter")]
        found.append(selectors.Action("cancel", party.role))
    return [_shown(action) for action in found]


def of_escrow(escrow: Escrow) -> list[dict[str, Any]]:
    """The actions of both sides; `by_partner` where the side delegated it to the partner."""
    delegated = {party.role for party in escrow.deal.parties.all() if party.delegated}
    return [
        _shown(
            action,
            by_partner=action.name in FREE or (action.name in DELEGATED and action.actor in delegated),
        )
        for action in selectors.actions_for(escrow, waiting_of(escrow), paid_of(escrow))
    ]


def acting_party(escrow: Escrow, role: str) -> Party | None:
    """The side, if it lets the partner act for it."""
    return escrow.deal.parties.filter(role=role, delegated=True).first()


def _shown(action: selectors.Action, *, by_partner: bool = False) -> dict[str, Any]:
    return {
        "action": action.name,
        "actor": action.actor,
        "deadline": action.deadline,
        "by_partner": by_partner,
    }
