"""The refund panel: worked out at every change, refused at the field, made as shown, approved by whom it takes."""

from typing import Any
from uuid import UUID

import pytest
from flask import Flask

from portal.core.policy.terms import Depreciation, RestockingFee, Terms
from tests import builders
from tests.html import words
from tests.web import dock_steps
from tests.web.admin_world import World, a_world, now

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def world(app: Flask) -> World:
    return a_world(
        app,
        Terms(
            return_postage="merchant",
            goodwill_cap=1000,
            restocking_fee=RestockingFee(percent_bp=1000),
            condition_deductions_bp=(("C", 3000),),
            accessory_deductions=(("charger", 400),),
            store_credit_bonus_bp=1000,
            store_credit_bonus_cap=500,
            refund_limits=(("supervisor", 10000),),
            two_people_above=15000,
        ),
    )


@pytest.fixture
def client(world: World) -> Any:
    return world.signed_in("supervisor")


def came_back(
    world: World, price: str = "50.00", *, paid: tuple[Any, ...] = (), found: Any = None, **more: Any
) -> UUID:
    with world.app.app_context():
        items = (builders.an_item("SHIRT", 2, price),)
        order = builders.an_order(
            world.gateways, world.own, items, paid=paid or (builders.a_payment(),), now=now(), **more
        )
        site = world.app.extensions["site"]
        return_id = builders.a_return(world.gateways, world.own, order, {"SHIRT": 1}, now=now(), site=site)
        builders.receive(world.own, return_id, now=now())
        builders.inspect(world.own, return_id, found, now=now())
        return return_id


def url(return_id: UUID, more: str = "") -> str:
    return f"/admin/returns/{return_id}/refund{more}"


def second(world: World, role: str = "supervisor") -> Any:
    """Somebody else in that role."""
    return world.signed_in(role, merchants=(world.own,))


def test_the_panel_shows_what_is_worked_out_by_which_rule_and_who_may_approve_it(
    world: World, client: Any
) -> None:
    page = client.get(url(came_back(world))).page
    for told in (
        "Worked out: €45.00",
        "at most €50.00",
        "Restocking fee",
        "10% of €50.00.",
        "You approve up to €100.00 alone within a day.",
        "Demo card",
    ):
        assert told in page.text
    assert page.form(button="Refund €45.00")


def test_every_change_is_worked_out_at_once_and_nothing_is_made(world: World, client: Any) -> None:
    return_id = came_back(world)
    page = client.get(url(return_id))
    answer = client.submit(
        page,
        {"lines-0-amount": "40,00", "goodwill": "2.50"},
        button="Recalculate",
        htmx="worked",
    )
    assert answer.status_code == 200 and not answer.page.whole
    assert "Refund €42.50" in answer.page.text and "Decided otherwise" in answer.page.text
    assert "Goodwill" in answer.page.text
    assert world.dossier(return_id).refunds == ()


def test_without_javascript_the_button_recalculates_and_keeps_what_was_typed(
    world: World, client: Any
) -> None:
    return_id = came_back(world)
    page = client.get(url(return_id))
    answer = client.submit(page, {"waived": "restocking_fee"}, button="Recalculate")
    assert answer.status_code == 200 and answer.page.whole
    assert "Refund €50.00" in answer.page.text
    assert client.submit(answer, button="Refund €50.00").status_code == 422, "the reason is still missing"
    again = client.submit(answer, {"reason": "A loyal customer."}, button="Refund €50.00")
    assert again.status_code == 303
    made = world.dossier(return_id).refunds[0]
    assert (made.amount, made.overrides.waived, made.reason) == (
        5000,
        ("restocking_fee",),
        "A loyal customer.",
    )


def test_what_was_not_shown_is_not_made(world: World, client: Any) -> None:
    return_id = came_back(world)
    page = client.get(url(return_id))
    answer = client.submit(page, {"lines-0-amount": "30.00", "reason": "Stained"}, button="Refund €45.00")
    assert answer.status_code == 422 and "The sum is another one now." in answer.page.text
    assert world.dossier(return_id).refunds == ()
    client.submit(answer, button="Refund €30.00")
    assert world.dossier(return_id).refunds[0].amount == 3000


@pytest.mark.parametrize(
    ("typed", "told", "field"),
    [
        ({"lines-0-amount": "50.01"}, "At most €50.00 can be refunded.", "lines-0-amount"),
        ({"lines-0-amount": "-1"}, "Enter an amount that is not negative", "lines-0-amount"),
        ({"lines-0-amount": "much"}, "Enter an amount, such as 12.50", "lines-0-amount"),
        ({"goodwill": "10.01"}, "At most €10.00 can be refunded.", "goodwill"),
    ],
)
def test_a_refusal_stands_at_its_field_with_the_maximum(
    world: World, client: Any, typed: dict[str, str], told: str, field: str
) -> None:
    return_id = came_back(world)
    page = client.get(url(return_id))
    answer = client.submit(page, {**typed, "reason": "Because"}, button="Refund €45.00")
    assert answer.status_code == 422
    assert told in words(answer.page.by_id(f"{field}-error"))
    swapped = client.submit(page, typed, button="Recalculate", htmx="worked")
    assert told in swapped.page.text and "This cannot be worked out." in swapped.page.text
    assert world.dossier(return_id).refunds == ()


def test_the_tenders_are_chosen_within_what_each_has_left_and_sum_to_the_refund(
    world: World, client: Any
) -> None:
    paid = (builders.a_payment("gift_card", "30.00"), builders.a_payment("card"))
    return_id = came_back(world, paid=paid)
    page = client.get(url(return_id))
    assert "at most €30.00" in page.page.text
    wrong = {"tenders-0-amount": "30.00", "tenders-1-amount": "10.00", "reason": "Card closed"}
    assert (
        "Together the ways of payment must be €45.00."
        in client.submit(page, wrong, button="Refund €45.00").page.text
    )
    over = client.submit(page, {**wrong, "tenders-0-amount": "31.00"}, button="Refund €45.00")
    assert "At most €30.00" in words(over.page.by_id("tenders-0-amount-error"))
    right = client.submit(page, {**wrong, "tenders-1-amount": "15.00"}, button="Refund €45.00")
    client.submit(right, button="Refund €45.00")
    payouts = world.dossier(return_id).refunds[0].payouts
    assert {(one.tender, one.amount) for one in payouts} == {("gift_card", 3000), ("card", 1500)}


def test_store_credit_shows_its_bonus_before_it_is_chosen(world: World, client: Any) -> None:
    return_id = came_back(world)
    page = client.get(url(return_id))
    assert "+€4.50 more" in page.page.text
    shown = client.submit(page, {"way": "store_credit"}, button="Recalculate")
    assert "Refund €49.50" in shown.page.text and "Bonus for store credit" in shown.page.text


def test_what_the_inspection_found_changes_the_sum_and_says_why(world: World, client: Any) -> None:
    return_id = came_back(world, found=[("SHIRT", 1, "C", True)])
    page = client.get(url(return_id)).page
    assert "What changed since the estimate" in page.text
    assert "Found in the inspection: C: needs refurbishing." in page.text


def test_the_inspection_records_what_is_missing_and_the_panel_can_say_otherwise(
    world: World, client: Any
) -> None:
    return_id = world.received()
    sheet = dock_steps.scanned(client, dock_steps.opened(client, return_id, "grade"), "SHIRT", "A")
    assert "missing: charger" in sheet.page.text
    assert dock_steps.saved(client, sheet, h_0_lacks="charger").status_code == 303
    assert "missing: charger" in client.get(f"/admin/returns/{return_id}").page.text
    panel = client.get(url(return_id))
    assert "Not in the parcel: charger." in panel.page.text
    found = client.submit(panel, button="Recalculate", drop=["lines-0-missing"])
    assert "Not in the parcel: charger." not in words(found.page.by_id("worked")).split("Decided")[0]


def test_above_the_threshold_somebody_else_approves_what_was_seen(
    world: World, client: Any, drain: Any
) -> None:
    return_id = came_back(world, "200.00")
    page = client.get(url(return_id))
    assert "Above €150.00 two different people are needed" in page.page.text
    client.submit(page, button="Propose a refund of €180.00")
    mine = client.get(f"/admin/returns/{return_id}").page
    assert "Needs somebody else than whoever asked for it" in mine.text
    assert "Approve refund" not in mine.text
    number = world.dossier(return_id).refunds[0].number
    finance = world.signed_in("finance")
    desk = finance.get("/admin/")
    assert "Refunds for you to approve · 1" in desk.page.text
    assert number in finance.get("/admin/refunds?list=mine").page.text
    finance.submit(desk, button=f"Approve refund {number}")
    drain()
    assert world.dossier(return_id).refunds[0].state == "succeeded"
    told = client.get(f"/admin/returns/{return_id}").page.text
    assert "Approved by Demo finance, Finance" in told


def test_above_a_roles_limit_two_people_approve(world: World, client: Any) -> None:
    return_id = came_back(world, "120.00")
    client.submit(client.get(url(return_id)), button="Propose a refund of €108.00")
    assert world.dossier(return_id).refunds[0].state == "pending_approval"
    page = client.get(f"/admin/returns/{return_id}").page
    assert "Approved by Demo supervisor" in page.text and "One more person has to approve." in page.text
    other, number = second(world), world.dossier(return_id).refunds[0].number
    answer = other.submit(
        other.get(f"/admin/returns/{return_id}"), button=f"Approve refund {number}", follow_redirects=True
    )
    assert "Approved. The refund is sent in a moment." in answer.page.text


def test_a_refund_that_waits_is_changed_and_its_approvals_are_void(world: World, client: Any) -> None:
    return_id = came_back(world, "120.00")
    client.submit(client.get(url(return_id)), button="Propose a refund of €108.00")
    refund = world.dossier(return_id).refunds[0]
    finance = world.signed_in("finance")
    stale = finance.get(f"/admin/returns/{return_id}")
    page = client.get(f"/admin/refunds/{refund.id}/revision")
    shown = client.submit(page, {"lines-0-amount": "104.00", "reason": "A stain"}, button="Recalculate")
    same = client.submit(page, button="Change it to €108.00")
    assert same.status_code == 422 and "Nothing is different from before." in same.page.text
    client.submit(shown, button="Change it to €104.00")
    assert world.dossier(return_id).refunds[0].amount == 10400
    late = finance.submit(stale, button=f"Approve refund {refund.number}")
    assert late.status_code == 409 and "Somebody changed this meanwhile" in late.page.text
    told = finance.get(f"/admin/returns/{return_id}").page.text
    assert "void: it was changed afterwards" in told
    assert "Refund changed while it waited: €108.00 before, €104.00 now" in told and "A stain" in told


def test_every_override_stands_in_the_history_with_before_and_after(world: World, client: Any) -> None:
    return_id = came_back(world)
    page = client.get(url(return_id))
    asked = {"lines-0-amount": "40.00", "goodwill": "1.00", "waived": "restocking_fee", "reason": "Sorry"}
    client.submit(client.submit(page, asked, button="Refund €45.00"), button="Refund €41.00")
    told = client.get(f"/admin/returns/{return_id}").page.text
    assert "Decided otherwise than worked out" in told
    assert "Left out: Restocking fee" in told and "Sorry" in told
    assert "€0.00 before, €1.00 now." in told


def test_a_failed_transfer_is_sent_another_way_with_a_reason(world: World, client: Any, drain: Any) -> None:
    return_id = came_back(world, paid=(builders.a_payment(ending="-fails"),))
    client.submit(client.get(url(return_id)), button="Refund €45.00")
    drain()
    desk = client.get("/admin/").page
    assert "Failed refunds · 1" in desk.text
    page = client.get(desk.link("Send another way"))
    assert client.submit(page, {"provider": "manual"}).status_code == 422, "a reason is needed"
    wrong = client.submit(
        page, {"provider": "bank_transfer", "holder": "Demo Customer", "iban": "DE00", "reason": "Closed"}
    )
    assert wrong.status_code == 422
    client.submit(page, {"provider": "manual", "reason": "The card is closed."})
    found = world.dossier(return_id).refunds[0]
    assert [one.provider for one in found.payouts if one.is_current] == ["manual"]
    drain()
    settle = client.get(client.get(f"/admin/returns/{return_id}").page.link("Record payment by hand"))
    client.submit(settle, {"method": "cash", "proof": "Receipt 7"})
    assert world.dossier(return_id).refunds[0].state == "succeeded"


# ----------------------------------------------------------------------------------------- without a return


def test_a_refund_without_a_return_is_made_from_the_order_and_followed_by_its_customer(
    world: World, client: Any, drain: Any
) -> None:
    order = world.order(email="keeps@customer.example")
    page = client.get(client.get(f"/admin/orders/{order.id}").page.link("Refund without return"))
    typed = {
        "lines-0-units": "1",
        "lines-0-percent": "20",
        "reason": "arrived_damaged",
        "note": "A scratch",
        "message": "We are sorry.",
    }
    shown = client.submit(page, typed, button="Recalculate", htmx="worked")
    assert "Refund €10.00" in shown.page.text
    whole = client.submit(page, typed, button="Recalculate")
    made = client.submit(whole, button="Refund €10.00")
    assert made.status_code == 303
    return_id = UUID(made.location.split("/")[-1].split("#")[0])
    drain()
    found = world.dossier(return_id)
    assert (found.page.draft.kind, found.page.draft.state) == ("partial_refund_keep", "closed")
    shown_page = client.get(f"/admin/returns/{return_id}").page.text
    assert "Refund without return" in shown_page and "Mark as shipped" not in shown_page


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ({"lines-0-units": "1", "lines-0-amount": "50.01"}, "At most €50.00 can be refunded."),
        ({"lines-0-units": "2", "lines-0-amount": "1"}, "The customer has at most 1"),
        ({"lines-0-units": "1", "lines-0-amount": "1", "lines-0-percent": "2"}, "not both"),
        ({"lines-0-units": "1", "lines-0-percent": "101"}, "Enter a percentage from 0 to 100"),
        ({"lines-0-amount": "1"}, "Enter how many units this is for"),
        ({}, "Choose at least one item."),
    ],
)
def test_a_refund_without_a_return_is_refused_where_it_is_wrong(
    world: World, client: Any, typed: dict[str, str], told: str
) -> None:
    order = world.order()
    page = client.get(f"/admin/orders/{order.id}/refund")
    data = {**typed, "reason": "other", "note": "x"}
    values, _names = page.page.fields(page.page.form(button="Recalculate"))
    answer = client.post(f"/admin/orders/{order.id}/refund", data={**values.to_dict(), **data})
    assert answer.status_code == 422 and told in answer.page.text


def test_strangers_find_no_panel_and_the_warehouse_may_not_look(world: World, client: Any) -> None:
    return_id = came_back(world)
    stranger = world.signed_in("admin", merchants=(world.other,))
    order_id = world.order().id
    for path in (url(return_id), f"/admin/orders/{order_id}/refund"):
        assert stranger.get(path).status_code == 404
        assert world.signed_in("warehouse").get(path).status_code == 403


def test_tasks_are_listed_and_closed_with_a_note(world: World, client: Any, drain: Any) -> None:
    return_id = came_back(world, paid=(builders.a_payment(ending="-fails"),))
    client.submit(client.get(url(return_id)), button="Refund €45.00")
    drain()
    page = client.get("/admin/tasks")
    assert "A refund could not be paid" in page.page.text and "€45.00" in page.page.text
    close = client.get(page.page.link("Close task"))
    assert client.submit(close).status_code == 422
    client.submit(close, {"reason": "Paid in cash."})
    assert "Nothing to do" in client.get("/admin/tasks").page.text
    assert "Paid in cash." in client.get("/admin/tasks?state=done").page.text


def test_units_of_use_that_the_inspection_counts_take_value_away(app: Flask) -> None:
    world = a_world(app, Terms(return_postage="merchant", depreciation=(Depreciation(by="use", over=100),)))
    client = world.signed_in("supervisor")
    return_id = world.received()
    dock_steps.graded(client, return_id, "SHIRT", "C", h_0_used="25")
    assert "used: 25" in client.get(f"/admin/returns/{return_id}").page.text
    panel = client.get(url(return_id)).page
    assert panel.form(button="Refund €37.50"), "a quarter of 50.00 is used up"
    assert "What changed since the estimate" in panel.text


def test_a_refund_without_a_return_that_waits_is_changed_on_its_panel(world: World, client: Any) -> None:
    order = world.order(items=(builders.an_item("SOFA", 1, "900.00"),))
    page = client.get(f"/admin/orders/{order.id}/refund")
    typed = {"lines-0-units": "1", "lines-0-amount": "200", "reason": "defective", "note": "Scratch"}
    made = client.submit(
        client.submit(page, typed, button="Recalculate"), button="Propose a refund of €200.00"
    )
    return_id = UUID(made.location.split("/")[-1].split("#")[0])
    refund = world.dossier(return_id).refunds[0]
    panel = client.get(f"/admin/refunds/{refund.id}/revision")
    assert "at most €900.00" in panel.page.text and "Deductions to leave out" not in panel.page.text
    changed = client.submit(panel, {"lines-0-amount": "160", "reason": "Smaller"}, button="Recalculate")
    client.submit(changed, button="Change it to €160.00")
    assert world.dossier(return_id).refunds[0].amount == 16000
