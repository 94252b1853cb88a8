"""Books against chain: at one final block, the token balance of every vault must equal its books.

The books are written from events alone; this is the only place that looks at balances, and it changes
nothing but freezes what differs.
"""

from dataclasses import dataclass

import structlog
from django.db import transaction

from chain.models import Network
from chain.services import reads
from chain.services.alarms import raise_alarm
from payments.books import balances, unexplained
from payments.locks import lock_escrow
from payments.models import Escrow, ProjectionCursor
from payments.services import controls

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
    """All differences at the newest final block. Raises `NotCaughtUp` while events wait to be applied."""
    with transaction.atomic():
        cursor = ProjectionCursor.objects.select_for_update().filter(network=network).first()
        final = reads.applied_final_block(network, cursor.seq if cursor else 0)
        if final is None:
            raise NotCaughtUp(network.slug)
        rows = balances.vaults(network.pk)
    number, block_hash = final
    found = reads.token_balances(network, [(token, vault) for vault, token, _ in rows], block_hash)
    return [
        Difference(vault, token, units, on_chain, number)
        for (vault, token, units), on_chain in zip(rows, found, strict=True)
        if units != on_chain
    ]


def run(network: Network) -> list[Difference]:
    """Compare and freeze every escrow that differs, until a person has looked; what is not explained stops
    its token as well."""
    differences = compare(network)
    for difference in differences:
        log.error("books_differ", **{name: getattr(difference, name) for name in difference.__slots__})
        unexplained.stop_token(network, difference)
        _freeze(network, difference)
    return differences


@transaction.atomic
def _freeze(network: Network, difference: Difference) -> None:
    found = Escrow.objects.get(network=network, vault_address=difference.vault)
    controls.freeze(lock_escrow(found.pk))
    detail = f"{difference.token} in {difference.vault}: books {difference.books}, chain {difference.chain}"
    raise_alarm(network, controls.BOOKS_DIFFER, found.pk, f"{detail}, block {difference.block}")
