"""Where a confirmed return stands, for whoever follows it: parcel, refund, papers, and what was promised."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

import sqlalchemy as sa

from portal.core.access import Actor
from portal.core.refunds.breakdown import Breakdown, from_json
from portal.core.shipping import TrackingStatus
from portal.db import shipments
from portal.db.base import db
from portal.db.orders import Payment
from portal.db.refunds import Payout, Refund
from portal.db.returns import Return
from portal.services import scope
from portal.services.filing.returns import Page, read


@dataclass(frozen=True, kw_only=True)
class ParcelEvent:
    """One thing the carrier told. ``description`` is a code of words, or the carrier's text."""

    at: datetime
    status: TrackingStatus
    location: str
    description: str


@dataclass(frozen=True, kw_only=True)
class Parcel:
    """The parcel of a return; ``events`` newest first."""

    state: str
    carrier: str
    method: str
    tracking_number: str
    tracking_url: str
    handoff_code: str
    events: tuple[ParcelEvent, ...]


@dataclass(frozen=True, kw_only=True)
class SentTo:
    """The part of a refund that goes to one payment."""

    tender: str
    label: str
    amount: int
    state: str
    provider: str = ""
    arrives_on: date | None = None
    bank_reference: str = ""
    """With which the customer's bank finds it."""
    settled_at: datetime | None = None
    mode: str = "captured"
    """``authorized`` or ``due``: never charged, so nothing comes back of it."""


@dataclass(frozen=True, kw_only=True)
class RefundNews:
    """One refund of the return, in minor units of ``currency``."""

    number: str
    state: str
    amount: int
    currency: str
    succeeded_at: datetime | None
    breakdown: Breakdown
    to: tuple[SentTo, ...]


@dataclass(frozen=True, kw_only=True)
class Paper:
    """A document that exists: what it is, in which format and size."""

    kind: str
    format: str
    size: str


@dataclass(frozen=True, kw_only=True)
class Progress:
    """A return after it was confirmed. ``breakdown`` is as it was confirmed, None where none was worked out."""

    page: Page
    number: str
    state: str
    submitted_at: datetime | None
    approved_at: datetime | None
    received_at: datetime | None
    closed_at: datetime | None
    ship_by: date | None
    decline_reason: str
    decline_message: str
    breakdown: Breakdown | None
    parcel: Parcel | None
    refunds: tuple[RefundNews, ...]
    papers: tuple[Paper, ...]

    def paper(self, kind: str, format: str, size: str = "") -> Paper | None:
        """The paper of that kind and format, of any size when none is named."""
        return next(
            (p for p in self.papers if p.kind == kind and p.format == format and size in ("", p.size)), None
        )


def progress(actor: Actor, return_id: UUID, *, now: datetime) -> Progress:
    """Everything a status page tells. Raises ``NotFound``, ``NotAllowed``."""
    row = scope.return_row(actor, return_id, "returns.read")
    return Progress(
        page=read(row, now=now),
        number=row.number or "",
        state=row.state,
        submitted_at=row.submitted_at,
        approved_at=row.approved_at,
        received_at=row.received_at,
        closed_at=row.closed_at,
        ship_by=row.ship_by,
        decline_reason=row.decline_reason,
        decline_message=row.decline_message,
        breakdown=from_json(row.breakdown) if row.breakdown else None,
        parcel=_parcel(row),
        refunds=_refunds(row),
        papers=_papers(row),
    )


def _parcel(row: Return) -> Parcel | None:
    """The newest parcel; one that was called off only while there is no other."""
    shipment, event = shipments.Shipment, shipments.ShipmentEvent
    found = db.session.scalars(
        sa.select(shipment)
        .where(shipment.return_id == row.id)
        .order_by(shipment.state == "canceled", shipment.id.desc())
        .limit(1)
    ).first()
    if found is None:
        return None
    events = db.session.scalars(
        sa.select(event).where(event.shipment_id == found.id).order_by(event.at.desc(), event.id.desc())
    )
    return Parcel(
        state=found.state,
        carrier=found.carrier,
        method=found.method,
        tracking_number=found.tracking_number,
        tracking_url=found.tracking_url,
        handoff_code=found.handoff_code,
        events=tuple(
            ParcelEvent(
                at=e.at, status=TrackingStatus(e.status), location=e.location, description=e.description
            )
            for e in events
        ),
    )


def _refunds(row: Return) -> tuple[RefundNews, ...]:
    found = db.session.scalars(sa.select(Refund).where(Refund.return_id == row.id).order_by(Refund.id)).all()
    if not found:
        return ()
    transfers: dict[UUID, list[SentTo]] = {}
    wanted = (
        sa.select(Payout, Payment.tender, Payment.label)
        .outerjoin(Payment, Payment.id == Payout.payment_id)
        .where(Payout.refund_id.in_([refund.id for refund in found]))
        .order_by(Payout.created_at, Payout.id)
    )
    rows = db.session.execute(wanted).all()
    last = {(sent.refund_id, sent.payment_id): sent.id for sent, _, _ in rows}
    for sent, tender, label in rows:
        if last[sent.refund_id, sent.payment_id] == sent.id:
            transfers.setdefault(sent.refund_id, []).append(_sent(sent, tender or sent.provider, label or ""))
    return tuple(
        RefundNews(
            number=refund.number,
            state=refund.state,
            amount=refund.amount_minor,
            currency=refund.currency,
            succeeded_at=refund.succeeded_at,
            breakdown=from_json(refund.breakdown),
            to=tuple(transfers.get(refund.id, ())),
        )
        for refund in found
    )


def _sent(sent: Payout, tender: str, label: str) -> SentTo:
    return SentTo(
        tender=tender,
        label=label,
        amount=sent.amount_minor,
        state=sent.state,
        provider=sent.provider,
        arrives_on=sent.arrives_on,
        bank_reference=sent.bank_reference,
        settled_at=sent.settled_at,
        mode=sent.mode,
    )


def _papers(row: Return) -> tuple[Paper, ...]:
    paper = shipments.Document
    found = db.session.execute(
        sa.select(paper.kind, paper.format, paper.size).where(paper.return_id == row.id).order_by(paper.id)
    )
    return tuple(Paper(kind=kind, format=format, size=size) for kind, format, size in found)
