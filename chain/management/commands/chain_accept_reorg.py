"""`manage.py chain_accept_reorg`: a person looked at a halted network and takes its new chain for final."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from chain.models import Network
from chain.rpc.errors import RpcError
from chain.services.deep_reorg import accept_chain
from core.actors import Actor
from core.errors import DomainError


class Command(BaseCommand):
    help = "Take back what was final only on the chain that is gone; resume_network lets the network go on."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug")
        parser.add_argument("--by", required=True, help="who decided it; goes into the audit log")
        parser.add_argument("--reason", required=True, help="why this chain is the true one")

    def handle(self, *args: Any, slug: str, by: str, reason: str, **options: Any) -> None:
        network = Network.objects.filter(slug=slug).first()
        if network is None:
            raise CommandError("There is no such network.")
        try:
            outcome = accept_chain(network=network, reason=reason, acting=Actor("staff", by, by))
        except (DomainError, RpcError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{outcome.reversed} final events taken back, {outcome.added} added")
