"""Runs slither and compares what it finds with what `proving/findings.json` explains."""

import json
import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts import forge
from contracts.proving import tools

EXPLAINED = Path(__file__).resolve().parent / "findings.json"
CONFIG = forge.ROOT / "contracts/slither.config.json"
_PLACE = re.compile(r" \([^()]*#[0-9-]+\)")


@dataclass(frozen=True, slots=True)
class Judged:
    """What slither found at medium or above, and how that compares with what is explained."""

    explained: list[str]
    unexplained: list[str]
    outdated: list[str]

    @property
    def good(self) -> bool:
        """Everything found is explained, everything explained was found."""
        return not self.unexplained and not self.outdated


def analyse(root: Path = forge.ROOT) -> Judged:
    """Builds and analyses the product's sources under `root`. Raises ToolFailed."""
    build = tools.slither_build(root)
    with tempfile.TemporaryDirectory() as scratch:
        answer = Path(scratch) / "answer.json"
        done = subprocess.run(
            [
                *(str(tools.BIN / "slither"), ".", "--ignore-compile", "--foundry-out-directory", str(build)),
                *("--config-file", str(CONFIG), "--json", str(answer)),
            ],
            cwd=root,
            env=tools.environment("slither"),
            text=True,
            capture_output=True,
            check=False,
        )
        said: dict[str, Any] = json.loads(answer.read_text()) if answer.exists() else {}
    if not said.get("success"):
        raise tools.ToolFailed(done.stdout + done.stderr)
    found = {name(row) for row in said["results"].get("detectors", [])}
    reasons = {row["finding"] for row in json.loads(EXPLAINED.read_text()) if row["reason"]}
    return Judged(sorted(found & reasons), sorted(found - reasons), sorted(reasons - found))


def name(row: dict[str, Any]) -> str:
    """A finding without its line numbers, which move: detector and what it says of what."""
    said = " ".join(_PLACE.sub("", row["description"]).split())
    return f"{row['check']}: {said}"
