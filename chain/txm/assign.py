"""A nonce for a call: simulated, signed, stored, and only then known to anyone."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q

from chain import signing, states
from chain.models import Attempt, Call, Network, Sender, Transaction
from chain.rpc import pool
from chain.rpc.answers import quantity
from chain.rpc.client import Rpc
from chain.rpc.errors import Reverted, RpcError
from chain.selectors import final_head
from chain.services.alarms import raise_alarm, resolve_alarm
from chain.txm import batching, outcome
from chain.txm.fees import FeeCapReached, Fees, Market, fee_fields, first_offer, read_market
from contracts.errors import REFUSED
from core import clock, crashpoints, transitions
from core.actors import SYSTEM

REFUSALS_UNTIL_FAILED = 3
LONGEST_PAUSE = timedelta(seconds=60)
NOT_SIMULATED = "the node could not simulate it"
TOO_LARGE = "it is bound to more gas than the network allows"


@dataclass(frozen=True, slots=True)
class Look:
    """What one node said about a sender and its due calls.

    `nonce` is the first that is neither mined nor pending, `refusals` are by call id.
    """

    market: Market
    balance: int
    nonce: int
    refusals: dict[str, Reverted]
    refused_finally: frozenset[str]
    unknown: dict[str, RpcError]


@dataclass(slots=True)
class Round:
    """One pass over a sender's due calls.

    `free` is the wei that no transaction in flight may still cost, `spent` what 24 hours may have cost.
    """

    network: Network
    sender: Sender
    signer: signing.Signer
    look: Look
    free: int
    spent: int


def assign_sender(network: Network, sender: Sender) -> int:
    """Give nonces to the sender's due calls; returns how many transactions were made.

    Deadline work first, then in order of arrival. Of one group at most one call at a time is between
    simulation and broadcast, so that two orders that exclude each other are not both sent.
    """
    calls = due_calls(network, sender)
    if not calls:
        return 0
    look = pool.run(network, lambda rpc: _look(rpc, sender, calls))
    # Read again: a rival worker may have assigned, sent and seen mined what the node just counted.
    sender.refresh_from_db(fields=["next_nonce"])
    if look.nonce > sender.next_nonce:
        why = f"{outcome.AHEAD} nonce {look.nonce - 1}, we signed up to {sender.next_nonce - 1}"
        outcome.freeze(sender, why)
        return 0
    signer = signing.resolve(sender.key_ref)
    committed = _committed(sender)
    now = Round(network, sender, signer, look, look.balance - committed, _spent(sender) + committed)
    loads = batching.pack(network, [call for call in calls if _is_fit(now, call)], _affordable(now))
    if any(len(load.calls) > 1 for load in loads):
        loads = pool.run(network, lambda rpc: batching.without_failing(rpc, sender, loads))
    return sum(_decide(now, load) for load in loads)


def due_calls(network: Network, sender: Sender) -> list[Call]:
    """Waiting calls that this sender may carry now, one for each group."""
    now = clock.now()
    flight = Transaction.objects.filter(sender=sender, state__in=states.UNMINED_TRANSACTIONS).count()
    free = sender.in_flight_limit - flight
    rival = Call.objects.filter(
        network=network, group=OuterRef("group"), outcome="sent", transaction__state="assigned"
    )
    rows = (
        Call.objects.filter(network=network, purpose=sender.purpose, outcome="waiting", held=False)
        .filter(next_try_at__lte=now)
        .filter(Q(not_before__isnull=True) | Q(not_before__lte=now))
        .exclude(Exists(rival), ~Q(group=""))
        .order_by(F("must_be_final_by").asc(nulls_last=True), "created_at", "pk")
    )
    chosen: dict[str, Call] = {}
    for call in rows[: 4 * max(free, 0)]:
        chosen.setdefault(call.group or call.pk, call)
    return batching.ripe(network, list(chosen.values()))


def _look(rpc: Rpc, sender: Sender, calls: list[Call]) -> Look:
    final = final_head(rpc.network)
    requests: list[tuple[str, list[Any]]] = [
        ("eth_getBalance", [sender.address, "latest"]),
        ("eth_getTransactionCount", [sender.address, "latest"]),
        ("eth_getTransactionCount", [sender.address, "pending"]),
        *_simulations(sender, calls, "pending"),
    ]
    balance, mined, pending, *answers = rpc.batch_or_errors(requests)
    for answer in (balance, mined, pending):
        if isinstance(answer, RpcError):
            raise answer
    pairs = list(zip(calls, answers, strict=True))
    refusals = {call.pk: answer for call, answer in pairs if isinstance(answer, Reverted)}
    refused = [call for call in calls if call.pk in refusals]
    return Look(
        market=read_market(rpc),
        balance=quantity(balance, "balance"),
        nonce=max(quantity(mined, "nonce"), quantity(pending, "pending nonce")),
        refusals=refusals,
        refused_finally=_refused_at(rpc, sender, [call for call in refused if _is_open(call, final)], final),
        unknown={
            call.pk: answer
            for call, answer in pairs
            if isinstance(answer, RpcError) and not isinstance(answer, Reverted)
        },
    )


def _is_open(call: Call, final: tuple[int, str, datetime] | None) -> bool:
    """Whether the call's time had come by the clock of the final head: before, a refusal proves nothing."""
    return final is not None and (call.not_before is None or call.not_before <= final[2])


def _refused_at(
    rpc: Rpc, sender: Sender, calls: list[Call], final: tuple[int, str, datetime] | None
) -> frozenset[str]:
    """Those that the final state refuses as well: no pending transaction of others is to blame."""
    if final is None or not calls:
        return frozenset()
    answers = rpc.batch_or_errors(_simulations(sender, calls, hex(final[0])))
    return frozenset(
        call.pk for call, answer in zip(calls, answers, strict=True) if isinstance(answer, Reverted)
    )


def _simulations(sender: Sender, calls: Sequence[Call], block: str) -> list[tuple[str, list[Any]]]:
    """Each call alone, with exactly the gas that will be signed if it goes alone."""
    loads = [batching.make_load(sender.network, [call]) for call in calls]
    return [batching.simulation(sender, load, block) for load in loads]


def _is_fit(now: Round, call: Call) -> bool:
    """Whether a node ran the call without complaint; else it waits, or has failed, with the reason on it."""
    look = now.look
    if call.pk in look.refusals:
        _refused(now.network, call, look.refusals[call.pk], final=call.pk in look.refused_finally)
        return False
    if call.pk in look.unknown:
        why = f"{NOT_SIMULATED}: {look.unknown[call.pk]}"
        raise_alarm(now.network, "not_simulated", call.pk, why[:300])
        _postpone([call], why)
        return False
    if call.reason.startswith(NOT_SIMULATED):
        resolve_alarm(now.network, "not_simulated", call.pk)
    return True


def _affordable(now: Round) -> int:
    """Gas that one transaction may ask for at today's price within caps and the sender's balance."""
    wei = min(now.network.cost_cap, now.free)
    if now.network.gas_budget_day:
        wei = min(wei, now.network.gas_budget_day - now.spent)
    return wei // max(1, now.look.market.offer().max_fee)


def _decide(now: Round, load: batching.Load) -> int:
    """1 if the load got a nonce; else it waits, with the reason on its calls."""
    network = now.network
    first, most = load.calls[0], network.transaction_gas
    if most and load.gas > most:
        # Signed, it would never be mined and keep its nonce from all that follow.
        why = f"{TOO_LARGE}: {load.gas}, and one transaction may ask for {most}"
        raise_alarm(network, "transaction_gas", first.pk, why)
        _postpone(load.calls, why)
        return 0
    if first.reason.startswith(TOO_LARGE):
        resolve_alarm(network, "transaction_gas", first.pk)
    try:
        fees = first_offer(network, now.look.market, load.gas, urgent=load.urgent)
    except FeeCapReached as error:
        raise_alarm(network, "fee_cap", now.sender.address, str(error))
        _postpone(load.calls, str(error))
        return 0
    cost = load.gas * fees.max_fee
    if network.gas_budget_day and not load.urgent and now.spent + cost > network.gas_budget_day:
        raise_alarm(network, "gas_budget", now.sender.address, f"{now.spent} wei in 24 hours")
        _postpone(load.calls, "the gas budget of the day is used up")
        return 0
    if now.free < cost:
        raise_alarm(network, "low_balance", now.sender.address, f"{now.look.balance} wei")
        _postpone(load.calls, "the sender's balance does not cover the gas")
        return 0
    resolve_alarm(network, "low_balance", now.sender.address)
    assigned = _assign(now, load, fees)
    now.free -= cost if assigned else 0
    now.spent += cost if assigned else 0
    return int(assigned)


def _committed(sender: Sender) -> int:
    """Wei that the transactions in flight may still cost."""
    flight = Transaction.objects.filter(sender=sender, state__in=states.UNMINED_TRANSACTIONS)
    total = 0
    for row in flight.prefetch_related("attempts"):
        total += row.gas_limit * max(attempt.max_fee for attempt in row.attempts.all())
    return total


def _spent(sender: Sender) -> int:
    """Wei of gas that the transactions of the last 24 hours cost."""
    since = clock.now() - timedelta(days=1)
    mined = Transaction.objects.filter(sender=sender, created_at__gt=since, gas_used__gt=0)
    return sum(gas * price for gas, price in mined.values_list("gas_used", "gas_price"))


def _assign(now: Round, load: batching.Load, fees: Fees) -> bool:
    """Lock sender, then calls; take the nonce, sign, store, advance: all or nothing."""
    with transaction.atomic():
        locked = Sender.objects.select_for_update().get(pk=now.sender.pk)
        flight = Transaction.objects.filter(sender=locked, state__in=states.UNMINED_TRANSACTIONS).count()
        if locked.state != "active" or flight >= locked.in_flight_limit:
            return False
        wanted = _still_waiting(load)
        if len(wanted) < len(load.calls):
            return False
        carrier = Transaction(
            sender=locked,
            nonce=locked.next_nonce,
            target=load.target,
            data=load.data,
            gas_limit=load.gas,
            created_at=clock.now(),
            next_send_at=clock.now(),
        )
        signed = signing.sign_checked(now.signer, locked.address, tx_fields(now.network, carrier, fees))
        crashpoints.hit("assign:signed")
        carrier.save()
        store_attempt(carrier, Attempt.Purpose.ORIGINAL, fees, signed)
        transitions.record(carrier, source="", target="assigned", actor=SYSTEM, why=_label(wanted))
        for call in wanted:
            _hand_over(call, carrier)
        locked.next_nonce += 1
        locked.save(update_fields=["next_nonce"])
    crashpoints.hit("assign:committed")
    return True


def _still_waiting(load: batching.Load) -> list[Call]:
    """The calls of the load, locked in one order; fewer when one was held or closed since."""
    keys = [call.pk for call in load.calls]
    rows = Call.objects.select_for_update().filter(pk__in=keys, outcome="waiting", held=False)
    return list(rows.order_by("pk"))


def _label(calls: Sequence[Call]) -> str:
    return calls[0].label if len(calls) == 1 else f"{len(calls)} calls"


def _hand_over(call: Call, carrier: Transaction) -> None:
    call.mark_sent(carrier)
    call.refusals = 0
    call.reason = ""
    call.save(update_fields=["outcome", "transaction", "refusals", "reason"])
    transitions.record(call, source="waiting", target="sent", actor=SYSTEM, field="outcome")


def tx_fields(network: Network, carrier: Transaction, fees: Fees) -> dict[str, Any]:
    """The transaction to sign, with eth-account's names."""
    return {
        "chainId": network.chain_id,
        "nonce": carrier.nonce,
        "to": carrier.target,
        "value": 0,
        "data": bytes(carrier.data),
        "gas": carrier.gas_limit,
        **fee_fields(network, fees),
    }


def store_attempt(carrier: Transaction, purpose: str, fees: Fees, signed: signing.SignedTx) -> Attempt:
    """Store signed bytes as the next attempt of a transaction."""
    return Attempt.objects.create(
        transaction=carrier,
        sequence=carrier.attempts.count(),
        purpose=purpose,
        max_fee=fees.max_fee,
        max_tip=fees.max_tip,
        raw=signed.raw,
        hash=signed.hash,
        created_at=clock.now(),
    )


def _refused(network: Network, call: Call, error: Reverted, *, final: bool) -> None:
    """A simulated revert is never sent; refused by the final state three times, the call has failed."""
    reason = f"{REFUSED}{error.reason}"
    if not final or call.refusals + 1 < REFUSALS_UNTIL_FAILED:
        pause = min(timedelta(seconds=network.block_time * 2**call.refusals), LONGEST_PAUSE)
        Call.objects.filter(pk=call.pk, outcome="waiting").update(
            refusals=F("refusals") + 1 if final else F("refusals"),
            reason=reason[:300],
            next_try_at=clock.now() + pause,
        )
        return
    outcome.fail_unsent(network, call, reason)


def _postpone(calls: Sequence[Call], reason: str) -> None:
    Call.objects.filter(pk__in=[call.pk for call in calls], outcome="waiting").update(
        reason=reason[:300], next_try_at=clock.now() + timedelta(seconds=10)
    )
