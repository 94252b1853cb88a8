"""Why a dispute is opened. The reason decides which evidence the parties are asked for."""

from dataclasses import dataclass

# A dispute that a party raised with its own wallet, without the pages.
ON_CHAIN = "on_chain"


@dataclass(frozen=True, slots=True)
class Reason:
    """`roles` may choose it; `checklist` is what usually decides such a case."""

    code: str
    label: str
    roles: tuple[str, ...]
    checklist: tuple[str, ...]


_ALL = (
    Reason(
        "not_delivered",
        "Nothing was delivered",
        ("buyer",),
        (
            "What should have arrived, and by when, in the words of the agreement",
            "Your messages to the seller about it, with their dates",
            "Anything that shows that nothing usable reached you",
        ),
    ),
    Reason(
        "not_as_described",
        "What was delivered is not what was agreed",
        ("buyer",),
        (
            "Which sentence of the agreement is not met",
            "The delivered thing itself, or pictures or a recording of it",
            "What you asked the seller to change, and the answer",
        ),
    ),
    Reason(
        "incomplete",
        "Part of it is missing",
        ("buyer",),
        (
            "A list of what is there and what is missing",
            "What the missing part is worth, and how you know",
        ),
    ),
    Reason(
        "refused_release",
        "Delivered as agreed, but the release is refused",
        ("seller",),
        (
            "What you delivered, when and how, with the files themselves",
            "How it meets each sentence of the agreement",
            "The buyer's messages about it",
        ),
    ),
    Reason(
        "beyond_agreement",
        "The changes asked for go beyond the agreement",
        ("seller",),
        (
            "The changes that were asked for, with their dates",
            "Which of them the agreement does not contain",
        ),
    ),
    Reason(
        "no_cooperation",
        "The buyer does not give what the work needs",
        ("seller",),
        (
            "What you needed from the buyer, and since when",
            "Your messages asking for it",
            "What you have finished without it",
        ),
    ),
    Reason(
        "other",
        "Something else",
        ("buyer", "seller"),
        (
            "What happened, in the order in which it happened, with dates",
            "What you want the arbitrator to decide, and why it is fair",
        ),
    ),
    Reason(ON_CHAIN, "Raised directly on the chain", (), ("What happened, with dates", "What you ask for")),
)

REASONS = {reason.code: reason for reason in _ALL}
CHOICES = [(reason.code, reason.label) for reason in _ALL]


def for_role(role: str) -> list[Reason]:
    """The reasons that this side may choose, most frequent first."""
    return [reason for reason in _ALL if role in reason.roles]
