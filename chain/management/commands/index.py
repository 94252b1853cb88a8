"""`manage.py index`: read what is new on every network."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from chain.models import Network
from chain.rpc.errors import RpcError
from chain.services import indexer
from chain.services.networks import UnfitNode, ensure_verified


class Command(BaseCommand):
    help = "Read new and newly final blocks of every enabled network until there are none."

    def handle(self, *args: Any, **options: Any) -> None:
        for network in Network.objects.filter(enabled=True).order_by("slug"):
            try:
                ensure_verified(network)
                while indexer.read_all(network):
                    pass
            except (RpcError, UnfitNode) as error:
                raise CommandError(f"{network.slug}: {error}") from error
