"""Runs the native foundry binaries. The npm launchers hide exit codes, so nothing here goes through them."""

import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


class ToolMissing(RuntimeError):
    """The native binary is not installed; the message says what to run."""


def native(tool: str) -> Path:
    """The path of the native `forge`, `anvil` or `cast`. Raises ToolMissing."""
    system = platform.system().lower()
    machine = _ARCHITECTURES.get(platform.machine().lower(), platform.machine().lower())
    path = ROOT / "node_modules" / "@foundry-rs" / f"{tool}-{system}-{machine}" / "bin" / tool
    if not path.is_file():
        raise ToolMissing(f"{path.relative_to(ROOT)} is missing: run `npm ci`")
    return path


def run(
    arguments: Sequence[str],
    *,
    profile: str = "default",
    capture: bool = False,
    environment: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Runs forge in the repository's root and returns the finished process with its own exit code."""
    environ = {**os.environ, "FOUNDRY_PROFILE": profile, **(environment or {})}
    return subprocess.run(
        [str(native("forge")), *arguments],
        cwd=ROOT,
        env=environ,
        text=True,
        capture_output=capture,
        check=False,
    )


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]).returncode)
