"""What people paste where an EVM address is asked: understood, or told apart in a sentence.

Understood are the bare address (with or without `0x`, with spaces and invisible characters in it, as copied
from groups of four), ERC-3770 (`eth:0x…`), EIP-681 without a function (`ethereum:0x…@1`) and CAIP-10
(`eip155:1:0x…`), as long as they name the expected chain or none.
"""

import re
import unicodedata
from typing import NoReturn

from eth_utils.address import to_checksum_address

from core.errors import FieldError, Invalid

LONGEST = 300
"""Characters that are looked at; nothing that can be meant is longer."""

_CHAINS = {
    1: "Ethereum", 10: "Optimism", 56: "BNB Smart Chain", 100: "Gnosis", 130: "Unichain", 137: "Polygon",
    250: "Fantom", 8453: "Base", 42161: "Arbitrum One", 42220: "Celo", 43114: "Avalanche", 59144: "Linea",
    534352: "Scroll", 11155111: "Sepolia",
}  # fmt: skip
# ERC-3770: the short names of the list at chainid.network, and what wallets write instead.
_SHORT_NAMES = {
    "eth": 1, "oeth": 10, "bnb": 56, "bsc": 56, "gno": 100, "unichain": 130, "matic": 137, "pol": 137,
    "polygon": 137, "ftm": 250, "base": 8453, "arb1": 42161, "arbitrum": 42161, "celo": 42220, "avax": 43114,
    "linea": 59144, "scr": 534352, "sep": 11155111,
}  # fmt: skip

_HEX = re.compile(r"[0-9a-fA-F]+\Z")
_BARE = re.compile(r"0x[0-9a-fA-F]{40}\Z")
_BASE58 = "[1-9A-HJ-NP-Za-km-z]"
_TRON = re.compile(rf"T{_BASE58}{{33}}\Z")
_BITCOIN = re.compile(rf"(?i:(bc1|tb1|bcrt1)[a-z0-9]{{11,87}})\Z|[123mn]{_BASE58}{{25,34}}\Z")
_TON = re.compile(r"[EUk0]Q[0-9A-Za-z_-]{46}\Z")
_SOLANA = re.compile(rf"{_BASE58}{{32,44}}\Z")
_NAME = re.compile(r"[^\s:/@.]+(\.[^\s:/@.]+)+\Z")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+-]{0,31}):(.*)\Z")
# EIP-681: an optional `pay-`, the target, an optional chain id, an optional function, optional parameters.
_REQUEST = re.compile(r"(?:pay-)?([^@/?]*)(?:@([^/?]*))?(/[^?]*)?(?:\?(.*))?\Z")

_COPY = "Copy the address alone: 0x and 40 hexadecimal digits."


def parse(text: str, *, chain_id: int, pointer: str = "/address") -> str:
    """The address with its checksum. Raises `Invalid` (a code that starts with `address_`) with a sentence
    that says what was pasted instead; `pointer` is where the input stands in the request."""
    try:
        return _read(text, chain_id)
    except _Refused as refused:
        raise Invalid(
            refused.code, refused.message, [FieldError(pointer, refused.code, refused.message)]
        ) from None


def parse_bare(text: str, *, chain_id: int, pointer: str = "/address") -> str:
    """For programs: the bare form and nothing else is taken; what else it is, is still said."""
    if _BARE.match(text):
        return parse(text, chain_id=chain_id, pointer=pointer)
    try:
        _read(text, chain_id)
    except _Refused as refused:
        code, message = refused.code, refused.message
    else:
        code, message = "address_malformed", f"This holds more than an address. Send {_COPY[17:]}"
    raise Invalid(code, message, [FieldError(pointer, code, message)])


class _Refused(Exception):
    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = f"address_{code}", message


def _read(text: str, chain_id: int) -> str:
    if len(text) > LONGEST:
        _refuse("malformed", f"That is far longer than an address. {_COPY}")
    found = _visible(text)
    if not found:
        _refuse("missing", "Give the address where your money goes.")
    if match := _SCHEME.match(found):
        found = _of_scheme(match[1].lower(), match[2], chain_id)
    digits = found[2:] if found[:2] in ("0x", "0X") else found
    if len(digits) != 40 or not _HEX.match(digits):
        _refuse(*_what_it_is(found, digits))
    address = str(to_checksum_address("0x" + digits))
    if digits not in (digits.lower(), digits.upper(), address[2:]):
        _refuse("checksum", "One character of this address is wrong, or more: copy it again.")
    return address


def _visible(text: str) -> str:
    """Without white space, invisible characters and the quotes or brackets around it."""
    kept = "".join(c for c in text if not c.isspace() and unicodedata.category(c) not in ("Cc", "Cf", "Cn"))
    return kept.strip("\"'`<>()[]{}“”‘’«»,;")


def _of_scheme(scheme: str, rest: str, chain_id: int) -> str:
    """What stands behind `scheme:`, if it can be an address on this chain."""
    if scheme in ("http", "https"):
        _refuse("link", f"That is a link to a page. {_COPY}")
    if scheme == "eip155":
        named, _, rest = rest.partition(":")
        _expect(named, chain_id)
        return rest
    if scheme == "ethereum":
        return _of_request(rest, chain_id)
    if scheme in _SHORT_NAMES:
        _expect(str(_SHORT_NAMES[scheme]), chain_id)
        return rest
    raise _Refused(*_OTHER_SCHEMES.get(scheme, ("malformed", f"“{scheme}:” is not known here. {_COPY}")))


def _of_request(rest: str, chain_id: int) -> str:
    match = _REQUEST.match(rest)
    if match is None:
        _refuse("malformed", f"This payment link cannot be read. {_COPY}")
    target, named, function, _ = match.groups()
    if function:
        _refuse("payment_link", f"That is a link for paying with a contract, not an address. {_COPY}")
    if named is not None:
        _expect(named, chain_id)
    return str(target)


def _expect(named: str, chain_id: int) -> None:
    if not (named.isascii() and named.isdigit() and len(named) <= 20):
        _refuse("malformed", f"The chain in this address cannot be read. {_COPY}")
    if int(named) != chain_id:
        where = _CHAINS.get(int(named), f"the chain {int(named)}")
        _refuse(
            "other_network",
            f"This was copied as an address on {where}, but this deal is on another network. If your wallet "
            "has the same address there, paste it without what stands before 0x.",
        )


_NAME_KIND = (
    "name",
    "That is a name, not an address. Where a name leads can change, and the terms cannot: open your wallet "
    "and copy the address itself, 0x and 40 hexadecimal digits.",
)
_TRON_KIND = (
    "tron",
    "That is a Tron address. Tron is not supported: give an EVM address, which starts with 0x.",
)
_BITCOIN_KIND = ("bitcoin", "That is a Bitcoin address. Give an EVM address, which starts with 0x.")
_SOLANA_KIND = ("solana", "That looks like a Solana address. Give an EVM address, which starts with 0x.")
_TON_KIND = ("ton", "That is a TON address. Give an EVM address, which starts with 0x.")
_HASH_KIND = (
    "is_hash",
    "That has 64 hexadecimal digits: the hash of a transaction, not an address, which has 40. If it is a "
    "private key, never paste it anywhere.",
)
_EMAIL_KIND = (
    "email",
    "That is an e-mail address. Give the address of a wallet: 0x and 40 hexadecimal digits.",
)


_OTHER_SCHEMES = {
    "tron": _TRON_KIND,
    "bitcoin": _BITCOIN_KIND,
    "bip122": _BITCOIN_KIND,
    "solana": _SOLANA_KIND,
}
_KINDS = (
    (_TRON, _TRON_KIND),
    (_BITCOIN, _BITCOIN_KIND),
    (_TON, _TON_KIND),
    (_NAME, _NAME_KIND),
    (re.compile(r".*@"), _EMAIL_KIND),
    (_SOLANA, _SOLANA_KIND),
)


def _what_it_is(found: str, digits: str) -> tuple[str, str]:
    """Code and sentence for what is no EVM address."""
    if _HEX.match(digits):
        return _by_length(len(digits), tron=found is digits and digits.startswith("41"))
    for pattern, kind in _KINDS:
        if pattern.match(found):
            return kind
    strange = next((c for c in digits if not _HEX.match(c)), "")
    if found is not digits and strange and strange.isprintable():
        name = unicodedata.name(strange, "unknown").lower()
        return "malformed", f"That is not an EVM address: “{strange}” ({name}) is no hexadecimal digit."
    return "malformed", f"That is not an EVM address. {_COPY}"


def _by_length(count: int, *, tron: bool) -> tuple[str, str]:
    if count == 64:
        return _HASH_KIND
    if count == 42 and tron:
        return _TRON_KIND
    return "malformed", f"That is not an EVM address: it has {count} hexadecimal digits instead of 40."


def _refuse(code: str, message: str) -> NoReturn:
    raise _Refused(code, message)
