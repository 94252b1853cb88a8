"""Where escrows stand for one of their sides, read with a constant number of queries."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from core.models import Deadline
from payments import paid as payment
from payments.models import DECIDING, Escrow, Order, RefundRequest, Role
from payments.paid import Paid
from payments.services.approvals import APPROVAL
from payments.states import UNPAID, OrderState


@dataclass(frozen=True, slots=True)
class Situation:
    """One escrow, who looks at it, what the other side is called, and every wait that runs."""

    escrow: Escrow
    role: Role
    other: str
    waits: dict[str, Deadline] = field(default_factory=dict)
    refund_request: RefundRequest | None = None
    # How far it is paid, while it waits for its money.
    paid: Paid | None = None
    # Decisions about its money that are on their way to the chain.
    under_way: tuple[Order, ...] = ()
    # The wait of the first of them for a second person, if it is above a cap.
    approval: Deadline | None = None

    @property
    def is_buyer(self) -> bool:
        return self.role == Role.BUYER

    @property
    def buyer(self) -> str:
        """The buyer, as the subject of a sentence."""
        return "you" if self.is_buyer else self.other

    @property
    def seller(self) -> str:
        return self.other if self.is_buyer else "you"

    def due(self, kind: str) -> datetime | None:
        """When the wait of this kind ends, if it runs."""
        return self.waits[kind].due_at if kind in self.waits else None

    def backstop(self, kind: str) -> datetime | None:
        """When anyone can do the same on the chain."""
        return self.waits[kind].backstop_at if kind in self.waits else None


def read(escrows: Iterable[Escrow], role_of: dict[str, Role], other_of: dict[str, str]) -> list[Situation]:
    """The situations of escrows; `role_of` and `other_of` are by deal id. Four queries for any number."""
    standing = list(escrows)
    by_id = {escrow.pk: escrow for escrow in standing}
    ids = list(by_id)
    paid = payment.read(escrow for escrow in standing if escrow.state in UNPAID)
    orders: dict[str, list[Order]] = defaultdict(list)
    live = (OrderState.LIVE, OrderState.NEEDS_HUMAN)
    for order in Order.objects.filter(escrow__in=ids, state__in=live, kind__in=DECIDING):
        order.escrow = by_id[order.escrow_id]
        orders[order.escrow_id].append(order)
    subjects = ids + [order.pk for under_way in orders.values() for order in under_way]
    waits: dict[str, dict[str, Deadline]] = defaultdict(dict)
    for deadline in Deadline.objects.filter(subject_id__in=subjects, state=Deadline.State.WAITING):
        waits[deadline.subject_id][deadline.kind] = deadline
    asked = {
        request.escrow_id: request
        for request in RefundRequest.objects.filter(escrow__in=ids, state=RefundRequest.State.ASKED)
    }
    return [
        Situation(
            escrow=escrow,
            role=role_of[escrow.deal_id],
            other=other_of[escrow.deal_id],
            waits=waits[escrow.pk],
            refund_request=asked.get(escrow.pk),
            paid=paid.get(escrow.pk),
            under_way=tuple(orders[escrow.pk]),
            approval=_approval(orders[escrow.pk], waits),
        )
        for escrow in standing
    ]


def _approval(orders: list[Order], waits: dict[str, dict[str, Deadline]]) -> Deadline | None:
    return next((waits[order.pk][APPROVAL] for order in orders if APPROVAL in waits[order.pk]), None)
