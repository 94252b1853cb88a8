"""What a soak says at its end, on the terminal and in docs/results."""

import json
import subprocess
from collections import Counter
from datetime import UTC, datetime
from typing import Any

from tests.chain.helpers import ROOT
from tests.soak import gather
from tests.soak.checks import Verdict
from tests.soak.driver import Soak

FOLDER = ROOT / "docs" / "results"


def facts(soak: Soak, verdict: Verdict, commit: str, seconds: float) -> dict[str, Any]:
    """Numbers of one run, ready for JSON."""
    plan, tally = soak.plan, soak.world.tally
    planned = Counter(fault.kind for fault in plan.faults)
    return {
        "commit": commit,
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "seed": plan.seed,
        "plan": plan.digest(),
        "lives": len(plan.lives),
        "lives_by_kind": dict(sorted(Counter(life.kind for life in plan.lives).items())),
        "lives_by_outcome": dict(sorted(Counter(soak.outcomes().values()).items())),
        "faults": {
            kind: {"planned": planned[kind], "seen": seen} for kind, seen in soak.faults.fired().items()
        },
        "duplicate_tasks_sent": sum(len(burst.ids) for burst in soak.faults.bursts),
        "transactions_orphaned": soak.faults.orphaned,
        "payments_sent_again": soak.world.wallets.again,
        "clicks_repeated": tally.retried,
        "requests_without_answer": tally.unanswered,
        "answers_replayed": tally.replayed,
        "blocks": soak.stage.miner.blocks,
        "noticed": gather.seen_by_product(),
        "lost": len(verdict.lost),
        "doubled": len(verdict.doubled),
        "different": len(verdict.different),
        "wrong": verdict.sentences,
        "seconds": round(seconds),
    }


def words(told: dict[str, Any]) -> str:
    """The same as Markdown."""
    verdict = "Nothing was wrong." if not told["wrong"] else "**Wrong:**\n\n" + _list(told["wrong"])
    faults = [(kind, one["planned"], one["seen"]) for kind, one in told["faults"].items()]
    outcomes = [*told["lives_by_outcome"].items()]
    return f"""# Soak

{told["lives"]} lives, seed {told["seed"]}, plan {told["plan"]}: \
**lost {told["lost"]}, doubled {told["doubled"]}, difference {told["different"]}**. \
{_minutes(told["seconds"])}. Commit {told["commit"]}, {told["date"]}.

{verdict}

| outcome | lives |
| --- | --- |
{_rows(outcomes)}

Planned as {", ".join(f"{count} {kind}" for kind, count in told["lives_by_kind"].items())}.

| fault | planned | effect seen |
| --- | --- | --- |
{_rows(faults)}

{told["blocks"]} blocks; reorgs took {told["transactions_orphaned"]} transactions out of theirs, the \
product noticed {told["noticed"]["reorgs"]} reorgs; wallets \
sent {told["payments_sent_again"]} payments again; people and the partner repeated \
{told["clicks_repeated"]} clicks; {told["requests_without_answer"]} requests got no answer; \
{told["answers_replayed"]} were answered from the idempotency records; {told["duplicate_tasks_sent"]} tasks \
were sent as duplicates.

A fault counts when its effect was seen: the process died of it, the server recovered from its log, the \
block at that height became another, the proxy changed an answer, the copies of a task ran. The judgement \
reads the token's Transfer logs from the node, and compares them with the plan, the legs and the books, \
unit by unit.
"""


def write(told: dict[str, Any]) -> None:
    """Keep it in docs/results."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "soak.json").write_text(json.dumps(told, indent=1) + "\n")
    (FOLDER / "soak.md").write_text(words(told))


def _rows(rows: list[tuple[Any, ...]]) -> str:
    return "\n".join(f"| {' | '.join(str(cell) for cell in row)} |" for row in rows)


def _list(sentences: list[str]) -> str:
    return "\n".join(f"- {sentence}" for sentence in sentences[:100])


def _minutes(seconds: int) -> str:
    return f"{seconds // 60} min {seconds % 60} s"


def current_commit() -> str:
    """Ask before the soak begins: the tree may move on while it plays."""
    found = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return found.stdout.strip() or "unknown"
