"""Where the demo may stand: it makes people whose passwords everybody knows."""

from django.conf import settings
from django.core.management.base import CommandError

from chain.models import Network


def only_where_nothing_is_real() -> None:
    """Raise `CommandError` unless the settings are the demo's and every network is a local one."""
    if not settings.DEMO:
        raise CommandError("The demo runs only with the local settings, never with these.")
    if Network.objects.filter(is_local=False).exists():
        raise CommandError("This database knows a real network: the demo keeps away from it.")
