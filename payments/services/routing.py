"""Where an action of an escrow is sent, and by which of the platform's keys.

What an operator does goes to the operator that the terms name: a gate, or in older terms a key of ours.
What anyone may do goes straight to the contract.
"""

from dataclasses import dataclass

from chain.models import Sender
from chain.services.networks import sender_of
from contracts import gate as gate_contract
from contracts.artifacts import ESCROW_ADDRESS
from core.errors import Conflict
from payments.models import Escrow
from payments.services import chain_terms
from wallets.models import Gate
from wallets.services import gates

PAYOUTS = "payouts"
DEADLINES = "deadlines"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """`gate` is set where it passes the action on; `hot` is then the key that sends it, and `over` tells
    that the escrow is above what that key decides alone."""

    purpose: str
    target: str
    gate: Gate | None = None
    hot: str = ""
    over: bool = False


def route(escrow: Escrow, item: bytes, anyone: str) -> Route:
    """The way of one action, given as calldata for the escrow contract; `anyone` is the purpose of the sender
    that carries it where no operator is needed."""
    if not gate_contract.is_passed_on(item):
        return Route(purpose=anyone, target=ESCROW_ADDRESS)
    operator = chain_terms.of(escrow).operator
    gate = gates.gate_at(escrow.network, operator)
    if gate is None:
        own = Sender.objects.filter(network=escrow.network, address=operator).first()
        return Route(purpose=own.purpose if own else anyone, target=ESCROW_ADDRESS)
    free = gate_contract.is_free(item)
    purpose = DEADLINES if free else PAYOUTS
    hot = address_of(escrow, purpose)
    over = not free and gates.above_cap(gate, hot, escrow.token, escrow.amount)
    return Route(purpose=purpose, target=gate.address, gate=gate, hot=hot, over=over)


def address_of(escrow: Escrow, purpose: str) -> str:
    """The key that carries this purpose on the escrow's network."""
    sender = sender_of(escrow.network, purpose)
    if sender is None:
        raise Conflict("network_not_ready", f"{escrow.network.name} has no key for {purpose}.")
    return sender.address
