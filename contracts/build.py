"""`python -m contracts.build` compiles the contracts and writes the artifacts that everything else reads.

With `--check` it writes nothing and fails when the committed ones are not what the sources compile to.
"""

import hashlib
import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts import forge

ARTIFACTS = Path(__file__).resolve().parent / "artifacts"


@dataclass(frozen=True, slots=True)
class Target:
    """One contract to publish: where its source is and which build profile compiles it."""

    name: str
    source: str
    profile: str


TARGETS = (
    Target("Escrow", "Escrow.sol", "release"),
    Target("Vault", "Vault.sol", "release"),
    Target("OperatorGate", "OperatorGate.sol", "release"),
    Target("ArbiterSeat", "ArbiterSeat.sol", "release"),
    Target("Lens", "Lens.sol", "release"),
    Target("CourtSeat", "CourtSeat.sol", "release"),
    Target("CentralCourt", "CentralCourt.sol", "release"),
    Target("PermitFunder", "PermitFunder.sol", "release"),
    Target("TestUSDT", "TestUSDT.sol", "token"),
    Target("TestDollar", "TestDollar.sol", "token"),
    Target("TestPermit2", "TestPermit2.sol", "token"),
)


class BuildFailed(RuntimeError):
    """The compiler refused; the message is what it said."""


def build(destination: Path = ARTIFACTS) -> list[Path]:
    """Compiles everything afresh and writes one deterministic JSON file per contract. Raises BuildFailed."""
    destination.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        return [_write(target, _compile(target, Path(scratch)), destination) for target in TARGETS]


def stale() -> list[str]:
    """The committed artifacts that are not what the sources compile to, by file name. Raises BuildFailed."""
    with tempfile.TemporaryDirectory() as scratch:
        return [path.name for path in build(Path(scratch)) if not _is_committed(path)]


def _is_committed(path: Path) -> bool:
    committed = ARTIFACTS / path.name
    return committed.is_file() and committed.read_bytes() == path.read_bytes()


def _check() -> None:
    different = stale()
    if different:
        sys.exit(f"not what the sources compile to: {', '.join(different)}; run: python -m contracts.build")
    sys.stdout.write(f"{len(TARGETS)} artifacts are what the sources compile to\n")


def _compile(target: Target, scratch: Path) -> dict[str, Any]:
    out = scratch / target.profile
    if not out.exists():
        arguments = [
            "build",
            "--force",
            "--skip",
            "test",
            "--out",
            str(out),
            "--cache-path",
            str(scratch / "cache"),
        ]
        done = forge.run(arguments, profile=target.profile, capture=True)
        if done.returncode:
            raise BuildFailed(done.stdout + done.stderr)
    compiled: dict[str, Any] = json.loads((out / target.source / f"{target.name}.json").read_text())
    return compiled


def _write(target: Target, compiled: dict[str, Any], destination: Path) -> Path:
    deployed = compiled["deployedBytecode"]
    sources = compiled["metadata"]["sources"]
    artifact = {
        "name": target.name,
        "compiler": compiled["metadata"]["compiler"]["version"],
        "settings": _settings(compiled["metadata"]["settings"]),
        "source_hash": _source_hash(sorted(sources)),
        "sources": sorted(sources),
        "abi": compiled["abi"],
        "bytecode": compiled["bytecode"]["object"],
        "runtime": deployed["object"],
        **_immutables(deployed.get("immutableReferences", {})),
        "storage_layout": _layout(compiled["storageLayout"]),
    }
    path = destination / f"{target.name}.json"
    path.write_text(json.dumps(artifact, indent=1, sort_keys=True) + "\n")
    return path


def _immutables(references: dict[str, list[dict[str, int]]]) -> dict[str, Any]:
    """Where immutables go; with more than one of them also which goes where, in the order of the source (the
    compiler's node numbers grow with it)."""
    order = sorted(references, key=int)
    places = sorted(
        (place["start"], place["length"], order.index(node))
        for node, where in references.items()
        for place in where
    )
    found: dict[str, Any] = {"immutables": [[start, length] for start, length, _ in places]}
    if len(order) > 1:
        found["immutable_order"] = [which for _, _, which in places]
    return found


def _settings(settings: dict[str, Any]) -> dict[str, Any]:
    return {key: settings[key] for key in ("evmVersion", "optimizer", "viaIR") if key in settings}


def _source_hash(paths: list[str]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.encode() + b"\0" + (forge.ROOT / path).read_bytes() + b"\0")
    return digest.hexdigest()


def _layout(layout: dict[str, Any]) -> list[dict[str, Any]]:
    """Only what a reader needs: the compiler's node numbers differ from build to build."""
    types = layout["types"] or {}
    return [
        {
            "label": row["label"],
            "slot": int(row["slot"]),
            "offset": row["offset"],
            "type": types[row["type"]]["label"],
        }
        for row in layout["storage"]
    ]


if __name__ == "__main__":
    try:
        if sys.argv[1:] == ["--check"]:
            _check()
            sys.exit()
        for written in build():
            sys.stdout.write(f"{written.relative_to(forge.ROOT)}\n")
    except (BuildFailed, forge.ToolMissing) as problem:
        sys.exit(str(problem))
