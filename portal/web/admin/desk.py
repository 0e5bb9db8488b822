"""The inbox: what waits for people, how much of everything there is, and what came last."""

from dataclasses import dataclass

from flask import Blueprint, url_for
from werkzeug.wrappers import Response

from portal.services import overview
from portal.services.overview import Queue, Waiting
from portal.web.actor import needs, person
from portal.web.page import page
from portal.web.words import gettext as _

bp = Blueprint("desk", __name__)


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One queue of the inbox with its words, and where all of it is."""

    id: str
    name: str
    queue: Queue
    url: str
    tone: str
    sign: str


@bp.get("/")
@needs("returns.read")
def show() -> Response:
    """What waits, the counts by state, the newest returns."""
    waiting = overview.waiting(person())
    queues = [one for one in _queues(waiting) if one.queue.count]
    return page(
        "admin/desk/show.html",
        fragments=("waiting",),
        queues=queues,
        total=sum(one.queue.count for one in queues),
        counts={state: count for state, count in waiting.counts.items() if count},
        recent=waiting.recent,
        most=overview.MOST,
        may_create=person().may_somewhere("returns.create"),
    )


def _queues(waiting: Waiting) -> tuple[Shown, ...]:
    """Most urgent first. A queue shows its oldest few."""

    def shown(id: str, name: str, queue: Queue, tone: str, sign: str, **where: str) -> Shown:
        url = url_for("admin.returns.index", **where)  # type: ignore[arg-type]
        return Shown(id=id, name=name, queue=queue, url=url, tone=tone, sign=sign)

    return (
        shown("failed", _("Refund needs attention"), waiting.failed_refunds, "bad", "alert"),
        shown("approve", _("To approve"), waiting.to_approve, "wait", "clock", state="requested"),
        shown("inspect", _("To inspect"), waiting.to_inspect, "info", "search", state="received"),
        shown("refund", _("To refund"), waiting.to_refund, "info", "coins", state="inspected"),
        shown("anew", _("New link wanted"), waiting.asked_anew, "wait", "link", state="draft"),
    )
