"""The cast and the stage of dispute tests: real services of payments, the chain's word put in by hand."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from django.contrib.auth.models import Group

from accounts.models import User
from chain.models import Network, Sender, Token
from contracts import events as chain_events
from contracts.artifacts import ESCROW_ADDRESS, TEST_USDT_ADDRESS
from contracts.calls import Side
from core import clock, outbox
from core.actors import CHAIN, Actor
from disputes.models import Dispute
from disputes.services import groups, opening
from payments.agreement import Agreement, Milestone
from payments.models import Deal, Escrow, EscrowPolicy, Party
from payments.services import clocks, deals, events, statuses
from payments.services.moves import move
from wallets.services.operators import PURPOSES
from wallets.services.seats import create_seat

PASSWORD = "correct horse battery staple"
USDT = 10**6
ADDRESSES = {"buyer": "0x" + "b1" * 20, "seller": "0x" + "5e" * 20}
STORY = "The file that arrived on Tuesday is empty, and there was no answer since."
REASONS = "The delivered archive holds half of the agreed pages, so half of the price is earned."


@dataclass
class Cast:
    """Everybody who may open a page, and some who may not."""

    buyer: User
    seller: User
    stranger: User
    arbitrator: User
    colleague: User
    lead: User
    other_lead: User


def cast() -> Cast:
    """Buyer, seller, stranger, two arbitrators, two leads."""
    return with_staff(*(_person(name) for name in ("buyer", "seller", "stranger")))


def with_staff(buyer: User, seller: User, stranger: User) -> Cast:
    """The people of a deal, and those who may rule on it."""
    groups.ensure()
    return Cast(
        buyer=buyer,
        seller=seller,
        stranger=stranger,
        arbitrator=_person("arbitrator", groups.ARBITRATORS),
        colleague=_person("colleague", groups.ARBITRATORS),
        lead=_person("lead", groups.LEADS),
        other_lead=_person("other.lead", groups.LEADS),
    )


def _person(name: str, group: str = "") -> User:
    user = User.objects.create_user(f"{name}@example.org", PASSWORD, is_staff=bool(group))
    if group:
        user.groups.add(Group.objects.get(name=group))
    return user


def local_token() -> Token:
    """A network and token that nobody has to reach."""
    network = Network.objects.create(
        slug="local", name="Local chain", chain_id=31337, is_local=True, escrow_contract=ESCROW_ADDRESS
    )
    return Token.objects.create(network=network, address=TEST_USDT_ADDRESS, symbol="USDT", decimals=6)


def set_policy(network: Network) -> EscrowPolicy:
    """Three seats whose keys live here; one signs below the four-eyes amount, two above."""
    for place, purpose in enumerate(PURPOSES):
        Sender.objects.create(
            network=network, purpose=purpose, address=f"0x{place + 10:040x}", key_ref="none", next_nonce=0
        )
    seats = [create_seat(f"seat {number}") for number in range(3)]
    return EscrowPolicy.objects.create(
        network=network,
        operator="0x" + "0a" * 20,
        fee_recipient="0x" + "fe" * 20,
        seats=[seat.address for seat in seats],
        threshold=1,
        four_eyes_threshold=2,
    )


def agreed(people: Cast, token: Token, units: int) -> Deal:
    """A deal of one escrow that both sides accepted; its escrow awaits the deposit."""
    agreement = Agreement(
        title="A website",
        description="Ten pages, delivered as an archive.",
        network=token.network.slug,
        token=token.address,
        milestones=(Milestone(title="A website", amount=units, deliver_at=clock.now() + timedelta(days=3)),),
        fee_bps=100,
        pay_seconds=86_400,
        inspect_seconds=7 * 86_400,
        arbitration_seconds=120 * 86_400,
    )
    deal = deals.create_draft(
        user=people.buyer,
        role="buyer",
        agreement=agreement,
        own_address=ADDRESSES["buyer"],
        counterparty_email=people.seller.email,
    )
    deals.propose(deal_id=deal.pk, party=deal.parties.get(role="buyer"))
    seller = deals.join(invite_token=deal.parties.get(role="seller").invite_token, user=people.seller)
    deals.set_address(deal_id=deal.pk, party=seller, address=ADDRESSES["seller"])
    version = deals.current_version(deal)
    return deals.accept(deal_id=deal.pk, party=party_of(deal, "seller"), version_hash=version.hash)


def party_of(deal: Deal, role: str) -> Party:
    return deal.parties.get(role=role)


def funded(people: Cast, token: Token, units: int = 2_500 * USDT) -> Escrow:
    """An escrow whose deposit is final, as the projection leaves it."""
    escrow = Escrow.objects.get(deal=agreed(people, token, units))
    escrow.funded_at = clock.now()
    move(escrow, "funded", actor=CHAIN, fields=("funded_at",))
    clocks.start_delivering(escrow)
    deals.follow_escrows(escrow.deal_id)
    return Escrow.objects.get(pk=escrow.pk)


def actor(user: User) -> Actor:
    return Actor("person", user.pk, user.name)


def open_dispute(escrow: Escrow, user: User, role: str = "buyer", **changes: Any) -> Dispute:
    """Ordered; the chain has not spoken yet."""
    values: dict[str, Any] = {
        "reason": "not_as_described" if role == "buyer" else "refused_release",
        "text": STORY,
    }
    return opening.open_dispute(
        escrow_id=escrow.pk, role=role, acting=actor(user), user=user, **(values | changes)
    )


def chain_freezes(escrow: Escrow, side: str = "buyer", evidence_hash: str = "0x" + "ee" * 32) -> None:
    """The final dispute event, through the projection of payments and the outbox."""
    escrow = Escrow.objects.get(pk=escrow.pk)
    event = chain_events.Disputed(
        escrow_id=escrow.chain_id_hash,
        by="0x" + "0a" * 20,
        side=Side.BUYER if side == "buyer" else Side.SELLER,
        round=escrow.dispute_round + 1,
        until=int((datetime.now(UTC) + timedelta(days=120)).timestamp()),
        evidence_hash=bytes.fromhex(evidence_hash[2:]),
    )
    statuses.disputed(escrow, event, final())
    outbox.drain()


def chain_gives_back(escrow: Escrow) -> None:
    """The final withdrawal."""
    escrow = Escrow.objects.get(pk=escrow.pk)
    event = chain_events.DisputeWithdrawn(
        escrow_id=escrow.chain_id_hash,
        by="0x" + "0a" * 20,
        status=chain_events.Status.OPEN,
        until=int((datetime.now(UTC) + timedelta(days=5)).timestamp()),
    )
    statuses.dispute_withdrawn(escrow, event, final())
    outbox.drain()


def chain_decides(escrow: Escrow, state: str, how: str) -> None:
    """The final deciding event, as far as a case cares."""
    escrow = Escrow.objects.get(pk=escrow.pk)
    escrow.remainder = 0
    move(escrow, state, actor=CHAIN, why=how, tx_hash=final().tx_hash, fields=("remainder",))
    events.of_escrow(escrow, f"escrow.{state}", tx_hash=final().tx_hash)
    outbox.drain()


def final() -> Any:
    """What of a final event the projection of statuses reads."""
    return SimpleNamespace(tx_hash="0x" + "7a" * 32)


def reread(dispute: Dispute) -> Dispute:
    return Dispute.objects.select_related("escrow__token__network").get(pk=dispute.pk)
