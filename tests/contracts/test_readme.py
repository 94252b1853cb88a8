"""What the contracts' README says is so: tests that it names exist, storage is laid out as it tells."""

import re

import pytest

from contracts import forge
from contracts.artifacts import load
from contracts.views import _LAYOUT

FOLDER = forge.ROOT / "contracts"
README = (FOLDER / "README.md").read_text()
THREATS = README.split("## Threats")[1].split("\n## ")[0]
STATE = README.split("## State")[1].split("\n## ")[0]
NAMED = re.findall(r"`((?:test|invariant)\w+)`( \.py)?", THREATS)


def existing(files: str, definition: str) -> set[str]:
    """Names of the tests below `files`."""
    sources = "\n".join(path.read_text() for path in forge.ROOT.glob(files))
    return set(re.findall(rf"{definition} ((?:test|invariant)\w*)\(", sources))


@pytest.fixture(scope="module")
def solidity() -> set[str]:
    return existing("contracts/test/**/*.t.sol", "function")


def test_many_threats_are_listed() -> None:
    assert len([line for line in THREATS.splitlines() if "`" in line]) > 50
    assert len(NAMED) > 120


def test_every_test_that_covers_a_threat_exists(solidity: set[str]) -> None:
    python = existing("tests/contracts/test_*.py", "def")
    missing = [name for name, suffix in NAMED if name not in (python if suffix else solidity)]
    assert missing == []


def test_a_name_that_nobody_wrote_is_missed(solidity: set[str]) -> None:
    """The canary."""
    assert "test_a_stranger_decides_nothing" in solidity
    assert "test_a_stranger_decides_everything" not in solidity


def test_the_slots_table_is_the_layout() -> None:
    rows = re.findall(r"^\| (\d+) \| (\d+) \| (\w+) \|", STATE, re.M)
    told = [(int(bit), int(bits), name.lower()) for bit, bits, name in rows]
    layout, bit = [], 0
    for name, bits in _LAYOUT:
        layout.append((bit, bits, name.replace("_", "")))
        bit += bits
    assert told == layout
    assert bit == 256


def test_the_storage_table_is_the_compilers() -> None:
    told = [(int(slot), name) for slot, name in re.findall(r"^\| (\d) \| `(\w+)\[", STATE, re.M)]
    assert told == [(row["slot"], row["label"]) for row in load("Escrow").storage_layout]
    assert load("Vault").storage_layout == load("Lens").storage_layout == []
