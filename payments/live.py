"""Live pages: after a commit, everybody who looks at a deal is told to read it again.

The message carries no content: the page asks for its fragment and gets only what its viewer may see.
"""

import asyncio

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer

from core import doorbell

# Seconds that a page may wait for a Redis that hangs.
_PATIENCE = 1.0


def group_name(deal_id: str) -> str:
    """The channel-layer group of everybody who looks at this deal."""
    return f"deal.{deal_id}"


def deal_changed(deal_id: str) -> None:
    """Tell the viewers of a deal after the commit; a broken Redis is logged and forgotten."""
    doorbell.on_commit(_send, deal_id)


def escrow_changed(deal_id: str, escrow_id: str) -> None:
    """Tell the viewers of the escrow's deal."""
    deal_changed(deal_id)


def _send(deal_id: str) -> None:
    async_to_sync(_tell)(deal_id)


async def _tell(deal_id: str) -> None:
    layer = get_channel_layer()
    if layer is not None:
        async with asyncio.timeout(_PATIENCE):
            await layer.group_send(group_name(deal_id), {"type": "deal.changed", "deal": deal_id})
