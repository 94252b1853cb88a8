"""What "exactly once" means, read from the chain past the product and from the tables."""

from collections import Counter
from collections.abc import Iterable, Sequence

from chain.models import Attempt, Call, FinalEvent, Sender, Transaction
from contracts.artifacts import ESCROW_ADDRESS
from contracts.events import TOPICS
from payments.models import Escrow, Journal, PayoutLeg
from tests.chain.helpers import payouts
from tests.payments.fixtures import Desk


def decisions_on_chain(desk: Desk) -> Counter[str]:
    """How often the contract decided about each escrow, by the escrow's id on chain."""
    request = {"fromBlock": "0x0", "address": ESCROW_ADDRESS, "topics": [TOPICS["Decided"]]}
    return Counter(log["topics"][1] for log in desk.engine.chain.rpc("eth_getLogs", request))


def check_nonces(desk: Desk) -> int:
    """One nonce for each transaction, no gap, up to the chain's own count; returns the calls they carry."""
    used = 0
    for sender in Sender.objects.filter(network=desk.engine.network):
        rows = Transaction.objects.filter(sender=sender)
        nonces = sorted(rows.values_list("nonce", flat=True))
        on_chain = int(desk.engine.chain.rpc("eth_getTransactionCount", sender.address, "latest"), 16)
        assert nonces == list(range(len(nonces))), nonces
        assert len(nonces) == sender.next_nonce == on_chain
        used += len(nonces)
    # A call never moves to another transaction, and no transaction carries nothing.
    assert Transaction.objects.filter(calls__isnull=False).distinct().count() == used
    others = [row for row in Transaction.objects.exclude(state="final_ok") if not _overtaken(row)]
    assert not others, [(row.state, row.reason, list(map(str, row.calls.all()))) for row in others]
    assert set(Attempt.objects.filter(sequence=0).values_list("transaction", flat=True)) == set(
        Transaction.objects.values_list("pk", flat=True)
    )
    return Call.objects.filter(transaction__isnull=False).count()


def _overtaken(row: Transaction) -> bool:
    """A mark that was on its way when the buyer released, and was mined after the release: nothing was left
    to be marked."""
    return row.state == "final_reverted" and all(call.label.startswith("mark ") for call in row.calls.all())


def check_paid_once(desk: Desk, escrows: Sequence[Escrow]) -> None:
    """One decision on chain, one set of paid legs and one posting for each escrow; each event posts once."""
    assert decisions_on_chain(desk) == Counter({escrow.chain_id_hash: 1 for escrow in escrows})
    for escrow in escrows:
        kinds = escrow.legs.filter(state="paid").values_list("kind", flat=True)
        assert sorted(kinds) == sorted(set(kinds)), f"{escrow.pk} was paid twice: {list(kinds)}"
        assert not PayoutLeg.objects.filter(escrow=escrow).exclude(state="paid").exists()
        postings = Journal.objects.filter(entries__account__escrow=escrow).distinct()
        whats = [journal.what.split(" ")[0] for journal in postings]
        assert sorted(whats) == ["decided", "deposit"], whats
    events = FinalEvent.objects.filter(network=desk.engine.network).order_by("seq")
    assert [event.seq for event in events] == list(range(1, len(events) + 1))


def check_calls_closed_once(desk: Desk) -> None:
    """Final events name each call once."""
    called = FinalEvent.objects.filter(network=desk.engine.network, kind=FinalEvent.Kind.CALL)
    assert max(Counter(called.values_list("call", flat=True)).values(), default=0) <= 1


def check_transfers_once(desk: Desk, amounts: Iterable[int]) -> None:
    """Each of these amounts reached the recipient once, with one nonce each."""
    wanted = sorted(amounts)
    found = sorted(payouts(desk.engine.chain))
    assert found == wanted, f"paid twice: {sorted((Counter(found) - Counter(wanted)).elements())}"
    assert check_nonces(desk) == len(wanted)
    check_calls_closed_once(desk)
