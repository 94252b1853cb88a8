"""Sums over the books. Credit accounts are shown as positive amounts."""

from collections.abc import Iterable

from django.db.models import Sum

from chain.models import Token
from core.money import Amount
from payments.models import Account, AccountKind, Deposit, DepositReversal, Entry, Escrow


def balance(escrow: Escrow, kind: str, token: Token | None = None) -> int:
    """Base units of one account; the vault is positive when money is in it, the others when they owe."""
    total = Entry.objects.filter(
        account__escrow=escrow, account__kind=kind, account__token=token or escrow.token
    ).aggregate(total=Sum("amount"))["total"]
    units = int(total or 0)
    return units if kind == AccountKind.VAULT else -units


def in_vault(escrow: Escrow) -> Amount:
    """What the vault holds of the escrow's token, by the books."""
    return Amount(balance(escrow, AccountKind.VAULT), escrow.token.unit)


def held(escrow: Escrow) -> int:
    """Deposits that count towards the escrow and are not decided yet."""
    return balance(escrow, AccountKind.HELD)


def money(escrow: Escrow) -> int:
    """What is held, where that is money at all: zero below the least amount of the token. Less than that
    waits: nothing is blocked, spent or ended for it."""
    units = held(escrow)
    return units if units >= escrow.token.least_amount else 0


def counted(escrow: Escrow) -> int:
    """All final deposits that counted towards the escrow, decided or not, and that the chain still holds."""
    total = Deposit.objects.filter(escrow=escrow).aggregate(total=Sum("counted"))["total"]
    turns = DepositReversal.objects.filter(deposit__escrow=escrow)
    lost = sum(
        -turn.deposit.counted if turn.returned else turn.deposit.counted
        for turn in turns.select_related("deposit")
    )
    return int(total or 0) - lost


def surplus_by_token(escrow: Escrow) -> dict[int, int]:
    """Token primary key -> base units that came on top, for tokens where there are any."""
    rows = (
        Entry.objects.filter(account__escrow=escrow, account__kind=AccountKind.SURPLUS)
        .values("account__token")
        .annotate(total=Sum("amount"))
    )
    return {row["account__token"]: -int(row["total"]) for row in rows if row["total"]}


def vaults(escrow_ids: Iterable[str]) -> list[tuple[str, str, int]]:
    """(vault address, token address, base units) of every vault account of these escrows, by the books."""
    accounts = Account.objects.filter(escrow__in=escrow_ids, kind=AccountKind.VAULT)
    named = list(accounts.values_list("pk", "escrow__vault_address", "token__address"))
    # Not one join: for a few hundred escrows that would be planned as a pass over all entries.
    entries = Entry.objects.filter(account__in=[key for key, _, _ in named]).order_by()
    total = dict(entries.values_list("account").annotate(total=Sum("amount")))
    return [(vault, token, int(total[key])) for key, vault, token in named if key in total]
