"""No number is shown in somebody else's token: what the code may write, and what the pages say."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.test import Client

from chain.models import Token
from core.fields import BaseUnitsField
from core.models import OutboxEvent
from core.money import Money
from disputes.console import case
from payments.api.outputs import DepositOut, PayoutOut
from payments.models import Escrow
from payments.pages import access, receipts
from payments.selectors import with_approval
from tests.chain.fixtures import USDT
from tests.payments.fixtures import Desk, UserFactory
from tests.payments.test_deposits import other_token, pay_other

ROOT = Path(__file__).resolve().parents[2]
APPS = ("chain", "wallets", "partners", "payments", "disputes", "escrow_platform", "accounts", "core")
# Where base units and their token are known to belong together.
BINDS = {
    "core/money.py",
    "chain/models/networks.py",
    "payments/agreement.py",
    "payments/books/balances.py",
    "payments/movements.py",
    "payments/paid.py",
    "payments/pages/paying.py",
    "payments/services/events.py",
}
# Written for programs that read base units: the audit log.
PLAIN = {
    ("disputes/services/rulings.py", "_facts"),
    ("chain/services/least_amounts.py", "set_least_amounts"),
}
# Amounts of the chain's own coin, in wei.
WEI = {"Network", "Call", "Attempt", "Transaction"}


def money_columns() -> dict[str, set[str]]:
    """Model -> its columns of a token's base units."""
    found: dict[str, set[str]] = {}
    for model in apps.get_models():
        names = {field.name for field in model._meta.fields if isinstance(field, BaseUnitsField)}
        if names and model.__name__ not in WEI:
            found[model.__name__] = names
    return found


@cache
def sources() -> list[tuple[str, ast.Module]]:
    paths = [path for app in APPS for path in sorted((ROOT / app).rglob("*.py"))]
    return [
        (str(path.relative_to(ROOT)), ast.parse(path.read_text()))
        for path in paths
        if "migrations" not in path.parts
    ]


def written(node: ast.AST, columns: set[str]) -> Iterator[ast.Attribute]:
    """Columns of base units that the code turns into text."""
    for inner in ast.walk(node):
        shown: list[ast.expr] = []
        if isinstance(inner, ast.FormattedValue):
            shown = [inner.value]
        elif isinstance(inner, ast.Call) and getattr(inner.func, "id", "") in ("str", "format", "repr"):
            shown = inner.args
        elif isinstance(inner, ast.Call) and getattr(inner.func, "attr", "") == "format":
            shown = [*inner.args, *(word.value for word in inner.keywords)]
        yield from (item for item in shown if isinstance(item, ast.Attribute) and item.attr in columns)


def test_every_column_of_base_units_is_an_amount_of_its_own_token() -> None:
    for model in apps.get_models():
        columns = money_columns().get(model.__name__, set())
        bound = {item.column for item in vars(model).values() if isinstance(item, Money)}
        assert bound == columns, model


def test_base_units_become_an_amount_only_beside_their_token() -> None:
    for name, tree in sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and name not in BINDS:
                called = getattr(node.func, "id", getattr(node.func, "attr", ""))
                assert called != "Amount", f"{name}:{node.lineno} makes an amount of bare units"


def test_no_code_writes_bare_base_units() -> None:
    columns = {column for names in money_columns().values() for column in names}
    for name, tree in sources():
        for function in ast.walk(tree):
            if not isinstance(function, ast.FunctionDef) or (name, function.name) in PLAIN:
                continue
            for node in written(function, columns):
                raise AssertionError(f"{name}:{node.lineno} writes {ast.unparse(node)}")


def test_no_template_writes_bare_base_units() -> None:
    columns = "|".join(sorted({column for names in money_columns().values() for column in names}))
    rows = "escrow|deposit|leg|order|ruling|dispute|deal|entry|transfer|grant|row|object"
    bare = re.compile(rf"{{{{ *([a-z_.]*\\.)?({rows})\\.({columns})\\b".replace("\\\\", "\\"))
    for path in sorted((ROOT / "templates").rglob("*")):
        if path.is_file():
            assert not bare.search(path.read_text()), path


@pytest.fixture
def paid_in_two_tokens(desk: Desk) -> Escrow:
    """A funded escrow that half a token of 18 decimals came to, and went back from."""
    address = other_token(desk)
    Token.objects.filter(address=address).update(decimals=18, min_amount=1)
    escrow = desk.funded(250 * USDT)
    pay_other(desk, address, escrow, 5 * 10**17)
    desk.settle()
    assert escrow.legs.get(kind="surplus").state == "paid"
    return desk.fresh(escrow)


def signed_in(user: Any) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_half_a_token_of_18_decimals_is_half_a_token_everywhere(
    desk: Desk, paid_in_two_tokens: Escrow
) -> None:
    escrow = paid_in_two_tokens
    page = signed_in(desk.cast.buyer)
    staff = signed_in(UserFactory(is_staff=True, is_superuser=True))
    here = f"/deals/{escrow.deal_id}/escrows/{escrow.pk}/"
    shown = [page.get(here), page.get(here + "receipt/"), page.get(here + "pay/")]
    shown += [staff.get(f"/admin/payments/{name}/") for name in ("deposit", "payoutleg", "entry")]
    for answer in shown:
        text = re.sub(r"<[^>]+>|\s+", " ", answer.content.decode())
        assert answer.status_code == 200
        assert not re.search(r"(?<![\d,.])500,?000,?000", text), answer.request["PATH_INFO"]
        # The receipt shows every digit, the other pages what people read.
        assert re.search(r"(?<![\d,.])-?0\.50(0{16})? +USDX", text), answer.request["PATH_INFO"]
    assert page.get(here + "receipt.pdf").status_code == 200
    visit = access.visit(desk.cast.buyer, escrow.deal_id)
    assert visit is not None
    printed = [move.amount.exact for move in receipts.of(visit, escrow).movements]
    assert sorted(printed) == ["0.500000000000000000 USDX", "0.500000000000000000 USDX", "250.000000 USDT"]
    parties = {party.role: party for party in escrow.deal.parties.select_related("user")}
    facts = [str(item.amount) for item in case._facts(escrow, parties) if item.amount]
    assert sorted(facts) == ["0.50 USDX", "0.50 USDX", "250.00 USDT"]
    events = OutboxEvent.objects.filter(subject_id=escrow.pk, payload__token="USDX")
    assert {event.payload["amount"] for event in events} == {"0.500000000000000000"}
    assert {event.type for event in events} >= {"deposit.confirmed", "payout.confirmed"}
    rows: Any = (DepositOut(escrow.deposits, many=True), PayoutOut(with_approval(escrow.legs), many=True))
    units = {item["total"]["token"]: item["total"] for row in rows for item in row.data}
    assert (units["USDX"]["amount"], units["USDX"]["base_units"]) == ("0.500000000000000000", str(5 * 10**17))
