"""Each numbered rule of money, stated in files and answered by ``flask quote``; the number is in the name."""

from itertools import permutations
from typing import Any
from uuid import UUID, uuid4

import pytest

from portal.core.facts import LineFacts, OrderFacts
from portal.core.refunds import breakdown as breakdowns
from portal.core.refunds import ledger
from portal.quotes import orders
from portal.quotes.forms import Names
from tests.quotes.asking import Ask, a_line, a_request, an_order, paid_by, shipping, terms, want

VAT = [{"label": "VAT", "amount": 447}]
MUGS = a_line("mug", 3, "9.33", goods=2798, taxes=VAT)
"""Three that cost 27.98 together."""
FAULT = {"reason": "defective"}


# ----------------------------------------------------------------------------------------- what was paid, once


def test_rule_1_a_gift_card_is_a_tender_and_never_a_discount(ask: Ask) -> None:
    order = an_order(a_line(units=2), payments=paid_by(card=1500, gift_card=500))
    told = ask(order, a_request(want(units=2)), terms())
    assert told.rows == [("item_subtotal", 2000)]
    assert told.tenders == {"card": 1500, "gift_card": 500}


def test_rule_1_several_tax_labels_inside_the_price_and_on_top_of_it(ask: Ask) -> None:
    taxes = [{"label": "state", "amount": 60, "rate_ppm": 60_000}, {"label": "city", "amount": 15}]
    inside = ask(an_order(a_line(taxes=taxes)), a_request(want()), terms())
    assert (inside.total, inside.plain["breakdown"]["tax"]) == (1000, 75)
    on_top = ask(an_order(a_line(taxes=taxes), prices_include_tax=False), a_request(want()), terms())
    assert on_top.total == 1075
    assert on_top.rows == [("item_subtotal", 1000), ("item_tax", 60), ("item_tax", 15)]


def test_rule_2_an_order_discount_is_spread_by_value_and_largest_remainder(ask: Ask) -> None:
    lines = [a_line("a", 1, "19.99"), a_line("b", 1, "19.99"), a_line("c", 1, "5.00"), shipping()]
    order = an_order(*lines, discount=1001)
    paid = [ask(order, a_request(want(name)), terms()).total for name in ("a", "b", "c")]
    assert paid == [1999 - 445, 1999 - 445, 500 - 111]
    ties = an_order(*(a_line(name, 1, "5.00") for name in "abc"), discount=1000)
    assert [ask(ties, a_request(want(name)), terms()).total for name in "abc"] == [166, 167, 167]


def test_rule_2_what_the_channel_allocated_stays_where_it_is(ask: Ask) -> None:
    order = an_order(a_line("a", discount=1000), a_line("b"))
    assert ask(order, a_request(want("a")), terms()).total == 0
    assert ask(order, a_request(want("b")), terms()).total == 1000


def test_rule_3_what_does_not_sum_is_told_and_nothing_is_fitted(ask: Ask) -> None:
    order = an_order(a_line(units=2), payments=paid_by(card=1900))
    one = ask(order, a_request(want(units=1)), terms())
    assert (one.plain["differs"], one.total) == (-100, 1000)
    both = ask(order, a_request(want(units=2)), terms())
    assert (both.total, both.rules["order_cap"]) == (1900, -100)


# ------------------------------------------------------------------------------------------ what is owed back


def test_rule_4_tax_is_what_was_charged_and_never_the_rate_again(ask: Ask) -> None:
    tax = [{"label": "VAT", "amount": 77, "rate_ppm": 190_000}]
    told = ask(an_order(a_line(taxes=tax), prices_include_tax=False), a_request(want()), terms())
    assert (told.total, told.plain["breakdown"]["tax"]) == (1077, 77)


def test_rule_4_tax_is_capped_per_label(ask: Ask) -> None:
    tax = [{"label": "VAT", "amount": 190, "refunded": 150}]
    order = an_order(a_line(taxes=tax, refunded=150), payments=[{**paid_by(card=1000)[0], "refunded": 150}])
    told = ask(order, a_request(want()), terms())
    assert (told.total, told.plain["breakdown"]["tax"], told.rules["tax_cap"]) == (850, 40, -150)


def test_rule_5_three_units_of_27_98_are_9_33_and_9_32_and_9_33(ask: Ask) -> None:
    order, done = an_order(MUGS), []
    for _ in range(3):
        done.append(ask(order, a_request(want()), terms(), prior=done))
    assert [one.total for one in done] == [933, 932, 933]
    assert sum(one.plain["breakdown"]["tax"] for one in done) == 447
    fourth = ask(order, a_request(want()), terms(), prior=done)
    assert fourth.status == 3 and fourth.refusals[0] == ("too_much", 0, "mug")


def test_rule_5_returns_and_cancellations_in_any_order_add_up_to_what_was_paid(ask: Ask) -> None:
    order = an_order({**MUGS, "shipped": 2})
    steps = [a_request(want()), a_request(want()), a_request(want(), kind="partial_cancellation")]
    for one in permutations(steps):
        done: list[Any] = []
        for step in one:
            done.append(ask(order, step, terms(), prior=done))
        assert sum(told.total for told in done) == 2798


def test_rule_6_shipping_goes_back_by_rule(ask: Ask) -> None:
    order = an_order(a_line("a", 1, "30.00"), a_line("b", 1, "10.00"), shipping("4.90"))
    one, both = a_request(want("a")), a_request(want("a"), want("b"))

    def back(request: Any, rule: str) -> int:
        return ask(order, request, terms(refund_shipping=rule)).rules.get("refund_shipping", 0)

    assert [back(one, rule) for rule in ("never", "full_return", "proportion", "fault")] == [0, 0, 368, 0]
    assert [back(both, rule) for rule in ("never", "full_return", "proportion", "fault")] == [0, 490, 490, 0]
    assert back(a_request(want("a", **FAULT)), "fault") == 368


def test_rule_6_shipping_is_not_refunded_because_a_line_is_last(ask: Ask) -> None:
    order, policy = an_order(a_line("a"), a_line("b"), shipping()), terms()
    first = ask(order, a_request(want("a")), policy)
    last = ask(order, a_request(want("b")), policy, prior=[first])
    assert (first.total, last.total) == (1000, 1000)


def test_rule_6_duties_and_fees_have_caps_and_rules_of_their_own(ask: Ask) -> None:
    duty = a_line("duty", 1, "3.00", kind="duty")
    fee = a_line("wrap", 1, "2.00", kind="fee")
    policy = terms(refund_duties="full_return", refund_fees="never")
    told = ask(an_order(a_line(), duty, fee), a_request(want()), policy)
    assert told.rows == [("item_subtotal", 1000), ("duty_refund", 300)]


def test_rule_6_by_law_no_more_than_the_ordinary_delivery(ask: Ask) -> None:
    order = an_order(a_line(), shipping("14.90"))
    policy = terms(refund_shipping="law", ordinary_delivery=490)
    told = ask(order, a_request(want(), kind="withdrawal"), policy)
    assert told.rules["refund_shipping"] == 490


@pytest.mark.parametrize(
    ("fee", "wanted", "kept"),
    [
        ({"percent_bp": 1000}, {}, 200),
        ({"fixed": 150}, {}, 150),
        ({"fixed": 150, "per_unit": True}, {}, 300),
        ({"percent_bp": 1000, "fixed": 150}, {}, 350),
        ({"percent_bp": 1000}, FAULT, 0),
        ({"percent_bp": 1000, "waived_reasons": ["too_small"]}, {"reason": "too_small"}, 0),
        ({"percent_bp": 1000, "waived_faults": []}, FAULT, 200),
        ({"tiers": [{"percent_bp": 500, "up_to_days": 7}, {"percent_bp": 1500, "up_to_days": 14}]}, {}, 300),
        ({"tiers": [{"percent_bp": 2500, "conditions": ["used"]}]}, {"condition": "used"}, 500),
        ({"tiers": [{"percent_bp": 2500, "conditions": ["used"]}]}, {"condition": "unopened"}, 0),
        ({"fixed": 5000}, {}, 2000),
    ],
)
def test_rule_7_restocking_fees(ask: Ask, fee: Any, wanted: Any, kept: int) -> None:
    request = a_request(want(units=2, **wanted))
    told = ask(an_order(a_line(units=2)), request, terms(restocking_fee=fee))
    assert told.rules.get("restocking_fee", 0) == -kept and told.total == 2000 - kept


def test_rule_7_condition_as_declared_then_as_inspected(ask: Ask) -> None:
    policy = terms(condition_deductions_bp={"used": 3000, "C": 5000})
    order = an_order(a_line())
    declared = ask(order, a_request(want(condition="used")), policy)
    found = ask(order, a_request(want(condition="unopened", grade="C")), policy)
    assert (declared.total, found.total) == (700, 500)
    assert ask(order, a_request(want(condition="used", **FAULT)), policy).total == 1000


@pytest.mark.parametrize(
    ("depreciation", "wanted", "lost"),
    [
        ({"over": 100}, {"condition": "used"}, 100),
        ({"over": 100, "free": 5}, {"condition": "used"}, 50),
        ({"over": 100}, {"condition": "unopened"}, 0),
        ({"over": 100, "only_worn": False}, {"condition": "unopened"}, 100),
        ({"over": 15, "most_bp": 5000}, {"condition": "used"}, 500),
        ({"steps": [[5, 1000], [10, 2500], [30, 9000]]}, {"condition": "used"}, 250),
        ({"by": "use", "over": 200}, {"used": 50}, 250),
        ({"by": "use", "steps": [[1, 500], [100, 6000]]}, {"used": 50}, 50),
        ({"by": "use", "over": 200}, {"used": 50, **FAULT}, 0),
    ],
)
def test_rule_7_depreciation_by_age_and_by_use(ask: Ask, depreciation: Any, wanted: Any, lost: int) -> None:
    policy = terms(depreciation=[depreciation])
    assert ask(an_order(a_line()), a_request(want(**wanted)), policy).total == 1000 - lost


def test_rule_7_a_service_is_owed_as_far_as_it_was_not_done(ask: Ask) -> None:
    order = an_order(a_line("lessons", 1, "100.00", kind="service"))
    told = ask(order, a_request(want("lessons", scope_used=[3, 10])), terms())
    assert (told.total, told.rules["scope_used"]) == (7000, -3000)


def test_rule_7_postage_and_accessories_that_are_missing(ask: Ask) -> None:
    policy = terms(return_postage="customer_remorse", accessory_deductions={"cable": 250, "case": 400})
    order = an_order(a_line())
    request = a_request(want(missing_accessories=["cable"]), postage=390)
    told = ask(order, request, policy)
    assert (told.rules["accessory_deductions"], told.rules["return_postage"]) == (-250, -390)
    assert ask(order, a_request(want(**FAULT), postage=390), policy).total == 1000


def test_rule_7_a_person_waives_a_rule_and_nobody_waives_a_cap(ask: Ask) -> None:
    policy = terms(restocking_fee={"percent_bp": 1000}, return_postage="customer")
    order = an_order(a_line())
    waived = ["restocking_fee", "return_postage"]
    assert ask(order, a_request(want(), postage=390, waived=waived), policy).total == 1000
    assert ask(order, a_request(want(), waived=["order_cap"]), policy).status == 2


def test_rule_7_what_was_withheld_never_leaks_into_a_later_refund(ask: Ask) -> None:
    order, policy = an_order(a_line(units=2)), terms(restocking_fee={"percent_bp": 5000})
    first = ask(order, a_request(want()), policy)
    second = ask(order, a_request(want()), policy, prior=[first])
    assert (first.total, second.total) == (500, 500)


def test_rule_7_a_fee_per_return_is_taken_once(ask: Ask) -> None:
    order, policy = an_order(a_line(units=2)), terms(restocking_fee={"fixed": 150})
    first = ask(order, a_request(want()), policy)
    rest = a_request(want(), fees_taken=["restocking_fee"])
    assert (first.total, ask(order, rest, policy, prior=[first]).total) == (850, 1000)


def test_rule_8_goodwill_is_capped_has_a_reason_and_a_role(ask: Ask) -> None:
    order, policy = an_order(a_line(units=2)), terms(goodwill_cap=300)

    def granting(amount: int, reason: str = "sorry", granted_by: str = "supervisor") -> Any:
        given = {"code": "goodwill", "amount": amount, "reason": reason, "granted_by": granted_by}
        return ask(order, a_request(want(), extra=[given]), policy)

    told = granting(300)
    assert (told.total, told.plain["breakdown"]["owed"], told.plain["breakdown"]["added"]) == (
        1300,
        1000,
        300,
    )
    assert (granting(301).status, granting(301).refusals) == (3, [("too_much", 300, None)])
    assert [one["what"] for one in granting(100, reason=" ").plain["refusals"]] == ["reason"]
    assert [one["what"] for one in granting(100, granted_by="csr").plain["refusals"]] == ["role"]
    assert granting(-1).refusals[0][0] == "negative"


def test_rule_8_a_bonus_for_store_credit_is_kept_apart(ask: Ask) -> None:
    policy = terms(store_credit_bonus_bp=1000, store_credit_bonus_cap=80)
    told = ask(an_order(a_line()), a_request(want(), resolution="store_credit"), policy)
    assert told.rows == [("item_subtotal", 1000), ("bonus_credit", 80)]
    shares = [(one["tender"], one["origin_id"], one["amount"]) for one in told.plain["breakdown"]["shares"]]
    assert shares == [("store_credit", "card", 1000), ("store_credit", None, 80)]


SPEND = {"code": "TEN", "kind": "spend", "steps": [{"reach": 5000, "percent_bp": 1000}]}
DEALS: list[tuple[str, Any, Any, int, int]] = [
    (
        "spend 50 get 10 % off",
        [a_line("a", 1, "40.00", discount=400), a_line("b", 1, "20.00", discount=200)],
        {**SPEND, "shares": {"a": 400, "b": 200}},
        1800,
        1400,
    ),
    (
        "3 for 2",
        [a_line("a", 2, "10.00", discount=667), a_line("b", 1, "10.00", discount=333)],
        {"code": "3F2", "kind": "buy_get", "buy": 2, "get": 1, "shares": {"a": 667, "b": 333}},
        667,
        0,
    ),
    (
        "bundle",
        [a_line("a", 1, "30.00", discount=300), a_line("b", 1, "20.00", discount=200)],
        {"code": "SET", "kind": "bundle", "shares": {"a": 300, "b": 200}, "parts": {"a": 1, "b": 1}},
        1800,
        1500,
    ),
    (
        "free shipping over 40",
        [a_line("a", 1, "30.00"), a_line("b", 1, "20.00"), shipping("4.90", discount=490)],
        {
            "code": "SHIP",
            "kind": "free_shipping",
            "steps": [{"reach": 4000, "percent_bp": 10_000}],
            "shares": {"shipping": 490},
        },
        2000,
        1510,
    ),
]


@pytest.mark.parametrize(
    ("lines", "deal", "keep", "again"), [deal[1:] for deal in DEALS], ids=[d[0] for d in DEALS]
)
def test_rule_9_deals_are_kept_or_judged_again(
    ask: Ask, lines: Any, deal: Any, keep: int, again: int
) -> None:
    """Line b goes back; then the deal no longer holds."""
    order, request = an_order(*lines, promotions=[deal]), a_request(want("b"))
    assert ask(order, request, terms()).total == keep
    told = ask(order, request, terms(promotions="re_evaluate"))
    assert (told.total, told.rules.get("promotions", 0)) == (again, again - keep)


def test_rule_9_once_everything_is_back_everything_is_given_back(ask: Ask) -> None:
    _, lines, deal, _, again = DEALS[0]
    order, policy = an_order(*lines, promotions=[deal]), terms(promotions="re_evaluate")
    first = ask(order, a_request(want("b")), policy)
    last = ask(order, a_request(want("a")), policy, prior=[first])
    assert (first.total, first.total + last.total) == (again, 3600 + 1800)


def test_rule_9_a_canceled_line_charges_nobody_more(ask: Ask) -> None:
    _, lines, deal, keep, _ = DEALS[0]
    request = a_request(want("b"), kind="partial_cancellation")
    told = ask(an_order(*lines, promotions=[deal]), request, terms(promotions="re_evaluate"))
    assert told.total == keep


def test_rule_10_services_are_no_goods_and_free_things_are_worth_nothing(ask: Ask) -> None:
    order = an_order(a_line(), a_line("assembly", 1, "20.00", kind="service"), a_line("sticker", 2, "0"))
    service = ask(order, a_request(want("assembly")), terms())
    assert service.status == 3 and service.refusals == [("not_merchandise", None, "assembly")]
    assert ask(order, a_request(want("sticker", 2)), terms()).total == 0


# ------------------------------------------------------------------------------------- what may never happen


def test_rule_11_what_was_refunded_elsewhere_counts(ask: Ask) -> None:
    order = an_order(a_line(units=3))
    shop = {"elsewhere": "R-1", "amount": 1500, "lines": [{"line_id": "mug", "units": 1, "amount": 1500}]}
    told = ask(order, a_request(want(units=2)), terms(), prior=[shop])
    assert (told.total, told.rules["line_cap"]) == (1500, -500)
    again = ask(order, a_request(want(units=3)), terms(), prior=[shop])
    assert again.refusals[0] == ("too_much", 2, "mug")


def test_rule_11_a_chargeback_is_not_there_to_be_refunded(ask: Ask) -> None:
    order = an_order(a_line(units=2), payments=[{**paid_by(card=2000)[0], "disputed": 1200}])
    told = ask(order, a_request(want(units=2)), terms())
    assert (told.total, told.rules["order_cap"]) == (800, -1200)


def test_rule_11_money_without_lines_counts_for_the_payments(ask: Ask) -> None:
    told = ask(an_order(a_line()), a_request(want()), terms(), prior=[{"amount": 300}])
    assert (told.total, told.tenders) == (700, {"card": 700})
    over = ask(an_order(a_line()), a_request(want()), terms(), prior=[[{"amount": 300}, {"amount": 1000}]])
    assert over.total == 0 and "capped" in " ".join(over.plain["notes"])


def test_rule_12_an_amount_that_a_person_names_is_refused_with_the_maximum(ask: Ask) -> None:
    order = an_order(a_line(units=2))
    assert ask(order, a_request(want(named=900)), terms()).total == 900
    over = ask(order, a_request(want(named=1001)), terms())
    assert (over.status, over.refusals) == (3, [("too_much", 1000, "mug")])
    below = ask(order, a_request(want(named=-1)), terms())
    assert below.refusals[0] == ("negative", None, "mug")


def test_rule_12_a_negative_quantity_is_refused_and_never_netted(ask: Ask) -> None:
    told = ask(an_order(a_line("a"), a_line("b")), a_request(want("a"), want("b", -1)), terms())
    assert told.status == 3 and ("negative", None, "b") in told.refusals


def test_rule_12_two_that_fit_alone_and_not_together_are_judged_together(ask: Ask) -> None:
    order = an_order(a_line(units=3))
    assert ask(order, a_request(want(units=2)), terms()).status == 0
    told = ask(order, a_request(want(units=2), want(units=2, reason="too_small")), terms())
    assert told.status == 3 and told.refusals[0][0] == "too_much"


def test_rule_13_an_open_refund_holds_its_quota(ask: Ask) -> None:
    """The card is shared: what another order, or an open refund, holds of it is not there."""
    order = an_order(a_line(units=2), payments=[{**paid_by(card=2000)[0], "refunded": 1500}])
    told = ask(order, a_request(want()), terms())
    assert (told.total, told.plain["breakdown"]["clamped"]) == (500, 500)


def test_rule_14_of_three_with_one_canceled_two_can_come_back(ask: Ask) -> None:
    order = an_order(a_line(units=3, canceled=1))
    assert ask(order, a_request(want(units=2)), terms()).total == 2000
    told = ask(order, a_request(want(units=3)), terms())
    assert [one for one in told.refusals if one[0] == "too_many_units"] == [("too_many_units", 2, "mug")]


def test_rule_14_units_that_came_count_and_not_those_announced(ask: Ask) -> None:
    order = an_order(a_line(units=3, claimed=[[0, 3]], returned=0))
    told = ask(order, a_request(want(units=2, spans=[[0, 3]])), terms())
    assert told.total == 2000
    assert told.plain["breakdown"]["lines"][0]["spans"] == [[0, 2]]


@pytest.mark.parametrize(
    ("order_of_tenders", "parts"),
    [
        (["card", "gift_card"], {"card": 1000}),
        (["gift_card", "card"], {"gift_card": 500, "card": 500}),
        (["proportion"], {"card": 750, "gift_card": 250}),
    ],
)
def test_rule_15_tenders_in_the_order_of_the_policy(
    ask: Ask, order_of_tenders: list[str], parts: dict[str, int]
) -> None:
    order = an_order(a_line(units=2), payments=paid_by(card=1500, gift_card=500))
    assert ask(order, a_request(want()), terms(tender_order=order_of_tenders)).tenders == parts


def test_rule_15_what_cannot_go_back_is_a_task_and_no_other_tender(ask: Ask) -> None:
    expired = {**paid_by(card=1000)[0], "refundable_here": False}
    told = ask(an_order(a_line(), payments=[expired]), a_request(want()), terms())
    (share,) = told.plain["breakdown"]["shares"]
    assert (share["payment_id"], share["origin_id"], share["amount"]) == (None, "card", 1000)


def test_rule_15_a_person_chooses_the_tenders_within_what_each_captured(ask: Ask) -> None:
    order = an_order(a_line(units=2), payments=paid_by(card=1500, gift_card=500))
    chosen = ask(order, a_request(want(), tenders={"card": 600, "gift_card": 400}), terms())
    assert chosen.tenders == {"card": 600, "gift_card": 400}
    over = ask(order, a_request(want(), tenders=[["gift_card", 501], ["card", 499]]), terms())
    assert (
        over.refusals == [("too_much", 500, None)] and over.plain["refusals"][0]["payment_id"] == "gift_card"
    )
    short = ask(order, a_request(want(), tenders={"card": 900}), terms())
    assert short.refusals == [("not_the_sum", 1000, None)]


# ---------------------------------------------------------------------------------------- how it is explained


def test_rule_16_the_rows_sum_to_the_refund_and_name_rule_basis_and_version(ask: Ask) -> None:
    policy = terms(version=7, restocking_fee={"percent_bp": 1000})
    told = ask(an_order(a_line(units=3, discount=300)), a_request(want(units=2)), policy)
    rows = told.plain["breakdown"]["rows"]
    assert told.rows == [("item_subtotal", 2000), ("order_discount_share", -200), ("restocking_fee", -180)]
    assert rows[2]["basis"] == {"percent_bp": 1000, "of": 1800} and rows[2]["line_id"] == "mug"
    assert told.plain["policy_version"] == told.plain["breakdown"]["policy_version"] == 7


def test_rule_16_and_17_the_answer_is_what_is_stored_and_each_posting_of_it_balances(ask: Ask) -> None:
    ids = {name: str(uuid4()) for name in ("mug", "shipping", "card")}
    lines = [
        a_line(ids["mug"], 2, taxes=[{"label": "VAT", "amount": 319}]),
        {**shipping(), "id": ids["shipping"]},
    ]
    plain = an_order(*lines, payments=[{"id": ids["card"], "tender": "card", "captured": 2490}])
    policy = terms(refund_shipping="full_return", restocking_fee={"percent_bp": 1000})
    told = ask(plain, a_request(want(ids["mug"], 2)), policy)
    stored = breakdowns.from_json(told.plain["breakdown"])
    assert stored.amount == told.total == 2290
    order = orders.read(plain, Names())
    assert isinstance(order, OrderFacts) and isinstance(order.line(UUID(ids["mug"])), LineFacts)
    posted = ledger.decided(stored, order)
    sums: dict[str, int] = {}
    for transfer in posted:
        assert transfer.amount > 0 and transfer.debit != transfer.credit
        sums[transfer.debit] = sums.get(transfer.debit, 0) + transfer.amount
        sums[transfer.credit] = sums.get(transfer.credit, 0) - transfer.amount
    assert sum(sums.values()) == 0 and -sums[ledger.PAYABLE] == 2290


# --------------------------------------------------------------------------------- beyond the numbered rules


def test_a_price_adjustment_leaves_the_goods_and_counts_when_they_come_back(ask: Ask) -> None:
    order = an_order(a_line(units=2))
    keep = a_request(want(units=2, allowance=500), kind="partial_refund_keep")
    adjusted = ask(order, keep, terms())
    assert adjusted.rows == [("adjustment", 500)]
    later = ask(order, a_request(want(units=2)), terms(), prior=[adjusted])
    assert (later.total, later.rules["adjusted"]) == (1500, -500)
    over = ask(order, a_request(want(units=2, allowance=2001), kind="partial_refund_keep"), terms())
    assert over.refusals == [("too_much", 2000, "mug")]


@pytest.mark.parametrize(("price", "total", "due"), [(1000, 0, 0), (700, 300, 0), (1600, 0, 600)])
def test_an_exchange_refunds_or_owes_the_difference(ask: Ask, price: int, total: int, due: int) -> None:
    item = {"name": "Another mug", "amount": price, "units": 1}
    request = a_request(want(), kind="exchange", resolution="exchange", exchange=[item])
    told = ask(an_order(a_line()), request, terms())
    assert (told.total, told.plain["breakdown"]["due"]) == (total, due)
    assert told.plain["breakdown"]["owed"] == 1000


@pytest.mark.parametrize(
    ("currency", "price", "total"),
    [("JPY", "980", 980), ("EUR", "9.80", 980), ("KWD", "0.980", 980), ("GBP", "0.0004", 1)],
)
def test_currencies_have_their_own_decimals_and_prices_may_have_more(
    ask: Ask, currency: str, price: str, total: int
) -> None:
    """Of the last, twenty at 0.0004 are 0.008: rounded once, on the line."""
    units = 20 if currency == "GBP" else 1
    order = an_order(a_line("mug", units, price), currency=currency)
    assert ask(order, a_request(want("mug", units)), terms()).total == total


def test_sub_unit_prices_never_round_twice(ask: Ask) -> None:
    order, done = an_order(a_line("screw", 7, "0.001"), currency="GBP"), []
    for _ in range(7):
        done.append(ask(order, a_request(want("screw")), terms(), prior=done))
    assert sum(one.total for one in done) == 1
