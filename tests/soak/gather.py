"""Reads the chain past the product, and the tables, for the judgement."""

from collections.abc import Iterable

from django.db.models import Sum

from chain.indexer.events import TRANSFER
from chain.models import Alarm, Call, Network, Reorg, Transaction
from chain.states import OPEN_TRANSACTIONS
from contracts import views
from contracts.artifacts import TEST_USDT_ADDRESS
from core.models import OutboxDelivery
from payments.books import balances, reconcile
from payments.models import Deposit, Entry, Escrow, Order, PayoutLeg
from tests.chain.fixtures import Anvil
from tests.soak.checks import Found, Leg, Transfer, WantedLife
from tests.soak.lives import Living
from tests.soak.wallets import Wallets

# An alarm of these kinds means that a person has to act, and nobody is there.
_GRAVE = (
    "halted",
    "order_needs_human",
    "projection_stuck",
    "sender_frozen",
    "nonce_taken",
    "final_event_reversed",
    "final_call_lost",
)


def wanted(lives: Iterable[Living], wallets: Wallets) -> list[WantedLife]:
    """What the plan asks for; a life that never came to an escrow has a vault that does not exist."""
    paid: dict[str, dict[str, int]] = {}
    for payment in wallets.payments:
        paid.setdefault(payment.vault.lower(), {})[payment.tx_hash] = payment.units
    return [_wanted(living, paid, wallets) for living in lives]


def _wanted(living: Living, paid: dict[str, dict[str, int]], wallets: Wallets) -> WantedLife:
    life, escrow = living.life, living.escrow
    vault = escrow.vault_address.lower() if escrow else f"no vault {life.number}"
    deposits = dict(paid.get(vault, {}))
    for place, units in enumerate(life.payments[len(deposits) :]):
        deposits[f"never sent {place}"] = units
    who = {
        "fee": wallets.fee,
        "buyer": wallets.address(life, "buyer"),
        "seller": wallets.address(life, "seller"),
    }
    return WantedLife(
        number=life.number,
        escrow=escrow.pk if escrow else f"no escrow {life.number}",
        vault=vault,
        end=life.end,
        deposits=deposits,
        payouts=tuple((who[name].lower(), units) for name, units in life.legs()),
    )


def found(network: Network, chain: Anvil) -> Found:
    """Everything there is, now."""
    deposits: dict[str, list[int]] = {}
    for tx_hash, amount in Deposit.objects.values_list("tx_hash", "amount"):
        deposits.setdefault(tx_hash, []).append(int(amount))
    vaults = Escrow.objects.exclude(vault_address="").values_list("vault_address", flat=True)
    escrows = Escrow.objects.filter(network=network).values_list("pk", flat=True)
    legs = PayoutLeg.objects.values_list("escrow", "recipient", "amount", "state")
    return Found(
        states=dict(Escrow.objects.values_list("pk", "state")),
        transfers=transfers(chain),
        legs=[Leg(escrow, to.lower(), int(amount), state) for escrow, to, amount, state in legs],
        deposits=deposits,
        balances={vault.lower(): balance(chain, vault) for vault in vaults},
        books={vault.lower(): units for vault, _, units in balances.vaults(escrows)},
        accounts=_accounts(),
        differences=[str(difference) for difference in reconcile.compare(network)],
        total=int(Entry.objects.aggregate(total=Sum("amount"))["total"] or 0),
        open_work=open_work(network),
    )


def transfers(chain: Anvil) -> list[tuple[str, Transfer]]:
    """Every Transfer of the token on the canonical chain, asked of the node itself."""
    request = {"fromBlock": "0x0", "address": TEST_USDT_ADDRESS, "topics": [TRANSFER]}
    return [
        (
            log["transactionHash"],
            (_address(log["topics"][1]), _address(log["topics"][2]), int(log["data"], 16)),
        )
        for log in chain.rpc("eth_getLogs", request)
    ]


def balance(chain: Anvil, holder: str) -> int:
    """Base units at the head."""
    request = {"to": TEST_USDT_ADDRESS, "data": "0x" + views.balance_of(holder).hex()}
    return int(chain.rpc("eth_call", request, "latest"), 16)


def open_work(network: Network) -> dict[str, int]:
    """What is not finished, by name."""
    return {
        "open calls": Call.objects.filter(network=network, outcome__in=["waiting", "sent"]).count(),
        "calls for a person": Call.objects.filter(outcome="needs_human").count(),
        "open transactions": Transaction.objects.filter(state__in=OPEN_TRANSACTIONS).count(),
        "open orders": Order.objects.filter(state__in=["live", "needs_human"]).count(),
        "undelivered events": OutboxDelivery.objects.filter(done_at__isnull=True).count(),
        "frozen escrows": Escrow.objects.filter(frozen=True).count(),
        "grave alarms": Alarm.objects.filter(kind__in=_GRAVE).count(),
        "halted networks": Network.objects.exclude(halted_reason="").count(),
    }


def seen_by_product() -> dict[str, int]:
    """Alarms by kind, and reorgs: what the product itself noticed of the faults."""
    kinds: dict[str, int] = {"reorgs": Reorg.objects.count()}
    for kind in Alarm.objects.values_list("kind", flat=True):
        kinds[f"alarm {kind}"] = kinds.get(f"alarm {kind}", 0) + 1
    return dict(sorted(kinds.items()))


def _accounts() -> dict[tuple[str, str], int]:
    rows = Entry.objects.values_list("account__escrow", "account__kind").annotate(total=Sum("amount"))
    return {(escrow, kind): int(total) for escrow, kind, total in rows}


def _address(topic: str) -> str:
    return "0x" + topic[-40:].lower()
