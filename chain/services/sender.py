"""Writing to the chain: three rounds, each idempotent, each finding its work in the tables."""

from collections.abc import Callable

from django.db.models import DateTimeField, Exists, ExpressionWrapper, F, OuterRef

from chain.models import Alarm, Call, Network, Sender
from chain.rpc.errors import RpcError
from chain.services import restore
from chain.services.alarms import raise_alarm, resolve_alarm
from chain.signing import SIGNER_FAILURES
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
    _warn_of_orphans(network, [sender.purpose for sender in active])
    return _for_each(network, active, assign.assign_sender)


def _for_each(network: Network, senders: list[Sender], work: Callable[[Network, Sender], int]) -> int:
    """`work` for every sender, even when it fails for one; the first failure is raised at the end."""
    done = 0
    failures: list[Exception] = []
    for sender in senders:
        try:
            signed = work(network, sender)
            if signed:
                resolve_alarm(network, "signer_failed", sender.address)
            done += signed
        except RpcError as error:
            failures.append(error)
        except SIGNER_FAILURES as error:
            raise_alarm(network, "signer_failed", sender.address, f"{type(error).__name__}: {error}")
            failures.append(error)
    if failures:
        raise failures[0]
    return done


def _warn_of_orphans(network: Network, purposes: list[str]) -> None:
    """Due calls that no active sender carries wait until a human acts, so a human is told."""
    due = Call.objects.filter(network=network, outcome="waiting", held=False, next_try_at__lte=clock.now())
    for purpose in due.exclude(purpose__in=purposes).values_list("purpose", flat=True).distinct():
        raise_alarm(network, "no_active_sender", purpose, "calls are waiting and nobody may sign them")
    for purpose in purposes:
        resolve_alarm(network, "no_active_sender", purpose)


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
    """`assign_due`, then `broadcast_due`; returns how many transactions were made or sent.

    What is signed goes out even when nothing new can be signed.
    """
    try:
        made = assign_due(network)
    except (RpcError, *SIGNER_FAILURES):
        broadcast_due(network)
        raise
    return made + broadcast_due(network)


def confirm_due(network: Network) -> int:
    """Follow receipts, close what is final, bump what waited too long; returns how many changed."""
    _warn_of_margins(network)
    changed = confirm.confirm(network) + int(restore.recover(network))
    if not _halted(network):
        changed += _for_each(network, _senders(network), bump.bump_sender)
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
        try:
            sent = send_due(network)
        except (RpcError, *SIGNER_FAILURES):
            confirm_due(network)
            raise
        if not (sent + confirm_due(network)):
            break
        worked = True
    return worked
