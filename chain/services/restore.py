"""After the database was restored to an earlier time: nothing is signed until the chain's truth is taken in.

While a network recovers its senders are frozen. What they have on the chain beyond the tables is adopted:
its bytes are stored, and the calls that it carries follow its receipts. It ends by itself when every sender
stood still at all providers for two hours, or when every nonce that lost bytes could still use is consumed.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from chain import states
from chain.models import Attempt, Network, Sender, Transaction
from chain.rpc import pool
from chain.rpc.client import Rpc
from chain.selectors import final_head
from chain.services.alarms import raise_alarm, resolve_alarm
from chain.txm import adopt, bump, outcome
from chain.txm.fees import FeeCapReached
from core import audit, clock, transitions
from core.actors import SYSTEM, Actor
from core.errors import Conflict, Invalid

MARK = "recovery: "


@dataclass(frozen=True, slots=True)
class Nonces:
    """How many transactions of a sender are final, mined and known; the least and the most any node says."""

    final: int
    mined: int
    known: int


def start_recovery(*, network: Network, reason: str, acting: Actor) -> Network:
    """Freeze every sender of the network until what the chain holds beyond the tables is taken in.

    Safe to repeat. Raises `Invalid` without a reason.
    """
    if not reason.strip():
        raise Invalid("reason_missing", "Say which database was restored, and to what time.")
    for sender in Sender.objects.filter(network=network, state="active"):
        outcome.freeze(sender, MARK + reason)
    with transaction.atomic():
        ahead = Sender.objects.filter(network=network, state="frozen", reason__startswith=outcome.AHEAD)
        ahead.update(reason=(MARK + reason)[:300])
        locked = Network.objects.select_for_update().get(pk=network.pk)
        if locked.recovering_since is None:
            locked.recovering_since, locked.recovery_stable_since = clock.now(), None
            locked.save(update_fields=["recovering_since", "recovery_stable_since"])
            _note("network.recovering", locked, acting, reason)
    raise_alarm(network, "recovering", detail=reason)
    network.refresh_from_db()
    return locked


def recover(network: Network) -> bool:
    """One step of a recovery: adopt what is mined, end when it is safe. True if anything changed."""
    network.refresh_from_db()
    if network.recovering_since is None:
        return False
    adopted = 0
    for sender in Sender.objects.filter(network=network).order_by("pk"):
        adopted += adopt.adopt_mined(network, sender, ask(network, sender).mined)
    senders = list(Sender.objects.filter(network=network).order_by("pk"))
    if adopted or not all(_still(network, sender) for sender in senders):
        _stable_since(network, None)
        return adopted > 0
    return _end_when_safe(network, senders)


def close_gaps(*, network: Network, reason: str, acting: Actor) -> int:
    """Use up, by cancels, every nonce on which lost bytes may still be about; returns how many were signed.

    For who can not wait: as many nonces beyond the last as a sender may have in flight. Repeated, it raises
    the offer of those that no block holds yet. Raises `Conflict` unless the network recovers and all that
    is mined was taken in.
    """
    if network.recovering_since is None:
        raise Conflict("not_recovering", "This network is not recovering; start that first.")
    signed = 0
    for sender in Sender.objects.filter(network=network).order_by("pk"):
        if ask(network, sender).mined > sender.next_nonce:
            raise Conflict("not_adopted", "Not all that is mined was taken in yet. Wait.")
        signed += _close_gaps(network, sender)
    _note("network.gaps_closed", network, acting, reason)
    return signed


def _close_gaps(network: Network, sender: Sender) -> int:
    rows = Transaction.objects.filter(sender=sender, attempts__purpose=Attempt.Purpose.CANCEL).distinct()
    gaps = list(rows.filter(created_at__gte=network.recovering_since).order_by("nonce"))
    for row in gaps:
        if row.state == "sent":
            _raise_offer(network, row)
    missing = sender.in_flight_limit - len(gaps)
    for _ in range(missing):
        adopt.store_gap(network, sender)
    return max(missing, 0)


def _raise_offer(network: Network, row: Transaction) -> None:
    try:
        bump.replace(network, row, cancel=True)
    except FeeCapReached as error:
        raise_alarm(network, "bump_capped", str(row), str(error))
    except bump.MovedOn:
        return


def ask(network: Network, sender: Sender) -> Nonces:
    """The sender's nonces at every provider: the least that is final and mined, the most that is known.

    Raises `RpcError` when a provider does not answer: silence is no proof.
    """
    answers = [_nonces(rpc, sender) for rpc in _all_nodes(network)]
    return Nonces(
        final=min(answer.final for answer in answers),
        mined=min(answer.mined for answer in answers),
        known=max(answer.known for answer in answers),
    )


def _all_nodes(network: Network) -> Iterable[Rpc]:
    for provider in pool.providers(network):
        rpc = Rpc(network, provider)
        rpc.check_chain()
        yield rpc


def _nonces(rpc: Rpc, sender: Sender) -> Nonces:
    heads = rpc.heads()
    mined = rpc.nonce(sender.address, "latest")
    return Nonces(
        final=rpc.nonce(sender.address, heads.final.number),
        mined=mined,
        known=max(mined, rpc.nonce(sender.address, "pending")),
    )


def _still(network: Network, sender: Sender) -> bool:
    """Nothing of the sender is under way, anywhere: final, mined, known and ours are one number."""
    nonces = ask(network, sender)
    open_rows = Transaction.objects.filter(sender=sender, state__in=states.OPEN_TRANSACTIONS)
    return {nonces.final, nonces.mined, nonces.known} == {sender.next_nonce} and not open_rows.exists()


def _end_when_safe(network: Network, senders: list[Sender]) -> bool:
    since = network.recovery_stable_since or clock.now()
    waited = clock.now() - since >= timedelta(seconds=network.recovery_wait_seconds)
    if not waited and not all(_gaps_closed(network, sender) for sender in senders):
        _stable_since(network, since)
        return False
    top = final_head(network)
    if top is None:
        return False
    with transaction.atomic():
        locked = Network.objects.select_for_update().get(pk=network.pk)
        locked.recovering_since, locked.recovery_stable_since = None, None
        locked.save(update_fields=["recovering_since", "recovery_stable_since"])
        frozen = Sender.objects.select_for_update().filter(network=network, state="frozen")
        for sender in frozen.filter(reason__startswith=MARK):
            sender.thaw()
            sender.save(update_fields=["state", "reason"])
            transitions.record(sender, source="frozen", target="active", actor=SYSTEM, why="recovered")
            resolve_alarm(network, "sender_frozen", sender.address)
        _note("network.recovered", locked, SYSTEM, "waited" if waited else "gaps closed")
    resolve_alarm(network, "recovering")
    network.refresh_from_db()
    return True


def _gaps_closed(network: Network, sender: Sender) -> bool:
    """As many nonces as could be in flight were consumed by stored bytes since the recovery began."""
    rows = Transaction.objects.filter(
        sender=sender,
        created_at__gte=network.recovering_since,
        attempts__purpose=Attempt.Purpose.CANCEL,
        state__in=["cancelled", "final_ok", "final_reverted"],
    )
    return rows.distinct().count() >= sender.in_flight_limit


def _stable_since(network: Network, since: datetime | None) -> None:
    Network.objects.filter(pk=network.pk).update(recovery_stable_since=since)
    network.refresh_from_db(fields=["recovery_stable_since"])


def _note(action: str, network: Network, acting: Actor, reason: str) -> None:
    audit.write(
        action, subject_id=network.slug, actor_id=acting.id, actor_label=acting.label, data={"reason": reason}
    )
