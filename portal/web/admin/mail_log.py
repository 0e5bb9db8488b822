"""The log of all e-mails: search, filters and pages stand in the address."""

from urllib.parse import quote
from uuid import UUID

from flask import Blueprint, Response, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from portal.core.lifecycles import MAIL
from portal.services import merchants
from portal.services.lists import mail_log
from portal.web.actor import needs, person
from portal.web.admin.returns import as_id
from portal.web.admin.shapes import Column, Tab
from portal.web.page import page
from portal.web.words import gettext as _
from portal.web.words import words

bp = Blueprint("mails", __name__)


@bp.get("/mails")
@needs("returns.read")
def index() -> AnyResponse:
    """Every message of my shops, newest first."""
    query, state = request.args.get("q", "").strip()[:200], request.args.get("state", "")
    state = state if state in MAIL.states else ""
    merchant_id, after = as_id(request.args.get("merchant", "")), as_id(request.args.get("after", ""))
    found = mail_log.listing(person(), query=query, state=state, merchant_id=merchant_id, after=after)
    kept = {name: value for name, value in (("q", query), ("merchant", merchant_id)) if value}
    here = {**kept, **({"state": state} if state else {})}
    return page(
        "admin/mails/index.html",
        fragments=("rows",),
        rows=found.rows,
        columns=tuple(
            Column(name=name)
            for name in (_("Message"), _("State"), _("To"), _("About"), _("When"), _("Shop"))
        ),
        tabs=_tabs(found.waiting, state, kept),
        query=query,
        state=state,
        merchant_id=merchant_id,
        merchants=merchants.of_actor(person()),
        here_url=url_for("admin.mails.index", **here, after=after),  # type: ignore[arg-type]
        next_url=url_for("admin.mails.index", **here, after=found.next) if found.next else None,  # type: ignore[arg-type]
        first_url=url_for("admin.mails.index", **here) if after else None,  # type: ignore[arg-type]
    )


def _tabs(waiting: dict[str, int], state: str, kept: dict[str, object]) -> tuple[Tab, ...]:
    every = Tab(name=_("All"), url=url_for("admin.mails.index", **kept), current=not state)  # type: ignore[arg-type]
    return (
        every,
        *(
            Tab(
                name=words().state("mail", one).name,
                url=url_for("admin.mails.index", state=one, **kept),  # type: ignore[arg-type]
                current=state == one,
                count=waiting.get(one),
            )
            for one in MAIL.states
        ),
    )


@bp.get("/messages/<uuid:mail_id>/attachments/<string:name>")
@needs("returns.read")
def attachment(mail_id: UUID, name: str) -> Response:
    """A paper that went with a message."""
    found = mail_log.attachment(person(), mail_id, name)
    return Response(
        found.content,
        content_type=found.media_type,
        headers={"Content-Disposition": f"attachment; filename*=UTF-8''{quote(found.name)}"},
    )
