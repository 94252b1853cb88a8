"""Writing to the chain: three rounds, each idempotent, each finding its work in the tables."""

from django.db.models import DateTimeField, Exists, ExpressionWrapper, F, OuterRef

from chain.models import Alarm, Call, Network, Sender
from chain.services.alarms import raise_alarm
from chain.txm import assign, broadcast, bump, confirm
from chain.txm.classify import SendAnswer
from core import clock

# After these the next nonces of the same sender have nothing to stand on yet.
_STOPS_THE_LINE = (SendAnswer.AMBIGUOUS, SendAnswer.FUNDS, SendAnswer.UNDERPRICED)


def _senders(network: Network) -> list[Sender]:
    return list(Sender.objects.filter(network=network).select_related("network").order_by("pk"))


def _halted(network: Network) -> bool:
    network.refresh_from_db(fields=["halted_reason"])
    return bool(network.halted_reason)


def assign_due(network: Network) -> int:
    """Sign what was ordered and may go out now; returns how many transactions were made.

    Simulated first at exactly the gas limit to be signed, with the native balance checked; nothing is
    signed on a halted network or by a sender that is not active.
    """
    if _halted(network):
        return 0
    active = [sender for sender in _senders(network) if sender.state == "active"]
    return sum(assign.assign_sender(network, sender) for sender in active)


def broadcast_due(network: Network) -> int:
    """Send stored bytes that were never sent, or not lately; returns how many. No transaction is open."""
    if _halted(network):
        return 0
    due = broadcast.due_transactions(network)
    nodes = broadcast.open_nodes(network) if due else []
    stopped: set[int] = set()
    for row in due:
        if row.sender_id not in stopped and broadcast.broadcast(network, row, nodes) in _STOPS_THE_LINE:
            stopped.add(row.sender_id)
    return len(due)


def send_due(network: Network) -> int:
    """`assign_due`, then `broadcast_due`; returns how many transactions were made or sent."""
    return assign_due(network) + broadcast_due(network)


def confirm_due(network: Network) -> int:
    """Follow receipts, close what is final, bump what waited too long; returns how many changed."""
    changed = confirm.confirm(network)
    if not _halted(network):
        changed += sum(bump.bump_sender(network, sender) for sender in _senders(network))
    _warn_of_margins(network)
    return changed


def _warn_of_margins(network: Network) -> None:
    """Not final at half of its margin: a human is called."""
    now = clock.now()
    told = Alarm.objects.filter(
        network=network, kind="late_call", subject=OuterRef("pk"), resolved_at__isnull=True
    )
    half = F("created_at") + (F("must_be_final_by") - F("created_at")) * 0.5
    late = (
        Call.objects.filter(network=network, outcome__in=["waiting", "sent"], must_be_final_by__isnull=False)
        .alias(half=ExpressionWrapper(half, output_field=DateTimeField()))
        .filter(~Exists(told), half__lte=now)
    )
    for call in late[:100]:
        raise_alarm(network, "late_call", call.pk, call.label)


def send_and_confirm(network: Network, rounds: int = 20) -> bool:
    """Assign, broadcast and confirm until nothing changes, at most `rounds` times. True if anything did."""
    worked = False
    for _ in range(rounds):
        if not (send_due(network) + confirm_due(network)):
            break
        worked = True
    return worked
