"""A state machine's table: one place that the FSM methods, the database guard and the docs read."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pgtrigger


@dataclass(frozen=True)
class StateTable:
    """`edges` maps a state to the states it may go to; `initial` are the states a row may be born in."""

    initial: frozenset[str]
    edges: Mapping[str, frozenset[str]]

    @classmethod
    def of(cls, initial: Iterable[str], edges: Mapping[str, Iterable[str]]) -> "StateTable":
        return cls(frozenset(initial), {source: frozenset(targets) for source, targets in edges.items()})

    @property
    def states(self) -> frozenset[str]:
        return frozenset(self.edges) | self.initial | frozenset().union(*self.edges.values())

    @property
    def terminal(self) -> frozenset[str]:
        return frozenset(state for state in self.states if not self.edges.get(state))

    def sources(self, target: str) -> list[str]:
        """Every state from which `target` may be reached in one step."""
        return sorted(source for source, targets in self.edges.items() if target in targets)


def _quoted(values: Iterable[str]) -> str:
    return ", ".join(f"'{value}'" for value in sorted(values))


def state_guards(table: StateTable, column: str = "state") -> list[pgtrigger.Trigger]:
    """Triggers that refuse a birth in a later state and any edge the table does not have.

    They hold for `QuerySet.update`, raw SQL and psql alike; `pgtrigger.FSM` alone sees no INSERT.
    """
    pairs = ", ".join(
        f"('{source}', '{target}')"
        for source in sorted(table.edges)
        for target in sorted(table.edges[source])
    )
    return [
        pgtrigger.Trigger(
            name=f"{column}_birth",
            when=pgtrigger.Before,
            operation=pgtrigger.Insert,
            func=f"""
                IF NEW.{column} NOT IN ({_quoted(table.initial)}) THEN
                    RAISE EXCEPTION 'a % row may not be born in state %', TG_TABLE_NAME, NEW.{column}
                        USING ERRCODE = 'check_violation';
                END IF;
                RETURN NEW;
            """,
        ),
        pgtrigger.Trigger(
            name=f"{column}_edge",
            when=pgtrigger.Before,
            operation=pgtrigger.Update,
            func=f"""
                IF NEW.{column} IS DISTINCT FROM OLD.{column}
                   AND (OLD.{column}, NEW.{column}) NOT IN ({pairs}) THEN
                    RAISE EXCEPTION 'a % row may not go from % to %',
                        TG_TABLE_NAME, OLD.{column}, NEW.{column} USING ERRCODE = 'check_violation';
                END IF;
                RETURN NEW;
            """,
        ),
        *never_deleted(),
    ]


def never_deleted() -> list[pgtrigger.Trigger]:
    """Rows stay for good: DELETE and TRUNCATE are refused by the database."""
    return [
        pgtrigger.Protect(name="no_delete", operation=pgtrigger.Delete),
        pgtrigger.Trigger(
            name="no_truncate",
            operation=pgtrigger.Truncate,
            level=pgtrigger.Statement,
            when=pgtrigger.Before,
            func="RAISE EXCEPTION 'rows of % are never deleted', TG_TABLE_NAME;",
        ),
    ]


def append_only() -> list[pgtrigger.Trigger]:
    """Rows are written once: UPDATE, DELETE and TRUNCATE are refused by the database."""
    return [pgtrigger.Protect(name="no_update", operation=pgtrigger.Update), *never_deleted()]
