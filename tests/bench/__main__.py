"""`python -m tests.bench [a b]`: measure, and write what was measured into docs/benchmarks.

Every letter is a process of its own with a database and a node of its own. Ends 0 when everything could be
measured, whatever the figures are; speed is shown here, not tested.
"""

import argparse
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.bench import databases, report
from tests.bench.ground import ROOT, SETTINGS, Broken, manage

LETTERS = {
    "a": "tests.bench.a_open_escrows",
    "b": "tests.bench.b_backfill",
    "c": "tests.bench.c_lifecycles",
    "d": "tests.bench.d_delay",
    "e": "tests.bench.e_memory",
}
LIMIT = 900  # seconds for one letter


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("letters", nargs="*", choices=[*LETTERS, []], help="all without any")
    parser.add_argument("--alone", help=argparse.SUPPRESS)
    parser.add_argument("--into", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.alone:
        return _measure(options.alone, options.into)
    os.environ["DJANGO_SETTINGS_MODULE"] = SETTINGS
    _prepare()
    broken = [letter for letter in options.letters or LETTERS if not _run(letter)]
    report.write()
    for letter in broken:
        print(f"bench: {letter} could not be measured", file=sys.stderr)
    return 1 if broken else 0


def _run(letter: str) -> bool:
    print(f"bench: {letter}: {(LETTERS[letter])} ...", flush=True)
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="holdfast-bench-") as name:
        into = Path(name) / "result.json"
        environment = {
            **os.environ,
            "DATABASE_URL": databases.create(f"bench_{letter}", databases.TEMPLATE),
            "HOLDFAST_STATE": name,
            "MEDIA_ROOT": f"{name}/media",
        }
        argv = [sys.executable, "-m", "tests.bench", "--alone", letter, "--into", str(into)]
        try:
            done = subprocess.run(argv, env=environment, cwd=ROOT, timeout=LIMIT, check=False)
        except subprocess.TimeoutExpired:
            return False
        if done.returncode:
            return False
        result = json.loads(into.read_text())
    report.keep(letter, result, seconds=round(time.monotonic() - start))
    return True


def _measure(letter: str, into: Path) -> int:
    import django

    from escrow_platform.celery import collect_rarely

    django.setup()
    collect_rarely()  # as in the workers, for what is measured in this process
    try:
        result = importlib.import_module(LETTERS[letter]).run(into.parent)
    except Broken as error:
        print(f"bench: {letter}: {error}", file=sys.stderr)
        return 1
    into.write_text(json.dumps(result))
    return 0


def _prepare() -> None:
    manage("migrate", "--no-input", environment={"DATABASE_URL": databases.create(databases.TEMPLATE)})


if __name__ == "__main__":
    sys.exit(main())
