"""For real: every secret comes from the environment, and its absence stops the start."""

from escrow_platform.settings.base import *  # noqa: F403  (a settings module extends the base by design)
from escrow_platform.settings.base import env

SECRET_KEY = env.str("SECRET_KEY")
KEYSTORE_PASSWORD = env.str("KEYSTORE_PASSWORD")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS")
SECURE_SSL_REDIRECT = True
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_HSTS_SECONDS = 63_072_000
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True
EMAIL_CONFIG = env.email_url("EMAIL_URL")
vars().update(EMAIL_CONFIG)
