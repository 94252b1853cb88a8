"""Pages and documents promise nothing that no code does."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.apps import apps
from django.urls import NoReverseMatch, reverse

from core import outbox
from disputes.models import Dispute

ROOT = Path(__file__).resolve().parents[2]
READ = (
    "README.md", "docs/rules.md", "docs/partners.md", "docs/arbitrators.md", "templates/pages/*.html",
    "templates/deals/**/*.html", "templates/disputes/**/*.html", "payments/pages/*.py", "disputes/pages/*.py",
    "payments/api/*.py", "disputes/api/*.py",
)  # fmt: skip


def page(name: str, *args: str) -> bool:
    """Whether there is such a page."""
    try:
        return bool(reverse(name, args=args))
    except NoReverseMatch:
        return False


@dataclass(frozen=True)
class Promise:
    """Words that stand nowhere while `kept` is false."""

    words: str
    kept: Callable[[], bool]


PROMISES = [
    Promise(r"(?<!`)webhooks?\b(?!`)", lambda: "webhooks" in outbox.consumers()),
    Promise(
        # What accounts mail about ways to sign in is their own, and tested there.
        r"\b(is|are) (told|notified|e-mailed|informed)\b(?! apart| nowhere| by mail, at a change of address)"
        r"|\b(is|are) invited and\b|\btold at once\b|\b(get|gets|receive|receives) an? e-mail\b|, mail\b",
        lambda: "notices" in outbox.consumers(),
    ),
    Promise(
        r"\boffer stands\b|\bagree on a split\b|\byou two agree\b|\bis offered a ruling\b|\bgiving in\b",
        lambda: (
            any("offer" in field.name for field in Dispute._meta.get_fields())
            or any(model._meta.model_name == "offer" for model in apps.get_models())
        ),
    ),
    Promise(
        r"\bopened again\b|\bopen(s)? the escrow again\b", lambda: page("deals:revive", "deal_1", "esc_1")
    ),
    Promise(r"\bappeal once\b", lambda: page("disputes:appeal", "deal_1", "esc_1")),
    Promise(r"\bwaits in the vault and can be claimed when the freeze ends\b", lambda: False),
    Promise(r"\banother arbitrator takes over\b", lambda: False),
]


def sentences() -> list[tuple[str, str]]:
    """(where, sentence) of everything that people read there, without tags, comments and docstrings."""
    found = []
    for pattern in READ:
        paths = sorted(ROOT.glob(pattern))
        assert paths, pattern
        for path in paths:
            text = path.read_text()
            if path.suffix == ".py":
                text = " . ".join(re.findall(r'(?<!")"(?!"")((?:[^"\\\n]|\\.)*)"', text))
            text = re.sub(r"\{#.*?#\}|<!--.*?-->|</?(bdi|strong|em|span|a)\b[^>]*>", "", text)
            parts = re.split(r"(?<=[.!?])\s|<[^>]+>|\n\n|\|", text)
            found += [(str(path.relative_to(ROOT)), " ".join(part.split())) for part in parts if part.strip()]
    return found


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.words[:40])
def test_no_page_and_no_document_promises_what_no_code_does(promise: Promise) -> None:
    if promise.kept():
        return
    wrong = [(where, sentence) for where, sentence in sentences() if re.search(promise.words, sentence, re.I)]
    assert not wrong


def test_who_is_paid_is_never_told_without_the_fee() -> None:
    """A sentence that names both sides as the only ones who are paid names the fee, or the next one does."""
    told = sentences()
    closed = re.compile(r"\b(only|nobody else|two exits|nowhere else|anywhere else)\b", re.I)
    for place, (where, sentence) in enumerate(told):
        both = re.search("buyer", sentence, re.I) and re.search("seller", sentence, re.I)
        if both and closed.search(sentence) and re.search(r"\b(receive|address|go|goes|pays)\b", sentence):
            nearby = " ".join(text for _, text in told[place : place + 2])
            assert "fee" in nearby, (where, sentence)


def test_the_sentences_are_really_read() -> None:
    text = " ".join(sentence for _, sentence in sentences())
    for known in ("Seal and propose to", "An arbitrator decides", "What can go wrong with the token itself"):
        assert known in text
