"""`manage.py retry_payout <leg>`: have a payment that the token refused tried again."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from core.actors import Actor
from core.errors import DomainError
from payments.services import payouts

OPERATOR = Actor("staff", "command line", "an operator at the command line")


class Command(BaseCommand):
    help = "Try a blocked payout leg again, without the hour that parties wait between two tries."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("leg", help="id of the payout leg, leg_…")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            order = payouts.retry_leg(leg_id=options["leg"], acting=OPERATOR, by_operator=True)
        except DomainError as error:
            raise CommandError(error.message) from error
        self.stdout.write(f"order {order.pk} tries it again")
