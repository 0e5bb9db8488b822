"""What people do on the dock's page, as tests do it: open a return, scan, save."""

from typing import Any
from uuid import UUID

from tests.html import name_of


def opened(client: Any, return_id: UUID, mode: str = "") -> Any:
    """The sheet of a return; ``grade`` looks at what is here already."""
    return client.get(f"/admin/dock/returns/{return_id}", query_string={"mode": mode} if mode else None)


def scanned(client: Any, sheet: Any, *texts: str) -> Any:
    """One scan after the other, each on the page that the one before it answered."""
    for text in texts:
        sheet = client.submit(sheet, {"scan": text}, button="Enter")
        assert sheet.status_code == 200, text
    return sheet


def received(client: Any, return_id: UUID, *texts: str, **typed: str) -> Any:
    """Scan what came out of a parcel, type the rest, save."""
    return saved(client, scanned(client, opened(client, return_id), *texts), **typed)


def graded(client: Any, return_id: UUID, *texts: str, **typed: str) -> Any:
    """Grade what is here: scan, type the rest, save."""
    return saved(client, scanned(client, opened(client, return_id, "grade"), *texts), **typed)


def saved(client: Any, sheet: Any, **typed: str) -> Any:
    """Press the button that writes it down; ``h_0_note`` is the field ``h-0-note``."""
    fields = {name.replace("_", "-"): value for name, value in typed.items()}
    return client.submit(sheet, fields, button=name_of(sheet.page.by_id("dock-save")))
