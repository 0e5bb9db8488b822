"""The moment a draft becomes a return: everything is judged once more, and the units are taken."""

import secrets
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from portal.core import numbers
from portal.core.access import Actor, Conflict, NotFound
from portal.core.facts import CANCELLATIONS, RETURNLESS, STAYS
from portal.core.lifecycles import RETURN
from portal.core.links import STATUS, Site
from portal.core.policy.overrides import Override, overrule
from portal.core.policy.verdict import REFUSED, Refused, Verdict, to_json
from portal.core.refunds import breakdown
from portal.core.returns import BY_CUSTOMER, Draft, Step, steps_left
from portal.core.spans import Span
from portal.core.workflows import AT_ONCE
from portal.db import history, returns, shipments
from portal.db.base import db, transaction, uuid7
from portal.db.returns import Return, ReturnLine
from portal.services import links, scope, work
from portal.services.filing import expecting, objecting
from portal.services.filing.holding import claim as claim
from portal.services.filing.holding import release as release
from portal.services.filing.holding import take as take
from portal.services.filing.holding import void_parcels as void_parcels
from portal.services.filing.returns import Page, read
from portal.services.filing.shipping import ship_by
from portal.services.handling import rulings
from portal.services.talking import notices, threads

UNITS_GONE = ("too_many_units", "already_returned", "not_shipped_yet")
"""Objections that say that somebody else was faster, or that the order has changed."""

PREAUTHORIZED = ("no_record_of_sale", "approval_always")
"""What a person has decided already by preparing the return."""

TRIES = 3
"""Numbers are random: one that is taken is drawn again."""


def confirm(
    actor: Actor, return_id: UUID, *, wish: str = "", despite: str = "", site: Site, now: datetime
) -> str:
    """Confirm the draft and answer its new state; confirming again answers the state it has by now.

    In one transaction: judged again, units taken, numbers drawn, label and messages promised. ``wish`` is what the
    customer chose who was offered an exchange first (``core.workflows.WISHES``); ``despite`` says why a person
    takes back what the policy refuses: who may override decides it by that, for others it waits for somebody who
    may. Raises ``Conflict("steps_left")``, ``Conflict("units_gone")`` when somebody was faster, ``Refused``.
    """
    for attempt in range(TRIES):
        try:
            with transaction():
                return confirmed(actor, return_id, wish=wish, despite=despite, site=site, now=now)
        except IntegrityError as problem:
            if "number" not in str(problem.orig) and "code" not in str(problem.orig) or attempt == TRIES - 1:
                raise
    raise AssertionError("unreachable")


def confirmed(
    actor: Actor, return_id: UUID, *, wish: str = "", despite: str = "", site: Site, now: datetime
) -> str:
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
    verdict = _judged(actor, page, despite.strip())
    spans = take(page.order, page.draft, now=now) if page.order else {}
    decision = rulings.chosen(page.decision, wish)
    approved = _is_approved(actor, page, verdict, row)
    step = "authorize" if approved else "submit"
    values: dict[str, Any] = {
        "state": RETURN.after(row.state, step),
        "number": numbers.rma_number(secrets.token_bytes(numbers.BYTES_NEEDED)),
        "submitted_at": now,
        "approved_at": now if approved else None,
        "ship_by": ship_by(page.terms, now, page.merchant.zone) if approved else None,
        "verdict": to_json(verdict),
        "breakdown": breakdown.to_json(page.breakdown) if page.breakdown.assessed else None,
        "estimate_minor": page.breakdown.amount if page.breakdown.assessed else None,
        "refund_state": "calculated" if page.breakdown.assessed else "none",
        **rulings.columns(row, decision),
    }
    if not returns.change(row, **values):
        raise Conflict("changed_meanwhile")
    _authorize_lines(page.draft, spans, approved=approved)
    links.finish(row.id, now=now)
    links.create(actor, row, STATUS, site=site, days=links.STATUS_DAYS, now=now)
    db.session.refresh(row)
    told = rulings.told(decision)
    _record(actor, row, "return.submitted", now, units=page.draft.units, number=row.number, **told)
    if despite.strip() and verdict is not page.verdict:
        codes = [finding.code for finding in verdict.overruled]
        _record(actor, row, "return.overruled", now, because=despite.strip(), findings=codes)
    elif despite.strip() and not approved:
        threads.add(actor, row, despite, kind="note", now=now)
    if approved:
        codes = [finding.code for finding in verdict.findings]
        _record(actor, row, "return.approved", now, findings=codes, **told)
    rulings.follow(row, decision, now=now)
    if row.kind == RETURNLESS:
        rulings.refund(actor, row, now=now)
    elif approved:
        approve_parcel(row, now=now)
    else:
        notices.queue("requested", returns.draft(row), now=now)
    return row.state


def _judged(actor: Actor, page: Page, despite: str) -> Verdict:
    """The verdict that counts: as it is, or with what a person who may do so sets aside, for that reason.

    Raises ``Refused`` for what nobody gave a reason for, or for a fact; units that somebody else took meanwhile
    are told apart.
    """
    verdict = page.verdict
    gone = [f for f in verdict.findings if f.code in UNITS_GONE]
    if gone:
        raise Conflict("units_gone", lines=[str(f.line_id) for f in gone], findings=gone)
    asked = [f for f in verdict.findings if objecting.needs_reason(f)]
    given = bool(despite) and actor.kind == "person"
    if any(f.weight == REFUSED and not (given and f in asked) for f in verdict.findings):
        raise Refused(verdict)
    if not given or not asked or not actor.may(objecting.BY_OVERRIDING, page.draft.merchant_id):
        return verdict
    overrides = [Override(code=f.code, reason=despite, line_id=f.line_id) for f in asked]
    return overrule(verdict, overrides, role=actor.roles[page.draft.merchant_id])


def _is_approved(actor: Actor, page: Page, verdict: Verdict, row: Return) -> bool:
    """At once when the policy has nothing against it, or when who asks, or prepared it, may decide that."""
    open_findings = list(verdict.findings)
    if page.decision is not None and page.decision.outcome in AT_ONCE and not open_findings:
        return True
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


def approve_parcel(row: Return, *, now: datetime, delay: int = 0) -> None:
    """Promise label and papers of an approved return, in so many seconds; the mail that brings them follows."""
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
    work.enqueue("label", shipment_id, delay=delay)
    expecting.announce(row, now=now)


def cancel(actor: Actor, return_id: UUID, *, now: datetime) -> None:
    """Withdraw a return that is not on its way; its units can be returned again. Twice is no error."""
    with transaction():
        row = scope.return_row(actor, return_id, "returns.create", lock=True)
        if row.kind in CANCELLATIONS:
            raise NotFound
        if row.state == "canceled":
            return
        if row.kind in STAYS:  # it is its refund that can be given up
            raise Conflict("nothing_is_sent")
        state = RETURN.after(row.state, "cancel")
        release(returns.draft(row))
        expecting.withdraw(row, now=now)
        void_parcels(row.id)
        links.finish(row.id, now=now)
        threads.settle(row, now=now)
        if not returns.change(row, state=state, closed_at=now, refund_state="none"):
            raise Conflict("changed_meanwhile")
        _record(actor, row, "return.canceled", now)


def _record(actor: Actor, row: Return, what: str, now: datetime, **details: object) -> None:
    history.record(actor, what, merchant_id=row.merchant_id, subject_id=row.id, now=now, **details)
