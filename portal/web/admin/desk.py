"""The inbox: what waits for people, how much of everything there is, and what came last."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import Blueprint, request, url_for
from werkzeug.wrappers import Response

from portal.core.access import Actor
from portal.services import tasks
from portal.services.lists import boards, cancellation_list, overview
from portal.services.lists.boards import WHO, Inbox, Item
from portal.services.lists.cancellation_list import CancellationQueue
from portal.services.lists.overview import Queue, Waiting
from portal.services.paying import approvals
from portal.services.refunding import attention
from portal.web.actor import needs, person
from portal.web.admin.refund_rows import RefundRow, refund_row
from portal.web.admin.shapes import Tab
from portal.web.page import now, page
from portal.web.words import gettext as _
from portal.web.words import words

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
    """What waits, the counts by state, the newest returns; ``kind`` and ``who`` narrow what waits."""
    actor = person()
    who = request.args.get("who", "me")
    who = who if who in WHO else "me"
    kind = request.args.get("kind", "")
    kind = kind if kind in boards.KINDS else ""
    at = now()
    found = boards.inbox(actor, now=at, kind=kind or None, who=who)
    waiting = overview.waiting(actor)
    money = _money(actor)
    queues = [one for one in _queues(waiting) if one.queue.count]
    cancels = [one for one in _cancellations(actor) if one.queue.count]
    return page(
        "admin/desk/show.html",
        fragments=("inbox", "waiting"),
        inbox=found,
        waits=[_waits(item, at) for item in found.items],
        kinds=_kinds(found, kind, who),
        kind=kind,
        who=who,
        here=url_for("admin.desk.show", **_where(kind, who)),
        whose=[
            Tab(name=name, url=url_for("admin.desk.show", **_where(kind, code)), current=code == who)
            for code, name in (("me", _("Mine and nobody's")), ("all", _("Everybody's")))
        ],
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


def _where(kind: str, who: str) -> dict[str, Any]:
    """The address of the inbox narrowed so; what is usual is left out."""
    return ({"kind": kind} if kind else {}) | ({"who": who} if who != "me" else {})


@dataclass(frozen=True, kw_only=True)
class Waits:
    """One thing that waits, with its words, its clock and where it is done."""

    item: Item
    name: str
    who: str
    tone: str
    icon: str
    url: str
    clock: str
    late: bool


def _kind_words() -> dict[str, tuple[str, str, str]]:
    """kind -> its name, tone and icon."""
    return {
        "decide": (_("To approve"), "wait", "clock"),
        "reply": (_("Customer has written"), "wait", "mail"),
        "dispute": (_("Dispute"), "wait", "alert"),
        "escalated": (_("Escalated dispute"), "bad", "alert"),
        "inspect": (_("To inspect"), "info", "search"),
        "unexpected": (_("Unexpected goods"), "wait", "box"),
        "refund": (_("To refund"), "info", "coins"),
        "approve_refund": (_("Refund to approve"), "wait", "coins"),
        "failed_refund": (_("Failed refund"), "bad", "alert"),
        "task": (_("Task"), "info", "check"),
    }


def _kinds(found: Inbox, kind: str, who: str) -> list[Tab]:
    """All, and each kind that there is, as tabs; the one that is chosen stays, also when it is empty."""
    everything = Tab(
        name=_("All"), url=url_for("admin.desk.show", **_where("", who)), current=not kind, count=found.total
    )
    return [everything] + [
        Tab(
            name=name,
            url=url_for("admin.desk.show", **_where(code, who)),
            current=code == kind,
            count=found.counts.get(code, 0),
        )
        for code, (name, _tone, _icon) in _kind_words().items()
        if found.counts.get(code) or code == kind
    ]


def _waits(item: Item, at: datetime) -> Waits:
    name, tone, icon = _kind_words()[item.kind]
    late = item.overdue(at)
    return Waits(
        item=item,
        name=name,
        who=words().task(item.who) if item.kind == "task" else item.who,
        tone="bad" if late else tone,
        icon=icon,
        url=_done_at(item),
        clock=_clock(item, at),
        late=late,
    )


def _clock(item: Item, at: datetime) -> str:
    if item.due_at is None:
        return ""
    left = words().duration(abs(item.due_at - at))
    return _("%(time)s late", time=left) if item.overdue(at) else _("%(time)s left", time=left)


def _done_at(item: Item) -> str:
    """The page on which it is done."""
    match item.kind:
        case "dispute" | "escalated":
            return url_for("admin.disputes.show", dispute_id=item.subject_id)
        case "unexpected":
            return url_for("admin.dock.unexpected")
        case "task":
            return url_for("admin.tasks.index")
        case "refund" | "approve_refund" | "failed_refund":
            return url_for("admin.returns.show", return_id=item.subject_id, _anchor="refund")
        case "reply":
            return url_for("admin.returns.show", return_id=item.subject_id, _anchor="thread")
        case _:
            return url_for("admin.returns.show", return_id=item.subject_id)


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
    """What the inbox does not tell of, since it has no clock."""
    return (
        Shown(
            id="anew",
            name=_("New link wanted"),
            queue=waiting.asked_anew,
            url=url_for("admin.returns.index", state="draft"),
            tone="wait",
            sign="link",
        ),
    )
