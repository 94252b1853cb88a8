"""Settings that hold everywhere. What differs by place is in local, test and production."""

from pathlib import Path
from typing import Any

import environ
from redis.backoff import NoBackoff
from redis.retry import Retry

from escrow_platform.settings.logs import LOGGING  # noqa: F401  (Django reads it here)
from escrow_platform.settings.unfold import UNFOLD  # noqa: F401  (Django reads it here)

env = environ.Env()
BASE_DIR = Path(__file__).resolve().parent.parent.parent

SECRET_KEY = env.str("SECRET_KEY", default="")
DEBUG = False
ALLOWED_HOSTS: list[str] = env.list("ALLOWED_HOSTS", default=[])
CSRF_TRUSTED_ORIGINS: list[str] = env.list("CSRF_TRUSTED_ORIGINS", default=[])
SITE_URL = env.str("SITE_URL", default="http://127.0.0.1:8000")
# Whom people write to; every page and mail that leaves somebody stuck names it.
SUPPORT_EMAIL = env.str("SUPPORT_EMAIL", default="support@holdfast.example")

INSTALLED_APPS = [
    "channels",
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "escrow_platform.served.ServedFiles",
    "django.contrib.humanize",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "django_celery_beat",
    "django_fsm",
    "django_filters",
    "django_htmx",
    "django_structlog",
    "pgtrigger",
    "csp",
    "rest_framework",
    "drf_spectacular",
    "core",
    "accounts",
    "chain",
    "wallets",
    "partners",
    "payments",
    "disputes",
    "escrow_platform",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "escrow_platform.middleware.NoStore",
    "csp.middleware.CSPMiddleware",
    "escrow_platform.admin_policy.AdminContentPolicy",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_structlog.middlewares.RequestMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "accounts.middleware.BusyAnswer",
    "escrow_platform.middleware.KeepWriting",
    "escrow_platform.middleware.Contention",
]

ROOT_URLCONF = "escrow_platform.urls"
ASGI_APPLICATION = "escrow_platform.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "escrow_platform.context.site",
            ],
        },
    },
]

# PostgreSQL ------------------------------------------------------------------------------------------

DATABASES = {"default": env.db_url("DATABASE_URL", default="postgres://holdfast@127.0.0.1:5432/holdfast")}
DATABASES["default"] |= {
    "ATOMIC_REQUESTS": False,
    "CONN_MAX_AGE": 60,
    "CONN_HEALTH_CHECKS": True,
    "OPTIONS": {
        # A statement or lock that takes this long is a bug; failing beats queueing money work behind it.
        "options": "-c statement_timeout=30000 -c lock_timeout=10000 "
        "-c idle_in_transaction_session_timeout=60000",
        # A server that is gone is noticed in a minute. The system's own two hours would hold a process that
        # waits for an answer, and a host that lost its network, for as long.
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        "tcp_user_timeout": 60_000,
    },
}
# Refuse to start as a superuser or as the owner of the tables, who can switch their guards off.
PLAIN_DATABASE_ROLE = False
# A person does not wait for a row as long as a worker may.
REQUEST_LOCK_TIMEOUT_MS = 3_000
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Redis: broker and live pages; losing it costs latency, never money ----------------------------------

REDIS_URL = env.str("REDIS_URL", default="redis://127.0.0.1:6379/0")
CHANNEL_LAYERS: dict[str, Any] = {
    "default": {
        "BACKEND": "channels_redis.core.RedisChannelLayer",
        # A socket waits for five seconds at a time; the client's own default of five would cut it off.
        "CONFIG": {"hosts": [{"address": REDIS_URL, "socket_timeout": 8, "socket_connect_timeout": 1}]},
    }
}
CACHES: dict[str, Any] = {
    # Counters of sign-in limits: a process each, so that signing in works without Redis.
    "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
    # The API's rate limits. Half a second is the most that a silent Redis may cost a request.
    "throttle": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "OPTIONS": {"socket_connect_timeout": 0.5, "socket_timeout": 0.5, "retry": Retry(NoBackoff(), 0)},
    },
}
CELERY_BROKER_URL = REDIS_URL
CELERY_BROKER_TRANSPORT = "escrow_platform.broker:Transport"  # drops what it cannot read
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ROUTES = ("escrow_platform.routing.route",)  # a queue for each network
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_TIME_LIMIT = 120
CELERY_TASK_SOFT_TIME_LIMIT = 90
CELERY_TASK_PUBLISH_RETRY = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 300,
    # What a hanging Redis may cost the first click; after it the doorbell rests.
    "socket_connect_timeout": 1,
    "socket_timeout": 1.5,
    # A doorbell is rung once: without this a dead Redis holds every request for six seconds.
    "max_retries": 0,
}
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
CELERY_BEAT_MAX_LOOP_INTERVAL = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False

# People ----------------------------------------------------------------------------------------------

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
PASSWORD_HASHERS = [
    "accounts.hashing.Argon2",
    "accounts.hashing.PBKDF2",
]
# In one process; each takes 100 MiB. Ten times as many wait for their turn, more are sent away.
PASSWORD_HASHES_AT_ONCE = env.int("PASSWORD_HASHES_AT_ONCE", default=4)
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
LOGIN_REDIRECT_URL = "/deals/"
LOGIN_URL = "/accounts/login/"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_SIGNUP_FORM_CLASS = "accounts.forms.SignupForm"
ACCOUNT_ADAPTER = "accounts.adapter.AccountAdapter"
ACCOUNT_FORMS = {
    "login": "accounts.entrance.LoginForm",
    "signup": "accounts.entrance.SignupForm",
    "add_email": "accounts.entrance.AddEmailForm",
    "reset_password": "accounts.entrance.ResetPasswordForm",
    "reset_password_from_key": "accounts.entrance.ResetPasswordKeyForm",
    "reauthenticate": "accounts.entrance.ReauthenticateForm",
    "user_token": "accounts.entrance.ResetLinkForm",
    "change_password": "accounts.entrance.ChangePasswordForm",
}
# One address: a new one replaces the old when it is confirmed. Both hear of it.
ACCOUNT_CHANGE_EMAIL = True
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = "Holdfast: "
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_LOGOUT_REDIRECT_URL = "/"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_LOGOUT_ON_GET = False
# A nuisance limit in each process; guesses are counted in the database, see `accounts.services.guesses`.
ACCOUNT_RATE_LIMITS: dict[str, str] | bool = {"login": "30/m/ip", "login_failed": "10/5m/key"}
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
# Nobody signs in with an unconfirmed address; while a new one waits for its link, factors can be managed.
MFA_ALLOW_UNVERIFIED_EMAIL = True
MFA_FORMS = {
    "authenticate": "accounts.factors.AuthenticateForm",
    "reauthenticate": "accounts.factors.ReauthenticateForm",
}
# Clocks differ by a step of 30 seconds; `accounts.factors` keeps a used code used meanwhile.
MFA_TOTP_TOLERANCE = 1
MFA_TOTP_ISSUER = "Holdfast"
# The consoles open only to staff with an authenticator app or a passkey.
STAFF_NEED_SECOND_FACTOR = True

# Language, time, files -------------------------------------------------------------------------------

LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "/static/"
# Where `collectstatic` puts what the web process serves.
STATIC_ROOT = Path(env.str("STATIC_ROOT", default=str(BASE_DIR / "staticfiles")))
STATICFILES_DIRS = [BASE_DIR / "static"]
MEDIA_ROOT = Path(env.str("MEDIA_ROOT", default=str(BASE_DIR / ".holdfast" / "media")))
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
UPLOAD_LIMIT_BYTES = 10_000_000
DATA_UPLOAD_MAX_MEMORY_SIZE = 2_500_000

# Browser security ------------------------------------------------------------------------------------

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
        "form-action": ["'self'"],
    }
}
SESSION_COOKIE_HTTPONLY = True
# Addresses and networks of the proxies in front, the only ones that are believed about who a visitor is.
TRUSTED_PROXIES: list[str] = []
# What one web process takes at its door, before Django reads anything; see `escrow_platform.door`.
DOOR = {
    "served": 40,
    "wait_seconds": 5,
    "http_of_one_address": 24,
    "websocket_of_one_address": 24,
    "body": 1_000_000,
    "idle_seconds": 15,
    "body_seconds": 30,
    "slowest_bytes_per_second": 200_000,
}
CSRF_FAILURE_VIEW = "escrow_platform.errors.csrf_failure"
SESSION_COOKIE_SAMESITE = "Lax"
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"

# API -------------------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["core.parsers.BoundedJSONParser"],
    "DEFAULT_AUTHENTICATION_CLASSES": ["partners.authentication.ApiKeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_SCHEMA_CLASS": "partners.schema.ApiSchema",
    "EXCEPTION_HANDLER": "core.problems.exception_handler",
    "UNAUTHENTICATED_USER": None,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Holdfast API",
    "DESCRIPTION": "Open USDT escrows for your own users and follow them until the money has moved.",
    "VERSION": "1.0.0",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {
        "Role": "payments.models.Role",
        "LegKind": "payments.models.LegKind",
    },
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "partners.schema.document_problems",
    ],
}
# Requests per window in seconds.
API_RATE_LIMITS = {"key": (600, 60), "ip": (1200, 60)}
API_BODY_LIMIT = 256_000

# The engine ------------------------------------------------------------------------------------------

KEYSTORE_PASSWORD = env.str("KEYSTORE_PASSWORD", default="")
KEYSTORE_LIGHT = False
CRASH_POINTS_ENABLED = False
# How long the duties of a killed worker rest before another takes them over.
CHAIN_LEASE_SECONDS = 60
RPC_URL = env.str("RPC_URL", default="http://127.0.0.1:8545")
# Blocks until something is final on the local chain; 0 believes the node's own tag.
LOCAL_FINALITY_DEPTH = env.int("LOCAL_FINALITY_DEPTH", default=0)
# An answer of a node: seconds from the request to its last byte, and bytes.
RPC_ANSWER_SECONDS = env.float("RPC_ANSWER_SECONDS", default=30.0)
RPC_ANSWER_BYTES = env.int("RPC_ANSWER_BYTES", default=64 * 2**20)

# The platform's rules; the reasons are in docs/rules.md ----------------------------------------------

PLATFORM_FEE_BPS = env.int("PLATFORM_FEE_BPS", default=100)
FOUR_EYES_DECIMAL = env.str("FOUR_EYES_DECIMAL", default="1000")
# What the platform's key for payouts decides alone: the largest escrow, and the sum of a day. Above either a
# second person's key is needed. A gate keeps the caps that it was deployed with.
PAYOUT_CAPS = {
    "per_escrow": env.str("PAYOUT_CAP_PER_ESCROW", default="5000"),
    "per_day": env.str("PAYOUT_CAP_PER_DAY", default="50000"),
}
# Seconds. The bounds below keep a typing mistake from locking money for a year.
CLOCKS = {
    "accept": 5 * 86_400,
    "pay": 24 * 3600,
    "grace": 3 * 86_400,
    "inspect": 7 * 86_400,
    "refund_request": 7 * 86_400,
    "dispute_answer": 5 * 86_400,
    "negotiate": 7 * 86_400,
    "evidence": 7 * 86_400,
    "appeal": 72 * 3600,
    "first_action": 3 * 86_400,
    "ruling": 10 * 86_400,
    "arbitration": 120 * 86_400,
    "backstop": 7 * 86_400,
    "approval": 24 * 3600,
    "revive": 48 * 3600,
    # After a change of e-mail, password or second factor nothing of that person pays another.
    "sign_in_changed": 48 * 3600,
    # Surplus of one escrow and token goes back once in so long.
    "surplus": 24 * 3600,
}
CLOCK_BOUNDS = {
    "inspect": (3 * 86_400, 14 * 86_400),
    "pay": (3600, 14 * 86_400),
    "deliver": (86_400, 365 * 86_400),
}
# Seconds of silence after which a dead time of Holdfast or of a network is given back to every wait; 0: not
# watched. Shorter ones are not given.
OUTAGES = {
    "deadlines": env.int("OUTAGE_DEADLINES", default=600),
    "web": env.int("OUTAGE_WEB", default=600),
    "finality": env.int("OUTAGE_FINALITY", default=1800),
}
DEMO = False
