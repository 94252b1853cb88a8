"""What a partner sees of a payment: how far it is, and every transfer of it."""

from tests.chain.fixtures import USDT
from tests.payments.acts import pay_many
from tests.payments.api.conftest import Market
from tests.payments.test_small_deposits import flood


def test_an_escrow_says_what_is_paid_and_due_and_its_deposits_are_a_list(market: Market) -> None:
    desk = market.desk
    escrow = market.agreed().escrows.get()
    desk.pay(escrow, 100 * USDT)
    desk.engine.mine()

    def figures() -> list[str]:
        shown = market.get(f"escrows/{escrow.pk}").json()
        return [shown[name]["amount"] for name in ("paid", "confirming", "due")]

    assert figures() == ["0.000000", "100.000000", "150.000000"]
    desk.engine.mine(5)
    assert figures() == ["100.000000", "0.000000", "150.000000"]
    desk.settle()
    assert figures() == ["100.000000", "0.000000", "150.000000"]
    before = market.get(f"escrows/{escrow.pk}")
    offered = {item["action"] for item in before.json()["available_actions"]}
    assert "pay" in offered and "cancel" not in offered
    flood(desk, 1, *[escrow.vault_address] * 3)
    pay_many(desk, *[(escrow.vault_address, 6 * USDT)] * 25)
    desk.settle()
    assert figures() == ["250.000000", "0.000000", "0.000000"]
    assert len(market.get(f"escrows/{escrow.pk}").json()["deposits"]) == 20
    pages = [market.get(f"escrows/{escrow.pk}/deposits?limit=20").json()]
    assert pages[0]["has_more"]
    pages.append(market.get(f"escrows/{escrow.pk}/deposits?cursor={pages[0]['next_cursor']}").json())
    found = [row for page in pages for row in page["data"]]
    assert len({row["id"] for row in found}) == 1 + 25 + 3
    assert sum("small" in row["flags"] for row in found) == 3
    assert market.get("escrows/esc_01m8fmcfeppngedn5vnyxjz2d3/deposits").status_code == 404
