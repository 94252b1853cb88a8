"""What people paste for an address: understood where only one thing can be meant, else told apart."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.addresses import LONGEST, parse, parse_bare
from core.errors import Invalid

PLAIN = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
GROUPS = " ".join(PLAIN[place : place + 4] for place in range(0, 42, 4))
HASH = "9f" * 32


@pytest.mark.parametrize(
    "pasted",
    [
        PLAIN,
        PLAIN.lower(),
        "0x" + PLAIN[2:].upper(),
        "0X" + PLAIN[2:].upper(),
        PLAIN[2:],
        PLAIN[2:].lower(),
        f"  {PLAIN}\n",
        f"\u200b{PLAIN}\ufeff",
        PLAIN[:9] + "\u200b\u2060" + PLAIN[9:],
        "\u202a" + PLAIN + "\u202c",
        GROUPS,
        GROUPS.replace(" ", "\u00a0"),
        f"“{PLAIN}”",
        f"<{PLAIN}>,",
        f"ethereum:{PLAIN}",
        f"ETHEREUM:{PLAIN}@42161",
        f"ethereum:pay-{PLAIN}@42161?value=1e18",
        f"arb1:{PLAIN}",
        f"eip155:42161:{PLAIN}",
        f"eip155:42161:{PLAIN.lower()}",
    ],
)
def test_what_can_only_mean_one_address_is_that_address(pasted: str) -> None:
    assert parse(pasted, chain_id=42161) == PLAIN


@pytest.mark.parametrize(
    ("pasted", "code", "words"),
    [
        ("", "missing", "Give the address"),
        (" \u200b\u202e ", "missing", "Give the address"),
        (PLAIN[:-1], "malformed", "39 hexadecimal digits"),
        (PLAIN + "0", "malformed", "41 hexadecimal digits"),
        (f"{PLAIN} {PLAIN}", "malformed", "not an EVM address"),
        (PLAIN.replace("5aA", "5aa"), "checksum", "character"),
        (PLAIN[2:].replace("5aA", "5aa"), "checksum", "character"),
        (f"eth:{PLAIN.replace('5aA', '5aa')}", "other_network", "Ethereum"),
        (PLAIN[:12] + "\u0430" + PLAIN[13:], "malformed", "cyrillic small letter a"),
        (PLAIN[:12] + "O" + PLAIN[13:], "malformed", "“O”"),
        (f"eth:{PLAIN}", "other_network", "on Ethereum"),
        (f"eip155:137:{PLAIN}", "other_network", "on Polygon"),
        (f"ethereum:{PLAIN}@999999", "other_network", "the chain 999999"),
        (f"ethereum:{PLAIN}@", "malformed", "chain"),
        (f"ethereum:{PLAIN}@0x1", "malformed", "chain"),
        (f"ethereum:{PLAIN}/transfer?address={PLAIN}&uint256=1", "payment_link", "contract"),
        ("ethereum:someone.eth", "name", "name"),
        ("someone.eth", "name", "Where a name leads can change"),
        ("pay.someone.box", "name", "name"),
        ("someone@example.org", "email", "e-mail"),
        ("TJRabPrwbZy45sbavfcjinPJC18kjpRTv8", "tron", "Tron is not supported"),
        ("41" + "ab" * 20, "tron", "Tron"),
        ("tron:TJRabPrwbZy45sbavfcjinPJC18kjpRTv8", "tron", "Tron"),
        ("1BoatSLRHtKNngkdXEeobR76b53LETtpyT", "bitcoin", "Bitcoin"),
        ("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "bitcoin", "Bitcoin"),
        ("bitcoin:bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "bitcoin", "Bitcoin"),
        ("4Nd1mYvPZ6oJ5Wv1cXvZ8Tj1dQYp7Gq3yqS1a2b3c4d5", "solana", "Solana"),
        ("EQ" + "Ab3_" * 11 + "-x", "ton", "TON"),
        ("0x" + HASH, "is_hash", "transaction"),
        (HASH, "is_hash", "private key"),
        (f"https://etherscan.io/address/{PLAIN}", "link", "link"),
        (f"nostr:{PLAIN}", "malformed", "“nostr:”"),
        ("my wallet", "malformed", "not an EVM address"),
        ("0x" * 400, "malformed", "far longer"),
    ],
)
def test_what_is_no_address_of_this_network_is_called_by_its_name(pasted: str, code: str, words: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse(pasted, chain_id=42161, pointer="/own_address")
    assert (refused.value.code, refused.value.errors[0].pointer) == (f"address_{code}", "/own_address")
    assert words in refused.value.message


def test_a_program_sends_the_bare_form_and_is_told_what_else_it_sent() -> None:
    assert parse_bare(PLAIN.lower(), chain_id=1) == PLAIN
    for pasted in (PLAIN[2:], f" {PLAIN}", f"\u200b{PLAIN}", f"ethereum:{PLAIN}", PLAIN.replace("0x", "0X")):
        with pytest.raises(Invalid) as refused:
            parse_bare(pasted, chain_id=1)
        assert refused.value.code == "address_malformed"
    for pasted, code in (
        ("someone.eth", "name"),
        ("0x" + HASH, "is_hash"),
        (PLAIN.replace("5aA", "5aa"), "checksum"),
    ):
        with pytest.raises(Invalid) as refused:
            parse_bare(pasted, chain_id=1)
        assert refused.value.code == f"address_{code}"


_PIECES = st.sampled_from(
    [
        "0x",
        "0X",
        PLAIN,
        PLAIN[2:],
        "ethereum:",
        "eip155:",
        "eth:",
        ":",
        "@",
        "1",
        "42161",
        "/",
        "?",
        ".",
        "T",
        "\u200b",
    ]
)


@settings(max_examples=60)
@given(st.one_of(st.text(max_size=LONGEST + 5), st.lists(_PIECES, max_size=8).map("".join)))
@example("eip155:²:" + PLAIN)
@example("ethereum:" + PLAIN + "@" + "9" * 250)
def test_anything_at_all_is_an_address_with_its_checksum_or_a_sentence(pasted: str) -> None:
    """And what is taken is the address whose digits were pasted, in order."""
    try:
        address = parse(pasted, chain_id=1)
    except Invalid as refused:
        assert refused.code.startswith("address_") and refused.message.endswith(".")
    else:
        assert parse(address, chain_id=1) == address
        visible = "".join(c for c in pasted if c.isalnum()).lower()
        assert address[2:].lower() in visible
