"""Every setting of the portal: read from the environment once, checked whole, frozen."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from email.utils import parseaddr
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from portal.core.access import ROLES

ENVIRONMENTS = ("development", "test", "demo", "production")
SECRET_LENGTH = 32  # characters; `python3 -c "import secrets; print(secrets.token_hex(32))"` gives 64
SECRET_FOR_DEVELOPMENT = "development only: this key protects nothing"  # noqa: S105  refused in production


class Invalid(ValueError):
    """What is wrong with one value, put as what it should be."""


class BadSettings(SystemExit):
    """The environment cannot be used; every fault names its variable. Ends the process with code 1."""

    def __init__(self, faults: list[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("The settings cannot be used:\n" + "\n".join(f"  - {fault}" for fault in faults))


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One variable of the environment: its name, what it is when absent, what it means, how it is read."""

    name: str
    default: str
    meaning: str
    read: Callable[[str], Any]
    shown_default: str = ""

    @property
    def attribute(self) -> str:
        return self.name.lower()


def text(value: str) -> str:
    return value


def one_of(*choices: str) -> Callable[[str], str]:
    def read(value: str) -> str:
        if value not in choices:
            raise Invalid(f"should be one of {', '.join(choices)}")
        return value

    return read


def number(low: int, high: int) -> Callable[[str], int]:
    def read(value: str) -> int:
        if not value.isascii() or not value.isdigit() or not low <= int(value) <= high:
            raise Invalid(f"should be a whole number from {low} to {high}")
        return int(value)

    return read


def yes_or_no(value: str) -> bool:
    known = {
        "1": True,
        "true": True,
        "yes": True,
        "on": True,
        "0": False,
        "false": False,
        "no": False,
        "off": False,
    }
    if value.lower() not in known:
        raise Invalid("should be yes or no")
    return known[value.lower()]


def amount(value: str) -> Decimal | None:
    if not value:
        return None
    try:
        read = Decimal(value)
    except InvalidOperation:
        read = Decimal(-1)
    if not read.is_finite() or read < 0 or read.adjusted() > 12:
        raise Invalid("should be an amount in whole units of the currency, such as 500 or 99.50")
    return read


def folder(value: str) -> Path | None:
    return Path(value).expanduser().absolute() if value else None


def database_url(value: str) -> str:
    """SQLite or PostgreSQL; the short PostgreSQL schemes are rewritten to psycopg 3's."""
    for scheme in ("postgres://", "postgresql://"):
        if value.startswith(scheme):
            return "postgresql+psycopg://" + value.removeprefix(scheme)
    if value and not value.startswith(("sqlite:///", "postgresql+psycopg://")):
        raise Invalid("should start with sqlite:/// or postgresql://")
    if value in ("sqlite:///", "sqlite:///:memory:"):
        raise Invalid("should name a file: web and worker share it, memory cannot be shared")
    return value


def base_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise Invalid("should be the address people open, such as https://returns.example.com")
    return value.rstrip("/")


def api_base(value: str) -> str:
    return base_url(value) if value else ""


def stripe_key(value: str) -> str:
    if value and not value.startswith(("sk_test_", "sk_live_", "rk_test_", "rk_live_")):
        raise Invalid("should be a secret or restricted key of Stripe, such as sk_live_... or rk_live_...")
    return value


def webhook_secret(value: str) -> str:
    if not value:
        return ""
    try:
        known = base64.b64decode(value.removeprefix("whsec_"), validate=True)
    except ValueError:
        known = b""
    if not value.startswith("whsec_") or len(known) < 24:
        raise Invalid("should be whsec_ and base64 of 24 or more bytes")
    return value


def oidc_roles(value: str) -> tuple[tuple[str, str, str], ...]:
    """(value of the claim, merchant, role) of ``VALUE=MERCHANT:ROLE; ...``, in that order."""
    found = []
    for entry in filter(None, (one.strip() for one in value.replace("\n", ";").split(";"))):
        named, sign, gives = entry.rpartition("=")
        merchant, colon, role = gives.partition(":")
        if not (sign and colon and named.strip() and merchant.strip() and role.strip() in ROLES):
            raise Invalid(
                f"should hold VALUE=MERCHANT:ROLE; {entry!r} is not so. The roles are {', '.join(ROLES)}"
            )
        found.append((named.strip(), merchant.strip(), role.strip()))
    return tuple(found)


def mail_address(value: str) -> str:
    if "@" not in parseaddr(value)[1]:
        raise Invalid('should be a mail address, such as "Returns <returns@example.com>"')
    return value


def storage_uri(value: str) -> str:
    if not value.startswith(
        ("memory://", "redis://", "rediss://", "unix://", "redis+unix://", "memcached://")
    ):
        raise Invalid("should be memory:// or an address such as redis://localhost:6379/0")
    return value


SETTINGS: tuple[Setting, ...] = (
    Setting(
        name="APP_ENV",
        default="development",
        read=one_of(*ENVIRONMENTS),
        meaning="`development`, `test`, `demo` or `production`, which refuses weak secrets.",
    ),
    Setting(
        name="SECRET_KEY",
        default="",
        read=text,
        shown_default="required in production",
        meaning=f"Signs sessions and forms; {SECRET_LENGTH} or more characters. A new one signs all out.",
    ),
    Setting(
        name="DATA_DIR",
        default="var",
        read=folder,
        meaning="The folder for what the portal keeps on disk; made when missing.",
    ),
    Setting(
        name="DATABASE_URL",
        default="",
        read=database_url,
        shown_default="`portal.sqlite` in `DATA_DIR`",
        meaning="`sqlite:////path/to/file` or `postgresql://user:password@host/name`.",
    ),
    Setting(
        name="UPLOAD_DIR",
        default="",
        read=folder,
        shown_default="`uploads` in `DATA_DIR`",
        meaning="Photos that customers send and documents the portal makes; shared by web and workers.",
    ),
    Setting(
        name="BASE_URL",
        default="http://127.0.0.1:5000",
        read=base_url,
        meaning="The address people open; links in mails begin with it. `https` in production.",
    ),
    Setting(
        name="MAILER",
        default="sandbox",
        read=one_of("smtp", "sandbox"),
        meaning="`smtp` sends; `sandbox` keeps mails in the database, readable in the admin area.",
    ),
    Setting(
        name="SMTP_HOST", default="localhost", read=text, meaning="The mail server, when `MAILER` is `smtp`."
    ),
    Setting(name="SMTP_PORT", default="25", read=number(1, 65535), meaning="Its port."),
    Setting(name="SMTP_USER", default="", read=text, shown_default="none", meaning="The account there."),
    Setting(name="SMTP_PASSWORD", default="", read=text, shown_default="none", meaning="Its password."),
    Setting(
        name="SMTP_STARTTLS",
        default="no",
        read=yes_or_no,
        meaning="`yes` encrypts the connection to the mail server, and refuses one that cannot.",
    ),
    Setting(
        name="MAIL_FROM",
        default="Returns <returns@example.com>",
        read=mail_address,
        meaning="The sender, where a merchant has none of its own.",
    ),
    Setting(
        name="GATEWAY",
        default="sandbox",
        read=one_of("sandbox", "stripe"),
        meaning="By what cards are paid back: `sandbox`, which is complete and moves no real money, or `stripe`.",
    ),
    Setting(
        name="STRIPE_API_KEY",
        default="",
        read=stripe_key,
        shown_default="none",
        meaning="`sk_live_...` or a restricted `rk_live_...` that may read and make refunds; `_test_` elsewhere.",
    ),
    Setting(
        name="STRIPE_API_BASE",
        default="",
        read=api_base,
        shown_default="Stripe's own",
        meaning="Another address that speaks as Stripe does, for tests and for the demo.",
    ),
    Setting(
        name="STRIPE_WEBHOOK_SECRET",
        default="",
        read=text,
        shown_default="required in production",
        meaning="`whsec_...` of the endpoint `BASE_URL/inbound/payments/stripe`: proves that an event is Stripe's.",
    ),
    Setting(
        name="STRIPE_WEBHOOK_SECRET_OLD",
        default="",
        read=text,
        shown_default="none",
        meaning="The one before, for as long as Stripe still signs with it.",
    ),
    Setting(
        name="STRIPE_TIMEOUT",
        default="30",
        read=number(1, 80),
        meaning="After how many seconds without an answer a request counts as lost.",
    ),
    Setting(
        name="CHANNEL",
        default="sandbox",
        read=one_of("sandbox", "webhook"),
        meaning="How a shop's own system is told of cancellations: `webhook`, or `sandbox`: kept in a folder.",
    ),
    Setting(
        name="CHANNEL_URL",
        default="",
        read=api_base,
        shown_default="none",
        meaning="Where they are posted when `CHANNEL` is `webhook`; `https` in production.",
    ),
    Setting(
        name="CHANNEL_SECRET",
        default="",
        read=webhook_secret,
        shown_default="none",
        meaning="`whsec_` and base64 of 24 or more bytes: signs them, as Standard Webhooks describes.",
    ),
    Setting(
        name="WAREHOUSE",
        default="none",
        read=one_of("none", "sandbox", "rest"),
        meaning="Who is asked whether goods can still be left out, and told to: `none`, `sandbox`, which is complete "
        "and moves nothing, or `rest`.",
    ),
    Setting(
        name="WAREHOUSE_URL",
        default="",
        read=api_base,
        shown_default="none",
        meaning="The address under which a warehouse speaks `portal/adapters/warehouse/CONTRACT.md`.",
    ),
    Setting(
        name="WAREHOUSE_SECRET",
        default="",
        read=webhook_secret,
        shown_default="required for `rest`",
        meaning="`whsec_...`, shared with it: signs what it is asked, and proves its events, which it sends to "
        "`BASE_URL/inbound/warehouse/rest`.",
    ),
    Setting(
        name="OIDC_ISSUER",
        default="",
        read=api_base,
        shown_default="none",
        meaning="The OpenID provider by whom people sign in, as its tokens name it. `BASE_URL/admin/sign-in/oidc/back` "
        "is to be registered there as the redirect, `BASE_URL/admin/sign-in` as the page after signing out.",
    ),
    Setting(
        name="OIDC_CLIENT_ID",
        default="",
        read=text,
        shown_default="required with `OIDC_ISSUER`",
        meaning="What the provider knows the portal by.",
    ),
    Setting(
        name="OIDC_CLIENT_SECRET",
        default="",
        read=text,
        shown_default="none",
        meaning="What the portal proves itself with there; none for a public client, which has PKCE alone.",
    ),
    Setting(
        name="OIDC_SCOPES",
        default="openid profile email",
        read=text,
        meaning="What is asked for; `openid` is needed, and often one of the provider's own for roles.",
    ),
    Setting(
        name="OIDC_ROLES_CLAIM",
        default="groups",
        read=text,
        meaning="The claim that names roles or groups; a path has dots, such as `realm_access.roles`.",
    ),
    Setting(
        name="OIDC_ROLES",
        default="",
        read=oidc_roles,
        shown_default="required with `OIDC_ISSUER`",
        meaning="What its values give: `VALUE=MERCHANT:ROLE`, separated by `;`, the strongest first. Nothing that fits "
        "is no access.",
    ),
    Setting(
        name="LOCAL_PASSWORDS",
        default="yes",
        read=yes_or_no,
        meaning="Whether people may sign in with a password of the portal's own; `no` needs `OIDC_ISSUER`.",
    ),
    Setting(
        name="APPROVAL_THRESHOLD",
        default="",
        read=amount,
        shown_default="none",
        meaning="Refunds above it need two people where a policy says nothing. Whole units of any currency.",
    ),
    Setting(
        name="RATELIMIT_STORAGE_URI",
        default="memory://",
        read=storage_uri,
        meaning="Where request counts are kept: `memory://` per process, `redis://...` shared by all.",
    ),
    Setting(
        name="TRUSTED_PROXIES",
        default="0",
        read=number(0, 10),
        meaning="How many proxies in front are believed about the client's address and scheme.",
    ),
    Setting(
        name="LOG_FORMAT",
        default="",
        read=one_of("json", "console", ""),
        shown_default="`json` in production, else `console`",
        meaning="`json` writes one object a line, `console` is for reading.",
    ),
    Setting(
        name="LOG_LEVEL",
        default="info",
        read=one_of("debug", "info", "warning", "error"),
        meaning="The least important line that is still written.",
    ),
)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the environment said, checked and typed. `Settings.from_env(os.environ)` makes one."""

    app_env: str
    secret_key: str = field(repr=False)
    data_dir: Path
    database_url: str = field(repr=False)
    upload_dir: Path
    base_url: str
    mailer: str
    smtp_host: str
    smtp_port: int
    smtp_user: str
    smtp_password: str = field(repr=False)
    smtp_starttls: bool
    mail_from: str
    gateway: str
    stripe_api_key: str = field(repr=False)
    stripe_api_base: str
    stripe_webhook_secret: str = field(repr=False)
    stripe_webhook_secret_old: str = field(repr=False)
    stripe_timeout: int
    channel: str
    channel_url: str
    channel_secret: str = field(repr=False)
    warehouse: str
    warehouse_url: str
    warehouse_secret: str = field(repr=False)
    oidc_issuer: str
    oidc_client_id: str
    oidc_client_secret: str = field(repr=False)
    oidc_scopes: str
    oidc_roles_claim: str
    oidc_roles: tuple[tuple[str, str, str], ...]
    local_passwords: bool
    approval_threshold: Decimal | None
    ratelimit_storage_uri: str
    trusted_proxies: int
    log_format: str
    log_level: str

    @property
    def is_production(self) -> bool:
        return self.app_env == "production"

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Settings:
        """The settings in ``environ``; stops the start with every fault at once (`BadSettings`)."""
        values: dict[str, Any] = {}
        faults: list[str] = []
        for setting in SETTINGS:
            try:
                values[setting.attribute] = setting.read(_given(setting, environ))
            except Invalid as fault:
                faults.append(f"{setting.name} {fault}")
        if not faults:
            _fill_in(values)
            faults = list(_objections(values))
        if faults:
            raise BadSettings(faults)
        return cls(**values)


def _given(setting: Setting, environ: Mapping[str, str]) -> str:
    """The value itself, or the first line of the file that ``<NAME>_FILE`` names, or the default."""
    value, path = environ.get(setting.name, ""), environ.get(f"{setting.name}_FILE", "")
    if value and path:
        raise Invalid(f"is given twice; set it or {setting.name}_FILE, not both")
    if path:
        try:
            value = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            raise Invalid(f"cannot be read from the file that {setting.name}_FILE names") from None
    return value or setting.default


def _fill_in(values: dict[str, Any]) -> None:
    values["database_url"] = values["database_url"] or f"sqlite:///{values['data_dir'] / 'portal.sqlite'}"
    values["upload_dir"] = values["upload_dir"] or values["data_dir"] / "uploads"
    values["log_format"] = values["log_format"] or (
        "json" if values["app_env"] == "production" else "console"
    )
    if values["app_env"] in ("development", "test"):
        values["secret_key"] = values["secret_key"] or SECRET_FOR_DEVELOPMENT


def _objections(values: Mapping[str, Any]) -> list[str]:
    """What no single value shows."""
    found = []
    secret, careful = values["secret_key"], values["app_env"] in ("production", "demo")
    if careful and (len(secret) < SECRET_LENGTH or secret == SECRET_FOR_DEVELOPMENT or len(set(secret)) < 8):
        found.append(f"SECRET_KEY should be {SECRET_LENGTH} or more random characters of your own")
    if values["app_env"] == "production" and not values["base_url"].startswith("https://"):
        found.append("BASE_URL should start with https:// in production")
    if (
        values["app_env"] == "production"
        and values["mailer"] == "smtp"
        and values["mail_from"].endswith(("example.com>", "example.com"))
    ):
        found.append("MAIL_FROM should be an address of yours in production")
    return (
        found
        + (_stripe_objections(values) if values["gateway"] == "stripe" else [])
        + (_channel_objections(values) if values["channel"] == "webhook" else [])
        + _warehouse_objections(values)
        + _oidc_objections(values)
    )


def _oidc_objections(values: Mapping[str, Any]) -> list[str]:
    """What is missing to sign in by a provider, and what would let nobody in at all."""
    if not values["oidc_issuer"]:
        return [] if values["local_passwords"] else ["LOCAL_PASSWORDS should be yes without OIDC_ISSUER"]
    found = [
        f"{name.upper()} should be given with OIDC_ISSUER"
        for name in ("oidc_client_id", "oidc_roles")
        if not values[name]
    ]
    if "openid" not in values["oidc_scopes"].split():
        found.append("OIDC_SCOPES should have openid")
    if values["app_env"] == "production" and values["oidc_issuer"].startswith("http://"):
        found.append("OIDC_ISSUER should start with https:// in production")
    return found


def _warehouse_objections(values: Mapping[str, Any]) -> list[str]:
    """What is missing to ask a warehouse, and what would ask nobody."""
    if values["warehouse"] != "rest":
        return ["WAREHOUSE should be rest where WAREHOUSE_URL is given"] if values["warehouse_url"] else []
    found = [
        f"{name.upper()} should be given when WAREHOUSE is rest"
        for name in ("warehouse_url", "warehouse_secret")
        if not values[name]
    ]
    if values["app_env"] == "production" and values["warehouse_url"].startswith("http://"):
        found.append("WAREHOUSE_URL should start with https:// in production")
    return found


def _channel_objections(values: Mapping[str, Any]) -> list[str]:
    """What is missing to tell a shop's system, and what would tell it in the open."""
    found = [
        f"{name.upper()} should be given when CHANNEL is webhook"
        for name in ("channel_url", "channel_secret")
        if not values[name]
    ]
    if values["app_env"] == "production" and values["channel_url"].startswith("http://"):
        found.append("CHANNEL_URL should start with https:// in production")
    return found


def _stripe_objections(values: Mapping[str, Any]) -> list[str]:
    """What is missing to pay by Stripe, and what would pay by mistake."""
    found, production = [], values["app_env"] == "production"
    if not values["stripe_api_key"]:
        found.append("STRIPE_API_KEY should be given when GATEWAY is stripe")
    if "_live_" in values["stripe_api_key"] and not production:
        found.append("STRIPE_API_KEY should be a key of test mode: only production moves real money")
    if production and not values["stripe_webhook_secret"]:
        found.append(
            "STRIPE_WEBHOOK_SECRET should be given in production: without it nobody's events are believed"
        )
    if values["stripe_webhook_secret_old"] and not values["stripe_webhook_secret"]:
        found.append("STRIPE_WEBHOOK_SECRET should be given where STRIPE_WEBHOOK_SECRET_OLD is")
    if production and values["stripe_api_base"].startswith("http://"):
        found.append("STRIPE_API_BASE should start with https:// in production")
    return found
