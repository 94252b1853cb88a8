"""What a stranger typed stands in every template where it cannot reorder what is around it."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = [ROOT / "templates", *ROOT.glob("[a-z]*/templates")]
TEMPLATES = sorted(path for folder in FOLDERS for path in folder.rglob("*.*"))
VARIABLE = re.compile(r"\{\{\s*([\w.]+)((?:\|[^}]*)?)\s*\}\}")

LAST = {
    "title", "name", "email", "who", "other", "sentence", "author_label", "actor_label", "refusal", "text",
    "note",
}  # fmt: skip
"""Attributes by these names hold, or are made of, what people typed about themselves and their deals."""

OURS = {
    # Forms, buttons and the API's own documentation.
    "field", "form", "bound", "answer", "row", "operation", "section", "info", "problem", "attrs", "radio",
    # What operators name, and sentences of ours that isolate the names in them.
    "network", "banner", "item.title", "unit",
}  # fmt: skip


def is_strangers(expression: str) -> bool:
    parts = expression.split(".")
    if len(parts) < 2 or parts[-1] not in LAST:
        return False
    return not (parts[0] in OURS or parts[-2] in OURS or expression in OURS)


def is_inside_a_tag(before: str) -> bool:
    """In an attribute: shown alone, if at all."""
    return before.rfind("<") > before.rfind(">")


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
def test_names_and_titles_are_isolated(path: Path) -> None:
    text = path.read_text()
    for found in VARIABLE.finditer(text):
        before = text[: found.start()]
        if is_strangers(found[1]) and not is_inside_a_tag(before):
            wrapped = before.endswith("<bdi>") and path.suffix == ".html"
            assert wrapped or found[2].strip() in ("|isolated", "|markdown"), found[0]


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
def test_long_texts_find_their_own_direction(path: Path) -> None:
    text = path.read_text()
    for found in VARIABLE.finditer(text):
        if "|markdown" in found[2]:
            tag = text[: found.start()].rpartition("<")[2]
            assert 'dir="auto"' in tag and tag.endswith(">"), found[0]


def test_the_rule_sees_what_it_is_about() -> None:
    assert len(TEMPLATES) > 50
    assert [
        is_strangers(text) for text in ("deal.title", "visit.other.name", "field.name", "network.name")
    ] == [
        True,
        True,
        False,
        False,
    ]
    shown = [VARIABLE.findall(path.read_text()) for path in TEMPLATES]
    assert sum(is_strangers(name) for names in shown for name, _ in names) > 60
