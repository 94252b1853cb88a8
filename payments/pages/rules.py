"""The published rules, in sentences, with the numbers that the timers themselves use."""

from dataclasses import dataclass

from django.conf import settings

DISPUTE_RULES = (
    "Either side may dispute while the money is in escrow. Every timer stops at once.",
    "Whoever disputed may take it back until the review begins; the deal goes on with the time left.",
    "Both hand in evidence. Both see all of it, and nothing can be changed afterwards.",
    "An arbitrator decides by the text you both accepted, and gives written reasons to both. "
    "From {four_eyes} USDT a second person must approve.",
    "A ruling is paid after {appeal}. Until then a side may appeal with its own wallet, straight in the "
    "contract; these pages have no button for it. If no ruling comes within {arbitration}, anyone may "
    "execute the split named in the terms.",
)


@dataclass(frozen=True, slots=True)
class Rule:
    """One wait with its published default."""

    wait: str
    time: str
    then: str


def length(seconds: int) -> str:
    """`7 days`, `24 hours`, `15 seconds`: the largest unit that says it exactly; a day stays 24 hours."""
    for size, word in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        if seconds % size == 0 and seconds // size > (1 if size == 86_400 else 0):
            return f"{seconds // size} {word}{'' if seconds == size else 's'}"
    return f"{seconds} second{'' if seconds == 1 else 's'}"


def deadlines() -> list[Rule]:
    """Every wait, in the order in which a deal meets them."""
    clocks = {name: length(seconds) for name, seconds in settings.CLOCKS.items()}
    return [
        Rule(
            "The other side accepts the terms", clocks["accept"], "The deal expires. No money was involved."
        ),
        Rule(
            "The buyer pays",
            clocks["pay"],
            "The escrow expires. Money that comes late is found and goes back to the buyer.",
        ),
        Rule(
            "The seller delivers",
            f"agreed date + {clocks['grace']}",
            "The buyer may take everything back.",
        ),
        Rule(
            "The buyer inspects",
            clocks["inspect"],
            "The money is released to the seller, unless changes were requested or a dispute is open.",
        ),
        Rule("An answer to a refund request", clocks["refund_request"], "The money goes back to the buyer."),
        Rule(
            "An answer to a dispute",
            clocks["dispute_answer"],
            "The silence is marked, and it goes on to evidence. A person still decides.",
        ),
        Rule("Evidence", clocks["evidence"], "It closes. Later items are marked late, never hidden."),
        Rule(
            "The ruling",
            clocks["ruling"],
            "It is marked as overdue for the lead arbitrator. There is never an automatic ruling.",
        ),
        Rule("An appeal", clocks["appeal"], "The ruling is final and is paid."),
        Rule(
            "Arbitration as a whole, in the contract",
            clocks["arbitration"],
            "Anyone may execute the split that the terms named, half and half unless you agreed otherwise.",
        ),
    ]


def dispute_rules() -> list[str]:
    """The five lines shown before both sides agree."""
    words = {
        "four_eyes": f"{int(settings.FOUR_EYES_DECIMAL):,}",
        "appeal": length(settings.CLOCKS["appeal"]),
        "arbitration": length(settings.CLOCKS["arbitration"]),
    }
    return [line.format(**words) for line in DISPUTE_RULES]


def fee_percent() -> str:
    """The platform's fee in percent, as people write it: `1` or `0.75`."""
    return f"{settings.PLATFORM_FEE_BPS / 100:g}"
