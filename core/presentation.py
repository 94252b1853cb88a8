"""What pages of every app show the same way: a banner that says what now, and one line of a timeline."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from core.money import Amount

# A state is a word plus a shape, never colour alone. The shapes are drawn in components/shape.html.
Shape = Literal["waiting", "moving", "held", "done", "back", "split", "ended", "risk"]
Tone = Literal["act", "wait", "risk"]


@dataclass(frozen=True, slots=True)
class Action:
    """A button: `go` marks the one next thing to do. With `post` it posts the `seen` of its page."""

    label: str
    url: str
    go: bool = False
    post: bool = False
    risk: bool = False


@dataclass(frozen=True, slots=True)
class Banner:
    """What you can do now, by when, and what happens if you don't."""

    title: str
    text: str = ""
    deadline: datetime | None = None
    # What happens at the deadline, as a whole sentence.
    otherwise: str = ""
    # When anyone can act on the chain without the platform.
    backstop: datetime | None = None
    tone: Tone = "wait"
    actions: list[Action] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class TimelineItem:
    """Who, what, how much, in which transaction, when; `at` is empty for what has not happened yet."""

    title: str
    shape: Shape = "done"
    at: datetime | None = None
    who: str = ""
    text: str = ""
    amount: Amount | None = None
    tx_hash: str = ""
    tx_url: str = ""
    deadline: datetime | None = None
