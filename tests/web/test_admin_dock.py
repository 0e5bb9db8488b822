"""The page of the dock: scans open and count, one save writes, too late is said; nobody sees money."""

import io
from datetime import UTC, datetime

import pytest
from PIL import Image

from portal.core.workflows import DispositionRule, Rules
from portal.db.base import transaction
from portal.db.merchants import Merchant
from portal.services.docking import unexpected
from portal.services.proofs import verifying
from portal.services.rules import workflows
from portal.services.stockroom import stock
from portal.services.talking import notices
from tests.web import dock_steps
from tests.web.admin_world import a_world, now

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def world(app):
    return a_world(app)


def scanned(client, answer, text):
    return client.submit(answer, {"scan": text}, button="Enter")


def opened(world, units, role="warehouse"):
    back = world.confirmed(units)
    client = world.signed_in(role)
    number = world.dossier(back).page.draft.number
    answer = scanned(client, client.get("/admin/dock"), number.lower())
    assert answer.status_code == 303 and answer.location.endswith(str(back))
    return back, client, client.get(answer.location)


def test_a_parcel_is_received_counted_and_graded_without_scripts(world):
    back, client, sheet = opened(world, {"MUG": 3, "SHIRT": 1})
    for text in ("mug", "MUG", "A", "MUG", "D", "shirt", "B"):
        sheet = scanned(client, sheet, text)
        assert sheet.status_code == 200
    saved = scanned(client, sheet, "SAVE")
    assert saved.status_code == 303 and saved.location.endswith(f"done={back}")
    assert world.state(back) == "inspected"
    grades = sorted((one.grade, one.units, one.disposition) for one in world.dossier(back).inspections)
    assert grades == [("A", 2, "restock"), ("B", 1, "restock_open_box"), ("D", 1, "recycle")]
    done = client.get(saved.location)
    assert "Put-away slip" in done.page.text and "is saved" in done.page.text
    slip = client.get(done.page.link("Put-away slip"))
    assert "Back to stock" in slip.page.text and "MUG" in slip.page.text
    for page in (sheet, done, slip):
        assert "€" not in page.page.text
    with world.app.app_context():
        assert verifying.run().problems == []


def test_htmx_gets_the_sheet_alone_and_the_address_follows(world):
    back = world.confirmed({"MUG": 2})
    client = world.signed_in("warehouse")
    page = client.get("/admin/dock")
    number = world.dossier(back).page.draft.number
    answer = client.submit(page, {"scan": number}, button="Enter", htmx="sheet")
    assert answer.status_code == 200 and not answer.page.whole and answer.page.has_id("sheet")
    assert answer.headers["HX-Push-Url"].endswith(str(back))
    assert client.get("/admin/dock/expected", htmx="expected").page.has_id("expected")


def test_too_late_is_said_with_what_was_counted_kept(world):
    back, client, sheet = opened(world, {"MUG": 3})
    sheet = scanned(client, scanned(client, sheet, "MUG"), "MUG")
    other = world.signed_in("supervisor")
    assert dock_steps.received(other, back, "MUG").status_code == 303
    late = client.submit(sheet, button="Save")
    assert late.status_code == 409
    assert "Somebody else saved" in late.page.text and "By Demo supervisor" in late.page.text
    assert late.page.by_id("h-0-units").get("value") == "2"
    assert client.submit(late, button="Send mine all the same").status_code == 303
    assert world.lines(back)["MUG"].received == 3


def test_the_same_form_twice_is_saved_once(world):
    back, client, sheet = opened(world, {"MUG": 3})
    sheet = scanned(client, sheet, "MUG")
    for _ in range(2):
        assert client.submit(sheet, button="Save").status_code == 303
    assert world.lines(back)["MUG"].received == 1


def test_more_and_other_goods_are_set_aside_and_the_rest_declared_missing(world):
    back, client, sheet = opened(world, {"MUG": 1, "SHIRT": 1})
    with world.app.app_context():
        from tests import builders

        builders.an_order(world.gateways, world.own, [builders.an_item("BOWL", 1)], now=now())
    for text in ("MUG", "MUG", "BOWL", "SHIRT", "0", "UNDO"):
        sheet = scanned(client, sheet, text)
    sheet = scanned(client, sheet, "M")
    assert client.submit(sheet, button="Save").status_code == 303
    with world.app.app_context():
        found = [(one.kind, one.sku, one.units) for one in unexpected.of_return(back)]
        assert found == [("other_item", "BOWL", 1), ("surplus", "MUG", 1)]
        assert stock.levels(world.own, ["MUG"])["MUG"]["quarantine"] == 2
        assert verifying.run().problems == []
    shirt = world.lines(back)["SHIRT"]
    assert (shirt.received, shirt.rejected) == (1, 1)
    listed = client.get("/admin/dock/unexpected")
    assert "Another product" in listed.page.text and "More than announced" in listed.page.text


def test_nobody_knows_a_parcel_until_it_is_matched(world):
    back = world.confirmed({"MUG": 2})
    client = world.signed_in("warehouse")
    unknown = scanned(client, client.get("/admin/dock"), "DEMO-LABEL-7")
    assert "Nobody announced" in unknown.page.text
    form = client.get(unknown.page.link("Set it aside"))
    made = client.submit(form, {"units": "2"}, action="/admin/dock/unexpected/new")
    assert made.status_code == 303
    agent = world.signed_in("csr")
    assert "Goods came that nobody announced" in agent.get("/admin/tasks").page.text
    number = world.dossier(back).page.draft.number
    page = client.get(made.location, query_string={"number": number})
    matched = client.submit(page, button="Receive it for this line")
    assert matched.status_code == 303 and world.lines(back)["MUG"].received == 2
    assert "Belongs to a return" in client.get(made.location).page.text
    with world.app.app_context():
        assert verifying.run().problems == []


def test_a_role_that_may_not_receive_is_refused_and_one_that_may_not_grade_sees_no_grades(world):
    back, client, sheet = opened(world, {"MUG": 1}, role="csr")
    sheet = scanned(client, sheet, "MUG")
    assert not sheet.page.has_id("h-0-grade-A")
    assert "not grade" in scanned(client, sheet, "A").page.text
    assert client.submit(sheet, button="Receive what I counted").status_code == 303
    assert world.state(back) == "received"
    finance = world.signed_in("finance")
    for path in (
        "/admin/dock",
        "/admin/dock/expected",
        "/admin/dock/unexpected",
        f"/admin/dock/returns/{back}",
    ):
        assert finance.get(path).status_code == 403
    assert (
        world.signed_in("admin", merchants=(world.other,)).get(f"/admin/dock/returns/{back}").status_code
        == 404
    )


def test_another_way_than_proposed_wants_its_reason(world):
    back, client, sheet = opened(world, {"MUG": 1})
    sheet = scanned(client, scanned(client, sheet, "MUG"), "A")
    refused = client.submit(sheet, {"h-0-disposition": "destroy"}, button="Save")
    assert refused.status_code == 422 and "another way than proposed" in refused.page.text
    saved = client.submit(refused, {"h-0-note": "A broken handle", "h-0-check-clean": "yes"}, button="Save")
    assert saved.status_code == 303
    assert world.dossier(back).inspections[0].disposition == "destroy"
    shown = client.get(f"/admin/returns/{back}").page.text
    assert "At the dock" in shown and "It is clean" in shown and "Proposed: Back to stock" in shown


def test_the_board_shows_what_is_to_come(world):
    back = world.confirmed({"MUG": 2})
    number = world.dossier(back).page.draft.number
    page = world.signed_in("warehouse").get("/admin/dock/expected", query_string={"q": "MUG"})
    assert number in page.page.text and "€" not in page.page.text


def test_nothing_is_counted_beforehand(world):
    back, client, sheet = opened(world, {"MUG": 3, "SHIRT": 1})
    assert "0 of 3" in sheet.page.text and not sheet.page.has_id("h-0-units")
    refused = client.submit(sheet, button="Save")
    assert refused.status_code == 422 and world.state(back) == "approved"


def test_all_of_it_arrived_with_one_press(world):
    back, client, sheet = opened(world, {"MUG": 3, "SHIRT": 1})
    sheet = client.submit(sheet, button="All of it arrived")
    assert client.submit(sheet, button="Save").status_code == 303
    assert world.state(back) == "received"
    assert {sku: line.received for sku, line in world.lines(back).items()} == {"SHIRT": 1, "MUG": 3}


def test_who_may_not_grade_says_what_is_broken_and_the_grading_begins_with_it(world):
    back, client, sheet = opened(world, {"MUG": 3}, role="csr")
    sheet = scanned(client, scanned(client, sheet, "MUG"), "3")
    sheet = client.submit(sheet, {"h-0-broken": "2", "h-0-wrong": "2"}, button="Receive what I counted")
    assert sheet.status_code == 422 and "something else than arrived" in sheet.page.text
    typed = {"h-0-broken": "1", "h-0-wrong": "1", "note": "A spoon was in it."}
    assert client.submit(sheet, typed, button="Receive what I counted").status_code == 303
    mug = world.lines(back)["MUG"]
    assert (world.state(back), mug.damaged, mug.other) == ("received", 1, 1)
    shown = client.get(f"/admin/returns/{back}").page.text
    for words in ("Damaged: 1 × Demo mug", "Something else: 1 × Demo mug", "A spoon was in it."):
        assert words in shown
    dock = world.signed_in("warehouse")
    sheet = dock_steps.opened(dock, back, "grade")
    assert "1 unit seen as damaged when it arrived" in sheet.page.text
    values, _ = sheet.page.fields(sheet.page.form(button="Save"))
    assert [values[f"h-{n}-grade"] for n in range(2)] == ["D", "W"]
    assert dock_steps.saved(dock, dock_steps.scanned(dock, sheet, "MUG", "A")).status_code == 303
    mug = world.lines(back)["MUG"]
    assert (world.state(back), mug.accepted, mug.rejected) == ("inspected", 2, 1)


def test_another_parcel_is_opened_from_a_sheet_that_nobody_touched(world):
    back, client, sheet = opened(world, {"MUG": 1}, role="csr")
    typed = {"h-0-broken": "1"}
    assert (
        client.submit(scanned(client, sheet, "MUG"), typed, button="Receive what I counted").status_code
        == 303
    )
    other = world.confirmed({"SHIRT": 1})
    dock = world.signed_in("warehouse")
    sheet = dock_steps.opened(dock, back, "grade")
    answer = scanned(dock, sheet, world.dossier(other).page.draft.number)
    assert answer.status_code == 303 and answer.location.endswith(str(other))


def test_units_are_graded_a_part_at_a_time(world):
    back = world.received({"MUG": 3})
    client = world.signed_in("warehouse")
    assert dock_steps.graded(client, back, "MUG", "2", "B").status_code == 303
    assert world.state(back) == "received"
    typed = {"h_0_disposition": "ship_back_to_customer", "h_0_refused": "1", "h_0_note": "Broken"}
    assert dock_steps.graded(client, back, "MUG", "D", **typed).status_code == 303
    found = world.dossier(back)
    assert found.page.draft.state == "inspected"
    assert [(one.units, one.grade, one.disposition, one.accepted) for one in found.inspections] == [
        (2, "B", "restock_open_box", True),
        (1, "D", "ship_back_to_customer", False),
    ]


def test_colleagues_at_one_sheet_see_each_other(world):
    back, client, sheet = opened(world, {"MUG": 1})
    assert sheet.page.has_id("presence")
    client.get(f"/admin/returns/{back}/presence?doing=receive")
    shown = world.signed_in("supervisor").get(f"/admin/returns/{back}/presence")
    assert "Demo warehouse is receiving this." in shown.page.text


def test_what_is_missing_is_told_with_a_way_to_contest_it(make_app, smtp):
    app = make_app(**smtp.environ())
    world = a_world(app)
    back = world.confirmed({"MUG": 2})
    client = world.signed_in("warehouse")
    sheet = dock_steps.scanned(client, dock_steps.opened(client, back), "MUG", "A", "M")
    assert dock_steps.saved(client, sheet).status_code == 303
    with app.app_context():
        missing = next(one.id for one in world.dossier(back).mails if one.event == "missing")
        notices.deliver(missing, gateways=app.extensions["gateways"], site=app.extensions["site"], now=now())
    [told] = smtp.wait_for(1)
    text = told.get_body(("plain",)).get_content()
    assert "1 × Demo mug" in text and "Contest this" in text
    address = next(word for word in text.split() if word.endswith("?to=dispute"))
    customer = app.test_client()
    sent = customer.get(address[address.index("/l/") :])
    assert (sent.status_code, sent.location) == (303, f"/r/{back}/dispute")
    asked = customer.get(sent.location)
    assert asked.status_code == 200 and "Demo mug" in asked.page.text


def test_a_disposition_stands_beside_the_rule_that_proposes_it(world):
    rule = DispositionRule(id="d1", name="Broken mugs are given away", disposition="donate", grades=("D",))
    with world.app.app_context():
        boss = world.actor("admin")
        seen = workflows.of_merchant(boss, world.own).draft.revision
        workflows.write(boss, world.own, lambda _old: Rules(dispositions=(rule,)), revision=seen, now=now())
        revision = workflows.of_merchant(boss, world.own).draft.revision
        workflows.publish(boss, world.own, revision=revision, now=now())
    back, client, sheet = opened(world, {"MUG": 2})
    sheet = dock_steps.scanned(client, sheet, "MUG", "D")
    assert "Proposed: Donate (Broken mugs are given away)" in sheet.page.text
    assert client.submit(sheet, button="Save").status_code == 303
    assert world.dossier(back).inspections[0].disposition == "donate"


def test_a_number_that_is_none_is_said_and_nothing_that_was_counted_is_lost(world):
    back, client, sheet = opened(world, {"MUG": 3, "SHIRT": 1})
    sheet = dock_steps.scanned(client, sheet, "shirt", "A", "MUG", "2", "B")
    for typed in ("2x", "1,5", "1500", "4006381333931"):
        refused = client.submit(sheet, {"h-1-units": typed}, button="Save")
        assert refused.status_code == 422 and f"“{typed}” is no number of units" in refused.page.text
        assert refused.page.by_id("h-1-units").get("value") == "2"
        told = client.submit(sheet, {"h-1-units": typed, "scan": "MUG"}, button="Enter")
        assert "is no number of units" in told.page.text
    assert world.lines(back)["MUG"].received == 0
    assert client.submit(refused, button="Save").status_code == 303
    assert {sku: line.received for sku, line in world.lines(back).items()} == {"SHIRT": 1, "MUG": 2}


def test_a_product_that_other_returns_expect_is_set_aside_from_the_parcel_it_came_in(world):
    back, client, sheet = opened(world, {"MUG": 2})
    others = [world.confirmed({"SHIRT": 1}) for _ in range(2)]
    which = scanned(client, sheet, "SHIRT")
    for other in others:
        assert f"/admin/dock/returns/{other}" in which.page.links().values()
    sheet = scanned(client, scanned(client, sheet, "MUG"), "SHIRT")
    assert "does not belong to this return" in sheet.page.text
    assert "Scan a product first" in scanned(client, sheet, "D").page.text
    assert client.submit(sheet, button="Save").status_code == 303
    with world.app.app_context():
        [found] = unexpected.of_return(back)
        assert (found.kind, found.sku, found.units) == ("other_item", "SHIRT", 1)
        assert verifying.run().problems == []
    assert world.lines(back)["MUG"].received == 1
    assert all(world.lines(other)["SHIRT"].received == 0 for other in others)


def test_goods_of_a_return_that_was_canceled_are_set_aside(world):
    back, client, sheet = opened(world, {"MUG": 2})
    sheet = scanned(client, scanned(client, sheet, "MUG"), "MUG")
    agent = world.signed_in("csr")
    agent.submit(agent.get(f"/admin/returns/{back}"), action=f"/admin/returns/{back}/cancellation")
    assert world.state(back) == "canceled"
    late = client.submit(sheet, button="Save")
    assert late.status_code == 409 and late.page.by_id("h-0-units").get("value") == "2"
    assert client.submit(late, button="Send mine all the same").status_code == 303
    with world.app.app_context():
        [found] = unexpected.of_return(back)
        assert (found.kind, found.sku, found.units) == ("surplus", "MUG", 2)
        assert verifying.run().problems == []


def test_what_is_here_is_not_missing(world):
    back = world.received({"MUG": 2})
    client = world.signed_in("warehouse")
    sheet = dock_steps.scanned(client, dock_steps.opened(client, back, "grade"), "MUG", "A", "M")
    assert "These units are here" in sheet.page.text
    assert dock_steps.saved(client, sheet).status_code == 303
    assert [(one.grade, one.units) for one in world.dossier(back).inspections] == [("A", 1)]


def test_who_may_not_grade_is_offered_no_grading(world):
    back = world.received({"MUG": 2})
    agent = world.signed_in("csr")
    sheet = dock_steps.opened(agent, back, "grade")
    assert "takes nothing more" in sheet.page.text and "0 of 0" in sheet.page.text
    assert dock_steps.saved(agent, scanned(agent, sheet, "MUG")).status_code == 303
    with world.app.app_context():
        [found] = unexpected.of_return(back)
        assert (found.kind, found.units) == ("surplus", 1)


def test_photos_that_were_refused_with_the_rest_are_asked_for_again(world):
    back, client, sheet = opened(world, {"MUG": 1})
    sheet = scanned(client, scanned(client, sheet, "MUG"), "A")
    typed = {"h-0-disposition": "destroy", "h-0-photos": (io.BytesIO(b"x"), "demo.jpg")}
    refused = client.submit(sheet, typed, button="Save")
    assert refused.status_code == 422 and "add your pictures once more" in refused.page.text
    form = client.get(f"/admin/dock/unexpected/new?return_id={back}")
    typed = {"units": "0", "photos": (io.BytesIO(b"x"), "demo.jpg")}
    refused = client.submit(form, typed, action="/admin/dock/unexpected/new")
    assert refused.status_code == 422 and "add your pictures once more" in refused.page.text


def test_what_else_was_in_a_parcel_is_no_unknown_parcel(world):
    back, client, sheet = opened(world, {"MUG": 1})
    form = client.get(sheet.page.link("Something else was in it"))
    made = client.submit(form, {"name": "Demo spoon"}, action="/admin/dock/unexpected/new")
    assert made.status_code == 303
    with world.app.app_context():
        assert [one.kind for one in unexpected.of_return(back)] == ["other_item"]


def test_a_return_of_another_shop_does_not_fit(world):
    theirs = world.confirmed({"MUG": 1}, merchant_id=world.other)
    client = world.signed_in("warehouse", merchants=(world.own, world.other))
    form = client.get("/admin/dock/unexpected/new")
    made = client.submit(form, {"merchant": str(world.own)}, action="/admin/dock/unexpected/new")
    number = world.dossier(theirs, world.other).page.draft.number
    shown = client.get(made.location, query_string={"number": number})
    assert shown.status_code == 200 and "No return fits" in shown.page.text


def test_a_note_that_nobody_saved_is_not_left_for_another_parcel(world):
    back, client, sheet = opened(world, {"MUG": 1}, role="csr")
    sheet = scanned(client, sheet, "MUG")
    assert client.submit(sheet, {"h-0-broken": "1"}, button="Receive what I counted").status_code == 303
    dock = world.signed_in("warehouse")
    sheet = dock_steps.opened(dock, back, "grade")
    other = world.dossier(world.confirmed({"SHIRT": 1})).page.draft.number
    told = dock.submit(sheet, {"note": "A torn box", "scan": other}, button="Enter")
    assert told.status_code == 200 and "Save or clear this count first" in told.page.text
    assert told.page.by_id("dock-note").get("value") == "A torn box"


def test_what_was_typed_about_a_finding_stays_and_times_are_those_of_its_shop(world):
    with world.app.app_context(), transaction() as session:
        session.get(Merchant, world.own).zone = "Pacific/Kiritimati"
    client = world.signed_in("warehouse")
    world.app.config["CLOCK"] = lambda: datetime(2026, 11, 20, 12, tzinfo=UTC)
    form = client.get("/admin/dock/unexpected/new")
    made = client.submit(form, {"code": "DEMO-5"}, action="/admin/dock/unexpected/new").location
    shown = client.get(made)
    assert "2:00" in shown.page.text and "13:00" not in shown.page.text
    refused = client.submit(shown, {"sku": "NOBODY-KNOWS", "units": "4"}, button="Name it")
    assert refused.status_code == 422
    assert [refused.page.by_id(f"content-{name}").get("value") for name in ("sku", "units")] == [
        "NOBODY-KNOWS",
        "4",
    ]
    refused = client.submit(shown, {"note": "Kept for later"}, button="Back to stock")
    assert refused.status_code == 422 and "Kept for later" in refused.page.text


def test_units_that_are_here_are_not_saved_without_a_grade(world):
    back = world.received({"MUG": 2, "SHIRT": 1})
    client = world.signed_in("warehouse")
    sheet = dock_steps.scanned(client, dock_steps.opened(client, back, "grade"), "SHIRT", "A", "MUG")
    refused = client.submit(sheet, button="Save")
    assert refused.status_code == 422 and "Give the units of Demo mug" in refused.page.text
    assert dock_steps.saved(client, scanned(client, refused, "B")).status_code == 303
    assert sorted((one.grade, one.units) for one in world.dossier(back).inspections) == [("A", 1), ("B", 1)]


def test_the_photo_of_a_surplus_is_kept_with_it(world):
    back, client, sheet = opened(world, {"MUG": 1})
    sheet = dock_steps.scanned(client, sheet, "MUG", "A", "MUG", "D")
    photo = io.BytesIO()
    Image.new("RGB", (20, 20), "teal").save(photo, "PNG")
    typed = {"h-1-photos": (io.BytesIO(photo.getvalue()), "demo.png")}
    assert client.submit(sheet, typed, button="Save").status_code == 303
    with world.app.app_context():
        [found] = unexpected.of_return(back)
        assert (found.kind, found.grade, len(found.pictures)) == ("surplus", "D", 1)
