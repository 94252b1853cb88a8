"""How far the payment of an escrow is: paid, coming, due. Every view and every check reads it here.

Read from the transfers themselves, in one statement: whether one was seen in a new block, is final, or is
booked as a deposit, it counts exactly once at every moment.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from chain import selectors as chain_reads
from chain.models import Token
from chain.selectors import Arrived
from core.money import Amount
from payments.models import Escrow
from payments.states import EscrowState

# Waiting for the money.
OPEN = (EscrowState.AWAITING_DEPOSIT, EscrowState.CONFIRMING)


@dataclass(frozen=True, slots=True)
class Paid:
    """Base units of the escrow's token: `asked` in all, `final` on final blocks, `coming` on newer ones.

    Less than the least amount of the token is nothing yet, in all of these.
    """

    escrow: Escrow
    asked: int
    final: int = 0
    coming: int = 0

    def _of(self, units: int) -> Amount:
        return Amount(units, self.escrow.token.unit)

    @property
    def missing(self) -> int:
        """What has neither come for good nor is on its way."""
        return max(0, self.asked - self.final - self.coming)

    @property
    def paid(self) -> Amount:
        """What came for good, as far as it counts."""
        return self._of(min(self.final, self.asked))

    @property
    def confirming(self) -> Amount:
        """What was seen and can still be reversed, while the escrow waits for it."""
        return self._of(self.coming if self.escrow.state in OPEN else 0)

    @property
    def due(self) -> Amount:
        """What should be sent now; nothing unless the escrow waits for it."""
        return self._of(self.missing if self.escrow.state in OPEN else 0)

    @property
    def came(self) -> bool:
        """Whether any money was seen."""
        return self.final + self.coming > 0

    @property
    def is_part(self) -> bool:
        """Whether some of it came, and not all."""
        return self.came and self.missing > 0


def read(escrows: Iterable[Escrow]) -> dict[str, Paid]:
    """By escrow id; one query for any number. What is planned has no address yet and nothing paid."""
    standing = list(escrows)
    addresses = {escrow.vault_address for escrow in standing if escrow.vault_address}
    tokens = {escrow.token_id for escrow in standing}
    found = chain_reads.arrived(addresses, tokens) if addresses else {}
    return {escrow.pk: _paid(escrow, found) for escrow in standing}


def of(escrow: Escrow) -> Paid:
    """`read` for one."""
    return read([escrow])[escrow.pk]


def _paid(escrow: Escrow, found: dict[tuple[str, int], Arrived]) -> Paid:
    here = found.get((escrow.vault_address, escrow.token_id))
    if here is None or here.final + here.pending < escrow.token.least_amount:
        return Paid(escrow, escrow.amount)
    return Paid(escrow, escrow.amount, here.final, here.pending)


def money_seen(escrow: Escrow) -> bool:
    """Whether money came, final or not: the least amount of any listed token. Less blocks nothing."""
    if not escrow.vault_address:
        return False
    least = dict(Token.objects.filter(network=escrow.network).values_list("pk", "least_amount"))
    found = chain_reads.arrived([escrow.vault_address], least)
    return any(here.final + here.pending >= least[token] for (_, token), here in found.items())
