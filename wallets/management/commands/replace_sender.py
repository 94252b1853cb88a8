"""`manage.py replace_sender`: another key for a purpose, because the old one is lost or stolen."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from chain.models import Network
from chain.rpc.errors import RpcError
from core.actors import Actor
from core.errors import DomainError
from wallets.services.operators import replace_sender


class Command(BaseCommand):
    help = "Make a new sender key for a purpose; the gate's cold key has to grant it, the old one is revoked."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", help="the network")
        parser.add_argument("purpose", help="payouts or deadlines")
        parser.add_argument("--by", required=True, help="who decided it; goes into the audit log")
        parser.add_argument("--reason", required=True, help="what happened to the old key")

    def handle(self, *args: Any, slug: str, purpose: str, by: str, reason: str, **options: Any) -> None:
        network = Network.objects.filter(slug=slug).first()
        if network is None:
            raise CommandError("There is no such network.")
        try:
            new = replace_sender(network, purpose, reason=reason, acting=Actor("staff", by, by))
        except (DomainError, RpcError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{new} carries what waits; send it gas money and have the gate grant it")
