"""Books against chain: at one final block, the token balance of every vault must equal its books.

The books are written from events alone; this is the only place that looks at balances, and it changes
nothing but freezes what differs.
"""

import time
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import structlog
from django.db import transaction

from chain.models import Network
from chain.rpc.errors import RpcError
from chain.services import reads
from chain.services.alarms import raise_alarm
from core import rounds, tries
from payments.books import balances, unexplained
from payments.locks import lock_escrow
from payments.models import Escrow, ProjectionCursor
from payments.services import controls
from payments.states import LIVE

_AT_ONCE = 200
_EVERY = timedelta(hours=1)
_SHORTLY = 0.5  # seconds
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Difference:
    """A vault whose books do not say what the chain says, in base units at `block`."""

    vault: str
    token: str
    books: int
    chain: int
    block: int


class NotCaughtUp(RuntimeError):
    """Final events are not all applied; comparing now would compare two different instants."""


def compare(network: Network) -> list[Difference]:
    """All differences, however long it takes. Raises `NotCaughtUp` while events wait to be applied."""
    found: list[Difference] = []
    after: str | None = ""
    while after is not None:
        after, differences = _portion(network, after)
        found += differences
    return found


def run(network: Network, seconds: float = 25.0) -> list[Difference]:
    """Compare and freeze every escrow that differs, until a person has looked. Returns what differed.

    First those that are not over, then all there ever were, each for about `seconds`; the next turn goes on
    where this one ended, and a whole round begins once an hour. What fails in one does not keep the other
    from its time; the first failure is raised at the end: `NotCaughtUp` when events waited for all of the
    time, `RpcError` when no node answered.
    """
    found: dict[tuple[str, str], Difference] = {}
    tries.each(
        partial(_turn, network, seconds, found, unfinished=True),
        partial(_turn, network, seconds, found, unfinished=False),
    )
    return list(found.values())


def _turn(
    network: Network, seconds: float, found: dict[tuple[str, str], Difference], *, unfinished: bool
) -> None:
    name = rounds.of(network.slug, "books unfinished" if unfinished else "books all")
    portion = partial(_checked, network, found, unfinished, time.monotonic() + seconds)
    rounds.go_on(name, portion, seconds=seconds, pause=_EVERY)


def _checked(
    network: Network, found: dict[tuple[str, str], Difference], unfinished: bool, end: float, after: str
) -> str | None:
    """Compare a portion as soon as the books are level with the chain, and freeze what differs; what is not
    explained stops its token as well."""
    last, differences = _when_level(network, after, unfinished, end)

    def tell(difference: Difference) -> None:
        log.error("books_differ", **{name: getattr(difference, name) for name in difference.__slots__})
        tries.each(
            partial(unexplained.stop_token, network, difference),  # asks whether the escrow is frozen yet
            partial(_freeze, network, difference),
        )
        found[difference.vault, difference.token] = difference

    # One that is locked for too long leaves no other unfrozen; the portion is done again for it.
    tries.each(*(partial(tell, difference) for difference in differences))
    return last


def _when_level(
    network: Network, after: str, unfinished: bool, end: float
) -> tuple[str | None, list[Difference]]:
    """Events come at any time and wait a moment to be applied, and nodes fail for a moment: until `end` the
    portion is tried again.
    """
    while True:
        try:
            return _portion(network, after, unfinished=unfinished)
        except (NotCaughtUp, RpcError):
            if time.monotonic() > end:
                raise
        time.sleep(_SHORTLY)


def _portion(
    network: Network, after: str, *, unfinished: bool = False
) -> tuple[str | None, list[Difference]]:
    """The last escrow that was compared, None when none follows `after`, and what differed.

    A portion is compared at the newest final block, whose events are all in the books.
    """
    chosen = Escrow.objects.filter(network=network, pk__gt=after)
    if unfinished:
        chosen = chosen.filter(state__in=LIVE)
    with transaction.atomic():
        cursor = ProjectionCursor.objects.select_for_update().filter(network=network).first()
        final = reads.applied_final_block(network, cursor.seq if cursor else 0)
        if final is None:
            raise NotCaughtUp(network.slug)
        ids = list(chosen.order_by("pk").values_list("pk", flat=True)[:_AT_ONCE])
        rows = balances.vaults(ids)
    number, block_hash = final
    found = reads.token_balances(network, [(token, vault) for vault, token, _ in rows], block_hash)
    differences = [
        Difference(vault, token, units, on_chain, number)
        for (vault, token, units), on_chain in zip(rows, found, strict=True)
        if units != on_chain
    ]
    return (ids[-1] if ids else None), differences


@transaction.atomic
def _freeze(network: Network, difference: Difference) -> None:
    found = Escrow.objects.get(network=network, vault_address=difference.vault)
    controls.freeze(lock_escrow(found.pk))
    detail = f"{difference.token} in {difference.vault}: books {difference.books}, chain {difference.chain}"
    raise_alarm(network, controls.BOOKS_DIFFER, found.pk, f"{detail}, block {difference.block}")
