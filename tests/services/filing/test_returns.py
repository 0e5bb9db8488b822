"""The draft: agent and customer fill in one return, and nothing they said is lost or doubled."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

import pytest

from portal.core.access import Conflict, NotAllowed, NotFound
from portal.core.policy.terms import Terms
from portal.core.policy.verdict import Refused
from portal.core.returns import Step
from portal.db import history
from portal.services import merchants
from portal.services.filing import returns
from tests.builders import (
    HOME,
    NOW,
    a_customer,
    a_draft,
    a_merchant,
    a_person,
    a_return,
    an_item,
    an_order,
    chosen,
    fill,
    send_it,
    shipping_cost,
    survey,
)

pytestmark = pytest.mark.usefixtures("session")


@pytest.fixture
def shop(session):
    return a_merchant()


@pytest.fixture
def agent(shop):
    return a_person(shop, "csr")


def test_the_same_form_twice_makes_one_return(shop, agent):
    first = a_draft(agent, shop, nonce="form-1")
    assert a_draft(agent, shop, nonce="form-1") == first
    assert a_draft(agent, shop, nonce="form-2") != first


def test_a_form_of_another_shop_is_not_answered_with_its_return(shop, agent):
    a_draft(agent, shop, nonce="form-1")
    other = a_merchant()
    with pytest.raises(NotFound):
        a_draft(a_person(other, "csr"), other, nonce="form-1")


def test_another_shops_return_is_not_found_and_a_warehouse_starts_none(shop, agent, gateways):
    draft = a_draft(agent, shop)
    stranger = a_person(a_merchant(), "admin")
    for call in (
        lambda: returns.page(stranger, draft, now=NOW),
        lambda: returns.choose_lines(stranger, draft, [], now=NOW),
        lambda: returns.set_order(stranger, draft, order_number="1", now=NOW),
        lambda: a_draft(stranger, shop),
    ):
        with pytest.raises(NotFound):
            call()
    with pytest.raises(NotAllowed):
        a_draft(a_person(shop, "warehouse"), shop)


def test_an_order_of_another_shop_cannot_be_named(shop, agent, gateways):
    foreign = an_order(gateways, a_merchant())
    with pytest.raises(NotFound):
        a_draft(agent, shop, foreign)


def test_what_is_left_shrinks_with_every_answer(shop, agent, gateways):
    order = an_order(gateways, shop, [an_item("MUG", 2)])
    draft = a_draft(agent, shop, order)

    def left():
        return returns.page(agent, draft, now=NOW).left

    assert left() == (Step.LINES, Step.SURVEY, Step.ADDRESS, Step.SENDING, Step.CONFIRM)
    returns.choose_lines(agent, draft, chosen(order, {"MUG": 1}), now=NOW)
    assert left() == (Step.SURVEY, Step.ADDRESS, Step.SENDING, Step.CONFIRM)
    survey(agent, draft)
    returns.set_address(agent, draft, HOME, now=NOW)
    assert left() == (Step.SENDING, Step.CONFIRM)
    send_it(agent, draft, gateways)
    assert left() == (Step.CONFIRM,)


def test_changing_units_keeps_the_survey_of_the_lines_that_stay(shop, agent, gateways):
    order = an_order(gateways, shop, [an_item("MUG", 3), an_item("HAT", 2)])
    draft = a_draft(agent, shop, order)
    fill(agent, draft, gateways, order=order, units={"MUG": 1, "HAT": 1})
    returns.choose_lines(agent, draft, chosen(order, {"MUG": 3}), now=NOW)
    (line,) = returns.page(agent, draft, now=NOW).draft.lines
    assert (line.sku, line.units, line.reason, line.condition) == ("MUG", 3, "too_small", "unopened")


def test_the_same_items_again_keep_the_chosen_way_and_other_items_ask_for_it_anew(shop, agent, gateways):
    order = an_order(gateways, shop, [an_item("MUG", 3)])
    draft = a_draft(agent, shop, order)
    fill(agent, draft, gateways, order=order, units={"MUG": 1})
    returns.choose_lines(agent, draft, chosen(order, {"MUG": 1}), now=NOW)
    assert returns.page(agent, draft, now=NOW).draft.sending is not None
    returns.choose_lines(agent, draft, chosen(order, {"MUG": 2}), now=NOW)
    assert returns.page(agent, draft, now=NOW).draft.sending is None


def test_partly_changes_only_the_lines_that_are_named(shop, agent, gateways):
    order = an_order(gateways, shop, [an_item("MUG", 3), an_item("HAT", 2)])
    draft = a_draft(agent, shop, order)
    returns.choose_lines(agent, draft, chosen(order, {"MUG": 1, "HAT": 1}), now=NOW)
    returns.choose_lines(agent, draft, chosen(order, {"HAT": 2}), partly=True, now=NOW)
    returns.choose_lines(agent, draft, chosen(order, {"MUG": 0}), partly=True, now=NOW)
    lines = returns.page(agent, draft, now=NOW).draft.lines
    assert [(line.sku, line.units) for line in lines] == [("HAT", 2)]


def test_no_more_units_than_can_come_back_and_all_objections_at_once(shop, agent, gateways):
    order = an_order(
        gateways,
        shop,
        [an_item("MUG", 3), an_item("SALE", 1, final_sale=True), an_item("LATE", 2, shipped=0)],
    )
    draft = a_draft(agent, shop, order)
    with pytest.raises(Refused) as refused:
        returns.choose_lines(agent, draft, chosen(order, {"MUG": 4, "SALE": 1, "LATE": 1}), now=NOW)
    codes = {finding.code for finding in refused.value.verdict.findings}
    assert codes == {"too_many_units", "not_shipped_yet"}
    assert returns.page(agent, draft, now=NOW).draft.lines == ()
    assert returns.choose_lines(agent, draft, chosen(order, {"MUG": 3, "SALE": 1}), now=NOW)


def test_negative_units_are_refused(shop, agent, gateways):
    order = an_order(gateways, shop, [an_item("MUG", 3)])
    draft = a_draft(agent, shop, order)
    with pytest.raises(Conflict, match="negative_units"):
        returns.choose_lines(agent, draft, chosen(order, {"MUG": -1}), now=NOW)


def test_a_line_of_another_order_is_not_found(shop, agent, gateways):
    order, other = an_order(gateways, shop), an_order(gateways, shop)
    draft = a_draft(agent, shop, order)
    with pytest.raises(NotFound):
        returns.choose_lines(agent, draft, chosen(other, {"MUG": 1}), now=NOW)


def test_another_order_empties_the_selection(shop, agent, gateways):
    order, other = an_order(gateways, shop), an_order(gateways, shop)
    draft = a_draft(agent, shop, order)
    fill(agent, draft, gateways, order=order)
    returns.set_order(agent, draft, order_id=other.id, now=NOW)
    page = returns.page(agent, draft, now=NOW)
    assert page.draft.lines == () and page.draft.order_number == other.number


def test_a_link_holder_changes_nothing_that_is_locked_or_was_settled_before(shop, agent, gateways):
    order = an_order(gateways, shop, [an_item("MUG", 2)])
    draft = a_draft(agent, shop, order)
    returns.choose_lines(agent, draft, chosen(order, {"MUG": 1}), now=NOW)
    returns.set_note(agent, draft, note="Ready for you", locked=["lines", "survey"], now=NOW)
    customer = a_customer(draft, shop)
    page = returns.page(customer, draft, now=NOW)
    assert page.draft.locked == {"lines"}, "a question that is open cannot be locked"
    for call in (
        lambda: returns.choose_lines(customer, draft, chosen(order, {"MUG": 2}), now=NOW),
        lambda: returns.set_order(customer, draft, order_number="other", now=NOW),
        lambda: returns.set_customer(
            customer, draft, name="X", email="x@example.com", phone="", language="en", kind="return", now=NOW
        ),
    ):
        with pytest.raises(Conflict, match="locked"):
            call()
    survey(customer, draft)
    returns.choose_lines(agent, draft, chosen(order, {"MUG": 2}), now=NOW)
    assert returns.page(agent, draft, now=NOW).draft.units == 2, "the agent may still change it"


def test_a_link_opens_one_return_alone_and_does_nothing_but_fill_it_in(shop, agent, gateways):
    from portal.services import links
    from portal.services.docking import receiving
    from portal.services.handling import deciding, desk
    from portal.services.refunding import refunds

    order = an_order(gateways, shop)
    mine, other = a_draft(agent, shop, order), a_draft(agent, shop, order)
    customer = a_customer(mine, shop)
    with pytest.raises(NotFound):
        returns.page(customer, other, now=NOW)
    for call in (
        lambda: deciding.approve(customer, mine, now=NOW),
        lambda: deciding.decline(customer, mine, reason="other", now=NOW),
        lambda: receiving.receive(customer, mine, {}, now=NOW),
        lambda: desk.close(customer, mine, now=NOW),
        lambda: refunds.quote(customer, mine, now=NOW),
        lambda: refunds.propose(customer, mine, now=NOW),
        lambda: links.send_link(customer, mine, site=None, now=NOW),
        lambda: a_draft(customer, shop, order),
    ):
        with pytest.raises(NotAllowed):
            call()


def test_a_policy_that_is_not_active_starts_nothing(session, gateways):
    shop = a_merchant(terms=Terms(active=False))
    with pytest.raises(Conflict, match="policy_inactive"):
        a_draft(a_person(shop, "csr"), shop)


def test_without_an_order_products_are_typed_in_and_the_refund_is_to_be_assessed(shop, agent, gateways):
    draft = a_draft(agent, shop, order_number="unknown-7")
    typed = [returns.LineChoice(sku="OLD-1", name="Demo radio", units=2)]
    verdict = returns.choose_lines(agent, draft, typed, now=NOW)
    page = returns.page(agent, draft, now=NOW)
    assert verdict.outcome == "review"
    assert [(line.name, line.units) for line in page.draft.lines] == [("Demo radio", 2)]
    assert not page.breakdown.assessed and page.breakdown.rows == ()
    (line,) = page.draft.lines
    returns.choose_lines(
        agent, draft, [returns.LineChoice(line_id=line.id, name="Demo radio", units=1)], now=NOW
    )
    assert [one.id for one in returns.page(agent, draft, now=NOW).draft.lines] == [line.id]


def test_the_estimate_follows_the_items(shop, agent, gateways):
    order = an_order(gateways, shop, [an_item("MUG", 3, "9.33"), shipping_cost()])
    draft = a_draft(agent, shop, order)
    returns.choose_lines(agent, draft, chosen(order, {"MUG": 1}), now=NOW)
    page = returns.page(agent, draft, now=NOW)
    assert page.breakdown.amount == 933 and not page.is_whole_order
    returns.choose_lines(agent, draft, chosen(order, {"MUG": 3}), now=NOW)
    page = returns.page(agent, draft, now=NOW)
    assert page.breakdown.amount == 2799 + 490 and page.is_whole_order


def test_who_pays_for_the_way_back_follows_a_changed_reason(session, gateways):
    shop = a_merchant(terms=Terms(return_postage="customer_remorse"))
    agent = a_person(shop, "csr")
    order = an_order(gateways, shop, [an_item("MUG", 1, "60.00")])
    draft = a_draft(agent, shop, order)
    fill(agent, draft, gateways, order=order, reason="changed_mind")
    page = returns.page(agent, draft, now=NOW)
    assert page.draft.sending.pays == "deduct" and page.breakdown.amount < 6000
    survey(agent, draft, reason="not_as_described")
    page = returns.page(agent, draft, now=NOW)
    assert page.draft.sending.pays == "merchant" and page.breakdown.amount == 6000


def test_a_confirmed_return_is_filled_in_no_further(shop, gateways):
    order = an_order(gateways, shop)
    done = a_return(gateways, shop, order)
    agent = a_person(shop, "csr")
    for call in (
        lambda: returns.choose_lines(agent, done, [], now=NOW),
        lambda: returns.set_address(agent, done, HOME, now=NOW),
        lambda: returns.answer(agent, done, [], now=NOW),
        lambda: returns.set_note(agent, done, note="", locked=[], now=NOW),
    ):
        with pytest.raises(Conflict, match="not_a_draft"):
            call()


def test_every_answer_is_in_the_history(shop, agent, gateways):
    order = an_order(gateways, shop)
    draft = a_draft(agent, shop, order)
    fill(agent, draft, gateways, order=order)
    steps = [one.details.get("step") for one in history.of([draft]) if one.what == "return.updated"]
    assert steps == ["lines", "survey", "address", "sending"]


def test_a_draft_keeps_the_policy_it_was_begun_with(shop, agent, gateways):
    order = an_order(gateways, shop, days_ago=20)
    draft = a_draft(agent, shop, order)
    shorter = replace(merchants.terms_of(shop), window_days=3)
    merchants.publish(a_person(shop, "admin"), shop, shorter, now=NOW)
    assert returns.choose_lines(agent, draft, chosen(order, {"MUG": 1}), now=NOW).allowed
    other = a_draft(agent, shop, order)
    with pytest.raises(Refused):
        returns.choose_lines(agent, other, chosen(order, {"MUG": 1}), now=NOW)


def test_the_same_form_sent_twice_at_once_makes_one_draft(app, shop, agent):
    """Both look for the form's nonce before either has written; the database lets one of them in."""
    ready = Barrier(2)

    def send(_):
        with app.app_context():
            ready.wait(60)
            return returns.start_draft(
                agent,
                merchant_id=shop,
                kind="return",
                channel="phone",
                name="Demo Customer",
                email="demo@customer.example",
                language="en",
                nonce="form-1",
                now=NOW,
            )

    with ThreadPoolExecutor(2) as both:
        first, second = both.map(send, range(2))
    assert first == second
