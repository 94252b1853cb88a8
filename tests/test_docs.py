"""What the documents point at is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = [ROOT / "README.md", ROOT / "contracts/README.md", *sorted((ROOT / "docs").glob("*.md"))]
TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")
COMMAND = re.compile(r"manage\.py (\w+)")
TARGET = re.compile(r"`make ([a-z-]+)")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_document_names_exists(document: Path) -> None:
    """Tests, files, management commands and make targets."""
    text = document.read_text()
    for file, name in TEST.findall(text):
        assert f"def {name}(" in (ROOT / file).read_text(), f"{file} has no {name}"
    for link in LINK.findall(text):
        assert (document.parent / link).exists(), f"{link} is not there"
    ours = {path.stem for path in ROOT.glob("*/management/commands/*.py")}
    known = ours | {"migrate", "createsuperuser", "collectstatic", "runserver", "shell", "check"}
    assert set(COMMAND.findall(text)) <= known
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(TARGET.findall(text)) <= targets


def test_the_engines_document_links_real_tests() -> None:
    """Without its links the check above would hold for nothing."""
    assert len(TEST.findall((ROOT / "docs/engine.md").read_text())) >= 40
