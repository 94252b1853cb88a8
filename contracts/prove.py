"""`python -m contracts.prove`: the symbolic proofs and the static analysis, with the bound of each property.

Fails when a property is not proven, a property that is false is not refuted, or slither finds something
of medium or above that `proving/findings.json` does not explain. `--reach` asks instead whether the
proofs' assertions can be reached at all.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from contracts import forge
from contracts.proving import static, symbolic, tools


def symbolically(names: Sequence[str], *, reach: bool = False, root: Path = forge.ROOT) -> bool:
    """Prints every property with its verdict; whether all are as they must be."""
    found = symbolic.reach(names) if reach else symbolic.prove(names, root)
    for prop in found:
        sys.stdout.write(prop.line() + "\n")
    good = sum(prop.good for prop in found)
    sys.stdout.write(f"{good} of {len(found)} properties as they must be. Bounds: {symbolic.BOUNDS}.\n")
    return good == len(found)


def statically(root: Path = forge.ROOT) -> bool:
    """Prints what slither found beyond what is explained; whether nothing is open."""
    judged = static.analyse(root)
    for finding in judged.unexplained:
        sys.stdout.write(f"FAIL not explained: {finding}\n")
    for finding in judged.outdated:
        sys.stdout.write(f"FAIL explained but not found any more: {finding}\n")
    sys.stdout.write(f"slither: {len(judged.explained)} findings of medium or above, each explained.\n")
    return judged.good


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    known = symbolic.contracts()
    parser.add_argument(
        "names", nargs="*", help=f"some of {', '.join(known)}; all, and slither, unless named"
    )
    parser.add_argument("--reach", action="store_true")
    asked = parser.parse_args()
    if unknown := set(asked.names) - set(known):
        parser.error(f"no such proofs: {', '.join(sorted(unknown))}")
    began = time.monotonic()
    good = symbolically(asked.names or list(known), reach=asked.reach)
    if not asked.names and not asked.reach:
        good = statically() and good
    sys.stdout.write(f"{time.monotonic() - began:.0f} s\n")
    return 0 if good else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (tools.ToolFailed, forge.ToolMissing) as problem:
        sys.exit(str(problem))
