"""Settings are checked at start, all faults at once, and the README's table has each of them."""

import re
from pathlib import Path

import pytest

from portal.settings import SETTINGS, BadSettings, Setting, Settings

README = Path(__file__).resolve().parents[2] / "README.md"
PRODUCTION = {
    "APP_ENV": "production",
    "SECRET_KEY": "Zk3fJ0q9Xw7Lr2Vt8Hs5Bn1Dc6Gm4PyE",
    "BASE_URL": "https://returns.example.org",
}


def row(setting: Setting) -> str:
    default = setting.shown_default or f"`{setting.default}`"
    return f"| `{setting.name}` | {default} | {setting.meaning} |"


def test_the_readme_has_every_setting_and_invents_none() -> None:
    documented = re.findall(r"^\| `[A-Z_]+` \|.*\|$", README.read_text(encoding="utf-8"), re.M)
    expected = [row(setting) for setting in SETTINGS]
    assert documented == expected, "the table of README.md should be:\n" + "\n".join(expected)


def test_every_setting_has_its_field() -> None:
    assert [setting.attribute for setting in SETTINGS] == list(Settings.__dataclass_fields__)


def test_every_fault_is_named_at_once() -> None:
    with pytest.raises(BadSettings) as stop:
        Settings.from_env(
            {"APP_ENV": "prod", "SMTP_PORT": "0", "DATABASE_URL": "mysql://x", "TRUSTED_PROXIES": "-1"}
        )
    assert [fault.split()[0] for fault in stop.value.faults] == [
        "APP_ENV",
        "DATABASE_URL",
        "SMTP_PORT",
        "TRUSTED_PROXIES",
    ]
    assert stop.value.code, "the process ends with an error"


@pytest.mark.parametrize("secret", ["", "short", "a" * 64, "development only: this key protects nothing"])
def test_production_refuses_a_weak_secret(secret: str) -> None:
    with pytest.raises(BadSettings, match="SECRET_KEY"):
        Settings.from_env({**PRODUCTION, "SECRET_KEY": secret})


def test_production_wants_https() -> None:
    with pytest.raises(BadSettings, match="BASE_URL"):
        Settings.from_env({**PRODUCTION, "BASE_URL": "http://returns.example.org"})


@pytest.mark.parametrize(
    "given", ["postgres://u:p@h/d", "postgresql://u:p@h/d", "postgresql+psycopg://u:p@h/d"]
)
def test_every_way_to_write_postgresql_means_psycopg_3(given: str) -> None:
    assert Settings.from_env({"DATABASE_URL": given}).database_url == "postgresql+psycopg://u:p@h/d"


def test_a_memory_database_is_refused_because_the_worker_could_not_see_it() -> None:
    with pytest.raises(BadSettings, match="DATABASE_URL should name a file"):
        Settings.from_env({"DATABASE_URL": "sqlite:///:memory:"})


def test_a_secret_can_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(PRODUCTION["SECRET_KEY"] + "\n")
    without = {name: value for name, value in PRODUCTION.items() if name != "SECRET_KEY"}
    assert Settings.from_env({**without, "SECRET_KEY_FILE": str(file)}).secret_key == PRODUCTION["SECRET_KEY"]


@pytest.mark.parametrize("also", [{}, {"SECRET_KEY": PRODUCTION["SECRET_KEY"]}])
def test_a_file_that_cannot_be_read_or_competes_is_named(tmp_path: Path, also: dict[str, str]) -> None:
    with pytest.raises(BadSettings, match="SECRET_KEY"):
        Settings.from_env({"SECRET_KEY_FILE": str(tmp_path / "none"), **also})


def test_secrets_do_not_show_when_settings_are_printed() -> None:
    shown = repr(
        Settings.from_env(
            {**PRODUCTION, "SMTP_PASSWORD": "hunter22", "DATABASE_URL": "postgres://u:pw123@h/d"}
        )
    )
    assert PRODUCTION["SECRET_KEY"] not in shown and "hunter22" not in shown and "pw123" not in shown


STRIPE = {
    **PRODUCTION,
    "GATEWAY": "stripe",
    "STRIPE_API_KEY": "sk_live_x",
    "STRIPE_WEBHOOK_SECRET": "whsec_x",
}


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"STRIPE_API_KEY": ""}, "STRIPE_API_KEY should be given"),
        ({"STRIPE_WEBHOOK_SECRET": ""}, "STRIPE_WEBHOOK_SECRET should be given in production"),
        (
            {"STRIPE_WEBHOOK_SECRET": "", "STRIPE_WEBHOOK_SECRET_OLD": "whsec_y"},
            "STRIPE_WEBHOOK_SECRET should",
        ),
        ({"STRIPE_API_KEY": "pk_live_x"}, "STRIPE_API_KEY should be a secret or restricted key"),
        ({"STRIPE_API_BASE": "http://elsewhere.example"}, "STRIPE_API_BASE should start with https"),
        ({"STRIPE_API_BASE": "elsewhere"}, "STRIPE_API_BASE should be the address"),
        ({"STRIPE_TIMEOUT": "0"}, "STRIPE_TIMEOUT should be a whole number"),
        ({"GATEWAY": "strype"}, "GATEWAY should be one of sandbox, stripe"),
    ],
)
def test_production_is_not_paid_by_a_stripe_that_is_half_set_up(changed: dict[str, str], named: str) -> None:
    assert Settings.from_env(STRIPE).gateway == "stripe"
    with pytest.raises(BadSettings, match=named):
        Settings.from_env({**STRIPE, **changed})


@pytest.mark.parametrize("where", ["development", "test", "demo"])
def test_only_production_moves_real_money(where: str) -> None:
    with pytest.raises(BadSettings, match="only production moves real money"):
        Settings.from_env({**STRIPE, "APP_ENV": where})


def test_stripes_settings_are_not_asked_for_where_it_does_not_pay() -> None:
    assert Settings.from_env(PRODUCTION).stripe_api_key == ""


def test_stripes_secrets_can_come_from_files_and_do_not_show(tmp_path: Path) -> None:
    environ = {name: value for name, value in STRIPE.items() if not name.startswith("STRIPE_")}
    for name, value in (
        ("STRIPE_API_KEY", "rk_live_hidden_1"),
        ("STRIPE_WEBHOOK_SECRET", "whsec_hidden_2"),
        ("STRIPE_WEBHOOK_SECRET_OLD", "whsec_hidden_3"),
    ):
        (tmp_path / name).write_text(value + "\n")
        environ[f"{name}_FILE"] = str(tmp_path / name)
    settings = Settings.from_env(environ)
    assert settings.stripe_webhook_secret_old == "whsec_hidden_3" and "hidden" not in repr(settings)


@pytest.mark.parametrize(("key", "told"), [("sk_test_x", True), ("rk_test_x", True), ("sk_live_x", False)])
def test_a_key_of_test_mode_in_production_is_told(
    key: str, told: bool, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    from portal.adapters import payments

    built = payments.build(Settings.from_env({**STRIPE, "STRIPE_API_KEY": key, "DATA_DIR": str(tmp_path)}))
    assert list(built) == ["stripe"]
    assert ("moves no real money" in caplog.text or "move no real money" in caplog.text) is told


GOOD = "whsec_" + "QUJD" * 12


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"WAREHOUSE": "rest"}, ["WAREHOUSE_URL", "WAREHOUSE_SECRET"]),
        ({"WAREHOUSE": "rest", "WAREHOUSE_URL": "https://wms.example.com"}, ["WAREHOUSE_SECRET"]),
        ({"WAREHOUSE": "rest", "WAREHOUSE_URL": "wms", "WAREHOUSE_SECRET": "short"},
         ["WAREHOUSE_URL", "WAREHOUSE_SECRET"]),
        ({"WAREHOUSE": "elsewhere"}, ["WAREHOUSE"]),
        ({"WAREHOUSE_URL": "https://wms.example.com"}, ["WAREHOUSE"]),
        (PRODUCTION | {"WAREHOUSE": "rest", "WAREHOUSE_URL": "http://wms.example.com", "WAREHOUSE_SECRET": GOOD},
         ["WAREHOUSE_URL"]),
    ],
)  # fmt: skip
def test_a_warehouse_that_cannot_be_asked_stops_the_start(given: dict[str, str], named: list[str]) -> None:
    with pytest.raises(BadSettings) as stop:
        Settings.from_env(given)
    assert [fault.split()[0] for fault in stop.value.faults] == named


def test_a_warehouse_is_asked_where_everything_is_said() -> None:
    assert Settings.from_env({}).warehouse == "none"
    given = {"WAREHOUSE": "rest", "WAREHOUSE_URL": "https://wms.example.com/v1/", "WAREHOUSE_SECRET": GOOD}
    made = Settings.from_env(PRODUCTION | given)
    assert (made.warehouse, made.warehouse_url) == ("rest", "https://wms.example.com/v1")
    assert GOOD not in repr(made)
