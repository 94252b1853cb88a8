"""Addresses of the deal pages, below /deals/."""

from django.urls import URLPattern, URLResolver, include, path

from core import converters  # noqa: F401  (registers `opaque`)
from payments.pages import actions, deals, drafts, escrows, receipts

app_name = "deals"

Routes = list[URLPattern | URLResolver]

_escrow: Routes = [
    path("", escrows.page, name="escrow"),
    path("live/", escrows.live, name="live"),
    path("pay/", escrows.pay, name="pay"),
    path("pay/live/", escrows.pay_live, name="pay_live"),
    path("open/", actions.open_now, name="open"),
    path("deliver/", actions.deliver, name="deliver"),
    path("changes/", actions.changes, name="changes"),
    path("release/", actions.release, name="release"),
    path("refund/", actions.refund, name="refund"),
    path("take-back/", actions.take_back, name="take_back"),
    path("return-late/", actions.return_late, name="return_late"),
    path("refund-request/", actions.ask_refund, name="ask_refund"),
    path("refund-answer/", actions.answer_refund, name="answer_refund"),
    path("payouts/<opaque:leg_id>/retry/", actions.retry, name="retry"),
    path("receipt/", receipts.page, name="receipt"),
    path("receipt.pdf", receipts.pdf, name="receipt_pdf"),
    path("terms.json", escrows.terms_json, name="terms_json"),
    path("files/<opaque:file_id>/", escrows.delivery_file, name="delivery_file"),
]

_deal: Routes = [
    path("", deals.detail, name="detail"),
    path("edit/", drafts.edit, name="edit"),
    path("preview/", drafts.preview, name="preview"),
    path("answer/", deals.answer, name="answer"),
    path("counter/", drafts.counter, name="counter"),
    path("cancel/", deals.cancel, name="cancel"),
    path("terms/", deals.terms, name="terms"),
    path("files/<opaque:file_id>/", deals.deal_file, name="file"),
    path("escrows/<opaque:escrow_id>/", include(_escrow)),
]

urlpatterns: Routes = [
    path("", deals.my_deals, name="list"),
    path("new/", drafts.new, name="new"),
    path("invitations/<slug:token>/", deals.invitation, name="invitation"),
    path("invitations/<slug:token>/join/", deals.join, name="join"),
    path("<opaque:deal_id>/", include(_deal)),
]
