"""No address that the platform watches, derived, deployed or signs with is ever a party's own."""

import threading
from typing import Any

import pytest
from django.apps import apps
from django.db import OperationalError, connection, models, transaction
from django.test.utils import CaptureQueriesContext

from chain.models import Network, Token
from core import clock
from core.errors import Conflict, Invalid
from core.fields import AddressField
from partners.models import Partner
from payments.locks import keep_addresses, take_address
from payments.models import Deal, Party
from payments.services import addresses, deals, escrows
from tests.chain.fixtures import USDT
from tests.payments.fixtures import BUYER_ADDRESS, SELLER_ADDRESS, Desk, actor

MARK = "0xabCDEF1234567890ABcDEF1234567890aBCDeF12"

NOT_OURS = {
    "payments.Party.address": "a side's own",
    "payments.Deposit.sender": "whoever paid, an exchange perhaps",
    "payments.Escrow.dispute_sender": "a side's own wallet, or a gate's key",
    "payments.PayoutLeg.recipient": "a side's own, or the policy's fee recipient",
    "payments.Approval.gate": "a gate's",
    "payments.Approval.hot": "a sender's",
    "chain.TokenTransfer.source": "anybody's",
    "chain.TokenTransfer.recipient": "anybody's",
    "chain.ContractLog.address": "a contract of ours, a token's or a gate's",
    "chain.Call.target": "a contract of ours, a token's or a gate's",
    "chain.Transaction.target": "a contract of ours, a token's or a gate's",
}
"""Why the other stored addresses need no refusal of their own."""


def test_every_stored_address_is_refused_or_somebody_elses() -> None:
    """A new field of this kind is decided upon here, or this fails."""
    stored = {
        f"{field.model._meta.label}.{field.name}"
        for model in apps.get_models()
        for field in model._meta.get_fields()
        if isinstance(field, AddressField)
    }
    refused = {f"{kind.model._meta.label}.{kind.field}" for kind in addresses.OURS}
    assert stored - refused == set(NOT_OURS)
    assert refused - stored == {"payments.EscrowPolicy.seats"}


def put(model: type[models.Model], field: str, value: str, network: Network) -> None:
    """A row of this network in this table with this address and nothing else of interest, past its guards."""
    column = model._meta.get_field(field).column
    made = {"character varying": "'x'", "text": "''", "boolean": "false", "jsonb": "'[]'", "bytea": "''"}
    made |= {
        "timestamp with time zone": "now()",
        "bigint": "7",
        "integer": "7",
        "smallint": "7",
        "numeric": "7",
    }
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = %s"
            " AND is_nullable = 'NO' AND column_default IS NULL AND is_identity = 'NO'",
            [model._meta.db_table],
        )
        values = {name: made[kind] for name, kind in cursor.fetchall() if name != column}
        values |= {"network_id": str(network.pk)} if "network_id" in values else {}
        listed = isinstance(model._meta.get_field(field), models.JSONField)
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(
            f'INSERT INTO "{model._meta.db_table}" ({", ".join([*values, column])})'
            f" VALUES ({', '.join([*values.values(), '%s'])})",
            [f'["{BUYER_ADDRESS}", "{value}"]' if listed else value],
        )
        cursor.execute("SET LOCAL session_replication_role = origin")


@pytest.fixture
def network(db: None) -> Network:
    return Network.objects.create(slug="here", name="Here", chain_id=4242, is_local=True)


@pytest.mark.parametrize("kind", addresses.OURS, ids=lambda kind: f"{kind.model.__name__}.{kind.field}")
def test_each_kind_is_refused_however_it_is_written_on_any_network(network: Network, kind: Any) -> None:
    elsewhere = Network.objects.create(slug="there", name="There", chain_id=4243)
    assert addresses.read(network, MARK) == MARK
    put(kind.model, kind.field, MARK, elsewhere)
    for pasted in (MARK, MARK.lower(), f"\u200b{MARK[2:]} ", f"eip155:4242:{MARK}"):
        with CaptureQueriesContext(connection) as caught, pytest.raises(Invalid) as refused:
            addresses.read(network, pasted, pointer="/own_address")
        assert (refused.value.code, refused.value.message) == ("address_not_yours", kind.message)
        assert refused.value.errors[0].pointer == "/own_address"
        assert len(caught) == 1


@pytest.mark.parametrize("address", addresses.KNOWN)
def test_known_contracts_and_addresses_of_nobody_are_refused(network: Network, address: str) -> None:
    with pytest.raises(Invalid):
        addresses.read(network, address.lower())


def test_the_tables_that_grow_are_asked_by_index(network: Network) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("EXPLAIN " + addresses._lookup(), {"it": MARK, "lower": MARK.lower()})
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "escrows_by_vault" in plan and "watched_once" in plan
    assert "Seq Scan on payments_escrow " not in plan and "Seq Scan on chain_watchedaddress" not in plan


# ---- every way in --------------------------------------------------------------------------------------


@pytest.fixture
def vault(desk: Desk) -> str:
    """The deposit address of a deal that strangers to the next one made."""
    address: str = desk.agreed().escrows.get().vault_address
    return address


def draft(desk: Desk, **given: str) -> Deal:
    return deals.create_draft(user=desk.cast.seller, role="seller", agreement=desk.agreement(), **given)


def refused(*codes: str) -> Any:
    return pytest.raises(Invalid, match="deposit address of an escrow" if not codes else "|".join(codes))


def test_a_deposit_address_is_refused_wherever_an_address_is_given(desk: Desk, vault: str) -> None:
    seller = {"own_address": vault.lower()}
    with refused():
        draft(desk, **seller)
    mine = draft(desk)
    party = desk.party(mine, "seller")
    with refused():
        deals.update_draft(deal_id=mine.pk, party=party, agreement=desk.agreement(), **seller)
    deal = desk.proposed()
    party = deals.join(invite_token=desk.party(deal, "buyer").invite_token, user=desk.cast.buyer)
    with refused():
        deals.set_address(deal_id=deal.pk, party=party, address=vault)
    with refused():
        deals.counter(deal_id=deal.pk, party=party, agreement=desk.agreement(USDT), address=vault)
    partner = Partner.objects.create(name="Market", owner=desk.cast.stranger, created=clock.now())
    for side in ("buyer", "seller"):
        with refused() as error:
            deals.open_for_partner(
                partner=partner,
                agreement=desk.agreement(),
                buyer_email="one@example.org",
                seller_email="two@example.org",
                livemode=False,
                **{f"{side}_address": vault},
            )
        assert error.value.errors[0].pointer == f"/{side}/address"


@pytest.mark.parametrize("whose", ["buyer", "seller"])
def test_an_address_that_became_a_deposit_address_meanwhile_is_not_agreed_on(desk: Desk, whose: str) -> None:
    deal = desk.proposed()
    party = deals.join(invite_token=desk.party(deal, "buyer").invite_token, user=desk.cast.buyer)
    deals.set_address(deal_id=deal.pk, party=party, address=BUYER_ADDRESS)
    vault = desk.agreed().escrows.get().vault_address
    Party.objects.filter(deal=deal, role=whose).update(address=vault)
    with refused():
        deals.accept(deal_id=deal.pk, party=party, version_hash=deals.current_version(deal).hash)
    assert (desk.state(deal), deal.escrows.count()) == ("proposed", 0)


def test_a_later_milestone_asks_again_before_it_opens(desk: Desk) -> None:
    deal = desk.agreed(100 * USDT, 150 * USDT, opening="each")
    _, second = deal.escrows.order_by("position")
    Token.objects.create(network=desk.engine.network, address=SELLER_ADDRESS, symbol="NEW", decimals=6)
    with pytest.raises(Invalid, match=r"The seller’s address is refused\. This is the contract of a token"):
        escrows.open_escrow(escrow_id=second.pk, acting=actor(desk.cast.buyer))
    assert desk.state(second) == "planned"


def test_no_deposit_address_is_made_of_what_is_a_partys_own(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody can foresee one: it follows from 256 bits drawn with the agreement. The guard stands anyway."""
    from contracts.terms import Terms

    theirs = desk.proposed()
    Party.objects.filter(deal=theirs, role="seller").update(address=MARK)
    monkeypatch.setattr(Terms, "vault_address", lambda _: MARK)
    with pytest.raises(Conflict, match="try again"):
        desk.agreed()


def test_an_address_is_bound_or_becomes_a_deposit_address_never_both_at_once(transactional_db: None) -> None:
    """Two deals in two transactions: the second waits until the first is done, and then sees it."""
    bound, over = threading.Event(), threading.Event()

    def bind() -> None:
        with transaction.atomic():
            keep_addresses([MARK])
            bound.set()
            over.wait(20)
        connection.close()

    other = threading.Thread(target=bind)
    other.start()
    assert bound.wait(20)
    try:
        with transaction.atomic():
            keep_addresses([MARK])  # as many deals as like
        with pytest.raises(OperationalError), transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL lock_timeout = '50ms'")
            take_address(MARK)
    finally:
        over.set()
        other.join()
    with transaction.atomic():
        take_address(MARK)
