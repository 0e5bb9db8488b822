"""``flask policy-check``: what a changed policy would have done, on paper."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from tests.builders import a_merchant, a_return, an_item, an_order

NOW = datetime.now(UTC)


@pytest.fixture
def shop(app: Flask, gateways: Any) -> str:
    """A shop with two returns of its past: a mug, and a pair of shoes."""
    with app.app_context():
        merchant_id = a_merchant(slug="shop", now=NOW)
        for item in (an_item(price="20.00"), an_item("SHOES", price="80.00", category="shoes")):
            order = an_order(gateways, merchant_id, [item], now=NOW)
            a_return(gateways, merchant_id, order, now=NOW)
    return "shop"


def run(app: Flask, *arguments: str) -> Any:
    return app.test_cli_runner().invoke(args=["policy-check", *arguments])


def a_file(tmp_path: Path, value: Any, name: str = "policy.json") -> str:
    path = tmp_path / name
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return str(path)


CHANGED = {
    "return_postage": "merchant",
    "restocking_fee": {"percent_bp": 1000},
    "excluded_categories": ["shoes"],
}


def test_it_lists_what_differs_and_adds_it_up(app: Flask, shop: str, tmp_path: Path) -> None:
    done = run(app, "--merchant", shop, "--policy", a_file(tmp_path, CHANGED), "--json")
    assert done.exit_code == 0
    told = json.loads(done.stdout)
    shoes, mug = told["returns"]
    assert (mug["before"]["refund"], mug["after"]["refund"], mug["difference"]) == (2000, 1800, -200)
    assert [(row["rule"], row["amount"]) for row in mug["rows"]] == [("restocking_fee", -200)]
    assert (shoes["before"]["verdict"], shoes["after"]["verdict"]) == ("allowed", "refused")
    assert [one["code"] for one in shoes["after"]["findings"]] == ["not_eligible_category"]
    totals = told["totals"]
    assert (totals["returns"], totals["differing"]) == (2, 2)
    assert totals["changed"] == [{"before": "allowed", "after": "refused", "returns": 1}]
    assert totals["refunds"]["EUR"] == {
        "before": 10_000,
        "after": 1_800,
        "difference": -8_200,
        "more": 0,
        "less": 8_200,
        "rules": {"excluded_categories": -8_000, "restocking_fee": -200},
    }


def test_for_reading_it_says_the_same_in_words(app: Flask, shop: str, tmp_path: Path) -> None:
    done = run(app, "--merchant", shop, "--policy", a_file(tmp_path, CHANGED))
    assert done.exit_code == 0
    assert "allowed -> refused" in done.stdout
    assert "Goods of this kind cannot be returned." in done.stdout
    assert "Restocking fee" in done.stdout and "2 of 2 returns would differ." in done.stdout
    assert "€100.00 before, €18.00 after, −€82.00" in done.stdout


def test_a_policy_that_changes_nothing_lists_nothing(app: Flask, shop: str, tmp_path: Path) -> None:
    done = run(app, "--policy", a_file(tmp_path, {"return_postage": "merchant"}), "--json")
    told = json.loads(done.stdout)
    assert done.exit_code == 0 and told["returns"] == [] and told["totals"]["returns"] == 2


def test_the_file_of_create_merchant_will_do(app: Flask, shop: str, tmp_path: Path) -> None:
    toml = 'name = "Demo"\n[policy]\nreturn_postage = "merchant"\n[policy.restocking_fee]\nfixed = 500\n'
    done = run(app, "--policy", a_file(tmp_path, toml, "shop.toml"), "--json")
    assert [one["difference"] for one in json.loads(done.stdout)["returns"]] == [-500, -500]


def test_since_and_limit(app: Flask, shop: str, tmp_path: Path) -> None:
    policy = a_file(tmp_path, CHANGED)
    assert json.loads(run(app, "--policy", policy, "--limit", "1", "--json").stdout)["totals"]["returns"] == 1
    tomorrow = (NOW + timedelta(days=2)).date().isoformat()
    done = run(app, "--policy", policy, "--since", tomorrow, "--json")
    assert json.loads(done.stdout)["totals"]["returns"] == 0


def test_every_fault_of_the_file_is_told_with_its_path(app: Flask, shop: str, tmp_path: Path) -> None:
    wrong = {"window_days": -1, "windows": [{"days": "x"}], "refund_shiping": "never", "goodwill_cap": 1.5}
    done = run(app, "--policy", a_file(tmp_path, wrong), "--json")
    assert done.exit_code == 2
    paths = {fault["path"] for fault in json.loads(done.stdout)["faults"]}
    assert paths == {
        "policy.window_days",
        "policy.windows[0].days",
        "policy.refund_shiping",
        "policy.goodwill_cap",
    }


def test_codes_that_do_not_exist_are_faults_as_well(app: Flask, shop: str, tmp_path: Path) -> None:
    done = run(app, "--policy", a_file(tmp_path, {"approval_reasons": ["whim"], "photo_reasons": ["mood"]}))
    assert done.exit_code == 2
    assert "policy.approval_reasons" in done.stderr and "policy.photo_reasons" in done.stderr


@pytest.mark.parametrize(
    "text", ["{", "[]", "null", '{"window_days": NaN}', '{"active": true, "active": false}']
)
def test_what_is_no_policy_is_told(app: Flask, shop: str, tmp_path: Path, text: str) -> None:
    done = run(app, "--policy", a_file(tmp_path, text))
    assert done.exit_code == 2 and done.stderr.strip()


def test_a_file_that_is_not_there_and_a_merchant_that_is_not(app: Flask, tmp_path: Path) -> None:
    missing = run(app, "--policy", str(tmp_path / "nowhere.json"))
    assert missing.exit_code == 2 and "nowhere.json" in missing.stderr
    stranger = run(app, "--policy", a_file(tmp_path, {}), "--merchant", "nobody")
    assert stranger.exit_code == 1 and "nobody" in stranger.output
