"""The list of refunds: what waits for people, or those of a state, as a page and as a file."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from flask import Response as Answer
from flask import request, url_for
from werkzeug.wrappers import Response

from portal.core.lifecycles import REFUND
from portal.core.money import major
from portal.services import merchants
from portal.services.paying import approvals
from portal.services.refunding import attention, refunds
from portal.services.refunding.refunds import RefundFacts
from portal.web.actor import needs, person
from portal.web.admin import list_file
from portal.web.admin.refund_rows import refund_row
from portal.web.admin.refunds import bp
from portal.web.admin.returns import as_id
from portal.web.admin.shapes import Column, Tab
from portal.web.page import now, page
from portal.web.words import gettext as _
from portal.web.words import words

PER_PAGE = 50
LISTS = ("mine", "failed", "stuck")
"""What waits for people, each a list of its own, oldest first."""


@bp.get("/refunds")
@needs("refunds.read")
def index() -> Response:
    """What waits, oldest first; or the refunds of a state, newest first."""
    after, actor = as_id(request.args.get("after", "")), person()
    state, which, rows = _listed(after=after, limit=PER_PAGE + 1)
    shown = rows[:PER_PAGE]
    kept = {"state": state or None, "list": which or None}
    more = {**kept, "after": shown[-1].id} if len(rows) > PER_PAGE else None
    standings = approvals.standings_of([row.id for row in shown], now=now())
    return page(
        "admin/refunds/index.html",
        fragments=("rows",),
        here=request.full_path.rstrip("?"),
        rows=[refund_row(row, actor, standings[row.id]) for row in shown],
        tabs=_tabs(state, which),
        state=state or which,
        columns=(
            Column(name=_("Refund")),
            Column(name=_("State")),
            Column(name=_("Amount"), number=True),
            Column(name=_("Return")),
            Column(name=_("By")),
            Column(name=_("Made")),
        ),
        next_url=url_for("admin.refunds.index", **more) if more else None,  # type: ignore[arg-type]
        first_url=url_for("admin.refunds.index", **kept) if after else None,  # type: ignore[arg-type]
        csv_url=url_for("admin.refunds.table", **kept),  # type: ignore[arg-type]
    )


def _listed(*, after: UUID | None = None, limit: int) -> tuple[str, str, tuple[RefundFacts, ...]]:
    """The state, or the list of what waits, that the address asks for, and its refunds."""
    state = request.args.get("state", "")
    which = request.args.get("list", "") if not state else ""
    state, which = (state if state in REFUND.states else ""), (which if which in LISTS else "")
    rows = (
        attention.listing(person(), which, after=after, limit=limit, now=now())
        if which
        else refunds.listing(person(), state=state or None, after=after, limit=limit)
    )
    return state, which, rows


@bp.get("/refunds.csv")
@needs("refunds.read")
def table() -> Answer:
    """The list as it is filtered, as CSV; amounts in whole units of their currency, codes instead of words."""
    shops = {one.id: one.name for one in merchants.of_actor(person())}
    head = (
        "refund", "state", "amount", "currency", "return", "customer", "by", "reason", "made_at", "approved_at",
        "refunded_at", "tenders", "shop",
    )  # fmt: skip

    def at(moment: datetime | None) -> str:
        return moment.isoformat(timespec="seconds") if moment else ""

    def told(row: RefundFacts) -> list_file.Row:
        return (
            row.number, row.state, f"{major(row.amount, row.currency):f}", row.currency, row.return_number,
            row.customer, row.created_by, row.reason, at(row.created_at), at(row.approved_at), at(row.succeeded_at),
            " ".join(sorted({payout.tender for payout in row.current})), shops.get(row.merchant_id, ""),
        )  # fmt: skip

    def read(after: UUID | None) -> tuple[Sequence[RefundFacts], UUID | None]:
        return list_file.by_id(_listed(after=after, limit=list_file.AT_ONCE)[2])

    return list_file.streamed(head, told, read, "refunds.csv")


def _tabs(state: str, which: str) -> list[Tab]:
    waiting = attention.waiting(person(), now=now())
    lists = (
        ("mine", _("For me to approve"), waiting.to_approve.count),
        ("failed", _("Failed"), waiting.failed.count),
        ("stuck", _("Stuck"), waiting.stuck.count),
    )
    tabs = [Tab(name=_("All"), url=url_for("admin.refunds.index"), current=not state and not which)]
    tabs += [
        Tab(name=name, url=url_for("admin.refunds.index", list=one), current=one == which, count=count)
        for one, name, count in lists
    ]
    return tabs + [
        Tab(
            name=words().state("refund", one).name,
            url=url_for("admin.refunds.index", state=one),
            current=one == state,
        )
        for one in REFUND.states
        if one != "failed"
    ]
