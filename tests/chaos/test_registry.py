"""The list of failure tests is complete, and the switched-off rules still fit the code."""

import ast
import subprocess
import sys
from collections import Counter

import pytest

from tests.chain.helpers import ROOT
from tests.chaos import registry, rules_off

# What would take a test out without a word.
TAKES_OUT = {"skip", "skipif", "xfail", "importorskip"}


@pytest.fixture(scope="module")
def collected() -> list[str]:
    """The node ids that `-m chaos` selects."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-m", "chaos", "tests"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return [line for line in done.stdout.splitlines() if "::" in line]


def test_every_failure_test_of_the_list_is_collected(collected: list[str]) -> None:
    found = Counter(number for node in collected for number in registry.numbers(node.split("::")[-1]))
    assert sorted(registry.TITLES) == list(range(1, 47))
    assert set(found) == set(registry.TITLES), set(registry.TITLES) ^ set(found)


def test_no_failure_test_is_taken_out(collected: list[str]) -> None:
    for file in sorted({node.split("::")[0] for node in collected}):
        names = {
            node.attr if isinstance(node, ast.Attribute) else node.id
            for node in ast.walk(ast.parse((ROOT / file).read_text()))
            if isinstance(node, ast.Attribute | ast.Name)
        }
        assert not names & TAKES_OUT, file


def test_each_number_has_a_rule_to_switch_off_and_each_still_fits_the_code(collected: list[str]) -> None:
    """Red when a rule's line was changed and its entry was not."""
    known = {node.split("[")[0] for node in collected} | set(collected)
    assert {rule.number for rule in rules_off.RULES} == set(registry.TITLES)
    for rule in rules_off.RULES:
        assert rule.number in registry.numbers(rule.test.split("::")[1]), rule
        assert rule.test in known, f"F{rule.number} names a test that is not there: {rule.test}"
        assert rules_off.applied((ROOT / rule.file).read_text(), rule) != "", rule
