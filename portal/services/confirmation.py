"""The moment a draft becomes a return: everything is judged once more, and the units are taken."""

import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from portal.core import numbers
from portal.core.access import Actor, Conflict, NotFound
from portal.core.facts import CANCELLATIONS, OrderFacts
from portal.core.lifecycles import RETURN, SHIPMENT
from portal.core.links import STATUS, Site
from portal.core.policy.verdict import REVIEW, Refused, to_json
from portal.core.refunds import breakdown
from portal.core.returns import BY_CUSTOMER, Draft, Step, steps_left
from portal.core.spans import Span, free, lowest, merge, without
from portal.db import history, orders, returns, shipments
from portal.db.base import db, transaction, uuid7
from portal.db.orders import OrderLine
from portal.db.returns import Return, ReturnLine
from portal.services import expecting, links, notices, scope, work
from portal.services.returns import Page, read
from portal.services.shipping import ship_by

UNITS_GONE = ("too_many_units", "already_returned", "not_shipped_yet")
"""Objections that say that somebody else was faster, or that the order has changed."""

PREAUTHORIZED = ("no_record_of_sale", "approval_always")
"""What a person has decided already by preparing the return."""

TRIES = 3
"""Numbers are random: one that is taken is drawn again."""


def confirm(actor: Actor, return_id: UUID, *, site: Site, now: datetime) -> str:
    """Confirm the draft and answer its new state; confirming again answers the state it has by now.

    In one transaction: judged again, units taken, numbers drawn, label and messages promised. Raises
    ``Conflict("steps_left")``, ``Conflict("units_gone")`` when somebody was faster, ``Refused``.
    """
    for attempt in range(TRIES):
        try:
            with transaction():
                return confirmed(actor, return_id, site=site, now=now)
        except IntegrityError as problem:
            if "number" not in str(problem.orig) and "code" not in str(problem.orig) or attempt == TRIES - 1:
                raise
    raise AssertionError("unreachable")


def confirmed(actor: Actor, return_id: UUID, *, site: Site, now: datetime) -> str:
    """``confirm`` in the caller's transaction."""
    row = scope.return_row(actor, return_id, "returns.create", lock=True)
    if row.kind in CANCELLATIONS:
        raise NotFound
    if row.state != "draft":
        return row.state
    page = read(row, now=now, lock=True)
    needed = (Step.CUSTOMER, *BY_CUSTOMER)
    left = [step for step in steps_left(page.draft, page.terms, steps=needed) if step != Step.CONFIRM]
    if left:
        raise Conflict("steps_left", steps=[step.value for step in left])
    _objections(page)
    spans = take(page.order, page.draft, now=now) if page.order else {}
    approved = _is_approved(actor, page, row)
    step = "authorize" if approved else "submit"
    values: dict[str, Any] = {
        "state": RETURN.after(row.state, step),
        "number": numbers.rma_number(secrets.token_bytes(numbers.BYTES_NEEDED)),
        "submitted_at": now,
        "approved_at": now if approved else None,
        "ship_by": ship_by(page.terms, now, page.merchant.zone) if approved else None,
        "verdict": to_json(page.verdict),
        "breakdown": breakdown.to_json(page.breakdown) if page.breakdown.assessed else None,
        "estimate_minor": page.breakdown.amount if page.breakdown.assessed else None,
        "refund_state": "calculated" if page.breakdown.assessed else "none",
    }
    if not returns.change(row, **values):
        raise Conflict("changed_meanwhile")
    _authorize_lines(page.draft, spans, approved=approved)
    links.finish(row.id, now=now)
    links.create(actor, row, STATUS, site=site, days=links.STATUS_DAYS, now=now)
    db.session.refresh(row)
    _record(actor, row, "return.submitted", now, units=page.draft.units, number=row.number)
    if approved:
        approve_parcel(row, now=now)
        _record(actor, row, "return.approved", now, findings=[f.code for f in page.verdict.findings])
    else:
        notices.queue("requested", returns.draft(row), now=now)
    return row.state


def _objections(page: Page) -> None:
    """Refuse what the policy refuses; units that somebody else took meanwhile are told apart."""
    gone = [f for f in page.verdict.findings if f.code in UNITS_GONE]
    if gone:
        raise Conflict("units_gone", lines=[str(f.line_id) for f in gone], findings=gone)
    if page.verdict.outcome == "refused":
        raise Refused(page.verdict)


def _is_approved(actor: Actor, page: Page, row: Return) -> bool:
    """At once when the policy has nothing against it, or when who asks, or prepared it, may decide that."""
    open_findings = [f for f in page.verdict.findings if f.weight == REVIEW]
    if actor.kind == "person":
        may = (
            "returns.approve"
            if all(f.details.get("role") == "csr" for f in open_findings)
            else "returns.override"
        )
        return actor.may(may, row.merchant_id)
    if row.created_by is not None:
        open_findings = [f for f in open_findings if f.code not in PREAUTHORIZED]
    return not open_findings


def take(order: OrderFacts, draft: Draft, *, now: datetime) -> dict[UUID, tuple[Span, ...]]:
    """Take the lowest free positions of every line, guarded by what was read: return line id -> positions.

    Raises ``Conflict("units_gone")`` when a line has changed since.
    """
    taken: dict[UUID, tuple[Span, ...]] = {}
    changes: list[dict[str, Any]] = []
    for line in draft.lines:
        if line.order_line_id is None:
            continue
        bought = order.line(line.order_line_id)
        open_positions = free(merge((*bought.canceled, *bought.claimed, *bought.held)), bought.units)
        try:
            spans = lowest(open_positions, line.units)
        except ValueError:
            raise Conflict("units_gone", lines=[str(line.order_line_id)]) from None
        taken[line.id] = spans
        changes.append(
            {
                "line": bought.id,
                "more": line.units,
                "was": sum(end - first for first, end in bought.claimed),
                "spans": [list(span) for span in merge((*bought.claimed, *spans))],
            }
        )
    if changes and not claim(changes):
        raise Conflict("units_gone", lines=[str(change["line"]) for change in changes])
    return taken


def claim(changes: Sequence[dict[str, Any]]) -> bool:
    """Raise the claimed units of many lines at once, each only from what it was; False when one differs."""
    table = OrderLine.__table__
    done = db.session.connection().execute(
        sa.update(table)
        .where(table.c.id == sa.bindparam("line"), table.c.claimed_units == sa.bindparam("was"))
        .values(
            claimed_units=table.c.claimed_units + sa.bindparam("more"), claimed_spans=sa.bindparam("spans")
        ),
        list(changes),
    )
    return done.rowcount == len(changes)


def release(draft: Draft, *, keep: dict[UUID, int] | None = None) -> None:
    """Give back the positions of units that will not come; ``keep`` says how many of a line stay taken."""
    order = orders.facts(draft.order_id, lock=True) if draft.order_id else None
    if order is None:
        return
    changes, rows = [], []
    for line in draft.lines:
        if line.order_line_id is None or not line.spans:
            continue
        held = lowest(line.spans, (keep or {}).get(line.id, 0)) if (keep or {}).get(line.id) else ()
        freed = without(line.spans, held)
        if not freed:
            continue
        bought = order.line(line.order_line_id)
        changes.append(
            {
                "line": bought.id,
                "more": -sum(end - first for first, end in freed),
                "was": sum(end - first for first, end in bought.claimed),
                "spans": [list(span) for span in without(bought.claimed, freed)],
            }
        )
        rows.append({"row": line.id, "held": [list(span) for span in held]})
    if changes and not claim(changes):
        raise Conflict("changed_meanwhile")
    if rows:
        table = ReturnLine.__table__
        db.session.connection().execute(
            sa.update(table).where(table.c.id == sa.bindparam("row")).values(spans=sa.bindparam("held")), rows
        )


def _authorize_lines(draft: Draft, spans: dict[UUID, tuple[Span, ...]], *, approved: bool) -> None:
    table = ReturnLine.__table__
    rows = [
        {
            "row": line.id,
            "held": [list(span) for span in spans.get(line.id, ())],
            "new_code": numbers.authorization_code(secrets.token_bytes(numbers.BYTES_NEEDED)),
            "allowed": line.units if approved else 0,
        }
        for line in draft.lines
    ]
    db.session.connection().execute(
        sa.update(table)
        .where(table.c.id == sa.bindparam("row"))
        .values(
            spans=sa.bindparam("held"),
            code=sa.bindparam("new_code"),
            authorized_units=sa.bindparam("allowed"),
        ),
        rows,
    )


def approve_parcel(row: Return, *, now: datetime) -> None:
    """Promise label and papers of an approved return; the mail that brings them follows from the label."""
    sending = row.sending or {}
    shipment_id = uuid7()
    db.session.execute(
        sa.insert(shipments.Shipment).values(
            id=shipment_id,
            merchant_id=row.merchant_id,
            return_id=row.id,
            carrier=sending.get("carrier", ""),
            service=sending.get("service", ""),
            method=sending.get("method", ""),
            sending=sending,
            cost_minor=sending.get("amount", 0),
            created_at=now,
        )
    )
    work.enqueue("label", shipment_id)
    expecting.announce(row, now=now)


def cancel(actor: Actor, return_id: UUID, *, now: datetime) -> None:
    """Withdraw a return that is not on its way; its units can be returned again. Twice is no error."""
    with transaction():
        row = scope.return_row(actor, return_id, "returns.create", lock=True)
        if row.kind in CANCELLATIONS:
            raise NotFound
        if row.state == "canceled":
            return
        state = RETURN.after(row.state, "cancel")
        release(returns.draft(row))
        expecting.withdraw(row, now=now)
        void_parcels(row.id)
        links.finish(row.id, now=now)
        if not returns.change(row, state=state, closed_at=now, refund_state="none"):
            raise Conflict("changed_meanwhile")
        _record(actor, row, "return.canceled", now)


def void_parcels(return_id: UUID) -> None:
    """Parcels that were not handed over are void; the carrier is told by durable work."""
    shipment = shipments.Shipment
    open_ones = db.session.scalars(
        sa.select(shipment)
        .where(
            shipment.return_id == return_id,
            shipment.state.in_([state for state in SHIPMENT.states if SHIPMENT.can(state, "void")]),
        )
        .with_for_update()
    ).all()
    for parcel in open_ones:
        if parcel.tracking_number:
            work.enqueue("void", parcel.id)
        parcel.state = SHIPMENT.after(parcel.state, "void")


def _record(actor: Actor, row: Return, what: str, now: datetime, **details: object) -> None:
    history.record(actor, what, merchant_id=row.merchant_id, subject_id=row.id, now=now, **details)
