"""Refunds by bank transfer: collected into a batch by one person, released by another, executed by the bank.

A batch is fixed when it is collected; its file is written once, when it is released, and never again. Whether
the bank did what it says is told by a person, for all of it or transfer by transfer.
"""

import hashlib
import json
import secrets
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from portal.core import numbers
from portal.core.access import Actor, Conflict, NotAllowed, NotFound
from portal.core.bank import BankTransfer, TransferOrder, account_from
from portal.core.lifecycles import BATCH
from portal.db import history, merchants
from portal.db.bank import TransferBatch
from portal.db.base import db, transaction, uuid7
from portal.db.refunds import Payout, Refund
from portal.ports import Declined, Gateways, RefundResult
from portal.services import scope
from portal.services.paying import arrivals, settling
from portal.services.paying.bank_accounts import BANK_TRANSFER
from portal.services.paying.bank_facts import BatchFacts as BatchFacts
from portal.services.paying.bank_facts import listing as listing
from portal.services.paying.bank_facts import one as one
from portal.services.paying.bank_facts import waiting as waiting

MOST = 2000
"""Transfers in one file; the rest waits for the next."""


def collect(actor: Actor, merchant_id: UUID, *, gateways: Gateways, now: datetime) -> UUID:
    """Put every transfer of the shop that waits and knows its account into one batch.

    Raises ``Conflict``: ``bank_account_missing``, ``nothing_to_transfer``; ``NotAllowed``.
    """
    scope.require(actor, "refunds.approve", merchant_id)
    if actor.id is None:
        raise NotAllowed("refunds.approve")  # two people stand behind every file: a machine is none of them
    with transaction():
        if _payer(merchant_id) is None:
            raise Conflict("bank_account_missing")
        batch = TransferBatch(
            id=uuid7(),
            merchant_id=merchant_id,
            number=numbers.batch_number(secrets.token_bytes(numbers.BYTES_NEEDED)),
            state=BATCH.start,
            currency=gateways.bank.currency,
            created_at=now,
            created_by=actor.id,
            created_by_name=actor.name,
        )
        db.session.add(batch)
        db.session.flush()
        taken = [payout for payout in map(_ready, _candidates(merchant_id, batch.currency)) if payout]
        if not taken:
            raise Conflict("nothing_to_transfer")
        for payout in taken:
            payout.batch_id, payout.bank_reference = batch.id, _reference(payout)
        batch.amount_minor = sum(payout.amount_minor for payout in taken)
        batch.transfers = len(taken)
        db.session.flush()
        batch.digest = _content(batch, taken)
        _record(actor, "batch.created", batch, now, transfers=batch.transfers, amount=batch.amount_minor)
        return batch.id


def _candidates(merchant_id: UUID, currency: str) -> Sequence[UUID]:
    wanted = sa.select(Payout.id).where(
        Payout.merchant_id == merchant_id,
        Payout.provider == BANK_TRANSFER,
        Payout.provider_reference == "",
        Payout.state == "planned",
        Payout.currency == currency,
        Payout.batch_id.is_(None),
    )
    return db.session.scalars(wanted.order_by(Payout.refund_id, Payout.id).limit(MOST)).all()


def _ready(payout_id: UUID) -> Payout | None:
    """The transfer, locked after its refund; None when another batch has it, or it cannot be paid yet."""
    payout = db.session.get_one(Payout, payout_id)
    refund = settling.locked(payout.refund_id)
    db.session.refresh(payout, with_for_update=True)
    free = payout.state == "planned" and payout.batch_id is None and not settling.awaits_warehouse(refund)
    return (
        payout
        if free and refund.state in ("approved", "pending") and account_from(payout.destination)
        else None
    )


def _reference(payout: Payout) -> str:
    """Unique for ever: the refund's number, and which of its transfers this is."""
    number = db.session.get_one(Refund, payout.refund_id).number
    place = sum(1 for one in settling.of_refund(payout.refund_id) if one.id <= payout.id)
    return f"{number}-{place}"


def _content(batch: TransferBatch, taken: Sequence[Payout]) -> str:
    """A digest of what a batch would pay to whom: what one person collected is what the other releases."""
    rows = sorted(
        [str(p.id), p.amount_minor, p.bank_reference, p.destination.get("iban"), p.destination.get("holder")]
        for p in taken
    )
    plain = json.dumps([batch.number, batch.currency, rows], ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(plain.encode()).hexdigest()


def release(actor: Actor, batch_id: UUID, *, gateways: Gateways, now: datetime) -> None:
    """A second person lets a batch go: its file is written, and its transfers are on their way.

    Raises ``Conflict``: ``same_person``, ``batch_changed`` (a refund of it was canceled or redirected
    meanwhile), ``bank_account_missing``; ``IllegalStep``, ``NotFound``, ``NotAllowed``.
    """
    with transaction():
        batch = _managed(actor, batch_id)
        state = BATCH.after(batch.state, "release")
        if actor.id is None or actor.id == batch.created_by:
            raise Conflict("same_person")
        rows = [(settling.locked(payout.refund_id), payout) for payout in _payouts_of(batch, lock=True)]
        if any(payout.state != "planned" for _, payout in rows):
            raise Conflict("batch_changed")
        if _content(batch, [payout for _, payout in rows]) != batch.digest:
            raise Conflict("batch_changed")
        batch.file = _file(batch, rows, gateways=gateways, now=now)
        batch.digest = hashlib.sha256(batch.file.encode()).hexdigest()
        batch.state, batch.released_at = state, now
        batch.released_by, batch.released_by_name = actor.id, actor.name
        for refund, payout in rows:
            payout.sent_at = now
            settling.apply(refund, payout, _result(payout, "pending"), now=now)
            payout.next_check_at = None
        _record(actor, "batch.released", batch, now, digest=batch.digest)


def _file(
    batch: TransferBatch, rows: Sequence[tuple[Refund, Payout]], *, gateways: Gateways, now: datetime
) -> str:
    merchant = merchants.by_id(batch.merchant_id)
    payer = account_from(merchant.bank) if merchant else None
    if merchant is None or payer is None:
        raise Conflict("bank_account_missing")
    transfers = []
    for refund, payout in rows:
        account = account_from(payout.destination)
        if account is None:
            raise Conflict("batch_changed")
        transfers.append(
            BankTransfer(
                end_to_end_id=payout.bank_reference,
                amount=payout.amount_minor,
                to=account,
                text=f"{merchant.name} {refund.number}",
            )
        )
    order = TransferOrder(
        message_id=batch.number,
        made_at=now,
        execute_on=_next_working_day(now.astimezone(ZoneInfo(merchant.zone)).date(), merchant.country),
        currency=batch.currency,
        payer=payer,
        transfers=tuple(transfers),
    )
    try:
        return gateways.bank.written(order)
    except Declined as problem:
        raise Conflict(problem.code) from None


def _next_working_day(day: date, country: str) -> date:
    day += timedelta(days=1)
    while arrivals.is_bank_holiday(day, country):
        day += timedelta(days=1)
    return day


def file(actor: Actor, batch_id: UUID) -> tuple[str, str]:
    """(name, content) of a released batch, always the same to the byte. Raises ``Conflict("not_released")``."""
    batch = db.session.get(TransferBatch, batch_id)
    if batch is None:
        raise NotFound
    scope.require(actor, "refunds.approve", batch.merchant_id)
    if not batch.file:
        raise Conflict("not_released")
    if hashlib.sha256(batch.file.encode()).hexdigest() != batch.digest:
        raise RuntimeError(f"the file of batch {batch.number} is not what was released")
    return f"{batch.number}.xml", batch.file


def execute(actor: Actor, batch_id: UUID, *, now: datetime) -> None:
    """The bank has paid the whole batch: every transfer of it that is still on its way has arrived.

    Again, or after it was cut off, it does what is left. Raises ``IllegalStep``, ``NotFound``, ``NotAllowed``.
    """
    batch = db.session.get(TransferBatch, batch_id, populate_existing=True)
    if batch is None:
        raise NotFound
    scope.require(actor, "refunds.approve", batch.merchant_id)
    BATCH.after(batch.state, "execute")
    for payout in _payouts_of(batch):
        if payout.state == "pending":
            settling.record(payout.id, payout.refund_id, _result(payout, "succeeded"), now=now)
    with transaction():
        batch = _managed(actor, batch_id)
        batch.state, batch.executed_at = BATCH.after(batch.state, "execute"), now
        _record(actor, "batch.executed", batch, now)


def returned(actor: Actor, payout_id: UUID, *, reason: str, now: datetime) -> None:
    """The bank sent one transfer back: it has failed, and its refund can be paid in another way.

    Raises ``Conflict``: ``reason_missing``, ``not_released``; ``NotFound``, ``NotAllowed``.
    """
    payout = db.session.get(Payout, payout_id, populate_existing=True)
    if payout is None:
        raise NotFound
    scope.require(actor, "refunds.approve", payout.merchant_id)
    if payout.batch_id is None:
        raise NotFound
    if not reason.strip():
        raise Conflict("reason_missing")
    if payout.state not in ("pending", "succeeded"):
        raise Conflict("not_released")
    result = _result(payout, "failed", reason.strip()[:500])
    settling.record(payout.id, payout.refund_id, result, now=now)
    with transaction():
        batch = _managed(actor, payout.batch_id)
        _record(
            actor, "transfer.returned", batch, now, reference=payout.bank_reference, reason=reason.strip()
        )


def cancel(actor: Actor, batch_id: UUID, *, reason: str, now: datetime) -> None:
    """Give a batch up. Before its release its transfers wait again; after it (the bank refused the file, and
    paid nothing of it) they have failed.

    Raises ``Conflict``: ``reason_missing``, ``partly_paid``; ``IllegalStep``, ``NotFound``, ``NotAllowed``.
    """
    with transaction():
        batch = _managed(actor, batch_id)
        if not reason.strip():
            raise Conflict("reason_missing")
        state, was_open = BATCH.after(batch.state, "cancel"), batch.state == BATCH.start
        rows = [(settling.locked(payout.refund_id), payout) for payout in _payouts_of(batch, lock=True)]
        if any(payout.state == "succeeded" for _, payout in rows):
            raise Conflict("partly_paid")
        for refund, payout in rows:
            if was_open:
                payout.batch_id, payout.bank_reference = None, ""
            elif payout.state == "pending":
                settling.apply(refund, payout, _result(payout, "failed", reason.strip()[:500]), now=now)
        batch.state = state
        _record(actor, "batch.canceled", batch, now, reason=reason.strip())


def _result(payout: Payout, state: str, error: str = "") -> RefundResult:
    return RefundResult(
        state=state,
        reference="",
        amount=payout.amount_minor,
        currency=payout.currency,
        error=error,
        bank_reference=payout.bank_reference,
    )


def _payer(merchant_id: UUID) -> object:
    row = merchants.by_id(merchant_id)
    return account_from(row.bank) if row else None


def _managed(actor: Actor, batch_id: UUID) -> TransferBatch:
    batch = db.session.get(TransferBatch, batch_id, populate_existing=True, with_for_update=True)
    if batch is None:
        raise NotFound
    scope.require(actor, "refunds.approve", batch.merchant_id)
    return batch


def _payouts_of(batch: TransferBatch, *, lock: bool = False) -> Sequence[Payout]:
    """The transfers of a batch by refund; locked, if so, after each refund was."""
    wanted = sa.select(Payout).where(Payout.batch_id == batch.id).order_by(Payout.refund_id, Payout.id)
    rows = db.session.scalars(wanted.execution_options(populate_existing=True)).all()
    for payout in rows if lock else ():
        settling.locked(payout.refund_id)
        db.session.refresh(payout, with_for_update=True)
    return rows


def _record(actor: Actor, what: str, batch: TransferBatch, now: datetime, **details: object) -> None:
    told = {"number": batch.number, "currency": batch.currency} | details
    history.record(actor, what, merchant_id=batch.merchant_id, subject_id=batch.id, now=now, **told)
