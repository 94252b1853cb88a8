"""Who may open a page of a deal: its two sides. To everybody else the deal does not exist."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, Concatenate, cast

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db.models import Prefetch
from django.http import Http404, HttpRequest, HttpResponseBase, HttpResponseNotAllowed
from django.shortcuts import redirect

from accounts.models import User
from payments.models import Deal, Escrow, Party, Role


@dataclass(frozen=True, slots=True)
class Visit:
    """A signed-in party looking at their deal."""

    user: User
    deal: Deal
    me: Party
    other: Party

    @property
    def role(self) -> Role:
        return Role(self.me.role)

    @property
    def is_buyer(self) -> bool:
        return self.me.role == Role.BUYER

    @property
    def buyer(self) -> Party:
        return self.me if self.is_buyer else self.other

    @property
    def seller(self) -> Party:
        return self.other if self.is_buyer else self.me

    def escrow(self, escrow_id: str) -> Escrow:
        """One escrow of this deal; 404 for any other."""
        found = (
            Escrow.objects.select_related("network", "token__network", "deal")
            .filter(deal=self.deal, pk=escrow_id)
            .first()
        )
        if found is None:
            raise Http404
        return found

    def only(self, role: Role) -> None:
        """403 for the other side."""
        if self.me.role != role:
            raise PermissionDenied


def visit(user: User, deal_id: str) -> Visit | None:
    """The visit of a party, or None for everybody else."""
    with_people = Prefetch("parties", Party.objects.select_related("user"))
    deal = (
        Deal.objects.select_related("network", "token__network", "agreed_version", "partner")
        .prefetch_related(with_people)
        .filter(pk=deal_id, parties__user=user)
        .first()
    )
    if deal is None:
        return None
    first, second = deal.parties.all()
    me, other = (first, second) if first.user_id == user.pk else (second, first)
    return Visit(user, deal, me, other)


View = Callable[Concatenate[HttpRequest, Visit, ...], HttpResponseBase]


def for_party(view: View) -> Callable[..., HttpResponseBase]:
    """The view receives the visit instead of the id; anonymous people sign in, strangers get 404."""

    @login_required
    @wraps(view)
    def opened(request: HttpRequest, deal_id: str, **kwargs: Any) -> HttpResponseBase:
        found = visit(cast(User, request.user), deal_id)
        if found is None:
            raise Http404
        return view(request, found, **kwargs)

    return opened


def sent_from(page: str) -> Callable[[View], View]:
    """The view takes posts alone, from a form on `page` of the escrow.

    Who comes by its address, because they had to sign in again in between, is led to where the form stands.
    """

    def wrap(view: View) -> View:
        @wraps(view)
        def taken(request: HttpRequest, visit: Visit, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if request.method in ("GET", "HEAD"):
                return redirect(page, visit.deal.pk, kwargs["escrow_id"])
            if request.method != "POST":
                return HttpResponseNotAllowed(["POST"])
            return view(request, visit, *args, **kwargs)

        return taken

    return wrap
