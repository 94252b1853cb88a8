"""The operator's gate and the seats on a real chain: put there once, checked, their keys replaced."""

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from eth_account import Account
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from chain.models import DeployedContract, Network, Sender, Token
from chain.rpc import pool
from chain.services import networks
from contracts import gate as gate_contract
from contracts import seat as seat_contract
from core.actors import SYSTEM
from core.errors import Conflict, Invalid
from core.models import AuditEntry
from payments.models import EscrowPolicy
from tests.chain.fixtures import Engine
from wallets.models import Gate, Key, Seat
from wallets.services import create_key, gates, import_key, seats

MAGIC = "0x1626ba7e"
FEES = to_checksum_address("0x10000000000000000000000000000000FEE00003")


def deploy(*words: str) -> str:
    told = StringIO()
    call_command("operator_deploy", *words, stdout=told)
    return told.getvalue()


def from_cold(engine: Engine, cold: str, to: str, data: bytes) -> None:
    tx_hash = engine.chain.send(to, data, sender=cold)
    engine.chain.mine()
    assert int(engine.chain.receipt(tx_hash)["status"], 16) == 1


def answer_of(engine: Engine, seat: Seat, digest: bytes, signature: bytes) -> str:
    from contracts import abi

    data = abi.encode_call("ArbiterSeat", "isValidSignature", [digest, signature])
    return engine.chain.rpc("eth_call", {"to": seat.address, "data": "0x" + data.hex()}, "latest")[:10]


def test_deploying_the_operator_twice_leaves_one_gate_and_four_seats(engine: Engine) -> None:
    deploy("--fee-recipient", FEES)
    before = (Gate.objects.get().address, [seat.address for seat in seats.contract_seats()])
    keys, blocks = Key.objects.count(), engine.chain.head
    told = deploy()
    assert (Gate.objects.get().address, [seat.address for seat in seats.contract_seats()]) == before
    assert (Key.objects.count(), engine.chain.head) == (keys, blocks)
    assert "differs" not in told
    policy = EscrowPolicy.objects.get()
    assert (policy.operator, set(policy.seats), policy.fee_recipient) == (before[0], set(before[1]), FEES)
    names = sorted(DeployedContract.objects.values_list("name", flat=True))
    assert names == ["ArbiterSeat"] * 4 + ["OperatorGate"]


def test_a_deployment_that_broke_off_before_it_was_recorded_is_found_again(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: Any) -> None:
        raise RuntimeError("power cut")

    with monkeypatch.context() as cut:
        cut.setattr(gates, "_record", crash)
        with pytest.raises(RuntimeError):
            deploy()
    blocks = engine.chain.head
    assert not Gate.objects.exists()
    gates.ensure_gate(engine.network, cold=engine.chain.accounts[-1])
    assert engine.chain.head == blocks


def test_a_worker_refuses_a_network_where_other_code_stands_at_the_gate(engine: Engine) -> None:
    deploy()
    networks.verify(engine.network)
    gate = Gate.objects.get().address
    engine.chain.rpc("anvil_setCode", gate, "0x60006000fd")
    with pytest.raises(networks.UnfitNode, match=gate):
        networks.verify(engine.network)


def test_roles_do_not_share_keys(engine: Engine) -> None:
    ours = create_key("sender")
    for cold in (ours.address, Sender.objects.first().address):
        with pytest.raises(Invalid):
            gates.ensure_gate(engine.network, cold=cold)
        with pytest.raises(Invalid):
            seats.create_seat("first", cold=cold)
    deploy()
    gate = Gate.objects.get()
    assert Key.objects.get(address=gate.second).purpose == "approver"
    with pytest.raises(CommandError, match="two different cold keys"):
        deploy("--cold", FEES, "--seat-cold", FEES)


def test_a_known_key_is_not_taken_for_an_approver(engine: Engine) -> None:
    secret = Account.create().key
    import_key(secret, "sender")
    gate = gates.ensure_gate(
        engine.network, cold=engine.chain.accounts[-1], second=Account.from_key(secret).address
    )
    with pytest.raises(Conflict):
        gates.sign_approval(gate, keccak(b"a call"))


def test_a_key_that_the_cold_key_took_away_is_noticed(engine: Engine) -> None:
    deploy()
    gate, payouts = Gate.objects.get(), Sender.objects.get(purpose="payouts").address
    from_cold(engine, gate.cold, gate.address, gate_contract.revoke(payouts))
    from_cold(engine, gate.cold, gate.address, gate_contract.revoke(gate.second))
    told = deploy()
    assert f"{payouts} decides up to 0" in told
    assert f"{gate.second} may not approve" in told


def test_a_renewed_gate_takes_the_old_ones_place_in_new_terms_only(engine: Engine, settings: Any) -> None:
    deploy("--fee-recipient", FEES)
    first = Gate.objects.get()
    settings.PAYOUT_CAPS = {"per_escrow": "1", "per_day": "2"}
    deploy("--renew")
    assert gates.active_gate(engine.network).address != first.address
    assert EscrowPolicy.objects.get().operator == gates.active_gate(engine.network).address
    assert gates.gate_at(engine.network, first.address).state == "retired"


def test_a_new_key_takes_the_purpose_of_a_stolen_one_and_is_granted_by_the_cold_key(engine: Engine) -> None:
    deploy()
    gate, old = Gate.objects.get(), Sender.objects.get(purpose="payouts")
    token, told = Token.objects.get(), StringIO()
    call_command("replace_sender", "local", "payouts", "--by", "olga", "--reason", "stolen", stdout=told)
    new = networks.sender_of(engine.network, "payouts")
    assert new.address != old.address
    assert new.address in told.getvalue()
    assert Sender.objects.get(pk=old.pk).state == "retiring"
    assert gates.above_cap(gate, new.address, token, 1)
    grant = gate_contract.Grant(key=new.address, token=token.address, per_escrow=10**9, per_day=10**10)
    from_cold(engine, gate.cold, gate.address, gate_contract.revoke(old.address))
    from_cold(engine, gate.cold, gate.address, gate_contract.propose(grant))
    engine.chain.travel(gate_contract.ADD_DELAY)
    from_cold(engine, gate.cold, gate.address, gate_contract.grant_proposed(grant))
    assert f"{new.address} decides up to 1000000000" in deploy()
    assert not gates.above_cap(gate, new.address, token, 10**9)
    assert gates.above_cap(gate, old.address, token, 1)
    with pytest.raises(CommandError):
        call_command("replace_sender", "local", "no such thing", "--by", "olga", "--reason", "stolen")


@pytest.mark.parametrize("caps", [("0.5", "0.4"), ("1" + "0" * 20, "1" + "0" * 20)])
def test_caps_that_a_gate_cannot_keep_are_refused(
    engine: Engine, settings: Any, caps: tuple[str, str]
) -> None:
    settings.PAYOUT_CAPS = dict(zip(("per_escrow", "per_day"), caps, strict=True))
    with pytest.raises(Invalid):
        gates.ensure_gate(engine.network, cold=engine.chain.accounts[-1])
    assert not Gate.objects.exists()


def test_the_signature_of_a_seats_key_is_the_seats(engine: Engine) -> None:
    deploy()
    first, second = seats.contract_seats()[:2]
    digest = keccak(b"a ruling")
    assert answer_of(engine, first, digest, seats.sign_ruling(first, digest)) == MAGIC
    assert answer_of(engine, first, digest, seats.sign_ruling(second, digest)) != MAGIC


def test_another_key_takes_a_seat_after_seven_days_and_no_signature_is_lost_meanwhile(engine: Engine) -> None:
    deploy()
    seat, digest = seats.contract_seats()[0], keccak(b"a ruling")
    everybody = [one.address for one in seats.contract_seats()]
    told = StringIO()
    call_command("seat_key", seat.address, "--by", "olga", stdout=told)
    proposal = seats.announce_key(seat.pk, acting=SYSTEM)
    assert "0x" + proposal.hex() in told.getvalue()
    from_cold(engine, seat.cold, seat.address, proposal)
    with pytest.raises(CommandError):
        call_command("seat_key", seat.address, "--adopt", "--by", "olga", stdout=told)
    assert answer_of(engine, seat, digest, seats.sign_ruling(seat, digest)) == MAGIC
    engine.chain.travel(seat_contract.REPLACE_DELAY)
    engine.chain.send(seat.address, seat_contract.replace())
    engine.chain.mine()
    # Replaced on chain, not adopted here: it would sign in vain, so others do.
    assert [one.address for one in seats.able(engine.network, everybody)] == everybody[1:]
    call_command("seat_key", seat.address, "--adopt", "--by", "olga", stdout=told)
    taken = Seat.objects.get(pk=seat.pk)
    assert taken.key != seat.key
    assert taken.next_key is None
    assert answer_of(engine, taken, digest, seats.sign_ruling(taken, digest)) == MAGIC
    assert len(seats.able(engine.network, everybody)) == 4
    actions = set(AuditEntry.objects.filter(subject_id=seat.address).values_list("action", flat=True))
    assert actions == {"seat.key_announced", "seat.key_replaced"}


def test_a_seat_that_is_a_bare_key_keeps_it(engine: Engine) -> None:
    seat = seats.create_seat("bare")
    with pytest.raises(Conflict):
        seats.announce_key(seat.pk, acting=SYSTEM)


def test_a_real_network_is_told_what_to_send_and_then_found(engine: Engine, settings: Any) -> None:
    settings.DEMO = False
    colds = ("--cold", engine.chain.accounts[-1], "--seat-cold", engine.chain.accounts[-2])
    Network.objects.update(is_local=False)
    for _ in range(2):  # the gate first, then the seats
        with pytest.raises(CommandError, match="Send these from any account") as told:
            deploy(*colds)
        for line in str(told.value).splitlines()[1:]:
            to, data = line.split(": to ")[1].split(" data 0x")
            engine.chain.send(to, bytes.fromhex(data))
            engine.chain.mine()
    deploy(*colds)
    gate = Gate.objects.get().address
    assert pool.run(engine.network, lambda rpc: rpc.code(gate))
    assert DeployedContract.objects.count() == 5


def test_the_demos_settings_keep_away_from_a_real_network(engine: Engine, settings: Any) -> None:
    Network.objects.update(is_local=False, slug="real")
    network, keys = Network.objects.get(), Key.objects.count()
    assert settings.DEMO
    with pytest.raises(networks.UnfitNode, match="DJANGO_SETTINGS_MODULE"):
        networks.verify(network)
    for command in ("operator_deploy", "chain_deploy"):
        with pytest.raises(CommandError, match="demo's settings"):
            call_command(command, "--network", network.slug)
    assert Key.objects.count() == keys
    settings.DEMO = False
    networks.verify(network)
