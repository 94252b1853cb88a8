"""`manage.py recover_network`: the database was restored to an earlier time; take in what the chain holds."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from chain.models import Network
from chain.rpc.errors import RpcError
from chain.services import restore
from core.actors import Actor
from core.errors import DomainError


class Command(BaseCommand):
    help = (
        "Freeze all senders of a network and adopt what they have on the chain beyond the tables. Run it"
        " before anything else is started; the workers then go on, and end it when it is safe."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug")
        parser.add_argument("--by", required=True, help="who decided it; goes into the audit log")
        parser.add_argument("--reason", required=True, help="what was restored, and to what time")
        parser.add_argument(
            "--close-gaps",
            action="store_true",
            help="do not wait two hours: consume by cancels every nonce that lost bytes could use",
        )

    def handle(self, *args: Any, slug: str, by: str, reason: str, **options: Any) -> None:
        network = Network.objects.filter(slug=slug).first()
        if network is None:
            raise CommandError("There is no such network.")
        acting = Actor("staff", by, by)
        try:
            restore.start_recovery(network=network, reason=reason, acting=acting)
            restore.recover(network)
            if options["close_gaps"]:
                closed = restore.close_gaps(network=network, reason=reason, acting=acting)
                self.stdout.write(f"{closed} nonces are being consumed")
        except (DomainError, RpcError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{slug} recovers; it signs again by itself when nothing can be lost")
