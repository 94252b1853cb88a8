"""One machine, embedded services, a chain of its own: the demo and development."""

from pathlib import Path

from escrow_platform.settings.base import *  # noqa: F403  (a settings module extends the base by design)
from escrow_platform.settings.base import BASE_DIR, CLOCKS, DOOR, OUTAGES, env

DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env.str("SECRET_KEY", default="local-only-not-secret-" + "0" * 40)
ALLOWED_HOSTS = ["127.0.0.1", "localhost", "[::1]"]
KEYSTORE_PASSWORD = env.str("KEYSTORE_PASSWORD", default="local-only")
KEYSTORE_LIGHT = True
# Everybody here comes from the same address.
DOOR = DOOR | {"http_of_one_address": 1000, "websocket_of_one_address": 1000}
DEMO = True
# Where the demo keeps what it must find again.
STATE_FOLDER = Path(env.str("HOLDFAST_STATE", default=str(BASE_DIR / ".holdfast")))
ACCOUNT_EMAIL_VERIFICATION = "none"
STAFF_NEED_SECOND_FACTOR = False
# Mails are files that anybody can read.
EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
EMAIL_FILE_PATH = STATE_FOLDER / "mail"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = True
# An appeal window that a newcomer can sit through.
CLOCKS = CLOCKS | {"appeal": env.int("APPEAL_SECONDS", default=15)}
# A local chain may make a block only when somebody sends something.
OUTAGES = OUTAGES | {"finality": 0}
CLOCK_BOUNDS = {"inspect": (1, 14 * 86_400), "pay": (1, 14 * 86_400), "deliver": (1, 365 * 86_400)}
