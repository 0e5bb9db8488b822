"""The inbox: what waits for people, how much of everything there is, and what came last."""

from dataclasses import dataclass

from flask import Blueprint, url_for
from werkzeug.wrappers import Response

from portal.core.access import Actor
from portal.services import approvals, attention, cancellation_list, overview, tasks
from portal.services.cancellation_list import CancellationQueue
from portal.services.overview import Queue, Waiting
from portal.web.actor import needs, person
from portal.web.admin.refund_rows import RefundRow, refund_row
from portal.web.page import now, page
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
    actor = person()
    waiting = overview.waiting(actor)
    money = _money(actor)
    queues = [one for one in _queues(waiting) if one.queue.count]
    cancels = [one for one in _cancellations(actor) if one.queue.count]
    return page(
        "admin/desk/show.html",
        fragments=("waiting",),
        queues=queues,
        money=money,
        cancels=cancels,
        tasks=tasks.count(actor) if actor.may_somewhere("refunds.read") else 0,
        total=sum(one.queue.count for one in queues)
        + sum(one.queue.count for one in cancels)
        + sum(one.count for one in money),
        counts={state: count for state, count in waiting.counts.items() if count},
        recent=waiting.recent,
        most=overview.MOST,
        may_create=actor.may_somewhere("returns.create"),
    )


@dataclass(frozen=True, kw_only=True)
class CancellationsShown:
    """One list of cancellations that wait: its words, and where all of it is."""

    id: str
    name: str
    queue: CancellationQueue
    url: str
    tone: str
    sign: str


def _cancellations(actor: Actor) -> tuple[CancellationsShown, ...]:
    """Most urgent first: nobody hears from the warehouse, came to nothing, waits for the customer."""
    found = cancellation_list.waiting(actor, now=now())
    lists = (
        ("silent", _("Warehouse does not answer"), found.silent, {"silent": "1"}, "bad", "alert"),
        ("overtaken", _("Canceled too late"), found.ended, {"late": "1"}, "wait", "truck"),
        ("proposed", _("Waiting for the customer"), found.proposed, {"state": "proposed"}, "info", "clock"),
    )
    return tuple(
        CancellationsShown(
            id=id,
            name=name,
            queue=queue,
            url=url_for("admin.cancellations.index", **where),  # type: ignore[arg-type]
            tone=tone,
            sign=sign,
        )
        for id, name, queue, where, tone, sign in lists
    )


@dataclass(frozen=True, kw_only=True)
class MoneyShown:
    """One list of refunds that wait: its words, how many, the oldest few with what can be done about each."""

    id: str
    name: str
    count: int
    rows: tuple[RefundRow, ...]
    url: str
    tone: str
    sign: str


def _money(actor: Actor) -> tuple[MoneyShown, ...]:
    """What of money waits for this person, most urgent first; lists that are empty are left out."""
    if not actor.may_somewhere("refunds.read"):
        return ()
    found = attention.waiting(actor, now=now())
    lists = (
        ("failed", _("Failed refunds"), found.failed, "bad", "alert"),
        ("stuck", _("Stuck refunds"), found.stuck, "wait", "clock"),
        ("mine", _("Refunds for you to approve"), found.to_approve, "wait", "coins"),
    )
    ids = [row.id for _id, _name, queue, _tone, _sign in lists for row in queue.rows]
    standings = approvals.standings_of(ids, now=now())
    return tuple(
        MoneyShown(
            id=id,
            name=name,
            count=queue.count,
            rows=tuple(refund_row(row, actor, standings[row.id]) for row in queue.rows),
            url=url_for("admin.refunds.index", list=id),
            tone=tone,
            sign=sign,
        )
        for id, name, queue, tone, sign in lists
        if queue.count
    )


def _queues(waiting: Waiting) -> tuple[Shown, ...]:
    """Most urgent first. A queue shows its oldest few."""

    def shown(id: str, name: str, queue: Queue, tone: str, sign: str, **where: str) -> Shown:
        url = url_for("admin.returns.index", **where)  # type: ignore[arg-type]
        return Shown(id=id, name=name, queue=queue, url=url, tone=tone, sign=sign)

    return (
        shown("approve", _("To approve"), waiting.to_approve, "wait", "clock", state="requested"),
        shown("inspect", _("To inspect"), waiting.to_inspect, "info", "search", state="received"),
        shown("refund", _("To refund"), waiting.to_refund, "info", "coins", state="inspected"),
        shown("anew", _("New link wanted"), waiting.asked_anew, "wait", "link", state="draft"),
    )
