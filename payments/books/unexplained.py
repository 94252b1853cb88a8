"""A difference between books and chain that nobody can explain stops everything that its token pays.

Explained is what two known causes sum up to, to the base unit: transfers of the vault that are final and not
posted yet, and funds that the token's owner destroyed. All else may concern every vault of the token.
"""

from typing import Protocol

from django.db import transaction

from chain import selectors as chain_reads
from chain.models import Alarm, FinalEvent, Network, Token
from chain.services.alarms import raise_alarm
from core.actors import SYSTEM
from payments.models import Escrow, KillSwitch, ProjectionCursor
from payments.services import controls


class Difference(Protocol):
    """A vault whose books and chain differ at `block`, in base units of the token at address `token`."""

    @property
    def vault(self) -> str: ...
    @property
    def token(self) -> str: ...
    @property
    def books(self) -> int: ...
    @property
    def chain(self) -> int: ...
    @property
    def block(self) -> int: ...


@transaction.atomic
def stop_token(network: Network, found: Difference) -> bool:
    """Stop the token's payouts where this difference is new and not explained; returns whether it did.

    Call it before the escrow is frozen: of a frozen one the same difference is known, and a person who
    started the token again decided so. Only a person starts it.
    """
    escrow = Escrow.objects.get(network=network, vault_address=found.vault)
    token = Token.objects.select_related("network").get(network=network, address=found.token)
    off = found.chain - found.books
    if off == explained(escrow, token, found.block) or _known(escrow, token, off):
        return False
    detail = f"{_label(token, off)} in {found.vault}, block {found.block}"
    controls.set_switch(
        network=network,
        kind=KillSwitch.Kind.TOKEN,
        token=token,
        stopped=True,
        reason=f"books differ from the chain: {detail}",
        acting=SYSTEM,
    )
    raise_alarm(network, controls.UNEXPLAINED, controls.unexplained_in(escrow, token.address), detail)
    raise_alarm(network, controls.TOKEN_STOPPED, token.address, detail)
    return True


def explained(escrow: Escrow, token: Token, block: int) -> int:
    """By how much the chain may differ from the books, in base units: positive where it holds more."""
    seq = ProjectionCursor.objects.filter(network=token.network).values_list("seq", flat=True).first() or 0
    kinds = {FinalEvent.Kind.TRANSFER_IN: 1, FinalEvent.Kind.TRANSFER_OUT: -1}
    unposted = FinalEvent.objects.filter(
        network=token.network, seq__gt=seq, key=escrow.pk, kind__in=kinds, transfer__token=token
    )
    rows = unposted.filter(block_number__lte=block).values_list("kind", "transfer__amount")
    moved = sum(kinds[FinalEvent.Kind(kind)] * int(amount) for kind, amount in rows)
    return moved - chain_reads.destroyed(token, escrow.vault_address, block)


def _known(escrow: Escrow, token: Token, off: int) -> bool:
    subject = controls.unexplained_in(escrow, token.address)
    told = Alarm.objects.filter(network=token.network, kind=controls.UNEXPLAINED, subject=subject)
    return escrow.frozen and told.filter(detail__startswith=f"{_label(token, off)} in ").exists()


def _label(token: Token, off: int) -> str:
    return f"{token.symbol} {token.address} off by {off}"
