"""`manage.py network_gas`: how much gas each action may use on a network, and how a person changes it."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from chain.models import Network
from core.actors import Actor
from core.errors import DomainError
from payments.services import gas


class Command(BaseCommand):
    help = "Show the gas limits of a network's actions, or change some of them (0: the default)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", help="the network")
        for kind in gas.DEFAULTS:
            parser.add_argument(f"--{kind.replace('_', '-')}", dest=kind, type=int)
        parser.add_argument("--by", default="", help="who decided it; goes into the audit log")
        parser.add_argument("--reason", default="", help="why they may use another amount")

    def handle(self, *args: Any, slug: str, by: str, reason: str, **options: Any) -> None:
        network = Network.objects.filter(slug=slug).first()
        if network is None:
            raise CommandError("There is no such network.")
        changes = {str(kind): options[kind] for kind in gas.DEFAULTS if options[kind] is not None}
        if changes and not by:
            raise CommandError("Name who decided it (--by).")
        try:
            now = (
                gas.set_bounds(network=network, changes=changes, reason=reason, acting=Actor("staff", by, by))
                if changes
                else gas.bounds(network)
            )
        except DomainError as error:
            raise CommandError(str(error)) from error
        for kind, units in now.items():
            self.stdout.write(f"{kind} {units}")
