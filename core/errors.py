"""What services raise. Pages show `message`; the API turns the same object into problem+json."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing wrong with one input; `pointer` is a JSON pointer (RFC 6901) into the request."""

    pointer: str
    code: str
    message: str


@dataclass(eq=False)
class DomainError(Exception):
    """A refusal that the caller can understand and act on.

    `code` is snake_case and stable, `message` is a sentence that says what to do next.
    """

    code: str
    message: str
    errors: list[FieldError] = field(default_factory=list)
    status: int = 422
    title: str = "The request cannot be carried out"

    def __str__(self) -> str:
        return self.message


@dataclass(eq=False)
class Invalid(DomainError):
    """The input is understood but breaks a rule (422)."""


@dataclass(eq=False)
class Conflict(DomainError):
    """The object is in a state in which this cannot happen (409)."""

    status: int = 409
    title: str = "Not possible in this state"


@dataclass(eq=False)
class Forbidden(DomainError):
    """The actor may see the object but not do this (403)."""

    status: int = 403
    title: str = "Not allowed"


@dataclass(eq=False)
class NotFound(DomainError):
    """No such object for this actor; also the answer for another tenant's object (404)."""

    status: int = 404
    title: str = "Not found"


@dataclass(eq=False)
class Held(DomainError):
    """A hold or a kill switch stands in the way (423)."""

    status: int = 423
    title: str = "On hold"
