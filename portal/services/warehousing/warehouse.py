"""The warehouse is told what it must not send: as durable work, under one key, and its answer is recorded once.

A silent warehouse is asked for as long as it is silent; after a quarter of an hour a person is told, and may
record what it said on the phone. It is asked on all the same: only what it has heard itself does it leave out.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from portal import faults
from portal.core.access import SYSTEM, Actor, Conflict, NotFound
from portal.core.logistics import CANNOT, PENDING, RELEASED, SHIPPED, LeaveOut, LeaveOutAnswer
from portal.db import cancellations as stored
from portal.db import history
from portal.db.base import db, transaction
from portal.db.cancellations import GATED, Cancellation
from portal.db.returns import Return
from portal.ports import Declined, Gateways, Unavailable, Warehouse
from portal.services import scope, tasks, work
from portal.services.cancellations import ending
from portal.services.warehousing import left_out

log = logging.getLogger(__name__)

SILENT_AFTER = timedelta(minutes=15)
"""Without an answer for so long, a person is told."""

PAUSE = timedelta(minutes=2)
"""Between two looks at a request that the warehouse has not decided."""

REFUSED_PAUSE = 300
"""Seconds until a warehouse is asked again that did not understand, or does not let us in."""

SILENT, AFTER_RELEASE, CONTRADICTS = "warehouse_silent", "shipped_after_release", "warehouse_contradicts"


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """What the warehouse is asked. ``again``: it was asked before; ``may_send``: and may be asked anew."""

    request: LeaveOut
    key: str
    again: bool
    may_send: bool


# ------------------------------------------------------------------------------------------------------- asking


def leave_out(return_id: UUID, *, gateways: Gateways, now: datetime) -> None:
    """Tell the warehouse, or look what became of it where it was told before. Raises ``Unavailable`` for another try.

    No transaction is open meanwhile, and nothing is sent again before it was looked up.
    """
    asked = _begin(return_id, now=now)
    if asked is None:
        return
    if not asked.request.lines:
        record(
            return_id, LeaveOutAnswer(state=RELEASED), now=now
        )  # a name of a bundle is nothing to be left out
        return
    try:
        answer = _answer(_connected(return_id, gateways), asked)
    except Unavailable as problem:
        _unheard(return_id, "unavailable", str(problem), now=now)
        raise
    except Declined as problem:
        faults.point("after_http_response")
        _unheard(return_id, problem.code, problem.message, now=now, at_once=True)
        raise Unavailable(f"the warehouse: {problem}", retry_after=REFUSED_PAUSE) from problem
    faults.point("after_http_response")
    if answer is not None:
        record(return_id, answer, now=now)
    elif not asked.may_send:
        _never_arrived(return_id)


def _connected(return_id: UUID, gateways: Gateways) -> Warehouse:
    """The warehouse that this one is to be asked at. Raises ``Declined`` where it is connected no more."""
    code = db.session.scalar(sa.select(Cancellation.warehouse).where(Cancellation.return_id == return_id))
    db.session.commit()  # nothing is read while the warehouse is waited for
    if gateways.warehouse is None or gateways.warehouse.code != code:
        raise Declined("no_warehouse", f"{code} is not connected")
    return gateways.warehouse


def _answer(warehouse: Warehouse, asked: _Asked) -> LeaveOutAnswer | None:
    known = warehouse.look_up(asked.key) if asked.again else None
    if known is not None or not asked.may_send:
        return known
    faults.point("before_http")
    return warehouse.leave_out(asked.request, key=asked.key)


def _begin(return_id: UUID, *, now: datetime) -> _Asked | None:
    """Note that the warehouse is about to be asked; None where it has answered."""
    with transaction():
        held = stored.hold(return_id)
        if held is None or not _is_open(held[1]):
            return None
        row, beside = held
        again = beside.asked_at is not None
        if "asked" not in beside.answer:
            beside.answer = beside.answer | {"asked": left_out.kept(left_out.request_of(row))}
        if not again:
            beside.asked_at = now
            _happened(SYSTEM, row, "warehouse.asked", now, key=beside.warehouse_key)
        beside.next_ask_at = now + PAUSE
        asked = left_out.read(beside.answer["asked"])
        may_send = beside.warehouse_state in (*GATED, RELEASED)
        return _Asked(request=asked, key=beside.warehouse_key or "", again=again, may_send=may_send)


def _is_open(beside: Cancellation) -> bool:
    """Whether the warehouse itself has still to say something: also where a person has said it for it."""
    by_person = beside.answer.get("by") == "person" and not beside.answer.get("heard")
    return beside.warehouse_state in GATED or (by_person and beside.warehouse_key is not None)


def _never_arrived(return_id: UUID) -> None:
    """A person said that nothing is left out, and the warehouse was never asked to: there is nothing to look for."""
    with transaction():
        held = stored.hold(return_id)
        if held is not None and _is_open(held[1]):
            held[1].answer = held[1].answer | {"heard": {"state": "none"}}
            held[1].next_ask_at = None


def ask_due(*, gateways: Gateways, now: datetime, limit: int = 50) -> int:
    """Look after what has waited long enough, and none of it by two at once; answers how many that were.

    What was taken and not decided is looked up; of what was never taken, its own work goes on asking.
    """
    with transaction():
        due = (
            sa.select(Cancellation.id)
            .where(Cancellation.next_ask_at <= now)
            .order_by(Cancellation.next_ask_at)
        )
        taken = db.session.execute(
            sa.update(Cancellation)
            .where(Cancellation.id.in_(due.limit(limit)), Cancellation.next_ask_at <= now)
            .values(next_ask_at=now + PAUSE)
            .returning(Cancellation.return_id)
        ).all()
    for (return_id,) in sorted(taken):
        try:
            leave_out(return_id, gateways=gateways, now=now)
        except Unavailable as problem:
            log.warning("the warehouse does not answer: %s", problem)
        except Exception:
            db.session.rollback()
            log.exception("a warehouse could not be asked", extra={"return": str(return_id)})
    tell_of_silent(now=now)
    return len(taken)


# ---------------------------------------------------------------------------------------------------- recording


def record(return_id: UUID, answer: LeaveOutAnswer, *, now: datetime) -> str:
    """Write down what the warehouse said, once, with all that follows; answers what became of it, as a code."""
    with transaction():
        outcome = noted(return_id, answer, now=now)
        faults.point("before_result_commit")
    faults.point("after_result_commit")
    return outcome


def noted(return_id: UUID, answer: LeaveOutAnswer, *, now: datetime) -> str:
    """``record`` in the caller's transaction."""
    held = stored.hold(return_id)
    if held is None:
        return "unknown"
    row, beside = held
    if not _is_open(beside):
        return _repeated(row, beside, answer, now)
    if answer.state == PENDING:
        _pending(row, beside, answer, now)
        return PENDING
    by_person = beside.answer.get("by") == "person"
    if by_person and answer.state != beside.answer.get("state"):
        beside.answer = beside.answer | {"heard": _said(answer)}
        beside.next_ask_at = None
        return _repeated(row, beside, answer, now)
    tasks.done(SILENT, str(return_id), merchant_id=row.merchant_id, now=now, note=answer.state)
    if by_person:
        beside.answer, beside.next_ask_at = beside.answer | {"heard": _said(answer)}, None
        return "confirmed"
    _settle(SYSTEM, row, beside, answer, now, by="warehouse")
    beside.next_ask_at = None
    return answer.state


def record_answer(actor: Actor, return_id: UUID, *, state: str, note: str, now: datetime) -> None:
    """A person records what the warehouse said to them, and how they know. It goes on being asked itself.

    Raises ``Conflict``: ``note_missing``, ``answer_unknown`` (released, refused or shipped), ``answer_known``.
    """
    with transaction():
        row = scope.return_row(actor, return_id, "stock.edit")
        held = stored.hold(row.id)
        if held is None:
            raise NotFound
        row, beside = held
        if state not in (RELEASED, CANNOT, SHIPPED):
            raise Conflict("answer_unknown")
        if not note.strip():
            raise Conflict("note_missing")
        if beside.warehouse_state not in GATED:
            raise Conflict("answer_known")
        said = LeaveOutAnswer(state=state, message=note.strip()[:1000])
        _settle(actor, row, beside, said, now, by="person", name=actor.name)
        beside.next_ask_at = now + PAUSE
        tasks.done(SILENT, str(return_id), merchant_id=row.merchant_id, now=now, note=note.strip()[:500])
        db.session.flush()
        work.enqueue("leave_out", return_id, run=1)


def _settle(
    actor: Actor, row: Return, beside: Cancellation, answer: LeaveOutAnswer, now: datetime, **who: str
) -> None:
    """The answer that counts, with what follows from it."""
    beside.answer = {
        **({"asked": beside.answer["asked"]} if "asked" in beside.answer else {}),
        **_said(answer),
        **who,
        "at": now.isoformat(),
    }
    _happened(
        actor, row, "warehouse.answered", now, answer=answer.state, code=answer.code, message=answer.message
    )
    db.session.flush()
    if answer.state == RELEASED:
        ending.released(row.id, now=now)
    elif answer.state == CANNOT:
        ending.refuse(row.id, code=answer.code, message=answer.message, now=now)
    else:
        ending.overtake([row.id], why="shipped", now=now)
    beside.warehouse_state = answer.state
    db.session.flush()


def _pending(row: Return, beside: Cancellation, answer: LeaveOutAnswer, now: datetime) -> None:
    beside.next_ask_at = now + PAUSE
    if beside.warehouse_state == "waiting":
        beside.warehouse_state = PENDING
        beside.answer = beside.answer | _said(answer) | {"by": "warehouse", "at": now.isoformat()}
        _happened(SYSTEM, row, "warehouse.answered", now, answer=PENDING, code="", message=answer.message)
    if _is_silent(beside, now):
        _silent(row, beside, now, state=PENDING)


def _repeated(row: Return, beside: Cancellation, answer: LeaveOutAnswer, now: datetime) -> str:
    """It has answered before: the same again is nothing, another is for a person."""
    ours = beside.warehouse_state
    if ours in ("none", answer.state) or answer.state == PENDING or RELEASED not in (ours, answer.state):
        return "known"
    about = {
        "ours": beside.warehouse_state,
        "theirs": answer.state,
        "reason": answer.code,
        "error": answer.message,
    }
    after_release = ours == RELEASED and answer.state == SHIPPED
    _ask_a_person(AFTER_RELEASE if after_release else CONTRADICTS, row, now, **about)
    if after_release:
        ending.sent_anyway(row.id, now=now)
    return "contradicts"


def _ask_a_person(kind: str, row: Return, now: datetime, **details: object) -> None:
    tasks.open(
        kind,
        key_of(kind, row),
        merchant_id=row.merchant_id,
        subject_id=row.id,
        details={"number": row.number or "", **{name: value for name, value in details.items() if value}},
        now=now,
    )


def key_of(kind: str, row: Return) -> str:
    """One matter per cancellation; goods that left are told by whoever sees it first, under its number."""
    return (row.number or str(row.id)) if kind == AFTER_RELEASE else str(row.id)


# ------------------------------------------------------------------------------------------------------ silence


def _unheard(return_id: UUID, code: str, message: str, *, now: datetime, at_once: bool = False) -> None:
    """It did not answer, or not so that it is understood: that settles nothing."""
    with transaction():
        held = stored.hold(return_id)
        if held is None or not _is_open(held[1]):
            return
        row, beside = held
        beside.next_ask_at = now + PAUSE
        beside.answer = beside.answer | {"error": code, "told": message[:300]}
        if beside.warehouse_state in GATED and (at_once or _is_silent(beside, now)):
            _silent(row, beside, now, code=code, error=message[:300])


def _is_silent(beside: Cancellation, now: datetime) -> bool:
    return now - (beside.asked_at or beside.answered_at or beside.requested_at) >= SILENT_AFTER


def _silent(row: Return, beside: Cancellation, now: datetime, *, code: str = "", **details: object) -> None:
    if beside.silent_at is None:
        beside.silent_at = now
        since = (beside.asked_at or beside.answered_at or beside.requested_at).isoformat()
        _ask_a_person(SILENT, row, now, since=since, reason=f"warehouse_{code}" if code else "", **details)


def tell_of_silent(*, now: datetime, limit: int = 100) -> int:
    """A task for every cancellation that waits too long, also where no worker could ask; answers how many."""
    wanted = (
        sa.select(Cancellation.return_id)
        .where(
            Cancellation.next_ask_at.is_not(None),  # few are, and these stand in an index
            Cancellation.warehouse_state.in_(GATED),
            Cancellation.silent_at.is_(None),
            sa.func.coalesce(Cancellation.asked_at, Cancellation.answered_at, Cancellation.requested_at)
            <= now - SILENT_AFTER,
        )
        .order_by(Cancellation.return_id)
        .limit(limit)
    )
    found = list(db.session.scalars(wanted))
    for return_id in found:
        with transaction():
            held = stored.hold(return_id)
            if held is not None and held[1].warehouse_state in GATED and held[1].silent_at is None:
                code = str(held[1].answer.get("error", ""))
                _silent(*held, now, code=code, state=held[1].warehouse_state)
    return len(found)


def _said(answer: LeaveOutAnswer) -> dict[str, Any]:
    return {
        "state": answer.state,
        "code": answer.code,
        "message": answer.message,
        "lines": list(answer.lines),
    }


def _happened(actor: Actor, row: Return, what: str, now: datetime, **details: object) -> None:
    history.record(actor, what, merchant_id=row.merchant_id, subject_id=row.id, now=now, **details)
