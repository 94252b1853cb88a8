"""For real: every secret comes from the environment, and its absence stops the start."""

from django.core.exceptions import ImproperlyConfigured

from escrow_platform.settings.base import *  # noqa: F403  (a settings module extends the base by design)
from escrow_platform.settings.base import env


def _needed(name: str) -> str:
    """The variable's value; a missing or empty one stops the start."""
    value: str = env.str(name).strip()
    if not value:
        raise ImproperlyConfigured(f"Set the {name} environment variable")
    return value


for _service in ("DATABASE_URL", "REDIS_URL"):
    _needed(_service)
SECRET_KEY = _needed("SECRET_KEY")
KEYSTORE_PASSWORD = _needed("KEYSTORE_PASSWORD")
ALLOWED_HOSTS = _needed("ALLOWED_HOSTS").split(",")
SITE_URL = _needed("SITE_URL").rstrip("/")
SUPPORT_EMAIL = _needed("SUPPORT_EMAIL")
DEFAULT_FROM_EMAIL = SERVER_EMAIL = _needed("DEFAULT_FROM_EMAIL")
SECURE_SSL_REDIRECT = True
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_HSTS_SECONDS = 63_072_000
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True
EMAIL_CONFIG = env.email_url("EMAIL_URL")
vars().update(EMAIL_CONFIG)
