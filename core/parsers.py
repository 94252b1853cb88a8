"""Reading JSON from strangers: bounded in size and depth before it is parsed."""

import json
import re
from collections import Counter
from collections.abc import Mapping
from typing import IO, Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser
from rest_framework.utils.json import strict_constant

DEEPEST = 32
# A string that nobody closes counts to the end: looking for a later start in it would cost its square.
_STRING_OR_BRACKET = re.compile(rb'"(?:[^"\\]|\\.)*(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)

_SURROGATE = rb"\ud"


class BoundedJSONParser(JSONParser):
    """JSON of at most `API_BODY_LIMIT` bytes and 32 levels.

    The standard decoder recurses in C, and py_ecc (below web3) raises the interpreter's recursion limit:
    text that is nested deeply enough would end the whole process.
    """

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """The decoded value. Raises 413 for too many bytes, 400 for what is no JSON or nested too deeply."""
        raw = stream.read(settings.API_BODY_LIMIT + 1)
        if len(raw) > settings.API_BODY_LIMIT:
            raise RequestDataTooBig("the body is too large")
        if _too_deep(raw):
            raise ParseError(f"JSON may be nested {DEEPEST} levels deep.")
        value = _decoded(raw)
        if _SURROGATE in raw.lower() and not _is_text(value):
            raise ParseError("The body holds half a surrogate pair, which is no text.")
        return value


def _decoded(raw: bytes) -> Any:
    try:
        return json.loads(raw.decode(), parse_constant=strict_constant, object_pairs_hook=_once)
    except ValueError as error:
        raise ParseError(f"The body is no JSON: {error}.") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose members are named once: of two with one name a reader keeps the one it likes."""
    found = dict(pairs)
    if len(found) < len(pairs):
        counted = Counter(name for name, _ in pairs)
        twice = next(name for name, times in counted.items() if times > 1)
        raise ParseError(f"The member “{twice[:40]}” stands twice in one object.")
    return found


def _is_text(value: Any) -> bool:
    """Whether every string in it can be stored and sent back."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _too_deep(raw: bytes) -> bool:
    depth = 0
    for match in _STRING_OR_BRACKET.finditer(raw):
        depth += {b"[": 1, b"{": 1, b"]": -1, b"}": -1}.get(match.group(), 0)
        if depth > DEEPEST:
            return True
    return False
