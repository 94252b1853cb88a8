"""Where halmos and slither are (in a Python of their own, `.venv-proof`), and what they need to run."""

import os
import shutil
import subprocess
from pathlib import Path

from contracts import forge

BIN = forge.ROOT / ".venv-proof/bin"
PYTHON = BIN / "python"
SLITHER_OUT = Path("contracts/out/slither")


class ToolFailed(RuntimeError):
    """A tool could not do its work (it did not judge anything); the message is what it said."""


def environment(profile: str) -> dict[str, str]:
    """Both tools find the native forge (the launcher hides exit codes) and the solvers on its PATH."""
    if not PYTHON.is_file():
        raise ToolFailed(".venv-proof is missing: run `make .venv-proof/.installed`")
    path = os.pathsep.join([str(BIN), str(forge.native("forge").parent), os.environ.get("PATH", "")])
    return {**os.environ, "PATH": path, "FOUNDRY_PROFILE": profile}


def copy_tree(destination: Path, *without: str) -> None:
    """Copies sources and tests to where they may be changed; `without`: directories of tests to leave out."""
    contracts = destination / "contracts"
    contracts.mkdir()
    shutil.copytree(forge.ROOT / "contracts/src", contracts / "src")
    shutil.copytree(
        forge.ROOT / "contracts/test", contracts / "test", ignore=shutil.ignore_patterns(*without)
    )
    shutil.copy2(forge.ROOT / "contracts/solc.js", contracts)
    shutil.copy2(forge.ROOT / "foundry.toml", destination)
    (destination / "node_modules").symlink_to(forge.ROOT / "node_modules")


def slither_build(root: Path = forge.ROOT) -> Path:
    """Compiles the product's sources with the build information that slither reads. Raises ToolFailed."""
    out = root / SLITHER_OUT
    arguments = ["build", "--build-info", "--skip", "contracts/test/**", "--force"]
    for old in (out / "build-info").glob("*.json"):
        old.unlink()
    done = subprocess.run(
        ["forge", *arguments],
        cwd=root,
        env=environment("slither"),
        text=True,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise ToolFailed(done.stdout + done.stderr)
    return SLITHER_OUT
