"""A person moves the caps of a network: the next signature follows, and the audit log names them."""

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from chain.models import Network
from core.models import AuditEntry


def change(network: Network, *words: str) -> str:
    out = StringIO()
    call_command("network_fees", network.slug, *words, stdout=out)
    network.refresh_from_db()
    return out.getvalue()


def test_without_a_change_it_shows_what_is_in_force(local_network: Any) -> None:
    assert f"cost_cap {local_network.cost_cap}" in change(local_network)
    assert not AuditEntry.objects.filter(action="network.fees").exists()


def test_a_cap_is_raised_and_the_audit_log_says_from_what_to_what(local_network: Any) -> None:
    before = local_network.cost_cap
    change(local_network, f"--cost-cap={before + 1}", "--by=olga", "--reason=fees are high today")
    assert local_network.cost_cap == before + 1
    entry = AuditEntry.objects.get(action="network.fees")
    assert entry.data["cost_cap"] == f"{before} -> {before + 1}"
    assert (entry.actor_label, entry.data["reason"]) == ("olga", "fees are high today")


@pytest.mark.parametrize(
    "words",
    [
        ["--cost-cap=0", "--by=olga", "--reason=why"],
        ["--cost-cap=-1", "--by=olga", "--reason=why"],
        ["--max-attempts=5000000000", "--by=olga", "--reason=why"],
        ["--tip-ceiling=1", "--tip-floor=2", "--by=olga", "--reason=why"],
        ["--max-fee-cap=1", "--by=olga", "--reason=why"],
        ["--cost-cap=5", "--reason=why"],
        ["--cost-cap=5", "--by=olga"],
    ],
)
def test_what_is_no_policy_changes_nothing(local_network: Any, words: list[str]) -> None:
    before = local_network.cost_cap
    with pytest.raises(CommandError):
        change(local_network, *words)
    assert local_network.cost_cap == before
    assert not AuditEntry.objects.filter(action="network.fees").exists()


def test_a_network_that_is_not_there_is_said(transactional_db: None) -> None:
    with pytest.raises(CommandError, match="no such network"):
        call_command("network_fees", "nowhere")
