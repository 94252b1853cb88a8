"""`manage.py token_amounts`: from which amount on a token counts as money, and how a person changes it."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from chain.models import Token
from chain.services.least_amounts import set_least_amounts
from core.actors import Actor
from core.errors import DomainError
from core.money import Amount


class Command(BaseCommand):
    help = "Show a token's least amount and least surplus (base units), or change them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", help="the network")
        parser.add_argument("symbol", help="the token's symbol, or its address")
        parser.add_argument("--least-amount", type=int, help="base units from which on it is money")
        parser.add_argument("--least-surplus", type=int, help="base units of surplus that are worth the gas")
        parser.add_argument("--by", default="", help="who decided it; goes into the audit log")
        parser.add_argument("--reason", default="", help="why other amounts are right")

    def handle(self, *args: Any, slug: str, symbol: str, by: str, reason: str, **options: Any) -> None:
        name = {"address__iexact": symbol} if symbol.startswith("0x") else {"symbol": symbol}
        found = list(Token.objects.filter(network__slug=slug, **name))
        if len(found) != 1:
            raise CommandError("There is no such token, or more than one: give its address.")
        changes = {key: options[key] for key in ("least_amount", "least_surplus") if options[key] is not None}
        if changes and not by:
            raise CommandError("Name who decided it (--by).")
        token = found[0]
        try:
            if changes:
                token = set_least_amounts(
                    token=token, reason=reason, acting=Actor("staff", by, by), **changes
                )
        except DomainError as error:
            raise CommandError(str(error)) from error
        for column in ("least_amount", "least_surplus"):
            amount: Amount = getattr(token, f"{column}_money")
            self.stdout.write(f"{column} {amount.units} ({amount})")
