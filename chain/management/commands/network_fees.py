"""`manage.py network_fees`: what a network may cost, and how a person changes it."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from chain.models import Network
from chain.services.fee_policy import FIELDS, policy, set_policy
from core.actors import Actor
from core.errors import DomainError


class Command(BaseCommand):
    help = "Show a network's fee floors, ceilings and caps (wei), or change some of them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", help="the network")
        for field in FIELDS:
            parser.add_argument(f"--{field.replace('_', '-')}", dest=field, type=int)
        parser.add_argument("--by", default="", help="who decided it; goes into the audit log")
        parser.add_argument("--reason", default="", help="why it may cost something else")

    def handle(self, *args: Any, slug: str, by: str, reason: str, **options: Any) -> None:
        network = Network.objects.filter(slug=slug).first()
        if network is None:
            raise CommandError("There is no such network.")
        changes = {field: options[field] for field in FIELDS if options[field] is not None}
        if changes and not by:
            raise CommandError("Name who decided it (--by).")
        try:
            now = (
                set_policy(network=network, changes=changes, reason=reason, acting=Actor("staff", by, by))
                if changes
                else policy(network)
            )
        except DomainError as error:
            raise CommandError(str(error)) from error
        for field, value in now.items():
            self.stdout.write(f"{field} {value}")
