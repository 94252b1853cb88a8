"""The websocket of live pages: it says "look again" to the parties of a deal and nothing else."""

from typing import Any

import structlog
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from redis.exceptions import RedisError

from payments.live import group_name
from payments.models import Party

log = structlog.get_logger(__name__)

# What the server itself tells of the connection.
_OF_THE_CONNECTION = frozenset({"websocket.connect", "websocket.receive", "websocket.disconnect"})
_NOT_FOUND = 4404
_UNAVAILABLE = 1013


class DealSocket(AsyncJsonWebsocketConsumer):
    """One viewer of one deal. Strangers are closed with 4404, as if the deal did not exist."""

    group = ""

    async def dispatch(self, message: Any) -> None:
        """Messages of the channel layer call methods by name: only ours, about this deal, get that far."""
        kind = message.get("type") if isinstance(message, dict) else None
        if kind in _OF_THE_CONNECTION:
            await super().dispatch(message)
        elif kind == "deal.changed" and self.group and message.get("deal", self._deal_id) == self._deal_id:
            await self.deal_changed()
        else:
            log.warning("live_message_dropped", kind=str(kind)[:40])

    @property
    def _deal_id(self) -> str:
        return str(self.scope["url_route"]["kwargs"]["deal_id"])

    async def connect(self) -> None:
        deal_id = self._deal_id
        user: Any = self.scope["user"]
        if not user.is_authenticated or not await _is_party(deal_id, user.pk):
            await self._refuse(_NOT_FOUND)
            return
        try:
            # Before the handshake is answered: nothing that happens after it can be missed.
            await self.channel_layer.group_add(group_name(deal_id), self.channel_name)
        except (OSError, RedisError) as error:
            # Without Redis the page still looks again every few seconds.
            log.warning("live_unavailable", error=type(error).__name__)
            await self._refuse(_UNAVAILABLE)
            return
        self.group = group_name(deal_id)
        await self.accept()

    async def _refuse(self, code: int) -> None:
        """Browsers learn the code only of a handshake that was answered."""
        await self.accept()
        await self.close(code)

    async def disconnect(self, code: int) -> None:
        if self.group:
            await self.channel_layer.group_discard(self.group, self.channel_name)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None, **_: Any) -> None:
        """Nobody has anything to say here: whatever is sent is dropped unread."""

    async def deal_changed(self) -> None:
        """What `payments.live.deal_changed` told."""
        await self.send_json({"look": "again"})


@database_sync_to_async
def _is_party(deal_id: str, user_id: str) -> bool:
    return deal_id.isprintable() and Party.objects.filter(deal_id=deal_id, user_id=user_id).exists()
