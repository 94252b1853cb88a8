"""Pages that need no account."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from payments.pages import rules


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    days = settings.CLOCKS["inspect"] // 86_400
    return render(request, "pages/home.html", {"inspect_days": days, "fee_percent": rules.fee_percent()})


@require_safe
def help_page(request: HttpRequest) -> HttpResponse:
    return render(request, "pages/help.html")


@require_safe
def rules_page(request: HttpRequest) -> HttpResponse:
    shown = {
        "rules": rules.deadlines(),
        "dispute_rules": rules.dispute_rules(),
        "fee_percent": rules.fee_percent(),
        "backstop": rules.length(settings.CLOCKS["backstop"]),
    }
    return render(request, "pages/rules.html", shown)
