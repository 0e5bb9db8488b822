"""Credit notes: issued with the refund's success, numbered without gaps per merchant, and never changed.

A note says that goods, tax and charges were credited. A transfer that fails afterwards changes nothing about
that: the money is still owed and is sent again, under the same note. Only when such a refund is given up is the
note taken back, by a reversal with the next number; the note itself stays as it was.

A credit note takes back a part of an invoice. What is only reserved on a card, or is paid on delivery, is invoiced
when it is sent: of what leaves the order before, no invoice was ever written, and none is taken back. An invoice to
be paid later and instalments are billed with the order, as what was captured is. Where one refund goes to both, its
note is over all of it, and says what was never charged.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from portal.core import credit_notes as core
from portal.core.access import Actor, NotFound
from portal.core.addresses import Address, address_from
from portal.core.credit_notes import CREDIT_NOTE, REVERSAL, CreditNote, Heading, Party
from portal.core.money import Minor
from portal.core.refunds import breakdown as breakdowns
from portal.core.shipping import Document
from portal.db import merchants, orders, returns
from portal.db.base import db, uuid7
from portal.db.credit_notes import CreditNoteRow
from portal.db.merchants import Merchant
from portal.db.orders import Payment
from portal.db.refunds import Payout, Refund
from portal.ports import Gateways
from portal.services import scope, tasks

ON_DELIVERY = "cash_on_delivery"
TASK = "credit_note_failed"
"""What finance is asked to look at when a refund was paid and its note could not be made."""


@dataclass(frozen=True, kw_only=True)
class NoteFacts:
    """One credit note in a list."""

    id: UUID
    merchant_id: UUID
    refund_id: UUID
    kind: str
    number: str
    issued_at: datetime
    currency: str
    total: Minor
    payable: Minor
    refund_number: str
    return_number: str
    order_number: str
    reverses: str


def issue(refund: Refund, *, now: datetime) -> str | None:
    """The number of the refund's credit note, issued now unless it has one; None where nothing was credited.

    A breakdown that does not add up has no note, and a task says so.
    Part of the caller's transaction, which holds the refund. The merchant's row is held until it ends, so
    that no number is given twice or left out.
    """
    known = _of(refund.id, CREDIT_NOTE)
    if known is not None:
        return known.number
    if refund.order_id is None or not _was_billed(refund):
        return None
    try:
        note = _made(refund, now)
    except ValueError as problem:
        # The money has moved, and that is written down whatever is wrong with the paper.
        details = {"number": refund.number, "problem": str(problem)}
        tasks.open(
            TASK,
            refund.number,
            merchant_id=refund.merchant_id,
            subject_id=refund.id,
            details=details,
            now=now,
        )
        return None
    if not note.total:
        return None
    return _write(refund, note, now)


def take_back(refund: Refund, *, now: datetime) -> str | None:
    """The number of the reversal, now that a refund with a credit note was given up; None without a note.

    Part of the caller's transaction, as ``issue``.
    """
    known = _of(refund.id, CREDIT_NOTE)
    if known is None:
        return None
    before = _of(refund.id, REVERSAL)
    if before is not None:
        return before.number
    note = core.from_json(known.content)
    shop = _shop(refund.merchant_id)
    back = core.reversal(note, number="", issued_on=_day(now, shop.zone))
    return _write(refund, back, now)


def _was_billed(refund: Refund) -> bool:
    """Whether any of it was paid, or billed to be paid: else there is no invoice that a note could be about."""
    transfers = _transfers(refund.id)
    unbilled = [
        mode == "authorized" or (mode == "due" and tender == ON_DELIVERY) for _, mode, tender in transfers
    ]
    return not unbilled or not all(unbilled)


def _transfers(refund_id: UUID) -> list[tuple[UUID | None, str, str]]:
    """(payment, mode, tender) of every transfer that took effect, or will."""
    wanted = (
        sa.select(Payout.payment_id, Payout.mode, Payment.tender)
        .outerjoin(Payment, Payment.id == Payout.payment_id)
        .where(Payout.refund_id == refund_id, Payout.state.not_in(("failed", "canceled")))
        .order_by(Payout.id)
    )
    return [(row.payment_id, row.mode, row.tender or "") for row in db.session.execute(wanted)]


def _of(refund_id: UUID, kind: str) -> CreditNoteRow | None:
    return db.session.scalar(
        sa.select(CreditNoteRow).where(CreditNoteRow.refund_id == refund_id, CreditNoteRow.kind == kind)
    )


def _write(refund: Refund, note: CreditNote, now: datetime) -> str:
    held = sa.select(Merchant.id).where(Merchant.id == refund.merchant_id)
    db.session.execute(held.with_for_update(key_share=True))
    last = db.session.scalar(
        sa.select(sa.func.max(CreditNoteRow.sequence)).where(CreditNoteRow.merchant_id == refund.merchant_id)
    )
    sequence = (last or 0) + 1
    number = core.number_of(sequence)
    content = core.to_json(note) | {"number": number}
    db.session.execute(
        sa.insert(CreditNoteRow).values(
            id=uuid7(),
            merchant_id=refund.merchant_id,
            refund_id=refund.id,
            kind=note.kind,
            sequence=sequence,
            number=number,
            issued_at=now,
            content=content,
        )
    )
    return number


def _made(refund: Refund, now: datetime) -> CreditNote:
    """The note of a decided refund, still without its number."""
    order_id = refund.order_id
    head = orders.head(order_id) if order_id else None
    if order_id is None or head is None:
        raise NotFound
    shop, row = _shop(refund.merchant_id), returns.get(refund.return_id) if refund.return_id else None
    heading = Heading(
        number="",
        issued_on=_day(now, shop.zone),
        ordered_on=_day(head.placed_at, shop.zone),
        language=head.language or shop.language,
        refund_number=refund.number,
        return_number=(row.number if row else None) or "",
        seller=_seller(shop),
        buyer=Party(name=head.name or head.number, address=_address(head.address, head.country)),
    )
    modes = {payment_id: mode for payment_id, mode, _ in _transfers(refund.id) if payment_id}
    return core.build(breakdowns.from_json(refund.breakdown), orders.facts(order_id), heading, modes)


def _shop(merchant_id: UUID) -> Merchant:
    shop = merchants.by_id(merchant_id)
    if shop is None:
        raise NotFound
    return shop


def _seller(shop: Merchant) -> Party:
    company: dict[str, Any] = (shop.accounts or {}).get("company", {})
    return Party(
        name=company.get("name") or shop.name,
        address=_address(shop.address, shop.country),
        tax_number=company.get("tax_number", ""),
        email=shop.support_email,
    )


def _address(record: dict[str, Any] | None, country: str) -> Address:
    return address_from({**(record or {}), "country": (record or {}).get("country") or country})


def _day(moment: datetime, zone: str) -> date:
    return moment.astimezone(ZoneInfo(zone)).date()


# ------------------------------------------------------------------------------------------------- reading


def listing(
    actor: Actor,
    merchant_id: UUID,
    *,
    since: date | None = None,
    until: date | None = None,
    after: UUID | None = None,
    limit: int = 50,
) -> tuple[NoteFacts, ...]:
    """Credit notes of a merchant issued from ``since`` to ``until`` (days there, inclusive), newest first."""
    scope.require(actor, "finance.read", merchant_id)
    zone = ZoneInfo(_shop(merchant_id).zone)
    wanted = sa.select(CreditNoteRow).where(CreditNoteRow.merchant_id == merchant_id)
    if since is not None:
        wanted = wanted.where(
            CreditNoteRow.issued_at >= datetime.combine(since, time(), zone).astimezone(UTC)
        )
    if until is not None:
        end = datetime.combine(until, time.max, zone).astimezone(UTC)
        wanted = wanted.where(CreditNoteRow.issued_at <= end)
    if after is not None:
        last = sa.select(CreditNoteRow.sequence).where(CreditNoteRow.id == after).scalar_subquery()
        wanted = wanted.where(CreditNoteRow.sequence < last)
    rows = db.session.scalars(wanted.order_by(CreditNoteRow.sequence.desc()).limit(limit))
    return tuple(_facts(row) for row in rows)


def of_refunds(refund_ids: Sequence[UUID]) -> dict[UUID, tuple[NoteFacts, ...]]:
    """refund id -> its notes, oldest first; the caller has passed the gate."""
    if not refund_ids:
        return {}
    wanted = sa.select(CreditNoteRow).where(CreditNoteRow.refund_id.in_(refund_ids))
    found: dict[UUID, tuple[NoteFacts, ...]] = {}
    for row in db.session.scalars(wanted.order_by(CreditNoteRow.sequence)):
        found[row.refund_id] = (*found.get(row.refund_id, ()), _facts(row))
    return found


def of_return(actor: Actor, return_id: UUID) -> tuple[NoteFacts, ...]:
    """The notes of a return's refunds, oldest first, for people and for its customer."""
    row = scope.return_row(actor, return_id, "returns.read")
    ids = db.session.scalars(sa.select(Refund.id).where(Refund.return_id == row.id)).all()
    return tuple(note for notes in of_refunds(ids).values() for note in notes)


def document(
    actor: Actor,
    number: str,
    *,
    merchant_id: UUID | None = None,
    return_id: UUID | None = None,
    format: str = "pdf",
    gateways: Gateways,
) -> Document:
    """A credit note as ``pdf`` or ``xml``, for people who see refunds and for the customer of its return.

    Several merchants may have the same number: ``merchant_id``, or the ``return_id`` it belongs to, says
    which. Raises ``NotFound``, ``NotAllowed``.
    """
    wanted = sa.select(CreditNoteRow).where(CreditNoteRow.number == number)
    if return_id is not None:
        row = scope.return_row(actor, return_id, "returns.read")
        of_return = sa.select(Refund.id).where(Refund.return_id == row.id)
        wanted = wanted.where(
            CreditNoteRow.merchant_id == row.merchant_id, CreditNoteRow.refund_id.in_(of_return)
        )
    elif merchant_id is not None:
        scope.require(actor, "refunds.read", merchant_id)
        wanted = wanted.where(CreditNoteRow.merchant_id == merchant_id)
    else:
        raise NotFound
    found = db.session.scalar(wanted)
    if found is None:
        raise NotFound
    return gateways.documents.credit_note(core.from_json(found.content), format=format)


def _facts(row: CreditNoteRow) -> NoteFacts:
    note = core.from_json(row.content)
    return NoteFacts(
        id=row.id,
        merchant_id=row.merchant_id,
        refund_id=row.refund_id,
        kind=row.kind,
        number=row.number,
        issued_at=row.issued_at,
        currency=note.currency,
        total=note.total,
        payable=note.payable,
        refund_number=note.refund_number,
        return_number=note.return_number,
        order_number=note.order_number,
        reverses=note.reverses,
    )
