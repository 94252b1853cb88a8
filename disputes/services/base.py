"""What every service of a dispute does the same way: move and record, refuse, tell others."""

from typing import Any

from accounts.models import User
from core import audit, clock, deadlines, outbox, transitions
from core.actors import Actor
from core.errors import Conflict, Forbidden
from disputes.models import Dispute, Involvement, Ruling
from disputes.states import public_state
from payments import live
from payments.models import Party
from payments.services import events


def move(
    dispute: Dispute, target: str, *, actor: Actor, why: str = "", tx_hash: str = "", **facts: Any
) -> None:
    """Take a locked dispute to `target`, store `facts` beside it, and write the transition down."""
    source = dispute.state
    getattr(dispute, f"to_{target}")()
    for name, value in facts.items():
        setattr(dispute, name, value)
    dispute.save(update_fields=["state", *facts])
    transitions.record(dispute, source=source, target=target, actor=actor, why=why, tx_hash=tx_hash)


def move_ruling(ruling: Ruling, target: str, *, actor: Actor, why: str = "", **facts: Any) -> None:
    """Take a ruling to `target`; its dispute is locked."""
    source = ruling.state
    getattr(ruling, f"to_{target}")()
    for name, value in facts.items():
        setattr(ruling, name, value)
    ruling.save(update_fields=["state", *facts])
    transitions.record(ruling, source=source, target=target, actor=actor, why=why)


def expect(dispute: Dispute, *states: str, so_that: str) -> None:
    """Raise `Conflict` unless the dispute is in one of `states`."""
    if dispute.state not in states:
        word = dispute.state.replace("_", " ")
        raise Conflict("dispute_state", f"This dispute is {word}; {so_that} is not possible now.")


def tell(dispute: Dispute, type_: str, **facts: Any) -> None:
    """Write `dispute.*` to the outbox, for the parties and their partner, and tell the pages of the deal."""
    escrow = dispute.escrow
    events.tell(escrow.deal, type_, subject_id=dispute.pk, payload=_payload(dispute, facts))
    live.escrow_changed(escrow.deal_id, escrow.pk)


def tell_staff(dispute: Dispute, type_: str, **facts: Any) -> None:
    """Write an event that only arbitrators and leads are told of."""
    outbox.emit(type_, subject_id=dispute.pk, payload=_payload(dispute, facts))


def _payload(dispute: Dispute, facts: dict[str, Any]) -> dict[str, Any]:
    return {
        "deal": dispute.escrow.deal_id,
        "escrow": dispute.escrow_id,
        "dispute": dispute.pk,
        "status": public_state(dispute.state),
        "opened_by": dispute.opened_by,
        **facts,
    }


def staff(person: User) -> Actor:
    """The actor that stands for an arbitrator or lead."""
    return Actor("staff", person.pk, person.name)


def may(person: User, permission: str) -> bool:
    """Whether this person holds a right of this app (`rule_dispute`, `approve_ruling`, ...)."""
    return person.is_active and person.is_staff and person.has_perm(f"disputes.{permission}")


def require(person: User, permission: str, dispute: Dispute) -> None:
    """Raise `Forbidden` without the right, for a party of the deal, and after a declared conflict."""
    if not may(person, permission):
        raise Forbidden("permission_missing", "Your role does not allow this.")
    if is_party(person, dispute):
        raise Forbidden("party_of_the_deal", "You are a party of this deal and may not act on its dispute.")
    if involved(dispute, person, Involvement.What.CONFLICT):
        raise Forbidden("conflict_declared", "You declared a conflict of interest in this case.")
    if permission != "assign_dispute" and ruled_before(person, dispute):
        raise Forbidden("worked_before_the_appeal", "Others decide after an appeal; you had this case.")


def is_party(person: User, dispute: Dispute) -> bool:
    """Whether the person is a side of the deal, signed up or only invited."""
    sides = Party.objects.filter(deal_id=dispute.escrow.deal_id).values_list("user_id", "email")
    return any(user == person.pk or email.lower() == person.email.lower() for user, email in sides)


def ruled_before(person: User, dispute: Dispute) -> bool:
    """Whether the person had the case, or decided on its ruling, before it was appealed."""
    if dispute.appealed_at is None:
        return False
    had = (Involvement.What.CLAIMED, Involvement.What.GIVEN, Involvement.What.RULED)
    rows = Involvement.objects.filter(dispute=dispute, person=person, what__in=had)
    earlier = dispute.rulings.filter(created__lte=dispute.appealed_at, approver=person)
    return rows.filter(created__lte=dispute.appealed_at).exists() or earlier.exists()


def involve(dispute: Dispute, person: User, what: Involvement.What, **data: Any) -> None:
    """Note that this person touched the case, for four eyes and for the audit log."""
    Involvement.objects.create(dispute=dispute, person=person, what=what, created=clock.now())
    note(dispute, person, f"dispute.{what}", **data)


def involved(dispute: Dispute, person: User, *what: Involvement.What) -> bool:
    """Whether the person touched the case, or did one of `what`."""
    rows = Involvement.objects.filter(dispute=dispute, person=person)
    return (rows.filter(what__in=what) if what else rows).exists()


def note(dispute: Dispute, person: User, action: str, **data: Any) -> None:
    """One entry of the audit log about this case."""
    audit.write(action, subject_id=dispute.pk, actor_id=person.pk, actor_label=str(person), data=data)


def stop_clocks(dispute: Dispute) -> None:
    """No deadline of a case that ended may still act."""
    deadlines.cancel_all(dispute.pk)
