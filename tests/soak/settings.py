"""The settings of the soak: the demo's, with clocks of seconds and workers that may die by the dozen."""

from escrow_platform.settings.local import *  # noqa: F403  (a settings module extends the local one by design)
from escrow_platform.settings.local import CLOCKS

# What a killed worker held must be free again soon.
CHAIN_LEASE_SECONDS = 3
CLOCKS = CLOCKS | {"appeal": 2}
# One partner, one address: all of the soak's requests come from there.
API_RATE_LIMITS = {"key": (60_000, 60), "ip": (60_000, 60)}
# Nobody sits there to approve what is above a cap.
PAYOUT_CAPS = {"per_escrow": "5000", "per_day": "100000000"}
