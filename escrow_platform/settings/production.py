"""For real: every secret comes from the environment, and its absence stops the start."""

from escrow_platform.settings import needs
from escrow_platform.settings.base import *  # noqa: F403  (a settings module extends the base by design)
from escrow_platform.settings.base import env

needs.postgres("DATABASE_URL")
PLAIN_DATABASE_ROLE = True
needs.text("REDIS_URL")
SECRET_KEY = needs.secret("SECRET_KEY", needs.SIGNING_KEY)
KEYSTORE_PASSWORD = needs.secret("KEYSTORE_PASSWORD", needs.PASSWORD)
ALLOWED_HOSTS = needs.hosts("ALLOWED_HOSTS")
SITE_URL = needs.site("SITE_URL", ALLOWED_HOSTS)
CSRF_TRUSTED_ORIGINS = needs.origins("CSRF_TRUSTED_ORIGINS")
DEFAULT_FROM_EMAIL = SERVER_EMAIL = needs.text("DEFAULT_FROM_EMAIL")
SUPPORT_EMAIL = needs.text("SUPPORT_EMAIL")
TRUSTED_PROXIES = needs.proxies("TRUSTED_PROXIES")
SECURE_SSL_REDIRECT = True
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_HSTS_SECONDS = 63_072_000
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True
EMAIL_CONFIG = env.email_url("EMAIL_URL")
vars().update(EMAIL_CONFIG)
