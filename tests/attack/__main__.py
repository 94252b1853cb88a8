"""`python -m tests.attack [passwords dust bodies races]`: play the attacks, and write what a bystander felt.

Ends 1 where a bound did not hold: a page of somebody else at most three times as slow (95 of 100), no failed
page of somebody else, no connection refused to workers.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from escrow_platform.stack import postgres
from tests.attack import report
from tests.bench import databases
from tests.bench.ground import Broken, chain, manage

NAMES = ("passwords", "dust", "bodies", "races")


def main() -> int:
    """Set the scene once, play, judge."""
    parser = argparse.ArgumentParser(prog="python -m tests.attack", description=__doc__)
    parser.add_argument("plays", nargs="*", choices=[*NAMES, []], help="all without any")
    parser.add_argument("--no-report", action="store_true", help="leave docs/results as it is")
    options = parser.parse_args()
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.attack.settings"
    with tempfile.TemporaryDirectory(prefix="holdfast-attack-") as name:
        url = databases.create("attack")
        os.environ.update(DATABASE_URL=url, HOLDFAST_STATE=name, MEDIA_ROOT=f"{name}/media")
        manage("migrate", "--no-input")
        manage("grant_rights", "--if-there")
        try:
            found = _played(Path(name), options.plays or NAMES)
        except Broken as error:
            print(f"attack: {error}", file=sys.stderr)
            return 1
    print(report.words(found))
    if not options.no_report:
        report.write(found)
    return 0 if report.held(found) else 1


def _played(folder: Path, names: "tuple[str, ...] | list[str]") -> dict[str, object]:
    import django

    django.setup()
    from tests.attack.plays import PLAYS
    from tests.attack.scene import Scene
    from tests.bench import town
    from tests.bench.site import running
    from tests.payments.fixtures import Cast, Desk, UserFactory

    with chain(block_time=1, options=("--gas-limit", "60000000")) as node:
        desk = town.desk(node)
        people = (UserFactory(email=f"other.{role}@example.org") for role in ("buyer", "seller", "stranger"))
        other = Desk(desk.engine, desk.token, Cast(*people))
        logins = postgres.logins(os.environ["DATABASE_URL"])
        with running(folder, workers=2, web=True, logins=logins) as site:
            scene = Scene(folder, site, desk, other)
            before, cases = scene.web_peak(), []
            for name in names:
                print(f"attack: {name} ...", flush=True)
                cases += PLAYS[name](scene)
            return {
                "cases": cases,
                "refused": scene.refused_workers(),
                "web_mb": {"before": before, "after": scene.web_peak()},
            }


if __name__ == "__main__":
    sys.exit(main())
