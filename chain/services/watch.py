"""Addresses that must be read from now on, for ever."""

from chain.models import Network, ScanCursor, WatchedAddress
from core import clock
from core.errors import Conflict


def watch(*, network: Network, address: str, key: str, since_block: int | None = None) -> WatchedAddress:
    """Read `address` from now on; `key` is opaque and comes back with every event. Idempotent.

    Runs in the caller's transaction. Blocks not yet read are matched against it; what was read before
    the row became visible, and everything since `since_block` when given, is read again for it. Raises
    `Conflict` if the address is watched under another key.
    """
    cursor = ScanCursor.objects.filter(network=network, lane=ScanCursor.Lane.SAFE).first()
    unread = cursor.number + 1 if cursor else network.start_block
    row, _ = WatchedAddress.objects.get_or_create(
        network=network,
        address=address,
        defaults={
            "key": key,
            "from_block": unread if since_block is None else min(unread, since_block),
            "created_at": clock.now(),
        },
    )
    if row.key != key:
        raise Conflict("address_watched", "This address already belongs to something else.")
    return row
