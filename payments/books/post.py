"""Posting: one journal for each final event that moves money, balanced per token."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from chain.models import FinalEvent, Token
from core import clock
from payments.models import Account, Entry, Escrow, Journal


@dataclass(frozen=True, slots=True)
class Line:
    """Signed base units of `token` on one account of the escrow; debits are positive."""

    kind: str
    amount: int
    token: Token


class Unbalanced(ValueError):
    """The lines do not sum to zero for some token; nothing was written."""


def post(event: FinalEvent, escrow: Escrow, what: str, lines: Iterable[Line]) -> Journal:
    """Write the journal of a final event. Raises `Unbalanced`; a second posting of the event fails in the
    database (`a_final_event_posts_once`)."""
    kept = [line for line in lines if line.amount]
    sums: dict[int, int] = defaultdict(int)
    for line in kept:
        sums[line.token.pk] += line.amount
    if any(sums.values()):
        raise Unbalanced(f"{what} for {escrow.pk} is off by {dict(sums)}")
    journal = Journal.objects.create(
        network_id=event.network_id, seq=event.seq, what=what, tx_hash=event.tx_hash, created=clock.now()
    )
    accounts = _accounts(escrow, kept)
    Entry.objects.bulk_create(
        Entry(journal=journal, account=accounts[line.kind, line.token.pk], amount=line.amount)
        for line in kept
    )
    return journal


def _accounts(escrow: Escrow, lines: Iterable[Line]) -> dict[tuple[str, int], Account]:
    """By kind and token, those that are new created: the caller holds the escrow's lock."""
    known = {(account.kind, account.token_id): account for account in escrow.accounts.all()}
    wanted = {(line.kind, line.token.pk): line.token for line in lines}
    fresh = [
        Account(escrow=escrow, kind=kind, token=token)
        for (kind, key), token in wanted.items()
        if (kind, key) not in known
    ]
    created = Account.objects.bulk_create(fresh)
    return known | {(account.kind, account.token_id): account for account in created}
