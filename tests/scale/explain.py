"""No hot query reads a large table from end to end, nor more rows than it needs.

The product's own duties and pages run on a database that has grown; `make explain` lets it grow to a
million chain events and writes what it saw to docs/results.
"""

import os
import time
import tracemalloc
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest
from django.contrib import admin
from django.test import Client
from rest_framework.test import APIClient

from accounts.models import User
from chain.indexer import watchset
from chain.models import WatchedAddress
from chain.services import audit
from core import deadlines, outbox
from core.models import AuditEntry
from disputes.tasks import sweep as sweep_disputes
from escrow_platform.schedule import duties
from escrow_platform.sweep import sweep_once
from partners import idempotency
from payments.books import balances, reconcile
from payments.models import Escrow, PayoutLeg
from payments.states import LIVE
from tests.payments.fixtures import Desk
from tests.scale import growth, lives, report
from tests.scale.recorder import Recorder

ROWS = int(os.environ.get("ROWS", "50000"))
USERS = 20_000
_PEOPLE = 5  # paid lives that are copied together
_EVENTS = 26  # blocks, transfers and final events that one paid life leaves, about


@dataclass
class Grown:
    """A database after a year, with somebody of every kind to look at it."""

    desk: Desk
    people: lives.Staff
    alive: dict[str, Escrow]
    secrets: list[str]
    facts: dict[str, Any]


def grow(desk: Desk) -> Grown:
    """Play, then copy until there are `ROWS` chain events; four of five escrows were never paid."""
    growth.prepare()
    people = lives.staff()
    (large, secret), (small, other) = lives.partner("large"), lives.partner("small")
    live = lives.key_of(large, livemode=True)  # all deals are test deals: it sees none of many
    with growth.playing("unpaid") as unpaid:
        lives.unpaid(desk)
    with growth.playing("paid") as paid:
        lives.paid(desk, _PEOPLE - 1)
    with growth.playing("ruled") as ruled:
        lives.ruled(desk, people)
    with growth.playing("live") as living:
        alive = lives.live(desk)
    copier = growth.Copier(owners(desk, large.pk, small.pk))
    times = max(1, ROWS // (_EVENTS * _PEOPLE))
    started = time.monotonic()
    with growth.without_indexes():
        copier.copy(unpaid, 16 * times)
        copier.copy(paid, times)
        copier.copy(ruled, max(1, times // 4))
        copier.copy(living, max(1, times // 40), old=False)
    fill_vaults(desk)
    growth.drop_templates()
    growth.analyze()
    facts = {
        "wanted": ROWS,
        "grown_seconds": round(time.monotonic() - started),
        "rows_of_a_life": {
            "paid": {table: rows / _PEOPLE for table, rows in paid.rows.items()},
            "ruled": ruled.rows,
            "unpaid": unpaid.rows,
        },
        **growth.inventory(),
    }
    return Grown(desk, people, alive, [secret, other, live], facts)


def fill_vaults(desk: Desk) -> None:
    """What the books say of copied vaults is on the chain as well."""
    unfinished = Escrow.objects.filter(state__in=LIVE).values_list("pk", flat=True)
    for vault, token, units in balances.vaults(unfinished):
        if units:
            desk.engine.chain.rpc("anvil_dealERC20", vault, token, hex(units))


def owners(desk: Desk, large: str, small: str) -> dict[tuple[str, str], str]:
    """Whose the copies are: a merchant has one deal in forty, a marketplace one in four."""
    User.objects.bulk_create(
        User(id=f"usr_{number:026}", email=f"many{number}@example.org", display_name=f"Many {number}")
        for number in range(USERS)
    )
    other = f"'usr_' || lpad((copy_no * 7919::bigint % {USERS})::text, 26, '0')"
    merchant = (
        f"CASE WHEN t.role = 'seller' AND copy_no % 40 = 0 THEN '{desk.cast.seller.pk}' ELSE {other} END"
    )
    address = (
        f"CASE WHEN t.role = 'seller' AND copy_no % 40 = 0 THEN t.email "
        f"ELSE 'many' || copy_no * 7919::bigint % {USERS} || '@example.org' END"
    )
    paid_to = f"'0x' || lpad((copy_no * 7919::bigint % {USERS})::text, 40, '1')"
    market = f"CASE WHEN copy_no % 4 = 0 THEN '{large}' WHEN copy_no % 100 = 1 THEN '{small}' END"
    return {
        ("payments.Party", "user_id"): merchant,
        ("payments.Party", "email"): address,
        ("payments.PayoutLeg", "recipient"): f"CASE t.kind WHEN 'fee' THEN t.recipient ELSE {paid_to} END",
        ("payments.Deal", "partner_id"): market,
        ("core.OutboxEvent", "owner_id"): f"coalesce({market}, '')",
    }


@pytest.mark.timeout(1500)
def test_no_hot_query_reads_a_large_table_from_end_to_end(desk: Desk) -> None:
    grown = grow(desk)
    grown.facts["watch_set"] = watch_many(desk)
    recorder = Recorder()
    try:
        with recorder.watching():
            grown.facts["proof"] = run_duties(desk)
            live_on(grown)
            look(grown)
    finally:
        report.write(recorder, grown.facts)
    assert recorder.faults() == [], "\n".join(recorder.faults())
    assert len(recorder.found) > 150


def watch_many(desk: Desk) -> dict[str, float]:
    """All addresses ever shown are matched from memory, and one that is added is found as well."""
    network = desk.engine.network
    old, stranger = WatchedAddress.objects.order_by("pk")[0].address, "0x" + "77" * 20
    watchset._sets.clear()
    tracemalloc.start()
    start = time.perf_counter()
    assert watchset.candidates(network, [old, stranger]) == [old]
    loaded, size = time.perf_counter() - start, tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    fresh = lives.shown(desk)
    start = time.perf_counter()
    assert watchset.candidates(network, [old, fresh, stranger]) == sorted([old, fresh])
    refreshed = time.perf_counter() - start
    known = len(watchset._sets[network.pk].known)
    assert known >= ROWS // 50
    return {
        "addresses": known,
        "load_seconds": round(loaded, 2),
        "megabytes": round(size / 1e6, 1),
        "refresh_milliseconds": round(refreshed * 1000, 1),
    }


def run_duties(desk: Desk) -> dict[str, float]:
    """Everything that runs by itself, once more than it has work; returns how long the long rounds took."""
    network = desk.engine.network
    sweep_once()
    for _ in range(2):
        desk.engine.chain.mine(3)
        assert sweep_once() is not None
    deadlines.run_due()
    outbox.drain()
    sweep_disputes()
    idempotency.forget_old()
    duties()
    start = time.monotonic()
    assert audit.go_on(network, seconds=600) == 0
    audited = time.monotonic()
    assert reconcile.compare(network) == []
    compared = time.monotonic()
    reconcile.run(network, seconds=1)
    return {"audit_seconds": round(audited - start), "compare_seconds": round(compared - audited)}


def live_on(grown: Grown) -> None:
    """New lives among the old, by the services."""
    desk = grown.desk
    lives.paid(desk, 1)
    lives.ruled(desk, grown.people)
    lives.unpaid(desk)


def look(grown: Grown) -> None:
    """The pages, the API and the consoles, as those see them who have most."""
    for user in (grown.desk.cast.seller, grown.desk.cast.buyer):
        pages(signed_in(user), grown.alive)
    for secret in grown.secrets:
        api(secret)
    consoles(signed_in(grown.people.operator), searches(grown))
    opened(signed_in(grown.people.arbitrator).get("/admin/disputes/dispute/"))


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def opened(response: Any) -> Any:
    assert response.status_code in (200, 302), (response.status_code, response.content[:500])
    return response


def pages(client: Client, alive: dict[str, Escrow]) -> None:
    """The list of deals, far into it as well, and every page of an escrow."""
    for address in ("/deals/", "/deals/?page=2", "/deals/?page=100", "/deals/new/"):
        opened(client.get(address))
    for escrow in alive.values():
        base = f"/deals/{escrow.deal_id}/"
        for page in (
            "",
            f"escrows/{escrow.pk}/",
            f"escrows/{escrow.pk}/live/",
            f"escrows/{escrow.pk}/dispute/",
        ):
            client.get(base + page)
    unpaid = alive["awaiting_deposit"]
    for page in ("pay/", "pay/live/", "receipt/"):
        client.get(f"/deals/{unpaid.deal_id}/escrows/{unpaid.pk}/{page}")


def api(secret: str) -> None:
    """Lists with every filter, page after page, and single things, with a marketplace's key."""
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    for query in (
        "deals", "deals?status=active", "deals?status=cancelled", "deals?external_reference=none",
        "escrows", "escrows?status=disputed", "escrows?status=released", "escrows?status=funded",
        "escrows?created[gte]=2026-01-01T00:00:00Z", "events", "events?type=escrow.*", "disputes",
        "events?type=escrow.refunded",
    ):  # fmt: skip
        page = opened(client.get(f"/api/v1/{query}")).json()
        if page.get("next_cursor"):
            mark = "&" if "?" in query else "?"
            opened(client.get(f"/api/v1/{query}{mark}cursor={page['next_cursor']}"))
        for row in page["data"][:1]:
            kind = query.partition("?")[0]
            if kind in ("deals", "escrows", "disputes"):
                opened(client.get(f"/api/v1/{kind}/{row['id']}"))


def searches(grown: Grown) -> list[str]:
    """What operators look for, each once found and once not."""
    cast, deal = grown.desk.cast, grown.alive["funded"].deal
    leg, entry = PayoutLeg.objects.exclude(kind="fee").order_by("pk")[0], AuditEntry.objects.order_by("pk")[0]
    return [
        f"payments/deal/?q={quote(cast.seller.email)}", "payments/deal/?q=nobody@example.org",
        f"payments/deal/?q={deal.pk}", f"payments/escrow/?q={grown.alive['funded'].vault_address}",
        f"payments/payoutleg/?q={leg.recipient}", f"payments/payoutleg/?q={leg.tx_hash}",
        f"accounts/user/?q={quote(cast.seller.email.upper())}", f"core/deadline/?q={deal.pk}",
        f"core/auditentry/?q={quote(entry.actor_label)}", f"core/auditentry/?q={entry.actor_id}",
        f"core/auditentry/?q={entry.action}", f"core/statetransition/?q={deal.pk}",
    ]  # fmt: skip


def consoles(client: Client, wanted: list[str]) -> None:
    """Every list of every console, each with its filters, and searches."""
    for model, console in admin.site._registry.items():
        base = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        opened(client.get(base))
        if getattr(console, "search_fields", ()):
            opened(client.get(base + "?q=esc_00000000"))
    for query in (
        "payments/escrow/?state__exact=disputed", "payments/escrow/?state__exact=released",
        "payments/order/?state__exact=needs_human", "payments/payoutleg/?state__exact=blocked",
        "payments/deal/?state__exact=proposed", "chain/call/?outcome__exact=needs_human",
        "chain/transaction/?state__exact=needs_human", "core/deadline/?standing=overdue",
        "core/deadline/?standing=passed", "core/deadline/?kind=pay",
        "disputes/dispute/?queue=over", "disputes/dispute/?queue=overdue", "disputes/dispute/?queue=mine",
        "payments/escrow/?frozen__exact=1", "payments/escrow/?p=2", *wanted,
    ):  # fmt: skip
        opened(client.get(f"/admin/{query}"))
