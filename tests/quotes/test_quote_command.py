"""``flask quote`` from outside: what it needs, what it prints, its exit status, and every fault of its files."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.cli.quotes import quote
from portal.quotes import schema
from tests.quotes.asking import (
    Ask,
    a_line,
    a_request,
    an_order,
    asking,
    paid_by,
    shipping,
    terms,
    want,
    written,
)

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments: str, **more: Any) -> Any:
    return CliRunner().invoke(quote, arguments, **more)


def files(folder: Path, order: Any = None, request: Any = None) -> list[str]:
    return [
        "--order",
        written(folder, "order.json", an_order(a_line()) if order is None else order),
        "--request",
        written(folder, "request.json", a_request(want()) if request is None else request),
    ]


def test_it_needs_no_database(tmp_path: Path) -> None:
    """As a command of the app, with a database that cannot be reached."""
    environment = {
        **os.environ,
        "APP_ENV": "test",
        "DATA_DIR": str(tmp_path / "data"),
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing",
    }
    command = [sys.executable, "-m", "flask", "--app", "wsgi", "quote", "--json", *files(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["breakdown"]["total"] == 1000
    assert not list((tmp_path / "data").glob("*.sqlite"))


def test_the_schema_is_printed_whole() -> None:
    done = run("--schema")
    assert done.exit_code == 0 and json.loads(done.stdout) == schema.bundle()
    assert {"order", "request", "policy", "prior", "breakdown", "answer"} <= set(schema.bundle()["$defs"])


def test_for_reading_it_is_the_same_rows_and_words(tmp_path: Path) -> None:
    policy = written(tmp_path, "policy.json", terms(restocking_fee={"percent_bp": 1000}, version=4))
    done = run(*files(tmp_path), "--policy", policy)
    assert done.exit_code == 0
    for said in (
        "1 × mug",
        "€10.00",
        "Restocking fee",
        "−€1.00",
        "10% of €10.00.",
        "Policy version 4",
        "-> card",
    ):
        assert said in done.stdout


def test_an_exchange_says_what_is_still_to_be_paid(tmp_path: Path) -> None:
    request = a_request(want(), kind="exchange", exchange=[{"name": "Teapot", "amount": 2500}])
    done = run(*files(tmp_path, request=request))
    assert (
        done.exit_code == 0 and "Still to be paid by the customer" in done.stdout and "€15.00" in done.stdout
    )


def test_a_refusal_is_told_with_its_maximum_and_exit_status_3(tmp_path: Path) -> None:
    done = run(*files(tmp_path, request=a_request(want(units=2))))
    assert done.exit_code == 3 and "units: at most 1 (line mug)" in done.stdout
    late = run(*files(tmp_path, request={"wanted": [want()], "requested_at": "2026-09-01T00:00:00Z"}))
    assert late.exit_code == 3 and "The last day to return this was" in late.stdout


def test_where_only_the_policy_refuses_the_amount_is_told_all_the_same(ask: Ask) -> None:
    told = ask(an_order(a_line(final_sale=True)), a_request(want()), terms())
    assert (told.status, told.refusals) == (3, [("final_sale", None, "mug")])
    assert told.plain["breakdown"]["total"] == 1000 and told.plain["verdict"]["outcome"] == "refused"


def test_a_refused_answer_counts_for_nothing_later(ask: Ask) -> None:
    order = an_order(a_line(units=2))
    refused = ask(order, a_request(want(units=3)), terms())
    assert refused.plain["breakdown"] is None
    assert ask(order, a_request(want(units=2)), terms(), prior=[refused]).total == 2000


def test_prior_refunds_come_as_answers_breakdowns_or_lists_of_either(ask: Ask) -> None:
    order = an_order(a_line(units=3))
    first = ask(order, a_request(want()), terms())
    second = ask(order, a_request(want()), terms(), prior=[first.plain["breakdown"]])
    spans = [told.plain["breakdown"]["lines"][0]["spans"] for told in (first, second)]
    assert spans == [[[0, 1]], [[1, 2]]]
    listed = [first.plain, second.plain["breakdown"]]
    third = ask(order, a_request(want()), terms(), prior=[listed])
    assert third.plain["breakdown"]["lines"][0]["spans"] == [[2, 3]]


def test_days_are_counted_where_the_merchant_is(ask: Ask) -> None:
    """Delivered on the 10th; 30 days end with the 9th of April, in Berlin two hours before London's midnight."""
    order, policy = an_order(a_line()), terms(window_days=30)

    def asked(at: str, **more: Any) -> int:
        return ask(order, {"wanted": [want()], "requested_at": at, **more}, policy).status

    assert asked("2026-04-09T23:00:00Z") == 0
    assert asked("2026-04-09T23:00:00Z", zone="Europe/Berlin") == 3
    assert asked("2026-04-10T01:00:00+02:00") == 0


def test_ids_are_any_text_and_come_back_as_they_were(ask: Ask) -> None:
    order = an_order(
        a_line("Größe „M“ / 1", taxes=[{"label": "VAT", "amount": 100}]),
        shipping(),
        payments=[{"id": "1", "tender": "card", "captured": 1490}],
    )
    told = ask(order, a_request(want("Größe „M“ / 1")), terms())
    assert told.plain["breakdown"]["rows"][0]["line_id"] == "Größe „M“ / 1"
    assert told.plain["breakdown"]["lines"][0]["line_id"] == "Größe „M“ / 1"
    assert told.tenders == {"1": 1000}


def test_the_policy_may_be_toml_as_create_merchant_takes_it(tmp_path: Path) -> None:
    toml = '[policy]\nreturn_postage = "merchant"\n[policy.restocking_fee]\nfixed = 250\n'
    policy = written(tmp_path, "shop.toml", toml)
    done = run(*files(tmp_path), "--policy", policy, "--json")
    assert json.loads(done.stdout)["breakdown"]["total"] == 750


def test_a_file_may_come_from_standard_input(tmp_path: Path) -> None:
    request = written(tmp_path, "request.json", a_request(want()))
    done = run("--order", "-", "--request", request, "--json", input=json.dumps(an_order(a_line())))
    assert done.exit_code == 0, done.output


# ----------------------------------------------------------------------------------------------- bad input


def test_every_fault_of_every_file_is_told_at_once_with_its_path(ask: Ask) -> None:
    order = {
        "currency": "eur",
        "lines": [
            {"id": "a", "units": 0, "unit_price": 9.99, "colour": "red"},
            {"id": "b", "units": 2.0, "unit_price": "1", "taxes": [{"amount": "1"}], "kind": "goods"},
        ],
        "payments": [{"id": "p", "tender": "check", "captured": -5}],
    }
    request = {"wanted": [{"line_id": "a"}], "requested_at": "yesterday", "resolution": "refunds"}
    told = ask(order, request, {"window_days": "30"}, prior=[{"total": 3}])
    assert told.status == 2
    assert set(told.faults) >= {
        "order.placed_at",
        "order.currency",
        "order.lines[0].units",
        "order.lines[0].unit_price",
        "order.lines[0].colour",
        "order.lines[1].units",
        "order.lines[1].taxes[0].label",
        "order.lines[1].taxes[0].amount",
        "order.lines[1].kind",
        "order.payments[0].tender",
        "order.payments[0].captured",
        "request.wanted[0].units",
        "request.requested_at",
        "request.resolution",
        "policy.window_days",
    }
    assert any(path.startswith("prior") for path in told.faults)
    names = {one["path"].partition(".")[0]: one["file"] for one in told.plain["faults"]}
    assert names["order"].endswith("order.json") and names["policy"].endswith("policy.json")


def test_a_request_that_is_no_request_still_tells_which_lines_there_are_not(ask: Ask) -> None:
    request = {
        "wanted": [{"line_id": "nope", "units": 1}, "what?"],
        "tenders": {"nobody": 5},
        "requested_at": "yesterday",
    }
    told = ask(an_order(a_line()), request)
    assert told.status == 2
    assert set(told.faults) >= {
        "request.requested_at",
        "request.wanted[0].line_id",
        "request.wanted[1]",
        "request.tenders.nobody",
    }


ITEM = {"id": "mug", "units": 3, "unit_price": "10.00"}


@pytest.mark.parametrize(
    ("order", "path", "said"),
    [
        (an_order(ITEM, ITEM), "order.lines[1].id", "stands twice"),
        (an_order(ITEM, payments=paid_by(card=1) * 2), "order.payments[1].id", "stands twice"),
        (
            an_order({**ITEM, "taxes": [{"label": "VAT", "amount": 1}] * 2}),
            "order.lines[0].taxes[1].label",
            "stands twice",
        ),
        (
            an_order({**ITEM, "taxes": [{"label": "VAT", "amount": 3001}]}),
            "order.lines[0].taxes",
            "more than the price",
        ),
        (an_order({**ITEM, "discount": 3001}), "order.lines[0].discount", "more than the goods"),
        (an_order(ITEM, discount=3001), "order.discount", "more than the goods"),
        (an_order({**ITEM, "canceled": 4}), "order.lines[0].canceled", "does not fit"),
        (an_order({**ITEM, "canceled": 1, "claimed": [[0, 2]]}), "order.lines[0].claimed", "does not fit"),
        (an_order({**ITEM, "claimed": 1, "returned": [[1, 2]]}), "order.lines[0].returned", "does not fit"),
        (an_order({**ITEM, "claimed": [[2, 1]]}), "order.lines[0].claimed", "does not fit"),
        (an_order({**ITEM, "shipped": 3, "canceled": 1}), "order.lines[0].shipped", "not canceled"),
        (an_order({**ITEM, "shipped": 1, "delivered": 2}), "order.lines[0].delivered", "shipped"),
        (an_order({**ITEM, "refunded": 3001}), "order.lines[0].refunded", "more than was paid"),
        (an_order({**ITEM, "parent_id": "set"}), "order.lines[0].parent_id", "no other line"),
        (an_order({**ITEM, "delivered_at": "2026-02-30T00:00:00Z"}), "order.lines[0]", "moment"),
        (
            an_order(ITEM, payments=[{**paid_by(card=5)[0], "refunded": 3, "disputed": 3}]),
            "order.payments[0].refunded",
            "more than it captured",
        ),
        (
            an_order(ITEM, promotions=[{"code": "X", "kind": "spend", "shares": {"cup": 1}}]),
            "order.promotions[0].shares.cup",
            "no such line",
        ),
        (
            an_order(ITEM, promotions=[{"code": "X", "kind": "spend", "shares": [["mug", 1]]}]),
            "order.promotions[0].shares.mug",
            "more than the line's discount",
        ),
    ],
)
def test_what_no_schema_can_say_is_told_as_well(ask: Ask, order: Any, path: str, said: str) -> None:
    told = ask(order, a_request(want()), terms())
    assert told.status == 2 and said in told.faults[path], told.plain


@pytest.mark.parametrize(
    ("request_of", "path"),
    [
        ({"wanted": [want("cup")]}, "request.wanted[0].line_id"),
        ({"wanted": [want()], "tenders": {"cash": 1}}, "request.tenders.cash"),
        ({"wanted": [want()], "zone": "Europe/Atlantis"}, "request.zone"),
        ({"wanted": [want()], "now": "2026-13-01T00:00:00Z"}, "request"),
    ],
)
def test_a_request_names_what_the_order_has(ask: Ask, request_of: Any, path: str) -> None:
    told = ask(an_order(a_line()), {"requested_at": "2026-03-20T12:00:00Z", **request_of}, terms())
    assert told.status == 2 and path in told.faults


def test_a_prior_refund_must_be_one_of_this_order(ask: Ask) -> None:
    order = an_order(a_line(units=2))
    done = ask(order, a_request(want()), terms())
    twice = ask(order, a_request(want()), terms(), prior=[done, done])
    assert (
        twice.status == 2
        and twice.faults["prior 2.breakdown.lines[0].spans"] == "names units that are taken already"
    )
    other = ask(an_order(a_line("cup")), a_request(want("cup")), terms(), prior=[done])
    assert other.faults["prior.breakdown.lines[0].line_id"] == "the order has no line 'mug'"
    yen = ask({**order, "currency": "JPY"}, a_request(want()), terms(), prior=[[done.plain]])
    assert "is not the currency" in yen.faults["prior[0].breakdown.currency"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is not JSON"),
        ("{", "is not JSON"),
        ('{"currency": "EUR", "currency": "USD"}', "stands twice"),
        ('{"discount": NaN}', "is no number"),
        ("[" * 100_000, "nested too deeply"),
        ("[]", "an object is needed"),
        ("null", "an object is needed"),
        ('{"discount": ' + "9" * 5000 + "}", "is not JSON"),
    ],
)
def test_what_is_no_order_at_all_is_told(tmp_path: Path, text: str, said: str) -> None:
    done = run(*files(tmp_path, order=text))
    assert done.exit_code == 2 and said in done.stderr and "order.json: order" in done.stderr


def test_a_file_that_cannot_be_read_is_told_with_the_others(tmp_path: Path) -> None:
    (tmp_path / "latin.json").write_bytes('{"number": "Gr\u00f6\u00dfe"}'.encode("latin-1"))
    nowhere = str(tmp_path / "nowhere.json")
    done = run(
        "--order", nowhere, "--request", str(tmp_path / "latin.json"), "--policy", str(tmp_path), "--json"
    )
    assert done.exit_code == 2
    faults = {one["path"]: one["message"] for one in json.loads(done.stdout)["faults"]}
    assert set(faults) == {"order", "request", "policy"}
    assert "cannot be read" in faults["order"] and "is not UTF-8" in faults["request"]


def test_without_its_files_it_says_what_it_needs() -> None:
    done = run()
    assert done.exit_code == 2 and "--order and --request are needed" in done.stderr


# ---------------------------------------------------------------------------------------------- whatever comes

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def changed(value: Any, path: list[Any], to: Any) -> Any:
    """``value`` with something else at ``path``."""
    if not path:
        return to
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = changed(copy[path[0]], path[1:], to)
    return copy


def places(value: Any, path: tuple[Any, ...] = ()) -> list[list[Any]]:
    found = [list(path)]
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return found + [place for key, item in inside for place in places(item, (*path, key))]


WHOLE = an_order(
    a_line(
        "a", 3, "9.33", taxes=[{"label": "VAT", "amount": 400}], discount=100, canceled=[[0, 1]], claimed=1
    ),
    shipping(),
    payments=paid_by(card=2000, gift_card=1189),
    discount=10,
    promotions=[{"code": "X", "kind": "spend", "shares": {"a": 50}, "steps": [{"reach": 100}]}],
)


ASKED = a_request(
    want("a", reason="other", condition="used", spans=[[2, 3]], missing_accessories=["cable"]),
    want("a", units=0, allowance=5, named=3, used=2, scope_used=[1, 2]),
    postage=100,
    extra=[{"code": "goodwill", "amount": 5, "reason": "sorry", "granted_by": "admin"}],
    waived=["restocking_fee"],
    tenders={"card": 1},
    exchange=[{"name": "cup", "amount": 3}],
    zone="Europe/Berlin",
)
POLICY = terms(
    promotions="re_evaluate",
    restocking_fee={"tiers": [{"percent_bp": 10, "conditions": ["used"]}]},
    depreciation=[{"by": "use", "steps": [[1, 100]]}],
    windows=[{"days": 60, "reason": "other"}],
    accessory_deductions={"cable": 5},
    goodwill_cap=10,
)
ELSEWHERE = [{"elsewhere": "R", "amount": 5, "lines": [{"line_id": "a", "units": 1, "amount": 5, "tax": 1}]}]
STATED = {"order": WHOLE, "request": ASKED, "policy": POLICY, "prior": ELSEWHERE}


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([(name, place) for name, value in STATED.items() for place in places(value)]), VALUES)
def test_whatever_stands_in_a_file_it_is_answered_or_told(
    tmp_path_factory: pytest.TempPathFactory, where: tuple[str, list[Any]], value: Any
) -> None:
    name, place = where
    stated = {**STATED, name: changed(STATED[name], place, value)}
    ask = asking(tmp_path_factory.mktemp("files"))
    told = ask(stated["order"], stated["request"], stated["policy"], prior=[stated["prior"]])
    assert told.status in (0, 2, 3)
    assert told.status != 2 or told.plain["faults"]
