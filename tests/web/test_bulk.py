"""The same step for many returns: a result for each, and all that were done can be undone."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask

from portal.services.talking import notices
from tests.adapters.parcels import bars_of
from tests.web.admin_world import World, a_world, now

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def world(app: Flask) -> World:
    return a_world(app)


@pytest.fixture
def client(world: World) -> Any:
    return world.signed_in("csr")


def run(client: Any, action: str, ids: list[UUID], **more: str) -> Any:
    client.get("/admin/")
    return client.post(f"/admin/returns/bulk/{action}", data={"ids": [str(one) for one in ids], **more})


def test_every_row_has_its_own_result(world: World, client: Any) -> None:
    waiting, done, other = world.requested(), world.received(), world.confirmed(merchant_id=world.other)
    nobody = uuid4()
    answer = run(client, "approve", [waiting, done, other, nobody])
    assert answer.status_code == 200
    text = answer.page.text
    assert "1 done, 3 not done" in text
    assert text.count("Not found") == 2
    assert "it is now “Received”" in text
    assert world.state(waiting) == "approved"
    assert world.dossier(other, world.other).page.draft.number not in text


def test_all_that_were_declined_are_taken_back_at_once(world: World, client: Any) -> None:
    asked = [world.requested(), world.requested()]
    answer = run(client, "decline", asked, reason="excessive_wear", message="Worn.")
    assert [world.state(one) for one in asked] == ["declined", "declined"]
    answer = client.submit(answer, button="Undo 2 decisions")
    assert "2 done, 0 not done" in answer.page.text
    assert [world.state(one) for one in asked] == ["requested", "requested"]


def test_declining_needs_a_reason_and_nothing_is_done_without(world: World, client: Any) -> None:
    asked = world.requested()
    answer = run(client, "decline", [asked])
    assert answer.status_code == 422
    assert "Choose a reason" in answer.page.text
    assert world.state(asked) == "requested"


def test_returns_are_tagged_and_assigned(world: World, client: Any) -> None:
    from portal.services.handling import assigning, tags

    asked = world.requested()
    assert "1 done" in run(client, "tag", [asked, asked], tag="Check twice").page.text
    with world.app.app_context():
        assert tags.of([asked]) == {asked: ("check twice",)}
        someone = assigning.colleagues(world.own)[0][0]
    assert "1 done" in run(client, "assign", [asked], person=str(someone)).page.text


def test_more_than_can_be_done_at_once_is_refused_as_a_whole(world: World, client: Any) -> None:
    asked = world.requested()
    answer = run(client, "approve", [asked, *(uuid4() for _ in range(200))])
    assert answer.status_code == 422
    assert "at most 200" in answer.page.text
    assert world.state(asked) == "requested"


def test_the_warehouse_decides_nothing(world: World) -> None:
    asked = world.requested()
    answer = run(world.signed_in("warehouse"), "approve", [asked])
    assert "You may not do this" in answer.page.text
    assert world.state(asked) == "requested"


def test_only_what_one_may_do_is_offered(world: World) -> None:
    asked = world.requested()
    steps = {"Approve", "Decline, assign, tag…", "Print labels"}
    for role, wanted in (("csr", steps), ("finance", {"Print labels"}), ("warehouse", {"Print labels"})):
        client = world.signed_in(role)
        shown = client.get("/admin/returns").get_data(as_text=True)
        assert {one for one in steps if f">{one}</button>" in shown} == wanted
        assert f'name="ids" value="{asked}"' in shown
        page = client.post("/admin/returns/bulk", data={"ids": [str(asked)]}).page
        assert ("Decline all" in page.text) is (role == "csr")
        assert "Print labels" in page.text


def test_nothing_chosen_and_an_unknown_action(world: World, client: Any) -> None:
    assert run(client, "approve", []).status_code == 422
    assert run(client, "forget", [world.requested()]).status_code == 404


def test_the_chosen_returns_of_a_list_are_asked_about(world: World, client: Any) -> None:
    asked = world.requested()
    client.get("/admin/")
    page = client.post("/admin/returns/bulk", data={"ids": str(asked)})
    assert "1 return chosen" in page.page.h1
    answer = client.submit(page, button="Approve all")
    assert "1 done, 0 not done" in answer.page.text


def test_labels_are_printed_in_one_file_and_each_row_says_whether_it_has_one(
    world: World, client: Any, drain: Any
) -> None:
    first, second, without = world.confirmed(), world.confirmed(), world.requested()
    drain()
    client.get("/admin/")
    asked = client.post(
        "/admin/returns/bulk", data={"ids": [str(one) for one in (first, without, second, uuid4())]}
    )
    answer = client.submit(asked, button="Print labels")
    assert "2 done, 2 not done" in answer.page.text
    assert answer.page.text.count("There is no label yet.") == 1
    assert answer.page.text.count("Not found") == 1
    file = client.submit(answer, button="Open 2 labels in one PDF", check=False)
    assert file.mimetype == "application/pdf"
    assert bars_of(file.data) == [tracking(world, one) for one in (first, second)]


def test_where_no_return_has_a_label_there_is_no_file(world: World, client: Any) -> None:
    asked = world.requested()
    answer = run(client, "labels", [asked])
    assert "0 done, 1 not done" in answer.page.text
    assert [form.get("action") for form in answer.page.forms() if "bulk" in form.get("action", "")] == []
    file = client.post("/admin/returns/bulk/labels.pdf", data={"ids": [str(asked)]})
    assert file.status_code == 409


def test_the_last_mail_of_each_goes_out_once_more(world: World, client: Any, drain: Any) -> None:
    approved, received, never = world.confirmed(), world.received(), world.draft()
    drain()
    client.get("/admin/")
    asked = client.post(
        "/admin/returns/bulk", data={"ids": [str(one) for one in (approved, received, never)]}
    )
    answer = client.submit(asked, button="Send e-mails again")
    assert "2 done, 1 not done" in answer.page.text
    assert "The customer was told nothing of it yet." in answer.page.text
    again = run(client, "resend", [approved])
    assert "This message is still waiting to be sent." in again.page.text, "pressed twice, sent once"
    drain()
    with world.app.app_context():
        assert [mail.event for mail in notices.of_return(approved)] == ["approved"] * 2
        assert [mail.event for mail in notices.of_return(received)] == ["received", "received"]
        assert {mail.state for mail in notices.of_return(approved)} == {"sent"}


def test_finance_prints_labels_and_sends_nothing(world: World, drain: Any) -> None:
    approved = world.confirmed()
    drain()
    client = world.signed_in("finance")
    assert "1 done, 0 not done" in run(client, "labels", [approved]).page.text
    assert "You may not do this" in run(client, "resend", [approved]).page.text
    with world.app.app_context():
        assert len(notices.of_return(approved)) == 1


def tracking(world: World, return_id: UUID) -> str:
    (parcel,) = world.dossier(return_id).parcels
    return str(parcel.tracking_number)


def test_the_button_that_takes_back_leaves_what_somebody_decided_since(world: World, client: Any) -> None:
    from portal.services.handling import deciding

    asked = [world.requested(), world.requested()]
    answer = run(client, "decline", asked, reason="excessive_wear")
    with world.app.app_context():
        boss = world.actor()
        deciding.undo(boss, asked[0], now=now())
        deciding.approve(boss, asked[0], now=now())
    answer = client.submit(answer, button="Undo 2 decisions")
    assert "1 done, 1 not done" in answer.page.text and "Someone else has changed this" in answer.page.text
    assert [world.state(one) for one in asked] == ["approved", "requested"]


def test_too_many_are_no_fault_of_the_tag(world: World, client: Any) -> None:
    answer = run(client, "tag", [world.requested(), *(uuid4() for _ in range(200))], tag="late")
    assert answer.status_code == 422 and "at most 200" in answer.page.text
    assert "#tag" not in answer.text and 'aria-invalid="true"' not in answer.text
