"""Settings: from the environment or `.env`, nothing else. `.env.example` lists every name with one line each.

Without DATABASE_URL everything uses the embedded database and the secrets of the data directory ($GUARDIAN_HOME).
Unsafe combinations refuse to start, in one sentence.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dj_database_url
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _
from environs import Env

from moderation.standalone.datadir import DataDir

BASE_DIR = Path(__file__).resolve().parent.parent
LOOPBACK = ["127.0.0.1", "localhost", "[::1]"]

env = Env()
env.read_env(str(BASE_DIR / ".env"), recurse=False)

# --- who we are, and what we refuse ------------------------------------------------------------------------------

DATA_DIR = DataDir.locate()
DATABASE_URL: str = env.str("DATABASE_URL", "")
BROKER_URL: str = env.str("BROKER_URL", "")

_kept = None if DATABASE_URL and not DATA_DIR.path.is_dir() else DATA_DIR.load()
SECRET_KEY: str = env.str("SECRET_KEY", "") or (_kept.secret_key if _kept else "")
DEBUG: bool = bool(env.str("DEBUG", "")) and env.bool("DEBUG")
ALLOWED_HOSTS: list[str] = env.list("ALLOWED_HOSTS", []) or LOOPBACK
CSRF_TRUSTED_ORIGINS: list[str] = env.list("CSRF_TRUSTED_ORIGINS", [])
PUBLIC = any(host.split(":")[0] not in {"127.0.0.1", "localhost", "[", "[::1]"} for host in ALLOWED_HOSTS)
# The demo's own data directory says so; nothing else ever lets a webhook reach this machine itself.
ALLOW_LOOPBACK_WEBHOOKS: bool = bool(_kept and _kept.allow_loopback_webhooks)

if not SECRET_KEY:
    raise ImproperlyConfigured(
        "SECRET_KEY is not set: put 50 random characters into the environment or .env "
        "(python -c 'import secrets; print(secrets.token_urlsafe(50))'), or start with `manage.py demo`."
    )
if len(SECRET_KEY) < 32 or "change" in SECRET_KEY.lower() or SECRET_KEY.startswith("django-insecure"):
    raise ImproperlyConfigured("SECRET_KEY is a placeholder or shorter than 32 characters: set a random one.")
if DEBUG and PUBLIC:
    raise ImproperlyConfigured("DEBUG is on while ALLOWED_HOSTS names a public host: turn one of the two off.")
if "*" in ALLOWED_HOSTS:
    raise ImproperlyConfigured("ALLOWED_HOSTS is `*`: name the hosts this installation answers for.")

if DATABASE_URL and urlsplit(DATABASE_URL).scheme not in {"postgres", "postgresql"}:
    raise ImproperlyConfigured("DATABASE_URL must begin with postgresql://: Guardian works on PostgreSQL only.")
if BROKER_URL and urlsplit(BROKER_URL).scheme not in {"amqp", "amqps"}:
    raise ImproperlyConfigured("BROKER_URL must begin with amqp:// or amqps://: Guardian works on RabbitMQ only.")

# --- parts -------------------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "moderation",
    "moderation.demo",
    "queueing",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django_htmx",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "csp",
]
MIDDLEWARE = [
    "moderation.middleware.RequestIdMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "moderation.middleware.DatabaseAwayMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]
ROOT_URLCONF = "moderation.urls"
WSGI_APPLICATION = "moderation.wsgi.application"
AUTH_USER_MODEL = "moderation.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
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
                "django.template.context_processors.i18n",
                "moderation.console.context.installation",
            ]
        },
    }
]

# --- database ----------------------------------------------------------------------------------------------------

CHECKPOINT_SCHEMA = "agent"
DATABASES: dict[str, Any] = {
    "default": dict(dj_database_url.parse(DATABASE_URL or DATA_DIR.database_url(), conn_health_checks=True))
}
DATABASES["default"]["OPTIONS"] = {
    **DATABASES["default"].get("OPTIONS", {}),
    # A thread that comes while all connections are in use waits so long, and then answers 503.
    "pool": {"min_size": 0, "max_size": 24, "timeout": 4, "max_idle": 60},
    "connect_timeout": 3,
    # A row lock dies with the process; with a lost machine it dies by these.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,
    "options": f"-c search_path=public,{CHECKPOINT_SCHEMA} -c lock_timeout=5s"
    " -c idle_in_transaction_session_timeout=30s -c statement_timeout=30s",
}

# --- the agent ---------------------------------------------------------------------------------------------------

# What agents.runner reads; passed on as a mapping, so that the agent needs no Django.
AGENT = {
    name: env.str(name, "")
    for name in (
        "GROQ_API_KEY",
        "GROQ_API_BASE",
        "GROQ_MODEL",
        "GROQ_FALLBACK_MODEL",
        "LANGSMITH_TRACING",
        "LANGSMITH_API_KEY",
        "LANGSMITH_ENDPOINT",
        "LANGSMITH_PROJECT",
    )
}
LANGSMITH_RUN_URL: str = env.str("LANGSMITH_RUN_URL", "")
if LANGSMITH_RUN_URL and "{run_id}" not in LANGSMITH_RUN_URL:
    raise ImproperlyConfigured("LANGSMITH_RUN_URL must hold {run_id}, where the run's id is put in.")
for _name in ("GROQ_API_BASE", "LANGSMITH_ENDPOINT"):
    if AGENT[_name] and urlsplit(AGENT[_name]).scheme not in {"http", "https"}:
        raise ImproperlyConfigured(f"{_name} must begin with https:// (or http:// on a machine of your own).")

# --- the web -----------------------------------------------------------------------------------------------------

METRICS_TOKEN: str = env.str("METRICS_TOKEN", "")  # what /metrics asks for; on a public host nothing is told without
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "login"
APPEND_SLASH = True
DATA_UPLOAD_MAX_MEMORY_SIZE = 16 * 1024 * 1024  # a batch; the API's parser holds single posts to 1 MiB
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_AGE = 12 * 60 * 60
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = PUBLIC
SECURE_SSL_REDIRECT = False  # the proxy in front does this; see README, production
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if PUBLIC else None
SECURE_HSTS_SECONDS = 31_536_000 if PUBLIC else 0
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}

STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / ".static"
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True

LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("de", _("German")), ("es", _("Spanish"))]
LOCALE_PATHS = [BASE_DIR / "moderation" / "locale"]
USE_TZ = True
TIME_ZONE = "UTC"

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["moderation.api.authentication.ApiKeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["moderation.api.authentication.HasScope"],
    "DEFAULT_PARSER_CLASSES": ["moderation.api.parsing.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "moderation.api.parsing.AlwaysJson",
    "DEFAULT_SCHEMA_CLASS": "moderation.api.openapi.GuardianSchema",
    "EXCEPTION_HANDLER": "moderation.api.problems.handle",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Guardian",
    "DESCRIPTION": "Moderation cases, decisions, enforcement and appeals for client apps.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": [],
    "SERVE_AUTHENTICATION": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "WEBHOOKS": "moderation.api.docs.WEBHOOKS",
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "moderation.api.openapi.with_examples",
    ],
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "ENUM_NAME_OVERRIDES": {
        "CaseStatus": "moderation.states.Status",
        "CaseOutcome": "moderation.states.Outcome",
        "OrderStatus": "moderation.states.OrderStatus",
        "AppealStatus": "moderation.states.AppealStatus",
        "Ruling": ["no_violation", "violation"],
    },
    "COMPONENT_SPLIT_REQUEST": False,
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"request_id": {"()": "moderation.middleware.RequestIdFilter"}},
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s [%(request_id)s] %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["request_id"]}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {
        "django.request": {"level": "ERROR"},
        "django.server": {"level": "WARNING"},
        "httpx": {"level": "WARNING"},
        "httpx2": {"level": "WARNING"},
        "psycopg.pool": {"level": "ERROR"},  # its tries; that the database is away is said once, by moderation.standing
    },
}

# --- the demo's forum (set by `manage.py demo`, otherwise switched off) ------------------------------------------

FORUM_API_URL: str = env.str("GUARDIAN_FORUM_API_URL", "")
FORUM_API_KEY: str = env.str("GUARDIAN_FORUM_API_KEY", "")
FORUM_WEBHOOK_SECRET: str = env.str("GUARDIAN_FORUM_WEBHOOK_SECRET", "")
DEMO = bool(FORUM_API_URL)
if DEMO and (PUBLIC or urlsplit(FORUM_API_URL).hostname not in {"127.0.0.1", "localhost", "::1", *ALLOWED_HOSTS}):
    raise ImproperlyConfigured("The demo's forum is switched on for a public host: the demo is for this machine only.")
