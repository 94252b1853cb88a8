"""What was seen, as a table for people and as JSON with every statement and its plan."""

import json
import os
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from tests.chain.helpers import ROOT
from tests.scale.recorder import MANY, Query, Recorder

# These grow with the chain's time, not with the lives.
OF_THE_CHAIN = ("chain_block", "chain_scancoverage", "chain_secondpass", "chain_reorg")
RESULTS = ROOT / "docs" / "results"


def _commit() -> str:
    found = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return found.stdout.strip() or "unknown"


_COMMIT = _commit()  # as of the start: what is measured is what was there then


def write(recorder: Recorder, facts: dict[str, Any]) -> None:
    """`explain.md` and `explain.json`, where a run is told to keep them."""
    if not os.environ.get("KEEP_RESULTS"):
        return
    queries = sorted(recorder.found.values(), key=lambda query: (query.where, -query.milliseconds))
    facts = {"commit": _COMMIT, "date": f"{datetime.now(UTC):%Y-%m-%d}", **facts}
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
    watched = facts["watch_set"]
    lines = [
        "# Plans of the hot queries",
        "",
        f"`make explain ROWS={facts['wanted']}` on {facts['date']}, commit {facts['commit']}. Every query",
        "that the duties, services, pages, API lists and consoles issued on a grown database, as they issued",
        f"it: {len(queries)} statements, {faults} of which read a table of over {MANY:,} rows from end",
        f"to end or looked at more than {MANY:,} rows.",
        "",
        f"The database was grown in {facts['grown_seconds']} s and has {facts['database_mb']:,} MB.",
        f"Watch set: {watched['addresses']:,} addresses are loaded in {watched['load_seconds']} s",
        f"(while memory is traced), take {watched['megabytes']} MB in each process that reads, and are",
        f"looked up and brought up to date for a block in {watched['refresh_milliseconds']} ms.",
        f"All balances were audited in {facts['proof']['audit_seconds']} s, and all books compared with the",
        f"chain in {facts['proof']['compare_seconds']} s, on a node of this machine.",
        "",
        "## Tables, and what a life adds to them",
        "",
        "Bytes are of rows, indexes and long values together. A life is paid in full and released or",
        "refunded, or ruled after a dispute, or never paid. Blocks and coverage are those of a chain that",
        "mines for each step; they grow with the chain's time and not with the lives.",
        "",
        "| table | rows | MB | bytes a row | rows: paid | ruled | unpaid |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
        *_growth(facts),
        "",
        *_totals(facts),
        "",
        "## The slowest statements",
        "",
        "Longest of all runs, one of them the first on cold pages; rows are the most that a node of the plan",
        "looked at. All statements with their text are in `explain.json`.",
        "",
        "| place | plan | rows | ms |",
        "| --- | --- | ---: | ---: |",
        *(f"| {one.where} | {_short(one)} | {one.read:,} | {one.milliseconds:.1f} |" for one in slow),
    ]
    return "\n".join(lines) + "\n"


def _growth(facts: dict[str, Any]) -> Iterator[str]:
    for name, rows, size in facts["tables"]:
        lives = " | ".join(f"{life.get(name, 0):g}" for life in facts["rows_of_a_life"].values())
        yield f"| {name} | {rows:,} | {size / 1e6:,.0f} | {size / rows:,.0f} | {lives} |"


def _totals(facts: dict[str, Any]) -> Iterator[str]:
    a_row = {name: size / rows for name, rows, size in facts["tables"]}
    for kind, life in facts["rows_of_a_life"].items():
        kept = {name: rows for name, rows in life.items() if name not in OF_THE_CHAIN}
        size = sum(a_row.get(name, 0) * rows for name, rows in kept.items())
        yield f"- A life that is {kind}: {sum(kept.values()):g} rows, {size / 1000:,.1f} kB."


def _short(query: Query) -> str:
    """The scans of tables that grow; what is small is left out."""
    names = [node for node in dict.fromkeys(query.nodes) if not node.startswith(("Seq Scan", "ModifyTable"))]
    told = ", ".join(names[:4]) + (", …" if len(names) > 4 else "")
    return told or "small tables only"
