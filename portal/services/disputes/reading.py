"""A dispute as each side sees it: the customer what can be contested and how it stands, people everything beside it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from portal.core import disputes as core
from portal.core.access import Actor
from portal.core.money import Minor
from portal.core.refunds.settlements import is_settlement
from portal.db import returns
from portal.db.base import db
from portal.db.disputes import Dispute, DisputeLine, Offer
from portal.db.gateway import Chargeback
from portal.db.refunds import Refund, Transfer
from portal.db.returns import Inspection, Return, ReturnLine
from portal.services import pictures, scope
from portal.services.disputes import gate, settling
from portal.services.disputes.facts import (
    Choice,
    DisputeFacts,
    Found,
    HeldBack,
    LineFacts,
    OfferFacts,
    Posting,
    Sheet,
    Workspace,
)
from portal.services.filing.returns import Page, read
from portal.services.refunding import refund_facts
from portal.services.talking import threads


def sheet(actor: Actor, return_id: UUID, *, now: datetime) -> Sheet:
    """What can be contested of a return, and what was. Raises ``NotFound``, ``NotAllowed``."""
    row = scope.return_row(actor, return_id, "returns.read")
    page = read(row, now=now)
    all_of_it = choices(page)
    disputes = _of_return(row)
    return Sheet(
        page=page,
        choices=all_of_it,
        most=settling.most(page, None),
        disputes=disputes,
        may_open=core.may_contest(row.state, row.kind, standings(page).values())
        and not any(one.is_open for one in disputes),
        hours=page.terms.dispute_hours,
    )


def one(actor: Actor, dispute_id: UUID) -> DisputeFacts:
    """One dispute, for its customer or for people. Raises ``NotFound``, ``NotAllowed``."""
    dispute = gate.allowed(actor, dispute_id, "disputes.read")
    return _facts([dispute])[0]


def of_return(actor: Actor, return_id: UUID) -> tuple[DisputeFacts, ...]:
    """The disputes of a return, newest first; for people who may not read disputes none."""
    row = scope.return_row(actor, return_id, "returns.read")
    if actor.kind != "link" and not actor.may("disputes.read", row.merchant_id):
        return ()
    return _of_return(row)


def workspace(actor: Actor, dispute_id: UUID, *, now: datetime) -> Workspace:
    """Claim, evidence, rules, money and messages of one dispute. Raises ``NotFound``, ``NotAllowed``."""
    gate.people_only(actor)
    dispute = gate.allowed(actor, dispute_id, "disputes.read")
    row = returns.get(dispute.return_id)
    assert row is not None  # noqa: S101  for the type
    page = read(row, now=now)
    facts = _facts([dispute])[0]
    mine = {line.line_id for line in facts.lines}
    return Workspace(
        dispute=facts,
        page=page,
        choices=tuple(one for one in choices(page) if one.line.id in mine),
        most=settling.most(page, dispute),
        earlier=tuple(one for one in _of_return(row) if one.id != dispute.id),
        refunds=refund_facts.of_return(row.id) if actor.may("refunds.read", row.merchant_id) else (),
        postings=_postings(row.id) if actor.may("refunds.read", row.merchant_id) else (),
        chargebacks=_chargebacks(page),
        thread=threads.of_return(actor, row.id),
    )


# ------------------------------------------------------------------------------------------------- lines


def standings(page: Page) -> dict[UUID, core.LineStanding]:
    """Return line -> what became of it."""
    rows = {row.id: row for row in returns.lines_of(page.draft.id)}
    withheld: dict[UUID | None, Minor] = {}
    for refund in settling.refunds_that_count(page.draft.id):
        for part in refund.lines:
            kept = part.withheld + part.promotion
            withheld[part.line_id] = withheld.get(part.line_id, 0) + kept
    return {
        line.id: core.LineStanding(
            units=line.units,
            declined=rows[line.id].declined_units,
            rejected=line.rejected,
            received=line.received,
            refunded=line.refunded,
            withheld=max(0, withheld.get(line.order_line_id, 0)),
        )
        for line in page.draft.lines
    }


def choices(page: Page) -> tuple[Choice, ...]:
    """Every line of the return with what can be contested of it."""
    standing, found = standings(page), _found(page)
    rows = {row.id: row for row in returns.lines_of(page.draft.id)}
    made = [one for one in settling.refunds_that_count(page.draft.id) if not is_settlement(one)]
    head = returns.get(page.draft.id)
    rooms = {one.line.id: one.room for one in settling.contested(page, None)}
    return tuple(
        Choice(
            line=line,
            grounds=core.grounds(page.draft.state, page.draft.kind, standing[line.id]),
            most=rooms.get(line.order_line_id, 0) if line.order_line_id else 0,
            declined=rows[line.id].declined_units or (line.units if page.draft.state == "declined" else 0),
            decline_reason=rows[line.id].decline_reason or (head.decline_reason if head else ""),
            decline_message=rows[line.id].decline_message or (head.decline_message if head else ""),
            found=tuple(found.get(line.id, ())),
            rows=tuple(row for one in made for row in one.rows if row.line_id in (line.order_line_id, None))
            if line.order_line_id
            else (),
        )
        for line in page.draft.lines
    )


def _found(page: Page) -> dict[UUID, list[Found]]:
    """Return line -> what was found of it, oldest first."""
    ids = [line.id for line in page.draft.lines]
    wanted = sa.select(Inspection).where(Inspection.return_line_id.in_(ids)).order_by(Inspection.id)
    rows = db.session.scalars(wanted).all()
    shown = pictures.of([row.id for row in rows])
    found: dict[UUID, list[Found]] = {}
    for row in rows:
        found.setdefault(row.return_line_id, []).append(
            Found(
                units=row.units,
                grade=row.grade,
                disposition=row.disposition,
                accepted=row.accepted,
                missing_accessories=tuple(row.missing_accessories or ()),
                note=row.note,
                at=row.at,
                by_name=row.by_name,
                pictures=tuple(shown.get(row.id, ())),
            )
        )
    return found


# ------------------------------------------------------------------------------------------------- facts


def _of_return(row: Return) -> tuple[DisputeFacts, ...]:
    wanted = sa.select(Dispute).where(Dispute.return_id == row.id).order_by(Dispute.id.desc())
    return _facts(db.session.scalars(wanted.execution_options(populate_existing=True)).all())


def _facts(rows: Sequence[Dispute]) -> tuple[DisputeFacts, ...]:
    ids = [row.id for row in rows]
    lines, offers, settled = _lines(ids), _offers(ids), _settlements(rows)
    shown = pictures.of(ids)
    currencies = _currencies([row.return_id for row in rows])
    return tuple(
        DisputeFacts(
            id=row.id,
            merchant_id=row.merchant_id,
            return_id=row.return_id,
            number=row.number,
            state=row.state,
            ground=row.ground,
            wanted=row.wanted,
            claimed=row.claimed_minor,
            body=row.body,
            currency=currencies.get(row.return_id, ""),
            opened_at=row.opened_at,
            opened_by=row.opened_by_name,
            due_at=row.due_at,
            escalated_at=row.escalated_at,
            escalated_because=row.escalated_because,
            outcome=row.outcome,
            outcome_message=row.outcome_message,
            settled=row.settled_minor,
            settlement_id=row.settlement_id,
            settlement_number=settled[row.settlement_id][0] if row.settlement_id else "",
            settlement_state=settled[row.settlement_id][1] if row.settlement_id else "",
            closed_at=row.closed_at,
            closed_by=row.closed_by_name,
            version=row.version,
            lines=tuple(lines.get(row.id, ())),
            offers=tuple(offers.get(row.id, ())),
            pictures=tuple(shown.get(row.id, ())),
        )
        for row in rows
    )


def _lines(ids: Sequence[UUID]) -> dict[UUID, list[LineFacts]]:
    found: dict[UUID, list[LineFacts]] = {}
    wanted = (
        sa.select(DisputeLine, ReturnLine.name)
        .join(ReturnLine, ReturnLine.id == DisputeLine.return_line_id)
        .where(DisputeLine.dispute_id.in_(ids))
        .order_by(ReturnLine.position, DisputeLine.id)
    )
    for row, name in db.session.execute(wanted) if ids else ():
        found.setdefault(row.dispute_id, []).append(
            LineFacts(
                line_id=row.return_line_id,
                name=name,
                units=row.units,
                ground=row.ground,
                claimed=row.claimed_minor,
                body=row.body,
            )
        )
    return found


def _offers(ids: Sequence[UUID]) -> dict[UUID, list[OfferFacts]]:
    found: dict[UUID, list[OfferFacts]] = {}
    wanted = sa.select(Offer).where(Offer.dispute_id.in_(ids)).order_by(Offer.id)
    for row in db.session.scalars(wanted.execution_options(populate_existing=True)) if ids else ():
        found.setdefault(row.dispute_id, []).append(
            OfferFacts(
                id=row.id,
                by_side=row.by_side,
                by_name=row.by_name,
                amount=row.amount_minor,
                body=row.body,
                state=row.state,
                at=row.at,
                expires_at=row.expires_at,
                answered_at=row.answered_at,
                answered_by=row.answered_by_name,
            )
        )
    return found


def _settlements(rows: Sequence[Dispute]) -> dict[Any, tuple[str, str]]:
    ids = [row.settlement_id for row in rows if row.settlement_id]
    wanted = sa.select(Refund.id, Refund.number, Refund.state).where(Refund.id.in_(ids))
    return {row.id: (row.number, row.state) for row in db.session.execute(wanted)} if ids else {}


def _currencies(return_ids: Sequence[UUID]) -> dict[UUID, str]:
    wanted = sa.select(Return.id, Return.currency).where(Return.id.in_(list(return_ids)))
    return {row.id: row.currency for row in db.session.execute(wanted)} if return_ids else {}


def _postings(return_id: UUID) -> tuple[Posting, ...]:
    wanted = (
        sa.select(Transfer, Refund.number)
        .join(Refund, Refund.id == Transfer.refund_id)
        .where(Refund.return_id == return_id)
        .order_by(Transfer.id)
    )
    return tuple(
        Posting(
            refund_number=number,
            kind=row.kind,
            debit=row.debit,
            credit=row.credit,
            amount=row.amount_minor,
            at=row.at,
        )
        for row, number in db.session.execute(wanted)
    )


def _chargebacks(page: Page) -> tuple[HeldBack, ...]:
    """Of every payment of the order, newest first."""
    ids = [payment.id for payment in page.order.payments] if page.order else []
    wanted = sa.select(Chargeback).where(Chargeback.payment_id.in_(ids)).order_by(Chargeback.id.desc())
    return tuple(
        HeldBack(
            reference=row.reference,
            provider=row.provider,
            amount=row.amount_minor,
            held=row.held_minor,
            state=row.state,
            opened_at=row.opened_at,
        )
        for row in (db.session.scalars(wanted) if ids else ())
    )
