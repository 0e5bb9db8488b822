"""How a return travels: the ways that are offered, the one that is chosen, its papers, and where it is."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timedelta
from typing import TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from portal.core.access import SYSTEM, Actor, Conflict, NotFound, Stale
from portal.core.documents import PackingSlip, Receipt, ReceiptStep
from portal.core.lifecycles import RETURN, SHIPMENT
from portal.core.policy.terms import Terms
from portal.core.refunds.breakdown import from_json
from portal.core.returns import Draft, Sending, Step
from portal.core.shipping import (
    Document,
    DocumentKind,
    Method,
    PackedItem,
    Parcel,
    Pays,
    PickupSlot,
    Rate,
    ServicePoint,
    Shipment,
    ShipmentRequest,
    TrackingQuery,
    TrackingUpdate,
    may_be_tracking_number,
)
from portal.db import history, returns, shipments
from portal.db.base import db, insert_ignore, transaction, uuid7
from portal.db.returns import Return
from portal.ports import Carrier, Declined, Gateways
from portal.services import scope, work
from portal.services.filing.returns import Page, read, who_pays
from portal.services.talking import notices

log = logging.getLogger(__name__)

Option = TypeVar("Option", ServicePoint, PickupSlot)

ASSUMED_WEIGHT_G = 500
"""Of a unit whose weight nobody told."""


@dataclass(frozen=True, kw_only=True)
class Way:
    """One way to send the parcel; ``rate.pays`` is already judged by the policy."""

    rate: Rate
    carrier_name: str
    points: tuple[ServicePoint, ...] = ()
    slots: tuple[PickupSlot, ...] = ()


def ways(actor: Actor, return_id: UUID, *, gateways: Gateways, now: datetime) -> tuple[Way, ...]:
    """Everything on offer for this return, cheapest first; a carrier that declines offers nothing.

    Raises ``Conflict("no_address")`` before the address is known, ``Unavailable`` when every carrier is.
    """
    page = read(scope.return_row(actor, return_id, "returns.read"), now=now)
    return _ways(page, gateways, now)


def _ways(page: Page, gateways: Gateways, now: datetime) -> tuple[Way, ...]:
    if page.draft.address is None:
        raise Conflict("no_address")
    # What was chosen before is one of them, and narrows nothing: who comes back may choose another.
    request = replace(
        shipment_request(page, now=now), method=None, service_point_id="", pickup_slot_id="", own_number=""
    )
    pays = who_pays(page, now=now)
    found: list[Way] = []
    for carrier in gateways.carriers.values():
        try:
            rates = carrier.quote(request)
        except Declined:
            continue
        for rate in rates:
            if rate.method not in page.terms.methods:
                continue
            points: tuple[ServicePoint, ...] = ()
            slots: tuple[PickupSlot, ...] = ()
            if rate.method in (Method.QR_DROPOFF, Method.DROPOFF_POINT):
                points = carrier.service_points(page.draft.address, method=rate.method, limit=5)
            if rate.method == Method.PICKUP:
                slots = carrier.pickup_slots(page.draft.address, (request.parcel,), now=now)
            borne = pays if rate.amount and rate.method != Method.OWN_CARRIER else rate.pays
            found.append(Way(rate=_borne(rate, borne), carrier_name=carrier.name, points=points, slots=slots))
    return tuple(sorted(found, key=lambda way: (way.rate.amount, way.rate.method != Method.QR_DROPOFF)))


def _borne(rate: Rate, pays: Pays) -> Rate:
    return Rate(**{**vars(rate), "pays": pays})


def choose_sending(
    actor: Actor,
    return_id: UUID,
    *,
    rate_id: str,
    point_id: str = "",
    slot_id: str = "",
    tracking_number: str = "",
    gateways: Gateways,
    now: datetime,
) -> None:
    """Choose one of ``ways`` by its rate.

    Raises ``Conflict``: ``rate_gone``, ``point_unknown``, ``slot_gone``, ``tracking_number_wrong``, ``locked``,
    ``not_a_draft``; ``Stale`` when items or address changed while the carriers were asked.
    """
    page = read(scope.return_row(actor, return_id, "returns.create"), now=now)
    chosen = next((way for way in _ways(page, gateways, now) if way.rate.id == rate_id), None)
    if chosen is None:
        raise Conflict("rate_gone")
    point = _picked(chosen.points, point_id, "point_unknown")
    slot = _picked(chosen.slots, slot_id, "slot_gone")
    if chosen.slots and slot is None:
        raise Conflict("slot_gone")
    if tracking_number.strip() and not may_be_tracking_number(tracking_number):
        raise Conflict("tracking_number_wrong")
    sending = Sending(
        carrier=chosen.rate.carrier,
        service=chosen.rate.service,
        method=chosen.rate.method,
        rate_id=chosen.rate.id,
        amount=chosen.rate.amount,
        pays=chosen.rate.pays,
        point_id=point.id if point else "",
        point_name=point.name if point else "",
        slot_id=slot.id if slot else "",
        slot_label=f"{slot.on.isoformat()} {slot.opens:%H:%M}-{slot.closes:%H:%M}" if slot else "",
        tracking_number=tracking_number.strip(),
        transit_days=chosen.rate.transit_days,
    )
    with transaction():
        row = scope.return_row(actor, return_id, "returns.create", lock=True)
        if row.state != "draft":
            raise Conflict("not_a_draft", state=row.state)
        if actor.kind == "link" and Step.SENDING in row.locked:
            raise Conflict("locked", step=Step.SENDING)
        if row.version != page.draft.version:
            raise Stale
        row.sending, row.postage_minor = asdict(sending), sending.amount
        row.answered = sorted({*row.answered, Step.SENDING})
        row.version += 1
        history.record(
            actor,
            "return.updated",
            merchant_id=row.merchant_id,
            subject_id=row.id,
            now=now,
            step=Step.SENDING,
        )


def _picked(options: Sequence[Option], wanted: str, missing: str) -> Option | None:
    if not wanted:
        return None
    found = next((option for option in options if option.id == wanted), None)
    if found is None:
        raise Conflict(missing)
    return found


def shipment_request(page: Page, *, now: datetime) -> ShipmentRequest:
    """The return as a carrier is asked about it. Raises ``Conflict`` without an address."""
    draft, sending = page.draft, page.draft.sending
    if draft.address is None:
        raise Conflict("no_address")
    weight = sum((line.weight_g or ASSUMED_WEIGHT_G) * line.open_units for line in draft.lines)
    return ShipmentRequest(
        rma=draft.number or "",
        reference=draft.order_number,
        sender=draft.address,
        recipient=page.merchant.address,
        parcel=Parcel(weight_g=max(1, weight)),
        items=packed(draft),
        currency=draft.currency,
        now=now,
        ship_by=ship_by(page.terms, now, page.merchant.zone),
        language=draft.language,
        method=sending.method if sending else None,
        pays=Pays(sending.pays) if sending else Pays.MERCHANT,
        service_point_id=sending.point_id if sending else "",
        pickup_slot_id=sending.slot_id if sending else "",
        own_number=sending.tracking_number if sending else "",
    )


def packed(draft: Draft) -> tuple[PackedItem, ...]:
    """What goes into the parcel: what was authorized, else what is asked for."""
    return tuple(
        PackedItem(
            title=" ".join(filter(None, (line.name, line.variant))),
            sku=line.sku,
            units=line.authorized or line.open_units,
            authorization_code=line.code or "",
        )
        for line in draft.lines
        if line.authorized or line.open_units
    )


def ship_by(terms: Terms, now: datetime, zone: str) -> date:
    """The last day to hand the parcel over, in the merchant's zone."""
    return (now.astimezone(ZoneInfo(zone)) + timedelta(days=terms.ship_by_days)).date()


def make_label(shipment_id: UUID, *, gateways: Gateways, now: datetime) -> None:
    """Buy the label, draw all papers, and queue the mail that brings them; once, however often it runs.

    The carrier is asked outside any transaction, under the shipment's id as key.
    """
    row = db.session.get(shipments.Shipment, shipment_id)
    if row is None or not SHIPMENT.can(row.state, "label") or row.tracking_number:
        return
    found = returns.get(row.return_id)
    if found is None:
        raise NotFound
    page = read(found, now=now)
    request = shipment_request(page, now=now)
    carrier = gateways.carriers[row.carrier]
    try:
        rate = next((r for r in carrier.quote(request) if r.id == row.sending["rate_id"]), None)
        if rate is None:
            raise Declined("rate_gone")
        made = carrier.create_return(request, rate, idempotency_key=str(row.id))
        if row.sending.get("slot_id") and carrier.capabilities.methods >= {Method.PICKUP}:
            _book(carrier, request, made, row.sending["slot_id"], now, key=f"pickup-{row.id}")
    except Declined as problem:
        _label_failed(row.id, str(problem), now)
        return
    papers = [*made.documents, *_papers(page, made.tracking_number, gateways, now)]
    with transaction():
        if not _step(row.id, "label", tracking_number=made.tracking_number, tracking_url=made.tracking_url,
                     handoff_code=made.handoff_code, cost_minor=made.cost, error=""):  # fmt: skip
            call_off = True
        else:
            call_off = False
            _bring(page.draft, papers, made.tracking_number, now)
    if call_off:
        _call_off(carrier, made)


def _bring(draft: Draft, papers: Sequence[Document], tracking_number: str, now: datetime) -> None:
    _keep(draft, papers, now)
    _note(SYSTEM, "return.label.created", draft, now, tracking_number=tracking_number)
    notices.queue("approved", draft, now=now)


def _call_off(carrier: Carrier, made: Shipment) -> None:
    """The return was canceled while its label was bought: nobody will use it."""
    try:
        carrier.void(made)
    except Declined as problem:
        log.warning("a label that nobody needs could not be called off: %s", problem.code)


def label_again(actor: Actor, return_id: UUID, *, now: datetime) -> None:
    """Ask once more for a label that could not be made. Raises ``Conflict("no_label_failed")``."""
    shipment = shipments.Shipment
    with transaction():
        row = scope.return_row(actor, return_id, "returns.approve", lock=True)
        failed = db.session.scalar(
            sa.select(shipment)
            .where(
                shipment.return_id == row.id, shipment.state == "exception", shipment.tracking_number == ""
            )
            .with_for_update()
        )
        if failed is None or row.state != "approved":
            raise Conflict("no_label_failed")
        failed.error = ""
        happened = sa.select(sa.func.count()).select_from(history.Happening)
        tries = db.session.scalar(
            happened.where(
                history.Happening.subject_id == row.id,
                history.Happening.what == "return.shipment.exception",
            )
        )
        history.record(
            actor, "return.updated", merchant_id=row.merchant_id, subject_id=row.id, now=now, step="label"
        )
        work.enqueue("label", failed.id, run=tries or 1)


def as_carrier_knows(row: shipments.Shipment) -> Shipment:
    """A stored parcel as its carrier is asked about it."""
    return Shipment(
        carrier=row.carrier,
        service=row.service,
        method=Method(row.method),
        external_id=str(row.id),
        tracking_number=row.tracking_number,
        tracking_url=row.tracking_url,
        handoff_code=row.handoff_code,
        cost=row.cost_minor,
        currency="",
    )


def _book(
    carrier: Carrier, request: ShipmentRequest, made: Shipment, slot_id: str, now: datetime, *, key: str
) -> None:
    slots = carrier.pickup_slots(request.sender, (request.parcel,), now=now)
    slot = next((slot for slot in slots if slot.id == slot_id), None)
    if slot is None:
        raise Declined("slot_gone")
    carrier.schedule_pickup(slot, made, now=now, idempotency_key=key)


def _label_failed(shipment_id: UUID, error: str, now: datetime) -> None:
    with transaction():
        if _step(shipment_id, "fail", error=error[:500]):
            row = db.session.get(shipments.Shipment, shipment_id)
            if row is not None:
                history.record(SYSTEM, "return.shipment.exception", merchant_id=row.merchant_id,
                               subject_id=row.return_id, now=now, error=error)  # fmt: skip


def _papers(page: Page, tracking_number: str, gateways: Gateways, now: datetime) -> list[Document]:
    """Packing slip and receipt, in the customer's language."""
    draft, merchant = page.draft, page.merchant
    words = gateways.words(draft.language, merchant.zone)
    last_day = ship_by(page.terms, now, merchant.zone)
    slip = PackingSlip(
        rma=draft.number or "",
        merchant=merchant.name,
        order_number=draft.order_number,
        customer=draft.name,
        recipient=merchant.address,
        items=packed(draft),
        ship_by=last_day,
    )
    row = returns.get(draft.id)
    breakdown = from_json(row.breakdown) if row and row.breakdown else page.breakdown
    receipt = Receipt(
        rma=draft.number or "",
        merchant=merchant.name,
        order_number=draft.order_number,
        issued_on=now.astimezone(ZoneInfo(merchant.zone)).date(),
        customer=draft.address,
        recipient=merchant.address,
        items=packed(draft),
        rows=words.receipt_rows(breakdown),
        steps=tuple(
            ReceiptStep(text=text, when=when)
            for text, when in words.next_steps(draft.sending, last_day, breakdown)
        ),
        sending=words.method(draft.sending.method).name if draft.sending else "",
        tracking_number=tracking_number,
        contact=merchant.support_email,
    )
    documents = gateways.documents
    return [
        documents.packing_slip(slip, language=draft.language),
        documents.receipt(receipt, language=draft.language),
    ]


def _keep(draft: Draft, papers: Sequence[Document], now: datetime) -> None:
    rows = [
        {
            "id": uuid7(),
            "merchant_id": draft.merchant_id,
            "return_id": draft.id,
            "kind": paper.kind,
            "format": paper.format,
            "size": paper.size,
            "content": paper.content,
            "created_at": now,
        }
        for paper in papers
    ]
    if rows:
        db.session.execute(insert_ignore(shipments.Document), rows)


def documents(actor: Actor, return_id: UUID) -> tuple[Mapping[str, str], ...]:
    """The papers that exist: kind, format and size of each. Raises ``NotFound``, ``NotAllowed``."""
    scope.return_row(actor, return_id, "returns.read")
    paper = shipments.Document
    rows = db.session.execute(
        sa.select(paper.kind, paper.format, paper.size).where(paper.return_id == return_id).order_by(paper.id)
    )
    return tuple(dict(row._mapping) for row in rows)


def document(actor: Actor, return_id: UUID, *, kind: str, format: str, size: str = "") -> Document:
    """One paper as it was made; of any size when none is named. Raises ``NotFound``, ``NotAllowed``."""
    scope.return_row(actor, return_id, "returns.read")
    paper = shipments.Document
    wanted = sa.select(paper).where(paper.return_id == return_id, paper.kind == kind, paper.format == format)
    if size:
        wanted = wanted.where(paper.size == size)
    found = db.session.scalars(wanted.order_by(paper.id).limit(1)).first()
    if found is None:
        raise NotFound
    return Document(kind=DocumentKind(kind), format=format, size=found.size, content=found.content)


def label_picture(actor: Actor, return_id: UUID) -> bytes:
    """The label as PNG. Raises ``NotFound``, ``NotAllowed``, ``Conflict("no_label")``, also for a parcel called off."""
    row = scope.return_row(actor, return_id, "returns.read")
    paper, parcel = shipments.Document, shipments.Shipment
    under_way = sa.exists().where(parcel.return_id == row.id, parcel.state != "canceled")
    wanted = sa.select(paper.content).where(
        paper.return_id == row.id, paper.kind == DocumentKind.LABEL, paper.format == "png", under_way
    )
    found = db.session.scalar(wanted.order_by(paper.id.desc()).limit(1))
    if found is None:
        raise Conflict("no_label")
    return found


def track(*, gateways: Gateways, now: datetime, limit: int = 200) -> int:
    """Ask the carriers about parcels on their way and record what is new; answers how many events were.

    Where there are more than ``limit``, those that nobody asked about for longest come first.
    """
    shipment = shipments.Shipment
    open_ones = [s for s in SHIPMENT.states if not SHIPMENT.final(s) and s not in ("label_pending", "lost")]
    rows = db.session.scalars(
        sa.select(shipment)
        .where(shipment.state.in_(open_ones), shipment.tracking_number != "")
        .order_by(shipment.asked_at.asc().nulls_first(), shipment.id)
        .limit(limit)
    ).all()
    if rows:
        with transaction() as session:
            asked = sa.update(shipment).where(shipment.id.in_([row.id for row in rows]))
            session.execute(asked.values(asked_at=now).execution_options(synchronize_session=False))
    known = _known([row.id for row in rows])
    news = 0
    for row in rows:
        carrier = gateways.carriers.get(row.carrier)
        if carrier is None or not carrier.capabilities.tracking:
            continue
        query = TrackingQuery(tracking_number=row.tracking_number, handed_over_at=row.handed_over_at)
        for update in carrier.track([query], now=now):
            if (row.id, update.digest) not in known:
                news += _told(row.id, update, now)
    return news


def _known(shipment_ids: Sequence[UUID]) -> set[tuple[UUID, str]]:
    """What carriers told of these parcels before: (parcel, digest)."""
    event = shipments.ShipmentEvent
    told = sa.select(event.shipment_id, event.digest).where(event.shipment_id.in_(shipment_ids))
    return {(row.shipment_id, row.digest) for row in db.session.execute(told)}


_STEPS = {
    "pre_transit": "announce",
    "in_transit": "scan",
    "out_for_delivery": "go_out",
    "available_for_pickup": "hold",
    "delivered": "deliver",
    "exception": "fail",
    "lost": "lose",
    "return_to_sender": "send_back",
}


def _told(shipment_id: UUID, update: TrackingUpdate, now: datetime) -> int:
    """Record one update once, and move parcel and return along where it is news to them."""
    with transaction() as session:
        return_id = session.scalar(
            sa.select(shipments.Shipment.return_id).where(shipments.Shipment.id == shipment_id)
        )
        found = returns.get(return_id, lock=True) if return_id else None
        row = session.get(shipments.Shipment, shipment_id, populate_existing=True, with_for_update=True)
        if row is None:
            return 0
        added = session.execute(
            insert_ignore(shipments.ShipmentEvent).values(
                id=uuid7(),
                merchant_id=row.merchant_id,
                shipment_id=row.id,
                digest=update.digest,
                at=update.at,
                status=update.status,
                location=update.location,
                description=update.description,
            )
        )
        if not added.rowcount:  # type: ignore[attr-defined]
            return 0
        step = _STEPS[update.status]
        if SHIPMENT.can(row.state, step):
            row.state = SHIPMENT.after(row.state, step)
        if found is not None and update.status == "in_transit" and RETURN.can(found.state, "ship"):
            _ship(found, now)
        return 1


def _ship(row: Return, now: datetime) -> None:
    returns.change(row, state=RETURN.after(row.state, "ship"))
    history.record(
        SYSTEM, "return.shipment.in_transit", merchant_id=row.merchant_id, subject_id=row.id, now=now
    )


def hand_over(actor: Actor, return_id: UUID, *, now: datetime) -> None:
    """The customer says that the parcel is on its way; tracking starts from here. Twice is no error."""
    with transaction() as session:
        needs = "returns.create" if actor.kind == "link" else "returns.receive"
        row = scope.return_row(actor, return_id, needs, lock=True)
        if row.state != "approved":
            return
        session.execute(
            sa.update(shipments.Shipment)
            .where(shipments.Shipment.return_id == row.id, shipments.Shipment.handed_over_at.is_(None))
            .values(handed_over_at=now)
        )
        _ship(row, now)


def _step(shipment_id: UUID, step: str, **values: object) -> bool:
    """Take one step of the parcel's way unless somebody else did; answers whether it was taken."""
    shipment = shipments.Shipment
    froms = [state for state in SHIPMENT.states if SHIPMENT.can(state, step)]
    row = db.session.get(shipment, shipment_id, populate_existing=True)
    if row is None or row.state not in froms:
        return False
    done = db.session.execute(
        sa.update(shipment)
        .where(shipment.id == shipment_id, shipment.state == row.state)
        .values(state=SHIPMENT.after(row.state, step), **values)
    )
    return bool(done.rowcount == 1)  # type: ignore[attr-defined]


def _note(actor: Actor, what: str, draft: Draft, now: datetime, **details: object) -> None:
    history.record(actor, what, merchant_id=draft.merchant_id, subject_id=draft.id, now=now, **details)
