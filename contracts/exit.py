"""`python -m contracts.exit FILE` reads the terms file that both parties downloaded and prints what `cast`
needs: `export $(python -m contracts.exit terms.json)`.

It needs nothing but Python, so that the file and a wallet are enough to get the money. The README says what
to do with the variables: ESCROW, TOKEN, VAULT, ID, HOME_CHAIN, TERMS (the type of the terms), T (the terms).
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

TYPE = "(uint256,uint256,uint256,uint256,uint256,bytes32,bytes32)"


def words(terms: Mapping[str, Any]) -> str:
    """The seven words of every call as `cast` takes them: each is its fields side by side, highest first.
    Raises KeyError for a missing field, ValueError for one that does not fit."""
    packed = (
        _digits(terms, "amount", 24) + _address(terms, "token"),
        _digits(terms, "fee_bps", 4)
        + _digits(terms, "deliver_by", 10)
        + _digits(terms, "fund_by", 10)
        + _address(terms, "buyer"),
        _digits(terms, "inspection", 8) + _digits(terms, "home_chain_id", 16) + _address(terms, "seller"),
        "0" * 10
        + _digits(terms, "version", 2)
        + _digits(terms, "fallback_seller_bps", 4)
        + _digits(terms, "arbitration", 8)
        + _address(terms, "operator"),
        "0" * 24 + _address(terms, "fee_recipient"),
    )
    hashes = (terms["arbiters"], terms["deal_hash"])
    return f"({','.join([*('0x' + word for word in packed), *hashes])})"


def variables(file: Mapping[str, Any]) -> dict[str, str]:
    """What the commands of the README need. Raises KeyError or ValueError for what is not a terms file."""
    terms = file["terms"]
    return {
        "ESCROW": file["escrow_contract"],
        "TOKEN": terms["token"],
        "VAULT": file["vault_address"],
        "ID": file["chain_id_hash"],
        "HOME_CHAIN": str(terms["home_chain_id"]),
        "TERMS": TYPE,
        "T": words(terms),
    }


def _digits(terms: Mapping[str, Any], name: str, count: int) -> str:
    value = int(terms[name])
    if not 0 <= value < 16**count:
        raise ValueError(f"{name} does not fit")
    return f"{value:0{count}x}"


def _address(terms: Mapping[str, Any], name: str) -> str:
    address: str = terms[name].removeprefix("0x").lower()
    if len(address) != 40 or set(address) - set("0123456789abcdef"):
        raise ValueError(f"{name} is not an address")
    return address


def main(arguments: Sequence[str]) -> None:
    """Prints NAME=value lines."""
    if len(arguments) != 1:
        sys.exit("usage: python -m contracts.exit FILE")
    try:
        found = variables(json.loads(Path(arguments[0]).read_text()))
    except (OSError, KeyError, ValueError) as problem:
        sys.exit(f"{arguments[0]} is not a terms file: {problem!r}")
    sys.stdout.write("".join(f"{name}={value}\n" for name, value in found.items()))


if __name__ == "__main__":
    main(sys.argv[1:])
