"""Who does something: named in every transition, audit entry and log line."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["person", "partner", "staff", "clock", "chain", "system"]


@dataclass(frozen=True, slots=True)
class Actor:
    """`id` is the opaque id of a person or partner, or the name of the clock or service that acted."""

    kind: Kind
    id: str
    label: str = ""

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}"


CLOCK = Actor("clock", "clock", "the deadline")
CHAIN = Actor("chain", "chain", "the chain")
SYSTEM = Actor("system", "system", "Holdfast")
