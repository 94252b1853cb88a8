"""After a change of how a person signs in their money rests: who took an account over gains nothing at once.

For `CLOCKS["sign_in_changed"]` nothing of that person pays the other side, no dispute of theirs is given up,
and no address that they did not use before becomes part of terms. A partner's key that acts for them waits as
well: a taken mailbox opens the partner's site too. What stops, refuses, or brings money back to them passes.

A default of silence that would pay the other side waits that long, once, and never into the time that the
chain needs: nobody delays a payment by changing a password again and again.
"""

from collections.abc import Iterable
from datetime import datetime

from django.conf import settings

from accounts.services import security
from core import clock
from core.errors import Conflict
from core.models import Deadline
from payments.models import Deal, Escrow, Party, Role
from payments.services import clocks

CODE = "sign_in_changed"


def check_pays(escrow: Escrow, role: str) -> None:
    """Raise `Conflict` while this side may not pay the other, give up its dispute, or have it done for it."""
    end = security.waits_until(_side(escrow.deal, role).user)
    if end is not None:
        _refuse(f"No money has moved. The {role} changed how they sign in", "nothing of theirs is paid", end)


def check_address(party: Party, *, changed: bool = False) -> None:
    """Raise `Conflict` where an address would become part of terms that this side did not use before.

    The first one of an account may; `changed`: another one stood here.
    """
    end = security.waits_until(party.user)
    if end is None or party.user is None:
        return
    before = Party.objects.filter(user=party.user, accepted_at__lt=party.user.sign_in_changed_at)
    used = set(before.exclude(address="").values_list("address", flat=True))
    if party.address not in used and (used or changed):
        _refuse("Nothing was changed. You changed how you sign in", "no new address can be fixed", end)


def silence_waits(escrow: Escrow, role: str, wait: Deadline) -> bool:
    """Whether the default of a wait that is due, against this side, does not happen yet."""
    end = rests_until(escrow, role, wait)
    return end is not None and clock.now() < end


def rests_until(escrow: Escrow, role: str, wait: Deadline) -> datetime | None:
    """When the default of this wait happens instead, if its side has changed how it signs in."""
    user = _side(escrow.deal, role).user
    if user is None or user.sign_in_changed_at is None:
        return None
    end = min(security.until(user.sign_in_changed_at), security.until(wait.due_at))
    chain = escrow.marked_until or (wait.backstop_at if wait.kind == clocks.INSPECT else None)
    if chain is not None:
        end = min(end, chain - clocks.BEFORE_CHAIN_END)
    return end if end > wait.due_at else None


def notes(parties: Iterable[Party], role: str) -> list[str]:
    """What both sides read about it on the escrow's page, as the side `role` sees it."""
    found = []
    for party in parties:
        end = security.waits_until(party.user)
        if end is not None:
            found.append(_told(party, end, own=party.role == role))
    return found


def _told(party: Party, end: datetime, *, own: bool) -> str:
    if own:
        return (
            f"You changed how you sign in. Until {_words(end)} nothing of yours is paid to the other side, "
            "by silence neither, and no new address can be fixed. You can stop, dispute and take back. "
            f"If it was not you, set a new password and write to {settings.SUPPORT_EMAIL}."
        )
    return (
        f"{party.name} changed how they sign in. For their safety nothing of theirs is paid to you until "
        f"{_words(end)}, by silence neither; what you can do yourself goes on as always."
    )


def _side(deal: Deal, role: str) -> Party:
    return deal.parties.select_related("user").get(role=Role(role))


def _refuse(what: str, waits: str, end: datetime) -> None:
    raise Conflict(CODE, f"{what}: until {_words(end)} {waits}. Stopping and disputing work as always.")


def _words(at: datetime) -> str:
    return f"{at:%d %B %Y, %H:%M} UTC"
