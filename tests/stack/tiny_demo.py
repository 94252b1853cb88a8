"""The demo's machinery with small programs: `python -m tests.stack.tiny_demo VARIANT [PORT]`."""

import sys

from escrow_platform.stack.__main__ import guarded
from escrow_platform.stack.demo import PYTHON, Plan, Process, Step
from escrow_platform.stack.orchestra import check_demo, run_demo

COUNT_RUNS = """
import os, psycopg2
connection = psycopg2.connect(os.environ["DATABASE_URL"])
with connection, connection.cursor() as cursor:
    cursor.execute("CREATE TABLE IF NOT EXISTS runs (n serial)")
    cursor.execute("INSERT INTO runs DEFAULT VALUES")
    cursor.execute("SELECT count(*) FROM runs")
    print("run", cursor.fetchone()[0], flush=True)
"""
WORKERS = {"crash": "raise SystemExit('the worker fell over')"}
PLAYS = {"fail": "raise SystemExit('the play fell short')", "crash": "import time; time.sleep(2)"}


def plan(variant: str) -> Plan:
    worker = WORKERS.get(variant, "import time; time.sleep(1000)")
    play = PLAYS.get(variant, COUNT_RUNS)
    site = (PYTHON, "-m", "http.server", "--bind", "127.0.0.1", "--directory", "tests/stack", "{port}")
    return Plan(
        prepare=(Step("Preparing", (PYTHON, "-c", "print('prepared')")),),
        processes=(Process("web", site, serves_site=True), Process("worker", (PYTHON, "-c", worker))),
        show=(Step("Playing", (PYTHON, "-c", play), login=""),),
    )


if __name__ == "__main__":
    variant, *port = sys.argv[1:]
    sys.exit(guarded(lambda: run_demo(int(port[0]), plan(variant)) if port else check_demo(plan(variant))))
