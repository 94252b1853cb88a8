"""The test suites: the local settings, with crash points armed and cheap password hashes."""

import tempfile
from pathlib import Path

from escrow_platform.settings.local import *  # noqa: F403  (a settings module extends the local one by design)
from escrow_platform.settings.local import CLOCKS, DATABASES

CRASH_POINTS_ENABLED = True
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
MEDIA_ROOT = Path(tempfile.gettempdir()) / "holdfast-test-media"
CLOCKS = CLOCKS | {"appeal": 2}
ACCOUNT_RATE_LIMITS = False
DATABASES["default"]["CONN_MAX_AGE"] = 0
