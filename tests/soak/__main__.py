"""`python -m tests.soak N [--seed S]`: play N lives under faults, judge them; 1 if anything is wrong."""

import argparse
import secrets
import sys
import time
from collections.abc import Callable
from pathlib import Path

from escrow_platform.stack.__main__ import guarded
from escrow_platform.stack.services import scratch_run
from tests.soak.plan import FEWEST, Plan, make
from tests.soak.services import Ground, laid


def main() -> int:
    """Read the command line and play."""
    parser = _parser()
    options = parser.parse_args()
    if options.lives < FEWEST:
        parser.error(f"a soak has at least {FEWEST} lives, so that every outcome is there")
    seed = secrets.randbelow(10**6) if options.seed is None else options.seed
    plan = make(seed, options.lives, faults=not options.calm)
    start = time.monotonic()

    def say(text: str) -> None:
        print(f"[{time.monotonic() - start:6.1f}] {text}", flush=True)

    say(f"{options.lives} lives, seed {seed}, plan {plan.digest()}, {len(plan.faults)} faults")
    with scratch_run() as run, laid(run) as ground:
        try:
            return _played(ground, plan, options, say)
        finally:
            if options.logs:
                _keep_logs(run.folder, options.logs)


def _played(ground: Ground, plan: Plan, options: argparse.Namespace, say: Callable[[str], None]) -> int:
    """The product is loaded here: its settings name the services that run now."""
    import django

    django.setup()
    from tests.soak import report
    from tests.soak.beginning import begun
    from tests.soak.stage import built

    start, commit = time.monotonic(), report.current_commit()
    with built(ground) as stage:
        soak = begun(stage, plan, say)
        soak.play()
        say(f"the lives have ended; milliseconds spent: {dict(soak.spent)}")
        soak.drain()
        say("nothing is under way any more")
        verdict = soak.judge()
        told = report.facts(soak, verdict, commit, time.monotonic() - start)
    print(report.words(told), flush=True)
    if not options.no_report:
        report.write(told)
    return 1 if verdict.sentences else 0


def _keep_logs(scratch: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for log in [*scratch.glob("*.log"), *(scratch / "logs").glob("*.log")]:
        (folder / log.name).write_bytes(log.read_bytes())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("lives", type=int, nargs="?", default=300, help=f"how many; at least {FEWEST}")
    parser.add_argument("--seed", type=int, default=None, help="replays a plan; random by default")
    parser.add_argument("--calm", action="store_true", help="no faults")
    parser.add_argument("--no-report", action="store_true", help="leave docs/results as it is")
    parser.add_argument("--logs", type=Path, default=None, help="a folder in which the logs are kept")
    return parser


if __name__ == "__main__":
    sys.exit(guarded(main))
