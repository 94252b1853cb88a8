"""Deals, escrows and events for partners. Every change is one call of a service."""

from typing import Any, ClassVar

from django.db import IntegrityError, transaction
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from core.errors import Conflict, FieldError, Forbidden, NotFound
from partners.idempotency import idempotent
from partners.models import Scope
from partners.preconditions import check_if_match, tagged
from partners.views import ApiView
from payments.api import reading
from payments.api.actions import acting_party
from payments.api.filters import (
    CreatedFilter,
    DealFilter,
    EscrowFilter,
    EventFilter,
    filtered_page,
    parameters,
)
from payments.api.inputs import DealInput, NothingInput, PayInput, agreement_of, base_units
from payments.api.outputs import (
    DealList,
    DealOut,
    DepositList,
    EscrowList,
    EscrowOut,
    EventList,
    deal_json,
    deposit_json,
    escrow_json,
    event_json,
)
from payments.locks import lock_escrow
from payments.models import Deal, Escrow, Role
from payments.services import deals, payouts

_DEAL_ID = OpenApiParameter("deal_id", str, OpenApiParameter.PATH)
ESCROW_ID = OpenApiParameter("escrow_id", str, OpenApiParameter.PATH)


class Deals(ApiView):
    """All deals, and new ones."""

    takes_query = ("GET", "HEAD")
    scopes: ClassVar = {"GET": Scope.READ, "HEAD": Scope.READ, "POST": Scope.DEALS}

    @extend_schema(
        operation_id="list_deals",
        summary="List deals",
        tags=["deals"],
        parameters=parameters(DealFilter),
        responses=DealList,
    )
    def get(self, request: Request) -> Response:
        """Your deals in the key's mode, newest first."""
        found = filtered_page(request, reading.deals_of(self.caller), DealFilter)
        reading.with_deadlines(found.items)
        return Response(found.as_json(deal_json))

    @extend_schema(
        operation_id="create_deal",
        summary="Create a deal",
        tags=["deals"],
        request=DealInput,
        responses={201: DealOut},
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Propose a deal to two of your users. Send each their `invitation_url`: both must accept before
        anything is paid."""
        given = DealInput(data=request.data)
        given.is_valid(raise_exception=True)
        deal = self._open(given.validated_data)
        response = tagged(deal_json(reading.one_deal(self.caller, deal.pk)), status.HTTP_201_CREATED)
        response["Location"] = f"/api/v1/deals/{deal.pk}"
        return response

    def _open(self, given: dict[str, Any]) -> Deal:
        buyer, seller = given["buyer"], given["seller"]
        try:
            with transaction.atomic():
                return deals.open_for_partner(
                    partner=self.caller.partner,
                    agreement=agreement_of(given),
                    buyer_email=buyer["email"],
                    seller_email=seller["email"],
                    buyer_address=buyer["address"],
                    seller_address=seller["address"],
                    external_reference=given["external_reference"],
                    metadata=given["metadata"],
                    livemode=self.caller.livemode,
                )
        except IntegrityError as error:
            if "external_reference_once_per_partner" not in str(error):
                raise
            raise self._reference_used(given["external_reference"]) from None

    def _reference_used(self, reference: str) -> Conflict:
        """Another request with this reference was faster than the service's own check."""
        pk = reading.deals_of(self.caller).get(external_reference=reference).pk
        message = f"This external reference belongs to {pk}."
        return Conflict("external_reference_used", message, [FieldError("/external_reference", "used", pk)])


class OneDeal(ApiView):
    """One deal."""

    @extend_schema(
        operation_id="get_deal",
        summary="Read a deal",
        tags=["deals"],
        parameters=[_DEAL_ID],
        responses=DealOut,
    )
    def get(self, request: Request, deal_id: str) -> Response:
        """One deal with its newest version, parties, deadlines and what can be done."""
        return tagged(deal_json(reading.one_deal(self.caller, deal_id)))


class Escrows(ApiView):
    """All escrows."""

    takes_query = ("GET", "HEAD")

    @extend_schema(
        operation_id="list_escrows",
        summary="List escrows",
        tags=["escrows"],
        parameters=parameters(EscrowFilter),
        responses=EscrowList,
    )
    def get(self, request: Request) -> Response:
        """The escrows of your deals in the key's mode, newest first."""
        found = filtered_page(request, reading.escrows_of(self.caller), EscrowFilter)
        reading.with_clocks(found.items)
        return Response(found.as_json(escrow_json))


class OneEscrow(ApiView):
    """One escrow."""

    @extend_schema(
        operation_id="get_escrow",
        summary="Read an escrow",
        tags=["escrows"],
        parameters=[ESCROW_ID],
        responses=EscrowOut,
    )
    def get(self, request: Request, escrow_id: str) -> Response:
        """One escrow with its deposits, payouts, deadlines and what can be done."""
        return tagged(escrow_json(reading.one_escrow(self.caller, escrow_id)))


class Deposits(ApiView):
    """What reached one escrow."""

    takes_query = ("GET", "HEAD")

    @extend_schema(
        operation_id="list_deposits",
        summary="List the deposits of an escrow",
        tags=["escrows"],
        parameters=[ESCROW_ID, *parameters(CreatedFilter)],
        responses=DepositList,
    )
    def get(self, request: Request, escrow_id: str) -> Response:
        """Every final transfer to the escrow, the small ones included, newest first."""
        found = filtered_page(request, reading.deposits_of(self.caller, escrow_id), CreatedFilter)
        return Response(found.as_json(deposit_json))


class EscrowAction(ApiView):
    """An action that a party delegated to the partner; `takes_if_match` is read by the schema."""

    takes_if_match = True

    def locked(self, escrow_id: str, role: str) -> Escrow:
        """The escrow, locked, for an action of `role`.

        Raises 404 for another partner's escrow, 403 without the side's delegation, 412 if it has changed.
        """
        seen = reading.one_escrow(self.caller, escrow_id)
        escrow = lock_escrow(seen.pk)
        if acting_party(escrow, role) is None:
            raise Forbidden("not_delegated", f"The {role} has not let you act for them.")
        check_if_match(self.request, escrow_json(reading.one_escrow(self.caller, escrow_id)))
        return escrow

    def answer(self, escrow_id: str) -> Response:
        """202: it is ordered; the chain's final event is what moves the money."""
        shown = escrow_json(reading.one_escrow(self.caller, escrow_id))
        return tagged(shown, status.HTTP_202_ACCEPTED)


class Release(EscrowAction):
    """Pay the seller."""

    scopes: ClassVar = {"POST": Scope.RELEASE}

    @extend_schema(
        operation_id="release_escrow",
        summary="Release to the seller",
        tags=["escrows"],
        parameters=[ESCROW_ID],
        request=PayInput,
        responses={202: EscrowOut},
    )
    @idempotent
    def post(self, request: Request, escrow_id: str) -> Response:
        """Release all of the remainder, or `amount` of it, for a buyer who delegated it to you."""
        units = _units(request, self.locked(escrow_id, Role.BUYER))
        payouts.release(escrow_id=escrow_id, role=Role.BUYER, acting=self.caller.actor, units=units)
        return self.answer(escrow_id)


class Refund(EscrowAction):
    """Pay the buyer back."""

    scopes: ClassVar = {"POST": Scope.REFUND}

    @extend_schema(
        operation_id="refund_escrow",
        summary="Refund the buyer",
        tags=["escrows"],
        parameters=[ESCROW_ID],
        request=PayInput,
        responses={202: EscrowOut},
    )
    @idempotent
    def post(self, request: Request, escrow_id: str) -> Response:
        """Refund all of the remainder, or `amount` of it, for a seller who delegated it to you."""
        units = _units(request, self.locked(escrow_id, Role.SELLER))
        payouts.refund(escrow_id=escrow_id, role=Role.SELLER, acting=self.caller.actor, units=units)
        return self.answer(escrow_id)


class RetryPayout(EscrowAction):
    """Try a blocked payout again."""

    scopes: ClassVar = {"POST": Scope.RELEASE}

    @extend_schema(
        operation_id="retry_payout",
        summary="Try a blocked payout again",
        tags=["escrows"],
        parameters=[ESCROW_ID, OpenApiParameter("leg_id", str, OpenApiParameter.PATH)],
        request=NothingInput,
        responses={202: EscrowOut},
    )
    @idempotent
    def post(self, request: Request, escrow_id: str, leg_id: str) -> Response:
        """Have a payout that the token refused tried again, once an hour. It goes to the same address; no
        side has to let you do this."""
        NothingInput(data=request.data).is_valid(raise_exception=True)
        escrow = lock_escrow(reading.one_escrow(self.caller, escrow_id).pk)
        if not escrow.legs.filter(pk=leg_id).exists():
            raise NotFound("payout_not_found", "There is no such payout.")
        check_if_match(request, escrow_json(reading.one_escrow(self.caller, escrow_id)))
        payouts.retry_leg(leg_id=leg_id, acting=self.caller.actor)
        return self.answer(escrow_id)


class Events(ApiView):
    """What happened."""

    takes_query = ("GET", "HEAD")

    @extend_schema(
        operation_id="list_events",
        summary="List events",
        tags=["events"],
        parameters=parameters(EventFilter),
        responses=EventList,
    )
    def get(self, request: Request) -> Response:
        """Everything that happened to your deals, newest first, to catch up after an outage."""
        found = filtered_page(request, reading.events_of(self.caller), EventFilter)
        return Response(found.as_json(event_json))


def _units(request: Request, escrow: Escrow) -> int | None:
    """Base units of the escrow's token, or None for all of the remainder."""
    given = PayInput(data=request.data)
    given.is_valid(raise_exception=True)
    amount = given.validated_data.get("amount")
    return None if amount is None else base_units(amount, escrow.token)
