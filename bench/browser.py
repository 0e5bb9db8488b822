"""W7: what a real browser is sent and what it shows: bytes, requests, largest paint, shifted layout."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from bench import flow, shop
from bench.ground import ground, web
from bench.tables import Result
from bench.visitor import HttpVisitor
from tests import browsing

OBSERVED = """
window.painted = 0; window.shifted = 0;
new PerformanceObserver(l => { for (const e of l.getEntries()) window.painted = e.startTime; })
  .observe({type: 'largest-contentful-paint', buffered: true});
new PerformanceObserver(l => { for (const e of l.getEntries()) if (!e.hadRecentInput) window.shifted += e.value; })
  .observe({type: 'layout-shift', buffered: true});
"""


@dataclass
class Wire:
    """Bytes as sent over the wire, with headers, and how many answers there were."""

    sizes: list[int] = field(default_factory=list)

    def listen(self, tab: Any) -> None:
        session = tab.context.new_cdp_session(tab)
        session.send("Network.enable")
        session.on("Network.loadingFinished", lambda told: self.sizes.append(int(told["encodedDataLength"])))

    def taken(self) -> tuple[int, int]:
        asked = [size for size in self.sizes if size]  # what the browser had already has no size
        self.sizes = []
        return sum(asked), len(asked)


def w7() -> Result:
    """The customer's way on a phone, the first page with an empty cache; one web process, SQLite."""
    rows: list[tuple[object, ...]] = []
    with ground("sqlite") as on, browsing.chromium() as browser, web(on, processes=1):
        app = on.app()
        order = shop.stock_up(app, shop.open_shop(app), [5], prefix="seen")[0]
        staff = HttpVisitor(on.url)
        flow.sign_in(staff)
        _id, link = flow.send_link(staff, order)
        context = browser.new_context(base_url=on.url, viewport=browsing.PHONE, locale="en-GB")
        context.add_init_script(OBSERVED)
        tab, wire = context.new_page(), Wire()
        wire.listen(tab)
        tab.goto(link)
        rows.append(_seen("landing, cold", tab, wire))
        _press(tab)
        rows.append(_seen("items", tab, wire))
        tab.get_by_role("button", name="One more").first.click()
        rows.append(_seen("  a unit more (swap)", tab, wire))
        _press(tab)
        rows.append(_seen("reasons", tab, wire))
        _answered(tab)
        rows.append(_seen("  answers (swaps)", tab, wire))
        _press(tab)
        rows.append(_seen("sending", tab, wire))
        tab.get_by_role("radio", name="QR code").check()
        rows.append(_seen("  another way (swap)", tab, wire))
        _press(tab)
        rows.append(_seen("check", tab, wire))
        tab.locator("main form button[type=submit]").last.click()
        tab.wait_for_url("**/status")
        rows.append(_seen("status", tab, wire))
        context.close()
    return Result(
        name="W7",
        title="what a browser is sent and shows; 360 px, one web process, SQLite",
        columns=("page", "bytes on the wire", "requests", "largest paint ms", "layout shift"),
        rows=rows,
        notes=["Cold: nothing cached. Bytes with headers; what comes from the cache is no request."],
    )


def _seen(name: str, tab: Any, wire: Wire) -> tuple[object, ...]:
    tab.wait_for_timeout(
        1000
    )  # a swap waits a moment for the next key; a late paint or shift still belongs to it
    tab.wait_for_load_state("networkidle")
    size, count = wire.taken()
    painted, shifted = tab.evaluate("[window.painted, window.shifted]")
    swap = name.startswith("  ")
    return name, size, count, "" if swap else float(painted), f"{shifted:.3f}"


def _press(tab: Any) -> None:
    with tab.expect_navigation():
        tab.locator("button.button-primary:visible").last.click()


def _answered(tab: Any) -> None:
    for select in tab.locator("select[name^=reason-]").all():
        select.select_option("does_not_fit")
    for choice in tab.locator("input[name^=condition-][value=opened_unused]").all():
        choice.check(force=True)
    for select in tab.locator("select[name^=condition-]").all():
        select.select_option("opened_unused")
