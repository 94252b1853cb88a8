"""What was seen, as a table for people and as JSON with every statement and its plan."""

import json
import os
import subprocess
from datetime import UTC, datetime
from typing import Any

from tests.chain.helpers import ROOT
from tests.scale.recorder import MANY, Query, Recorder

RESULTS = ROOT / "docs" / "results"


def write(recorder: Recorder, facts: dict[str, Any]) -> None:
    """`explain.md` and `explain.json`, where a run is told to keep them."""
    if not os.environ.get("KEEP_RESULTS"):
        return
    queries = sorted(recorder.found.values(), key=lambda query: (query.where, -query.milliseconds))
    facts = {"commit": _commit(), "date": f"{datetime.now(UTC):%Y-%m-%d}", **facts}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "explain.json").write_text(
        json.dumps(facts | {"queries": [_entry(query) for query in queries]}, indent=1) + "\n"
    )
    (RESULTS / "explain.md").write_text(_page(queries, facts))


def _entry(query: Query) -> dict[str, Any]:
    return {
        "where": query.where,
        "sql": query.sql,
        "times": query.times,
        "milliseconds": round(query.milliseconds, 1),
        "rows_read": query.read,
        "plan": query.summary,
        "faults": query.faults,
    }


def _page(queries: list[Query], facts: dict[str, Any]) -> str:
    slow = sorted(queries, key=lambda query: -query.milliseconds)[:40]
    faults = sum(bool(query.faults) for query in queries)
    lines = [
        "# Plans of the hot queries",
        "",
        f"`make explain ROWS={facts['wanted']}` on {facts['date']}, commit {facts['commit']}. Every "
        "query that the duties, services, pages, API lists and consoles issued on a grown database, "
        "as they issued it: "
        f"{len(queries)} statements, {faults} of which read a table of over {MANY:,} rows from end to end or "
        f"looked at more than {MANY:,} rows.",
        "",
        "## The database",
        "",
        "| table | rows | MB with indexes |",
        "| --- | ---: | ---: |",
        *(f"| {name} | {rows:,} | {size / 1e6:,.0f} |" for name, rows, size in facts["tables"]),
        "",
        f"Grown in {facts['grown_seconds']} s; all in all {facts['database_mb']:,} MB.",
        "",
        "## The slowest statements",
        "",
        "Longest of all runs, one of them the first on cold pages; rows are the most that a node of the plan "
        "looked at. All statements with their text are in `explain.json`.",
        "",
        "| place | plan | rows | ms |",
        "| --- | --- | ---: | ---: |",
        *(f"| {one.where} | {_short(one)} | {one.read:,} | {one.milliseconds:.1f} |" for one in slow),
    ]
    return "\n".join(lines) + "\n"


def _short(query: Query) -> str:
    """The scans of tables that grow; what is small is left out."""
    names = [node for node in dict.fromkeys(query.nodes) if not node.startswith(("Seq Scan", "ModifyTable"))]
    told = ", ".join(names[:4]) + (", …" if len(names) > 4 else "")
    return told or "small tables only"


def _commit() -> str:
    found = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return found.stdout.strip() or "unknown"
