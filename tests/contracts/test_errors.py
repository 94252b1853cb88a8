"""A refusal is told by its name and in words, and nobody else's text passes for one of ours."""

import json
from pathlib import Path

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st

import contracts
from chain.rpc.errors import Reverted
from contracts import abi, gate
from contracts.errors import LONGEST, REFUSED, explain

SAMPLES = {
    "uint256": 250_000_000,
    "uint8": 3,
    "address": "0x" + "1a" * 20,
    "bytes32": b"\x01" * 32,
    "string": "long",
}
DECLARED = [
    (path.stem, item)
    for path in sorted((Path(contracts.__file__).parent / "artifacts").glob("*.json"))
    for item in json.loads(path.read_text())["abi"]
    if item["type"] == "error"
]


def data_of(signature: str, types: list[str] | None = None, values: list[object] | None = None) -> str:
    return "0x" + (keccak(text=signature)[:4] + encode(types or [], values or [])).hex()


@pytest.mark.parametrize(
    ("contract", "item"), DECLARED, ids=lambda part: part if isinstance(part, str) else part["name"]
)
def test_every_error_of_the_committed_contracts_is_named_with_its_arguments(
    contract: str, item: dict
) -> None:
    types = [abi.signature_type(part) for part in item["inputs"]]
    told = explain(data_of(abi.signature(item), types, [SAMPLES[kind] for kind in types]))
    assert told.startswith(f"{item['name']}(")
    assert all(str(SAMPLES[kind]) in told for kind in types if kind != "bytes32")


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (
            data_of("LeftChanged(uint256)", ["uint256"], [7]),
            "LeftChanged(7): another amount is left undecided",
        ),
        (data_of("BadTerms(uint8)", ["uint8"], [4]), "BadTerms(4): buyer and seller must be two different"),
        (data_of("BadTerms(uint8)", ["uint8"], [200]), "BadTerms(200)"),
        (data_of("AboveCap()"), "AboveCap(): it is above what the operator's key may decide alone"),
        (data_of("Error(string)", ["string"], ["Blacklistable: account"]), "“Blacklistable: account”"),
        (data_of("Error(string)", ["string"], ["a\x00b\n"]), "“a?b?”"),
        (data_of("Panic(uint256)", ["uint256"], [0x11]), "Panic(0x11): a number became too large"),
        (data_of("Nobody()"), "unknown error " + data_of("Nobody()")),
        (data_of("LeftChanged(uint256)")[:14], "unknown error 0x"),
        ("0x08c379a0ff", "unknown error 0x08c379a0ff"),
        ("0x", ""),
        ("", ""),
        ("reverted", "reverted"),
    ],
)
def test_what_is_told(data: str, told: str) -> None:
    assert explain(data).startswith(told) and bool(explain(data)) == bool(told)


@given(st.one_of(st.binary(max_size=400).map(lambda raw: "0x" + raw.hex()), st.text(max_size=80)))
def test_whatever_a_stranger_answers_is_told_in_one_printable_line(data: str) -> None:
    told = explain(data)
    assert len(told) <= LONGEST and told.isprintable()


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ("0x", "execution reverted"),
        (None, "execution reverted"),
        (7, "execution reverted"),
        ({"data": "0x"}, "execution reverted"),
        ({"data": data_of("TooLate()")}, "TooLate(): the time for it has passed on the chain"),
    ],
)
def test_a_bare_revert_shows_what_the_node_said(data: object, told: str) -> None:
    assert Reverted(3, "execution reverted", data).reason == told


def test_only_the_gates_own_error_asks_for_a_second_person() -> None:
    assert gate.is_above_cap(REFUSED + explain(data_of("AboveCap()")))
    words = ["AboveCap()", REFUSED + "AboveCap()", data_of("AboveCap()")]
    for text in words:
        assert not gate.is_above_cap(REFUSED + explain(data_of("Error(string)", ["string"], [text])))
