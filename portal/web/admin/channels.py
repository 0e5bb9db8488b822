"""What shops' own systems are told: every message, how it went, and telling again what failed."""

from __future__ import annotations

import json
from uuid import UUID

from flask import Blueprint, request, url_for
from werkzeug.wrappers import Response

from portal.core.lifecycles import MAIL, IllegalStep
from portal.services import channels
from portal.web.actor import needs, person
from portal.web.admin.returns import as_id
from portal.web.admin.shapes import Column, Tab
from portal.web.page import now, page, redirect_to, tell
from portal.web.words import gettext as _
from portal.web.words import words

bp = Blueprint("channels", __name__, url_prefix="/channels")

PER_PAGE = 50


@bp.get("")
@needs("work.manage")
def index() -> Response:
    """Every message, the newest first; of one state where that is asked for."""
    state = request.args.get("state", "")
    state = state if state in MAIL.states else ""
    after, counts = as_id(request.args.get("after", "")), channels.counts(person())
    rows = channels.listing(person(), state=state or None, after=after, limit=PER_PAGE + 1)
    shown = rows[:PER_PAGE]
    kept = {"state": state or None}
    return page(
        "admin/channels/index.html",
        rows=[(row, words().event(row.topic)) for row in shown],
        tabs=_tabs(state, counts),
        state=state,
        columns=(
            Column(name=_("Message")),
            Column(name=_("Order")),
            Column(name=_("State")),
            Column(name=_("Written")),
            Column(name=_("Do")),
        ),
        next_url=url_for("admin.channels.index", after=shown[-1].id, **kept)  # type: ignore[arg-type]
        if len(rows) > PER_PAGE
        else None,
        first_url=url_for("admin.channels.index", **kept) if after else None,  # type: ignore[arg-type]
    )


def _tabs(state: str, counts: dict[str, int]) -> list[Tab]:
    every = Tab(name=_("All"), url=url_for("admin.channels.index"), current=not state)
    return [
        every,
        *(
            Tab(
                name=words().state("channel", one).name,
                url=url_for("admin.channels.index", state=one),
                current=state == one,
                count=counts.get(one, 0),
            )
            for one in MAIL.states
        ),
    ]


@bp.get("/<uuid:message_id>")
@needs("work.manage")
def show(message_id: UUID) -> Response:
    """One message: what it says, word for word, and how it went."""
    row, payload = channels.one(person(), message_id)
    return page(
        "admin/channels/show.html",
        row=row,
        name=words().event(row.topic),
        payload=json.dumps(payload, indent=2, ensure_ascii=False, sort_keys=True),
    )


@bp.post("/<uuid:message_id>/resumption")
@needs("work.manage")
def resend(message_id: UUID) -> Response:
    """Tell it once more, in the same words."""
    try:
        channels.resend(person(), message_id, now=now())
        tell(_("It is sent again in a moment."))
    except IllegalStep:
        tell(_("This message did not fail."), "bad")
    return redirect_to(url_for("admin.channels.index"))
