"""The arbitrator's forms carry the case that they showed; a split that contradicts itself is refused."""

from typing import Any

from django.urls import reverse

from core import seen
from core.models import OutboxEvent, StateTransition
from disputes.console import views as console
from disputes.models import Dispute, Involvement
from disputes.services import rulings
from payments.models import Escrow
from tests.browser import Browser, hidden_fields
from tests.disputes import cast as stage
from tests.disputes.cast import Cast


def _do(dispute: Dispute, verb: str) -> str:
    return reverse("admin:disputes_dispute_act", args=[dispute.pk.replace("_", "_5F"), verb])


def _browser(user: Any) -> Browser:
    browser = Browser()
    browser.force_login(user)
    return browser


def _counts() -> tuple[int, ...]:
    return tuple(model.objects.count() for model in (Involvement, StateTransition, OutboxEvent))


_SPLIT = {"preset": "half", "reasons": stage.REASONS, "confirm": "1", "password": stage.PASSWORD}
CASE: dict[str, tuple[str, dict[str, str]]] = {
    "claim": ("colleague", {}),
    "release": ("arbitrator", {}),
    "conflict": ("arbitrator", {}),
    "assign": ("lead", {}),
    "rule": ("arbitrator", _SPLIT),
    "approve": ("lead", {"typed_amount": "2500", "password": stage.PASSWORD}),
    "refuse": ("lead", {"why": "The page count of the archive is not established yet."}),
}


def test_every_button_of_the_console_is_refused_once_the_case_has_changed(
    people: Cast,
    under_review: Any,
) -> None:
    assert set(CASE) == set(console.POSTS)
    for verb, (who, typed) in CASE.items():
        if verb == "approve":
            rulings.propose(
                dispute_id=under_review.pk, to_seller=0, to_buyer=2_500 * stage.USDT, reasons=stage.REASONS,
                person=people.arbitrator,
            )  # fmt: skip
        browser = Browser()
        browser.force_login(getattr(people, who))
        more = {"arbitrator": people.colleague.pk} if verb == "assign" else {}
        before = _counts()
        answer = browser.post(_do(under_review, verb), typed | more | {seen.FIELD: "0" * 32}, follow=True)
        assert "Nothing was moved by this click" in answer.content.decode(), verb
        assert _counts() == before, verb


def test_a_ruling_is_refused_when_the_disputed_balance_is_another(
    people: Cast,
    under_review: Any,
) -> None:
    browser = Browser()
    browser.force_login(people.arbitrator)
    path = _do(under_review, "rule")
    preview = browser.post(path, {"preset": "half", "reasons": stage.REASONS})
    chosen = hidden_fields(preview.content.decode(), path)
    Escrow.objects.filter(pk=under_review.escrow_id).update(remainder=1_000 * stage.USDT)
    answer = browser.post(
        path, chosen | {"reasons": stage.REASONS, "confirm": "1", "password": stage.PASSWORD}
    )
    assert "Nothing was moved by this click" in answer.content.decode()
    assert stage.REASONS in answer.content.decode()
    assert not under_review.rulings.exists()


def test_a_preset_and_typed_parts_contradict_each_other(people: Cast, under_review: Any) -> None:
    browser = Browser()
    browser.force_login(people.arbitrator)
    path = _do(under_review, "rule")
    both = {"preset": "seller", "seller_part": "1000", "buyer_part": "1500", "reasons": stage.REASONS}
    answer = browser.post(path, both | {"confirm": "1"})
    text = answer.content.decode()
    assert answer.status_code == 422
    assert "You chose “100 / 0" in text
    assert "“1000” and “1500”" in text
    assert not under_review.rulings.exists()
