"""Opaque prefixed ids (`deal_…`, `esc_…`): ordered by creation time, unguessable, safe in URLs."""

import secrets
import time

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford base 32, lower case
_LENGTH = 26  # 130 bits: 48 of milliseconds, 80 of chance, 2 spare


def new_id(prefix: str) -> str:
    """`prefix_` and 26 characters: 48 bits of time, then 80 random bits."""
    number = (time.time_ns() // 1_000_000) << 80 | secrets.randbits(80)
    characters = [_ALPHABET[(number >> (5 * place)) & 31] for place in range(_LENGTH)]
    return f"{prefix}_{''.join(reversed(characters))}"
