"""The gate that acts as operator: deployed with its keys, its caps, and what its second key signs."""

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import transaction

from chain import signing
from chain.models import Network, Sender, Token
from chain.services import contracts
from chain.services.networks import sender_of
from contracts import gate as gate_contract
from contracts import views
from contracts.artifacts import Deployment
from contracts.gate import MAX_LIMIT, Grant
from core import audit, clock
from core.actors import SYSTEM
from core.errors import Conflict, Invalid
from core.money import parse
from wallets.models import Gate, GateGrant, Key
from wallets.services.keys import create_key
from wallets.signers import resolve

# Alone it decides nothing: marks, reopenings, extensions and disputes know no cap, and hot it must be.
_NOTHING = 1


@dataclass(frozen=True, slots=True)
class Difference:
    """A key that may do less or more on chain than the platform believed."""

    key: str
    found: str


def active_gate(network: Network) -> Gate | None:
    """The gate that new terms name; None before it was deployed."""
    return Gate.objects.filter(network=network, state="active").first()


def gate_at(network: Network, address: str) -> Gate | None:
    """The gate of ours at this address, active or retired; None for any other operator."""
    return Gate.objects.filter(network=network, address=address).first()


def ensure_gate(network: Network, *, cold: str, second: str = "", renew: bool = False) -> Gate:
    """The active gate of `network`, deployed if there is none. Idempotent; talks to the node.

    With `renew` a gate with the keys and caps of today takes its place in new terms; the old one serves the
    terms that name it.

    Its hot keys are the network's senders: "payouts" up to the caps of the settings, "deadlines" with no
    right to decide anything alone. `second` is a key outside; without one the platform makes its own.
    Raises `Invalid` for a cold key that the platform itself holds or that another role has.
    """
    known = active_gate(network)
    if known is not None and not renew:
        return known
    second = second or _approver().address
    senders = _senders(network)
    _check_cold(cold, [second, *senders.values()])
    grants = first_grants(network, senders)
    contracts.stand(network, [deployment_of(cold, second, grants)])
    return _record(network, deployment_of(cold, second, grants), cold, second, grants)


def deployment_of(cold: str, second: str, grants: list[Grant]) -> Deployment:
    """What deploys the gate with these first keys."""
    return gate_contract.deploy(cold=cold, grants=[*grants, Grant(key=second)])


def first_grants(network: Network, senders: dict[str, str]) -> list[Grant]:
    """What the hot keys may do alone, for every token of the network. Senders by purpose."""
    found = []
    for token in Token.objects.filter(network=network).order_by("address"):
        caps = settings.PAYOUT_CAPS
        per_escrow, per_day = (parse(caps[name], token.decimals) for name in ("per_escrow", "per_day"))
        if not 0 < per_escrow <= per_day <= MAX_LIMIT:
            raise Invalid("cap_out_of_bounds", f"The payout caps do not fit {token}.")
        payouts = Grant(key=senders["payouts"], token=token.address, per_escrow=per_escrow, per_day=per_day)
        idle = Grant(key=senders["deadlines"], token=token.address, per_escrow=_NOTHING, per_day=_NOTHING)
        found += [payouts, idle]
    return found


def inspect_gate(gate: Gate) -> list[Difference]:
    """Read from the chain what each key may do, note the caps, and return what differs. Not in a transaction.

    A key that is hot or second on chain but not here is not found by asking for the known ones: the gate's
    events tell of it.
    """
    senders = Sender.objects.filter(network=gate.network, purpose__in=("payouts", "deadlines"))
    pairs = [
        (sender.address, token) for sender in senders for token in Token.objects.filter(network=gate.network)
    ]
    requests = [(gate.address, gate_contract.limits(key, token.address)) for key, token in pairs]
    *answers, second = contracts.read(
        gate.network, [*requests, (gate.address, gate_contract.is_second(gate.second))]
    )
    differences = [
        difference
        for (key, token), answer in zip(pairs, answers, strict=True)
        if (difference := _note_limit(gate, key, token, gate_contract.decode_limit(answer)))
    ]
    if not views.decode_bool(second):
        differences.append(Difference(gate.second, "may not approve"))
    return differences


def above_cap(gate: Gate, key: str, token: Token, amount: int) -> bool:
    """Whether an escrow of `amount` base units is more than the hot key may decide alone."""
    grant = GateGrant.objects.filter(gate=gate, key=key, token=token).first()
    return grant is None or amount > grant.per_escrow


def approval_digest(gate: Gate, *, hot: str, call_hash: bytes, until: datetime) -> bytes:
    """What the second key signs: this very call, by this hot key, until then, once."""
    return gate_contract.approval_digest(
        gate=gate.address,
        chain_id=gate.network.chain_id,
        hot=hot,
        call_hash=call_hash,
        deadline=int(until.timestamp()),
    )


def sign_approval(gate: Gate, digest: bytes) -> bytes:
    """65-byte low-s signature of the gate's second key. Raises `Conflict` where that key is not kept here.

    Whether to sign is a person's decision; the one who asks has taken it.
    """
    key = Key.objects.filter(address=gate.second, purpose=Key.Purpose.APPROVER).first()
    if key is None:
        message = "The second key is not kept here. Sign with it and hand in the signature."
        raise Conflict("second_key_elsewhere", message)
    return check_approval(gate, digest, resolve(key.ref).sign_digest(digest))


def check_approval(gate: Gate, digest: bytes, signature: bytes) -> bytes:
    """`signature`, if it is the second key's over the digest. Raises `Invalid`."""
    try:
        return signing.check_digest_signature(gate.second, digest, signature)
    except (signing.BadSignature, ValueError) as error:
        raise Invalid("approval_signature", f"This is no signature of the second key: {error}.") from error


def _approver() -> Key:
    known = Key.objects.filter(purpose=Key.Purpose.APPROVER).order_by("created").first()
    return known or create_key(Key.Purpose.APPROVER)


def _senders(network: Network) -> dict[str, str]:
    from wallets.services.operators import PURPOSES

    found = {purpose: sender_of(network, purpose) for purpose in PURPOSES}
    senders = {purpose: sender.address for purpose, sender in found.items() if sender}
    if len(senders) != len(PURPOSES):
        raise Conflict("senders_missing", "Make the network's senders first: chain_deploy.")
    return senders


def _check_cold(cold: str, others: list[str]) -> None:
    if cold in others or Key.objects.filter(address=cold).exists():
        raise Invalid("cold_key_warm", "A cold key is none that the platform holds or uses elsewhere.")


@transaction.atomic
def _record(network: Network, made: Deployment, cold: str, second: str, grants: list[Grant]) -> Gate:
    for old in Gate.objects.select_for_update().filter(network=network, state="active"):
        if old.address == made.address:
            return old
        old.retire()
        old.save(update_fields=["state"])
    gate, created = Gate.objects.get_or_create(
        network=network,
        address=made.address,
        defaults={"cold": cold, "second": second, "created": clock.now()},
    )
    for grant in grants if created else []:
        GateGrant.objects.create(
            gate=gate,
            key=grant.key,
            token=Token.objects.get(network=network, address=grant.token),
            per_escrow=grant.per_escrow,
            per_day=grant.per_day,
        )
    if created:
        audit.write(
            "gate.deployed",
            subject_id=gate.address,
            actor_id=SYSTEM.id,
            actor_label=SYSTEM.label,
            data={"network": network.slug, "cold": cold, "second": second},
        )
    return gate


def _note_limit(gate: Gate, key: str, token: Token, limit: gate_contract.Limit) -> Difference | None:
    known = GateGrant.objects.filter(gate=gate, key=key, token=token).first()
    before = (known.per_escrow, known.per_day) if known else (0, 0)
    now = (limit.per_escrow, limit.per_day)
    if before == now:
        return None
    GateGrant.objects.update_or_create(
        gate=gate, key=key, token=token, defaults={"per_escrow": now[0], "per_day": now[1]}
    )
    return Difference(
        key, f"decides up to {now[0]} an escrow and {now[1]} a day of {token.symbol}, was {before}"
    )
