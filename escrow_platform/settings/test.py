"""The test suites: the local settings, with crash points armed and cheap password hashes."""

import os
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from escrow_platform.settings.local import *  # noqa: F403  (a settings module extends the local one by design)
from escrow_platform.settings.local import CACHES, CHANNEL_LAYERS, CLOCKS, DATABASES, REDIS_URL

CRASH_POINTS_ENABLED = True
# Tests kill workers by the dozen; what they held must be free again soon.
CHAIN_LEASE_SECONDS = 1
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
MEDIA_ROOT = Path(tempfile.gettempdir()) / "holdfast-test-media"
CLOCKS = CLOCKS | {"appeal": 2}
ACCOUNT_RATE_LIMITS = False
DATABASES["default"]["CONN_MAX_AGE"] = 0
# Requests and workers share the process of a test.
REQUEST_LOCK_TIMEOUT_MS = 10_000

# Parallel test processes have a Redis database each: the doorbell of one must not ring another's workers.
if worker := os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw"):
    REDIS_URL = urlsplit(REDIS_URL)._replace(path=f"/{int(worker) + 1}").geturl()
    CELERY_BROKER_URL = REDIS_URL
    CHANNEL_LAYERS["default"]["CONFIG"]["hosts"][0]["address"] = REDIS_URL
    CACHES["throttle"]["LOCATION"] = REDIS_URL
