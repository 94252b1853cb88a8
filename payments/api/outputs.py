"""Objects as partners see them: the same shapes in lists, single answers and answers to actions."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.conf import settings
from django.urls import reverse
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from core.models import OutboxEvent
from core.money import Amount
from payments.agreement import from_json
from payments.api import actions, reading
from payments.models import Deal, Deposit, Escrow, Incident, LegKind, Party, PayoutLeg, Role
from payments.services import clocks
from payments.services.events import amount_json
from payments.states import DEAL, ESCROW, LEG

Json = dict[str, Any]


class AmountOut(serializers.Serializer[Any]):
    """An amount with its token and network; two amounts add up only if both agree."""

    amount = serializers.CharField(help_text="Decimal string with all digits of the token.")
    base_units = serializers.CharField(help_text="The same as a whole number of base units.")
    token = serializers.CharField()
    network = serializers.CharField()


class AmountField(serializers.Field[Any, Any, Any, Any]):
    """An `Amount` of the object."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(read_only=True, **kwargs)

    def to_representation(self, value: Amount) -> Json:
        return amount_json(value)


extend_schema_field(AmountOut)(AmountField)


class ActionOut(serializers.Serializer[Any]):
    """One thing that can be done now."""

    action = serializers.CharField()
    actor = serializers.ChoiceField(Role.choices)
    deadline = serializers.DateTimeField(
        allow_null=True, help_text="When the published default happens instead."
    )
    by_partner = serializers.BooleanField(help_text="This side lets you do it through the API.")


class DeadlineOut(serializers.Serializer[Any]):
    """A wait: when the platform acts, and when anyone can act on the chain without it."""

    kind = serializers.CharField()
    due_at = serializers.DateTimeField()
    backstop_at = serializers.DateTimeField(allow_null=True)


class PausedOut(serializers.Serializer[Incident]):
    """An incident: while it lasts no deadline passes by the platform's hand, and the time is given back."""

    since = serializers.DateTimeField(source="opened_at")
    reason = serializers.CharField()


class PartyOut(serializers.Serializer[Party]):
    """One side of a deal."""

    id = serializers.CharField()
    role = serializers.ChoiceField(Role.choices)
    email = serializers.CharField()
    address = serializers.CharField(help_text="Payout or refund address; empty until given.")
    joined = serializers.SerializerMethodField()
    accepted_at = serializers.DateTimeField(allow_null=True)
    delegated = serializers.BooleanField(help_text="You may release, refund or dispute for this side.")
    invitation_url = serializers.SerializerMethodField(help_text="For this person only; empty once joined.")

    def get_joined(self, party: Party) -> bool:
        return party.user_id is not None

    def get_invitation_url(self, party: Party) -> str:
        if party.user_id:
            return ""
        return settings.SITE_URL + reverse("deals:invitation", args=[party.invite_token])


class MilestoneOut(serializers.Serializer[Any]):
    """One milestone of the newest version. `amount` as agreed, before a fee that the buyer pays on top."""

    title = serializers.CharField()
    amount = AmountOut()
    deliver_at = serializers.DateTimeField()


class VersionOut(serializers.Serializer[Any]):
    """The newest version; its hash is what a side accepts and what the chain carries."""

    number = serializers.IntegerField()
    hash = serializers.CharField()
    proposed_by = serializers.CharField()
    created = serializers.DateTimeField()


class DealOut(serializers.Serializer[Deal]):
    """What two parties agreed on, or are asked to."""

    id = serializers.CharField()
    object = serializers.SerializerMethodField()
    created = serializers.DateTimeField()
    livemode = serializers.BooleanField()
    status = serializers.ChoiceField(sorted(DEAL.states), source="state")
    title = serializers.CharField()
    description = serializers.SerializerMethodField()
    total = AmountField(source="total_money", help_text="What the buyer pays over all milestones.")
    fee_payer = serializers.SerializerMethodField()
    fee_bps = serializers.SerializerMethodField(help_text="Hundredths of a per cent.")
    turn = serializers.CharField(help_text="Whose answer is awaited; empty if both or nobody's.")
    version = serializers.SerializerMethodField()
    milestones = serializers.SerializerMethodField()
    parties = PartyOut(many=True, source="parties.all")
    escrows = serializers.SerializerMethodField(help_text="Ids, in the order of the milestones.")
    external_reference = serializers.CharField()
    metadata = serializers.DictField(child=serializers.CharField())
    agreed_at = serializers.DateTimeField(allow_null=True)
    closed_at = serializers.DateTimeField(allow_null=True)
    deadlines = DeadlineOut(many=True, source="waiting")
    available_actions = serializers.SerializerMethodField()

    def get_object(self, deal: Deal) -> str:
        return "deal"

    def get_description(self, deal: Deal) -> str:
        return str(_terms(deal)["description"])

    def get_fee_payer(self, deal: Deal) -> str:
        return str(_terms(deal)["fee_payer"])

    def get_fee_bps(self, deal: Deal) -> int:
        return int(_terms(deal)["fee_bps"])

    @extend_schema_field(VersionOut)
    def get_version(self, deal: Deal) -> Any:
        return VersionOut(_newest(deal)).data

    @extend_schema_field(MilestoneOut(many=True))
    def get_milestones(self, deal: Deal) -> Any:
        terms = from_json(_terms(deal))
        shown = [
            {
                "title": item.title,
                "amount": amount_json(terms.price(item, deal.token)),
                "deliver_at": item.deliver_at,
            }
            for item in terms.milestones
        ]
        return MilestoneOut(shown, many=True).data

    def get_escrows(self, deal: Deal) -> list[str]:
        return [escrow.pk for escrow in deal.escrows.all()]

    @extend_schema_field(ActionOut(many=True))
    def get_available_actions(self, deal: Deal) -> Any:
        return ActionOut(actions.of_deal(deal), many=True).data


class DepositOut(serializers.Serializer[Deposit]):
    """A final transfer that reached the escrow. Flags: under, over, late, extra, wrong_token, small (its
    transaction sent less than the token's least amount: it waits until more has come)."""

    id = serializers.CharField()
    created = serializers.DateTimeField()
    total = AmountField(source="money")
    counted = AmountField(source="counted_money", help_text="Of it: what counts towards the escrow.")
    surplus = AmountField(source="surplus_money", help_text="Of it: what goes back to the buyer.")
    flags = serializers.ListField(child=serializers.CharField())
    sender = serializers.CharField()
    tx_hash = serializers.CharField()


class PayoutOut(serializers.Serializer[PayoutLeg]):
    """A payout leg: one outgoing movement, paid when the chain's final event says so."""

    id = serializers.CharField()
    created = serializers.DateTimeField()
    kind = serializers.ChoiceField(LegKind.choices)
    status = serializers.ChoiceField(sorted(LEG.states), source="state")
    needs_approval = serializers.BooleanField(
        help_text="Above the platform's cap: decided, and waiting for a second person there."
    )
    total = AmountField(source="money")
    recipient = serializers.CharField()
    tx_hash = serializers.CharField()
    paid_at = serializers.DateTimeField(allow_null=True)


class EscrowOut(serializers.Serializer[Escrow]):
    """The money of one milestone."""

    id = serializers.CharField()
    object = serializers.SerializerMethodField()
    created = serializers.DateTimeField()
    livemode = serializers.BooleanField(source="deal.livemode")
    metadata = serializers.DictField(child=serializers.CharField(), source="deal.metadata")
    deal = serializers.CharField(source="deal_id")
    position = serializers.IntegerField()
    title = serializers.CharField()
    status = serializers.ChoiceField(sorted(ESCROW.states), source="state")
    total = AmountField(source="money", help_text="What the buyer pays into the escrow.")
    remainder = AmountField(
        source="remainder_money", help_text="What is not decided yet, from final chain events."
    )
    to_seller = AmountField(
        source="decided_seller_money", help_text="Decided for the seller, the fee included."
    )
    to_buyer = AmountField(source="decided_buyer_money")
    fee_bps = serializers.IntegerField()
    deposit_address = serializers.CharField(source="vault_address", help_text="Empty until opened.")
    chain_escrow_id = serializers.CharField(source="chain_id_hash", help_text="The escrow's id on the chain.")
    on_hold = serializers.SerializerMethodField()
    pay_by = serializers.SerializerMethodField(
        help_text="Later than at first where paused time was given back."
    )
    deliver_at = serializers.DateTimeField()
    inspect_seconds = serializers.IntegerField()
    opened_at = serializers.DateTimeField(allow_null=True)
    funded_at = serializers.DateTimeField(allow_null=True)
    delivered_at = serializers.DateTimeField(allow_null=True)
    closed_at = serializers.DateTimeField(allow_null=True)
    paid = serializers.SerializerMethodField(help_text="What came for good, booked or not.")
    confirming = serializers.SerializerMethodField(help_text="What was seen and can still be reversed.")
    due = serializers.SerializerMethodField(help_text="What should be sent now.")
    deposits = DepositOut(
        many=True,
        source="newest_deposits",
        help_text="The newest 20 that count by themselves; all are at `/escrows/{escrow_id}/deposits`.",
    )
    payouts = PayoutOut(many=True, source="legs.all")
    deadlines = DeadlineOut(many=True, source="waiting")
    clocks_paused = PausedOut(
        source="incident", allow_null=True, help_text="Why no deadline passes at the moment; else null."
    )
    available_actions = serializers.SerializerMethodField()

    def get_object(self, escrow: Escrow) -> str:
        return "escrow"

    @extend_schema_field(AmountOut)
    def get_paid(self, escrow: Escrow) -> Json:
        return amount_json(reading.paid_of(escrow).paid)

    @extend_schema_field(AmountOut)
    def get_confirming(self, escrow: Escrow) -> Json:
        return amount_json(reading.paid_of(escrow).confirming)

    @extend_schema_field(AmountOut)
    def get_due(self, escrow: Escrow) -> Json:
        return amount_json(reading.paid_of(escrow).due)

    def get_pay_by(self, escrow: Escrow) -> datetime | None:
        runs = [wait.due_at for wait in reading.waiting_of(escrow) if wait.kind == clocks.PAY]
        return runs[0] if runs else escrow.fund_by

    def get_on_hold(self, escrow: Escrow) -> bool:
        return bool(escrow.frozen or escrow.held_reason)

    @extend_schema_field(ActionOut(many=True))
    def get_available_actions(self, escrow: Escrow) -> Any:
        return ActionOut(actions.of_escrow(escrow), many=True).data


class EventOut(serializers.Serializer[OutboxEvent]):
    """Something that happened to a deal or its money."""

    id = serializers.CharField()
    object = serializers.SerializerMethodField()
    type = serializers.CharField()
    created = serializers.DateTimeField()
    livemode = serializers.BooleanField(read_only=True)
    deal = serializers.CharField(source="group_id")
    sequence = serializers.IntegerField(help_text="Counts up within the deal; a gap means you missed one.")
    data = serializers.DictField(source="payload")  # type: ignore[assignment]  # a member, not the result

    def get_object(self, event: OutboxEvent) -> str:
        return "event"


class _Listed(serializers.Serializer[Any]):
    has_more = serializers.BooleanField()
    next_cursor = serializers.CharField(allow_null=True, help_text="Pass it as `cursor` for the next page.")


class DealList(_Listed):
    """Deals, newest first."""

    data = DealOut(many=True)  # type: ignore[assignment]  # a member, not the result


class EscrowList(_Listed):
    """Escrows, newest first."""

    data = EscrowOut(many=True)  # type: ignore[assignment]  # a member, not the result


class DepositList(_Listed):
    """Deposits, newest first."""

    data = DepositOut(many=True)  # type: ignore[assignment]  # a member, not the result


class EventList(_Listed):
    """Events, newest first."""

    data = EventOut(many=True)  # type: ignore[assignment]  # a member, not the result


def event_json(event: OutboxEvent) -> Json:
    shown: Any = EventOut(event)
    return dict(shown.data)


def deal_json(deal: Deal) -> Json:
    return dict(DealOut(deal).data)


def escrow_json(escrow: Escrow) -> Json:
    return dict(EscrowOut(escrow).data)


def deposit_json(deposit: Deposit) -> Json:
    return dict(DepositOut(deposit).data)


def _newest(deal: Deal) -> Any:
    return max(deal.versions.all(), key=lambda version: version.number)


def _terms(deal: Deal) -> Mapping[str, Any]:
    terms: Mapping[str, Any] = _newest(deal).terms
    return terms
