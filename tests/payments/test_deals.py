"""Deals: drafted, proposed, countered, joined, agreed, cancelled; and how they follow their escrows."""

from datetime import timedelta

import pytest

from core import clock
from core.errors import Conflict, Forbidden, Held, Invalid, NotFound
from partners.models import Partner
from payments.models import Deal, Party
from payments.services import controls, deals, escrows
from tests.chain.fixtures import USDT
from tests.payments.acts import DAY, deliver, refund, release
from tests.payments.fixtures import BUYER_ADDRESS, SELLER_ADDRESS, Desk, actor

MINUTES = timedelta(minutes=5)


def hash_of(deal: Deal) -> str:
    return deals.current_version(deal).hash


def join(desk: Desk, deal: Deal) -> Party:
    token = desk.party(deal, "buyer").invite_token
    return deals.join(invite_token=token, user=desk.cast.buyer)


def ready_buyer(desk: Desk, deal: Deal) -> Party:
    party = join(desk, deal)
    return deals.set_address(deal_id=deal.pk, party=party, address=BUYER_ADDRESS)


def draft(desk: Desk, *, address: str = SELLER_ADDRESS, **changes: object) -> Deal:
    return deals.create_draft(
        user=desk.cast.seller,
        role="seller",
        agreement=desk.agreement(**changes),
        own_address=address,
        counterparty_email="Buyer@example.org",
    )


# ---- proposing ---------------------------------------------------------------------------------------


def test_a_draft_may_be_incomplete_but_is_proposed_only_when_every_rule_holds(desk: Desk) -> None:
    deal = draft(desk, title="", description="", fee_payer="nobody")
    party = desk.party(deal, "seller")
    with pytest.raises(Invalid) as error:
        deals.propose(deal_id=deal.pk, party=party)
    assert {field.pointer for field in error.value.errors} == {"/title", "/description", "/fee_payer"}
    deals.update_draft(deal_id=deal.pk, party=party, agreement=desk.agreement())
    deal = deals.propose(deal_id=deal.pk, party=party)
    assert (deal.state, deal.turn, deal.total) == ("proposed", "buyer", 250 * USDT)
    assert desk.party(deal, "seller").accepted_hash == hash_of(deal)
    with pytest.raises(Conflict):
        deals.update_draft(deal_id=deal.pk, party=party, agreement=desk.agreement())


def test_a_proposal_needs_the_proposers_own_address(desk: Desk) -> None:
    deal = draft(desk, address="")
    with pytest.raises(Invalid):
        deals.propose(deal_id=deal.pk, party=desk.party(deal, "seller"))


def test_a_token_or_network_that_is_not_listed_is_refused(desk: Desk) -> None:
    for change in ({"token": BUYER_ADDRESS}, {"network": "nowhere"}):
        with pytest.raises(Invalid, match="not offered"):
            draft(desk, **change)


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("", "address_missing"),
        ("0x1234", "address_malformed"),
        ("someone.eth", "address_name"),
        ("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed".replace("5aA", "5aa"), "address_checksum"),
        ("0x0000000000000000000000000000000000000000", "address_burns"),
        ("0x0000000000000000000000000000000000000009", "address_burns"),
    ],
)
def test_addresses_at_which_money_would_be_lost_are_refused(desk: Desk, address: str, code: str) -> None:
    deal = desk.proposed()
    with pytest.raises(Invalid) as error:
        deals.set_address(deal_id=deal.pk, party=join(desk, deal), address=address)
    assert error.value.code == code


def test_addresses_of_the_platform_the_token_and_the_contract_are_refused(desk: Desk) -> None:
    deal = desk.proposed()
    party, policy = join(desk, deal), desk.engine.network.policy
    ours = [policy.operator, policy.fee_recipient, *policy.seats, desk.token.address]
    for address in [*ours, desk.engine.network.escrow_contract]:
        for written in (address, address.lower()):
            with pytest.raises(Invalid) as error:
                deals.set_address(deal_id=deal.pk, party=party, address=written)
            assert error.value.code == "address_not_yours"


def test_both_sides_need_different_addresses_however_they_are_written(desk: Desk) -> None:
    deal = desk.proposed()
    party = join(desk, deal)
    with pytest.raises(Invalid) as error:
        deals.set_address(deal_id=deal.pk, party=party, address=SELLER_ADDRESS.lower())
    assert error.value.code == "addresses_equal"
    assert desk.state(deal) == "proposed"
    assert desk.party(deal, "buyer").accepted_hash == ""


# ---- joining -----------------------------------------------------------------------------------------


def test_an_invitation_seats_one_person_and_only_the_invited(desk: Desk) -> None:
    deal = desk.proposed()
    token = desk.party(deal, "buyer").invite_token
    with pytest.raises(Forbidden):
        deals.join(invite_token=token, user=desk.cast.stranger)
    with pytest.raises(Forbidden):
        deals.join(invite_token=token, user=desk.cast.seller)
    with pytest.raises(NotFound):
        deals.join(invite_token="guessed", user=desk.cast.buyer)
    first = deals.join(invite_token=token, user=desk.cast.buyer)
    assert deals.join(invite_token=token, user=desk.cast.buyer) == first


def test_an_open_link_seats_whoever_comes_first(desk: Desk) -> None:
    deal = deals.create_draft(
        user=desk.cast.seller, role="seller", agreement=desk.agreement(), own_address=SELLER_ADDRESS
    )
    token = desk.party(deal, "buyer").invite_token
    with pytest.raises(NotFound):  # not proposed yet
        deals.join(invite_token=token, user=desk.cast.stranger)
    deals.propose(deal_id=deal.pk, party=desk.party(deal, "seller"))
    deals.join(invite_token=token, user=desk.cast.stranger)
    with pytest.raises(Conflict):
        deals.join(invite_token=token, user=desk.cast.buyer)


def test_a_party_of_another_deal_has_no_say(desk: Desk) -> None:
    one, other = desk.proposed(), desk.proposed()
    with pytest.raises(NotFound):
        deals.cancel(deal_id=one.pk, party=desk.party(other, "seller"))


# ---- answering ---------------------------------------------------------------------------------------


def test_a_counter_proposal_passes_the_turn_and_voids_what_was_accepted(desk: Desk) -> None:
    deal = desk.proposed()
    party = ready_buyer(desk, deal)
    first = hash_of(deal)
    deal = deals.counter(deal_id=deal.pk, party=party, agreement=desk.agreement(200 * USDT))
    assert (deal.turn, deal.total, deal.versions.count()) == ("seller", 200 * USDT, 2)
    assert desk.party(deal, "seller").accepted_hash == ""
    with pytest.raises(Conflict, match="other side"):
        deals.accept(deal_id=deal.pk, party=party, version_hash=hash_of(deal))
    seller = desk.party(deal, "seller")
    with pytest.raises(Conflict, match="changed meanwhile"):
        deals.accept(deal_id=deal.pk, party=seller, version_hash=first)
    deal = deals.accept(deal_id=deal.pk, party=seller, version_hash=hash_of(deal))
    assert (deal.state, deal.agreed_version.number) == ("agreed", 2)
    assert deal.escrows.get().amount == 200 * USDT


def test_the_author_of_a_version_can_not_answer_it_and_the_network_stays(desk: Desk) -> None:
    deal = desk.proposed()
    seller = desk.party(deal, "seller")
    with pytest.raises(Conflict):
        deals.accept(deal_id=deal.pk, party=seller, version_hash=hash_of(deal))
    with pytest.raises(Conflict):
        deals.counter(deal_id=deal.pk, party=seller, agreement=desk.agreement(1 * USDT))
    with pytest.raises(Invalid):
        deals.counter(
            deal_id=deal.pk, party=ready_buyer(desk, deal), agreement=desk.agreement(network="other")
        )


def test_addresses_are_fixed_once_accepted(desk: Desk) -> None:
    deal = desk.agreed()
    for role in ("buyer", "seller"):
        with pytest.raises(Conflict):
            deals.set_address(deal_id=deal.pk, party=desk.party(deal, role), address=FRESH)


FRESH = "0x20000000000000000000000000000000000000ff"


def test_agreeing_fixes_hash_terms_and_address_of_every_escrow(desk: Desk) -> None:
    deal = desk.agreed(100 * USDT, 150 * USDT)
    found = list(deal.escrows.order_by("position"))
    assert [escrow.state for escrow in found] == ["awaiting_deposit"] * 2
    assert len({escrow.vault_address for escrow in found}) == len({e.chain_id_hash for e in found}) == 2
    for escrow in found:
        terms = desk.terms(escrow)
        assert (terms.escrow_id, terms.vault_address()) == (escrow.chain_id_hash, escrow.vault_address)
        assert (terms.fund_by, terms.deliver_by) == (
            int(escrow.fund_by.timestamp()),
            int(escrow.deliver_by.timestamp()),
        )
        assert escrow.deliver_by.timestamp() == terms.deliver_by  # one instant, stored once


def test_an_unanswered_proposal_expires_after_five_days(desk: Desk) -> None:
    deal = desk.proposed()
    desk.platform_travels(5 * DAY + MINUTES)
    desk.duties()
    assert desk.state(deal) == "expired"
    with pytest.raises(Conflict):
        deals.accept(deal_id=deal.pk, party=desk.party(deal, "buyer"), version_hash=hash_of(deal))


# ---- ending ------------------------------------------------------------------------------------------


def test_either_side_ends_a_proposal_and_only_the_buyer_an_agreed_deal_that_nobody_paid(desk: Desk) -> None:
    deal = desk.proposed()
    deals.cancel(deal_id=deal.pk, party=join(desk, deal))
    assert desk.state(deal) == "cancelled"
    deal = desk.agreed(100 * USDT, 150 * USDT)
    with pytest.raises(Forbidden):
        deals.cancel(deal_id=deal.pk, party=desk.party(deal, "seller"))
    deals.cancel(deal_id=deal.pk, party=desk.party(deal, "buyer"))
    assert desk.state(deal) == "cancelled"
    assert set(deal.escrows.values_list("state", flat=True)) == {"cancelled"}
    assert desk.events(deal).count("deal.cancelled") == 1


def test_a_deal_whose_first_milestone_expired_can_still_be_ended(desk: Desk) -> None:
    deal = desk.agreed(100 * USDT, 150 * USDT, opening="each")
    desk.travel(DAY + MINUTES)
    desk.platform_travels(MINUTES)
    desk.settle()
    assert sorted(deal.escrows.values_list("state", flat=True)) == ["expired", "planned"]
    deals.cancel(deal_id=deal.pk, party=desk.party(deal, "buyer"))
    assert desk.state(deal) == "expired"
    assert sorted(deal.escrows.values_list("state", flat=True)) == ["cancelled", "expired"]


def test_money_that_was_seen_keeps_the_deal_alive(desk: Desk) -> None:
    deal = desk.agreed()
    desk.pay(deal.escrows.get(), USDT)
    desk.engine.mine(4)  # final, and not applied yet
    with pytest.raises(Conflict, match="Money has arrived"):
        deals.cancel(deal_id=deal.pk, party=desk.party(deal, "buyer"))
    assert desk.state(deal) == "agreed"


# ---- milestones --------------------------------------------------------------------------------------


def test_milestones_opened_at_once_live_their_own_lives_and_the_deal_ends_with_the_last(desk: Desk) -> None:
    deal = desk.agreed(100 * USDT, 150 * USDT)
    one, other = deal.escrows.order_by("position")
    desk.pay(one)
    desk.settle()
    assert desk.state(deal) == "active"
    desk.pay(other)
    desk.settle()
    release(desk, one)
    desk.settle()
    assert (desk.state(one), desk.state(other), desk.state(deal)) == ("released", "funded", "active")
    refund(desk, other)
    desk.settle()
    assert desk.state(deal) == "completed"
    assert desk.balance(SELLER_ADDRESS) == 99 * USDT
    assert desk.balance(BUYER_ADDRESS) == 150 * USDT


def test_milestone_by_milestone_the_next_opens_when_one_ended_well(desk: Desk) -> None:
    deal = desk.agreed(100 * USDT, 150 * USDT, 50 * USDT, opening="each")
    one, two, three = deal.escrows.order_by("position")
    assert (desk.state(one), desk.state(two)) == ("awaiting_deposit", "planned")
    desk.pay(one)
    desk.settle()
    release(desk, one)
    desk.settle()
    assert (desk.state(two), desk.state(three)) == ("awaiting_deposit", "planned")
    two = desk.fresh(two)
    assert two.fund_by > clock.now()
    desk.pay(two)
    desk.settle()
    refund(desk, two)
    desk.settle()
    assert desk.state(three) == "planned"  # the buyer decides whether to go on
    assert desk.state(deal) == "active"
    escrows.cancel_unpaid(escrow_id=three.pk, acting=actor(desk.cast.buyer))
    assert desk.state(deal) == "completed"


def test_while_intake_is_stopped_the_next_milestone_waits_and_nothing_else_does(desk: Desk) -> None:
    deal = desk.agreed(100 * USDT, 150 * USDT, opening="each")
    one, two = deal.escrows.order_by("position")
    desk.pay(one)
    desk.settle()
    controls.set_switch(
        network=desk.engine.network,
        kind="intake",
        stopped=True,
        reason="test",
        acting=actor(desk.cast.stranger),
    )
    release(desk, one)
    desk.settle()
    assert (desk.state(one), desk.state(two)) == ("released", "planned")
    with pytest.raises(Held):
        desk.proposed()
    controls.set_switch(
        network=desk.engine.network, kind="intake", stopped=False, reason="", acting=actor(desk.cast.stranger)
    )
    desk.platform_travels(MINUTES)
    desk.settle()
    assert desk.state(two) == "awaiting_deposit"


def test_when_the_buyer_pays_the_fee_the_seller_gets_exactly_the_price(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT, fee_payer="buyer", fee_bps=100)
    assert escrow.amount == 252_525_252
    deliver(desk, escrow)
    release(desk, escrow)
    desk.settle()
    assert desk.balance(SELLER_ADDRESS) == 250 * USDT


# ---- partners ----------------------------------------------------------------------------------------


def market(desk: Desk, name: str = "Market") -> Partner:
    return Partner.objects.create(name=name, owner=desk.cast.stranger, created=clock.now())


def opened_by_partner(desk: Desk, partner: Partner, reference: str = "") -> Deal:
    return deals.open_for_partner(
        partner=partner,
        agreement=desk.agreement(),
        buyer_email=desk.cast.buyer.email,
        seller_email=desk.cast.seller.email,
        seller_address=SELLER_ADDRESS,
        external_reference=reference,
        livemode=False,
    )


def test_a_partners_deal_is_accepted_by_both_in_any_order_and_delegation_is_each_sides_own(
    desk: Desk,
) -> None:
    partner = market(desk)
    deal = opened_by_partner(desk, partner)
    buyer = ready_buyer(desk, deal)
    deals.accept(deal_id=deal.pk, party=buyer, version_hash=hash_of(deal), delegate=True)
    assert desk.state(deal) == "proposed"
    with pytest.raises(Conflict):
        deals.accept(deal_id=deal.pk, party=buyer, version_hash=hash_of(deal))
    seller = desk.party(deal, "seller")
    seller = deals.join(invite_token=seller.invite_token, user=desk.cast.seller)
    deals.accept(deal_id=deal.pk, party=seller, version_hash=hash_of(deal))
    assert desk.state(deal) == "agreed"
    assert (desk.party(deal, "buyer").delegated, desk.party(deal, "seller").delegated) == (True, False)


def test_an_external_reference_is_used_once_per_partner_and_the_conflict_names_the_deal(desk: Desk) -> None:
    partner, rival = market(desk), market(desk, "Rival")
    deal = opened_by_partner(desk, partner, "order-1")
    opened_by_partner(desk, rival, "order-1")
    with pytest.raises(Conflict) as error:
        opened_by_partner(desk, partner, "order-1")
    assert deal.pk in error.value.errors[0].message


def test_delegation_without_a_partner_means_nothing(desk: Desk) -> None:
    deal = desk.proposed()
    party = ready_buyer(desk, deal)
    deals.accept(deal_id=deal.pk, party=party, version_hash=hash_of(deal), delegate=True)
    assert not desk.party(deal, "buyer").delegated
