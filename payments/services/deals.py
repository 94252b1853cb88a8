"""Deals: written, proposed, answered, agreed, ended."""

import secrets
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, TypedDict

from django.conf import settings
from django.db import transaction

from accounts.models import User
from chain.models import Network, Token
from core import clock, deadlines, seen, transitions
from core.actors import CLOCK, SYSTEM, Actor
from core.errors import Conflict, FieldError, Forbidden, Invalid, NotFound
from core.files import Saved
from core.models import Deadline
from partners.models import Partner
from payments.agreement import Agreement, check, from_json
from payments.locks import lock_deal
from payments.models import Deal, DealFile, DealVersion, Party, PayoutLeg, Role
from payments.services import addresses, controls, escrows, events, guarding, people
from payments.services.seen import of_deal
from payments.states import CLOSED, TERMINAL, DealState, EscrowState, LegState

ACCEPT = "accept_terms"


def person(user: User) -> Actor:
    """The actor that stands for a signed-in person."""
    return Actor("person", user.pk, user.name)


@transaction.atomic
def create_draft(
    *,
    user: User,
    role: str,
    agreement: Agreement,
    own_address: str = "",
    counterparty_email: str = "",
) -> Deal:
    """A draft that only its author sees: it may be unfinished until it is proposed.

    Raises `Invalid` for a network or token that is not offered, an address at which nobody may be paid, and
    one's own e-mail as the other side.
    """
    network, token = _listed(agreement)
    own_address = own_address and addresses.read(network, own_address)
    counterparty_email = people.other_side(user, counterparty_email)
    deal = Deal.objects.create(
        title=agreement.title[:120],
        network=network,
        token=token,
        draft=agreement.as_json(),
        proposer=role,
        livemode=not network.is_local,
        created=clock.now(),
    )
    _add_party(deal, Role(role), user=user, email=user.email, address=own_address)
    _add_party(deal, Role(role).other, email=counterparty_email)
    transitions.record(deal, source="", target=deal.state, actor=person(user))
    return deal


@transaction.atomic
def update_draft(
    *,
    deal_id: str,
    party: Party,
    agreement: Agreement,
    own_address: str | None = None,
    counterparty_email: str | None = None,
    expected: str | None = None,
) -> Deal:
    """Save what the author has written so far. Raises as `create_draft`; `Conflict` once it is proposed, or
    where the draft is not what the caller saw (`expected`, here as below: `seen.of_deal`)."""
    deal = _locked_for(deal_id, party, expected)
    _expect(deal, DealState.DRAFT)
    deal.network, deal.token = _listed(agreement)
    deal.title, deal.draft = agreement.title[:120], agreement.as_json()
    deal.livemode = not deal.network.is_local
    deal.save(update_fields=["network", "token", "title", "draft", "livemode"])
    if own_address is not None:
        own_address = own_address and addresses.read(deal.network, own_address)
        deal.parties.filter(role=party.role).update(address=own_address)
    if counterparty_email is not None:
        email = people.other_side(party.user, counterparty_email)
        deal.parties.exclude(role=party.role).update(email=email)
    return deal


@transaction.atomic
def attach_file(*, deal_id: str, party: Party, saved: Saved) -> DealFile:
    """Add a file to a draft; its hash becomes part of the proposed version."""
    deal = _locked_for(deal_id, party)
    _expect(deal, DealState.DRAFT)
    return DealFile.objects.create(deal=deal, file=saved.file, name=saved.name, created=clock.now())


@transaction.atomic
def propose(*, deal_id: str, party: Party, expected: str | None = None) -> Deal:
    """Seal the draft as version 1 and ask the other side. The proposer accepts by proposing.

    Raises `Invalid` with every broken rule, or for a missing address or counterparty.
    """
    deal = _locked_for(deal_id, party, expected)
    _expect(deal, DealState.DRAFT)
    controls.check_intake(deal.network)
    party = deal.parties.select_for_update().get(pk=party.pk)
    addresses.read(deal.network, party.address)
    guarding.check_address(party)
    people.other_side(party.user, deal.parties.exclude(pk=party.pk).get().email)
    agreement = _with_files(from_json(deal.draft), deal)
    _seal(deal, agreement, by=party.role)
    _move(deal, DealState.PROPOSED, actor=_actor(party))
    _accept_as(deal, party)
    _ask(deal, Role(party.role).other)
    events.of_deal(deal, "deal.proposed", turn=deal.turn)
    return deal


@transaction.atomic
def open_for_partner(
    *,
    partner: Partner,
    agreement: Agreement,
    buyer_email: str,
    seller_email: str,
    buyer_address: str = "",
    seller_address: str = "",
    external_reference: str = "",
    metadata: Mapping[str, Any] | None = None,
    livemode: bool = True,
) -> Deal:
    """A deal that a partner proposes to two of its users; both must accept.

    Raises `Conflict` if the external reference was used before; its `errors` name the existing deal.
    """
    network, token = _listed(agreement)
    _check_mode(network, livemode)
    _check_reference(partner, external_reference, livemode)
    controls.check_intake(network)
    buyer_email, seller_email = people.two(buyer_email, seller_email)
    buyer_address, seller_address = _addresses_given(network, buyer_address, seller_address)
    deal = Deal.objects.create(
        title=agreement.title[:120],
        network=network,
        token=token,
        proposer=Role.SELLER,
        partner=partner,
        external_reference=external_reference,
        metadata=dict(metadata or {}),
        livemode=livemode,
        created=clock.now(),
    )
    for role, email, address in (
        (Role.BUYER, buyer_email, buyer_address),
        (Role.SELLER, seller_email, seller_address),
    ):
        _add_party(deal, role, email=email, address=address)
    actor = Actor("partner", partner.pk, partner.name)
    transitions.record(deal, source="", target=deal.state, actor=actor)
    _seal(deal, agreement, by="partner")
    _move(deal, DealState.PROPOSED, actor=actor)
    _ask(deal, None)
    events.of_deal(deal, "deal.proposed", turn="")
    return deal


@transaction.atomic
def counter(
    *,
    deal_id: str,
    party: Party,
    agreement: Agreement,
    address: str | None = None,
    expected: str | None = None,
) -> Deal:
    """Answer with other terms: a new version, accepted by its author; the turn goes to the other side.

    `address` is where the author's money goes, if it was not given before or shall be another.
    """
    deal = _locked_for(deal_id, party, expected)
    _expect(deal, DealState.PROPOSED)
    _check_turn(deal, party)
    controls.check_intake(deal.network)
    party = deal.parties.select_for_update().get(pk=party.pk)
    if (agreement.network, agreement.token) != (deal.network.slug, deal.token.address):
        raise Invalid("network_fixed", "A counter-proposal keeps the network and token.")
    deal.parties.update(accepted_hash="", accepted_at=None, delegated=False)
    party.refresh_from_db()
    _give_address(deal, party, party.address if address is None else address)
    guarding.check_address(party)
    _seal(deal, _with_files(agreement, deal), by=party.role)
    _accept_as(deal, party)
    _ask(deal, Role(party.role).other)
    events.of_deal(deal, "deal.counter_proposed", turn=deal.turn)
    return deal


@transaction.atomic
def set_address(*, deal_id: str, party: Party, address: str) -> Party:
    """Fix where this side's money goes; possible until this side has accepted."""
    deal = _locked_for(deal_id, party)
    if deal.state not in (DealState.DRAFT, DealState.PROPOSED) or party.accepted_hash:
        raise Conflict("address_fixed", "The address is part of the agreed terms and cannot change any more.")
    party = deal.parties.select_for_update().get(pk=party.pk)
    _give_address(deal, party, address)
    return party


@transaction.atomic
def accept(
    *, deal_id: str, party: Party, version_hash: str, delegate: bool = False, expected: str | None = None
) -> Deal:
    """Accept one exact version. With both sides' acceptance the deal is agreed and its escrows planned.

    `delegate` lets the deal's partner act for this side. Raises `Conflict` if the version changed
    meanwhile or is not this side's to answer.
    """
    deal = _locked_for(deal_id, party, expected)
    _expect(deal, DealState.PROPOSED)
    controls.check_intake(deal.network)
    version = current_version(deal)
    if version.hash != version_hash:
        raise Conflict("version_changed", "The terms changed meanwhile. Read them again before you accept.")
    party = deal.parties.select_for_update().get(pk=party.pk)
    _check_turn(deal, party)
    addresses.read(deal.network, party.address)
    guarding.check_address(party)
    check(from_json(version.terms), minimum=deal.token.min_amount)
    party.delegated = delegate and deal.partner_id is not None
    _accept_as(deal, party)
    accepted = set(deal.parties.values_list("accepted_hash", flat=True))
    if accepted == {version.hash}:
        _agree(deal, version, _actor(party))
    else:
        deal.turn = Role(party.role).other
        deal.save(update_fields=["turn"])
        events.of_deal(deal, "deal.accepted_by_one_side", by=party.role, turn=deal.turn)
    return deal


@transaction.atomic
def cancel(*, deal_id: str, party: Party, expected: str | None = None) -> Deal:
    """End a deal before money: the author drops a draft, either side declines or withdraws a proposal,
    the buyer alone cancels an agreed deal that nobody paid. Raises `Conflict` afterwards.
    """
    deal = _locked_for(deal_id, party, expected)
    if deal.state == DealState.AGREED:
        if party.role != Role.BUYER:
            raise Forbidden("buyer_only", "An agreed deal that is not paid yet is cancelled by the buyer.")
        for escrow in deal.escrows.order_by("position"):
            escrows.cancel_unpaid(escrow_id=escrow.pk, acting=_actor(party))
        return lock_deal(deal_id)  # moved by its escrows
    if deal.state not in (DealState.DRAFT, DealState.PROPOSED):
        raise Conflict("deal_not_cancellable", "This deal has gone too far to be cancelled.")
    _move(deal, DealState.CANCELLED, actor=_actor(party))
    deadlines.cancel_all(deal.pk)
    events.of_deal(deal, "deal.cancelled", by=party.role)
    return deal


@transaction.atomic
def join(*, invite_token: str, user: User, expected: str | None = None) -> Party:
    """Take the empty seat that an invitation link leads to.

    Raises `NotFound` for a wrong link, `Conflict` if the seat is taken, `Forbidden` for one's own deal.
    """
    found = Party.objects.filter(invite_token=invite_token).first()
    if found is None:
        raise NotFound("invitation_not_found", "This invitation does not exist. Ask for a new link.")
    deal = lock_deal(found.deal_id)
    party = deal.parties.select_for_update().get(pk=found.pk)
    if party.user_id == user.pk:
        return party
    seen.check(expected, of_deal, deal)
    if deal.state == DealState.DRAFT:
        raise NotFound("invitation_not_found", "This invitation is not open yet.")
    if party.user_id is not None:
        raise Conflict("seat_taken", "Somebody has already accepted this invitation.")
    if deal.parties.filter(user=user).exists():
        raise Forbidden(
            "own_invitation", "You are the other side of this deal. Send the link to your counterparty."
        )
    if party.email and not people.is_of(user, party.email):
        raise Forbidden("other_invitee", f"This invitation is for another e-mail address than {user.email}.")
    party.user = user
    party.email = user.email
    party.save(update_fields=["user", "email"])
    events.of_deal(deal, "deal.joined", by=party.role)
    return party


def expire_unanswered(deadline: Deadline) -> bool:
    """Deadline handler: nobody accepted in time."""
    with transaction.atomic():
        deal = lock_deal(deadline.subject_id)
        if not deadlines.claim(deadline):
            return False
        if deal.state == DealState.PROPOSED:
            _move(deal, DealState.EXPIRED, actor=CLOCK)
            events.of_deal(deal, "deal.expired")
    return True


def follow_escrows(deal_id: str, actor: Actor = SYSTEM) -> None:
    """Move the deal to where its escrows stand; call it in the transaction that moved one of them."""
    deal = lock_deal(deal_id)
    states = list(deal.escrows.values_list("state", "funded_at"))
    if any(funded for _, funded in states) and deal.state in (DealState.AGREED, DealState.EXPIRED):
        _move(deal, DealState.ACTIVE, actor=actor)
        events.of_deal(deal, "deal.active")
    if any(state not in TERMINAL for state, _ in states):
        return
    if deal.state == DealState.ACTIVE and not _legs_wait(deal):
        _move(deal, DealState.COMPLETED, actor=actor)
        events.of_deal(deal, "deal.completed")
    elif deal.state == DealState.AGREED:
        ended = {state for state, _ in states}
        closed = ended & set(CLOSED) or EscrowState.EXPIRED in ended
        target = DealState.EXPIRED if closed else DealState.CANCELLED
        _move(deal, target, actor=actor)
        events.of_deal(deal, f"deal.{target}")


def _legs_wait(deal: Deal) -> bool:
    """Whether money of the deal is on its way; a leg that a token refuses keeps no deal open."""
    return PayoutLeg.objects.filter(
        escrow__deal=deal, state__in=[LegState.PLANNED, LegState.ORDERED]
    ).exists()


def current_version(deal: Deal) -> DealVersion:
    """The newest version, whoever proposed it."""
    return deal.versions.order_by("-number")[0]


class Clocks(TypedDict):
    """The times of an agreement that have published defaults, in seconds."""

    pay_seconds: int
    inspect_seconds: int
    arbitration_seconds: int


def default_clocks() -> Clocks:
    """The published defaults of a new agreement, in seconds."""
    clocks = settings.CLOCKS
    return {
        "pay_seconds": clocks["pay"],
        "inspect_seconds": clocks["inspect"],
        "arbitration_seconds": clocks["arbitration"],
    }


def _agree(deal: Deal, version: DealVersion, actor: Actor) -> None:
    addresses.bind(deal)
    deal.agreed_version = version
    deal.agreed_at = clock.now()
    deal.turn = ""
    deal.secret_salt = "0x" + secrets.token_hex(32)
    deal.save(update_fields=["agreed_version", "agreed_at", "turn", "secret_salt"])
    _move(deal, DealState.AGREED, actor=actor)
    deadlines.cancel(ACCEPT, deal.pk)
    events.of_deal(deal, "deal.agreed", version=version.number, terms_hash=version.hash)
    escrows.plan(deal, from_json(version.terms))


def _seal(deal: Deal, agreement: Agreement, *, by: str) -> DealVersion:
    check(agreement, minimum=deal.token.min_amount)
    deal.title = agreement.title[:120]
    deal.total = agreement.total
    deal.save(update_fields=["title", "total"])
    return DealVersion.objects.create(
        deal=deal,
        number=deal.versions.count() + 1,
        terms=agreement.as_json(),
        hash=agreement.digest(),
        proposed_by=by,
        created=clock.now(),
    )


def _accept_as(deal: Deal, party: Party) -> None:
    party.accepted_hash = current_version(deal).hash
    party.accepted_at = clock.now()
    party.save(update_fields=["accepted_hash", "accepted_at", "delegated"])


def _ask(deal: Deal, role: Role | None) -> None:
    """`None`: both sides still have to answer, in any order."""
    deal.turn = role or ""
    deal.save(update_fields=["turn"])
    due = clock.now() + timedelta(seconds=settings.CLOCKS["accept"])
    deadlines.start(ACCEPT, deal.pk, due)


def _check_turn(deal: Deal, party: Party) -> None:
    if deal.turn and deal.turn != party.role:
        raise Conflict("not_your_turn", "The other side has to answer first.")
    if party.accepted_hash == current_version(deal).hash:
        raise Conflict("already_accepted", "You have accepted these terms; the other side has to answer.")


def _with_files(agreement: Agreement, deal: Deal) -> Agreement:
    from dataclasses import replace

    from payments.agreement import FileRef

    files = deal.files.order_by("created", "id").values_list("name", "file_id")
    return replace(agreement, files=tuple(FileRef(name=name, sha256=sha) for name, sha in files))


def _give_address(deal: Deal, party: Party, address: str) -> None:
    """The locked party's money goes there."""
    found = addresses.read(deal.network, address)
    addresses.check_other_side(deal, party.role, found)
    another = party.address not in ("", found)
    party.address = found
    if another:
        guarding.check_address(party, changed=True)
    party.save(update_fields=["address"])


def _addresses_given(network: Network, buyer: str, seller: str) -> tuple[str, str]:
    """What a partner gave for the two sides; empty where the person gives it."""
    buyer = buyer and addresses.read(network, buyer, pointer="/buyer/address", bare=True)
    seller = seller and addresses.read(network, seller, pointer="/seller/address", bare=True)
    if buyer and buyer == seller:
        raise addresses.equal("/seller/address")
    return buyer, seller


def _add_party(deal: Deal, role: Role, *, email: str, address: str = "", user: User | None = None) -> Party:
    return Party.objects.create(
        deal=deal,
        role=role,
        user=user,
        email=people.normal(email),
        address=address,
        invite_token=secrets.token_urlsafe(32),
    )


def _listed(agreement: Agreement) -> tuple[Network, Token]:
    token = (
        Token.objects.select_related("network")
        .filter(network__slug=agreement.network, network__enabled=True, enabled=True, address=agreement.token)
        .first()
    )
    if token is None:
        message = "This token is not offered on this network. Choose one of the list."
        raise Invalid("token_not_listed", message, [FieldError("/token", "not_listed", message)])
    return token.network, token


def _check_mode(network: Network, livemode: bool) -> None:
    if livemode == network.is_local:
        raise Invalid("mode_mismatch", "Test keys act on test networks, live keys on live ones.")


def _check_reference(partner: Partner, reference: str, livemode: bool) -> None:
    known = Deal.objects.filter(partner=partner, external_reference=reference, livemode=livemode)
    existing = known.values_list("pk", flat=True).first() if reference else None
    if existing:
        message = f"This external reference belongs to {existing}."
        raise Conflict(
            "external_reference_used", message, [FieldError("/external_reference", "used", existing)]
        )


def _locked_for(deal_id: str, party: Party, expected: str | None = None) -> Deal:
    if party.deal_id != deal_id:
        raise NotFound("deal_not_found", "There is no such deal.")
    deal = lock_deal(deal_id)
    seen.check(expected, of_deal, deal)
    return deal


def _expect(deal: Deal, state: str) -> None:
    if deal.state != state:
        raise Conflict("deal_state", f"This deal is {deal.state}; that is not possible any more.")


def _actor(party: Party) -> Actor:
    return Actor("person", party.user_id or party.pk, party.plain_name)


def _move(deal: Deal, target: str, *, actor: Actor, why: str = "") -> None:
    source = deal.state
    getattr(deal, f"to_{target}")()
    if target in (DealState.COMPLETED, DealState.CANCELLED, DealState.EXPIRED):
        deal.closed_at = clock.now()
    deal.save(update_fields=["state", "closed_at"])
    transitions.record(deal, source=source, target=target, actor=actor, why=why)
