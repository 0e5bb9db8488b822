"""What the dock looks at: what a scan means here, the open return as a sheet, and the parcels that are expected."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from portal.core import dock
from portal.core.access import Actor, Conflict
from portal.core.facts import CANCELLATIONS
from portal.core.intake import number_key
from portal.core.inventory import ANNOUNCED, NOTHING_COMES
from portal.core.numbers import is_valid, normalize
from portal.core.reasons import GRADES
from portal.core.shipping import tidy_tracking_number
from portal.core.workflows import Proposal, propose_disposition
from portal.db import merchants, orders, returns
from portal.db.base import db
from portal.db.merchants import Merchant
from portal.db.returns import Inspection, Return, ReturnLine
from portal.db.shipments import Shipment
from portal.services import scope
from portal.services.docking import receiving, unexpected
from portal.services.docking.unexpected import Finding
from portal.services.rules import workflows

FEW = 8
"""Returns that are shown where a scan fits several."""


@dataclass(frozen=True, kw_only=True)
class Expected:
    """One return of which goods are to come, as the warehouse sees it: no names beyond what a label shows, no money."""

    id: UUID
    merchant_id: UUID
    merchant: str
    zone: str
    number: str
    state: str
    name: str
    ship_by: date | None
    parcel_state: str
    carrier: str
    tracking_number: str
    lines: tuple[tuple[str, str, int], ...]
    """(SKU, name, units still to come)."""

    @property
    def units(self) -> int:
        return sum(units for _, _, units in self.lines)

    def overdue(self, now: datetime) -> bool:
        """Whether the day of its shop is past the one by which it should have been sent."""
        return self.ship_by is not None and self.ship_by < _day(now, self.zone)


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a scan led to: one return, several, a product, or nothing. ``reading`` is what it was taken for."""

    reading: dock.Reading | None
    return_id: UUID | None = None
    line_id: UUID | None = None
    several: tuple[Expected, ...] = ()
    article: tuple[str, str] | None = None
    """(SKU, name) of a product that no return that is open brings."""
    merchant_id: UUID | None = None


def find(
    actor: Actor, found: Sequence[dock.Reading], *, at: UUID | None = None, counting: bool = False
) -> Found:
    """Look the readings up, in their order, at the actor's merchants; the first that is there counts.

    ``at`` is the merchant of the return that is open: products are those of its shop. While its goods are being
    ``counting``, a product is what is in somebody's hand, whichever return expects one.
    """
    ids = _merchants(actor)
    for reading in found:
        match reading.kind:
            case "return":
                hit = db.session.scalar(
                    sa.select(Return.id).where(
                        Return.merchant_id.in_(ids),
                        Return.number == reading.value,
                        Return.kind.not_in(CANCELLATIONS),
                    )
                )
                if hit is not None:
                    return Found(reading=reading, return_id=hit)
            case "code":
                line = db.session.execute(
                    sa.select(ReturnLine.id, ReturnLine.return_id).where(
                        ReturnLine.merchant_id.in_(ids), ReturnLine.code == reading.value
                    )
                ).one_or_none()
                if line is not None:
                    return Found(reading=reading, return_id=line.return_id, line_id=line.id)
            case "parcel":
                hits = _by_parcel(reading.value, ids)
                if len(hits) == 1:
                    return Found(reading=reading, return_id=hits[0])
                if hits:
                    return Found(reading=reading, several=expected_rows(hits))
            case "article":
                by_article = _by_article(reading, [at] if at else ids, whoever=counting)
                if by_article is not None:
                    return by_article
    return Found(reading=found[0] if found else None)


def _by_parcel(code: str, ids: Sequence[UUID]) -> list[UUID]:
    """Returns with that label, the one that still expects something first."""
    if not code:
        return []
    parcel = Shipment
    wanted = (
        sa.select(parcel.return_id, Return.state)
        .join(Return, Return.id == parcel.return_id)
        .where(
            parcel.merchant_id.in_(ids),
            sa.or_(parcel.tracking_number.in_(dock.parcels(code)), parcel.handoff_code == code),
        )
        .order_by(parcel.id.desc())
    )
    rows = list(dict.fromkeys((row.return_id, row.state) for row in db.session.execute(wanted.limit(20))))
    waiting = [return_id for return_id, state in rows if state in ANNOUNCED]
    return waiting or [return_id for return_id, _ in rows]


def _by_article(reading: dock.Reading, ids: Sequence[UUID], *, whoever: bool) -> Found | None:
    """Returns that expect that product; a product that none expects is still known.

    ``whoever``: the product alone, whichever return expects it.
    """
    text = reading.value
    line = ReturnLine
    wanted = (
        sa.select(line.return_id, line.id)
        .join(Return, Return.id == line.return_id)
        .where(
            line.merchant_id.in_(ids),
            line.sku.in_({text, text.upper(), text.lower()}),
            line.authorized_units > line.received_units,
            Return.state.in_(ANNOUNCED),
            Return.kind.not_in(NOTHING_COMES),
        )
        .order_by(Return.id)
        .limit(FEW + 1)
    )
    rows = [] if whoever else db.session.execute(wanted).all()
    if len(rows) == 1:
        return Found(reading=reading, return_id=rows[0].return_id, line_id=rows[0].id)
    if rows:
        return Found(reading=reading, several=expected_rows([row.return_id for row in rows[:FEW]]))
    for merchant_id in ids:
        known = unexpected.find_article(merchant_id, text)
        if known is not None:
            return Found(reading=reading, article=known, merchant_id=merchant_id)
    return None


# ---------------------------------------------------------------------------------------------- one return, open


@dataclass(frozen=True, kw_only=True)
class SheetLine:
    """One line as the dock sees it."""

    id: UUID
    sku: str
    name: str
    variant: str
    picture: str
    code: str
    reason: str | None
    condition: str | None
    note: str
    expected: int
    """Units still to come; none for a return that takes nothing as it stands."""
    waiting: int
    """Units that are here and not graded."""
    received: int
    damaged: int
    """Of the waiting units, those that were seen to be damaged when they arrived."""
    other: int
    """And those that are something else than was announced."""
    proposals: dict[str, Proposal]
    """Grade -> what the merchant's rules propose for it."""


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """One return as the dock sees it, without money."""

    id: UUID
    merchant_id: UUID
    merchant: str
    zone: str
    number: str
    state: str
    kind: str
    name: str
    language: str
    handling: str
    version: int
    lines: tuple[SheetLine, ...]
    accessories: tuple[str, ...]
    counts_use: bool
    findings: tuple[Finding, ...]
    may_inspect: bool

    @property
    def takes_goods(self) -> bool:
        """Whether anything may still arrive for it."""
        return any(line.expected for line in self.lines)

    @property
    def waits(self) -> bool:
        """Whether something is here that nobody graded."""
        return any(line.waiting for line in self.lines)

    def line(self, line_id: str) -> SheetLine | None:
        return next((line for line in self.lines if str(line.id) == line_id), None)


def sheet(actor: Actor, return_id: UUID) -> Sheet:
    """Raises ``NotFound``, ``NotAllowed``; ``Conflict("is_cancellation")``."""
    row = scope.return_row(actor, return_id, "returns.receive")
    if row.kind in CANCELLATIONS:
        raise Conflict("is_cancellation")
    merchant, _, terms = merchants.with_terms(row.merchant_id, row.policy_id)
    lines = returns.lines_of(row.id)
    rules = workflows.rules_of(row.merchant_id)
    bought = orders.facts(row.order_id) if row.order_id else None
    categories = {line.id: line.category for line in bought.items} if bought else {}
    seen, takes = _seen(lines), receiving.takes(row)

    def proposals(line: ReturnLine) -> dict[str, Proposal]:
        category = categories.get(line.order_line_id, "") if line.order_line_id else ""
        return {
            grade: propose_disposition(
                rules, grade=grade, reason=line.reason, category=category, handling=row.handling,
                condition=line.condition,
            )
            for grade in GRADES
        }  # fmt: skip

    return Sheet(
        id=row.id,
        merchant_id=row.merchant_id,
        merchant=merchant.name,
        zone=merchant.zone,
        number=row.number or "",
        state=row.state,
        kind=row.kind,
        name=row.name,
        language=row.language,
        handling=row.handling,
        version=row.version,
        lines=tuple(
            SheetLine(
                id=line.id,
                sku=line.sku,
                name=line.name,
                variant=line.variant,
                picture=line.picture,
                code=line.code or "",
                reason=line.reason,
                condition=line.condition,
                note=line.note,
                expected=line.authorized_units - line.received_units if takes else 0,
                waiting=line.received_units - line.accepted_units - line.rejected_units,
                received=line.received_units,
                damaged=seen[line.id][0],
                other=seen[line.id][1],
                proposals=proposals(line),
            )
            for line in lines
        ),
        accessories=tuple(code for code, _ in terms.accessory_deductions),
        counts_use=any(one.by == "use" for one in terms.depreciation),
        findings=unexpected.of_return(row.id),
        may_inspect=actor.may("returns.inspect", row.merchant_id),
    )


def _seen(lines: Sequence[ReturnLine]) -> dict[UUID, tuple[int, int]]:
    """Line -> (damaged, something else): what was seen of it when it arrived, and is not graded yet."""
    marked = [line.id for line in lines if line.damaged_units or line.other_units]
    graded: dict[tuple[UUID, str], int] = {}
    if marked:
        sums = (
            sa.select(Inspection.return_line_id, Inspection.grade, sa.func.sum(Inspection.units))
            .where(Inspection.return_line_id.in_(marked), Inspection.grade.in_(("D", "W")))
            .group_by(Inspection.return_line_id, Inspection.grade)
        )
        graded = {(line_id, grade): int(units) for line_id, grade, units in db.session.execute(sums)}
    seen = {}
    for line in lines:
        left = line.received_units - line.accepted_units - line.rejected_units
        broken = min(left, max(0, line.damaged_units - graded.get((line.id, "D"), 0)))
        wrong = min(left - broken, max(0, line.other_units - graded.get((line.id, "W"), 0)))
        seen[line.id] = (broken, wrong)
    return seen


# ------------------------------------------------------------------------------------------ what is expected


@dataclass(frozen=True, kw_only=True)
class Board:
    """One page of what is to come, the one that should have been sent first on top; ``next`` continues it."""

    rows: tuple[Expected, ...]
    next: UUID | None
    count: int
    """Of all that fit, up to ``MOST``."""
    overdue: int


MOST = 1000


def expected(
    actor: Actor, *, now: datetime, query: str = "", after: UUID | None = None, limit: int = 50
) -> Board:
    """Returns of the actor's merchants of which goods are to come. ``query`` is a number, parcel, order, SKU, name.

    Overdue is what should have been sent by a day that is past where its shop is.
    """
    ids = _merchants(actor)
    to_come = sa.exists().where(
        ReturnLine.return_id == Return.id, ReturnLine.authorized_units > ReturnLine.received_units
    )
    tests = [
        Return.merchant_id.in_(ids),
        Return.state.in_(ANNOUNCED),
        Return.kind.not_in(NOTHING_COMES),
        to_come,
    ]
    if query.strip():
        tests.append(_fits(query.strip(), ids))
    due = sa.func.coalesce(Return.ship_by, date.max)
    wanted = sa.select(Return.id).where(*tests).order_by(due, Return.id)
    if after is not None:
        last = (
            sa.select(due.label("due"), Return.id)
            .where(Return.id == after, Return.merchant_id.in_(ids))
            .subquery()
        )
        wanted = wanted.join(last, sa.true()).where(
            sa.or_(due > last.c.due, sa.and_(due == last.c.due, Return.id > last.c.id))
        )
    hits = db.session.scalars(wanted.limit(limit + 1)).all()
    return Board(
        rows=expected_rows(hits[:limit]),
        next=hits[limit - 1] if len(hits) > limit else None,
        count=_count(*tests),
        overdue=_count(*tests, _overdue(ids, now)),
    )


def _day(now: datetime, zone: str) -> date:
    return now.astimezone(ZoneInfo(zone)).date()


def _overdue(ids: Sequence[UUID], now: datetime) -> sa.ColumnElement[bool]:
    zones = db.session.execute(sa.select(Merchant.id, Merchant.zone).where(Merchant.id.in_(ids)))
    days: dict[date, list[UUID]] = {}
    for merchant_id, zone in zones:
        days.setdefault(_day(now, zone), []).append(merchant_id)
    return sa.or_(
        sa.false(),
        *(sa.and_(Return.merchant_id.in_(of), Return.ship_by < day) for day, of in days.items()),
    )


def _count(*tests: sa.ColumnElement[bool]) -> int:
    some = sa.select(Return.id).where(*tests).limit(MOST).subquery()
    return db.session.scalar(sa.select(sa.func.count()).select_from(some)) or 0


def _fits(text: str, ids: Sequence[UUID]) -> sa.ColumnElement[bool]:
    parcels = sa.select(Shipment.return_id).where(
        Shipment.merchant_id.in_(ids), Shipment.tracking_number == tidy_tracking_number(text)
    )
    lines = sa.select(ReturnLine.return_id).where(
        ReturnLine.merchant_id.in_(ids), ReturnLine.sku.in_({text, text.upper(), text.lower()})
    )
    tests = [
        Return.name_key.contains(text.lower(), autoescape=True),
        Return.id.in_(parcels),
        Return.id.in_(lines),
    ]
    if is_valid(text):
        tests.append(Return.number == normalize(text))
    if key := number_key(text):
        tests.append(Return.order_number_key.startswith(key, autoescape=True))
    return sa.or_(*tests)


def expected_rows(ids: Sequence[UUID]) -> tuple[Expected, ...]:
    """These returns in the order of their ids as given, with what is still to come of each."""
    if not ids:
        return ()
    lines: dict[UUID, list[tuple[str, str, int]]] = {}
    wanted = sa.select(ReturnLine).where(ReturnLine.return_id.in_(ids)).order_by(ReturnLine.position)
    for line in db.session.scalars(wanted.execution_options(populate_existing=True)):
        left = line.authorized_units - line.received_units
        if left > 0:
            lines.setdefault(line.return_id, []).append((line.sku, line.name, left))
    parcels: dict[UUID, Shipment] = {}
    sent = sa.select(Shipment).where(Shipment.return_id.in_(ids), Shipment.state != "canceled")
    for parcel in db.session.scalars(sent.order_by(Shipment.id).execution_options(populate_existing=True)):
        parcels[parcel.return_id] = parcel
    known = {
        row.id: (row, name, zone)
        for row, name, zone in db.session.execute(
            sa.select(Return, Merchant.name, Merchant.zone)
            .join(Merchant, Merchant.id == Return.merchant_id)
            .where(Return.id.in_(ids))
            .execution_options(populate_existing=True)
        )
    }
    return tuple(
        _row(*known[one], parcels.get(one), lines.get(one, [])) for one in dict.fromkeys(ids) if one in known
    )


def _row(
    row: Return, merchant: str, zone: str, parcel: Shipment | None, lines: Sequence[tuple[str, str, int]]
) -> Expected:
    return Expected(
        id=row.id,
        merchant_id=row.merchant_id,
        merchant=merchant,
        zone=zone,
        number=row.number or "",
        state=row.state,
        name=row.name,
        ship_by=row.ship_by,
        parcel_state=parcel.state if parcel else "",
        carrier=parcel.carrier if parcel else "",
        tracking_number=parcel.tracking_number if parcel else "",
        lines=tuple(lines),
    )


def _merchants(actor: Actor) -> list[UUID]:
    return [one for one in actor.merchant_ids if actor.may("returns.receive", one)]
