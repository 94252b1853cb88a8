"""What was measured, for readers: beside the targets, beside others, and beside what was committed before."""

from collections.abc import Mapping
from typing import Any

TARGETS: dict[str, int] = {
    "happy": 190_000,
    "happy_gate": 200_000,
    "delivered": 250_000,
    "batch20": 158_000,
    "batch20_warm": 137_000,
    "raise": 67_500,
    "dispute": 254_500,
    "split": 284_500,
    "timeout_buyer": 171_000,
    "timeout_seller": 252_500,
    "settle": 213_500,
    "rescue": 71_000,
}
"""Measured gas must not exceed these."""

ANCHORS: dict[str, int] = {
    "floor": 121_390,
    "token_transfer_empty": 63_197,
    "token_transfer_holder": 46_109,
    "token_approve": 48_561,
    "token_transfer_from": 64_000,
}
"""What the same calls cost on mainnet USDT: the test token must be close, or nothing here means anything."""

NEAR = 0.01
"""How far the test token may be from mainnet's, and a path above what was committed."""

OTHERS: tuple[tuple[str, int | None, int | None, int | None], ...] = (
    ("two plain transfers through a fresh address (floor)", 121_390, None, None),
    ("prototype of this shape, caller = operator key or party", 187_752, 252_101, 282_208),
    ("LocalCoinSwap V2: one arbiter, no raise, no timeouts", 229_624, 215_437, 245_823),
    ("Coinbase commerce-payments, Permit2 (operator voids)", 220_666, 268_881, 355_404),
    ("Coinbase commerce-payments, pre-approval", 288_450, 268_881, 355_404),
    ("Kleros escrow v2 (court gas excluded)", 305_784, 707_243, 398_136),
    ("Circle RefundProtocol (reverts on real USDT)", 330_698, 307_901, None),
    ("Unicrow", 482_666, 575_143, 607_646),
    ("SmartInvoice", 591_761, 621_455, 649_183),
)
"""gasUsed from receipts, on real TetherToken code with its mainnet settings: the happy path with its funding,
a dispute that ends with all to the buyer, one that ends half and half."""

MEANINGS: dict[str, str] = {
    "happy": "deposit, release by the operator's key or the buyer",
    "happy_gate": "the same through the gate",
    "delivered": "deposit, mark, release",
    "batch20": "20 released together through the gate, each; fresh sellers",
    "batch20_warm": "the same, one seller who holds USDT",
    "batch20_holders": "the same, 20 sellers who hold USDT",
    "raise": "opening a dispute, alone",
    "dispute": "deposit, dispute, 2 of 3 rule all to the buyer",
    "split": "deposit, dispute, 2 of 3 rule half and half",
    "timeout_buyer": "deposit, deliver-by passes, anyone claims",
    "timeout_seller": "deposit, mark, inspection passes, anyone claims",
    "settle": "deposit, half and half by two signatures",
    "rescue": "a late deposit goes back, alone",
    "floor": "two plain transfers through a fresh address",
    "token_transfer_empty": "transfer to somebody who holds none",
    "token_transfer_holder": "transfer to a holder",
    "token_approve": "a first approve",
    "token_transfer_from": "transferFrom of all that was approved, to somebody who holds none",
}

Rows = Mapping[str, Mapping[str, int | None]]


def report(rows: Rows) -> str:
    """Three tables in Markdown: paths beside targets, beside others, and the token beside mainnet's."""
    return "\n\n".join((_paths(rows), _others(rows), _token(rows)))


def over(rows: Rows) -> list[str]:
    """The paths above their targets."""
    return [key for key, target in TARGETS.items() if (rows[key]["gas"] or 0) > target]


def far(rows: Rows) -> list[str]:
    """What of the token costs more than one in a hundred off mainnet's."""
    return [key for key, anchor in ANCHORS.items() if abs((rows[key]["gas"] or 0) - anchor) > anchor * NEAR]


def changes(before: Rows, now: Rows) -> list[str]:
    """A line for whatever is not as it was."""
    lines = []
    for key in [*now, *(key for key in before if key not in now)]:
        was, gas = (rows.get(key, {}).get("gas") for rows in (before, now))
        if was and gas and was != gas:
            lines.append(f"{key}: {was:,} -> {gas:,} ({(gas - was) / was:+.2%})")
        elif was != gas:
            lines.append(f"{key}: {was or 'not there'} -> {gas or 'not there'}")
    return lines


def regressions(before: Rows, now: Rows) -> list[str]:
    """The paths that cost more than one in a hundred more than what was committed, or were given up."""
    worse = []
    for key, row in before.items():
        was, gas = row["gas"], now.get(key, {}).get("gas")
        if was and (gas is None or gas > was * (1 + NEAR)):
            worse.append(key)
    return worse


def _paths(rows: Rows) -> str:
    lines = ["| path | key | gas | target | |", "| --- | --- | ---: | ---: | --- |"]
    for key in (key for key in rows if key not in ANCHORS):
        gas, target = rows[key]["gas"] or 0, TARGETS.get(key)
        verdict = "" if target is None else "OVER" if gas > target else f"{target - gas:,} below"
        lines.append(f"| {MEANINGS[key]} | `{key}` | {gas:,} | {_number(target)} | {verdict} |")
    return "\n".join(lines)


def _others(rows: Rows) -> str:
    lines = ["| with the deposit | happy path | dispute, all to the buyer | 50/50 |"]
    lines.append("| --- | ---: | ---: | ---: |")
    happy, dispute, split, gate, floor = (
        rows[key]["gas"] for key in ("happy", "dispute", "split", "happy_gate", "floor")
    )
    ours = (
        ("the same, on the test token", floor, None, None),
        ("**this, caller = operator key or party**", happy, dispute, split),
        ("**this, through the gate**", gate, None, None),
    )
    for name, *numbers in (OTHERS[0], *ours, *OTHERS[1:]):
        lines.append(f"| {name} | {' | '.join(map(_number, numbers))} |")
    return "\n".join(lines)


def _token(rows: Rows) -> str:
    lines = ["| token | test USDT | mainnet USDT | |", "| --- | ---: | ---: | ---: |"]
    for key, anchor in ANCHORS.items():
        gas = rows[key]["gas"] or 0
        lines.append(f"| {MEANINGS[key]} | {gas:,} | {anchor:,} | {(gas - anchor) / anchor:+.2%} |")
    return "\n".join(lines)


def _number(value: Any) -> str:
    return "" if value is None else f"{value:,}"
