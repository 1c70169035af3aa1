"""Settings: from the environment or `.env`, nothing else. `.env.example` lists every name with one line each.

Without DATABASE_URL everything uses the embedded database and the secrets of the data directory ($GUARDIAN_HOME); with
DATABASE_URL and SECRET_KEY that directory is not read. Unsafe combinations refuse to start, in one sentence
(moderation.refusals).
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

from moderation import refusals
from moderation.standalone.datadir import DataDir

BASE_DIR = Path(__file__).resolve().parent.parent
LOOPBACK = ["127.0.0.1", "localhost", "[::1]"]

env = Env()
env.read_env(str(BASE_DIR / ".env"), recurse=False)


def _list(name: str) -> list[str]:
    items: list[str] = env.list(name, [])
    return [item.strip() for item in items if item.strip()]


# --- who we are, and what we refuse ------------------------------------------------------------------------------

DATABASE_URL: str = env.str("DATABASE_URL", "").strip()
BROKER_URL: str = env.str("BROKER_URL", "").strip()
SECRET_KEY: str = env.str("SECRET_KEY", "").strip()
DEMO_STARTED = env.str("GUARDIAN_DEMO", "") == "1"  # said by `manage.py demo` to itself and its children

DATA_DIR = DataDir.locate()
# Whoever once tried the demo here, and now runs an installation, has nothing of the demo's in it.
_kept = DATA_DIR.load() if DEMO_STARTED or not (DATABASE_URL and SECRET_KEY) else None
EMBEDDED = "" if DATABASE_URL or DEMO_STARTED else f"DATABASE_URL is not set: the embedded database of {DATA_DIR.path}"
_secret_key_kept = bool(_kept and not SECRET_KEY)
SECRET_KEY = SECRET_KEY or (_kept.secret_key if _kept else "")
# The demo's own data directory says so; nothing else ever lets a webhook reach this machine itself.
ALLOW_LOOPBACK_WEBHOOKS: bool = bool(_kept and _kept.allow_loopback_webhooks)
DEBUG: bool = bool(env.str("DEBUG", "")) and env.bool("DEBUG")
ALLOWED_HOSTS: list[str] = _list("ALLOWED_HOSTS") or LOOPBACK
CSRF_TRUSTED_ORIGINS: list[str] = [origin.rstrip("/") for origin in _list("CSRF_TRUSTED_ORIGINS")]
PUBLIC = refusals.is_public(ALLOWED_HOSTS)
PUBLIC_URL: str = env.str("PUBLIC_URL", "").strip().rstrip("/")
AUDIT_KEY: str = env.str("AUDIT_KEY", "")
# How many proxies of ours stand in front, each adding its caller to X-Forwarded-For; what comes before is mere words.
PROXY_COUNT: int = max(0, env.int("PROXY_COUNT")) if PUBLIC and env.str("PROXY_COUNT", "") else 0

# What agents.runner reads; passed on as a mapping, so that the agent needs no Django.
AGENT = {
    name: env.str(name, "").strip()
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
LANGSMITH_RUN_URL: str = env.str("LANGSMITH_RUN_URL", "").strip()

# The demo's forum: set by `manage.py demo`, otherwise switched off.
FORUM_API_URL: str = env.str("GUARDIAN_FORUM_API_URL", "")
FORUM_API_KEY: str = env.str("GUARDIAN_FORUM_API_KEY", "")
FORUM_WEBHOOK_SECRET: str = env.str("GUARDIAN_FORUM_WEBHOOK_SECRET", "")
DEMO = bool(FORUM_API_URL)

for _sentence in refusals.refusals(
    refusals.Installation(
        secret_key=SECRET_KEY,
        secret_key_kept=_secret_key_kept,
        audit_key=AUDIT_KEY,
        debug=DEBUG,
        demo=DEMO_STARTED,
        forum=bool(FORUM_API_URL or FORUM_API_KEY or FORUM_WEBHOOK_SECRET),
        hosts=ALLOWED_HOSTS,
        origins=CSRF_TRUSTED_ORIGINS,
        database_url=DATABASE_URL,
        broker_url=BROKER_URL,
        public_url=PUBLIC_URL,
        run_url=LANGSMITH_RUN_URL,
        services={name: AGENT[name] for name in ("GROQ_API_BASE", "LANGSMITH_ENDPOINT")},
    )
):
    raise ImproperlyConfigured(_sentence)
if DEMO and urlsplit(FORUM_API_URL).hostname not in {"127.0.0.1", "localhost", "::1", *ALLOWED_HOSTS}:
    raise ImproperlyConfigured("GUARDIAN_FORUM_API_URL is not this machine: the demo is for this machine only.")

# --- parts -------------------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "moderation",
    "moderation.demo",
    "queueing",
    "moderation.apps.SupervisorsDoor",
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
    "moderation.middleware.ApiPathMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "moderation.middleware.ActivityMiddleware",
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

# --- the web -----------------------------------------------------------------------------------------------------

METRICS_TOKEN: str = env.str("METRICS_TOKEN", "")  # what /metrics asks for; on a public host nothing is told without
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "login"
APPEND_SLASH = True
DATA_UPLOAD_MAX_MEMORY_SIZE = 16 * 1024 * 1024  # a batch; the API's parser holds single posts to 1 MiB
AUTHENTICATION_BACKENDS = ["moderation.services.desk.logins.CountedBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
SESSION_ENGINE = "moderation.sessions"  # where their ends are: 30 minutes idle, 12 hours in all
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
    "WEBHOOKS": "moderation.api.announced.WEBHOOKS",
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "moderation.api.openapi.with_types",
        "moderation.api.openapi.with_examples",
    ],
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "ENUM_NAME_OVERRIDES": {
        "CaseStatus": "moderation.states.Status",
        "CaseOutcome": "moderation.states.Outcome",
        "OrderStatus": "moderation.states.OrderStatus",
        "AppealStatus": "moderation.states.AppealStatus",
        "Ruling": ["no_violation", "violation"],
        "Action": "moderation.models.actions.ACTIONS",
        "ReversingAction": "moderation.models.actions.REVERSING",
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
