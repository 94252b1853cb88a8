"""`manage.py cancel_transaction`: give up what an unmined transaction wanted, on the same nonce."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from chain.models import Transaction
from chain.rpc.errors import RpcError
from chain.services.recovery import cancel_transaction
from core.actors import Actor
from core.errors import DomainError


class Command(BaseCommand):
    help = "Sign a transfer of nothing on the nonce of an unmined transaction; whichever is mined decides."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", help="the network")
        parser.add_argument("address", help="the sender")
        parser.add_argument("nonce", type=int)
        parser.add_argument("--by", required=True, help="who decided it; goes into the audit log")
        parser.add_argument("--reason", required=True, help="why the effect is not wanted any more")

    def handle(
        self, *args: Any, slug: str, address: str, nonce: int, by: str, reason: str, **options: Any
    ) -> None:
        row = (
            Transaction.objects.select_related("sender__network")
            .filter(sender__network__slug=slug, sender__address__iexact=address, nonce=nonce)
            .first()
        )
        if row is None:
            raise CommandError("There is no such transaction.")
        try:
            attempt = cancel_transaction(row=row, reason=reason, acting=Actor("staff", by, by))
        except (DomainError, RpcError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"stored as {attempt.hash}; it goes out with the next round")
