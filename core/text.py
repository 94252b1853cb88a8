"""Text that strangers type and others read: no character may hide, reverse or bury what stands around it."""

import unicodedata

from django.core.exceptions import ValidationError

from core.errors import FieldError, Invalid

MOST_MARKS = 4
"""Combining marks on one letter: enough for pointed Hebrew and for Thai, too few to climb over lines."""

# Embeddings, overrides and isolates; the marks that set only their own direction are part of normal writing.
_REORDERING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
# Joiners change letters beside them, and direction marks only themselves.
_HARMLESS = frozenset("\u200c\u200d\u200e\u200f\u061c")
# They take room and show nothing.
_BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0")
_FSI, _PDI = "\u2068", "\u2069"


def check_short(text: str) -> None:
    """A form's or serializer's validator for names and titles. Raises Django's `ValidationError`."""
    if fault := short_fault(text):
        raise ValidationError(fault, code="characters")


def check_long(text: str) -> None:
    """The same for texts of several lines."""
    if fault := long_fault(text):
        raise ValidationError(fault, code="characters")


def require_short(text: str, *, pointer: str) -> None:
    """For services. Raises `Invalid` with `pointer`."""
    if fault := short_fault(text):
        raise Invalid("characters", fault, [FieldError(pointer, "characters", fault)])


def short_fault(text: str) -> str:
    """What is wrong with a name or title of one line, in a sentence; empty for nothing."""
    if any(_category(c) in ("Cc", "Zl", "Zp") for c in text):
        return "This holds a line break or a control character. Write it in one line."
    return _fault(text)


def long_fault(text: str) -> str:
    """What is wrong with a text of any number of lines, in a sentence; empty for nothing."""
    if any(_category(c) == "Cc" and c not in "\n\r\t" for c in text):
        return "This holds a control character. Type it again, without pasting."
    return _fault(text)


def isolated(text: str) -> str:
    """A stranger's text inside a sentence of ours: it cannot reorder the words around it.

    What reorders is left out, in case it was stored before it was refused; text that is written from right
    to left is closed off, as `<bdi>` does in HTML.
    """
    kept = "".join(c for c in text if c not in _REORDERING)
    rightwards = any(unicodedata.bidirectional(c) in ("R", "AL", "AN") for c in kept)
    return f"{_FSI}{kept}{_PDI}" if rightwards else kept


def _fault(text: str) -> str:
    if any(c in _REORDERING for c in text):
        return "This holds characters that turn the direction of the text. Type it again, without pasting."
    if any(_hidden(c) for c in text):
        return "This holds characters that cannot be seen. Type it again, without pasting."
    if text.strip() and not any(_visible(c) for c in text):
        return "Nothing of this can be seen. Write letters or digits."
    if _longest_run_of_marks(text) > MOST_MARKS:
        return "Too many accents stand on one letter."
    return ""


def _category(character: str) -> str:
    return unicodedata.category(character)


def _hidden(character: str) -> bool:
    return _category(character) in ("Cf", "Co", "Cs") and character not in _HARMLESS


def _visible(character: str) -> bool:
    return _category(character)[0] in "LNPS" and character not in _BLANK


def _longest_run_of_marks(text: str) -> int:
    longest = run = 0
    for character in unicodedata.normalize("NFC", text):
        run = run + 1 if _category(character) in ("Mn", "Me") else 0
        longest = max(longest, run)
    return longest
