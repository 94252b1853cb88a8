"""Every query that the product issues, with the plan that PostgreSQL really used for it."""

import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.db import connection

from tests.chain.helpers import ROOT

MANY = 10_000  # rows: a table above it is not read from end to end, and no query reads so many
_LOOKS = 2  # explained so often, with other parameters
_NUMBERS = re.compile(r"%s(?:, %s)+")


@dataclass
class Query:
    """One statement at one place of the code."""

    where: str
    sql: str
    explained: int = 0
    times: int = 0
    milliseconds: float = 0.0
    nodes: list[str] = field(default_factory=list)
    read: int = 0
    faults: list[str] = field(default_factory=list)
    plan: Any = None

    @property
    def summary(self) -> str:
        """Which indexes it used."""
        return ", ".join(dict.fromkeys(self.nodes)) or "no table"


class Recorder:
    """Explains what runs inside `watching`; SELECTs are really run a second time for it."""

    def __init__(self) -> None:
        self.found: dict[tuple[str, str], Query] = {}
        self._big = _big_tables()

    @contextmanager
    def watching(self) -> Iterator[None]:
        with connection.execute_wrapper(self._execute):
            yield

    def faults(self) -> list[str]:
        """What reads a large table from end to end, or too many rows."""
        return [f"{query.where}: {fault}\n    {query.sql[:600]}" for query in self.found.values()
                for fault in query.faults]  # fmt: skip

    def _execute(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        verb = sql.lstrip().split(" ", 1)[0].upper()
        if many or verb not in ("SELECT", "UPDATE", "DELETE", "WITH"):
            return execute(sql, params, many, context)
        query = self._query(sql)
        if query.explained < _LOOKS:
            query.explained += 1
            self._explain(query, verb, sql, params)
        start = time.perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            query.times += 1
            query.milliseconds = max(query.milliseconds, (time.perf_counter() - start) * 1000)

    def _query(self, sql: str) -> Query:
        key = (_where(), _NUMBERS.sub("%s, …", sql))
        return self.found.setdefault(key, Query(*key))

    def _explain(self, query: Query, verb: str, sql: str, params: Any) -> None:
        """SELECTs are run for their real numbers; what writes is only planned."""
        options = "ANALYZE, FORMAT JSON" if verb == "SELECT" else "FORMAT JSON"
        with connection.connection.cursor() as cursor:
            # Where two go in one trip, the last is the one that reads.
            parts = (f"EXPLAIN ({options}) {part}" for part in sql.split("; "))
            cursor.execute("; ".join(parts), params)
            plan = cursor.fetchone()[0][0]["Plan"]
        nodes: list[str] = []
        faults: list[str] = []
        read = 0
        for node in _nodes(plan):
            table, rows = node.get("Relation Name", ""), _rows(node)
            read = max(read, rows)
            if table or node.get("Index Name"):
                nodes.append(_told(node))
            if node["Node Type"] == "Seq Scan" and self._big.get(table, 0) > MANY and not _stops(node):
                faults.append(f"reads all of {table} ({self._big[table]:,} rows)")
            if rows > MANY:
                faults.append(f"reads {rows:,} rows in {_told(node)}")
        if read >= query.read:
            query.read, query.nodes, query.plan = read, nodes, plan
        query.faults += [fault for fault in faults if fault not in query.faults]


def _nodes(plan: Any) -> Iterator[Any]:
    yield plan
    for child in plan.get("Plans", []):
        yield from _nodes(child)


def _stops(node: Any) -> bool:
    """Never begun, or one that takes the first rows as they come, whichever they are."""
    first = "Filter" not in node and node.get("Actual Rows", MANY + 1) <= MANY
    return node.get("Actual Loops") == 0 or first


def _rows(node: Any) -> int:
    """How many rows a node looked at, those it threw away included; none where it was only planned."""
    if "Actual Rows" not in node:
        return 0
    thrown = sum(node.get(f"Rows Removed by {why}", 0) for why in ("Filter", "Index Recheck", "Join Filter"))
    return round((node["Actual Rows"] + thrown) * node["Actual Loops"])


def _told(node: Any) -> str:
    name = node.get("Index Name") or node.get("Relation Name") or ""
    return f"{node['Node Type']} {name}".strip()


def _where() -> str:
    """The innermost function of the product that asks."""
    frame = sys._getframe(3)
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith(str(ROOT)) and "/.venv/" not in name and "/tests/" not in name:
            return f"{name.removeprefix(str(ROOT) + '/')}:{frame.f_code.co_name.strip('<>')}"
        frame = frame.f_back  # type: ignore[assignment]
    return "Django"


def _big_tables() -> dict[str, int]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, reltuples::bigint FROM pg_class WHERE relkind = 'r' AND reltuples > 0"
        )
        return dict(cursor.fetchall())
