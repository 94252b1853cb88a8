"""`manage.py thaw_sender`: a person looked at a frozen sender and lets it sign again."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from chain.models import Network
from chain.rpc.errors import RpcError
from chain.services.networks import sender_of
from chain.services.recovery import thaw_sender
from core.actors import Actor
from core.errors import DomainError


class Command(BaseCommand):
    help = "Let a frozen sender sign again; its nonces go on where the chain is."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", help="the network")
        parser.add_argument("purpose")
        parser.add_argument("--by", required=True, help="who decided it; goes into the audit log")
        parser.add_argument("--reason", required=True, help="what was found and why it is safe to go on")

    def handle(self, *args: Any, slug: str, purpose: str, by: str, reason: str, **options: Any) -> None:
        network = Network.objects.filter(slug=slug).first()
        sender = sender_of(network, purpose) if network else None
        if sender is None:
            raise CommandError("There is no such sender.")
        try:
            thaw_sender(sender=sender, reason=reason, acting=Actor("staff", by, by))
        except (DomainError, RpcError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{purpose} of {slug} signs again")
