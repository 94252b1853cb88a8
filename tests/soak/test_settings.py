"""A soak plays the product as it is: what its settings change is named here, and nothing else is changed."""

from escrow_platform.settings import local
from tests.soak import settings

CHANGED = {"API_RATE_LIMITS", "CHAIN_LEASE_SECONDS", "CLOCKS", "PAYOUT_CAPS"}


def test_the_soak_changes_only_limits_and_one_clock() -> None:
    names = {name for name in vars(settings) if name.isupper()}
    missing = object()
    changed = {name for name in names if getattr(local, name, missing) != getattr(settings, name)}
    assert changed == CHANGED
    assert settings.CLOCKS | {"appeal": local.CLOCKS["appeal"]} == local.CLOCKS
