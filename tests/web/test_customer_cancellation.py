"""The customer takes something out of an order: the selection, the question, the answer; and nothing before it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from flask import Flask

from portal.core.intake import IncomingLine, Special
from portal.core.policy.terms import Terms
from tests.web.buyers import bought, propose, service, start, state_of
from tests.web.shops import (
    Prepared,
    Shop,
    add_order,
    draft_of,
    line,
    nothing_changes,
    open_shop,
    prepare,
    walk_in,
)

CONFIRM, KEEP = "Cancel these items", "Keep my order as it is"


@pytest.fixture
def shop(app: Flask) -> Shop:
    made = open_shop(app)
    add_order(made, lines=bought(sent=1))
    return made


def at_items(client: Any, shop: Shop, number: str = "N-1") -> tuple[Any, Prepared]:
    started = start(client, shop, number)
    return walk_in(client, started), started


def chosen(client: Any, shop: Shop, units: dict[str, int], number: str = "N-1", **more: str) -> Any:
    """The page after Continue, with these units to be canceled."""
    page, started = at_items(client, shop, number)
    fields = {f"cancel-{started.lines[sku]}": str(n) for sku, n in units.items()}
    fields |= {f"ending-{started.lines[sku]}": how for sku, how in more.items()}
    return client.submit(page, fields, button="Continue", follow_redirects=True)


# --------------------------------------------------------------------------------------------- the selection


def test_what_is_not_sent_offers_cancel_and_what_is_there_offers_sending_back(
    client: Any, shop: Shop
) -> None:
    page, started = at_items(client, shop)
    assert page.page.h1 == "What would you like to cancel or send back?"
    mug, throw, shirt = (started.lines[sku] for sku in ("MUG", "THR", "SHT"))
    assert page.page.by_id(f"cancel-{mug}").get("max") == "2"
    assert page.page.by_id(f"units-{mug}").get("max") == "1"
    for line_id in (throw, shirt):
        assert page.page.by_id(f"cancel-{line_id}").get("max") == "1"
        assert not page.page.has_id(f"units-{line_id}")
    assert "Order total now€149.00" in page.page.text


def test_one_line_of_three_is_canceled_and_the_rest_stays(
    client: Any, shop: Shop, drain: Callable[[], None]
) -> None:
    question = chosen(client, shop, {"THR": 1})
    text = question.page.text
    assert question.page.h1 == "Check what you cancel"
    for part in ("1 × Wool throw", "1 × Linen shirt", "3 × Stoneware mug", "You get €69.00 back"):
        assert part in text
    assert "Order total now€149.00" in text
    assert "New order total€80.00" in text
    assert "€69.00 goes back to you: Visa ·· 4242." in text
    done = client.submit(question, button=CONFIRM, follow_redirects=True)
    assert done.request.path.endswith("/status")
    assert "Confirmed: it is taken out of your order" in done.page.text
    drain()
    text = client.get(done.request.path).page.text
    assert "Taken out of your order" in text
    assert "Refund sent" in text
    assert "New order total€80.00" in text


def test_a_stepper_saves_at_once_and_both_outcomes_are_told(client: Any, shop: Shop) -> None:
    _, started = at_items(client, shop)
    mug, throw = started.lines["MUG"], started.lines["THR"]
    save = started.home + "/items/saved"
    out = client.post(save, data={f"cancel-{throw}": "1"}, htmx="estimate")
    assert "€69.00" in out.get_data(as_text=True)
    assert "You cancel 1 of 5 items." in out.get_data(as_text=True)
    both = client.post(save, data={f"units-{mug}": "1", f"was-{mug}": "0"}, htmx="estimate")
    text = both.get_data(as_text=True)
    assert "You cancel 1 and send back 1 of 5 items." in text
    assert "Canceled before it is sent" in text
    assert "After we have looked at it" in text
    assert len(both.get_data()) < 8_000
    page = client.get(started.home + "/items").page
    assert page.by_id(f"cancel-{throw}").get("value") == "1"
    assert page.by_id(f"units-{mug}").get("value") == "1"


def test_plus_and_minus_of_either_stepper_work_without_javascript(client: Any, shop: Shop) -> None:
    page, started = at_items(client, shop)
    mug = started.lines["MUG"]
    page = client.submit(page, button="One more: Stoneware mug (cancel)", follow_redirects=True)
    page = client.submit(page, button="One more: Stoneware mug (send back)", follow_redirects=True)
    assert page.page.by_id(f"cancel-{mug}").get("value") == "1"
    assert page.page.by_id(f"units-{mug}").get("value") == "1"
    page = client.submit(page, button="One less: Stoneware mug (cancel)", follow_redirects=True)
    assert page.page.by_id(f"cancel-{mug}").get("value") == "0"
    assert "You return 1 of 5 items." in page.page.text


def test_too_many_units_are_told_at_their_row_with_the_maximum(client: Any, app: Flask, shop: Shop) -> None:
    page, started = at_items(client, shop)
    field = f"cancel-{started.lines['MUG']}"
    with nothing_changes(app):
        answer = client.submit(page, {field: "3"}, button="Continue")
    assert answer.status_code == 422
    assert answer.page.has_id(f"{field}-error")
    assert "Stoneware mug: At most 2 units can be canceled." in answer.page.text
    assert answer.page.by_id(field).get("value") == "3"


@pytest.mark.parametrize("typed", ["-1", "1.5", "two"])
def test_what_is_no_number_of_units_is_refused(client: Any, app: Flask, shop: Shop, typed: str) -> None:
    page, started = at_items(client, shop)
    with nothing_changes(app):
        answer = client.submit(page, {f"cancel-{started.lines['MUG']}": typed}, button="Continue")
    assert answer.status_code == 422


def test_two_tabs_do_not_undo_each_other(client: Any, shop: Shop) -> None:
    first, started = at_items(client, shop)
    second = client.get(started.home + "/items")
    client.submit(first, {f"cancel-{started.lines['THR']}": "1"}, button="Update")
    page = client.submit(
        second, {f"cancel-{started.lines['SHT']}": "1"}, button="Update", follow_redirects=True
    )
    assert "You cancel 2 of 5 items." in page.page.text


def test_a_line_that_somebody_else_works_on_says_why_it_cannot_be_stopped(client: Any, shop: Shop) -> None:
    add_order(
        shop,
        "N-2",
        (
            line("VAS", "Vase", "40.00", sent=0, special=Special(logistics=("custom_made", "drop_ship"))),
            line("SOA", "Soap", "5.00", sent=0),
        ),
    )
    page, started = at_items(client, shop, "N-2")
    assert not page.page.has_id(f"cancel-{started.lines['VAS']}")
    assert "Cannot be canceled: why?" in page.page.text
    row = page.page.by_id(f"item-{started.lines['VAS']}")
    assert len(row.findall(".//details//p")) == 2, "both reasons at once"


def test_a_shop_without_cancellations_offers_none(client: Any, app: Flask) -> None:
    shop = open_shop(app, "ohne", Terms(cancellations=False))
    add_order(shop, lines=bought(sent=1))
    page, started = at_items(client, shop)
    assert not page.page.has_id(f"cancel-{started.lines['THR']}")
    assert "Not sent yet" in page.page.text


def test_whoever_is_not_the_buyer_sees_nothing_of_the_order(client: Any, app: Flask, shop: Shop) -> None:
    from portal.db.base import db
    from portal.db.returns import Return

    propose(shop, {"SHT": 1})
    prepared = prepare(shop)
    with app.app_context():
        db.session.get(Return, prepared.id).email = "somebody.else@example.com"
        db.session.commit()
    page = walk_in(client, prepared).page
    assert "Your order as it stands" not in page.text
    assert "Your answer is needed" not in page.text
    assert not page.has_id(f"cancel-{prepared.lines['THR']}")


def tea_set() -> tuple[IncomingLine, ...]:
    """A bundle of 90.00 for parts that cost 60.00 and 40.00 alone."""

    def part(sku: str, name: str, alone: int) -> IncomingLine:
        made = line(sku, name, "0.00", sent=0, special=Special(list_price=Decimal(alone)))
        return replace(made, parent="SET")

    return (line("SET", "Tea set", "90.00", sent=0), part("POT", "Tea pot", 60), part("CUP", "Cups", 40))


def test_a_bundle_shows_its_parts_and_one_of_them_can_go(client: Any, shop: Shop) -> None:
    add_order(shop, "N-3", tea_set())
    page, started = at_items(client, shop, "N-3")
    assert "A bundle: choose among its parts." in page.page.text
    assert "Part of Tea set" in page.page.text
    assert "2 items" in page.page.text
    assert not page.page.has_id(f"cancel-{started.lines['SET']}")
    question = client.submit(
        page, {f"cancel-{started.lines['CUP']}": "1"}, button="Continue", follow_redirects=True
    )
    assert "You get €36.00 back" in question.page.text
    assert "1 × Tea pot" in question.page.text


def test_a_present_is_marked_where_it_is_chosen_and_where_it_is_asked(client: Any, shop: Shop) -> None:
    add_order(
        shop,
        "N-4",
        (
            line("GFT", "Candle", "15.00", sent=0, special=Special(gift=True)),
            line("X", "Soap", "5.00", sent=0),
        ),
    )
    question = chosen(client, shop, {"GFT": 1}, "N-4")
    assert question.page.h1 == "Check what you cancel"
    assert "A present" in question.page.text


# ----------------------------------------------------------------------------------------------- services


@pytest.mark.parametrize(
    ("ending", "outcome", "told"),
    [
        ("at_once", "You get €20.00 back", "Ends now; you get the unused part back."),
        ("next_period", "No money moves", "and is not renewed."),
    ],
)
def test_a_service_ends_in_one_of_two_ways_and_the_others_go_on(
    client: Any, shop: Shop, ending: str, outcome: str, told: str
) -> None:
    add_order(shop, "N-5", (service(), service("VIP", "Priority support", "9.00")))
    page, started = at_items(client, shop, "N-5")
    assert "20 of 30 days were not used yet" in page.page.text
    question = client.submit(
        page, {f"ending-{started.lines['PLN']}": ending}, button="Continue", follow_redirects=True
    )
    assert outcome in question.page.text
    assert told in question.page.text
    assert "1 × Priority support" in question.page.text
    done = client.submit(question, button=CONFIRM, follow_redirects=True)
    assert told.split("and")[-1].strip() in done.page.text
    again, _ = at_items(app_client(shop), shop, "N-5")
    assert "Ends on" in again.page.text


def app_client(shop: Shop) -> Any:
    return shop.app.test_client()


def test_the_whole_selection_of_services_can_be_taken_back(client: Any, shop: Shop) -> None:
    add_order(shop, "N-6", (service(),))
    page, started = at_items(client, shop, "N-6")
    field = f"ending-{started.lines['PLN']}"
    page = client.submit(page, {field: "at_once"}, button="Update", follow_redirects=True)
    assert "You cancel 1 of 1 items." in page.page.text
    page = client.submit(page, {field: ""}, button="Update", follow_redirects=True)
    assert "Nothing is chosen yet." in page.page.text


# -------------------------------------------------------------------------------------------- the question


def test_a_look_at_the_question_changes_nothing(client: Any, app: Flask, shop: Shop) -> None:
    proposed = propose(shop, {"THR": 1})
    client.get(proposed.path)
    with nothing_changes(app):
        for _ in range(3):
            page = client.get(proposed.path, follow_redirects=True)
    assert page.page.h1 == "Shall we take this out of your order?"
    assert "As agreed." in page.page.text
    assert "open until" in page.page.text
    assert state_of(shop, proposed.id) == "proposed"


def test_an_answer_without_a_choice_is_no_answer(client: Any, app: Flask, shop: Shop) -> None:
    proposed = propose(shop, {"THR": 1})
    page = client.get(proposed.path, follow_redirects=True)
    with nothing_changes(app):
        answer = client.post(page.request.path, data={"answer": "", "seen": "x"})
    assert answer.status_code == 422
    assert "Choose whether" in answer.page.text


def test_an_answer_without_the_token_of_the_form_is_refused(client: Any, app: Flask, shop: Shop) -> None:
    proposed = propose(shop, {"THR": 1})
    page = client.get(proposed.path, follow_redirects=True)
    with nothing_changes(app):
        assert client.post(page.request.path, data={"answer": "confirm"}, csrf=False).status_code == 403


def test_a_stranger_finds_no_question_and_answers_none(app: Flask, client: Any, shop: Shop) -> None:
    proposed = propose(shop, {"THR": 1})
    add_order(shop, "N-9", (line("ONE", "Felt hat", "20.00"),))
    for other in (app.test_client(), app.test_client()):
        other.get(prepare(shop, "N-9").path)
        assert other.get(proposed.home + "/cancellation").status_code == 404
        other.get("/start/nordhaus")
        assert other.post(proposed.home + "/cancellation", data={"answer": "confirm"}).status_code == 404
        assert other.get(proposed.home + "/score").status_code == 404


def test_whoever_keeps_the_order_keeps_all_of_it(client: Any, shop: Shop) -> None:
    proposed = propose(shop, {"THR": 1})
    page = client.get(proposed.path, follow_redirects=True)
    done = client.submit(page, {"reason": "I want it after all"}, button=KEEP, follow_redirects=True)
    assert "You keep your order as it is" in done.page.text
    assert "no money moves" in done.page.text
    assert state_of(shop, proposed.id) == "declined"


def test_keeping_a_selection_of_ones_own_leads_back_to_it_empty(client: Any, shop: Shop) -> None:
    question = chosen(client, shop, {"THR": 1})
    back = client.submit(question, button=KEEP, follow_redirects=True)
    assert back.request.path.endswith("/items")
    assert "Nothing is canceled." in back.page.text
    assert "Nothing is chosen yet." in back.page.text


def test_an_answer_given_twice_counts_once(client: Any, shop: Shop) -> None:
    proposed = propose(shop, {"THR": 1})
    page = client.get(proposed.path, follow_redirects=True)
    client.submit(page, button=CONFIRM)
    again = client.submit(page, button=KEEP, follow_redirects=True)
    assert "Confirmed: it is taken out of your order" in again.page.text
    assert state_of(shop, proposed.id) == "confirmed"


def test_what_has_changed_meanwhile_is_shown_anew_and_says_what(client: Any, app: Flask, shop: Shop) -> None:
    page, started = at_items(client, shop)
    mugs = f"cancel-{started.lines['MUG']}"
    question = client.submit(page, {mugs: "1"}, button="Continue", follow_redirects=True)
    client.submit(client.get(started.home + "/items"), {mugs: "2"}, button="Update")
    with nothing_changes_but_the_link(app):
        answer = client.submit(question, button=CONFIRM)
    assert answer.status_code == 409
    text = answer.page.text
    assert "Something has changed meanwhile" in text
    assert "What you get: €10.00 before, €20.00 now." in text
    assert "New order total: €139.00 before, €129.00 now." in text
    assert "Items taken out: 1 before, 2 now." in text
    assert "Confirmed" in client.submit(answer, button=CONFIRM, follow_redirects=True).page.text


def nothing_changes_but_the_link(app: Flask) -> Any:
    """That a person opened the link is noted, and nothing else."""
    from contextlib import contextmanager

    from tests.web.shops import everything

    @contextmanager
    def watched() -> Any:
        before = everything(app)
        yield
        after = everything(app)
        assert {name for name in before if before[name] != after[name]} <= {"links", "history"}

    return watched()


def test_a_selection_that_was_emptied_in_another_tab_is_asked_anew(client: Any, shop: Shop) -> None:
    page, started = at_items(client, shop)
    field = f"cancel-{started.lines['THR']}"
    question = client.submit(page, {field: "1"}, button="Continue", follow_redirects=True)
    client.submit(client.get(started.home + "/items"), {field: "0"}, button="Update")
    answer = client.submit(question, button=CONFIRM, follow_redirects=True)
    assert answer.request.path.endswith("/items")


# ------------------------------------------------------------------------------------------ both in one


def at_check(client: Any, shop: Shop) -> tuple[Any, Prepared]:
    """The check page of a selection in which one thing is canceled and one sent back."""
    page, started = at_items(client, shop)
    fields = {f"cancel-{started.lines['THR']}": "1", f"units-{started.lines['MUG']}": "1"}
    page = client.submit(page, fields, button="Continue", follow_redirects=True)
    assert page.page.h1 == "Why do you send it back?"
    _, names = page.page.fields(page.page.form(button="Continue"))
    line_id = next(name for name in names if name.startswith("reason-")).removeprefix("reason-")
    answers = {f"reason-{line_id}": "too_small", f"condition-{line_id}": "unopened"}
    page = client.submit(page, answers, button="Continue", follow_redirects=True)
    page = client.submit(page, {"rate": own_carrier(page)}, button="Continue", follow_redirects=True)
    assert page.page.h1 == "Check what you cancel and send back"
    return page, started


def test_canceled_and_sent_back_are_confirmed_by_one_button(
    client: Any, shop: Shop, drain: Callable[[], None]
) -> None:
    page, started = at_check(client, shop)
    for part in (
        "Canceled before it is sent",
        "You get back€69.00",
        "Sent back",
        "After we have looked at it",
    ):
        assert part in page.page.text
    done = client.submit(page, button="Confirm both", follow_redirects=True)
    assert "Your return is approved" in done.page.text
    assert "Canceled and sent back so far" in done.page.text
    link = next(one for one in done.page.links().values() if "/status" in one and str(started.id) not in one)
    drain()
    assert "Refund sent" in client.get(link).page.text


@pytest.mark.parametrize("units", ["0", "2"])
def test_what_is_canceled_beside_a_return_is_shown_anew_when_it_has_changed(
    client: Any, shop: Shop, units: str
) -> None:
    page, started = at_check(client, shop)
    other = {"THR": "0"} if units == "0" else {"MUG": units}
    fields = {f"cancel-{started.lines[sku]}": n for sku, n in other.items()}
    client.submit(client.get(started.home + "/items"), fields, button="Update")
    answer = client.submit(page, button="Confirm both")
    assert answer.status_code == 409
    assert "has changed meanwhile" in answer.page.text
    assert draft_of(shop, started).state == "draft"


def own_carrier(page: Any) -> str:
    """The rate of sending it with a carrier of one's own, which needs nothing more."""
    inputs = page.page.form(button="Continue").iter("input")
    offered = [str(node.get("value")) for node in inputs if node.get("name") == "rate"]
    return next(rate for rate in offered if "own_carrier" in rate)


def test_a_return_of_a_cancellation_cannot_be_made_of_its_link(client: Any, app: Flask, shop: Shop) -> None:
    proposed = propose(shop, {"THR": 1})
    client.get(proposed.path)
    for path in ("/items", "/reasons", "/address", "/sending", "/check"):
        page = client.get(proposed.home + path)
        assert page.headers["Location"].endswith("/cancellation"), path
    client.get(proposed.home + "/cancellation")
    with nothing_changes(app):
        for path in ("/items", "/confirmation", "/withdrawal", "/handover"):
            client.post(proposed.home + path, data={})
    assert state_of(shop, proposed.id) == "proposed"


# --------------------------------------------------------------------------------- how the money moves


@pytest.mark.parametrize(
    ("tender", "label", "mode", "told"),
    [
        (
            "card",
            "Visa ·· 4242",
            "authorized",
            "€69.00 is not charged: Visa ·· 4242. It was only reserved there.",
        ),
        ("invoice", "Invoice", "", "You owe €69.00 less: Invoice."),
        ("cash_on_delivery", "Cash on delivery", "", "You owe €69.00 less: Cash on delivery."),
        ("instalments", "Instalments", "", "You owe €69.00 less: Instalments."),
        ("card", "Visa ·· 4242", "captured", "€69.00 goes back to you: Visa ·· 4242."),
    ],
)
def test_what_was_never_paid_is_not_called_a_refund(
    client: Any, shop: Shop, drain: Callable[[], None], tender: str, label: str, mode: str, told: str
) -> None:
    add_order(shop, "N-7", bought(), tender=tender, label=label, mode=mode)
    question = chosen(client, shop, {"THR": 1}, "N-7")
    assert told in question.page.text
    paid = mode == "captured"
    assert ("You get back" in question.page.text) is paid
    assert ("still to be paid€80.00" in question.page.text) is (tender != "card")
    done = client.submit(question, button=CONFIRM, follow_redirects=True)
    assert ("You get back" in done.page.text) is paid
    drain()
    text = client.get(done.request.path).page.text
    assert ("Refunded" in text) is paid
    assert ("Not charged" in text) is not paid


# ------------------------------------------------------------------------- objections, each at its row


def test_a_bundle_that_goes_as_a_whole_only_says_so_at_the_row_of_its_part(client: Any, app: Flask) -> None:
    shop = open_shop(app, "whole", Terms(bundles="whole"))
    add_order(shop, "N-8", tea_set())
    page, started = at_items(client, shop, "N-8")
    field = f"cancel-{started.lines['CUP']}"
    with nothing_changes(app):
        answer = client.submit(page, {field: "1"}, button="Continue")
    assert answer.status_code == 422
    assert answer.page.has_id(f"{field}-error")
    assert "Cups:" in answer.page.text
    both = {field: "1", f"cancel-{started.lines['POT']}": "1"}
    question = client.submit(answer, both, button="Continue", follow_redirects=True)
    assert "You get €90.00 back" in question.page.text
    assert "Nothing: the whole order is canceled." in question.page.text


def test_objections_to_both_parts_of_a_selection_are_told_at_once(
    client: Any, app: Flask, shop: Shop
) -> None:
    page, started = at_items(client, shop)
    mug, throw = started.lines["MUG"], started.lines["THR"]
    with nothing_changes(app):
        wrong = {f"cancel-{throw}": "5", f"units-{mug}": "4", f"cancel-{mug}": "3"}
        answer = client.submit(page, wrong, button="Continue")
    assert answer.status_code == 422
    for field in (f"cancel-{throw}", f"units-{mug}", f"cancel-{mug}"):
        assert answer.page.has_id(f"{field}-error"), field


def test_what_the_warehouse_says_is_told_at_its_row(make_app: Callable[..., Flask]) -> None:
    app = make_app(WAREHOUSE="sandbox")
    shop = open_shop(app)
    add_order(
        shop,
        lines=(line("LMP-CUT-OFF", "Table lamp", "80.00", sent=0), line("SOA", "Soap", "5.00", sent=0)),
    )
    client = app.test_client()
    page, started = at_items(client, shop)
    field = f"cancel-{started.lines['LMP-CUT-OFF']}"
    answer = client.submit(page, {field: "1"}, button="Continue")
    assert answer.status_code == 422
    assert answer.page.has_id(f"{field}-error")
    assert "Table lamp:" in answer.page.text
