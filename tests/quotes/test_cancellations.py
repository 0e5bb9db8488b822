"""Partial cancellations stated in files and answered by ``flask quote``: what could go, the refund, what stays."""

import json
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from portal.cli.quotes import quote
from tests.quotes.asking import (
    Ask,
    Told,
    a_line,
    a_request,
    an_order,
    paid_by,
    shipping,
    terms,
    want,
    written,
)

VAT = [{"label": "VAT", "amount": 447}]
MUGS = {"goods": 2798, "taxes": VAT}
"""Three that cost 27.98 together."""


def cancel(*wanted: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Asked on 20 March at noon."""
    return a_request(*wanted, kind="partial_cancellation", **more)


def a_service(name: str, price: str = "31.00", **more: Any) -> dict[str, Any]:
    """Paid for March, every month."""
    months = {"interval": "month", "period_start": "2026-03-01", "period_end": "2026-03-31"}
    return a_line(name, 1, price, kind="service", **{**months, **more})


def a_bundle(**more: Any) -> list[dict[str, Any]]:
    """Sold as one price of 50.00; its parts would cost 60.00 alone."""
    return [
        a_line("set", 1, "50.00", **more),
        a_line("camera", 1, "0", parent_id="set", list_price="40.00", part_required=True),
        a_line("bag", 1, "0", parent_id="set", list_price="15.00"),
        a_line("strap", 1, "0", parent_id="set", list_price="5.00"),
    ]


def codes(told: Told) -> list[str]:
    return [one["code"] for one in told.plain["refusals"]]


def details(told: Told) -> dict[str, dict[str, Any]]:
    """finding -> what it was judged by"""
    return {one["code"]: one["details"] for one in told.plain["verdict"]["findings"]}


def offered(told: Told) -> dict[str, int]:
    """line -> how many units could be taken out"""
    return {one["line_id"]: one["units"] for one in told.plain["offers"]}


def totals(told: Told) -> dict[str, int]:
    before, after = told.plain["totals"]["before"], told.plain["totals"]["after"]
    for one in (before, after):
        assert one["goods"] + one["shipping"] + one["other"] == one["total"]
        assert one["total"] + one["refunded"] == one["paid"] == before["paid"]
    return dict(after)


# ------------------------------------------------------------------------------------------- units and amounts


@pytest.mark.parametrize(
    ("wanted", "refund", "stays"),
    [
        ([want("mug")], 933, 4355),
        ([want("mug", 2)], 1865, 3423),
        ([want("mug", 3)], 2798, 2490),
        ([want("cup")], 2000, 3288),
        ([want("mug"), want("cup")], 2933, 2355),
        ([want("mug", 3), want("cup")], 5288, 0),
    ],
    ids=["one of three", "two of three", "the line", "the other line", "one of each", "everything"],
)
def test_units_are_given_back_as_they_were_paid_and_the_rest_stays(
    ask: Ask, wanted: list[dict[str, Any]], refund: int, stays: int
) -> None:
    """Shipping is kept, but goes back with the whole order."""
    order = an_order(a_line("mug", 3, "9.33", **MUGS), a_line("cup", 1, "20.00"), shipping())
    told = ask(order, cancel(*wanted), terms())
    assert (told.total, totals(told)["total"], told.plain["verdict"]["outcome"]) == (refund, stays, "allowed")


@pytest.mark.parametrize(
    "turns",
    [["cancel", "cancel", "return"], ["cancel", "return", "cancel"], ["return", "cancel", "cancel"]],
    ids="-".join,
)
def test_cancellations_and_returns_in_any_order_add_up_to_what_was_paid(ask: Ask, turns: list[str]) -> None:
    order = an_order(a_line("mug", 3, "9.33", shipped=1, **MUGS), shipping())
    done: list[Told] = []
    for turn in turns:
        request = cancel(want()) if turn == "cancel" else a_request(want())
        done.append(ask(order, request, terms(refund_shipping="full_return"), prior=done))
    assert sum(told.total for told in done) == 2798 + 490
    again = ask(order, cancel(want()), terms(), prior=done)
    assert again.status == 3
    assert offered(again) == {"mug": 0}


def test_a_partly_shipped_line_loses_only_what_has_not_left(ask: Ask) -> None:
    order = an_order(a_line("mug", 5, "10.00", shipped=1, picked=1, held=1, canceled=1))
    assert ask(order, cancel(want()), terms()).total == 1000
    two = ask(order, cancel(want(units=2)), terms())
    assert sorted(codes(two)) == [
        "already_canceled",
        "already_shipped",
        "being_picked",
        "held_by_proposal",
        "too_many_units",
    ]
    assert details(two)["too_many_units"] == {"maximum": 1, "cancelable": 1, "wanted": 2}
    assert {code: found["units"] for code, found in details(two).items() if "units" in found} == {
        "already_canceled": 1,
        "already_shipped": 1,
        "being_picked": 1,
        "held_by_proposal": 1,
    }


def test_units_that_a_proposal_holds_are_in_nobodys_return(ask: Ask) -> None:
    order = an_order(a_line("mug", 2, "10.00", shipped=2, held=1))
    assert ask(order, a_request(want()), terms()).total == 1000
    assert ask(order, a_request(want(units=2)), terms()).status == 3


def test_what_was_returned_is_not_canceled_as_well(ask: Ask) -> None:
    told = ask(an_order(a_line("mug", 2, "10.00", shipped=2, claimed=1)), cancel(want()), terms())
    assert sorted(codes(told)) == ["already_returned", "already_shipped"]


# --------------------------------------------------------------------------------------- what stands against it


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ({"shipped": 3}, "already_shipped"),
        ({"picked": 3}, "being_picked"),
        ({"canceled": 3}, "already_canceled"),
        ({"held": 3}, "held_by_proposal"),
        ({"logistics": ["drop_ship"]}, "drop_ship"),
        ({"logistics": ["custom_made"]}, "custom_made"),
        ({"logistics": ["pre_picked"]}, "pre_picked"),
        ({"logistics": ["third_party"]}, "third_party"),
        ({"cut_off": "2026-03-20T11:59:59Z"}, "past_cut_off"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_fact_of_the_line_that_forbids_it_is_told(ask: Ask, line: dict[str, Any], code: str) -> None:
    told = ask(an_order(a_line("mug", 3, "10.00", **line), a_line("cup")), cancel(want()), terms())
    assert code in codes(told)
    assert offered(told) == {"mug": 0, "cup": 1}


@pytest.mark.parametrize("code", ["drop_ship", "custom_made", "pre_picked", "third_party", "cut_off"])
def test_what_the_warehouse_answers_forbids_it_too(ask: Ask, code: str) -> None:
    asked = [{"line_id": "mug", "code": code, "by": "warehouse north"}]
    told = ask(an_order(a_line(units=3), a_line("cup")), cancel(want(), constraints=asked), terms())
    name = "past_cut_off" if code == "cut_off" else code
    assert codes(told) == [name]
    assert details(told)[name]["by"] == "warehouse north"
    assert offered(told) == {"mug": 0, "cup": 1}


@pytest.mark.parametrize(("code", "finding"), [("picking", "being_picked"), ("shipped", "already_shipped")])
def test_what_the_warehouse_has_in_hand_counts_by_unit(ask: Ask, code: str, finding: str) -> None:
    asked = [{"line_id": "mug", "code": code, "units": 2}]
    order = an_order(a_line(units=3))
    assert ask(order, cancel(want(), constraints=asked), terms()).total == 1000
    more = ask(order, cancel(want(units=2), constraints=asked), terms())
    assert codes(more) == [finding, "too_many_units"]
    assert offered(more) == {"mug": 1}


def test_a_cut_off_that_is_still_ahead_is_only_told(ask: Ask) -> None:
    order = an_order(a_line(cut_off="2026-03-20T12:00:00Z"))
    told = ask(order, cancel(want()), terms())
    assert (told.total, told.plain["offers"][0]["until"]) == (1000, "2026-03-20T12:00:00+00:00")
    later = ask(order, cancel(want(), now="2026-03-20T12:00:01Z"), terms())
    assert codes(later) == ["past_cut_off"]


@pytest.mark.parametrize(
    ("state", "code"), [("pending", "order_not_confirmed"), ("canceled", "order_canceled")]
)
def test_only_a_confirmed_order_loses_units(ask: Ask, state: str, code: str) -> None:
    told = ask(an_order(a_line(), state=state), cancel(want()), terms())
    assert codes(told) == [code]
    assert offered(told) == {"mug": 0}


def test_all_objections_are_told_at_once(ask: Ask) -> None:
    order = an_order(
        a_line("mug", 1, "10.00", shipped=1),
        a_line("cup", 1, "10.00", logistics=["custom_made", "drop_ship"]),
        a_line("tray", 2, "10.00", picked=1),
        shipping(),
        state="pending",
    )
    told = ask(order, cancel(want("mug"), want("cup"), want("tray", 2), want("shipping")), terms())
    assert {(one["code"], one["line_id"]) for one in told.plain["refusals"]} == {
        ("order_not_confirmed", None),
        ("already_shipped", "mug"),
        ("custom_made", "cup"),
        ("drop_ship", "cup"),
        ("being_picked", "tray"),
        ("too_many_units", "tray"),
        ("not_cancelable", "shipping"),
        ("too_much", "shipping"),
    }


def test_what_a_shop_offers_no_customer_an_agent_may_do_all_the_same(ask: Ask) -> None:
    order, policy = an_order(a_line()), terms(cancellations=False)
    assert codes(ask(order, cancel(want()), policy)) == ["cancellations_off"]
    assert ask(order, cancel(want(), by_customer=False), policy).total == 1000


def test_nothing_and_too_much_are_refused_with_the_maximum(ask: Ask) -> None:
    order = an_order(a_line(units=2))
    assert "nothing_chosen" in codes(ask(order, cancel(), terms()))
    assert ("too_many_units", 2, "mug") in ask(order, cancel(want(units=3)), terms()).refusals
    assert ("too_many_units", 2, "mug") in ask(order, cancel(want(), want(units=2)), terms()).refusals


def test_money_that_a_bank_took_back_is_not_given_twice(ask: Ask) -> None:
    order = an_order(a_line(units=2), payments=[{**paid_by(card=2000)[0], "disputed": 1500}])
    told = ask(order, cancel(want()), terms())
    assert codes(told) == ["payment_disputed"]
    assert details(told)["payment_disputed"] == {"maximum": 500, "disputed": 1500}


# --------------------------------------------------------------------------------------------- how it was paid


@pytest.mark.parametrize(
    ("payment", "mode", "due"),
    [
        ({"tender": "card"}, "captured", 0),
        ({"tender": "card", "mode": "authorized"}, "authorized", 0),
        ({"tender": "invoice"}, "due", 2000),
        ({"tender": "cash_on_delivery"}, "due", 2000),
        ({"tender": "instalments"}, "due", 2000),
        ({"tender": "invoice", "mode": "captured"}, "captured", 0),
        ({"tender": "bank_transfer", "mode": "due"}, "due", 2000),
    ],
    ids=lambda value: "-".join(value.values()) if isinstance(value, dict) else "",
)
def test_what_was_never_taken_is_let_go_and_not_refunded(
    ask: Ask, payment: dict[str, Any], mode: str, due: int
) -> None:
    order = an_order(a_line(units=3), payments=[{"id": "p", "captured": 3000, **payment}])
    told = ask(order, cancel(want()), terms())
    after = totals(told)
    assert told.tenders == {"p": 1000}
    assert (after["refunded"], after["due"]) == (1000, due)
    assert after["released"] == (0 if mode == "captured" else 1000)


def test_an_authorization_is_let_go_bit_by_bit_and_never_by_more(ask: Ask) -> None:
    card = {"id": "card", "tender": "card", "captured": 2798, "mode": "authorized"}
    order = an_order(a_line("mug", 3, "9.33", **MUGS), payments=[card])
    first = ask(order, cancel(want()), terms())
    second = ask(order, cancel(want()), terms(), prior=[first])
    last = ask(order, cancel(want()), terms(), prior=[first, second])
    assert [told.total for told in (first, second, last)] == [933, 932, 933]
    assert totals(last) | {"canceled": 0} == {
        "goods": 0, "shipping": 0, "other": 0, "total": 0, "canceled": 0, "paid": 2798, "refunded": 2798,
        "released": 2798, "due": 0, "units": 0,
    }  # fmt: skip


def test_a_gift_card_that_was_used_up_and_what_is_owed_on_delivery_each_lose_their_own(ask: Ask) -> None:
    payments = [
        {"id": "gift", "tender": "gift_card", "captured": 1200},
        {"id": "cod", "tender": "cash_on_delivery", "captured": 1800},
    ]
    order = an_order(a_line(units=3), payments=payments)
    told = ask(order, cancel(want(units=3)), terms())
    assert told.tenders == {"gift": 1200, "cod": 1800}
    assert (totals(told)["released"], totals(told)["due"]) == (1800, 0)


# ---------------------------------------------------------------------------------------------------- bundles


@pytest.mark.parametrize(
    ("name", "refund"), [("bag", 1250), ("strap", 417)], ids=["a quarter", "the smallest"]
)
def test_a_part_of_a_bundle_sold_as_one_price_is_worth_its_part_of_the_price(
    ask: Ask, name: str, refund: int
) -> None:
    told = ask(an_order(*a_bundle()), cancel(want(name)), terms())
    assert (told.total, totals(told)["total"]) == (refund, 5000 - refund)


def test_the_parts_of_a_bundle_add_up_to_its_price_discount_and_tax(ask: Ask) -> None:
    """50.00 less 4.99, 7.19 of it tax: by 40 to 15 to 5, largest remainder."""
    order = an_order(*a_bundle(discount=499, taxes=[{"label": "VAT", "amount": 719}]))
    policy = terms()
    parts = {name: ask(order, cancel(want(name)), policy) for name in ("bag", "strap")}
    whole = cancel(want("set"), want("camera"), want("bag"), want("strap"))
    all_of_it = ask(order, whole, policy)
    rest = ask(order, cancel(want("set"), want("camera")), policy)
    assert {name: told.rows for name, told in parts.items()} == {
        "bag": [("item_subtotal", 1250), ("order_discount_share", -125)],
        "strap": [("item_subtotal", 417), ("order_discount_share", -41)],
    }
    assert (all_of_it.total, all_of_it.plain["breakdown"]["tax"]) == (4501, 719)
    assert "bundle_part_required" in codes(rest)
    assert sum(told.plain["breakdown"]["tax"] for told in parts.values()) == 180 + 60


def test_parts_with_a_price_of_their_own_keep_it(ask: Ask) -> None:
    lines = [
        a_line("set", 1, "50.00"),
        a_line("camera", 1, "30.00", parent_id="set", list_price="99.00"),
        a_line("bag", 1, "0", parent_id="set", list_price="15.00"),
    ]
    order = an_order(*lines)
    assert ask(order, cancel(want("camera"), by_customer=False), terms()).total == 3000
    assert ask(order, cancel(want("bag")), terms()).total == 5000


def test_without_what_the_parts_cost_alone_a_bundle_keeps_its_price(ask: Ask) -> None:
    lines = [a_line("set", 1, "50.00"), a_line("bag", 1, "0", parent_id="set")]
    assert ask(an_order(*lines), cancel(want("bag")), terms()).total == 0


def test_a_bundle_goes_without_the_part_that_it_is_nothing_without_as_a_whole_only(ask: Ask) -> None:
    order = an_order(*a_bundle(), a_line("mug"))
    alone = ask(order, cancel(want("camera")), terms())
    assert [(one["code"], one["line_id"]) for one in alone.plain["refusals"]] == [
        ("bundle_part_required", "camera")
    ]
    whole = cancel(want("set"), want("camera"), want("bag"), want("strap"))
    assert ask(order, whole, terms()).total == 5000


def test_a_shop_may_cancel_bundles_as_a_whole_only(ask: Ask) -> None:
    order, policy = an_order(*a_bundle(), a_line("mug")), terms(bundles="whole")
    assert "bundle_whole_only" in codes(ask(order, cancel(want("bag")), policy))
    whole = cancel(want("set"), want("camera"), want("bag"), want("strap"))
    assert ask(order, whole, policy).total == 5000


def test_the_name_of_a_bundle_goes_with_its_last_part_and_its_parts_with_the_name(ask: Ask) -> None:
    order = an_order(*a_bundle(), a_line("mug"))
    by_name = ask(order, cancel(want("set")), terms())
    by_parts = ask(order, cancel(want("camera"), want("bag"), want("strap")), terms())
    assert by_name.total == by_parts.total == 5000
    for told in (by_name, by_parts):
        assert {line["line_id"] for line in told.plain["breakdown"]["lines"]} == {
            "set", "camera", "bag", "strap",
        }  # fmt: skip
        assert totals(told)["units"] == 1


def test_a_part_of_a_bundle_is_worth_the_same_whenever_it_goes(ask: Ask) -> None:
    order = an_order(*a_bundle())
    for first, second in permutations(["bag", "strap"]):
        one = ask(order, cancel(want(first)), terms())
        other = ask(order, cancel(want(second)), terms(), prior=[one])
        assert one.total + other.total == 1667
        assert totals(other)["total"] == 3333


# --------------------------------------------------------------------------------------------------- services


@pytest.mark.parametrize(
    ("asked_at", "refund", "used", "last"),
    [
        ("2026-03-01T00:00:00Z", 3000, [1, 31], "2026-03-01"),
        ("2026-03-20T12:00:00Z", 1100, [20, 31], "2026-03-20"),
        ("2026-03-31T23:59:00Z", 0, [31, 31], "2026-03-31"),
        ("2026-02-27T12:00:00Z", 3100, [0, 31], None),
    ],
    ids=["first day", "in the middle", "last day", "before it began"],
)
def test_a_service_that_ends_at_once_gives_the_days_back_that_were_not_had(
    ask: Ask, asked_at: str, refund: int, used: list[int], last: str | None
) -> None:
    order = an_order(a_service("tv"), a_service("net", "20.00"), placed_at="2026-02-20T12:00:00Z")
    told = ask(order, cancel(want("tv", ending="at_once"), requested_at=asked_at), terms())
    assert told.total == refund
    assert told.plain["endings"] == [
        {"line_id": "tv", "ending": "at_once", "ends_on": last, "scope_used": used}
    ]
    assert totals(told)["total"] == 5100 - refund


def test_a_service_that_ends_with_its_period_gives_nothing_back_and_the_others_go_on(ask: Ask) -> None:
    order = an_order(a_service("tv"), a_service("net", "20.00"))
    told = ask(order, cancel(want("tv", ending="next_period")), terms())
    assert (told.total, told.rules) == (0, {"runs_out": 0})
    assert told.plain["endings"][0]["ends_on"] == "2026-03-31"
    again = ask(order, cancel(want("tv", ending="at_once")), terms(), prior=[told])
    assert codes(again) == ["service_ending"]
    assert offered(again) == {"tv": 0, "net": 1}


@pytest.mark.parametrize(
    ("service", "ending", "code"),
    [
        ({}, "", "ending_unknown"),
        ({"interval": ""}, "next_period", "ending_unknown"),
        ({"ends_on": "2026-03-31"}, "at_once", "service_ending"),
        ({"period_start": "2026-02-01", "period_end": "2026-02-28"}, "at_once", "service_over"),
    ],
    ids=["no ending said", "paid once", "ends already", "its period is over"],
)
def test_a_service_that_cannot_end_so_is_refused(
    ask: Ask, service: dict[str, Any], ending: str, code: str
) -> None:
    told = ask(an_order(a_service("tv", **service)), cancel(want("tv", ending=ending)), terms())
    assert codes(told) == [code]


def test_days_are_those_of_the_shops_own_zone(ask: Ask) -> None:
    """Half an hour before midnight in London it is the next day in Berlin."""
    order = an_order(a_service("tv"))
    late = cancel(want("tv", ending="at_once"), requested_at="2026-03-10T23:30:00Z")
    assert ask(order, late, terms()).total == 2100
    assert ask(order, {**late, "zone": "Europe/Berlin"}, terms()).total == 2000


# --------------------------------------------------------------------------------------- shipping and promotions


def test_shipping_is_quoted_anew_only_where_the_policy_says_so_and_never_dearer(ask: Ask) -> None:
    order = an_order(a_line(units=4), shipping("9.00"))
    tiers = [{"from_goods": 0, "price": 500}, {"from_goods": 3000, "price": 900}]
    anew = terms(cancel_shipping="re_evaluate", shipping_tiers=tiers)
    assert ask(order, cancel(want(units=2)), terms()).total == 2000
    assert ask(order, cancel(want(units=2)), anew).rules == {"paid": 2000, "cancel_shipping": 400}
    assert ask(order, cancel(want()), anew).total == 1000
    dearer = terms(cancel_shipping="re_evaluate", shipping_tiers=[{"from_goods": 0, "price": 1500}])
    assert ask(order, cancel(want(units=2)), dearer).total == 2000


def test_a_deal_that_no_longer_holds_is_kept_and_nobody_is_charged(ask: Ask) -> None:
    deal = {"code": "SAVE", "kind": "spend", "shares": {"mug": 400, "cup": 200},
            "steps": [{"reach": 5000, "percent_bp": 1000}]}  # fmt: skip
    lines = [a_line("mug", 4, "10.00", discount=400), a_line("cup", 1, "20.00", discount=200)]
    order = an_order(*lines, promotions=[deal])
    assert ask(order, cancel(want("mug", 4)), terms()).total == 3600
    again = ask(order, cancel(want("mug", 4)), terms(promotions="re_evaluate"))
    assert 0 <= again.total <= 3600


# --------------------------------------------------------------------------------------------- what files say


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ({"picked": 4}, "order.lines[0].picked"),
        ({"shipped": 2, "picked": 2}, "order.lines[0].picked"),
        ({"canceled": 2, "held": 2}, "order.lines[0].held"),
        ({"held": [[2, 4]]}, "order.lines[0].held"),
        ({"logistics": ["by_drone"]}, "order.lines[0].logistics[0]"),
        ({"interval": "fortnight"}, "order.lines[0].interval"),
        ({"period_start": "2026-03-01"}, "order.lines[0].period_end"),
        ({"period_start": "2026-03-02", "period_end": "2026-03-01"}, "order.lines[0].period_end"),
        ({"period_start": "March"}, "order.lines[0].period_start"),
        ({"list_price": "-1"}, "order.lines[0].list_price"),
        ({"cut_off": "tomorrow"}, "order.lines[0].cut_off"),
        ({"piked": 1}, "order.lines[0].piked"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_line_that_cannot_be_is_a_fault_with_its_path(ask: Ask, line: dict[str, Any], path: str) -> None:
    told = ask(an_order(a_line(units=3, **line)), cancel(want()), terms())
    assert told.status == 2
    assert path in told.faults


def test_faults_of_requests_and_payments_are_told_together(ask: Ask) -> None:
    payment = {"id": "p", "tender": "card", "captured": 1000, "mode": "maybe"}
    constraints = [{"line_id": "cup", "code": "picking"}, {"line_id": "mug", "code": "sleeping"}]
    told = ask(
        an_order(a_line(), payments=[payment], state="open"),
        cancel(want(ending="later"), constraints=constraints),
        terms(bundles="halves"),
    )
    assert set(told.faults) == {
        "order.payments[0].mode",
        "order.state",
        "request.wanted[0].ending",
        "request.constraints[1].code",
        "policy.bundles",
    }
    unknown = ask(an_order(a_line()), cancel(want(), constraints=constraints[:1]), terms())
    assert unknown.faults == {"request.constraints[0].line_id": "the order has no line 'cup'"}
    released = {"id": "p", "tender": "card", "captured": 1000, "refunded": 100, "released": 101}
    more = ask(an_order(a_line(), payments=[released]), cancel(want()), terms())
    assert set(more.faults) == {"order.payments[0].released"}


def test_the_answer_can_be_read(tmp_path: Path) -> None:
    payments = [{"id": "i", "tender": "invoice", "captured": 5100}]
    order = an_order(a_line(units=2), a_service("tv"), payments=payments)
    request = cancel(want(), want("tv", ending="next_period"))
    files = [written(tmp_path, f"{n}.json", json.dumps(value)) for n, value in enumerate((order, request))]
    done = CliRunner().invoke(quote, ["--order", files[0], "--request", files[1]])
    assert done.exit_code == 0
    said = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert "The order comes to €41.00 before: €51.00" in said
    assert "Still owed by the customer €41.00 before: €51.00" in said
    assert "tv ends on 2026-03-31" in said
