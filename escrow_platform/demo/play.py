"""The deals of the demo, played with real transactions while the workers do the rest.

Two go to their end, two to the point where the visitor takes over.

Only services are called, as the pages would; every wait is for the chain and has a limit.
"""

import time
from collections.abc import Callable
from datetime import timedelta

from accounts.models import User
from chain.models import Network, Token
from core import clock
from core.files import Saved, save_bytes
from disputes.models import Dispute, Ruling
from disputes.services import evidence, opening, review, rulings
from escrow_platform.demo import people
from payments.agreement import Agreement, Milestone
from payments.models import Deal, Escrow, LegKind
from payments.services import deals, delivery, demo_wallet, payouts
from payments.states import EscrowState

LIMIT = 120  # seconds for one wait

Say = Callable[[str], None]

_NAMES = {
    "released": "released deal",
    "disputed": "disputed deal",
    "to_pay": "deal that waits to be paid",
    "to_judge": "payment of the deal to judge",
    "judging": "dispute that waits for its judge",
}


class DemoFailed(RuntimeError):
    """Something did not happen within its limit; the message says what."""


def play(say: Say) -> None:
    """Play what was not played yet. Raises `DemoFailed` when a step falls short."""
    # Its payment becomes final while the others are played.
    _once("to_judge", _paid_for_judging, say)
    for key, story in (("released", _released), ("disputed", _disputed), ("to_pay", _to_pay)):
        _once(key, story, say)
    _once("judging", _to_judge, say)


def _once(key: str, story: Callable[[Say], Deal], say: Say) -> None:
    if people.remembered(key):
        say(f"The {_NAMES[key]} was played before; it is kept.")
    else:
        people.remember(key, story(say).pk)


def _released(say: Say) -> Deal:
    alice, bob = people.user("Alice"), people.user("Bob")
    say("Deal 1: Bob sells Alice a logo for 250.00 USDT.")
    escrow = _agreed("Logo for a bakery", 250, "Three drafts, then the chosen one as SVG and PNG.", say)
    _pay(escrow, say)
    delivery.deliver(
        escrow_id=escrow.pk,
        role="seller",
        acting=deals.person(bob),
        note="The chosen draft as SVG and PNG is attached.",
        files=[Saved(save_bytes(b"The logo, described in words.\n", "text/plain"), "logo.txt")],
    )
    say("  Bob delivered. Alice has looked and releases.")
    payouts.release(escrow_id=escrow.pk, role="buyer", acting=deals.person(alice))
    _wait(escrow, EscrowState.RELEASED, say)
    _tell_legs(escrow, say)
    return escrow.deal


def _disputed(say: Say) -> Deal:
    alice, bob = people.user("Alice"), people.user("Bob")
    say("Deal 2: Bob sells Alice a website for 1,500.00 USDT. It ends in a dispute.")
    escrow = _agreed("Website with a shop", 1500, "Ten pages and a shop with card payments.", say)
    _pay(escrow, say)
    delivery.deliver(
        escrow_id=escrow.pk,
        role="seller",
        acting=deals.person(bob),
        note="The site is online. The shop is not.",
    )
    say("  Bob delivered the pages without the shop. Alice disputes.")
    dispute = opening.open_dispute(
        escrow_id=escrow.pk,
        role="buyer",
        reason="incomplete",
        text="The ten pages are fine, but the shop is missing altogether.",
        nothing_more=True,
        acting=deals.person(alice),
        user=alice,
    )
    _wait(escrow, EscrowState.DISPUTED, say)
    _until(lambda: _case(dispute).state in ("opened", "evidence"), "the case opened")
    evidence.add_evidence(
        dispute_id=dispute.pk,
        role="seller",
        text="True, the shop is missing; the pages took most of the work.",
        acting=deals.person(bob),
        user=bob,
    )
    evidence.nothing_more(dispute_id=dispute.pk, role="seller", acting=deals.person(bob))
    say("  Both sides have spoken; the evidence is closed.")
    _rule(dispute, escrow, people.user("Ada"), people.user("Lena"), say)
    _wait(escrow, EscrowState.SETTLED, say)
    _until(lambda: _case(dispute).state == "executed", "the case closed")
    _tell_legs(escrow, say)
    return escrow.deal


def _to_pay(say: Say) -> Deal:
    say("Deal 3: Bob sells Alice photographs for 120.00 USDT. Paying is left to you.")
    return _agreed("Photographs of the bakery", 120, "Twenty edited photographs as JPEG.", say).deal


def _paid_for_judging(say: Say) -> Deal:
    say("Deal 4: Bob sells Alice a translation for 400.00 USDT; we come back to it.")
    escrow = _agreed("Translation of a menu", 400, "The menu in French and Italian.", say)
    demo_wallet.pay(escrow, escrow.amount)
    return escrow.deal


def _to_judge(say: Say) -> Deal:
    alice, bob = people.user("Alice"), people.user("Bob")
    deal = Deal.objects.get(pk=people.remembered("to_judge"))
    escrow = Escrow.objects.select_related("network", "token__network").get(deal=deal)
    say("Deal 4: Bob delivered the French part of the translation. Alice disputes.")
    _until(lambda: _state(escrow) == EscrowState.FUNDED, f"the escrow of “{escrow.title}” became funded")
    delivery.deliver(
        escrow_id=escrow.pk, role="seller", acting=deals.person(bob), note="The French menu is attached."
    )
    dispute = opening.open_dispute(
        escrow_id=escrow.pk,
        role="buyer",
        reason="incomplete",
        text="The Italian half of the menu is missing.",
        nothing_more=True,
        acting=deals.person(alice),
        user=alice,
    )
    _wait(escrow, EscrowState.DISPUTED, say)
    _until(lambda: _case(dispute).state in ("opened", "evidence"), "the case opened")
    evidence.add_evidence(
        dispute_id=dispute.pk,
        role="seller",
        text="The Italian half was never agreed; the price is for one language.",
        acting=deals.person(bob),
        user=bob,
    )
    evidence.nothing_more(dispute_id=dispute.pk, role="seller", acting=deals.person(bob))
    _until(lambda: _case(dispute).state == "under_review", "the review began")
    people.remember("case", dispute.pk)
    say("  Both sides have spoken. Judging is left to you.")
    return deal


def _rule(dispute: Dispute, escrow: Escrow, arbitrator: User, lead: User, say: Say) -> None:
    _until(lambda: _case(dispute).state == "under_review", "the review began")
    review.claim(dispute_id=dispute.pk, person=arbitrator)
    to_seller = escrow.amount * 60 // 100
    ruling = rulings.propose(
        dispute_id=dispute.pk,
        to_seller=to_seller,
        to_buyer=escrow.amount - to_seller,
        reasons="Both sides agree that the pages were delivered and the shop was not. "
        "The pages are worth three fifths of the price.",
        person=arbitrator,
    )
    say("  Ada proposes 60 % to Bob, 40 % to Alice. At 1,000 USDT and above a second person decides too.")
    rulings.approve(ruling_id=ruling.pk, typed_amount="1500", person=lead)
    until = Ruling.objects.get(pk=ruling.pk).appeal_until
    say(f"  Lena approved. The ruling becomes final at {until:%H:%M:%S} UTC, when the appeal window is over.")


def _agreed(title: str, whole: int, description: str, say: Say) -> Escrow:
    alice, bob = people.user("Alice"), people.user("Bob")
    deal = deals.create_draft(
        user=bob,
        role="seller",
        agreement=_agreement(title, whole, description),
        own_address=people.address_of(f"bob {whole}"),
        counterparty_email=alice.email,
    )
    deals.propose(deal_id=deal.pk, party=deal.parties.get(role="seller"))
    party = deals.join(invite_token=deal.parties.get(role="buyer").invite_token, user=alice)
    deals.set_address(deal_id=deal.pk, party=party, address=people.address_of(f"alice {whole}"))
    deals.accept(deal_id=deal.pk, party=party, version_hash=deals.current_version(deal).hash)
    escrow = Escrow.objects.select_related("network", "token__network").get(deal=deal)
    say(f"  Agreed. Deposit address {escrow.vault_address}")
    return escrow


def _agreement(title: str, whole: int, description: str) -> Agreement:
    token = Token.objects.select_related("network").get(network=Network.objects.get(slug="local"))
    due = clock.now() + timedelta(days=14)
    milestone = Milestone(title=title, amount=whole * 10**token.decimals, deliver_at=due)
    return Agreement(
        title=title,
        description=description,
        network=token.network.slug,
        token=token.address,
        milestones=(milestone,),
        fee_bps=100,
        **deals.default_clocks(),
    )


def _pay(escrow: Escrow, say: Say) -> None:
    demo_wallet.pay(escrow, escrow.amount)
    say(f"  Alice sent {escrow.money}; waiting until it is final.")
    _wait(escrow, EscrowState.FUNDED, say)


def _wait(escrow: Escrow, state: str, say: Say) -> None:
    _until(lambda: _state(escrow) == state, f"the escrow of “{escrow.title}” became {state}")
    say(f"  {state.replace('_', ' ').capitalize()}, final on chain.")


def _until(done: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + LIMIT
    while not done():
        if time.monotonic() > end:
            raise DemoFailed(f"It did not happen within {LIMIT} seconds that {what}.")
        time.sleep(0.3)


def _state(escrow: Escrow) -> str:
    return Escrow.objects.values_list("state", flat=True).get(pk=escrow.pk)


def _case(dispute: Dispute) -> Dispute:
    return Dispute.objects.get(pk=dispute.pk)


def _tell_legs(escrow: Escrow, say: Say) -> None:
    legs = escrow.legs.exclude(state="superseded").select_related("token__network")
    for leg in legs.order_by("created", "id"):
        what = LegKind(leg.kind).label
        say(f"  {what}: {leg.money} to {leg.recipient}, {leg.state}, {leg.tx_hash}")
