"""A person decides from which amount on a token is money; the audit log names them."""

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

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
