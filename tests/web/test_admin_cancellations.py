"""The agent's page of a cancellation, and the page of one: chosen, estimated, proposed once, looked after."""

import re
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask

from portal.services import cancellations, links
from portal.services.cancellations import Choice
from portal.services.refunding import refunds
from portal.services.warehousing import warehouse
from tests import builders
from tests.builders import a_payment, an_item
from tests.web.admin_world import World, a_world, now
from tests.web.canceling import Desk

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def world(app: Flask) -> World:
    return a_world(app)


@pytest.fixture
def desk(world: World) -> Desk:
    return Desk(world=world)


@pytest.fixture
def client(world: World) -> Any:
    return world.signed_in("csr")


def page_of(order: Any) -> str:
    return f"/admin/orders/{order.id}/cancellation"


def fields(desk: Desk, order: Any, units: dict[str, int], **more: str) -> dict[str, str]:
    ids = desk.ids(order)
    return {f"cancel-{ids[sku]}": str(n) for sku, n in units.items()} | {"channel": "phone", **more}


def estimated(client: Any, desk: Desk, order: Any, units: dict[str, int], **more: str) -> Any:
    """The page with these units chosen, as it is without JavaScript."""
    client.get(page_of(order))
    return client.post(f"{page_of(order)}/estimate", data=fields(desk, order, units, **more))


def sent(client: Any, answer: Any, **more: str) -> Any:
    """Press the button that sends, on the page as it was shown."""
    return client.submit(answer, more, button="Send to the customer")


# ------------------------------------------------------------------------------------------------- choosing


def test_the_page_shows_what_may_leave_and_why_the_rest_may_not(desk: Desk, client: Any) -> None:
    order = desk.mixed()
    page = client.get(page_of(order)).page
    ids = desk.ids(order)
    assert page.h1 == f"Cancel items of order {order.number}"
    assert not page.has_id(f"add-{ids['SOFA']}")
    assert "sent by its maker" in words(page.by_id(f"row-{ids['SOFA']}"))
    assert "1 shipped" in words(page.by_id(f"row-{ids['BOOK']}"))
    assert page.has_id(f"add-{ids['BOOK']}")
    assert "Can be taken out until" in words(page.by_id(f"row-{ids['BOWL']}"))
    assert "Gift" in words(page.by_id(f"row-{ids['VASE']}"))
    assert "Bundle" in words(page.by_id(f"row-{ids['SET']}"))
    assert "Nothing chosen yet" in page.text


def test_the_parts_of_a_bundle_stand_below_it(desk: Desk, client: Any) -> None:
    order = desk.mixed()
    html = client.get(page_of(order)).get_data(as_text=True)
    ids = desk.ids(order)
    places = [html.index(f'id="row-{ids[sku]}"') for sku in ("SET", "TABLE", "LAMP", "PLAN")]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("button", "units", "found"),
    [
        ({"more": "MUG"}, {}, {"MUG": 1}),
        ({"more": "MUG"}, {"MUG": 2}, {"MUG": 3}),
        ({"more": "MUG"}, {"MUG": 3}, {"MUG": 3}),
        ({"less": "MUG"}, {"MUG": 2}, {"MUG": 1}),
        ({"less": "MUG"}, {"MUG": 1, "SHIRT": 1}, {"SHIRT": 1}),
        ({"all": "MUG"}, {}, {"MUG": 3}),
        ({"none": "MUG"}, {"MUG": 3, "SHIRT": 1}, {"SHIRT": 1}),
        ({"everything": "1"}, {}, {"SHIRT": 1, "MUG": 3}),
    ],
)
def test_a_button_changes_what_leaves(
    desk: Desk, client: Any, button: dict[str, str], units: dict[str, int], found: dict[str, int]
) -> None:
    order = desk.order()
    ids = desk.ids(order)
    pressed = {name: f"cancel-{ids[sku]}" if sku in ids else sku for name, sku in button.items()}
    page = estimated(client, desk, order, units, **pressed).page
    values, _names = page.fields(page.form(action=page_of(order)))
    leaves = {sku: int(values.get(f"cancel-{line}", 0)) for sku, line in ids.items()}
    assert {sku: units for sku, units in leaves.items() if units} == found


def test_a_button_pressed_without_javascript_sends_nothing(desk: Desk, client: Any) -> None:
    """Where there is no script, plus and minus submit the form: that only works out what it comes to."""
    order = desk.order()
    answer = estimated(client, desk, order, {"MUG": 1})
    again = client.submit(answer, button="One more: Demo mug")
    assert again.status_code == 200
    assert "2 units" in again.page.text
    assert desk.world.app.test_client().get(page_of(order)).status_code == 303
    assert "No cancellations yet" in client.get("/admin/cancellations").page.text


def test_a_bundle_leaves_with_all_its_parts_at_one_press(desk: Desk, client: Any) -> None:
    order = desk.mixed()
    ids = desk.ids(order)
    page = estimated(client, desk, order, {}, bundle=str(ids["SET"])).page
    values, _names = page.fields(page.form(action=page_of(order)))
    assert [values[f"cancel-{ids[sku]}"] for sku in ("TABLE", "LAMP")] == ["1", "1"]
    assert f"cancel-{ids['SET']}" not in values  # only a name: it goes with its last part
    assert "It cannot be sent like this" not in page.text
    assert "€60.00" in words(page.by_id("sums"))


def test_every_objection_stands_at_its_line(desk: Desk, client: Any) -> None:
    """More than there is, a part the bundle needs, and what its maker sends: all at once."""
    order = desk.mixed()
    ids = desk.ids(order)
    page = estimated(client, desk, order, {"VASE": 9, "TABLE": 1, "SOFA": 1, "LAMP": 0}).page
    for sku in ("VASE", "TABLE", "SOFA"):
        assert page.has_id(f"against-{ids[sku]}"), sku
    assert "It cannot be sent like this" in page.text


def test_the_estimate_tells_each_tender_and_the_order_before_and_after(desk: Desk, client: Any) -> None:
    order = desk.order()
    page = estimated(client, desk, order, {"MUG": 2}).page
    told = words(page.by_id("sums"))
    assert "Refunded €20.00" in told
    assert "Demo card" in told
    assert "Total of the order €84.90 €64.90" in told
    assert "Shipping €4.90 same" in told
    assert "demo.customer@customer.example" in told
    assert "48 hours" in told


@pytest.mark.parametrize(
    ("tender", "said"),
    [
        (a_payment("card", mode="authorized"), "Let go, never charged"),
        (a_payment("invoice", mode="due"), "Taken off the bill"),
        (a_payment("card"), "Refunded"),
    ],
)
def test_money_that_was_never_taken_is_not_called_a_refund(
    desk: Desk, client: Any, tender: Any, said: str
) -> None:
    order = desk.order(paid=(tender,))
    told = words(estimated(client, desk, order, {"MUG": 1}).page.by_id("sums"))
    assert f"{said} €10.00" in told
    others = {"Let go, never charged", "Taken off the bill", "Refunded"} - {said}
    assert not [other for other in others if other in told]


def test_a_service_ends_as_is_chosen(desk: Desk, client: Any) -> None:
    order = desk.mixed()
    plan = desk.ids(order)["PLAN"]
    later = estimated(client, desk, order, {"PLAN": 1}).page
    assert "and is not renewed" in words(later.by_id("leaves"))
    assert "€0.00" in words(later.by_id("sums"))
    at_once = estimated(client, desk, order, {"PLAN": 1}, **{f"ending-{plan}": "at_once"}).page
    assert "you get the unused part back" in words(at_once.by_id("leaves"))
    assert "€20.00" in words(at_once.by_id("sums"))


def test_htmx_gets_the_four_parts_of_the_page_and_nothing_else(desk: Desk, client: Any) -> None:
    order = desk.order()
    client.get(page_of(order))
    answer = client.post(f"{page_of(order)}/estimate", data=fields(desk, order, {"MUG": 1}), htmx="leaves")
    assert not answer.page.whole
    assert all(answer.page.has_id(name) for name in ("leaves", "bought", "sums", "script"))
    assert not answer.page.has_id("note")
    assert len(answer.data) < 16384


def test_units_that_are_no_number_are_told_at_the_field(desk: Desk, client: Any) -> None:
    order = desk.order()
    answer = estimated(client, desk, order, {"SHIRT": 1}, **{f"cancel-{desk.ids(order)['MUG']}": "some"})
    assert "Enter a whole number of units" in answer.page.text
    assert answer.page.has_id(f"cancel-{desk.ids(order)['MUG']}")


# ------------------------------------------------------------------------------------------------- the script


@pytest.mark.parametrize(
    ("channel", "opening"),
    [
        ("phone", "I have your order"),
        ("email", "Hello Demo Customer, you asked us"),
        ("chat", "I have found your order"),
        ("in_person", "Here is your order"),
    ],
)
def test_each_channel_has_its_script_with_items_amount_and_deadline(
    desk: Desk, client: Any, channel: str, opening: str
) -> None:
    order = desk.order()
    page = estimated(client, desk, order, {"MUG": 2}, channel=channel).page
    told = words(page.by_id("script"))
    assert opening in told
    assert "2 × Demo mug" in told
    assert "1 × Demo shirt and 1 × Demo mug" in told  # what stays
    assert "€20.00 goes back to you: Demo card." in told
    assert "€64.90 in place of €84.90" in told
    assert re.search(r"by [A-Z][a-z]{2}, \d+ [A-Z][a-z]{2} \d{4}, \d\d:\d\d", told)
    assert "If you do nothing, your order stays as it is." in told


def test_the_script_speaks_the_language_of_the_merchant(app: Flask, desk: Desk, client: Any) -> None:
    from portal.db.base import db, transaction
    from portal.db.merchants import Merchant

    with app.app_context(), transaction():
        db.session.get(Merchant, desk.world.own).language = "de"
    order = desk.order()
    script = estimated(client, desk, order, {"MUG": 1}).page.by_id("script")
    assert script.find(".//ol").get("lang") == "de"


# -------------------------------------------------------------------------------------------------- proposing


def test_it_is_proposed_as_it_was_shown_and_its_page_opens(desk: Desk, client: Any) -> None:
    order = desk.order()
    answer = sent(
        client,
        estimated(client, desk, order, {"MUG": 2}),
        reason="ordered_by_mistake",
        note="Called twice.",
        message="As we agreed.",
    )
    assert answer.status_code == 303
    made = UUID(answer.location.rsplit("/", 1)[-1])
    found = desk.found(made).page
    assert (found.state, found.draft.channel, found.draft.note) == ("proposed", "phone", "As we agreed.")
    assert [(line.sku, line.units, line.reason) for line in found.lines] == [("MUG", 2, "ordered_by_mistake")]
    page = client.get(answer.location).page
    assert page.h1 == found.draft.number
    assert "Waiting for the customer" in page.text
    assert "Called twice." in page.text
    assert "Cancellation to be confirmed" in page.text


def test_the_same_form_twice_proposes_once(desk: Desk, client: Any) -> None:
    order = desk.order()
    shown = estimated(client, desk, order, {"MUG": 1})
    first, second = sent(client, shown), sent(client, shown)
    assert first.location == second.location
    assert client.get("/admin/cancellations").page.text.count("CA-") == 1


def test_nothing_is_sent_that_was_not_shown(desk: Desk, client: Any) -> None:
    """Sent with other units than the estimate had: the new sum is shown first, and sent when it is sent again."""
    order = desk.order()
    shown = estimated(client, desk, order, {"MUG": 1})
    answer = sent(client, shown, **{f"cancel-{desk.ids(order)['MUG']}": "3"})
    assert answer.status_code == 422
    assert "It comes to another sum" in answer.page.text
    assert "€30.00" in words(answer.page.by_id("sums"))
    assert sent(client, answer).status_code == 303


def test_what_is_refused_is_told_with_all_objections(desk: Desk, client: Any) -> None:
    order = desk.mixed()
    answer = sent(client, estimated(client, desk, order, {"SOFA": 1, "VASE": 9}))
    assert answer.status_code == 422
    assert "This was not sent" in answer.page.text
    assert answer.page.title.startswith("Error:")
    assert "No cancellations yet" in client.get("/admin/cancellations").page.text


def test_nothing_chosen_is_told(desk: Desk, client: Any) -> None:
    order = desk.order()
    answer = client.submit(client.get(page_of(order)), button="Send to the customer")
    assert answer.status_code == 422
    assert "This was not sent" in answer.page.text


def test_an_order_of_another_shop_is_not_found(desk: Desk, client: Any) -> None:
    order = desk.order(merchant_id=desk.world.other)
    assert client.get(page_of(order)).status_code == 404
    client.get("/admin/")
    assert client.post(page_of(order), data={"channel": "phone"}).status_code == 404
    assert client.get(f"/admin/orders/{uuid4()}/cancellation").status_code == 404


@pytest.mark.parametrize("role", ["finance", "warehouse"])
def test_who_may_not_propose_gets_no_page(desk: Desk, role: str) -> None:
    order = desk.order()
    client = desk.world.signed_in(role)
    assert client.get(page_of(order)).status_code == 403
    assert page_of(order) not in client.get(f"/admin/orders/{order.id}").page.links().values()


# --------------------------------------------------------------------------------------------- the page of one


def test_the_page_is_fetched_anew_only_when_something_changed(desk: Desk, client: Any) -> None:
    made = desk.propose()
    poll = client.get(f"/admin/cancellations/{made}").page.by_id("live").get("hx-get")
    assert client.get(poll, htmx="live").status_code == 204
    desk.confirm(made)
    answer = client.get(poll, htmx="live")
    assert answer.status_code == 200
    assert "Confirmed" in words(answer.page.by_id("live"))
    assert not answer.page.whole


def test_a_page_of_what_is_over_asks_no_more(desk: Desk, client: Any, drain: Any) -> None:
    made = desk.propose()
    assert client.get(f"/admin/cancellations/{made}").page.by_id("live").get("hx-trigger") == "every 2s"
    desk.confirm(made)
    drain()
    page = client.get(f"/admin/cancellations/{made}").page
    assert desk.state(made) == "closed"
    assert page.by_id("live").get("hx-trigger") is None
    assert "Done" in page.text


def test_the_refund_stands_on_the_page_with_the_order_before_and_after(
    desk: Desk, client: Any, drain: Any
) -> None:
    made = desk.propose()
    desk.confirm(made)
    drain()
    page = client.get(f"/admin/cancellations/{made}").page
    refund = desk.found(made).page.refunds[0]
    assert refund.number in page.text
    assert "Total of the order €84.90 €64.90" in page.text
    assert "Total of the order: €84.90 before, €64.90 now." in page.text
    assert client.get(f"/admin/refunds/{refund.id}", follow_redirects=True).page.h1 == page.h1


def test_a_cancellation_has_one_page_wherever_it_is_linked_from(desk: Desk, client: Any) -> None:
    made = desk.propose()
    answer = client.get(f"/admin/returns/{made}")
    assert answer.location == f"/admin/cancellations/{made}"
    assert (
        client.get(f"/admin/returns/{made}/prepare", follow_redirects=True).page.h1
        == desk.found(made).page.draft.number
    )


def test_the_link_can_be_copied_while_it_is_waited_for(desk: Desk, client: Any) -> None:
    made = desk.propose()
    page = client.get(f"/admin/cancellations/{made}").page
    assert page.by_id("proposal-link").get("value") == desk.url(made)
    desk.confirm(made)
    assert not client.get(f"/admin/cancellations/{made}").page.has_id("proposal-link")


def test_the_customer_is_reminded_at_a_press(desk: Desk, client: Any, drain: Any) -> None:
    made = desk.propose()
    drain()
    page = client.get(f"/admin/cancellations/{made}")
    client.submit(page, button="Remind the customer")
    drain()
    assert [mail.event for mail in desk.found(made).mails] == [
        "cancellation_proposed",
        "cancellation_reminder",
    ]
    client.submit(client.get(f"/admin/cancellations/{made}"), button="Send the e-mail again")
    drain()
    assert len(desk.found(made).mails) == 3


def test_a_proposal_is_withdrawn_with_its_reason(desk: Desk, client: Any) -> None:
    made = desk.propose()
    page = client.get(f"/admin/cancellations/{made}/withdrawal")
    assert client.submit(page, {"reason": " "}, button="Withdraw the proposal").status_code == 422
    client.submit(page, {"reason": "She called back."}, button="Withdraw the proposal")
    assert desk.state(made) == "canceled"
    page = client.get(f"/admin/cancellations/{made}").page
    assert "She called back." in page.text
    assert "Withdrawn" in page.text
    again = client.get(f"/admin/cancellations/{made}/withdrawal")
    assert again.status_code == 409


def test_nothing_is_withdrawn_once_the_customer_has_confirmed(desk: Desk, client: Any) -> None:
    made = desk.propose()
    page = client.get(f"/admin/cancellations/{made}/withdrawal")
    desk.confirm(made)
    answer = client.submit(page, {"reason": "Too late."}, button="Withdraw the proposal")
    assert answer.status_code == 409
    assert desk.state(made) == "confirmed"


def test_what_was_shipped_first_says_so(app: Flask, desk: Desk, client: Any) -> None:
    order = desk.order()
    made = desk.propose({"SHIRT": 1}, order)
    with app.app_context():
        cancellations.overtake([made], why="shipped", now=now())
        from portal.db.base import db

        db.session.commit()
    page = client.get(f"/admin/cancellations/{made}").page
    assert "Shipped first" in page.text
    assert "It had left our warehouse" in page.text
    assert page.by_id("live").get("hx-trigger") is None
    desk_page = client.get("/admin/").page
    assert "Canceled too late · 1" in desk_page.text
    late = client.get(desk_page.link("Cancellations: Canceled too late")).page
    assert late.link(page.h1) == f"/admin/cancellations/{made}"
    assert late.link("Remove this filter") == "/admin/cancellations"


@pytest.mark.parametrize("role", ["finance", "warehouse"])
def test_others_read_and_change_nothing(desk: Desk, role: str) -> None:
    made = desk.propose()
    client = desk.world.signed_in(role)
    page = client.get(f"/admin/cancellations/{made}").page
    assert "Withdraw" not in page.links()
    assert not page.has_id("remind")
    assert not page.has_id("proposal-link")
    assert ("€84.90" in page.text) is (role == "finance")
    assert client.get(f"/admin/cancellations/{made}/withdrawal").status_code == 403


def test_a_cancellation_of_another_shop_is_not_found(desk: Desk, client: Any) -> None:
    made = desk.propose(order=desk.order(merchant_id=desk.world.other))
    client.get("/admin/")
    for path in ("", "/withdrawal"):
        assert client.get(f"/admin/cancellations/{made}{path}").status_code == 404
    assert client.post(f"/admin/cancellations/{made}/reminder").status_code == 404


def test_a_return_is_no_cancellation(world: World, client: Any) -> None:
    assert client.get(f"/admin/cancellations/{world.confirmed()}").status_code == 404


# ---------------------------------------------------------------------------------------------- the warehouse


@pytest.fixture
def stocked(make_app: Any) -> Desk:
    """A shop whose goods are in a warehouse."""
    return Desk(world=a_world(make_app(WAREHOUSE="sandbox")))


def waiting_for_the_warehouse(desk: Desk) -> UUID:
    made = desk.propose({"MUG": 1})
    desk.confirm(made)
    return made


def test_a_silent_warehouse_is_told_and_its_answer_recorded_by_a_person(stocked: Desk) -> None:
    made = waiting_for_the_warehouse(stocked)
    with stocked.world.app.app_context():
        warehouse.tell_of_silent(now=now() + timedelta(minutes=20))
    client = stocked.world.signed_in("supervisor")
    desk = client.get("/admin/").page
    assert "Cancellations: Warehouse does not answer · 1" in desk.text
    assert stocked.found(made).page.draft.number in client.get("/admin/cancellations?silent=1").page.text
    task = client.get("/admin/tasks").page.link("The warehouse does not answer")
    page = client.get(task, follow_redirects=True)
    assert "The warehouse does not answer. Ask there" in page.page.text
    form = client.get(page.page.link("Record the answer of the warehouse"))
    assert client.submit(form, {"state": "released", "note": " "}).status_code == 422
    answer = client.submit(form, {"state": "released", "note": "Told by phone, dock 2."})
    assert answer.status_code == 303
    told = client.get(answer.location).page
    assert "Warehouse: Left out" in told.text
    assert "Told by phone, dock 2." in told.text
    assert stocked.found(made).page.facts.warehouse_state == "released"
    assert client.get("/admin/cancellations?silent=1").page.text.count("Nothing found") == 1


def test_a_warehouse_that_cannot_ends_it_and_the_page_says_why(stocked: Desk) -> None:
    made = waiting_for_the_warehouse(stocked)
    client = stocked.world.signed_in("supervisor")
    form = client.get(f"/admin/cancellations/{made}/warehouse")
    client.submit(form, {"state": "refused", "note": "On the truck."})
    page = client.get(f"/admin/cancellations/{made}").page
    assert stocked.state(made) == "refused"
    assert "Warehouse could not" in page.text
    assert "Nothing is refunded" in page.text
    assert "As it would have been: nothing of it stands." in page.text
    again = client.get(f"/admin/cancellations/{made}/warehouse")
    assert again.status_code == 409


def test_the_answer_of_a_warehouse_is_not_for_everybody_to_record(stocked: Desk) -> None:
    made = waiting_for_the_warehouse(stocked)
    csr = stocked.world.signed_in("csr")
    assert "Record the answer of the warehouse" not in csr.get(f"/admin/cancellations/{made}").page.links()
    assert csr.get(f"/admin/cancellations/{made}/warehouse").status_code == 403


def test_what_the_warehouse_says_stands_at_the_line(stocked: Desk) -> None:
    order = stocked.order(items=(an_item("BOWL-drop-ship", 1, "20.00", shipped=0), an_item("MUG", shipped=0)))
    page = stocked.world.signed_in("csr").get(page_of(order)).page
    ids = stocked.ids(order)
    assert "sent by its maker" in words(page.by_id(f"row-{ids['BOWL-drop-ship']}"))
    assert not page.has_id(f"add-{ids['BOWL-drop-ship']}")
    assert page.has_id(f"add-{ids['MUG']}")


def test_a_warehouse_that_is_away_keeps_nobody_from_proposing(stocked: Desk) -> None:
    order = stocked.order(items=(an_item("MUG-outage", 2, "20.00", shipped=0),))
    client = stocked.world.signed_in("csr")
    answer = estimated(client, stocked, order, {"MUG-outage": 1})
    assert "The warehouse does not answer right now" in answer.page.text
    assert sent(client, answer).status_code == 303


# -------------------------------------------------------------------------------------- what is no return is none


@pytest.mark.parametrize("step", ["authorization", "decline/undo", "label", "shipment"])
def test_no_step_of_a_return_is_taken_with_it(desk: Desk, step: str) -> None:
    made = desk.propose()
    client = desk.world.signed_in("supervisor")
    client.get("/admin/")
    client.post(f"/admin/returns/{made}/{step}", follow_redirects=True)
    assert desk.state(made) == "proposed"


PAGES_OF_RETURNS = ("closure", "refund", "link", "decision")


@pytest.mark.parametrize("page", ["dock/returns/{}", *(f"returns/{{}}/{one}" for one in PAGES_OF_RETURNS)])
def test_no_page_of_a_return_opens_for_it(desk: Desk, page: str) -> None:
    made = desk.propose()
    desk.confirm(made)
    answer = desk.world.signed_in("supervisor").get(f"/admin/{page.format(made)}")
    assert answer.status_code == 409
    assert "among the cancellations" in answer.page.text


def test_a_selection_of_the_customer_is_no_draft_of_the_desk(app: Flask, desk: Desk, client: Any) -> None:
    order = desk.order()
    with app.app_context():
        links.start_by_customer(
            merchant_id=desk.world.own, order_number=order.number, proof=order.email, language="en",
            site=app.extensions["site"], now=now(),
        )  # fmt: skip
        from portal.db.base import db
        from portal.db.returns import Return

        begun = db.session.query(Return).one()
        chosen = cancellations.choose(
            builders.a_customer(begun.id, desk.world.own),
            begun.id,
            (Choice(line_id=desk.ids(order)["MUG"], units=1),),
            gateways=desk.gateways,
            now=now(),
        )
    assert client.get(f"/admin/returns/{chosen}/prepare").location == f"/admin/returns/{chosen}"
    page = client.get(f"/admin/returns/{chosen}", follow_redirects=True).page
    assert page.h1 == "Cancellation being chosen"
    assert "Being chosen" in client.get("/admin/cancellations").page.text


def test_the_desk_takes_no_cancellation_for_a_return(desk: Desk, client: Any) -> None:
    made = desk.propose()
    page = client.get("/admin/").page
    assert "No returns yet" in page.text
    assert "Cancellations: Waiting for the customer · 1" in page.text
    assert page.link(desk.found(made).page.draft.number) == f"/admin/cancellations/{made}"
    assert "No returns yet" in client.get("/admin/returns").page.text


# ----------------------------------------------------------------------------------------- money of a cancellation


def test_what_was_only_reserved_is_never_called_refunded(desk: Desk, client: Any, drain: Any) -> None:
    made = desk.propose({"MUG": 1}, desk.order(paid=(a_payment("card", mode="authorized"),)))
    desk.confirm(made)
    drain()
    page = client.get(f"/admin/cancellations/{made}").page
    assert desk.state(made) == "closed"
    told = words(page.by_id("live").find(".//ol"))
    assert "Let go, never charged" in told
    assert "Refunded" not in told


def test_a_refund_that_failed_goes_another_way_from_its_page(app: Flask, drain: Any) -> None:
    world = a_world(app)
    desk = Desk(world=world)
    made = desk.propose({"SHIRT": 1}, desk.order(paid=(a_payment(ending="-fails"),)))
    desk.confirm(made)
    drain()
    boss = world.signed_in("supervisor")
    way = boss.get(f"/admin/cancellations/{made}").page.link("Send another way")
    answer = boss.submit(
        boss.get(way),
        {"provider": "store_credit", "reason": "The card is closed."},
        button="Send it this way",
    )
    assert answer.status_code == 303
    drain()
    assert desk.found(made).page.refunds[0].state == "succeeded"
    assert desk.state(made) == "closed"


def test_a_refund_that_failed_is_sent_again_from_the_page(app: Flask, drain: Any) -> None:
    world = a_world(app)
    desk = Desk(world=world)
    order = desk.order(paid=(a_payment(ending="-fails"),))
    made = desk.propose({"SHIRT": 1}, order)
    desk.confirm(made)
    drain()
    assert desk.found(made).page.refunds[0].state == "failed"
    boss = world.signed_in("supervisor")
    page = boss.get(f"/admin/cancellations/{made}")
    assert "Refund failed" in page.page.text
    answer = boss.submit(page, button="Send again")
    assert boss.get(answer.location).location.startswith(f"/admin/cancellations/{made}")


def test_a_refund_that_was_given_up_is_made_again_from_the_page(app: Flask, drain: Any) -> None:
    """It is owed all the same; while there is one, and without a yes, there is no second."""
    world = a_world(app)
    desk = Desk(world=world)
    made = desk.propose({"SHIRT": 1}, desk.order(paid=(a_payment(ending="-fails"),)))
    boss = world.signed_in("supervisor")
    panel = f"/admin/returns/{made}/refund"
    assert boss.get(panel).status_code == 409
    desk.confirm(made)
    drain()
    assert boss.get(panel).status_code == 409
    (first,) = desk.found(made).page.refunds
    with app.app_context():
        refunds.cancel(world.actor("supervisor"), first.id, reason="By another card", now=now())
    assert f'href="{panel}"' in boss.get(f"/admin/cancellations/{made}").get_data(as_text=True)
    answer = boss.submit(boss.get(panel), button="Refund €", follow_redirects=True)
    assert answer.status_code == 200
    found = desk.found(made).page.refunds
    assert sorted(one.state for one in found) == ["approved", "canceled"]
    assert {one.amount for one in found} == {first.amount}


# --------------------------------------------------------------------------------------------- the order's page


def test_the_orders_page_tells_what_became_of_each_unit(
    app: Flask, desk: Desk, client: Any, drain: Any
) -> None:
    order = desk.order(
        items=(an_item("MUG", 5, "10.00", shipped=1), an_item("SHIRT", 1, "50.00", shipped=0)),
        paid=(a_payment("card", mode="authorized"),),
    )
    gone = desk.propose({"MUG": 1}, order)
    desk.confirm(gone)
    drain()
    held = desk.propose({"MUG": 2}, order)
    page = client.get(f"/admin/orders/{order.id}").page
    row = words(page.tree.find(".//tbody/tr"))
    assert row == "Demo mugMUG 5 1 2 1 €50.00 €10.00"  # bought, shipped, held, canceled, paid, refunded
    assert "Total now €90.00" in page.text
    assert "reserved, not charged yet" in page.text
    assert "Let go or no longer owed: €10.00" in page.text
    assert page.link("Cancel items") == page_of(order)
    assert page.link(desk.found(held).page.draft.number) == f"/admin/cancellations/{held}"
    assert page.link(desk.found(gone).page.draft.number) == f"/admin/cancellations/{gone}"
    assert "a cancellation waits for the customer until" in page.text
    assert "Taken out of the order, units: 1" in page.text


def test_what_has_left_completely_offers_no_cancellation(world: World, client: Any) -> None:
    order = world.order()
    page = client.get(f"/admin/orders/{order.id}").page
    assert "Cancel items" not in page.links()
    assert "New return for this order" in page.links()


def words(node: Any) -> str:
    from tests.html import words as said

    return said(node)
