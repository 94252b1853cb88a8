"""`manage.py chain_heads`: tells the workers of new heads at once."""

import threading
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from chain.models import Network
from chain.services.heads import follow
from chain.tasks import index
from core import doorbell, rights


class Command(BaseCommand):
    help = "Follow the heads of all enabled networks and ring their readers, until interrupted."

    def handle(self, *args: Any, **options: Any) -> None:
        rights.require_plain_role()
        networks = list(Network.objects.filter(enabled=True).order_by("slug"))
        if not networks:
            raise CommandError("There is no enabled network.")
        stop = threading.Event()
        threads = [threading.Thread(target=follow, args=(row, _ring, stop), daemon=True) for row in networks]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                thread.join()
        except KeyboardInterrupt:
            stop.set()


def _ring(network_id: int) -> None:
    doorbell.ring(index.delay, network_id)
