"""Words: every code of the core has a name or a sentence; amounts and days are as people write them."""

from __future__ import annotations

import ast
import re
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import UUID

import jinja2
import pytest

from portal.adapters.addresses import LocalAddresses
from portal.adapters.carriers import house
from portal.adapters.mail.render import EVENTS
from portal.core import addresses, lifecycles, reasons
from portal.core.access import ROLES
from portal.core.intake import TENDERS
from portal.core.policy.cases import CODES as FINDINGS
from portal.core.policy.verdict import Finding
from portal.core.refunds import breakdown as refunds
from portal.core.refunds.breakdown import Breakdown, Row
from portal.core.returns import STEPS, Sending
from portal.core.shipping import DocumentKind, Method, Pays
from portal.words import LANGUAGES, Words, best_match, install, languages
from portal.words.happenings import HAPPENINGS
from portal.words.sentences import CONFLICTS, DECLINED
from portal.words.states import STATES

ROOT = Path(__file__).resolve().parents[2]
NBSP = "\N{NO-BREAK SPACE}"
EN, DE, FR = Words("en"), Words("de"), Words("fr")


def sources(*folders: str) -> str:
    return "\n".join(
        file.read_text(encoding="utf-8")
        for folder in folders
        for file in sorted((ROOT / folder).rglob("*.py"))
    )


def codes_of(error: str, *folders: str) -> set[str]:
    """Every code that is given to ``error`` in the sources, also where one of two is."""
    found = set()
    for call in ast.walk(ast.parse(sources(*folders))):
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") == error and call.args:
            first = call.args[0]
            choices = (first.body, first.orelse) if isinstance(first, ast.IfExp) else (first,)
            found |= {choice.value for choice in choices if isinstance(choice, ast.Constant)}
    return found


# ------------------------------------------------------------------------------------------------------ codes

NAMED = {
    "reason": reasons.REASONS,
    "category": dict.fromkeys([*reasons.CATEGORIES, *(r.category for r in reasons.REASONS.values())]),
    "condition": reasons.CONDITIONS,
    "grade": reasons.GRADES,
    "disposition": reasons.DISPOSITIONS,
    "decline_reason": reasons.DECLINE_REASONS,
    "channel": reasons.CHANNELS,
    "kind": reasons.RETURN_KINDS,
    "role": ROLES,
    "step": STEPS,
    "tender": TENDERS,
    "pays": Pays,
    "document": DocumentKind,
    "mail": EVENTS,
    "purpose": ("finish", "status"),
    "button": {step for steps in lifecycles.RETURN.steps.values() for step in steps},
    "tracking": [description for _, description in house._WAY],
    "declined": DECLINED,
}


@pytest.mark.parametrize("kind", NAMED)
def test_every_code_has_a_name(kind: str) -> None:
    names = {str(code): getattr(EN, kind)(code) for code in NAMED[kind]}
    assert names
    assert not [code for code, name in names.items() if not name or name == code]


@pytest.mark.parametrize("code", Method)
def test_every_way_of_sending_is_explained(code: Method) -> None:
    told = DE.method(code)
    assert told.name != code
    assert told.help.endswith(".")


def test_every_state_of_every_lifecycle_has_word_icon_and_tone() -> None:
    assert {machine.name for machine in lifecycles.LIFECYCLES} <= set(STATES)
    for machine in lifecycles.LIFECYCLES:
        assert set(machine.states) <= set(STATES[machine.name]), machine.name
        for state in machine.states:
            told = FR.state(machine.name, state)
            assert told.name
            assert told.help.endswith(".")


def test_no_two_states_of_a_lifecycle_read_alike() -> None:
    for kind, states in STATES.items():
        for words in (EN, DE, FR):
            names = [words.state(kind, state).name for state in states]
            assert len(set(names)) == len(names), (kind, words.language)


def test_every_icon_is_drawn_and_every_tone_has_a_color() -> None:
    drawn = (ROOT / "templates/parts/icon.html").read_text(encoding="utf-8")
    colors = (ROOT / "static/css/components/chip.css").read_text(encoding="utf-8")
    for states in STATES.values():
        for _name, icon, tone, _help in states.values():
            assert f"'{icon}':" in drawn, icon
            assert tone == "quiet" or f".tone-{tone} " in colors, tone
    for method in Method:
        assert f"'{EN.method(method).icon}':" in drawn


def test_every_objection_is_a_sentence() -> None:
    for code in FINDINGS:
        told = EN.finding(Finding(code=code, weight="refused", rule="any"))
        assert told != code
        assert told.endswith("."), code


def test_an_objection_tells_its_details() -> None:
    last = Finding(
        code="window_expired", weight="refused", rule="days", details={"last_day": date(2026, 12, 3)}
    )
    assert EN.finding(last) == "The last day to return this was 3 Dec 2026."
    assert DE.finding(last) == "Der letzte Tag für die Rückgabe war der 3. Dez. 2026."
    worth = Finding(code="approval_by_value", weight="review", rule="value", details={"maximum": 20000})
    assert EN.finding(worth, "EUR") == "Returns worth more than €200.00 are looked at by a supervisor first."
    units = {"maximum": 2, "wanted": 3, "unshipped": 0}
    many = Finding(code="too_many_units", weight="refused", rule="returnable", details=units)
    assert EN.finding(many, "EUR") == "At most 2 can be returned; you chose 3."
    photo = Finding(code="picture_requested", weight="refused", rule="photo", details={"reason": "defective"})
    assert EN.finding(photo) == "A photo is needed for the reason “Does not work”."


def test_every_conflict_that_services_raise_is_a_sentence() -> None:
    raised = codes_of("Conflict", "portal/services", "portal/core")
    assert "units_gone" in raised
    assert not raised - set(CONFLICTS)


def test_an_amount_is_told_with_its_currency_or_not_at_all() -> None:
    assert EN.conflict("too_much", {"maximum": 1200}, "EUR") == "At most €12.00 can be refunded."
    assert EN.conflict("too_much", {"maximum": 1200}) == "That is more than can be refunded."
    assert "€12.00" in EN.conflict("amount_changed", {"amount": 1200, "currency": "EUR"})


def test_a_race_names_the_items_and_never_their_ids() -> None:
    assert str(UUID(int=7)) not in EN.conflict("units_gone", {"lines": [str(UUID(int=7))]})
    assert "Shirt and Lamp" in EN.conflict("units_gone", {"names": ["Shirt", "Lamp"]})


def test_every_refusal_of_an_adapter_is_a_sentence() -> None:
    refused = codes_of("Declined", "portal/adapters", "portal/services")
    assert "too_heavy" in refused
    assert not refused - set(DECLINED)


def test_every_happening_that_services_record_is_a_sentence() -> None:
    code = sources("portal/services")
    recorded = set(
        re.findall(r'"((?:return|refund|store_credit|inventory|mail|order|policy|user)\.[a-z_.]+)"', code)
    )
    assert "return.link.created" in recorded
    assert not recorded - set(HAPPENINGS)


def test_every_way_of_a_parcel_is_a_happening() -> None:
    moves = set(lifecycles.SHIPMENT.states) - {"label_pending", "label_created", "canceled"}
    assert {f"return.shipment.{state}" for state in moves} <= set(HAPPENINGS)


def test_every_field_of_every_country_has_a_label() -> None:
    local = LocalAddresses()
    labels = {field.label for code, _ in local.countries("en") for field in local.rules(code).fields}
    assert "region_prefecture" in labels
    assert not [label for label in labels if EN.address_label(label) == label]


def test_the_state_of_an_address_is_not_the_state_of_a_return() -> None:
    assert EN.address_label("region_state") == EN.gettext("State") == "State"
    assert DE.address_label("region_state") == "Bundesstaat"
    assert DE.gettext("State") == "Stand"


@pytest.mark.parametrize("code", addresses.FINDING_CODES)
def test_every_fault_of_an_address_is_a_sentence_with_its_example(code: str) -> None:
    assert EN.address_finding(code).endswith(".")
    told = DE.address_finding(code, "12345", "postcode_postal")
    assert told != code
    assert "12345" in told or code == "unknown_country"


def test_what_has_no_word_is_shown_as_it_is() -> None:
    assert EN.reason("from_the_future") == "from_the_future"
    assert EN.state("return", "frozen").name == "frozen"
    assert EN.state("planet", "frozen").tone == "quiet"
    assert EN.method("drone").name == "drone"
    assert EN.finding(Finding(code="new_rule", weight="refused", rule="x")) == "new_rule"
    assert EN.conflict("odd") == "odd"
    assert EN.event("planet.landed", {"x": 1}) == "planet.landed"
    assert EN.tracking("Handed to neighbor") == "Handed to neighbor"
    assert EN.reason(None) == ""


def test_a_happening_tells_its_details_as_far_as_they_are_known() -> None:
    assert EN.event("return.declined", {"reason": "final_sale"}) == "Return declined: Final sale"
    assert EN.event("return.declined", {}) == "Return declined"
    assert DE.event("refund.sent", {"amount": 1250, "currency": "EUR"}).endswith(f": 12,50{NBSP}€")
    assert EN.event("refund.sent", {"amount": 1250}) == "Refund handed to the payment provider"
    assert EN.conflict("steps_left", {"steps": ["address", "confirm"]}).endswith(
        "Address and Check and confirm."
    )


# ------------------------------------------------------------------------------------------- amounts and days


@pytest.mark.parametrize(
    ("language", "amount", "currency", "written"),
    [
        ("en", 123490, "EUR", "€1,234.90"),
        ("de", 123490, "EUR", f"1.234,90{NBSP}€"),
        ("fr", 123490, "EUR", f"1{NBSP}234,90{NBSP}€"),
        ("en", 500, "JPY", "¥500"),
        ("de", 1234567, "KWD", f"1.234,567{NBSP}KWD"),
        ("en", 1234567, "KWD", f"KWD{NBSP}1,234.567"),
        ("en", -490, "EUR", "\N{MINUS SIGN}€4.90"),
        ("en", 0, "GBP", "£0.00"),
        ("de", 100, "ISK", f"100{NBSP}ISK"),
        ("en", 10**17 + 1, "USD", "$1,000,000,000,000,000.01"),
    ],
)
def test_an_amount_has_its_currencys_decimals_and_never_breaks(
    language: str, amount: int, currency: str, written: str
) -> None:
    assert Words(language).money(amount, currency) == written


def test_a_difference_shows_its_sign() -> None:
    assert EN.money(100, "GBP", signed=True) == "+£1.00"
    assert EN.money(0, "GBP", signed=True) == "£0.00"
    assert EN.money(-100, "GBP", signed=True) == "\N{MINUS SIGN}£1.00"


def test_days_and_times_are_the_merchants() -> None:
    late = datetime(2026, 12, 3, 23, 30, tzinfo=UTC)
    assert Words("en", "Europe/Berlin").day(late) == "4 Dec 2026"
    assert Words("en", "America/New_York").moment(late) == "3 Dec 2026, 18:30"
    assert Words("fr", "Europe/Paris").day(date(2026, 8, 5), weekday=True) == "mer. 5 août 2026"
    assert Words("de").moment(late) == "4. Dez. 2026, 00:30"


def test_the_best_language_is_found() -> None:
    assert best_match("fr-CH, fr;q=0.9, en;q=0.8, *;q=0.5") == "fr"
    assert best_match("de-AT") == "de"
    assert best_match("es, de;q=0.3, fr;q=0.7") == "fr"
    assert best_match("en;q=0, de;q=0.1") == "de"
    assert best_match("es") == "en"
    assert best_match("") == "en"
    assert best_match(";q=,,x;q=y, de") == "de"
    assert Words("de-CH").language == "de"
    assert [code for code, _ in languages()] == list(LANGUAGES)


# --------------------------------------------------------------------------------------------------- refunds


def row(code: str, amount: int, rule: str, **basis: object) -> Row:
    return Row(code=code, amount=amount, rule=rule, line_id=UUID(int=1), label="Shirt", basis=basis)


ROWS = (
    row("item_subtotal", 0, "runs_out", units=1, of_units=1, ends_on="2026-03-31"),
    row("item_subtotal", 4000, "paid", units=2, of_units=3, unit_price="20.00"),
    row("order_discount_share", -400, "discount", of_discount=600, units=2, of_units=3),
    Row(code="item_tax", amount=684, rule="tax", label="VAT", basis={"charged": 1026}),
    Row(code="shipping_refund", amount=200, rule="cancel_shipping", basis={"price": 290}),
    Row(code="shipping_refund", amount=490, rule="refund_shipping", basis={"how": "full_return"}),
    Row(code="shipping_tax", amount=93, rule="tax", label="VAT", basis={"charged": 93}),
    row("restocking_fee", -360, "restocking_fee", percent_bp=1000, of=3600),
    row("condition_deduction", -100, "condition_deductions", grade="C", percent_bp=250, of=3600),
    row("condition_deduction", -100, "depreciation", days=10, of_days=100, of=3600),
    row("missing_accessory_deduction", -50, "accessory_deductions", accessory="cable"),
    Row(code="return_shipping_fee", amount=-490, rule="return_postage", basis={"postage": 490}),
    Row(code="previously_refunded", amount=-10, rule="order_cap", basis={"maximum": 5000, "computed": 5010}),
    row("previously_refunded", -10, "line_cap", maximum=5000, computed=5010),
    row("previously_refunded", -10, "tax_cap", maximum=500, computed=510),
    Row(code="goodwill", amount=200, rule="goodwill", basis={"reason": "for the wait"}),
    Row(code="bonus_credit", amount=100, rule="store_credit_bonus", basis={"percent_bp": 500, "of": 2000}),
    Row(code="duty_refund", amount=200, rule="refund_duties", basis={"how": "proportion"}),
    Row(code="fee_refund", amount=150, rule="refund_fees", basis={"how": "canceled"}),
    Row(
        code="order_discount_share",
        amount=-300,
        rule="promotions",
        basis={"lost": [["3 for 2", 200], ["Spring", 100]]},
    ),
    Row(code="order_discount_share", amount=300, rule="promotions", basis={"given_back": 300}),
    row("condition_deduction", -500, "scope_used", done=1, of_scope=4, of=2000),
    row("condition_deduction", -500, "scope_used", **{"done": 10, "of_scope": 30, "of": 1500, "in": "days"}),
    row("adjustment", 250, "allowance", units=1, of_units=2, paid=2000, given=0),
    row("adjustment", -120, "named", named=500, computed=620, maximum=800),
    row("previously_refunded", -40, "adjusted", given=40, units=1),
    row("adjustment", 25, "dispute", agreed=25, maximum=200, fees_back=25, units=1),
    Row(
        code="exchange_value",
        amount=-900,
        rule="exchange",
        basis={"price": 1000, "worth": 900, "items": [[1, "Hat", 1000]]},
    ),
)
MADE = Breakdown(currency="EUR", rows=ROWS, lines=(), shares=(), policy_version=1)


def test_the_example_has_every_rule_and_every_code() -> None:
    assert {row.rule for row in ROWS} == set(refunds.RULES)
    assert {row.code for row in ROWS} == set(refunds.CODES)


@pytest.mark.parametrize("words", [EN, DE, FR])
def test_every_row_of_a_refund_is_explained(words: Words) -> None:
    told = words.breakdown(MADE, estimate=True)
    assert [row.amount for row in told.rows] == [row.amount for row in ROWS]
    assert all(row.label and row.basis.endswith((".", "wait")) for row in told.rows), told.rows
    assert not {row.label for row in told.rows} & set(refunds.CODES)
    assert not {row.rule for row in told.rows} & set(refunds.RULES)
    assert told.total.amount == MADE.amount == sum(row.amount or 0 for row in told.rows)
    assert words.money(777, "EUR") in told.total.basis
    assert [row.is_total for row in told] == [False] * len(ROWS) + [True]


def test_rows_say_how_they_were_worked_out() -> None:
    told = {row.code: row for row in EN.breakdown(MADE).rows}
    assert told["item_subtotal"].label == "2 × Shirt"
    assert told["item_subtotal"].basis == "2 of 3 bought, at €20.00 each."
    assert told["restocking_fee"].basis == "10% of €36.00."
    assert told["shipping_refund"].basis == "The whole order comes back, so its shipping is refunded."
    assert told["goodwill"].basis == "Given on top: for the wait"


def test_the_rows_of_deals_adjustments_and_exchanges_say_what_happened() -> None:
    rows = {(row.code, row.rule, row.amount > 0): row for row in ROWS}
    one = Breakdown(
        currency="EUR",
        rows=(
            rows["order_discount_share", "promotions", False],
            rows["order_discount_share", "promotions", True],
            rows["adjustment", "allowance", True],
            rows["previously_refunded", "adjusted", False],
            rows["exchange_value", "exchange", False],
        ),
        lines=(),
        shares=(),
        policy_version=1,
        due=100,
    )
    told = EN.breakdown(one)
    assert [row.label for row in told.rows] == [
        "Discount that no longer applies",
        "Discount given back",
        "Price adjustment: Shirt",
        "Already refunded: Shirt",
        "Goods you get in exchange",
    ]
    assert told.rows[0].basis.endswith("no longer hold for what you keep: 3 for 2 €2.00, Spring €1.00.")
    assert told.rows[4].basis == "For 1 × Hat, which cost €10.00."
    assert told.total.basis == "The new goods cost more: €1.00 remains to be paid."


def test_a_refund_nobody_assessed_is_unknown() -> None:
    unknown = Breakdown(currency="EUR", rows=(), lines=(), shares=(), policy_version=1, assessed=False)
    told = DE.breakdown(unknown)
    assert (told.total.amount, told.total.formatted) == (None, "Wird ermittelt")
    assert told.rows == ()


def test_a_fee_that_was_limited_says_so() -> None:
    fee = row("restocking_fee", -100, "restocking_fee", fixed=300, asked=300, limited_to=100)
    (told,) = EN.breakdown(Breakdown(currency="EUR", rows=(fee,), lines=(), shares=(), policy_version=1)).rows
    assert told.basis == "€3.00 once per return. It would be €3.00; never more than is refunded."


def test_papers_get_the_same_rows() -> None:
    printed = FR.receipt_rows(MADE)
    told = FR.breakdown(MADE)
    assert [(row.label, row.amount, row.note) for row in printed] == [
        (row.label, row.formatted, row.basis) for row in told
    ]
    assert [row.total for row in printed].count(True) == 1


def test_a_change_tells_before_after_and_why() -> None:
    def made(fee: int, share: int) -> Breakdown:
        rows = (ROWS[0], row("restocking_fee", -fee, "restocking_fee", percent_bp=share, of=4000))
        return Breakdown(currency="EUR", rows=rows, lines=(), shares=(), policy_version=1)

    (told,) = EN.changed_rows(made(200, 500), made(400, 1000))
    assert told.amount == "\N{MINUS SIGN}€2.00"
    assert told.note == "\N{MINUS SIGN}€2.00 before, \N{MINUS SIGN}€4.00 now. 10% of €40.00."


def test_the_next_steps_say_when() -> None:
    sending = Sending(
        carrier="house",
        service="parcel",
        method=Method.DROPOFF_POINT,
        rate_id="x",
        amount=0,
        pays="merchant",
        point_name="Demo kiosk",
    )
    pack, hand_over, money = EN.next_steps(sending, date(2026, 12, 4), MADE)
    assert pack[1] == ""
    assert hand_over[0].endswith("bring it to the drop-off point. Drop-off point: Demo kiosk.")
    assert hand_over[1] == "by Fri, 4 Dec 2026"
    assert EN.money(MADE.amount, "EUR") in money[0]


# ------------------------------------------------------------------------------------------------- templates


def test_templates_speak_the_language_in_use() -> None:
    spoken = [FR]
    env = jinja2.Environment(autoescape=True)
    install(env, lambda: spoken[0])
    page = env.from_string(
        "{{ _('Skip to the content') }}|{{ ngettext('%(n)s unit', '%(n)s units', 2, n=2) }}|"
        "{% trans name='<b>' %}Hello {{ name }},{% endtrans %}"
    )
    assert page.render() == "Aller au contenu|2 unités|Bonjour &lt;b&gt;,"
    spoken[0] = EN
    assert page.render() == "Skip to the content|2 units|Hello &lt;b&gt;,"


def test_what_stands_against_a_cancellation_tells_how_many_since_when_and_what_to_do() -> None:
    def told(code: str, **details: object) -> str:
        return EN.finding(Finding(code=code, weight="refused", rule="any", details=details))

    assert told("too_many_units", maximum=2, cancelable=2, wanted=3) == (
        "At most 2 can be canceled; you chose 3."
    )
    assert told("already_shipped", units=2) == (
        "Already shipped: 2. What was shipped can be returned after delivery."
    )
    since = datetime(2026, 12, 3, 14, 0, tzinfo=UTC)
    late = "Since 3 Dec 2026, 15:00 the warehouse leaves nothing out of this delivery any more."
    assert told("past_cut_off", units=1, until=since) == late
    assert told("past_cut_off", units=1, until=since.isoformat()) == late
    assert told("service_ending", ends_on=date(2026, 12, 31)) == told("service_ending", ends_on="2026-12-31")
    assert "“Set”" in told("bundle_part_required", bundle="Set")
