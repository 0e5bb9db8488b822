"""A real browser: Debian's Chromium from the PATH, or Playwright's own; never none."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Request, expect, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
QUIET = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)
PHONE = {"width": 360, "height": 740}
DESK = {"width": 1280, "height": 900}
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

EXPECTED = ("Failed to load resource", "htmx:sendAbort", "htmx:afterRequest")
"""What the console says of a journey's own steps: answers such as 422 and 404, and a page that is left while it
asks. htmx reports the end of whatever failed as well, after it has said what it was."""


def environ(name: str) -> str:
    return os.environ.get(name, "")


@contextmanager
def chromium() -> Iterator[Browser]:
    expect.set_options(timeout=30_000)
    with sync_playwright() as playwright:
        path = next(filter(None, map(shutil.which, NAMES)), None)
        if path is None and not os.path.exists(playwright.chromium.executable_path):
            raise RuntimeError("There is no Chromium: run `python3 dev.py test`, which installs one")
        flags = [*QUIET, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
        browser = playwright.chromium.launch(executable_path=path, args=flags)
        yield browser
        browser.close()


scripted: WeakKeyDictionary[Page, bool] = WeakKeyDictionary()
"""Whether each page that was opened may run scripts."""


class Watch:
    """Notes what a page must never do: errors in its scripts, broken policy, a call to a third party."""

    def __init__(self) -> None:
        self.faults: list[str] = []

    def on(self, page: Page, base_url: str, elsewhere: str = "") -> None:
        """``elsewhere`` is a place that people are led to on purpose; what its pages do is its own affair."""
        own = (urlsplit(base_url).netloc, urlsplit(elsewhere).netloc)
        page.on("pageerror", lambda error: self.faults.append(f"a script failed: {error}"))
        page.on(
            "console",
            lambda message: (
                None
                if elsewhere and message.location.get("url", "").startswith(elsewhere)
                else self._said(message.type, message.text)
            ),
        )
        page.on("request", lambda request: self._asked(request, own))

    def _said(self, kind: str, text: str) -> None:
        if kind == "error" and not text.startswith(EXPECTED) and "Response Status" not in text:
            self.faults.append(f"the console says: {text}")

    def _asked(self, request: Request, own: tuple[str, str]) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in ("http", "https") and parts.netloc not in own:
            self.faults.append(f"a third party is asked: {request.url}")


@contextmanager
def visitors(browser: Browser, *, javascript: bool) -> Iterator[Callable[..., Page]]:
    """Gives a function that opens a visitor's tab; at the end their pages must have been without fault."""
    watch, contexts = Watch(), []

    def visit(
        *, base_url: str, viewport: dict[str, int] | None = None, elsewhere: str = "", **more: Any
    ) -> Page:
        context = browser.new_context(
            base_url=base_url,
            viewport=viewport or PHONE,
            java_script_enabled=javascript,
            locale="en-GB",
            **more,
        )
        context.set_default_timeout(30_000)
        contexts.append(context)
        page = context.new_page()
        scripted[page] = javascript
        watch.on(page, base_url, elsewhere)
        return page

    try:
        yield visit
    finally:
        for context in contexts:
            context.close()
    assert not watch.faults, "\n".join(watch.faults)


def accessibility_faults(page: Page) -> list[str]:
    """What axe finds on the page as it stands: light and dark, phone and desk.

    axe is a script itself: in a visit without JavaScript it would wait for ever, so that is refused.
    """
    if not scripted.get(page, True):
        raise ValueError('axe needs a visit with JavaScript: @pytest.mark.parametrize("javascript", [True])')
    found: list[str] = []
    before = page.viewport_size
    options = {"runOnly": {"type": "tag", "values": WCAG}, "resultTypes": ["violations"]}
    page.evaluate(Axe().axe_script)
    for size in (PHONE, DESK):
        for scheme in ("light", "dark"):
            page.set_viewport_size(size)  # type: ignore[arg-type]
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
            for violation in page.evaluate("async options => (await axe.run(options)).violations", options):
                for node in violation["nodes"]:
                    where = f"{size['width']} px, {scheme}: {violation['id']}: {node['target']}"
                    found.append(f"{where} {node.get('failureSummary', '')}")
            width = page.evaluate("document.documentElement.scrollWidth")
            if width > size["width"]:
                found.append(
                    f"{size['width']} px, {scheme}: the page is {width} px wide and scrolls sideways"
                )
    page.emulate_media(color_scheme="light", reduced_motion="no-preference")
    if before:
        page.set_viewport_size(before)
    return found
