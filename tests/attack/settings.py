"""The demo's settings behind the door of a real start: its limits are what is attacked."""

from escrow_platform.settings import base
from escrow_platform.settings.local import *  # noqa: F403  (a settings module extends the local one by design)

DOOR = base.DOOR
