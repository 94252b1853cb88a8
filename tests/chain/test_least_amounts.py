"""A person decides from which amount on a token is money; the audit log names them."""

from importlib import import_module
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, migrations, transaction

from chain.services.networks import register_token
from core.models import AuditEntry


def change(token: Any, *words: str) -> str:
    out = StringIO()
    call_command("token_amounts", token.network.slug, token.symbol, *words, stdout=out)
    token.refresh_from_db()
    return out.getvalue()


def test_both_amounts_are_shown_changed_and_written_down(usdt: Any) -> None:
    assert (usdt.least_amount, usdt.least_surplus) == (
        10_000,
        1_000_000,
    )  # a hundredth, and the smallest escrow
    assert change(usdt) == "least_amount 10000 (0.01 USDT)\nleast_surplus 1000000 (1.00 USDT)\n"
    change(usdt, "--least-surplus=5000000", "--by=olga", "--reason=gas is dear here")
    assert (usdt.least_amount, usdt.least_surplus) == (10_000, 5_000_000)
    entry = AuditEntry.objects.get(action="token.least_amounts")
    assert (entry.actor_label, entry.data["least_surplus"]) == ("olga", "1000000 -> 5000000")
    for words in (
        ["--least-amount=0", "--by=olga", "--reason=why"],
        ["--least-amount=2000000", "--by=olga", "--reason=why"],  # above the smallest escrow
        ["--least-surplus=9999", "--by=olga", "--reason=why"],
        ["--least-amount=20000", "--reason=why"],
        ["--least-amount=20000", "--by=olga"],
    ):
        with pytest.raises(CommandError):
            change(usdt, *words)
    assert (usdt.least_amount, usdt.least_surplus) == (10_000, 5_000_000)


def test_the_least_amount_is_never_above_the_smallest_escrow(usdt: Any) -> None:
    token = register_token(usdt.network, "0x" + "12" * 20, "CENT", 6, 500)
    assert (token.least_amount, token.least_surplus) == (500, 500)


def test_a_database_that_has_tokens_can_be_migrated(transactional_db: None, usdt: Any) -> None:
    """Changed twice in one transaction, a row has its foreign keys checked at the end, and PostgreSQL alters
    no table before that."""
    module = import_module("chain.migrations.0004_least_amounts")
    (filling,) = (entry for entry in module.Migration.operations if isinstance(entry, migrations.RunSQL))
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(filling.sql)
        cursor.execute("ALTER TABLE chain_token ADD CONSTRAINT one_more CHECK (least_amount > 0)")
        transaction.set_rollback(True)
    usdt.refresh_from_db()
    assert (usdt.least_amount, usdt.least_surplus) == (10_000, 1_000_000)
