"""JSON of strangers costs no more than its length."""

from io import BytesIO
from time import monotonic

import pytest
from rest_framework.exceptions import ParseError

from core.parsers import BoundedJSONParser


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":"' + b'\\"' * 100_000,
        b'"' * 200_001,
        b'["\\"",' * 20_000,
        b"\\" * 200_000,
        b"[" * 200_000,
        b"{" + b"".join(b'"%d":0,' % number for number in range(22_000)) + b'"21999":0}',
    ],
    ids=["quotes escaped for ever", "quotes", "short strings", "backslashes", "brackets", "many members"],
)
def test_no_body_takes_long_to_refuse(body: bytes) -> None:
    started = monotonic()
    with pytest.raises(ParseError):
        BoundedJSONParser().parse(BytesIO(body))
    assert monotonic() - started < 2


def test_brackets_inside_strings_are_not_depth() -> None:
    assert BoundedJSONParser().parse(BytesIO(b'{"a": "' + b"[" * 100 + b'\\"[["}')) == {
        "a": "[" * 100 + '"[['
    }


@pytest.mark.parametrize("body", [rb'{"a": "\ud800"}', rb'{"\uDC00": 1}', rb'["\ud800\ud800"]'])
def test_half_a_surrogate_pair_is_refused_before_anything_stores_or_repeats_it(body: bytes) -> None:
    with pytest.raises(ParseError):
        BoundedJSONParser().parse(BytesIO(body))


def test_a_whole_pair_is_a_character() -> None:
    assert BoundedJSONParser().parse(BytesIO(rb'["\ud83d\ude00", "\\ud800"]')) == ["😀", "\\ud800"]


@pytest.mark.parametrize(
    "body", [b'{"a": 1, "a": 2}', b'[{"b": {"a": 1, "c": 2, "a": 1}}]', b'{"a":1,"\\u0061":2}']
)
def test_a_member_that_stands_twice_is_refused_not_read_as_the_last(body: bytes) -> None:
    with pytest.raises(ParseError, match="“a” stands twice"):
        BoundedJSONParser().parse(BytesIO(body))


@pytest.mark.parametrize("body", [b"", b"{", b"NaN", b'{"a": Infinity}', b"\xff", b"\xef\xbb\xbf{}"])
def test_what_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(ParseError):
        BoundedJSONParser().parse(BytesIO(body))


def test_depth_is_bounded() -> None:
    assert BoundedJSONParser().parse(BytesIO(b"[" * 32 + b"]" * 32))
    with pytest.raises(ParseError):
        BoundedJSONParser().parse(BytesIO(b"[" * 33 + b"]" * 33))
