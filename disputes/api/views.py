"""Opening a dispute for a party that delegated it, and following disputes."""

from typing import Any, ClassVar

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from core.errors import NotFound
from disputes import reasons
from disputes.models import Dispute
from disputes.services.opening import open_dispute
from disputes.states import DISPUTE, public_state
from partners.authentication import Caller
from partners.idempotency import idempotent
from partners.models import Scope
from partners.preconditions import tagged
from partners.views import ApiView
from payments.api.filters import CreatedFilter, filtered_page, parameters
from payments.api.inputs import Choice, Strict, Text
from payments.api.outputs import AmountOut, DeadlineOut
from payments.api.reading import one_escrow, with_deadlines
from payments.api.views import ESCROW_ID, EscrowAction
from payments.models import Role
from payments.services.events import amount_json

_DISPUTE_ID = OpenApiParameter("dispute_id", str, OpenApiParameter.PATH)
_STATES = sorted({public_state(state) for state in DISPUTE.states})
_REASONS = sorted(code for code, reason in reasons.REASONS.items() if reason.roles)


class DisputeInput(Strict):
    """Why, in whose name, and what happened."""

    role = Choice(Role.choices, help_text="The side for which you dispute.")
    reason = Choice(_REASONS)
    text = Text(max_length=20_000, help_text="What happened, in this side's own words.")


class DisputeOut(serializers.Serializer[Dispute]):
    """One dispute about one escrow."""

    id = serializers.CharField()
    object = serializers.SerializerMethodField()
    created = serializers.DateTimeField()
    livemode = serializers.BooleanField(source="escrow.deal.livemode")
    metadata = serializers.DictField(child=serializers.CharField(), source="escrow.deal.metadata")
    deal = serializers.CharField(source="escrow.deal_id")
    escrow = serializers.CharField(source="escrow_id")
    status = serializers.SerializerMethodField()
    opened_by = serializers.ChoiceField(Role.choices)
    reason = serializers.CharField()
    disputed = serializers.SerializerMethodField(
        help_text="The remainder when the chain froze it; until then what it will freeze."
    )
    evidence_hash = serializers.CharField()
    opened_at = serializers.DateTimeField(allow_null=True)
    closed_at = serializers.DateTimeField(allow_null=True)
    deadlines = DeadlineOut(many=True, source="waiting")

    def get_object(self, dispute: Dispute) -> str:
        return "dispute"

    @extend_schema_field(AmountOut)
    def get_disputed(self, dispute: Dispute) -> Any:
        return amount_json(dispute.at_stake)

    @extend_schema_field(serializers.ChoiceField(_STATES))
    def get_status(self, dispute: Dispute) -> str:
        return public_state(dispute.state)


class DisputeList(serializers.Serializer[Any]):
    """Disputes, newest first."""

    data = DisputeOut(many=True)  # type: ignore[assignment]  # a member, not the result
    has_more = serializers.BooleanField()
    next_cursor = serializers.CharField(allow_null=True)


class DisputeFilter(CreatedFilter):
    """By the state as partners may know it, so that a filter tells no more than the object."""

    status = django_filters.ChoiceFilter(method="of_status", choices=[(state, state) for state in _STATES])
    escrow = django_filters.CharFilter(field_name="escrow_id")

    def of_status(self, rows: QuerySet[Dispute], name: str, value: str) -> QuerySet[Dispute]:
        return rows.filter(state__in=[state for state in DISPUTE.states if public_state(state) == value])


class OpenDispute(EscrowAction):
    """Freeze an escrow."""

    scopes: ClassVar = {"POST": Scope.DISPUTES}

    @extend_schema(
        operation_id="dispute_escrow",
        summary="Dispute an escrow",
        tags=["disputes"],
        parameters=[ESCROW_ID],
        request=DisputeInput,
        responses={201: DisputeOut},
    )
    @idempotent
    def post(self, request: Request, escrow_id: str) -> Response:
        """Dispute for a side that delegated it to you. Every timer of the escrow stops at once."""
        one_escrow(self.caller, escrow_id)
        given = DisputeInput(data=request.data)
        given.is_valid(raise_exception=True)
        chosen = given.validated_data
        self.locked(escrow_id, chosen["role"])
        dispute = open_dispute(escrow_id=escrow_id, acting=self.caller.actor, **chosen)
        response = tagged(_shown(_one(self.caller, dispute.pk)), status.HTTP_201_CREATED)
        response["Location"] = f"/api/v1/disputes/{dispute.pk}"
        return response


class Disputes(ApiView):
    """All disputes."""

    takes_query = ("GET", "HEAD")

    @extend_schema(
        operation_id="list_disputes",
        summary="List disputes",
        tags=["disputes"],
        parameters=parameters(DisputeFilter),
        responses=DisputeList,
    )
    def get(self, request: Request) -> Response:
        """The disputes about your deals in the key's mode, newest first."""
        found = filtered_page(request, _disputes_of(self.caller), DisputeFilter)
        with_deadlines(found.items)
        return Response(found.as_json(_shown))


class OneDispute(ApiView):
    """One dispute."""

    @extend_schema(
        operation_id="get_dispute",
        summary="Read a dispute",
        tags=["disputes"],
        parameters=[_DISPUTE_ID],
        responses=DisputeOut,
    )
    def get(self, request: Request, dispute_id: str) -> Response:
        """One dispute; a proposed ruling is confidential until it stands."""
        return tagged(_shown(_one(self.caller, dispute_id)))


def _disputes_of(caller: Caller) -> QuerySet[Dispute]:
    mine = Dispute.objects.filter(
        escrow__deal__partner=caller.partner, escrow__deal__livemode=caller.livemode
    )
    return mine.select_related("escrow__deal", "escrow__token__network")


def _one(caller: Caller, dispute_id: str) -> Dispute:
    found = _disputes_of(caller).filter(pk=dispute_id).first()
    if found is None:
        raise NotFound("dispute_not_found", "There is no such dispute.")
    with_deadlines([found])
    return found


def _shown(dispute: Dispute) -> dict[str, Any]:
    shown: Any = DisputeOut(dispute)
    return dict(shown.data)
