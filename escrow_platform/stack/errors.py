"""The one kind of failure the stack reports to a person."""

from pathlib import Path


class StackError(Exception):
    """One sentence that says what happened and the way out; shown without a traceback."""


def last_lines(log: Path, count: int = 8) -> str:
    """The closing lines of a log file, or a note that it is empty."""
    try:
        lines = log.read_text(errors="replace").splitlines()
    except FileNotFoundError:
        lines = []
    return "\n".join(lines[-count:]) or "(no output)"
