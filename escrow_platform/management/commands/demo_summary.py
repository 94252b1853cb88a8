"""Tell what the demo holds."""

from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from chain.models import Network
from escrow_platform.demo import summary
from escrow_platform.demo.ground import only_where_nothing_is_real
from payments.books import reconcile


class Command(BaseCommand):
    help = "Tell what happened in the demo and how to sign in; fails if a deal or the books fell short."

    def handle(self, *args: Any, **options: Any) -> None:
        only_where_nothing_is_real()
        try:
            for line in summary.lines():
                self.stdout.write(line)
        except summary.Incomplete as error:
            raise CommandError(str(error)) from error
        self._compare()
        call_command("audit_verify", stdout=self.stdout)

    def _compare(self) -> None:
        try:
            differences = reconcile.compare(Network.objects.get(slug="local"))
        except reconcile.NotCaughtUp:
            self.stdout.write("Books: events are still being applied")
            return
        if differences:
            raise CommandError(f"books and chain differ: {differences}")
        self.stdout.write("Books: every vault holds on chain what the books say")
