"""Hashes of evidence and rulings that anyone can compute again from what the pages show."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any


def canonical_hash(value: Any) -> str:
    """SHA-256 over JSON with sorted keys, no spaces and UTF-8 as it is: `0x` and 64 digits."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return "0x" + hashlib.sha256(text.encode()).hexdigest()


def evidence_item(*, role: str, text: str, files: Iterable[tuple[str, str]]) -> Mapping[str, Any]:
    """What the hash of one item covers; `files` are pairs of name and SHA-256, in the order sent."""
    return {"role": role, "text": text, "files": [{"name": name, "sha256": digest} for name, digest in files]}


def ruling_body(*, dispute: str, to_seller: int, to_buyer: int, reasons: str) -> Mapping[str, Any]:
    """What the hash of a ruling covers; amounts are base units as decimal strings."""
    return {
        "dispute": dispute,
        "to_seller": str(to_seller),
        "to_buyer": str(to_buyer),
        "reasons": reasons,
    }
