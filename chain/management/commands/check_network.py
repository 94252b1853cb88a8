"""`manage.py check_network`: is every node what the configuration says?"""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from chain.models import Network
from chain.rpc.errors import RpcError
from chain.services.networks import UnfitNode, verify


class Command(BaseCommand):
    help = "Check chain id, code and finality of every provider; fails if a network is unfit."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slugs", nargs="*", help="networks; default: all enabled")

    def handle(self, *args: Any, **options: Any) -> None:
        networks = Network.objects.filter(enabled=True).order_by("slug")
        if options["slugs"]:
            networks = Network.objects.filter(slug__in=options["slugs"]).order_by("slug")
        if not networks:
            raise CommandError("There is no such network.")
        for network in networks:
            try:
                for line in verify(network):
                    self.stdout.write(f"{network.slug}: {line}")
            except (RpcError, UnfitNode) as error:
                raise CommandError(f"{network.slug}: {error}") from error
