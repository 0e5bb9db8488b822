"""For everybody: by keyboard alone, by axe in light and dark on phone and desk, within few bytes and requests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.browsing import accessibility_faults
from tests.serving import Server
from tests.web.shops import Shop, add_order, draft_of, line, open_shop, prepare, usual_lines

pytestmark = [
    pytest.mark.parametrize("database", ["sqlite"], indirect=True),
    pytest.mark.parametrize("javascript", [True], indirect=True),
]

MOST_BYTES, MOST_REQUESTS, MOST_OF_A_SWAP = 60_000, 5, 8_000


@pytest.fixture
def shop(live_server: Server) -> Shop:
    made = open_shop(live_server.app)
    add_order(made, lines=(*usual_lines(), line("VAS", "Glass vase", "12.00", final_sale=True)))
    return made


def press(page: Any, name: str) -> None:
    page.locator("button:visible", has_text=name).last.click()


# ------------------------------------------------------------------------------------------------- keyboard


class Keys:
    """Tabs to things as somebody without a mouse does, and counts."""

    def __init__(self, page: Any) -> None:
        self.page, self.pressed = page, 0

    def press(self, key: str) -> None:
        self.page.keyboard.press(key)
        self.pressed += 1

    def to(self, name: str, *, tag: str = "") -> None:
        """Tab until the focused control carries ``name``; the focus must be visible and not covered."""
        for _ in range(60):
            self.press("Tab")
            if self.page.evaluate(FOCUSED, [name, tag]):
                assert self.page.evaluate(SEEN), f"the focus on {name!r} cannot be seen"
                return
        raise AssertionError(
            f"{name!r} cannot be reached by Tab; the focus is on {self.page.evaluate(WHERE)}"
        )


FOCUSED = """([name, tag]) => {
  const it = document.activeElement
  const label = it.labels && it.labels.length ? it.labels[0].innerText : ""
  const told = [it.getAttribute("aria-label") || "", label, it.innerText || ""].join(" ")
  return told.includes(name) && (!tag || it.tagName === tag)
}"""
SEEN = """() => {
  const it = document.activeElement, box = it.getBoundingClientRect()
  if (!box.width || !box.height) return false
  const shown = it.matches("input[type=radio]") ? it.closest("label") : it
  const style = getComputedStyle(shown)
  const top = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2)
  const free = top && (it.contains(top) || top.contains(it) || shown.contains(top))
  return free && (style.outlineStyle !== "none" || style.boxShadow !== "none")
}"""
WHERE = "document.activeElement.outerHTML.slice(0, 200)"


def test_a_whole_return_by_the_keyboard_alone(page: Any, shop: Shop) -> None:
    prepared = prepare(shop)
    page.goto(prepared.path)
    keys = Keys(page)
    keys.to("Continue", tag="BUTTON")
    keys.press("Enter")
    page.get_by_role("heading", name="What would you like to send back?").wait_for()
    keys.to("Units of Linen shirt", tag="INPUT")
    keys.press("ArrowUp")
    page.get_by_text("You return 1 of 6 items.").wait_for()
    assert page.evaluate("document.activeElement.id") == f"units-{prepared.lines['SHT']}"
    keys.press("Enter")
    page.get_by_role("heading", name="Why do you send it back?").wait_for()
    keys.to("Reason", tag="SELECT")
    page.keyboard.type("Too sm")
    keys.to("Condition", tag="SELECT")
    page.keyboard.type("Unop")
    keys.to("What should we know?", tag="TEXTAREA")
    keys.to("Continue", tag="BUTTON")
    keys.press("Enter")
    page.get_by_role("heading", name="How do you send it?").wait_for()
    keys.to("QR code, no printer", tag="INPUT")
    keys.press("Space")
    keys.press("Enter")
    page.get_by_role("heading", name="Check your return").wait_for()
    keys.to("Confirm return", tag="BUTTON")
    keys.press("Enter")
    page.get_by_role("heading", name="Your return is approved").wait_for()
    assert draft_of(shop, prepared).state == "approved"
    assert keys.pressed < 120


# ------------------------------------------------------------------------------------------------------ axe


def test_axe_finds_nothing_on_any_page_or_state_of_the_way(
    page: Any, shop: Shop, live_server: Server
) -> None:
    prepared = prepare(shop, note="Please choose what you send back.")
    found: dict[str, list[str]] = {}

    def look(name: str) -> None:
        page.wait_for_load_state("networkidle")
        page.wait_for_timeout(200)  # colors that change slowly have changed
        if faults := accessibility_faults(page):
            found[name] = faults

    page.goto(prepared.path)
    look("landing")
    press(page, "Continue")
    look("items, nothing chosen")
    press(page, "Continue")
    look("items, error")
    page.get_by_role("button", name="One more: Linen shirt").click()
    page.get_by_text("You return 1 of 6 items.").wait_for()
    for why in page.locator("summary:visible").all():
        why.click()
    look("items, chosen, explained")
    press(page, "Continue")
    look("reasons")
    press(page, "Continue")
    look("reasons, error")
    page.get_by_label("Reason", exact=True).select_option("too_small")
    page.get_by_label("Condition", exact=True).select_option("unopened")
    press(page, "Continue")
    look("sending")
    press(page, "Continue")
    look("sending, error")
    page.goto(prepared.home + "/address")
    look("address")
    page.get_by_label("Postcode").fill("x")
    press(page, "Continue")
    look("address, error")
    page.goto(prepared.home + "/sending")
    for name in ("Drop-off point", "Pick-up at home", "My own carrier"):
        page.get_by_role("radio", name=name).check()
        page.wait_for_timeout(300)
        look(f"sending, {name}")
    press(page, "Continue")
    look("check")
    press(page, "Confirm return")
    look("status, label being made")
    live_server.drain()
    page.reload()
    look("status, label made")
    for more in page.locator("summary:visible").all():
        more.click()
    look("status, opened up")
    press(page, "Cancel return")
    look("status, canceled")
    assert not found


def test_axe_finds_nothing_where_a_way_begins_or_ends(page: Any, shop: Shop, live_server: Server) -> None:
    found: dict[str, list[str]] = {}

    def look(path: str) -> None:
        page.goto(path)
        if faults := accessibility_faults(page):
            found[path] = faults

    look("/")
    look(f"/start/{shop.slug}")
    press(page, "Send me the link")
    assert accessibility_faults(page) == []
    look(f"/start/{shop.slug}/sent")
    look("/nowhere")
    look("/l/unknown")
    free = prepare(shop, None)
    page.goto(free.path)
    look(free.home + "/items")
    prepared = prepare(shop)
    live_server.app.config["CLOCK"] = lambda: datetime.now(UTC) + timedelta(days=40)
    look(prepared.path)
    press(page, "Ask for a new link")
    assert accessibility_faults(page) == []
    assert not found


# --------------------------------------------------------------------------------------------------- budgets


class Wire:
    """What goes over the wire: bytes as sent, compressed, with their headers."""

    def __init__(self, page: Any) -> None:
        self.answers: list[tuple[str, int, bool]] = []
        page.on("requestfinished", self._note)

    def _note(self, request: Any) -> None:
        sizes = request.sizes()
        swap = request.headers.get("hx-request") == "true"
        total = sizes["responseBodySize"] + sizes["responseHeadersSize"]
        self.answers.append((request.url, total, swap))


@pytest.mark.parametrize("way", ["link", "start"])
def test_the_first_view_is_small_and_asks_for_little(page: Any, shop: Shop, way: str) -> None:
    wire = Wire(page)
    page.goto(prepare(shop).path if way == "link" else f"/start/{shop.slug}")
    page.wait_for_load_state("networkidle")
    shown = [answer for answer in wire.answers if not answer[0].startswith("data:")]
    assert len(shown) <= MOST_REQUESTS, shown
    assert sum(size for _url, size, _swap in shown) <= MOST_BYTES, shown


def test_every_swap_is_small(page: Any, shop: Shop, live_server: Server) -> None:
    prepared = prepare(shop, units={"MUG": 1}, why=("too_small", "unopened"))
    page.goto(prepared.path)
    wire = Wire(page)
    page.goto(prepared.home + "/items")
    page.get_by_role("button", name="One more: Stoneware mug").click()
    page.get_by_text("You return 2 of 6 items.").wait_for()
    page.goto(prepared.home + "/reasons")
    page.get_by_label("Reason", exact=True).select_option("defective")
    page.get_by_text("This reason needs a photo").wait_for()
    page.get_by_label("Reason", exact=True).select_option("too_small")
    page.get_by_text("Needed only for").wait_for()
    press(page, "Continue")
    page.get_by_role("radio", name="QR code, no printer").check()
    page.wait_for_load_state("networkidle")
    press(page, "Continue")
    press(page, "Confirm return")
    live_server.drain()
    page.get_by_role("link", name="Receipt (PDF)").wait_for(timeout=15_000)
    swaps = [(url, size) for url, size, swap in wire.answers if swap]
    assert len(swaps) >= 4
    assert all(size <= MOST_OF_A_SWAP for _url, size in swaps), swaps
