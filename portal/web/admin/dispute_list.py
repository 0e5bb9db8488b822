"""The list of disputes: what is open, the one due first on top, as a page and as a file."""

from collections.abc import Sequence

from flask import Response as Answer
from flask import request, url_for
from werkzeug.wrappers import Response

from portal.core.disputes import GROUNDS, OPEN, WAITS_FOR_MERCHANT
from portal.core.lifecycles import DISPUTE
from portal.core.money import major
from portal.services import disputes, merchants
from portal.services.disputes.listing import DisputeRow, Listing
from portal.web.actor import needs, person
from portal.web.admin import list_file
from portal.web.admin.disputes import bp, time_left
from portal.web.admin.returns import as_id
from portal.web.admin.shapes import Column, Tab
from portal.web.page import now, page, redirect_to
from portal.web.words import gettext as _
from portal.web.words import words
from portal.words import disputing


@bp.get("/disputes")
@needs("disputes.read")
def index() -> Response:
    """What is open, the one due first on top; filters stand in the address, a number typed goes straight there."""
    after = request.args.get("after", "0")
    found, kept = _listed(after=int(after) if after.isdecimal() and len(after) < 8 else 0)
    if found.exact is not None and "HX-Request" not in request.headers:
        return redirect_to(url_for("admin.disputes.show", dispute_id=found.exact))
    shops = {one.id: one for one in merchants.of_actor(person())}
    return page(
        "admin/disputes/index.html",
        fragments=("rows",),
        rows=[(row, disputing.ground(words(), row.ground), time_left(row.until)) for row in found.rows],
        tabs=_tabs(found.counts, kept),
        grounds=[(code, disputing.ground(words(), code)) for code in GROUNDS],
        shops=shops,
        kept=kept,
        waits=WAITS_FOR_MERCHANT,
        columns=(
            Column(name=_("Dispute")),
            Column(name=_("State")),
            Column(name=_("Customer")),
            Column(name=_("Ground")),
            Column(name=_("Contested"), number=True),
            Column(name=_("Due")),
        ),
        live_url=url_for("admin.disputes.index", **kept, after=after if after != "0" else None),  # type: ignore[arg-type]
        next_url=url_for("admin.disputes.index", **kept, after=found.next) if found.next else None,  # type: ignore[arg-type]
        first_url=url_for("admin.disputes.index", **kept) if after != "0" else None,  # type: ignore[arg-type]
        csv_url=url_for("admin.disputes.table", **kept),  # type: ignore[arg-type]
    )


def _listed(**part: int) -> tuple[Listing, dict[str, str]]:
    """What the address asks for, and its filters as they go on to the next page."""
    asked = {
        name: request.args.get(name, "").strip() for name in ("q", "state", "ground", "merchant", "late")
    }
    if asked["state"] not in (*DISPUTE.states, "all"):
        asked["state"] = ""
    if asked["ground"] not in GROUNDS:
        asked["ground"] = ""
    found = disputes.listing(
        person(),
        state=asked["state"],
        ground=asked["ground"],
        query=asked["q"],
        merchant_id=as_id(asked["merchant"]),
        late=bool(asked["late"]),
        now=now(),
        **part,
    )
    return found, {name: value for name, value in asked.items() if value}


@bp.get("/disputes.csv")
@needs("disputes.read")
def table() -> Answer:
    """The list as it is filtered, as CSV; amounts in whole units of their currency, codes instead of words."""
    shops = {one.id: one.name for one in merchants.of_actor(person())}
    head = (
        "dispute", "state", "ground", "return", "customer", "contested", "offered", "offered_by", "currency",
        "opened_at", "due_at", "shop",
    )  # fmt: skip

    def said(amount: int | None, currency: str) -> str:
        return "" if amount is None else f"{major(amount, currency):f}"

    def told(row: DisputeRow) -> list_file.Row:
        return (
            row.number, row.state, row.ground, row.return_number, row.customer, said(row.claimed, row.currency),
            said(row.offered, row.currency), "" if row.offered is None else "customer" if row.by_customer else "shop",
            row.currency, row.opened_at.isoformat(timespec="seconds"),
            row.until.isoformat(timespec="seconds") if row.until else "", shops.get(row.merchant_id, ""),
        )  # fmt: skip

    def read(after: int | None) -> tuple[Sequence[DisputeRow], int | None]:
        found, _kept = _listed(after=after or 0, limit=list_file.AT_ONCE)
        return found.rows, int(found.next) if found.next else None

    return list_file.streamed(head, told, read, "disputes.csv")


def _tabs(counts: dict[str, int], kept: dict[str, str]) -> tuple[Tab, ...]:
    others = {name: value for name, value in kept.items() if name != "state"}
    state = kept.get("state", "")

    def tab(name: str, value: str, count: int) -> Tab:
        url = url_for("admin.disputes.index", **others, state=value or None)  # type: ignore[arg-type]
        return Tab(name=name, url=url, current=state == value, count=count)

    states = [one for one in DISPUTE.states if counts.get(one) or state == one]
    return (
        tab(_("Open"), "", sum(counts.get(one, 0) for one in OPEN)),
        *(tab(words().state("dispute", one).name, one, counts.get(one, 0)) for one in states),
        tab(_("All"), "all", sum(counts.values())),
    )
