"""Check, confirm and what follows: one press or ten make one return; the status page tells where it stands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from portal.core.numbers import is_valid
from portal.core.policy.terms import Terms
from portal.services.docking import receiving
from portal.services.filing import returns
from portal.services.handling import confirmation, deciding
from tests.web.shops import (
    Prepared,
    Shop,
    add_order,
    draft_of,
    line,
    newest_link,
    nothing_changes,
    now,
    open_shop,
    prepare,
    status_link,
    walk_in,
)


@pytest.fixture
def shop(app: Flask) -> Shop:
    made = open_shop(app)
    add_order(made)
    return made


@pytest.fixture
def ready(shop: Shop, client: Any) -> Prepared:
    """Everything is answered; the customer stands before the check page."""
    return at_check(client, prepare(shop, units={"SHT": 1}, why=("too_small", "unopened")))


def at_check(client: Any, prepared: Prepared, way: str = "print_at_home") -> Prepared:
    page = walk_in(client, prepared)
    rates = [
        one.get("value")
        for one in page.page.form(button="Continue").iter("input")
        if one.get("name") == "rate"
    ]
    answer = client.submit(page, {"rate": next(rate for rate in rates if way in rate)}, button="Continue")
    assert answer.status_code == 303
    return prepared


def confirm(client: Any, prepared: Prepared) -> Any:
    check = client.get(prepared.home + "/check")
    return client.submit(check, button="Confirm return", follow_redirects=True)


# ---------------------------------------------------------------------------------------------- the check page


def test_the_check_page_shows_every_answer_with_a_way_to_change_it(client: Any, ready: Prepared) -> None:
    page = client.get(ready.home + "/check").page
    for told in (
        "Linen shirt",
        "Too small",
        "Unopened",
        "Beispielweg 12",
        "Print a label",
        "demo.customer@example.com",
    ):
        assert told in page.text, told
    leads = " ".join(page.links().values())
    for path in ("/items", "/reasons", "/address", "/sending"):
        assert ready.home + path in leads


def test_the_check_page_explains_the_refund_in_full(client: Any, ready: Prepared) -> None:
    text = client.get(ready.home + "/check").page.text
    for told in ("1 × Linen shirt", "Return shipping", "You get back", "is tax", "policy, version 1"):
        assert told in text, told


def test_what_waits_for_a_person_is_told_before_it_is_confirmed(client: Any, app: Flask) -> None:
    shop = open_shop(app, "careful", Terms(approval_reasons=("too_small",)))
    add_order(shop)
    prepared = at_check(client, prepare(shop, units={"SHT": 1}, why=("too_small", "unopened")))
    assert "Someone looks at this return first." in client.get(prepared.home + "/check").page.text
    done = confirm(client, prepared)
    assert "We have your return and look at it" in done.page.h1
    assert draft_of(shop, prepared).state == "requested"


# -------------------------------------------------------------------------------------------------- confirming


def test_confirming_gives_a_number_codes_and_the_next_steps(client: Any, shop: Shop, ready: Prepared) -> None:
    page = confirm(client, ready).page
    draft = draft_of(shop, ready)
    assert page.h1 == "Your return is approved"
    assert draft.number and is_valid(draft.number) and draft.number in page.text
    assert draft.lines[0].code in page.text
    assert "What happens next" in page.text
    assert "You keep" in page.text


def test_confirming_ten_times_makes_one_return(client: Any, shop: Shop, ready: Prepared) -> None:
    check = client.get(ready.home + "/check")
    answers = [client.submit(check, button="Confirm return") for _ in range(10)]
    assert {answer.status_code for answer in answers} == {303}
    assert {answer.headers["Location"] for answer in answers} == {ready.home + "/status"}
    with shop.app.app_context():
        page = returns.page(shop.agent, ready.id, now=now())
    assert page.order is not None
    assert sum(end - first for first, end in page.order.items[0].claimed) == 1


def test_after_confirming_every_step_leads_to_the_status_page(
    client: Any, shop: Shop, ready: Prepared
) -> None:
    confirm(client, ready)
    before = draft_of(shop, ready)
    for path in ("", "/items", "/reasons", "/address", "/sending", "/check"):
        assert client.get(ready.home + path).headers["Location"] == ready.home + "/status", path
    for path in ("", "/items", "/reasons", "/address", "/sending"):
        assert client.post(ready.home + path).headers["Location"] == ready.home + "/status", path
    assert draft_of(shop, ready) == before


def test_a_second_device_sees_the_confirmed_return_and_cannot_change_it(
    app: Flask, client: Any, shop: Shop, ready: Prepared
) -> None:
    second = app.test_client()
    items = second.get(ready.path, follow_redirects=True)
    assert items.request.path == ready.home
    confirm(client, ready)
    assert second.get(ready.home).headers["Location"] == ready.home + "/status"
    assert second.get(ready.path, follow_redirects=True).page.h1 == "Your return is approved"


def test_of_two_who_want_the_last_unit_one_wins_and_the_other_is_told(
    app: Flask, client: Any, shop: Shop, ready: Prepared
) -> None:
    slower = app.test_client()
    late = at_check(slower, prepare(shop, units={"SHT": 1}, why=("too_small", "unopened")))
    check = slower.get(late.home + "/check")
    confirm(client, ready)
    told = slower.submit(check, button="Confirm return")
    assert told.status_code == 409
    assert "Someone else was faster" in told.page.text
    assert "Linen shirt" in told.page.text
    assert draft_of(shop, late).state == "draft"
    items = slower.get(late.home + "/items").page
    assert "Linen shirt: All units of this are already in a return." in items.text
    stuck = slower.submit(slower.get(late.home + "/items"), button="Continue")
    assert stuck.status_code == 422


def test_units_that_are_gone_take_no_other_units_with_them(
    app: Flask, client: Any, shop: Shop, ready: Prepared
) -> None:
    slower = app.test_client()
    late = at_check(slower, prepare(shop, units={"SHT": 1, "MUG": 2}, why=("too_small", "unopened")))
    check = slower.get(late.home + "/check")
    confirm(client, ready)
    assert slower.submit(check, button="Confirm return").status_code == 409
    with app.app_context():
        order = returns.page(shop.agent, late.id, now=now()).order
    assert order is not None
    assert {one.sku: one.claimed for one in order.items if one.claimed} == {"SHT": ((0, 1),)}


# -------------------------------------------------------------------------------------------------- the papers


def test_the_label_appears_on_the_page_once_it_is_made(
    client: Any, ready: Prepared, drain: Callable[[], None]
) -> None:
    waiting = confirm(client, ready)
    assert "We are making your label" in waiting.page.text
    assert "Look again" in waiting.page.text
    polling = waiting.page.by_id("progress")
    assert polling.get("hx-get") == ready.home + "/status"
    drain()
    part = client.get(ready.home + "/status", htmx="progress")
    text = part.get_data(as_text=True)
    assert "Label, 4 × 6 inch (PDF)" in text
    assert "hx-trigger" not in text
    assert len(part.get_data()) < 16_000


def test_every_paper_can_be_fetched_as_what_it_is(
    client: Any, ready: Prepared, drain: Callable[[], None]
) -> None:
    confirm(client, ready)
    drain()
    page = client.get(ready.home + "/status").page
    papers = {said: href for said, href in page.links().items() if "/papers/" in href}
    begins = {"pdf": b"%PDF-", "png": b"\x89PNG", "zpl": b"^XA", "svg": b"<"}
    kinds = set()
    for href in papers.values():
        paper = client.get(href, check=False)
        kind = href.split("/papers/")[1].split("?")[0]
        kinds.add(kind)
        assert paper.status_code == 200
        assert paper.get_data().lstrip().startswith(begins[kind.rsplit(".")[-1]]), kind
        assert "RMA-" in paper.headers["Content-Disposition"]
        assert paper.headers["Cache-Control"] == "no-store"
    assert {"label.pdf", "label.png", "label.zpl", "packing_slip.pdf", "receipt.pdf"} <= kinds
    assert len(papers) == len(set(papers.values())) >= 6


def test_papers_of_another_return_are_not_found(
    app: Flask, client: Any, shop: Shop, ready: Prepared, drain: Callable[[], None]
) -> None:
    confirm(client, ready)
    drain()
    stranger = app.test_client()
    stranger.get(prepare(shop).path)
    assert stranger.get(ready.home + "/papers/label.pdf").status_code == 404
    assert client.get(ready.home + "/papers/passport.pdf").status_code == 404


def test_a_return_without_printer_shows_its_code(client: Any, shop: Shop, drain: Callable[[], None]) -> None:
    prepared = at_check(client, prepare(shop, units={"MUG": 1}, why=("too_small", "unopened")), "qr_dropoff")
    confirm(client, prepared)
    drain()
    page = client.get(prepared.home + "/status")
    assert "Show this code at the counter" in page.page.text
    assert "<svg" in page.get_data(as_text=True)


# ------------------------------------------------------------------------------------------------ afterwards


def test_the_status_link_of_the_mail_opens_the_same_page(
    app: Flask, client: Any, shop: Shop, ready: Prepared
) -> None:
    confirm(client, ready)
    visitor = app.test_client()
    page = visitor.get(status_link(shop, ready), follow_redirects=True)
    assert page.request.path == ready.home + "/status"
    assert page.page.h1 == "Your return is approved"


def test_the_mail_can_be_asked_for_again(
    client: Any, ready: Prepared, drain: Callable[[], None], app: Flask
) -> None:
    from portal.services.talking import notices

    confirm(client, ready)
    drain()
    page = client.get(ready.home + "/status")
    again = client.submit(page, button="E-mail all of it to me again", follow_redirects=True)
    assert "We have sent the e-mail again." in again.page.text
    with app.app_context():
        assert [mail.event for mail in notices.of_return(ready.id)].count("approved") == 2


def test_a_return_can_be_canceled_and_its_units_returned_again(
    client: Any, shop: Shop, ready: Prepared
) -> None:
    page = confirm(client, ready)
    canceled = client.submit(page, button="Cancel return", follow_redirects=True)
    assert canceled.page.h1 == "This return is canceled"
    assert client.post(ready.home + "/withdrawal").status_code == 303
    again = prepare(shop, units={"SHT": 1}, why=("too_small", "unopened"))
    at_check(client, again)
    assert confirm(client, again).page.h1 == "Your return is approved"


def test_what_has_arrived_cannot_be_canceled(client: Any, shop: Shop, ready: Prepared, app: Flask) -> None:
    confirm(client, ready)
    with app.app_context():
        lines = returns.page(shop.agent, ready.id, now=now()).draft.lines
        receiving.receive(shop.agent, ready.id, {one.id: one.units for one in lines}, now=now())
    page = client.get(ready.home + "/status")
    assert page.page.h1 == "Your return is here"
    assert "Cancel return" not in page.page.text
    told = client.post(ready.home + "/withdrawal", follow_redirects=True)
    assert "too late to cancel" in told.page.text


def test_a_declined_return_says_why(client: Any, app: Flask) -> None:
    shop = open_shop(app, "strict", Terms(approval_reasons=("too_small",)))
    add_order(shop)
    prepared = at_check(client, prepare(shop, units={"SHT": 1}, why=("too_small", "unopened")))
    confirm(client, prepared)
    with app.app_context():
        deciding.decline(
            shop.agent, prepared.id, reason="excessive_wear", message="The sole is worn through.", now=now()
        )
    page = client.get(prepared.home + "/status").page
    assert page.h1 == "We cannot accept this return"
    assert "The sole is worn through." in page.text
    assert "Worn or used too much" in page.text


def test_a_return_without_an_order_ends_to_be_assessed(client: Any, shop: Shop) -> None:
    prepared = prepare(shop, None)
    page = walk_in(client, prepared)
    page = client.submit(
        page, {"name": "Blue kettle", "units": "1"}, button="Continue", follow_redirects=True
    )
    line_id = draft_of(shop, prepared).lines[0].id
    data = {f"reason-{line_id}": "changed_mind", f"condition-{line_id}": "unopened"}
    page = client.submit(page, data, button="Continue", follow_redirects=True)
    assert page.request.path == prepared.home + "/address"
    where = {"street": "Beispielweg 1", "postcode": "20359", "city": "Hamburg"}
    page = client.submit(page, where, button="Continue", follow_redirects=True)
    rate = next(
        one.get("value")
        for one in page.page.form(button="Continue").iter("input")
        if "own" in one.get("value", "")
    )
    page = client.submit(page, {"rate": rate}, button="Continue", follow_redirects=True)
    assert "To be assessed" in page.page.text or "to be assessed" in page.page.text
    assert "€0.00" not in page.page.text
    done = client.submit(page, button="Confirm return", follow_redirects=True)
    assert done.page.h1 in ("Your return is approved", "We have your return and look at it")
    assert "€0.00" not in done.page.text


def test_following_a_return_changes_nothing(
    client: Any, app: Flask, ready: Prepared, drain: Callable[[], None]
) -> None:
    confirm(client, ready)
    drain()
    with nothing_changes(app):
        for _ in range(3):
            client.get(ready.home + "/status")
            client.open(ready.home + "/status", method="HEAD")
            client.get(ready.home + "/papers/label.pdf", check=False)


# -------------------------------------------------------------------------------------------- without a link


def start(client: Any, shop: Shop, number: str, proof: str) -> Any:
    page = client.get(f"/start/{shop.slug}")
    return client.submit(
        page, {"number": number, "proof": proof}, button="Send me the link", follow_redirects=True
    )


@pytest.mark.parametrize("proof", ["demo.customer@example.com", "Demo.Customer@Example.com", "20359"])
def test_order_number_and_mail_or_postcode_send_a_link_to_the_address_on_file(
    client: Any, shop: Shop, proof: str
) -> None:
    from portal.services.talking import notices

    start(client, shop, "n-1", proof)
    path = newest_link(shop)
    page = client.get(path, follow_redirects=True)
    assert "Demo Customer" in page.page.h1
    with shop.app.app_context():
        mails = notices.outbox()
    assert [(mail.event, mail.recipient) for mail in mails] == [("start_link", "demo.customer@example.com")]


def test_the_answer_is_the_same_to_the_byte_whether_or_not_there_is_such_an_order(
    app: Flask, client: Any, shop: Shop
) -> None:
    bodies = {
        start(app.test_client(), shop, number, proof).get_data()
        for number, proof in (
            ("N-1", "20359"),
            ("N-1", "00000"),
            ("N-9", "20359"),
            ("RMA-7K3M-9QX1", "x"),
            ("' OR 1=1", "x"),
        )
    }
    assert len(bodies) == 1
    assert "If we found it" in bodies.pop().decode()


def test_a_wrong_proof_sends_nothing(app: Flask, client: Any, shop: Shop) -> None:
    with nothing_changes(app):
        start(client, shop, "N-1", "somebody@example.com")
        start(client, shop, "N-9", "20359")


def test_starting_twice_goes_on_with_what_was_begun(client: Any, shop: Shop) -> None:
    start(client, shop, "N-1", "20359")
    page = walk_in(client, Prepared(id=shop.id, link_id=shop.id, path=newest_link(shop)))
    shirt = next(
        one.get("name")
        for one in page.page.tree.iter("input")
        if (one.get("name") or "").startswith("units-")
    )
    client.submit(page, {shirt: "1"}, button="Update")
    start(client, shop, "N-1", "20359")
    assert "Linen shirt" in client.get(newest_link(shop), follow_redirects=True).page.text


def test_a_return_number_sends_the_status_link(client: Any, shop: Shop, ready: Prepared) -> None:
    from portal.services.talking import notices

    confirm(client, ready)
    number = draft_of(shop, ready).number
    page = client.get(f"/start/{shop.slug}")
    client.submit(page, {"number": number.lower(), "proof": "20359"}, button="Send me the status page")
    with shop.app.app_context():
        assert notices.outbox()[0].event == "status_link"
    assert client.get(newest_link(shop), follow_redirects=True).page.h1 == "Your return is approved"


def test_what_is_missing_is_told_and_what_was_typed_stays(client: Any, shop: Shop) -> None:
    page = client.get(f"/start/{shop.slug}")
    answer = client.submit(page, {"number": "N-1"}, button="Send me the link")
    assert answer.status_code == 422
    assert answer.page.by_id("number").get("value") == "N-1"
    assert answer.page.by_id("proof").get("aria-invalid") == "true"


def test_trying_many_proofs_for_one_number_is_stopped(app: Flask, client: Any, shop: Shop) -> None:
    statuses = []
    for guess in range(12):
        other = {"REMOTE_ADDR": f"192.0.2.{guess}"}
        visitor = app.test_client()
        page = visitor.get(f"/start/{shop.slug}")
        statuses.append(
            visitor.submit(
                page,
                {"number": "N-1", "proof": f"{guess:05}"},
                button="Send me the link",
                environ_overrides=other,
            ).status_code
        )
    assert statuses[0] == 303
    assert statuses[-1] == 429


def test_an_unknown_shop_has_no_start_page(client: Any, shop: Shop) -> None:
    assert client.get("/start/elsewhere").status_code == 404


def test_the_home_page_names_no_shop(client: Any, shop: Shop) -> None:
    assert "Nordhaus" not in client.get("/").page.text


def test_a_shop_without_self_service_sends_no_link(client: Any, app: Flask) -> None:
    shop = open_shop(app, "closed", Terms(self_service=False))
    add_order(shop, "N-1", (line("SHT", "Linen shirt", "50.00"),))
    page = client.get("/start/closed")
    assert "start with our support" in page.page.text
    with nothing_changes(app):
        client.post("/start/closed", data={"number": "N-1", "proof": "20359"})


def test_confirming_is_judged_again_by_the_policy(
    client: Any, shop: Shop, ready: Prepared, app: Flask
) -> None:
    with app.app_context():
        other = prepare(shop, units={"SHT": 1}, why=("too_small", "unopened"))
        returns.set_address(
            shop.agent,
            other.id,
            returns.proposed_address(returns.page(shop.agent, other.id, now=now())),
            now=now(),
        )
    confirm(client, ready)
    with app.app_context(), pytest.raises(Exception, match="steps_left|units_gone"):
        confirmation.confirm(shop.agent, other.id, site=shop.site, now=now())
