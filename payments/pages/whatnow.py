"""The banner of each role and state: what you can do now, by when, and what happens if you don't."""

from collections.abc import Callable

from django.urls import NoReverseMatch, reverse

from core.deadlines import waiting
from core.models import Deadline
from core.presentation import Action, Banner
from core.text import isolated
from payments.models import DealVersion, Escrow
from payments.pages.access import Visit
from payments.pages.situation import Situation
from payments.paid import Paid
from payments.services import clocks
from payments.services.deals import ACCEPT
from payments.states import DealState, EscrowState


def link(name: str, escrow: Escrow) -> str:
    """The page `deals:<name>` of an escrow."""
    return reverse(f"deals:{name}", args=[escrow.deal_id, escrow.pk])


def dispute_link(escrow: Escrow) -> str:
    """Where to dispute, or to the dispute that is open; empty where that room is not built in."""
    try:
        return reverse("disputes:open", args=[escrow.deal_id, escrow.pk])
    except NoReverseMatch:
        return ""


def room_link(escrow: Escrow) -> str:
    """The room of the newest dispute of an escrow that was disputed; empty without one."""
    if not (escrow.dispute_round or escrow.state == EscrowState.DISPUTING):
        return ""
    try:
        return reverse("disputes:room", args=[escrow.deal_id, escrow.pk])
    except NoReverseMatch:
        return ""


def for_escrow(now: Situation) -> Banner:
    """What the viewing side can do about one escrow."""
    return _BY_STATE[now.escrow.state](now)


def _planned(now: Situation) -> Banner:
    opening = Action("Open it now", link("open", now.escrow), post=True)
    return Banner(
        "This milestone opens when the one before it is released.",
        "Nobody pays anything yet.",
        actions=[opening] if now.is_buyer else [],
    )


def _awaiting(now: Situation) -> Banner:
    paid = now.paid
    if paid is not None and not paid.missing:
        return _confirming(now)
    amount = paid.due if paid else now.escrow.money
    part = _part(paid) if paid and paid.is_part else ""
    due = now.due(clocks.PAY)
    if now.is_buyer:
        return Banner(
            f"Pay the remaining {amount} into the escrow." if part else f"Pay {amount} into the escrow.",
            part,
            deadline=due,
            otherwise="If the money is not there by then, the escrow expires; late money is found and goes "
            "back to you.",
            tone="act",
            actions=[Action("Pay now", link("pay", now.escrow), go=True)],
        )
    return Banner(
        f"{now.buyer} has to pay {amount} more." if part else f"{now.buyer} has to pay {amount}.",
        f"{part} Do not deliver before the escrow is funded.".strip(),
        deadline=due,
        otherwise="If the money is not there by then, the escrow expires.",
    )


def _part(paid: Paid) -> str:
    """What came so far of a payment that is not complete."""
    came = [f"{paid.paid} has come"] if paid.final else []
    came += [f"{paid.confirming} is being confirmed"] if paid.coming else []
    return f"Of {paid.escrow.money}, {' and '.join(came)}."


def _confirming(now: Situation) -> Banner:
    if now.is_buyer:
        return Banner(
            "Your payment has arrived and is being confirmed.",
            "You need not do anything. The network makes it final in a moment.",
            actions=[Action("Watch the confirmations", link("pay", now.escrow))],
        )
    return Banner(
        f"{now.buyer}’s payment has arrived and is being confirmed.",
        "Do not deliver yet: until it is final the network can still reverse it.",
    )


def _funded(now: Situation) -> Banner:
    special = _under_way(now) or _refund_asked(now)
    if special:
        return special
    return _funded_buyer(now) if now.is_buyer else _funded_seller(now)


def _funded_buyer(now: Situation) -> Banner:
    if now.escrow.take_back_open:
        return Banner(
            f"{now.seller} has not delivered in time. You can take everything back.",
            deadline=now.due(clocks.UNDELIVERED),
            otherwise="If nothing is delivered and you do nothing, everything goes back to you.",
            tone="act",
            actions=[Action("Take everything back", link("take_back", now.escrow), go=True)],
        )
    return Banner(
        f"The money is in escrow. {now.seller} has to deliver.",
        deadline=now.due(clocks.DELIVER),
        otherwise=f"If {now.seller} doesn’t, you can take everything back.",
        backstop=now.backstop(clocks.DELIVER),
    )


def _funded_seller(now: Situation) -> Banner:
    deliver = [Action("Hand in the delivery", link("deliver", now.escrow), go=True)]
    if now.escrow.take_back_open:
        return Banner(
            f"Your delivery is overdue: {now.buyer} can take everything back at any moment.",
            "Hand it in now if you can.",
            deadline=now.due(clocks.UNDELIVERED),
            otherwise=f"If you don’t, everything goes back to {now.buyer}.",
            tone="risk",
            actions=deliver,
        )
    changes = now.escrow.changes_requested
    return Banner(
        f"{now.buyer} asked for changes. Deliver again."
        if changes
        else "The money is in escrow. Deliver now.",
        "Then hand in a note or a file that shows it.",
        deadline=now.due(clocks.DELIVER),
        otherwise=f"If you don’t, {now.buyer} can take everything back.",
        backstop=now.backstop(clocks.DELIVER),
        tone="act",
        actions=deliver,
    )


def _delivered(now: Situation) -> Banner:
    special = _under_way(now) or _refund_asked(now)
    if special:
        return special
    due, backstop = now.due(clocks.INSPECT), now.backstop(clocks.INSPECT)
    if not now.is_buyer:
        return Banner(
            f"You have delivered. {now.buyer} is inspecting.",
            deadline=due,
            otherwise=f"If {now.buyer} does nothing, the money is released to you.",
            backstop=backstop,
        )
    choices = [
        Action("Release the money", link("release", now.escrow), go=True),
        Action("Request changes", link("changes", now.escrow), go=True),
    ]
    room = dispute_link(now.escrow)
    if room:
        choices.append(Action("Dispute", room, go=True))
    return Banner(
        f"{now.seller} has delivered. Inspect it, then choose.",
        deadline=due,
        otherwise=f"If you do nothing, the money is released to {now.seller}.",
        backstop=backstop,
        tone="act",
        actions=choices,
    )


def _under_way(now: Situation) -> Banner | None:
    """A part is being paid: nothing else can be decided until that is final."""
    if not now.under_way:
        return None
    order = now.under_way[0]
    whom, amount = (
        (now.seller, order.to_seller_money) if order.to_seller else (now.buyer, order.to_buyer_money)
    )
    if now.approval:
        return _awaits_approval(now.approval, f"{amount} for {whom}")
    return Banner(f"{amount} is on its way to {whom}.", "The rest can be decided when that is final.")


def _awaits_approval(wait: Deadline, what: str) -> Banner:
    """Above a cap: decided, and not sent before a second person at the platform has approved it."""
    return Banner(
        f"{what} waits for a second person at Holdfast.",
        "It is decided. Before a payment of this size is sent, two people look at it.",
        deadline=wait.due_at,
        otherwise="If nobody has approved it by then, we call again; it stays decided.",
        backstop=wait.backstop_at,
    )


def _refund_asked(now: Situation) -> Banner | None:
    if now.refund_request is None:
        return None
    due = now.due(clocks.ANSWER_REFUND)
    if now.is_buyer:
        return Banner(
            f"You asked for everything back. {now.seller} has to answer.",
            deadline=due,
            otherwise=f"If {now.seller} doesn’t, everything goes back to you.",
        )
    return Banner(
        f"{now.buyer} asks for everything back. Answer.",
        f"“{isolated(now.refund_request.reason)}”",
        deadline=due,
        otherwise=f"If you don’t answer, everything goes back to {now.buyer}.",
        tone="risk",
        actions=[Action("Answer the request", link("answer_refund", now.escrow), go=True)],
    )


def _on_its_way(now: Situation, whom: str) -> Banner:
    if now.approval:
        return _awaits_approval(now.approval, f"The payment to {whom}")
    room = room_link(now.escrow)
    return Banner(
        f"The money is on its way to {whom}.",
        "The payment is decided and cannot be taken back. It is done when the network has made it final.",
        actions=[Action("The dispute and its ruling", room)] if room else [],
    )


def _disputing(now: Situation) -> Banner:
    room = room_link(now.escrow)
    return Banner(
        "The dispute is being recorded in the contract.",
        "Every timer has stopped; no money moves meanwhile.",
        actions=[Action("Go to the dispute", room)] if room else [],
    )


def _disputed(now: Situation) -> Banner:
    room = room_link(now.escrow)
    return Banner(
        "This escrow is disputed. The money stays where it is.",
        "It moves when an arbitrator has ruled. If the dispute is taken back, the deal goes on.",
        tone="act" if room else "wait",
        actions=[Action("Go to the dispute", room, go=True)] if room else [],
    )


def _closed(now: Situation) -> Banner:
    escrow, room = now.escrow, room_link(now.escrow)
    decided = [
        f"{amount} to {whom}"
        for amount, whom in (
            (escrow.decided_seller_money, now.seller),
            (escrow.decided_buyer_money, now.buyer),
        )
        if amount
    ]
    return Banner(
        "Closed: " + " and ".join(decided) + "." if decided else "Closed.",
        "The fee is taken from the seller’s part. Nothing is left to do.",
        actions=[
            Action("Receipt", link("receipt", escrow)),
            *([Action("The dispute and its ruling", room)] if room else []),
        ],
    )


def _expired(now: Situation) -> Banner:
    due = now.due(clocks.LATE_MONEY)
    if due is None:
        return Banner(
            "The pay-by date passed and the escrow expired.",
            "Nothing is owed. Money that still comes goes back to the buyer; do not send any more.",
        )
    if now.is_buyer:
        return Banner(
            "The escrow expired, and money of yours is there.",
            deadline=due,
            otherwise="If you do nothing, it goes back to your refund address by itself.",
            tone="act",
            actions=[Action("Take it back now", link("return_late", now.escrow), go=True)],
        )
    return Banner(
        "The escrow expired. Money came too late or was too little.",
        "Do not deliver.",
        deadline=due,
        otherwise=f"It goes back to {now.buyer} then.",
    )


def _cancelled(now: Situation) -> Banner:
    return Banner("Cancelled before any money came.", "Money that still comes goes back to the buyer.")


_BY_STATE: dict[str, Callable[[Situation], Banner]] = {
    EscrowState.PLANNED: _planned,
    EscrowState.AWAITING_DEPOSIT: _awaiting,
    EscrowState.CONFIRMING: _confirming,
    EscrowState.FUNDED: _funded,
    EscrowState.DELIVERED: _delivered,
    EscrowState.RELEASING: lambda now: _on_its_way(now, now.seller),
    EscrowState.REFUNDING: lambda now: _on_its_way(now, now.buyer),
    EscrowState.SETTLING: lambda now: _on_its_way(now, "both of you as decided"),
    EscrowState.DISPUTING: _disputing,
    EscrowState.DISPUTED: _disputed,
    EscrowState.RELEASED: _closed,
    EscrowState.REFUNDED: _closed,
    EscrowState.SETTLED: _closed,
    EscrowState.EXPIRED: _expired,
    EscrowState.CANCELLED: _cancelled,
}


def for_deal(visit: Visit, version: DealVersion) -> Banner:
    """What the viewing side can do about a deal whose money is not in question."""
    deal, other = visit.deal, visit.other.name
    if deal.state == DealState.PROPOSED:
        return _proposed(visit, version)
    if deal.state == DealState.AGREED:
        return Banner("Both of you agreed on these terms.", "The milestones below say what comes next.")
    if deal.state == DealState.ACTIVE:
        return Banner("The deal is running.", "The milestones below say what comes next.")
    if deal.state == DealState.COMPLETED:
        return Banner("The deal is completed.", "Every milestone is closed; nothing is left to do.")
    if deal.state == DealState.EXPIRED:
        return Banner("The deal expired.", f"Write a new one if you and {other} still want it.")
    return Banner("The deal was cancelled.", "No money was moved.")


def _proposed(visit: Visit, version: DealVersion) -> Banner:
    deal, other = visit.deal, visit.other.name
    running = waiting(deal.pk).filter(kind=ACCEPT).first()
    due = running.due_at if running else None
    mine = visit.me.accepted_hash != version.hash and deal.turn in ("", visit.me.role)
    if mine:
        return Banner(
            f"{other} proposes this deal. Read it and answer.",
            deadline=due,
            otherwise="If you don’t answer, the deal expires. No money is involved yet.",
            tone="act",
            actions=[
                Action("Read and accept", reverse("deals:answer", args=[deal.pk]), go=True),
                Action("Propose other terms", reverse("deals:counter", args=[deal.pk])),
                Action("Decline", reverse("deals:cancel", args=[deal.pk])),
            ],
        )
    return Banner(
        f"Waiting for {other} to answer.",
        "" if visit.other.user_id else "They have not opened the invitation yet. Send them the link below.",
        deadline=due,
        otherwise=f"If {other} doesn’t answer, the deal expires. No money is involved yet.",
    )
