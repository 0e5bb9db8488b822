"""A cancellation after the answer, or without one: how it stands, the notice on other pages, and how it went."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from portal.core.logistics import ToldUnits
from portal.db.base import db, transaction
from portal.db.returns import Return
from portal.services import cancellations, disputes, links
from portal.services.cancellations import ending
from portal.services.talking import notices
from portal.services.warehousing import fulfilment
from tests import builders
from tests.web.admin_world import World
from tests.web.buyers import bought, propose, start, state_of
from tests.web.shops import (
    EMAIL,
    Prepared,
    Shop,
    add_order,
    line,
    newest_link,
    nothing_changes,
    now,
    open_shop,
    prepare,
    status_link,
    walk_in,
)

CONFIRM, KEEP = "Cancel these items", "Keep my order as it is"


@pytest.fixture
def shop(app: Flask) -> Shop:
    made = open_shop(app)
    add_order(made, lines=bought(sent=1))
    return made


def answered(client: Any, shop: Shop, button: str = CONFIRM, sku: str = "THR") -> tuple[Any, Prepared]:
    """The status page after the answer to an agent's proposal."""
    proposed = propose(shop, {sku: 1})
    page = client.get(proposed.path, follow_redirects=True)
    return client.submit(page, button=button, follow_redirects=True), proposed


def mail_of(shop: Shop, return_id: Any, event: str) -> Any:
    with shop.app.app_context():
        found = [mail for mail in notices.of_return(return_id) if mail.event == event]
        assert len(found) == 1, [mail.event for mail in notices.of_return(return_id)]
        return notices.as_sent(found[0].id, site=shop.site)


def ship(shop: Shop, sku: str, number: str = "N-1") -> None:
    with shop.app.app_context(), transaction():
        fulfilment.shipped(shop.id, number, [ToldUnits(sku=sku, units=1)], now=now())


# ----------------------------------------------------------------------------------------- how it stands


def number_of(shop: Shop, made: Any) -> str:
    with shop.app.app_context():
        number = db.session.get_one(Return, made).number
        assert number is not None
        return number


def test_money_that_never_came_is_contested_on_the_page_of_the_cancellation_and_answered(
    client: Any, shop: Shop, drain: Callable[[], None]
) -> None:
    status, proposed = answered(client, shop)
    made = proposed.id
    asked = client.get(status.page.link("Contest this"))
    assert asked.page.h1 == "What is wrong?" and asked.page.link("Back to your cancellation")
    with shop.app.app_context():
        (item,) = disputes.sheet(builders.a_customer(made, shop.id), made, now=now()).choices
    typed = {f"ground-{item.line.id}": "missing_refund", "wanted": "full_refund", "body": "Nothing came."}
    checked = client.submit(asked, typed, button="Continue")
    shown = client.submit(checked, {}, button="Send it", follow_redirects=True)
    assert shown.page.h1 == "What you contest"
    with shop.app.app_context():
        boss = builders.a_person(shop.id)
        (dispute,) = disputes.of_return(boss, made)
        assert (dispute.ground, dispute.state) == ("missing_refund", "open")
    desk = World(app=shop.app, own=shop.id, other=shop.id).signed_in("csr")
    of_it = desk.get(f"/admin/cancellations/{made}").page
    at = desk.get(of_it.link(dispute.number))
    assert "Nothing came." in at.page.text and at.page.link(number_of(shop, made))
    typed = {"outcome": "explained", "reason": "It takes three days."}
    ended = desk.submit(at, typed, button="End the dispute", follow_redirects=True)
    assert "It takes three days." in ended.page.text
    drain()
    after = client.get(f"/r/{made}/status").page
    assert dispute.number in after.text and after.link("Contest this")
    assert "It takes three days." in client.get(f"/r/{made}/dispute/{dispute.id}").page.text


def test_the_way_is_told_from_the_proposal_to_the_day_the_money_is_there(
    client: Any, shop: Shop, drain: Callable[[], None]
) -> None:
    page, proposed = answered(client, shop)
    assert "Proposed by Nordhaus Demo" in page.page.text
    assert "You confirmed it" in page.page.text
    drain()
    text = client.get(proposed.home + "/status").page.text
    assert "Refund sent" in text
    assert "With you by" in text
    assert "Reference for your bank" in text
    assert "Receipt: credit note" in text
    assert state_of(shop, proposed.id) == "closed"


def test_the_receipt_of_the_refund_can_be_downloaded(
    client: Any, shop: Shop, drain: Callable[[], None]
) -> None:
    _, proposed = answered(client, shop)
    drain()
    link = client.get(proposed.home + "/status").page.link("Receipt: credit note")
    paper = client.get(link)
    assert paper.status_code == 200
    assert paper.get_data().startswith(b"%PDF-")


def test_what_changes_comes_onto_the_open_page_with_the_money(
    client: Any, shop: Shop, drain: Callable[[], None]
) -> None:
    page, proposed = answered(client, shop)
    body = page.get_data(as_text=True)
    assert f'hx-get="{proposed.home}/status"' in body
    drain()
    part = client.get(proposed.home + "/status", htmx="standing").get_data(as_text=True)
    assert "Taken out of your order" in part
    assert 'id="money" hx-swap-oob="true"' in part
    assert "hx-get" not in part, "it is settled: nobody asks any more"
    assert "<html" not in part


def test_without_scripts_the_page_looks_again_only_when_asked_to(client: Any, shop: Shop) -> None:
    page, proposed = answered(client, shop)
    assert page.page.link("Look again")
    assert 'http-equiv="refresh"' not in page.get_data(as_text=True)
    on = client.get(page.page.link("Look again by itself"))
    assert '<noscript><meta http-equiv="refresh" content="5"></noscript>' in on.get_data(as_text=True)
    assert on.page.link("Stop it") == proposed.home + "/status"


def test_a_proposal_that_was_withdrawn_says_that_nothing_was_canceled(client: Any, shop: Shop) -> None:
    proposed = propose(shop, {"THR": 1})
    with shop.app.app_context():
        cancellations.withdraw(shop.agent, proposed.id, reason="Entered twice", now=now())
    page = client.get(proposed.path, follow_redirects=True)
    assert "Nothing was canceled; your order stays as it is." in page.page.text
    assert "Entered twice" not in page.page.text


def test_an_expired_proposal_says_so_and_how_to_ask_again(client: Any, app: Flask, shop: Shop) -> None:
    proposed = propose(shop, {"THR": 1})
    page = client.get(proposed.path, follow_redirects=True)
    later = now() + timedelta(days=3)
    app.config["CLOCK"] = lambda: later
    late = client.submit(page, button=CONFIRM, follow_redirects=True)
    assert "The time to answer is over" in late.page.text
    assert late.page.link("Ask us again").startswith("mailto:help@nordhaus.example.com")
    with app.app_context():
        cancellations.expire(now=later)
    assert state_of(shop, proposed.id) == "expired"
    again = client.get(proposed.path, follow_redirects=True)
    assert "The time to answer is over" in again.page.text
    assert "Cancel these items" not in again.page.text


def test_what_was_shipped_first_says_what_happened_and_what_can_be_done(client: Any, shop: Shop) -> None:
    proposed = propose(shop, {"THR": 1})
    page = client.get(proposed.path, follow_redirects=True)
    ship(shop, "THR")
    late = client.submit(page, button=CONFIRM, follow_redirects=True)
    text = late.page.text
    assert "We could not take it out any more" in text
    assert "It had left our warehouse" in text
    assert "no money moves" in text
    assert late.page.link("Start a return") == "/start/nordhaus"
    assert "How did this go for you?" not in text
    assert state_of(shop, proposed.id) == "overtaken"


def test_a_selection_whose_units_were_shipped_meanwhile_is_refused_at_the_question(
    client: Any, shop: Shop
) -> None:
    started = start(client, shop)
    page = walk_in(client, started)
    field = f"cancel-{started.lines['THR']}"
    question = client.submit(page, {field: "1"}, button="Continue", follow_redirects=True)
    ship(shop, "THR")
    answer = client.submit(question, button=CONFIRM)
    assert answer.status_code == 422
    assert "cannot be canceled any more" in answer.page.text


# --------------------------------------------------------------------------------------------- the warehouse


@pytest.fixture
def floor(make_app: Any) -> Any:
    """A shop beside a warehouse."""
    app = make_app(WAREHOUSE="sandbox")
    made = open_shop(app)
    add_order(made, lines=(*bought(), line("SLO-LATE", "Slow lamp", "30.00", sent=0)))
    add_order(made, "N-REFUSES", lines=bought())
    return made


def test_the_money_waits_for_the_warehouse_and_the_page_says_so(floor: Shop) -> None:
    from tests.serving import drain

    client = floor.app.test_client()
    page, proposed = answered(client, floor, sku="SLO-LATE")
    assert "We tell the warehouse" in page.page.text
    drain(floor.app)
    waiting = client.get(proposed.home + "/status").page.text
    assert "We tell the warehouse" in waiting
    assert "Refund sent" not in waiting
    assert state_of(floor, proposed.id) == "confirmed"


def test_a_warehouse_that_cannot_leave_it_out_is_told_with_what_can_be_done(floor: Shop) -> None:
    from tests.serving import drain

    client = floor.app.test_client()
    proposed = propose(floor, {"THR": 1}, "N-REFUSES")
    page = client.get(proposed.path, follow_redirects=True)
    client.submit(page, button=CONFIRM)
    drain(floor.app)
    text = client.get(proposed.home + "/status").page.text
    assert "We could not take it out any more" in text
    assert "your order total is as it was" in text
    mail = mail_of(floor, proposed.id, "cancellation_overtaken")
    assert "So nothing was canceled" in mail.text


# ----------------------------------------------------------------------------------------------- the notice


def test_an_open_proposal_is_told_on_every_page_of_the_order(client: Any, shop: Shop) -> None:
    prepared = prepare(shop, units={"MUG": 1}, why=("too_small", "unopened"))
    walk_in(client, prepared)
    proposed = propose(shop, {"THR": 1})
    for path in ("", "/items", "/reasons", "/address", "/sending"):
        page = client.get(prepared.home + path, follow_redirects=True)
        assert "Your answer is needed." in page.page.text, path
        assert page.page.link("Look at it and answer") == proposed.home + "/cancellation"
    question = client.get(proposed.home + "/cancellation")
    assert question.page.h1 == "Shall we take this out of your order?"
    client.submit(question, button=KEEP)
    assert "Your answer is needed." not in client.get(prepared.home + "/items").page.text


def test_a_link_to_a_return_in_another_name_opens_no_question_of_the_order(
    app: Flask, client: Any, shop: Shop
) -> None:
    prepared, proposed = prepare(shop, units={"MUG": 1}), propose(shop, {"THR": 1})
    with app.app_context():
        db.session.get(Return, prepared.id).email = "somebody.else@example.com"
        db.session.commit()
    walk_in(client, prepared)
    assert client.get(proposed.home + "/cancellation").status_code == 404
    assert client.post(proposed.home + "/cancellation", data={"answer": "confirm"}).status_code == 404
    assert state_of(shop, proposed.id) == "proposed"


def test_a_dead_link_to_a_return_opens_no_question_of_the_order(client: Any, shop: Shop) -> None:
    prepared, proposed = prepare(shop, units={"MUG": 1}), propose(shop, {"THR": 1})
    walk_in(client, prepared)
    assert client.get(proposed.home + "/cancellation").status_code == 200
    with shop.app.app_context():
        links.revoke(shop.agent, prepared.link_id, now=now())
    assert client.get(proposed.home + "/cancellation").status_code == 410


def test_a_link_to_one_return_opens_no_other_return_of_the_order(client: Any, shop: Shop) -> None:
    walk_in(client, prepare(shop, units={"MUG": 1}))
    assert client.get(prepare(shop).home + "/items").status_code == 404


def test_past_cancellations_and_returns_stand_on_the_page_of_the_order(
    client: Any, shop: Shop, drain: Callable[[], None]
) -> None:
    _, proposed = answered(client, shop)
    drain()
    page = walk_in(client, start(client, shop)).page
    assert "Canceled and sent back so far" in page.text
    assert "Given back so far\N{MINUS SIGN}€69.00" in page.text
    assert "Order total now€80.00" in page.text
    assert any(link == proposed.home + "/status" for link in page.links().values())


# ------------------------------------------------------------------------------------------------ how it was


def test_a_press_in_the_message_opens_the_question_with_the_answer_and_keeps_nothing(
    client: Any, app: Flask, shop: Shop, drain: Callable[[], None]
) -> None:
    _, proposed = answered(client, shop)
    drain()
    mail = mail_of(shop, proposed.id, "cancellation_confirmed")
    pressed = [word for word in mail.text.split() if "?score=" in word]
    assert len(pressed) == 5
    other = app.test_client()
    path = next(one for one in pressed if one.endswith("?score=4")).removeprefix(shop.site.base_url)
    with nothing_changes(app):
        page = other.get(path, follow_redirects=True)
    assert page.request.path == proposed.home + "/score"
    assert page.page.h1 == "How did this go for you?"
    assert 'hx-trigger="pointermove from:body once' in page.get_data(as_text=True)
    thanks = other.submit(page, follow_redirects=True)
    assert "Thank you." in thanks.page.text
    assert 'hx-trigger="submit"' in thanks.get_data(as_text=True)
    assert score_of(shop, proposed) == (4, "")


def score_of(shop: Shop, proposed: Prepared) -> tuple[int | None, str]:
    with shop.app.app_context():
        facts = cancellations.page(shop.agent, proposed.id, now=now()).facts
        return facts.score, facts.comment


def test_the_answer_can_be_changed_and_words_can_be_added(
    client: Any, shop: Shop, drain: Callable[[], None]
) -> None:
    page, proposed = answered(client, shop)
    done = client.submit(page, button="Unhappy", follow_redirects=True)
    assert score_of(shop, proposed) == (2, "")
    client.submit(done, {"score": "5", "comment": "It was quick after all."})
    assert score_of(shop, proposed) == (5, "It was quick after all.")
    assert "You said: Very happy." in client.get(proposed.home + "/status").page.text


@pytest.mark.parametrize("typed", ["", "0", "6", "very"])
def test_an_answer_that_is_none_of_the_five_is_refused(
    client: Any, app: Flask, shop: Shop, typed: str
) -> None:
    _, proposed = answered(client, shop)
    page = client.get(proposed.home + "/score")
    with nothing_changes(app):
        refused = client.post(page.request.path, data={"score": typed, "comment": ""})
    assert refused.status_code == 422
    assert "Choose one of the five answers." in refused.page.text or "Not a valid choice" in refused.page.text


def test_how_it_was_is_not_asked_where_nothing_was_canceled(client: Any, shop: Shop) -> None:
    page, proposed = answered(client, shop, KEEP)
    assert "How did this go for you?" not in page.page.text
    assert client.get(proposed.home + "/score").headers["Location"] == proposed.home + "/status"
    assert score_of(shop, proposed) == (None, "")


def test_a_link_with_a_score_of_nothing_known_is_an_ordinary_link(
    client: Any, shop: Shop, drain: Callable[[], None]
) -> None:
    _, proposed = answered(client, shop)
    path = status_link(shop, proposed)
    assert client.get(path + "?score=9", follow_redirects=True).request.path == proposed.home + "/status"


# ------------------------------------------------------------------------------------------------- the mails


def test_the_proposal_is_told_in_full_and_its_link_leads_to_the_question(
    client: Any, shop: Shop, drain: Callable[[], None]
) -> None:
    proposed = propose(shop, {"MUG": 2}, message="You wanted only one of them.")
    drain()
    mail = mail_of(shop, proposed.id, "cancellation_proposed")
    for part in ("2 × Stoneware mug", "Order total before: €149.00", "Order total afterwards: €129.00"):
        assert part in mail.text
    assert "You wanted only one of them." in mail.text
    assert "Please answer by" in mail.text
    link = next(word for word in mail.text.split() if "/l/" in word)
    page = client.get(link.removeprefix(shop.site.base_url), follow_redirects=True)
    assert page.request.path == proposed.home + "/cancellation"


def test_the_confirmation_names_totals_refund_and_number(
    client: Any, shop: Shop, drain: Callable[[], None]
) -> None:
    _, proposed = answered(client, shop)
    drain()
    mail = mail_of(shop, proposed.id, "cancellation_confirmed")
    for part in ("1 × Wool throw", "New order total: €80.00", "You get €69.00 back", "Refund number: RF-"):
        assert part in mail.text
    assert "3 × Stoneware mug" in mail.text


# ------------------------------------------------------------------------------------------- in other ways


def test_where_a_bank_account_is_needed_the_page_asks_for_it(
    client: Any, shop: Shop, drain: Callable[[], None]
) -> None:
    add_order(shop, "N-2", bought(), tender="bank_transfer", label="Bank transfer")
    proposed = propose(shop, {"THR": 1}, "N-2")
    client.submit(client.get(proposed.path, follow_redirects=True), button=CONFIRM)
    drain()
    page = client.get(proposed.home + "/status").page
    account = client.get(page.link("Enter my bank account"))
    filled = {"holder": "Demo Customer", "iban": "DE89 3704 0044 0532 0130 00", "bic": ""}
    done = client.submit(account, filled, follow_redirects=True)
    assert done.request.path == proposed.home + "/status"
    assert "We send your refund to" in done.page.text


def test_a_number_and_the_address_bring_a_link_to_a_cancellation(
    client: Any, shop: Shop, drain: Callable[[], None]
) -> None:
    page, proposed = answered(client, shop)
    number = page.page.title.split()[1]
    assert number.startswith("CA-")
    other = shop.app.test_client()
    form = other.get("/start/nordhaus")
    other.submit(form, {"number": number, "proof": EMAIL}, action="/start/nordhaus/track")
    opened = other.get(newest_link(shop), follow_redirects=True)
    assert opened.request.path == proposed.home + "/status"


def test_the_page_says_when_it_was_sent_although_it_was_canceled(
    client: Any, shop: Shop, drain: Callable[[], None]
) -> None:
    _, proposed = answered(client, shop)
    drain()
    with shop.app.app_context(), transaction():
        ending.sent_anyway(proposed.id, now=now())
    text = client.get(proposed.home + "/status").page.text
    assert "By a mistake of ours it was sent all the same." in text
    assert "Your cancellation stands" in text
