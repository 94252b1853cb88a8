"""`manage.py resume_network`: a person looked at a halted network and lets it go on."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from chain.models import Network
from chain.rpc.errors import RpcError
from chain.services.recovery import resume_network
from core.actors import Actor
from core.errors import DomainError


class Command(BaseCommand):
    help = "Let a halted network credit and pay again, if its nodes still have what was read as final."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug")
        parser.add_argument("--by", required=True, help="who decided it; goes into the audit log")
        parser.add_argument("--reason", required=True, help="what was found and why it is safe to go on")

    def handle(self, *args: Any, slug: str, by: str, reason: str, **options: Any) -> None:
        network = Network.objects.filter(slug=slug).first()
        if network is None:
            raise CommandError("There is no such network.")
        try:
            resume_network(network=network, reason=reason, acting=Actor("staff", by, by))
        except (DomainError, RpcError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{slug} goes on")
