"""F37: the database itself refuses states that no service could have written."""

from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from payments.models import Deal, Escrow, Order, PayoutLeg
from payments.states import DEAL, ESCROW, LEG, ORDER
from tests.chain.fixtures import USDT
from tests.payments.acts import release
from tests.payments.fixtures import Desk

TABLES = {Deal: DEAL, Escrow: ESCROW, PayoutLeg: LEG, Order: ORDER}


@pytest.fixture
def rows(desk: Desk) -> dict[Any, Any]:
    """One row of each kind, in the middle of its life or past it; another order is live."""
    escrow = desk.funded(250 * USDT)
    release(desk, escrow, 50 * USDT)
    desk.settle()
    release(desk, escrow, 100 * USDT)
    return {
        Deal: escrow.deal,
        Escrow: escrow,
        PayoutLeg: escrow.legs.get(kind="release", state="paid"),
        Order: escrow.orders.get(state="done"),
    }


def refused(change: Any) -> None:
    with pytest.raises(DatabaseError, match="may not"), transaction.atomic():
        change()


def sql(statement: str, *values: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


def test_f37_an_edge_that_the_table_does_not_have_is_refused_for_update_and_raw_sql(
    rows: dict[Any, Any],
) -> None:
    """F37: see `rules_off` for the rule that is switched off."""
    for model, row in rows.items():
        table, now = TABLES[model], model.objects.values_list("state", flat=True).get(pk=row.pk)
        for target in sorted(table.states - set(table.edges[now]) - {now}):
            refused(lambda model=model, row=row, to=target: model.objects.filter(pk=row.pk).update(state=to))
        target = sorted(table.states - set(table.edges[now]) - {now})[0]
        name = model._meta.db_table
        refused(
            lambda name=name, to=target, row=row: sql(
                f"UPDATE {name} SET state = %s WHERE id = %s", to, row.pk
            )
        )


def test_f37_a_row_is_not_born_in_a_later_state(rows: dict[Any, Any]) -> None:
    """F37: see `rules_off` for the rule that is switched off."""
    for model, row in rows.items():
        table, name = TABLES[model], model._meta.db_table
        later = sorted(table.states - table.initial)
        assert later
        names = {field.column for field in model._meta.concrete_fields} - {"id", "state"}
        columns = ", ".join(f'"{column}"' for column in sorted(names))
        for state in later:
            refused(
                lambda name=name, state=state, row=row, columns=columns: sql(
                    f"INSERT INTO {name} (id, state, {columns}) "
                    f"SELECT 'x', %s, {columns} FROM {name} WHERE id = %s",
                    state,
                    row.pk,
                )
            )


def test_f37_nothing_with_a_state_is_ever_deleted(rows: dict[Any, Any]) -> None:
    """F37: see `rules_off` for the rule that is switched off."""
    for model, row in rows.items():
        name = model._meta.db_table
        for statement in (f"DELETE FROM {name} WHERE id = '{row.pk}'", f"TRUNCATE {name} CASCADE"):
            with pytest.raises(DatabaseError), transaction.atomic():
                sql(statement)
        assert model.objects.filter(pk=row.pk).exists()


def test_a_state_is_not_assigned_past_its_transition(rows: dict[Any, Any]) -> None:
    for row in rows.values():
        with pytest.raises(AttributeError):
            row.state = "released"


def test_every_state_is_reached_and_terminal_states_have_no_way_out() -> None:
    for table in TABLES.values():
        reached = set(table.initial).union(*table.edges.values())
        assert reached == set(table.states)
    assert ESCROW.terminal == {"released", "refunded", "settled"}
    assert DEAL.terminal == {"completed", "cancelled"}
    assert LEG.terminal == {"paid", "superseded"}


def test_a_leg_never_goes_back_to_waiting() -> None:
    assert "ordered" not in LEG.edges["paid"] | LEG.edges["blocked"]
    assert "planned" not in set().union(*LEG.edges.values())


def test_from_every_state_that_is_not_over_the_chains_decision_wins() -> None:
    """Rule 0."""
    open_states = ESCROW.states - ESCROW.terminal - {"planned"}
    for state in open_states:
        assert {"released", "refunded", "settled"} <= ESCROW.edges[state], state
    for state in open_states - {"disputed", "settling"}:
        assert "disputed" in ESCROW.edges[state], state


def test_two_deciding_orders_are_never_live_at_once_in_the_table(rows: dict[Any, Any]) -> None:
    order = rows[Order]
    with pytest.raises(DatabaseError, match="one_live_deciding_order"), transaction.atomic():
        Order.objects.create(
            escrow_id=order.escrow_id,
            kind="rule",
            reason="second",
            actor_kind="x",
            actor_id="x",
            created=order.created,
        )
