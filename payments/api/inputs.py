"""What partners send: checked for shape here, for rules by the services."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.conf import settings
from rest_framework import serializers

from chain.models import Token
from core import instants, money
from core.addresses import LONGEST
from core.errors import FieldError, Invalid
from core.text import check_short
from payments.agreement import MAX_MILESTONES, Agreement, Milestone
from payments.models import Role
from payments.services.deals import default_clocks

_AMOUNT = r"^[0-9]{1,40}(\.[0-9]{1,18})?$"
_MOST_METADATA = 50


class Text(serializers.CharField):
    """A JSON string; a number or a boolean is refused, not written out."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            raise serializers.ValidationError("Send a JSON string, in quotes.", "not_a_string")
        return str(super().to_internal_value(data))


class Email(Text, serializers.EmailField):
    """An e-mail address."""


class Slug(Text, serializers.SlugField):
    """Letters, digits, hyphens and underscores."""


class Choice(serializers.ChoiceField):
    """One of some JSON strings."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str):
            raise serializers.ValidationError("Send a JSON string, in quotes.", "not_a_string")
        return super().to_internal_value(data)


class Whole(serializers.IntegerField):
    """A JSON number without a fraction; a text or a boolean is refused, not read as one."""

    def to_internal_value(self, data: Any) -> int:
        if type(data) is not int:
            self.fail("invalid")
        return int(super().to_internal_value(data))


class Instant(serializers.DateTimeField):
    """RFC 3339 with Z or an offset."""

    def to_internal_value(self, value: Any) -> datetime:
        try:
            return instants.read(value if isinstance(value, str) else "")
        except ValueError as refused:
            raise serializers.ValidationError(str(refused), "invalid") from None


class AmountText(Text, serializers.RegexField):
    """An amount as a decimal string; never a JSON number, which would lose digits."""

    def __init__(self, **kwargs: Any) -> None:
        text = "A decimal string in the deal's token, for example “250.00”."
        wrong: dict[str, Any] = {"invalid": "Write a plain decimal string, without commas: “2500.00”."}
        super().__init__(regex=_AMOUNT, help_text=text, error_messages=wrong, **kwargs)


class Strict(serializers.Serializer[Any]):
    """Refuses members it does not know: a misspelt option must not be lost in silence."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            unknown = sorted(str(name) for name in data.keys() - self.fields.keys())
            if unknown:
                raise serializers.ValidationError(
                    {name: serializers.ErrorDetail("There is no such member.", "unknown") for name in unknown}
                )
        return super().to_internal_value(data)


class MilestoneInput(Strict):
    """One milestone; each becomes an escrow of its own."""

    title = Text(max_length=120)
    amount = AmountText()
    deliver_at = Instant(help_text="When the seller delivers at the latest, RFC 3339 with Z or an offset.")


class PartyInput(Strict):
    """One side: the person who is invited, and where their money goes if you know it."""

    email = Email(max_length=254)
    # Longer than an address, so that what else was sent can be called by its name.
    address = Text(
        max_length=LONGEST,
        required=False,
        default="",
        help_text="The buyer's refund address or the seller's payout address: 0x and 40 hexadecimal digits, "
        "with its checksum or in one case, of a wallet whose keys that person holds. Left out: the person "
        "gives it.",
    )


class MetadataField(serializers.DictField):
    """Up to 50 texts of your own."""

    def __init__(self, **kwargs: Any) -> None:
        text = "At most 50 keys of 40 characters with texts of 500; values are strings and kept as they are."
        child = Text(max_length=500, allow_blank=True, trim_whitespace=False)
        super().__init__(child=child, help_text=text, **kwargs)

    def to_internal_value(self, data: Any) -> dict[str, str]:
        found: dict[str, str] = super().to_internal_value(data)
        if len(found) > _MOST_METADATA:
            raise serializers.ValidationError(f"At most {_MOST_METADATA} keys.", "too_many")
        if any(not key or len(key) > 40 or not key.isprintable() for key in found):
            raise serializers.ValidationError("A key has 1 to 40 printable characters.", "key")
        return found


class DealInput(Strict):
    """A deal between two of your users."""

    title = Text(max_length=120)
    description = Text(max_length=20_000, help_text="What is delivered, in markdown.")
    network = Slug(help_text="The network's slug.")
    token = Text(max_length=42, default="USDT", help_text="Symbol or contract address.")
    milestones = serializers.ListField(child=MilestoneInput(), min_length=1, max_length=MAX_MILESTONES)
    buyer = PartyInput()
    seller = PartyInput()
    fee_payer = Choice(Role.choices, default=str(Role.SELLER))
    opening = Choice(
        ["all", "each"], default="all", help_text="Open all milestones at once, or each after the last."
    )
    pay_seconds = Whole(required=False, help_text="Time to pay; default 24 hours.")
    inspect_seconds = Whole(required=False, help_text="Time to inspect; default 7 days.")
    external_reference = Text(
        validators=[check_short],
        max_length=120,
        default="",
        allow_blank=True,
        trim_whitespace=False,
        help_text="Your own id of this deal; used once.",
    )
    metadata = MetadataField(required=False, default=dict)


class PayInput(Strict):
    """How much is paid out."""

    amount = AmountText(required=False)


class NothingInput(Strict):
    """An empty object: there is nothing to choose."""


def agreement_of(given: Mapping[str, Any]) -> Agreement:
    """The agreement that a valid `DealInput` describes. Raises `Invalid` for a token or an amount."""
    token = _token(given["network"], given["token"])
    clocks = default_clocks()
    for name in ("pay_seconds", "inspect_seconds"):
        clocks[name] = given.get(name, clocks[name])
    return Agreement(
        title=given["title"],
        description=given["description"],
        network=given["network"],
        token=token.address,
        milestones=tuple(
            Milestone(
                title=item["title"],
                amount=base_units(item["amount"], token, f"/milestones/{place}/amount"),
                deliver_at=item["deliver_at"],
            )
            for place, item in enumerate(given["milestones"])
        ),
        fee_payer=given["fee_payer"],
        fee_bps=settings.PLATFORM_FEE_BPS,
        opening=given["opening"],
        **clocks,
    )


def base_units(text: str, token: Token, pointer: str = "/amount") -> int:
    """Base units of `token`. Raises `Invalid` that points at the member."""
    try:
        return money.parse(text, token.decimals)
    except Invalid as error:
        raise Invalid(error.code, error.message, [FieldError(pointer, error.code, error.message)]) from None


def _token(network: str, named: str) -> Token:
    listed = Token.objects.filter(network__slug=network, network__enabled=True, enabled=True)
    by = {"address__iexact": named} if named.startswith("0x") else {"symbol": named}
    token = listed.filter(**by).first()
    if token is None:
        message = "This token is not offered on this network."
        raise Invalid("token_not_listed", message, [FieldError("/token", "not_listed", message)])
    return token
