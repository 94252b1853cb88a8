"""The live socket tells the parties to look again, and nobody anything else."""

import json

from asgiref.sync import async_to_sync
from asgiref.testing import ApplicationCommunicator
from channels.layers import get_channel_layer
from django.test import override_settings

from accounts.models import User
from payments import live
from payments.pages.socket import DealSocket
from tests.payments.fixtures import Desk
from tests.payments.pages.conftest import PASSWORD, Clients, url

BROKEN = {
    "default": {
        "BACKEND": "channels_redis.core.RedisChannelLayer",
        "CONFIG": {"hosts": ["redis://127.0.0.1:1/0"]},
    }
}


async def _dial(user: User, deal_id: str) -> ApplicationCommunicator:
    """A connected socket; the accepted handshake has been read."""
    scope = {
        "type": "websocket",
        "path": f"/ws/deals/{deal_id}/",
        "user": user,
        "url_route": {"kwargs": {"deal_id": deal_id}},
    }
    line = ApplicationCommunicator(DealSocket.as_asgi(), scope)
    await line.send_input({"type": "websocket.connect"})
    assert (await line.receive_output(5))["type"] == "websocket.accept"
    return line


def test_a_party_is_told_to_look_again(desk: Desk) -> None:
    deal = desk.agreed()

    async def listen() -> dict:
        line = await _dial(desk.cast.buyer, deal.pk)
        await get_channel_layer().group_send(live.group_name(deal.pk), {"type": "deal.changed"})
        heard = await line.receive_output(5)
        await line.send_input({"type": "websocket.disconnect", "code": 1000})
        await line.wait(5)
        return heard

    heard = async_to_sync(listen)()
    assert json.loads(heard["text"]) == {"look": "again"}


def test_a_stranger_is_hung_up_on(desk: Desk) -> None:
    deal = desk.agreed()

    async def listen() -> dict:
        line = await _dial(desk.cast.stranger, deal.pk)
        return await line.receive_output(5)

    heard = async_to_sync(listen)()
    assert (heard["type"], heard["code"]) == ("websocket.close", 4404)


def test_what_a_viewer_sends_is_dropped_and_the_line_stays_open(desk: Desk) -> None:
    deal = desk.agreed()

    async def chatter() -> dict:
        line = await _dial(desk.cast.buyer, deal.pk)
        for said in ({"text": "{"}, {"text": '{"type": "deal.changed"}'}, {"bytes": b"\x00"}):
            await line.send_input({"type": "websocket.receive"} | said)
        await get_channel_layer().group_send(live.group_name(deal.pk), {"type": "deal.changed"})
        heard = await line.receive_output(5)
        await line.send_input({"type": "websocket.disconnect", "code": 1000})
        await line.wait(5)
        return heard

    assert json.loads(async_to_sync(chatter)()["text"]) == {"look": "again"}


def test_a_message_of_the_layer_that_is_not_ours_is_neither_forwarded_nor_the_lines_end(desk: Desk) -> None:
    deal = desk.agreed()
    forged = (
        {"type": "send.json", "content": "anything"},
        {"type": "send", "text": "anything"},
        {"type": "close"},
        {"type": "nobody.knows"},
        {"type": 5},
        {"no": "type"},
        {"type": "deal.changed", "deal": "deal_of_somebody_else"},
    )

    async def listen() -> dict:
        line = await _dial(desk.cast.buyer, deal.pk)
        for message in (*forged, {"type": "deal.changed", "deal": deal.pk}):
            await get_channel_layer().group_send(live.group_name(deal.pk), message)
        heard = await line.receive_output(5)
        assert await line.receive_nothing(0.2)
        await line.send_input({"type": "websocket.disconnect", "code": 1000})
        await line.wait(5)
        return heard

    assert json.loads(async_to_sync(listen)()["text"]) == {"look": "again"}


def test_an_address_with_a_zero_byte_is_a_strangers(desk: Desk) -> None:
    async def listen() -> dict:
        return await (await _dial(desk.cast.buyer, "deal_\x00")).receive_output(5)

    assert async_to_sync(listen)()["code"] == 4404


def test_a_broken_redis_does_not_break_a_release(desk: Desk, clients: Clients) -> None:
    escrow = desk.funded()
    with override_settings(CHANNEL_LAYERS=BROKEN):
        answer = clients.buyer.post(url(escrow, "release/"), {"how_much": "all", "password": PASSWORD})
    assert answer.status_code == 302
    assert desk.state(escrow) == "releasing"
