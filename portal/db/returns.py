"""Returns from the first draft to the last unit inspected; photos, links and inspections with them."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from portal.core.addresses import address_from
from portal.core.keys import name_words, phone_key
from portal.core.lifecycles import CANCELLATION, LINK, RETURN
from portal.core.returns import Draft, DraftLine, Sending
from portal.core.shipping import Method
from portal.db.base import (
    Base,
    Json,
    UtcTime,
    amount,
    db,
    key,
    merchant_key,
    read_once,
    state_of,
    whole,
    within_merchant,
)
from portal.db.views import SearchWord


class Return(Base):
    """One return. While it is a draft, agent and customer fill it in; then it is what was agreed."""

    __tablename__ = "returns"
    __table_args__ = (
        within_merchant("orders", "order_id"),
        within_merchant("policies", "policy_id"),
        sa.UniqueConstraint("merchant_id", "id"),
        sa.UniqueConstraint("nonce"),
        state_of(RETURN, CANCELLATION),
        sa.Index("ix_returns_queue", "merchant_id", "state", "id"),
        sa.Index("ix_returns_email", "merchant_id", "email"),
        sa.Index("ix_returns_name", "merchant_id", "name_key"),
        sa.Index("ix_returns_newest", "merchant_id", "created_at", "id"),
        sa.Index("ix_returns_state", "merchant_id", "state", "created_at", "id"),
        sa.Index("ix_returns_channel", "merchant_id", "channel", "created_at", "id"),
        sa.Index("ix_returns_kind", "merchant_id", "kind", "created_at", "id"),
        sa.Index("ix_returns_refund", "merchant_id", "refund_state", "created_at", "id"),
        sa.Index("ix_returns_value", "merchant_id", "estimate_minor", "id"),
        sa.Index("ix_returns_ship_by", "merchant_id", "state", "ship_by", "id"),
        sa.Index("ix_returns_due_submitted", "merchant_id", "state", "submitted_at", "id"),
        sa.Index("ix_returns_due_received", "merchant_id", "state", "received_at", "id"),
        sa.Index("ix_returns_due_info", "merchant_id", "state", "info_due_at", "id"),
        sa.Index("ix_returns_order", "order_id"),
        sa.Index("ix_returns_order_number", "merchant_id", "order_number_key"),
        sa.Index("ix_returns_together", "together_with"),
        sa.Index("ix_returns_drafts", "created_by", "state", "id"),
        sa.Index("ix_returns_assignee", "assignee_id", "state", "id"),
        sa.Index("ix_returns_phone", "merchant_id", "phone_key"),
        sa.Index("ix_returns_info_due", "info_due_at"),
        sa.Index("ix_returns_disputed", "merchant_id", "dispute_state", "id"),
        sa.Index("ix_returns_received", "merchant_id", "received_at"),
        sa.Index(
            "ix_returns_submitted",
            "merchant_id",
            "submitted_at",
            "kind",
            "channel",
            "state",
            "refund_state",
            "begun_at",
            "id",
            sqlite_where=sa.text("submitted_at IS NOT NULL"),  # or SQLite takes it for others
            postgresql_where=sa.text("submitted_at IS NOT NULL"),
        ),  # all that the numbers of a period count by: they are read from here alone
        sa.Index("ix_returns_scored", "merchant_id", "scored_at"),
        sa.Index(
            "ix_returns_unread",
            "merchant_id",
            "id",
            sqlite_where=sa.text("unread > 0"),
            postgresql_where=sa.text("unread > 0"),
        ),
        sa.CheckConstraint("score IS NULL OR score BETWEEN 1 AND 5", name="score_known"),
    )

    id: Mapped[UUID] = key()
    merchant_id: Mapped[UUID] = merchant_key()
    order_id: Mapped[UUID | None]
    policy_id: Mapped[UUID]
    number: Mapped[str | None] = mapped_column(sa.String(20), unique=True)
    state: Mapped[str] = mapped_column(sa.String(20), default="draft")
    kind: Mapped[str] = mapped_column(sa.String(20), default="return")
    channel: Mapped[str] = mapped_column(sa.String(20))
    language: Mapped[str] = mapped_column(sa.String(10), default="en")
    currency: Mapped[str] = mapped_column(sa.String(3))
    name: Mapped[str] = mapped_column(sa.String(200), default="")
    name_key: Mapped[str] = mapped_column(sa.String(200), default="")
    """Lower case, for search."""
    email: Mapped[str] = mapped_column(sa.String(254), default="")
    phone: Mapped[str] = mapped_column(sa.String(40), default="")
    phone_key: Mapped[str] = mapped_column(sa.String(40), default="", server_default="")
    """Its digits backwards, so that the end of a number finds it."""
    order_number: Mapped[str] = mapped_column(sa.String(60), default="")
    """As typed where no order is connected, else the order's."""
    order_number_key: Mapped[str] = mapped_column(sa.String(60), default="")
    answered: Mapped[list[str]] = mapped_column(Json, default=list)
    """Steps that are done, by core.returns.Step value."""
    locked: Mapped[list[str]] = mapped_column(Json, default=list)
    """Steps the agent answered and the customer may not change."""
    note: Mapped[str] = mapped_column(sa.Text, default="")
    """From the agent to the customer."""
    address: Mapped[dict[str, Any] | None] = mapped_column(Json)
    sending: Mapped[dict[str, Any] | None] = mapped_column(Json)
    """The chosen way: carrier, service, method, amount, pays, point, slot, tracking_number."""
    postage_minor: Mapped[int] = amount()
    """Of the way back, to be deducted from the refund; 0 when the merchant pays."""
    verdict: Mapped[dict[str, Any] | None] = mapped_column(Json)
    """The findings at confirm."""
    breakdown: Mapped[dict[str, Any] | None] = mapped_column(Json)
    """The estimate as it was confirmed."""
    estimate_minor: Mapped[int | None] = mapped_column(sa.BigInteger)
    decline_reason: Mapped[str] = mapped_column(sa.String(40), default="")
    decline_message: Mapped[str] = mapped_column(sa.Text, default="")
    closed_reason: Mapped[str] = mapped_column(sa.String(40), default="")
    refund_state: Mapped[str] = mapped_column(sa.String(20), default="none")
    """The vocabulary's refund_status axis, for lists."""
    ship_by: Mapped[date | None]
    nonce: Mapped[str | None] = mapped_column(sa.String(40))
    """Of the form that made it: the same form twice makes one return."""
    together_with: Mapped[UUID | None]
    """Of a cancellation that the customer chose in one selection with a return: that return."""
    assignee_id: Mapped[UUID | None]
    """Who of the people looks after it."""
    decision: Mapped[dict[str, Any] | None] = mapped_column(Json)
    """Which rule of the merchant's workflow decided what, as core.workflows.Decision."""
    handling: Mapped[str] = mapped_column(sa.String(24), default="", server_default="")
    """What that rule says of the rest of its way: core.workflows.HANDLINGS, empty for the ordinary one."""
    dispute_state: Mapped[str] = mapped_column(sa.String(24), default="none", server_default="none")
    """The vocabulary's dispute_status axis, for lists."""
    info_due_at: Mapped[datetime | None] = mapped_column(UtcTime)
    """Until when the customer may answer what was asked; set while ``needs_info``."""
    unread: Mapped[int] = mapped_column(default=0, server_default="0")
    """Messages of the customer that nobody has read yet."""
    score: Mapped[int | None]
    """1 to 5, asked after the refund."""
    scored_at: Mapped[datetime | None] = mapped_column(UtcTime)
    score_comment: Mapped[str] = mapped_column(sa.Text, default="", server_default="")
    begun_at: Mapped[datetime | None] = mapped_column(UtcTime)
    """When the page was opened on which an agent entered it."""
    created_by: Mapped[UUID | None]
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    submitted_at: Mapped[datetime | None] = mapped_column(UtcTime)
    approved_at: Mapped[datetime | None] = mapped_column(UtcTime)
    received_at: Mapped[datetime | None] = mapped_column(UtcTime)
    closed_at: Mapped[datetime | None] = mapped_column(UtcTime)
    version: Mapped[int] = mapped_column(default=1)


class ReturnLine(Base):
    """So many units of one order line (or of a product typed in), and what became of them."""

    __tablename__ = "return_lines"
    __table_args__ = (
        within_merchant("returns", "return_id"),
        within_merchant("order_lines", "order_line_id"),
        sa.UniqueConstraint("merchant_id", "id"),
        sa.UniqueConstraint("return_id", "order_line_id"),
        sa.Index("ix_return_lines_sku", "merchant_id", "sku"),
        sa.Index("ix_return_lines_reason", "merchant_id", "reason", "return_id"),
        sa.CheckConstraint("units > 0", name="some"),
        sa.CheckConstraint("authorized_units >= 0 AND authorized_units <= units", name="authorized_asked"),
        sa.CheckConstraint(
            "received_units >= 0 AND received_units <= authorized_units", name="received_authorized"
        ),
        sa.CheckConstraint(
            "declined_units >= 0 AND authorized_units + declined_units <= units", name="declined_asked"
        ),
        sa.CheckConstraint(
            "accepted_units >= 0 AND rejected_units >= 0 AND accepted_units + rejected_units <= received_units",
            name="inspected_received",
        ),
        sa.CheckConstraint(
            "refunded_units >= 0 AND refunded_units <= received_units", name="refunded_received"
        ),
        sa.CheckConstraint(
            "damaged_units >= 0 AND other_units >= 0 AND damaged_units + other_units <= received_units",
            name="found_received",
        ),
    )

    id: Mapped[UUID] = key()
    merchant_id: Mapped[UUID] = merchant_key()
    return_id: Mapped[UUID]
    order_line_id: Mapped[UUID | None]
    position: Mapped[int]
    sku: Mapped[str] = mapped_column(sa.String(100), default="")
    name: Mapped[str] = mapped_column(sa.String(300))
    variant: Mapped[str] = mapped_column(sa.String(200), default="")
    picture: Mapped[str] = mapped_column(sa.String(300), default="")
    weight_g: Mapped[int] = whole()
    units: Mapped[int]
    reason: Mapped[str | None] = mapped_column(sa.String(40))
    condition: Mapped[str | None] = mapped_column(sa.String(20))
    note: Mapped[str] = mapped_column(sa.Text, default="")
    by_agent: Mapped[bool] = mapped_column(default=False)
    spans: Mapped[list[list[int]]] = mapped_column(Json, default=list)
    """The unit positions this return holds since it was confirmed."""
    code: Mapped[str | None] = mapped_column(sa.String(20), unique=True)
    """The authorization code: valid for exactly these units."""
    authorized_units: Mapped[int] = whole()
    declined_units: Mapped[int] = mapped_column(default=0, server_default="0")
    """Asked for and refused; free again for another return."""
    decline_reason: Mapped[str] = mapped_column(sa.String(40), default="", server_default="")
    decline_message: Mapped[str] = mapped_column(sa.Text, default="", server_default="")
    received_units: Mapped[int] = whole()
    damaged_units: Mapped[int] = whole()
    """Of the received, as the dock saw them; the inspection decides."""
    other_units: Mapped[int] = whole()
    """Of the received: something else came in place of the product."""
    accepted_units: Mapped[int] = whole()
    rejected_units: Mapped[int] = whole()
    refunded_units: Mapped[int] = whole()
    ending: Mapped[str] = mapped_column(sa.String(12), default="", server_default="")
    """When a recurring service ends: ``at_once`` or ``next_period``."""
    ends_on: Mapped[date | None]
    scope_used: Mapped[list[int] | None] = mapped_column(Json)
    """[days used, days of the period] of a service that ends at once."""
    allowance_minor: Mapped[int | None] = mapped_column(sa.BigInteger)
    """What a price adjustment gives back for these units, which stay with the customer."""


class Photo(Base):
    """A picture that the customer sent of one line; re-encoded, kept outside the web root."""

    __tablename__ = "photos"
    __table_args__ = (within_merchant("return_lines", "return_line_id"),)

    id: Mapped[UUID] = key()
    merchant_id: Mapped[UUID] = merchant_key()
    return_line_id: Mapped[UUID]
    width: Mapped[int]
    height: Mapped[int]
    size: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(UtcTime)


class Inspection(Base):
    """What the dock found of some received units: a grade, and what becomes of them."""

    __tablename__ = "inspections"
    __table_args__ = (
        within_merchant("return_lines", "return_line_id"),
        sa.CheckConstraint("units > 0", name="some"),
    )

    id: Mapped[UUID] = key()
    merchant_id: Mapped[UUID] = merchant_key()
    return_line_id: Mapped[UUID]
    units: Mapped[int]
    grade: Mapped[str] = mapped_column(sa.String(1))
    disposition: Mapped[str] = mapped_column(sa.String(40))
    accepted: Mapped[bool]
    missing_accessories: Mapped[list[str]] = mapped_column(Json, default=list, server_default="[]")
    """Codes of the policy's accessory deductions."""
    used: Mapped[int | None]
    """Units of use (hours, kilometers, cycles) that it shows, where the policy counts them."""
    checklist: Mapped[dict[str, bool]] = mapped_column(Json, default=dict, server_default="{}")
    """core.reasons.CHECKLIST -> whether it was so; what was not looked at is missing."""
    proposed: Mapped[str] = mapped_column(sa.String(40), default="", server_default="")
    """The disposition that the rules proposed."""
    note: Mapped[str] = mapped_column(sa.Text, default="")
    at: Mapped[datetime] = mapped_column(UtcTime)
    by_name: Mapped[str] = mapped_column(sa.String(200), default="")


class Link(Base):
    """A pre-authorized link. The token itself is stored nowhere, only its digest."""

    __tablename__ = "links"
    __table_args__ = (
        within_merchant("returns", "return_id"),
        sa.UniqueConstraint("digest"),
        state_of(LINK),
        sa.CheckConstraint("purpose IN ('finish', 'status')", name="purpose_known"),
        sa.Index("ix_links_return", "return_id"),
    )

    id: Mapped[UUID] = key()
    merchant_id: Mapped[UUID] = merchant_key()
    return_id: Mapped[UUID]
    purpose: Mapped[str] = mapped_column(sa.String(10))
    nonce: Mapped[str] = mapped_column(sa.String(64))
    """Random; with the server's secret it gives the token again, to mail or show it (core.links)."""
    digest: Mapped[str] = mapped_column(sa.String(64))
    state: Mapped[str] = mapped_column(sa.String(10), default="open")
    expires_at: Mapped[datetime] = mapped_column(UtcTime)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    created_by: Mapped[UUID | None]
    opened_at: Mapped[datetime | None] = mapped_column(UtcTime)
    """When the customer pressed Continue: fetching the page is no opening."""
    finished_at: Mapped[datetime | None] = mapped_column(UtcTime)


@sa.event.listens_for(Return, "before_insert")
@sa.event.listens_for(Return, "before_update")
def _keep_keys(_mapper: Any, _connection: sa.Connection, row: Return) -> None:
    """Whoever writes a name or a phone number writes what it is found by."""
    row.name_key, row.phone_key = (row.name or "").lower(), phone_key(row.phone or "")


@sa.event.listens_for(Return, "after_insert")
def _keep_words(_mapper: Any, connection: sa.Connection, row: Return) -> None:
    words = [
        {"merchant_id": row.merchant_id, "word": word, "return_id": row.id}
        for word in name_words(row.name or "")
    ]
    if words:
        connection.execute(sa.insert(SearchWord), words)


@sa.event.listens_for(Return, "after_update")
def _change_words(mapper: Any, connection: sa.Connection, row: Return) -> None:
    """The words of another name take the place of the old ones."""
    changed = sa.inspect(row).attrs.name.history
    if changed.has_changes() and name_words(row.name) != name_words((changed.deleted or [""])[0] or ""):
        connection.execute(sa.delete(SearchWord).where(SearchWord.return_id == row.id))
        _keep_words(mapper, connection, row)


def get(return_id: UUID, *, lock: bool = False) -> Return | None:
    """The row; with ``lock`` nobody else changes it until the transaction ends."""
    wanted = sa.select(Return).where(Return.id == return_id)
    if lock:
        return db.session.scalar(wanted.with_for_update().execution_options(populate_existing=True))
    return read_once(("return", return_id), lambda: db.session.scalar(wanted))


def lines_of(return_id: UUID) -> list[ReturnLine]:
    """The lines, in their order."""
    wanted = sa.select(ReturnLine).where(ReturnLine.return_id == return_id).order_by(ReturnLine.position)
    fresh = wanted.execution_options(populate_existing=True)
    return list(read_once(("return_lines", return_id), lambda: db.session.scalars(fresh).all()))


def photos_of(line_ids: list[UUID]) -> dict[UUID, list[UUID]]:
    """line id -> its photos, oldest first."""
    found: dict[UUID, list[UUID]] = {}
    if line_ids:
        wanted = (
            sa.select(Photo.return_line_id, Photo.id)
            .where(Photo.return_line_id.in_(line_ids))
            .order_by(Photo.id)
        )
        for line_id, photo_id in db.session.execute(wanted):
            found.setdefault(line_id, []).append(photo_id)
    return found


def draft(row: Return) -> Draft:
    """The return as core judges it, with its lines and photos (one more query)."""
    return _drafts([row], ReturnLine.return_id == row.id)[0]


def drafts(rows: Sequence[Return]) -> list[Draft]:
    """The same for several, in their order, read together."""
    return _drafts(rows, ReturnLine.return_id.in_([row.id for row in rows])) if rows else []


def _drafts(rows: Sequence[Return], these: sa.ColumnElement[bool]) -> list[Draft]:
    wanted = (
        sa.select(ReturnLine, Photo.id)
        .outerjoin(Photo, Photo.return_line_id == ReturnLine.id)
        .where(these)
        .order_by(ReturnLine.position, Photo.id)
        .execution_options(populate_existing=True)
    )
    photos: dict[UUID, list[UUID]] = {}
    lines: dict[UUID, dict[UUID, ReturnLine]] = {}
    for line, photo_id in db.session.execute(wanted):
        lines.setdefault(line.return_id, {})[line.id] = line
        if photo_id is not None:
            photos.setdefault(line.id, []).append(photo_id)
    return [
        _draft(row, [_line(line, photos.get(line.id, [])) for line in lines.get(row.id, {}).values()])
        for row in rows
    ]


def _draft(row: Return, lines: Iterable[DraftLine]) -> Draft:
    return Draft(
        id=row.id,
        merchant_id=row.merchant_id,
        order_id=row.order_id,
        policy_id=row.policy_id,
        number=row.number,
        state=row.state,
        kind=row.kind,
        channel=row.channel,
        language=row.language,
        currency=row.currency,
        name=row.name,
        email=row.email,
        phone=row.phone,
        order_number=row.order_number,
        answered=frozenset(row.answered),
        locked=frozenset(row.locked),
        note=row.note,
        lines=tuple(lines),
        address=address_from(row.address) if row.address else None,
        sending=sending_from(row.sending) if row.sending else None,
        postage=row.postage_minor,
        handling=row.handling or "",
        created_at=row.created_at,
        submitted_at=row.submitted_at,
        version=row.version,
    )


def _line(line: ReturnLine, photos: list[UUID]) -> DraftLine:
    return DraftLine(
        id=line.id,
        order_line_id=line.order_line_id,
        sku=line.sku,
        name=line.name,
        variant=line.variant,
        picture=line.picture,
        weight_g=line.weight_g,
        units=line.units,
        reason=line.reason,
        condition=line.condition,
        note=line.note,
        by_agent=line.by_agent,
        photos=tuple(photos),
        spans=tuple((first, end) for first, end in line.spans),
        code=line.code,
        authorized=line.authorized_units,
        declined=line.declined_units,
        decline_reason=line.decline_reason,
        decline_message=line.decline_message,
        received=line.received_units,
        damaged=line.damaged_units,
        other=line.other_units,
        accepted=line.accepted_units,
        rejected=line.rejected_units,
        refunded=line.refunded_units,
        allowance=line.allowance_minor,
        ending=line.ending,
        ends_on=line.ends_on,
        scope_used=(line.scope_used[0], line.scope_used[1]) if line.scope_used else None,
    )


def sending_from(record: dict[str, Any]) -> Sending:
    """The chosen way as it was stored (``dataclasses.asdict``)."""
    return Sending(**record | {"method": Method(record["method"])})


def change(row: Return, *, version: int | None = None, **values: object) -> bool:
    """Write ``values`` and raise the version; False when somebody else was faster than ``version``."""
    done = db.session.execute(
        sa.update(Return)
        .where(Return.id == row.id, Return.version == (row.version if version is None else version))
        .values(version=Return.version + 1, **values)
    )
    return bool(done.rowcount == 1)  # type: ignore[attr-defined]


def merchant_of(return_id: UUID) -> UUID | None:
    return db.session.scalar(sa.select(Return.merchant_id).where(Return.id == return_id))


def by_nonce(nonce: str) -> Return | None:
    return db.session.scalar(sa.select(Return).where(Return.nonce == nonce))


def past(
    merchant_id: UUID, *, but: Sequence[str], since: datetime | None, before: UUID | None, limit: int
) -> list[Return]:
    """Returns of a merchant, the newest first, ``but`` in those states; ``before`` continues a list."""
    wanted = sa.select(Return).where(Return.merchant_id == merchant_id, Return.state.not_in(but))
    if since is not None:
        wanted = wanted.where(sa.func.coalesce(Return.submitted_at, Return.created_at) >= since)
    if before is not None:
        wanted = wanted.where(Return.id < before)
    return list(db.session.scalars(wanted.order_by(Return.id.desc()).limit(limit)))


def of_orders(order_ids: Iterable[UUID]) -> list[Return]:
    """Every return of these orders, oldest first."""
    found = sa.select(Return).where(Return.order_id.in_(list(order_ids))).order_by(Return.id)
    return list(db.session.scalars(found))


def accepted(line_ids: Iterable[UUID]) -> list[Inspection]:
    """What was found of the accepted units of these lines of returns, in the order they were inspected."""
    wanted = sa.select(Inspection).where(Inspection.return_line_id.in_(list(line_ids)), Inspection.accepted)
    return list(db.session.scalars(wanted.order_by(Inspection.id)))
