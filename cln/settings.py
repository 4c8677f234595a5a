"""Django's settings, read from the environment; docs/operator/settings.md explains each variable.

Nothing here opens a connection. `cln <command>` starts the embedded database first and hands its
address over in `CLN_DATABASE_URL`; see `cln.management.main`.
"""

from __future__ import annotations

import os
import secrets
import sys
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured
from psycopg.conninfo import conninfo_to_dict

from cln.accounts.vat import BadCountry, BadVatNumber, checked_country, checked_vat_number

PACKAGE_DIR = Path(__file__).resolve().parent


def _flag(name: str) -> bool:
    value = os.environ.get(name, "").strip().lower()
    if value not in {"", "0", "1", "false", "true", "no", "yes", "off", "on"}:
        raise ImproperlyConfigured(f"{name} is {value!r}; write 1 or 0.")
    return value in {"1", "true", "yes", "on"}


def _number(name: str, default: int) -> int:
    value = os.environ.get(name, "").strip() or str(default)
    if not value.isdecimal():
        raise ImproperlyConfigured(f"{name} is {value!r}; write a whole number.")
    return int(value)


def _networks(name: str) -> tuple[IPv4Network | IPv6Network, ...]:
    try:
        return tuple(
            ip_network(part) for part in os.environ.get(name, "").replace(",", " ").split()
        )
    except ValueError as error:
        raise ImproperlyConfigured(
            f"{name} is wrong: {error}; write networks like 10.0.0.0/8, separated by commas."
        ) from error


def _secret_key() -> str:
    """Return the configured key; a sandbox makes its own once and keeps it in the data directory.

    Production refuses a missing, short or repetitive key with ImproperlyConfigured.
    """
    key = os.environ.get("CLN_SECRET_KEY", "")
    if CLN_MODE == "production":
        if len(key) < 50 or len(set(key)) < 5 or key.startswith("django-insecure-"):
            raise ImproperlyConfigured(
                "CLN_SECRET_KEY is weak: production needs at least 50 characters that nobody can "
                "guess. Make one: python3 -c 'import secrets; print(secrets.token_urlsafe(50))'"
            )
        return key
    return key or _kept_secret_key(CLN_DATA_DIR / "secret_key")


def _kept_secret_key(path: Path) -> str:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Written aside and linked into place: two first starts at once agree on one key.
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        if not path.exists():
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as f:
                f.write(secrets.token_urlsafe(50))
            try:
                os.link(draft, path)
            except FileExistsError:
                pass
            finally:
                draft.unlink()
        return path.read_text(encoding="ascii")
    except OSError as error:
        raise ImproperlyConfigured(
            f"The data directory {path.parent} cannot be used: {error.strerror} "
            f"({error.filename}); set CLN_DATA_DIR to one that this user may write."
        ) from error


def _database(url: str) -> dict[str, Any]:
    parts: dict[str, Any] = dict(conninfo_to_dict(url)) if url else {}
    known = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host"}
    database: dict[str, Any] = {key: parts.pop(name, None) or "" for key, name in known.items()}
    database["PORT"] = str(parts.pop("port", None) or "")
    # Only `cln.database.prepared` prepares statements; each is planned once, for any values.
    ours = "-c lock_timeout=3000 -c plan_cache_mode=force_generic_plan"
    options = f"{parts.pop('options', None) or ''} {ours}".strip()
    pool_size = _number("CLN_DATABASE_POOL", 0)
    # A pool of its own for each process that serves many threads; others keep one connection.
    # Who gets no connection in time hears 503; a long queue would hide an outage. The pool's own
    # tries to reconnect would back off up to minutes; ended after a second, each request tries.
    pool = (
        {"min_size": 1, "max_size": pool_size, "timeout": 3, "reconnect_timeout": 1}
        if pool_size
        else False
    )
    return database | {
        "ENGINE": "django.db.backends.postgresql",
        "CONN_MAX_AGE": 0 if pool else 60,
        "CONN_HEALTH_CHECKS": True,
        # Never by itself; with Django's default of None not even where `prepared` asks for it.
        "OPTIONS": {"prepare_threshold": sys.maxsize} | parts | {"options": options, "pool": pool},
    }


def _seller_tax_details() -> tuple[str, str]:
    """Country and VAT number of the seller, checked as customers' are."""
    invented = CLN_MODE == "sandbox" and "CLN_SELLER_COUNTRY" not in os.environ
    country = os.environ.get("CLN_SELLER_COUNTRY", "IE" if invented else "")
    number = os.environ.get("CLN_SELLER_VAT_NUMBER", "IE1234567T" if invented else "")
    try:
        country = checked_country(country)
        return country, checked_vat_number(number, country=country)
    except (BadCountry, BadVatNumber) as refusal:
        raise ImproperlyConfigured(
            f"CLN_SELLER_COUNTRY or CLN_SELLER_VAT_NUMBER is wrong: {refusal.message} {refusal.fix}"
        ) from refusal


# -- where and how this runs --------------------------------------------------------------------

CLN_MODE = os.environ.get("CLN_MODE", "sandbox")
if CLN_MODE not in {"sandbox", "production"}:
    raise ImproperlyConfigured(f"CLN_MODE is {CLN_MODE!r}; write sandbox or production.")
CLN_DATA_DIR = Path(os.environ.get("CLN_DATA_DIR") or "var").absolute()
# Package repositories that the RHN protocol serves; empty = none.
CLN_CHANNELS_DIR = (
    Path(os.environ["CLN_CHANNELS_DIR"]).absolute() if os.environ.get("CLN_CHANNELS_DIR") else None
)
CLN_BASE_URL = (os.environ.get("CLN_BASE_URL") or "http://127.0.0.1:8000").rstrip("/")
CLN_GATEWAY = os.environ.get("CLN_GATEWAY") or ("sandbox" if CLN_MODE == "sandbox" else "")
CLN_GATEWAY_SECONDS = _number("CLN_GATEWAY_SECONDS", 30)
# Who keeps the data of backups: "sandbox", or the dotted path of an adapter; empty = nobody.
CLN_BACKUP_PROVIDER = os.environ.get(
    "CLN_BACKUP_PROVIDER", "sandbox" if CLN_MODE == "sandbox" else ""
)
CLN_BACKUP_CREATION = _flag("CLN_BACKUP_CREATION")
CLN_STRIPE_SECRET_KEY = os.environ.get("CLN_STRIPE_SECRET_KEY", "")
CLN_STRIPE_WEBHOOK_SECRET = os.environ.get("CLN_STRIPE_WEBHOOK_SECRET", "")
CLN_STRIPE_API_BASE = os.environ.get("CLN_STRIPE_API_BASE") or "https://api.stripe.com"
CLN_PAYPAL_CLIENT_ID = os.environ.get("CLN_PAYPAL_CLIENT_ID", "")
CLN_PAYPAL_SECRET = os.environ.get("CLN_PAYPAL_SECRET", "")
CLN_PAYPAL_WEBHOOK_ID = os.environ.get("CLN_PAYPAL_WEBHOOK_ID", "")
CLN_PAYPAL_API_BASE = os.environ.get("CLN_PAYPAL_API_BASE") or (
    "https://api-m.sandbox.paypal.com" if CLN_MODE == "sandbox" else "https://api-m.paypal.com"
)
DEBUG = _flag("CLN_DEBUG")
# What people read instead of pages while something is mended; machines are served all the same.
CLN_MAINTENANCE = os.environ.get("CLN_MAINTENANCE", "").strip()
SECRET_KEY = _secret_key()

if CLN_MODE == "production":
    if DEBUG:
        raise ImproperlyConfigured("CLN_DEBUG shows secrets to visitors; production refuses it.")
    if CLN_GATEWAY == "sandbox":
        raise ImproperlyConfigured(
            "CLN_GATEWAY is the sandbox gateway, which moves no money; production refuses it."
        )
    if CLN_BACKUP_PROVIDER == "sandbox":
        raise ImproperlyConfigured(
            "CLN_BACKUP_PROVIDER is the sandbox provider, which keeps no data; production refuses "
            "it."
        )
    for _name in ("CLN_STRIPE_API_BASE", "CLN_PAYPAL_API_BASE"):
        if not globals()[_name].startswith("https://"):
            raise ImproperlyConfigured(
                f"{_name} does not begin with https://; keys would travel in the open."
            )
    if not CLN_BASE_URL.startswith("https://"):
        raise ImproperlyConfigured(
            f"CLN_BASE_URL is {CLN_BASE_URL}; production needs an address that begins with https://"
        )
elif "_live_" in CLN_STRIPE_SECRET_KEY or "//api-m.paypal.com" in CLN_PAYPAL_API_BASE:
    # Its clock can be moved: a month of real charges would be one click.
    raise ImproperlyConfigured(
        "A sandbox must not take real money; use test keys, or set CLN_MODE to production."
    )

# Who sells: stands on every invoice, which keeps a copy. A sandbox has somebody invented.
CLN_SELLER_NAME = os.environ.get("CLN_SELLER_NAME") or (
    "Example Software Ltd" if CLN_MODE == "sandbox" else "CLN"
)
CLN_SELLER_ADDRESS = os.environ.get(
    "CLN_SELLER_ADDRESS", "1 Sample Street; Dublin D02 XY45" if CLN_MODE == "sandbox" else ""
)
CLN_SELLER_COUNTRY, CLN_SELLER_VAT_NUMBER = _seller_tax_details()

# A sandbox runs on one machine, whose address is private; on the internet it is a wrong setting.
CLN_ALLOW_PRIVATE_ADDRESSES = (
    _flag("CLN_ALLOW_PRIVATE_ADDRESSES")
    if os.environ.get("CLN_ALLOW_PRIVATE_ADDRESSES")
    else CLN_MODE == "sandbox"
)
# Networks of our own proxies: only they may say in X-Forwarded-For whom they speak for.
CLN_TRUSTED_PROXIES = _networks("CLN_TRUSTED_PROXIES")

# Threads of each web process; docs/operator says which doors give way when all are busy.
CLN_WEB_THREADS = _number("CLN_WEB_THREADS", 64)

# How old a signed token of REST v1 may be, and how far ahead the caller's clock may go, in seconds.
CLN_TOKEN_MAX_AGE = _number("CLN_TOKEN_MAX_AGE", 1800)
CLN_TOKEN_MAX_AHEAD = _number("CLN_TOKEN_MAX_AHEAD", 300)

# Calls of REST v2 a minute: of one account, and of one address that has proved nothing.
CLN_API_RATE = max(1, _number("CLN_API_RATE", 600))
CLN_API_STRANGERS_RATE = max(1, _number("CLN_API_STRANGERS_RATE", 60))

# Webhooks to http:// and to private addresses, for trying things out on one machine.
CLN_WEBHOOK_INSECURE = _flag("CLN_WEBHOOK_INSECURE")
if CLN_WEBHOOK_INSECURE and CLN_MODE == "production":
    raise ImproperlyConfigured(
        "CLN_WEBHOOK_INSECURE lets customers reach into our network; production refuses it."
    )

_HTTPS = CLN_BASE_URL.startswith("https://")
_HOST = urlsplit(CLN_BASE_URL).hostname or "localhost"
ALLOWED_HOSTS = ["*"] if CLN_MODE == "sandbox" else [_HOST, "127.0.0.1", "localhost"]
CSRF_TRUSTED_ORIGINS = [CLN_BASE_URL]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if _HTTPS else None
SESSION_COOKIE_SECURE = _HTTPS
CSRF_COOKIE_SECURE = _HTTPS
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_HSTS_SECONDS = 31_536_000 if _HTTPS else 0
X_FRAME_OPTIONS = "DENY"

# -- what it is made of -------------------------------------------------------------------------

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "allauth",
    "allauth.account",
    "allauth.usersessions",
    "django_htmx",
    "heroicons",
    "template_partials",
    "bootstrap",
    "procrastinate.contrib.django",
    "cln",
    "cln.clock",
    "cln.accounts",
    "cln.catalog",
    "cln.billing",
    "cln.licensing",
    "cln.payments",
    "cln.backups",
    "cln.notifications",
]
AUTH_USER_MODEL = "accounts.Login"
MIDDLEWARE = [
    "cln.web.RequestMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "cln.web.MachineDoorsMiddleware",
    "cln.console.static_files.StaticFiles",
    "cln.console.static_files.Pages",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
]
ROOT_URLCONF = "cln.urls"
WSGI_APPLICATION = "cln.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        # Before the applications' own: the console's sign-in pages replace allauth's.
        "DIRS": [PACKAGE_DIR / "console" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "cln.console.context.frame",
            ],
            "libraries": {
                "console": "cln.console.templatetags.console",
                "design": "cln.console.templatetags.design",
            },
            "builtins": [
                "django.templatetags.static",
                "django_htmx.templatetags.django_htmx",
                "heroicons.templatetags.heroicons",
                "template_partials.templatetags.partials",
                "cln.console.templatetags.console",
                "cln.console.templatetags.design",
                "cln.console.templatetags.linking",
                "cln.console.templatetags.translating",
            ],
        },
    }
]

# -- database and due work ----------------------------------------------------------------------

DATABASES = {"default": _database(os.environ.get("CLN_DATABASE_URL", ""))}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
PROCRASTINATE_AUTODISCOVER_MODULE_NAME = ""
PROCRASTINATE_IMPORT_PATHS = ["cln.flows.tasks"]

# -- people -------------------------------------------------------------------------------------

AUTH_USER_MODEL = "accounts.Login"
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 10},
    },
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
AUTHENTICATION_BACKENDS = ["cln.accounts.signed_in.Backend"]
SESSION_ENGINE = "cln.accounts.signed_in"
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "dashboard"
CSRF_FAILURE_VIEW = "cln.web.csrf_failure"
ACCOUNT_ADAPTER = "cln.console.sign_in.Adapter"
ACCOUNT_FORMS = {
    "login": "cln.console.forms.sign_in.LoginForm",
    "reset_password": "cln.console.forms.sign_in.ResetPasswordForm",
    "reset_password_from_key": "cln.console.forms.sign_in.NewPasswordForm",
    "change_password": "cln.console.forms.sign_in.ChangePasswordForm",
}
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_EMAIL_CONFIRMATION_EXPIRE_DAYS = 3
# An unknown address gets no mail at all: the form must not let strangers send mail through us.
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False
ACCOUNT_LOGOUT_REDIRECT_URL = "landing"
ACCOUNT_REAUTHENTICATION_TIMEOUT = 1800
ACCOUNT_RATE_LIMITS = {
    "pay_link": "30/m/ip,30/m/key",
    "mailed_link": "60/m/ip,30/m/key",
    "check_license": "30/m/key",
    "status": "60/m/key",
    "signup": "20/m/ip,5/h/key",
    "two_factor": "10/m/ip,5/5m/key",
    "passkey": "30/m/ip",
    "email_change": "5/h/user",
    "token_test": "20/m/user",
    "webhook_test": "30/m/user",
    "ticket": "5/h/user",
    "invite": "20/h/user",
}
# Rate limits count here, for all web processes together.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "shared_cache",
    }
}
# Texts are English; another language needs a translation beside the catalogue (`cln texts`).
LANGUAGE_CODE = os.environ.get("CLN_LANGUAGE") or "en"
USE_I18N = LANGUAGE_CODE != "en"
LOCALE_PATHS = [PACKAGE_DIR / "locale"]
USE_TZ = True
TIME_ZONE = "UTC"

# -- mail ---------------------------------------------------------------------------------------

# A sandbox without a mail server keeps its mails in the outbox: /sandbox/mail shows them.
EMAIL_BACKEND = (
    "cln.notifications.backends.KeptInOutbox"
    if CLN_MODE == "sandbox" and not os.environ.get("CLN_SMTP_HOST")
    else "django.core.mail.backends.smtp.EmailBackend"
)
EMAIL_TIMEOUT = 15
EMAIL_HOST = os.environ.get("CLN_SMTP_HOST", "")
EMAIL_PORT = _number("CLN_SMTP_PORT", 587)
EMAIL_HOST_USER = os.environ.get("CLN_SMTP_USER", "")
EMAIL_HOST_PASSWORD = os.environ.get("CLN_SMTP_PASSWORD", "")
EMAIL_USE_TLS = _flag("CLN_SMTP_TLS")
# Who hears of books that differ; empty = nobody, `cln check-books` shows them.
CLN_OPERATOR_EMAIL = os.environ.get("CLN_OPERATOR_EMAIL", "")
# Where tickets go that customers write in the console; empty = the operator's address.
CLN_SUPPORT_EMAIL = os.environ.get("CLN_SUPPORT_EMAIL") or CLN_OPERATOR_EMAIL
DEFAULT_FROM_EMAIL = os.environ.get("CLN_MAIL_FROM") or f"CLN <no-reply@{_HOST}>"

# -- files --------------------------------------------------------------------------------------

STATIC_URL = "/static/"
STATICFILES_DIRS = [PACKAGE_DIR / "console" / "static"]
# Nothing is collected: the finders are asked once, at start, where the files lie.
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG
WHITENOISE_ALLOW_ALL_ORIGINS = False
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": "cln.log_lines.MaskingFormatter",
            "format": "{asctime} {levelname} {name}: {message}",
            "style": "{",
        }
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    # A 4xx is the visitor's matter and answered to him; the log is for what we must mend. A 503 is
    # told once by who noticed it first, not by each of thousands.
    "filters": {
        "not_busy": {
            "()": "django.utils.log.CallbackFilter",
            "callback": lambda record: getattr(record, "status_code", 0) != 503,
        }
    },
    "loggers": {
        "django.request": {"level": "ERROR", "filters": ["not_busy"]},
        "psycopg.pool": {"level": "ERROR"},
    },
    "root": {"handlers": ["stderr"], "level": os.environ.get("CLN_LOG_LEVEL") or "WARNING"},
}
