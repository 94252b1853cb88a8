"""Ways back for a person: a network that was halted, a sender that was frozen. Each is in the audit log."""

from collections.abc import Mapping

from django.db import transaction

from chain.models import Attempt, Network, Sender, Transaction
from chain.rpc import pool
from chain.rpc.client import Rpc
from chain.rpc.errors import FinalConflict, RpcError
from chain.selectors import final_head
from chain.services.alarms import resolve_alarm
from chain.states import OPEN_TRANSACTIONS, UNMINED_TRANSACTIONS
from chain.txm import bump
from chain.txm.fees import FeeCapReached
from core import audit, transitions
from core.actors import Actor
from core.errors import Conflict, Invalid


def resume_network(*, network: Network, reason: str, acting: Actor) -> Network:
    """Let a halted network credit and pay again. Never inside a transaction: nodes are asked first.

    Raises `Invalid` without a reason, and `Conflict` unless every enabled provider that answers, and at
    least one, still has the newest block that was read as final.
    """
    _need_reason(reason)
    _check_final(network)
    with transaction.atomic():
        locked = Network.objects.select_for_update().get(pk=network.pk)
        if not locked.halted_reason:
            return locked
        data = {"reason": reason, "halted": locked.halted_reason}
        locked.halted_reason = ""
        locked.save(update_fields=["halted_reason"])
        _note("network.resumed", network.slug, acting, data)
        resolve_alarm(network, "halted")
    return locked


def _check_final(network: Network) -> None:
    top = final_head(network)
    if top is None:
        return
    alive = 0
    for provider in pool.providers(network):
        rpc = Rpc(network, provider)
        try:
            rpc.check_chain()
            if rpc.header(top[0]).hash != top[1]:
                raise Conflict(
                    "final_block_differs",
                    f"{rpc} still has another block {top[0]} than the one that was final.",
                )
            alive += 1
        except RpcError:
            continue
    if not alive:
        raise Conflict("no_node", f"No node of {network.name} could show block {top[0]}.")


def thaw_sender(*, sender: Sender, reason: str, acting: Actor) -> Sender:
    """Let a frozen sender sign again. Never inside a transaction: a node is asked first.

    Its line of nonces goes on where the chain is, never further back. Raises `Invalid` without a reason,
    and `Conflict` while a transaction of its own is undecided below that, or while the chain and the
    final chain disagree about the nonce: what is not final yet may still be ours.
    """
    _need_reason(reason)
    final, pending = pool.run(sender.network, lambda rpc: _nonces(rpc, sender))
    with transaction.atomic():
        locked = Sender.objects.select_for_update().get(pk=sender.pk)
        if locked.state != "frozen":
            return locked
        if pending > locked.next_nonce and final < pending:
            raise Conflict("nonce_not_final", "Strange transactions of this sender are not final yet. Wait.")
        below = Transaction.objects.filter(sender=locked, state__in=OPEN_TRANSACTIONS, nonce__lt=final)
        if below.exists():
            raise Conflict("transaction_undecided", "A transaction of this sender is not decided yet. Wait.")
        data = {"reason": reason, "frozen": locked.reason, "nonces": [locked.next_nonce, pending]}
        locked.next_nonce = max(locked.next_nonce, pending)
        locked.thaw()
        locked.save(update_fields=["state", "reason", "next_nonce"])
        transitions.record(locked, source="frozen", target="active", actor=acting, why=reason)
        _note("sender.thawed", locked.address, acting, data)
        resolve_alarm(sender.network, "sender_frozen", locked.address)
    return locked


def replace_sender(*, old: Sender, address: str, key_ref: str, reason: str, acting: Actor) -> Sender:
    """Another key takes a sender's purpose, with its own line of nonces. Never inside a transaction.

    What waits is carried by the new one; what the old one has sent is followed to its end. Raises `Invalid`
    without a reason, `Conflict` if the old one was replaced already.
    """
    _need_reason(reason)
    nonce = pool.run(old.network, lambda rpc: rpc.nonce(address, "pending"))
    with transaction.atomic():
        locked = Sender.objects.select_for_update().get(pk=old.pk)
        source = locked.state
        if source == "retiring":
            raise Conflict("sender_replaced", "Another key has taken this purpose already.")
        locked.retire(reason[:300])
        locked.save(update_fields=["state", "reason"])
        transitions.record(locked, source=source, target="retiring", actor=acting, why=reason)
        new = Sender.objects.create(
            network=old.network, purpose=old.purpose, address=address, key_ref=key_ref, next_nonce=nonce
        )
        transitions.record(new, source="", target="active", actor=acting, why=reason)
        _note("sender.replaced", locked.address, acting, {"reason": reason, "by": address})
        resolve_alarm(old.network, "sender_frozen", locked.address)
    return new


def cancel_transaction(*, row: Transaction, reason: str, acting: Actor) -> Attempt:
    """Give up what an unmined transaction wanted, by a transfer of nothing on the same nonce.

    Whichever is mined decides: the call fails as cancelled, or is done after all. Never inside a
    transaction. Raises `Invalid` without a reason, `Conflict` when it is mined by now, waits behind a lower
    nonce, or the fee caps allow no higher offer.
    """
    _need_reason(reason)
    lower = Transaction.objects.filter(sender=row.sender, nonce__lt=row.nonce, state__in=UNMINED_TRANSACTIONS)
    if lower.exists():
        raise Conflict(
            "lower_nonce_open", "A lower nonce of this sender is not mined yet; deal with that first."
        )
    try:
        attempt = bump.replace(row.sender.network, row, cancel=True)
    except bump.MovedOn:
        raise Conflict(
            "transaction_moved_on", "This transaction is mined or was replaced just now."
        ) from None
    except FeeCapReached as error:
        raise Conflict("fee_cap", f"The fee caps of the network allow no higher offer: {error}") from None
    _note("transaction.cancel_signed", str(row), acting, {"reason": reason, "hash": attempt.hash})
    return attempt


def _nonces(rpc: Rpc, sender: Sender) -> tuple[int, int]:
    """The sender's next nonce at the final head, and with everything that is pending."""
    top = final_head(rpc.network)
    if top is None or rpc.header(top[0]).hash != top[1]:
        raise FinalConflict("the node does not stand on the final chain that was read")
    return rpc.nonce(sender.address, top[0]), rpc.nonce(sender.address, "pending")


def _need_reason(reason: str) -> None:
    if not reason.strip():
        raise Invalid("reason_missing", "Say what was found and why it is safe to go on.")


def _note(action: str, subject: str, acting: Actor, data: Mapping[str, object]) -> None:
    audit.write(action, subject_id=subject, actor_id=acting.id, actor_label=acting.label, data=data)
