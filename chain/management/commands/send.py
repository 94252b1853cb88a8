"""`manage.py send`: sign, broadcast and confirm what is due on every network."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from chain.models import Network
from chain.rpc.errors import RpcError
from chain.services import sender
from chain.services.networks import UnfitNode, ensure_verified


class Command(BaseCommand):
    help = "Sign due calls, broadcast stored bytes, follow receipts, once for every enabled network."

    def handle(self, *args: Any, **options: Any) -> None:
        for network in Network.objects.filter(enabled=True).order_by("slug"):
            try:
                ensure_verified(network)
                sender.send_and_confirm(network)
            except (RpcError, UnfitNode) as error:
                raise CommandError(f"{network.slug}: {error}") from error
