"""The dock by scanner and keyboard alone, on a tablet, with and without scripts; a parcel that nobody knew."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from portal.services.proofs import audit, verifying
from tests.browsing import PHONE, accessibility_faults, scripted
from tests.serving import Server
from tests.web.admin_world import PASSWORD, World, a_world, now

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
TABLET = {"width": 768, "height": 1024}


@pytest.fixture
def world(live_server: Server) -> World:
    return a_world(live_server.app)


@pytest.fixture
def tablet(world: World, live_server: Server, visit: Callable[..., Any]) -> Any:
    return signed_in(live_server, visit)


def signed_in(live_server: Server, visit: Callable[..., Any], *, size: Any = TABLET) -> Any:
    with live_server.app.app_context():
        from portal.services.persons import people

        people.create_user(
            email="dock@people.example",
            name="Demo dock",
            password=PASSWORD,
            roles={"own": "warehouse"},
            now=now(),
        )
    page = visit(base_url=live_server.url, viewport=size)
    page.goto("/admin/dock")
    page.get_by_label("E-mail").fill("dock@people.example")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.goto("/admin/dock")
    return page


def scan(page: Any, *codes: str) -> None:
    """As a scanner does it: into whatever has the focus, then Enter. Without scripts one waits for each page."""
    for code in codes:
        if scripted.get(page, True):
            page.keyboard.type(code)
            page.keyboard.press("Enter")
        else:
            expect(page.locator("#dock-scan")).to_be_focused()
            with page.expect_navigation():
                page.keyboard.type(code)
                page.keyboard.press("Enter")


def clean(world: World) -> None:
    with world.app.app_context():
        assert verifying.run().problems == []
        assert audit.verify().problems == []


def test_fewer_and_damaged_are_received_by_scanner_and_keyboard_alone(world: World, tablet: Any) -> None:
    """The journey: three mugs and a shirt announced; two mugs come, one of them broken, and the shirt."""
    back = world.confirmed({"MUG": 3, "SHIRT": 1})
    number = world.dossier(back).page.draft.number or ""
    expect(tablet.locator("#dock-scan")).to_be_focused()
    scan(tablet, number)
    expect(tablet.locator("#sheet")).to_contain_text(f"{number} is open")
    # In one go, faster than any answer: nothing is lost.
    scan(tablet, "MUG", "A", "MUG", "D", "shirt", "B", "SAVE")
    expect(tablet.locator("#flash")).to_contain_text(f"{number} is saved")
    expect(tablet.locator("#dock-scan")).to_be_focused()
    found = sorted((one.grade, one.units) for one in world.dossier(back).inspections)
    assert found == [("A", 1), ("B", 1), ("D", 1)]
    mug = world.lines(back)["MUG"]
    assert (mug.authorized, mug.received) == (3, 2)
    scan(tablet, number)
    expect(tablet.locator("#sheet")).to_contain_text("1 to count")
    scan(tablet, "AC-0000-0000", "5", "UNDO", "CLEAR")
    expect(tablet.locator("#sheet")).to_contain_text("empty again")
    clean(world)


def test_an_unknown_parcel_is_set_aside_and_matched_later(world: World, tablet: Any) -> None:
    back = world.confirmed({"MUG": 2})
    number = world.dossier(back).page.draft.number or ""
    scan(tablet, "DEMO-LABEL-7")
    expect(tablet.locator("#sheet")).to_contain_text("Nobody announced DEMO-LABEL-7")
    tablet.get_by_role("link", name="Set it aside").click()
    tablet.get_by_label("SKU").fill("MUG")
    tablet.get_by_label("Units").fill("2")
    tablet.get_by_role("button", name="Set aside").click()
    expect(tablet.get_by_role("heading", level=1)).to_contain_text("mug")
    tablet.get_by_label("Return number, label").fill(number)
    tablet.get_by_role("button", name="Find").click()
    tablet.get_by_role("button", name="Receive it for this line").click()
    expect(tablet.locator("main")).to_contain_text("Belongs to a return")
    assert world.state(back) == "received"
    clean(world)


@pytest.mark.parametrize("javascript", [True], indirect=True, ids=["js"])
def test_scans_need_no_page_load_and_are_seen_and_read_aloud(world: World, tablet: Any) -> None:
    back = world.confirmed({"MUG": 3})
    number = world.dossier(back).page.draft.number or ""
    tablet.evaluate("window.neverReloaded = true")
    scan(tablet, number, "MUG", "MUG")
    expect(tablet.locator(".dock-number")).to_contain_text("2")
    expect(tablet.locator("#dock-live")).to_contain_text("2 of 3")
    assert "is-good" in (tablet.locator("#dock-field").get_attribute("class") or "")
    assert tablet.evaluate("window.neverReloaded") is True and tablet.url.endswith(str(back))
    tablet.get_by_role("button", name="+1").click()
    expect(tablet.locator(".dock-number")).to_contain_text("3")
    expect(tablet.locator("#dock-scan")).to_be_focused()
    scan(tablet, "MUG")
    expect(tablet.locator("#dock-live")).to_contain_text("surplus")
    assert "is-wait" in (tablet.locator("#dock-field").get_attribute("class") or "")
    tablet.locator("label", has=tablet.locator("#h-0-grade-B")).click()
    expect(tablet.locator("#sheet")).to_contain_text("Back to stock as opened")


@pytest.mark.parametrize("javascript", [True], indirect=True, ids=["js"])
def test_a_photo_chosen_before_the_next_scan_is_kept(world: World, tablet: Any, tmp_path: Any) -> None:
    from PIL import Image

    photo = tmp_path / "demo.png"
    Image.new("RGB", (30, 20), "teal").save(photo)
    back = world.confirmed({"MUG": 2})
    scan(tablet, world.dossier(back).page.draft.number or "", "MUG", "D")
    tablet.locator("[name=h-0-photos]").set_input_files(str(photo))
    tablet.locator("[name=h-0-photos]").focus()
    scan(tablet, "MUG", "A")
    expect(tablet.locator("#dock-live")).to_contain_text("2 of 2")
    tablet.get_by_role("button", name="Save").click()
    expect(tablet.locator("#flash")).to_contain_text("is saved")
    with world.app.app_context():
        from portal.services import pictures

        assert len(pictures.of_return(back, subject="inspection")) == 1


@pytest.mark.parametrize("javascript", [True], indirect=True, ids=["js"])
def test_everybody_can_use_it_at_every_size(world: World, tablet: Any) -> None:
    back = world.confirmed({"MUG": 3, "SHIRT": 1})
    number = world.dossier(back).page.draft.number or ""
    scan(tablet, number, "MUG", "D")
    expect(tablet.locator("#h-0-disposition")).to_be_visible()
    controls = "#sheet .button, #sheet .segments label, #sheet .input, #dock-field .button"
    small = tablet.evaluate(
        """wanted => [...document.querySelectorAll(wanted)]
            .filter(one => one.getClientRects().length && one.getBoundingClientRect().height < 43.5)
            .map(one => one.outerHTML.slice(0, 80))""",
        controls,
    )
    assert small == []
    assert tablet.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert accessibility_faults(tablet) == []
    tablet.set_viewport_size(PHONE)
    for path in (
        "/admin/dock",
        "/admin/dock/expected",
        "/admin/dock/unexpected",
        "/admin/dock/unexpected/new",
    ):
        tablet.goto(path)
        assert accessibility_faults(tablet) == [], path


SCANS = "**/admin/dock/scan"


@pytest.mark.parametrize("javascript", [True], indirect=True, ids=["js"])
def test_a_scan_that_is_not_answered_is_kept_and_never_sounds_like_one_that_counted(
    world: World, tablet: Any
) -> None:
    back = world.confirmed({"MUG": 3})
    scan(tablet, world.dossier(back).page.draft.number or "", "MUG")
    expect(tablet.locator(".dock-number")).to_contain_text("1 of 3")
    tablet.route(SCANS, lambda route: route.fulfill(status=500, body=""))
    scan(tablet, "A")
    expect(tablet.locator("#dock-field")).to_have_class(re.compile("is-bad"))
    tablet.unroute(SCANS)
    scan(tablet, "A")
    expect(tablet.locator("#dock-field")).to_have_class(re.compile("is-good"))
    tablet.route(SCANS, lambda route: route.fulfill(status=503, body=""))
    scan(tablet, "MUG", "MUG")
    expect(tablet.locator("#dock-waits")).to_contain_text("No connection")
    expect(tablet.locator("#dock-field")).to_have_class(re.compile("is-bad"))
    tablet.get_by_role("button", name="Save").click()  # after what was scanned before it
    tablet.unroute(SCANS)
    expect(tablet.locator("#flash")).to_contain_text("is saved")
    assert world.lines(back)["MUG"].received == 3
    clean(world)


@pytest.mark.parametrize("javascript", [True], indirect=True, ids=["js"])
def test_what_is_typed_while_a_scan_is_on_its_way_stays_and_photos_are_not_sent_with_it(
    world: World, tablet: Any, tmp_path: Any
) -> None:
    from PIL import Image

    photo = tmp_path / "demo.png"
    Image.new("RGB", (30, 20), "teal").save(photo)
    back = world.confirmed({"MUG": 3})
    scan(tablet, world.dossier(back).page.draft.number or "", "MUG", "D")
    tablet.locator("[name=h-0-photos]").set_input_files(str(photo))
    held: list[Any] = []
    tablet.route(SCANS, lambda route: held.append(route))
    with tablet.expect_request(SCANS) as asked:
        scan(tablet, "MUG")
    tablet.locator("#h-0-note").fill("A broken handle")
    assert b"demo.png" not in (asked.value.post_data_buffer or b"")
    held[0].continue_()
    expect(tablet.locator(".dock-number")).to_contain_text("2 of 3")
    expect(tablet.locator("#h-0-note")).to_have_value("A broken handle")
    expect(tablet.locator("#h-0-note")).to_be_focused()


@pytest.mark.parametrize("javascript", [True], indirect=True, ids=["js"])
def test_after_a_tap_the_next_scan_counts_and_a_count_is_not_left_by_mistake(
    world: World, tablet: Any
) -> None:
    back = world.confirmed({"MUG": 3})
    scan(tablet, world.dossier(back).page.draft.number or "", "MUG", "D")
    tablet.get_by_label("Reject: no refund").click()
    scan(tablet, "MUG")
    expect(tablet.locator(".dock-number")).to_contain_text("2 of 3")
    tablet.locator("label", has=tablet.locator("#h-0-grade-D")).click()  # which it has already
    scan(tablet, "MUG")
    expect(tablet.locator(".dock-number")).to_contain_text("3 of 3")
    tablet.get_by_role("button", name="+1").focus()
    scan(tablet, "nothing-of-ours")
    expect(tablet.locator("#dock-live")).to_contain_text("Nobody announced nothing-of-ours")
    asked: list[str] = []
    tablet.once("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))
    tablet.get_by_role("link", name="Put-away slip").click(no_wait_after=True)
    expect(tablet.locator(".dock-number")).to_contain_text("3 of 3")
    assert asked == ["beforeunload"]
    tablet.get_by_role("link", name="Leave without saving").click()
    expect(tablet.locator("#sheet")).to_contain_text("Ready")
