"""Model fields for ids, base units, addresses and hashes: wrong values cannot be stored."""

import re
from decimal import Decimal
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.db import models
from eth_utils.address import is_address, to_checksum_address

from core.ids import new_id

if TYPE_CHECKING:
    _CharField = models.CharField[str, str]
    _DecimalField = models.DecimalField[int, int]
else:  # Django's fields take no parameters at run time
    _CharField, _DecimalField = models.CharField, models.DecimalField


class PrefixedIdField(_CharField):
    """Primary key of the form `prefix_…`; see `core.ids`."""

    def __init__(self, prefix: str, **kwargs: Any) -> None:
        self.prefix = prefix
        defaults = {"max_length": 40, "primary_key": True, "editable": False}
        super().__init__(default=partial(new_id, prefix), **(defaults | kwargs))

    def deconstruct(self) -> tuple[str, str, list[Any], dict[str, Any]]:
        name, path, args, kwargs = super().deconstruct()
        kwargs.pop("default", None)
        kwargs["prefix"] = self.prefix
        return name, path, list(args), kwargs


class BaseUnitsField(_DecimalField):
    """A whole number of base units up to 2^256-1; Python sees `int`, PostgreSQL `numeric(78,0)`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**({"max_digits": 78, "decimal_places": 0} | kwargs))

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> int | None:
        return None if value is None else int(value)

    def to_python(self, value: Any) -> Any:
        if value is None or isinstance(value, int):
            return value
        number = Decimal(str(value))
        if number != number.to_integral_value():
            raise ValidationError("Base units are whole numbers.")
        return int(number)

    def get_prep_value(self, value: Any) -> Any:
        if isinstance(value, float):
            raise TypeError("money is never a float")
        return value if value is None or hasattr(value, "resolve_expression") else Decimal(int(value))

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        return value if prepared else self.get_prep_value(value)

    def get_db_prep_save(self, value: Any, connection: Any) -> Any:
        return value if hasattr(value, "as_sql") else self.get_prep_value(value)


@lru_cache(maxsize=8192)
def _checksummed(value: Any) -> str:
    # The checksum is a hash, and the same addresses come again and again.
    if not is_address(value):
        raise ValidationError("Not an EVM address: 0x and 40 hexadecimal digits are needed.")
    return str(to_checksum_address(value))


class AddressField(_CharField):
    """An EVM address, stored with its EIP-55 checksum."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**({"max_length": 42} | kwargs))

    def to_python(self, value: Any) -> Any:
        if value in (None, ""):
            return value
        return _checksummed(value if isinstance(value, str | bytes) else str(value))

    def get_prep_value(self, value: Any) -> Any:
        return super().get_prep_value(self.to_python(value))


_is_hash = re.compile(r"0x[0-9a-f]{64}").fullmatch


class HashField(_CharField):
    """32 bytes as 0x and 64 lower-case hexadecimal digits."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**({"max_length": 66} | kwargs))

    def to_python(self, value: Any) -> Any:
        if value in (None, ""):
            return value
        text = "0x" + (value.hex() if isinstance(value, bytes) else str(value).lower().removeprefix("0x"))
        if not _is_hash(text):
            raise ValidationError("A hash is 0x and 64 hexadecimal digits.")
        return text

    def get_prep_value(self, value: Any) -> Any:
        return super().get_prep_value(self.to_python(value))
