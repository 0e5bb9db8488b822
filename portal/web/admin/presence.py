"""Two people on one return see each other: its pages say every ten seconds who has them open."""

from dataclasses import dataclass
from uuid import UUID

from flask import Blueprint, request, url_for
from werkzeug.wrappers import Response

from portal.services.handling import presence
from portal.services.handling.presence import DOING, Present
from portal.web.actor import by_itself, needs, person
from portal.web.page import now, page
from portal.web.words import gettext as _

bp = Blueprint("presence", __name__)


@dataclass(frozen=True, kw_only=True)
class Around:
    """What the fragment shows, and where it asks for itself."""

    url: str
    told: tuple[str, ...] = ()
    at_once: bool = True
    """Whether it asks as soon as it is there; an answer waits for the next time."""


def around(return_id: UUID, doing: str = "") -> Around:
    """For a page of a return: the place that fills itself. ``doing`` is one of ``DOING``."""
    return Around(url=url_for("admin.presence.show", return_id=return_id, doing=doing or None))


@bp.get("/returns/<uuid:return_id>/presence")
@needs("returns.read")
@by_itself
def show(return_id: UUID) -> Response:
    """I have it open; who else has? Asking keeps nobody signed in."""
    doing = request.args.get("doing", "")
    doing = doing if doing in DOING else ""
    presence.here(person(), return_id, doing, now())
    found = presence.others(person(), return_id, now())
    url = around(return_id, doing).url
    answer = page(
        "admin/returns/present.html",
        fragments=("presence",),
        presence=Around(url=url, told=tuple(said(one) for one in found), at_once=False),
        back=url_for("admin.returns.show", return_id=return_id),
    )
    answer.headers["Cache-Control"] = "no-store"
    return answer


def said(one: Present) -> str:
    """One sentence about somebody who is here."""
    sentences = {
        "decide": _("%(name)s is deciding this.", name=one.name),
        "receive": _("%(name)s is receiving this.", name=one.name),
        "inspect": _("%(name)s is inspecting this.", name=one.name),
        "refund": _("%(name)s is working on its refund.", name=one.name),
        "close": _("%(name)s is closing this.", name=one.name),
        "reopen": _("%(name)s is reopening this.", name=one.name),
        "message": _("%(name)s is writing to the customer.", name=one.name),
        "dispute": _("%(name)s is working on its dispute.", name=one.name),
    }
    return sentences.get(one.doing) or _("%(name)s is looking at this.", name=one.name)
