"""Lists mutants of contracts as JSON. Runs on the Python that holds slither, which makes most of them.

slither's operators are those of slither-mutate. Where a condition or a constant has more to it than they
can change (they cut a line at the first operator of its kind, and leave constants alone), `_conditions`
and `_constants` add it.
"""

import argparse
import json
import logging
import re
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from slither import Slither  # type: ignore[import-not-found]
from slither.core.declarations import Contract  # type: ignore[import-not-found]
from slither.exceptions import SlitherException  # type: ignore[import-not-found]
from slither.tools.mutator.__main__ import _get_mutators  # type: ignore[import-not-found]

# The boundary and the opposite; slither tries the others where it can.
NEIGHBOURS = {
    "<": ("<=", ">="),
    ">": (">=", "<="),
    "<=": ("<", ">"),
    ">=": (">", "<"),
    "==": ("!=",),
    "!=": ("==",),
}
_RELATION = re.compile(r"(?<![<>=!|&])(<=|>=|==|!=|<|>)(?![<>=])")
_FLIPPED = {"&&": "||", "||": "&&", "true": "false", "false": "true"}
_LOGICAL = re.compile(r"&&|\|\||\btrue\b|\bfalse\b")
_INTEGER = re.compile(r"=\s*([0-9][0-9_]*)(?=\s*(?:days|hours)?\s*;)")


@dataclass(frozen=True, slots=True)
class Mutant:
    """Bytes `start` to `end` of `file` become `new`; `old` is what stands there now."""

    file: str
    line: int
    mutator: str
    start: int
    end: int
    old: str
    new: str


def mutants(root: Path, build: Path, names: list[str]) -> list[Mutant]:
    """Every distinct mutant of the named contracts, in the order of the files' text."""
    slither = Slither(str(root), ignore_compile=True, foundry_out_directory=str(build))
    found: dict[tuple[str, bytes], Mutant] = {}
    for unit in slither.compilation_units:
        for contract in unit.contracts:
            if contract.name in names:
                _collect(root, unit, contract, found)
    return sorted(found.values(), key=lambda m: (m.file, m.start, m.mutator, m.new))


def _collect(root: Path, unit: Any, contract: Contract, found: dict[tuple[str, bytes], Mutant]) -> None:
    path = Path(contract.source_mapping.filename.absolute)
    text = path.read_bytes()
    name = str(path.relative_to(root))
    for operator, start, end, new in [*_of_slither(unit, contract), *_own(contract, text)]:
        changed = text[:start] + new.encode() + text[end:]
        if changed == text or (name, changed) in found:
            continue
        line = text[:start].count(b"\n") + 1
        found[name, changed] = Mutant(name, line, operator, start, end, text[start:end].decode(), new)


class _Part:
    """A contract with one of its functions only: an operator that trips over one must not lose the others."""

    def __init__(self, contract: Contract, functions: list[Any]) -> None:
        self._contract = contract
        self.functions_and_modifiers_declared = functions
        self.state_variables_declared = [] if functions else contract.state_variables_declared

    def __getattr__(self, name: str) -> Any:
        return getattr(self._contract, name)


def _of_slither(unit: Any, contract: Contract) -> Iterator[tuple[str, int, int, str]]:
    parts = [_Part(contract, []), *(_Part(contract, [f]) for f in contract.functions_and_modifiers_declared)]
    for operator in _get_mutators(None):
        for part in parts:
            made = operator(unit, 0, "", None, part, None, False, Path(), [])
            try:
                patches = made._mutate().get("patches", {})
            except (
                SlitherException,
                IndexError,
            ):  # no limits of booleans, no operators of assembly: see `_conditions`
                continue
            for patch in (patch for several in patches.values() for patch in several):
                yield operator.NAME, patch["start"], patch["end"], patch["new_string"]


def _own(contract: Contract, text: bytes) -> Iterator[tuple[str, int, int, str]]:
    spans = {
        (f.source_mapping.start, f.source_mapping.length) for f in contract.functions_and_modifiers_declared
    }
    for start, length in sorted(spans):
        yield from _conditions(text, start, start + length)
    whole = contract.source_mapping
    yield from _constants(text, whole.start, whole.start + whole.length)


def _code(text: bytes, start: int, end: int) -> str:
    """The text between two offsets, with comments blanked so that offsets stay."""
    return re.sub(r"//[^\n]*", lambda m: " " * len(m.group()), text[start:end].decode("latin-1"))


def _conditions(text: bytes, start: int, end: int) -> Iterator[tuple[str, int, int, str]]:
    code = _code(text, start, end)
    for match in _RELATION.finditer(code):
        for other in NEIGHBOURS[match.group()]:
            yield "conditions", start + match.start(), start + match.end(), other
    for match in _LOGICAL.finditer(code):
        yield "conditions", start + match.start(), start + match.end(), _FLIPPED[match.group()]


def _constants(text: bytes, start: int, end: int) -> Iterator[tuple[str, int, int, str]]:
    for line in re.finditer(r"[^\n]*\bconstant\b[^\n]*", _code(text, start, end)):
        match = _INTEGER.search(line.group())
        if match is None:
            continue
        value = int(match.group(1).replace("_", ""))
        at = start + line.start() + match.start(1)
        for other in (value + 1, value - 1):
            if other >= 0:
                yield "constants", at, at + len(match.group(1)), str(other)


def main() -> None:
    """Prints one JSON list."""
    parser = argparse.ArgumentParser()
    parser.add_argument("root", type=Path)
    parser.add_argument("build", type=Path)
    parser.add_argument("names", nargs="+")
    asked = parser.parse_args()
    logging.disable(logging.ERROR)
    json.dump([asdict(m) for m in mutants(asked.root.resolve(), asked.build, asked.names)], sys.stdout)


if __name__ == "__main__":
    main()
