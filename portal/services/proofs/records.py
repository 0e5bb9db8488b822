"""I7, I8 and what follows from the ledger: history, messages, tasks, approvals, batches, codes and credit notes."""

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from portal.core import credit_notes as notes
from portal.db.bank import TransferBatch
from portal.db.credit_notes import CreditNoteRow
from portal.db.history import Happening
from portal.db.mails import Mail
from portal.db.merchants import Merchant
from portal.db.refunds import Approval, Payout, Refund
from portal.db.returns import Return
from portal.db.tasks import Task
from portal.services.ledgers import credits
from portal.services.paying import approvals as approving
from portal.services.proofs import Break, counted, rows, verifying_history

STATES = {
    "succeeded": "refund.succeeded",
    "failed": "refund.failed",
    "canceled": "refund.canceled",
}
"""A refund's state -> what its history must tell."""


def history(found: list[Break]) -> int:
    """Each state of a refund was written into history, and its customer was told, in the same transaction."""
    told: dict[str, set[str]] = defaultdict(set)
    number = Happening.details["number"].as_string()
    wanted = sa.select(Happening.what, number.label("number")).where(Happening.what.like("refund.%"))
    for row in rows(wanted):
        told[row.number].add(row.what)
    mailed = set(rows(sa.select(Mail.refund_id).where(Mail.event == "refunded").distinct()))
    told_to = {row.refund_id for row in mailed}
    refunds = (
        sa.select(
            Refund.id, Refund.number, Refund.state, Refund.amount_minor, Refund.approved_at, Refund.return_id
        )
        .join(Return, Return.id == Refund.return_id)
        .where(Return.channel != "import")
        .order_by(Refund.id)
    )
    for refund in rows(refunds):
        needed = {"refund.created"} | ({STATES[refund.state]} if refund.state in STATES else set())
        if refund.approved_at is not None:
            needed.add("refund.approved")
        for what in sorted(needed - told[refund.number]):
            said = f"it is {refund.state}, and its history does not say {what}"
            found.append(Break(invariant="I7", where=refund.number, says=said))
        if refund.state == "succeeded" and refund.amount_minor and refund.id not in told_to:
            said = "it succeeded, and no message to the customer was promised"
            found.append(Break(invariant="I7", where=refund.number, says=said))
    found += _nobody_asked()
    return counted(Happening)


def chains(found: list[Break]) -> int:
    """Every merchant's history is the chain that was written: nothing edited, removed, moved or put in."""
    chained = verifying_history.verify()
    for one in chained:
        if one.fault is not None:
            where = f"history of {one.slug}, row {one.fault.sequence}"
            found.append(Break(invariant="I8", where=where, says=verifying_history.SAYS[one.fault.code]))
    return sum(one.sequence for one in chained)


def _nobody_asked() -> Iterator[Break]:
    """A transfer that failed, and that no other has replaced, is a matter for a person."""
    asked = sa.select(Task.key).where(Task.kind == "refund_failed")
    later = sa.select(Payout.id, Payout.refund_id, Payout.payment_id, Payout.created_at).subquery()
    replaced = sa.exists().where(
        later.c.refund_id == Payout.refund_id,
        sa.or_(
            later.c.payment_id == Payout.payment_id,
            sa.and_(later.c.payment_id.is_(None), Payout.payment_id.is_(None)),
        ),
        later.c.id != Payout.id,
        later.c.created_at >= Payout.created_at,
    )
    wanted = (
        sa.select(Payout.key, Refund.number)
        .join(Refund, Refund.id == Payout.refund_id)
        .where(
            Refund.state == "failed",
            Payout.state.in_(("failed", "canceled")),
            Payout.key.not_in(asked),
            ~replaced,
        )
        .order_by(Payout.created_at, Payout.id)
    )
    for row in rows(wanted):
        said = "it failed, and nobody was asked to look at it"
        yield Break(invariant="I7", where=f"transfer {row.key} of {row.number}", says=said)


def approvals(found: list[Break]) -> int:
    """What was approved is what the refund is, by different people, and by as many as were asked for."""
    held: dict[UUID, list[Any]] = defaultdict(list)
    for row in rows(sa.select(Approval.refund_id, Approval.digest, Approval.person_id).where(~Approval.void)):
        held[row.refund_id].append(row)
    missing: dict[str, int] = {}
    number = Happening.details["number"].as_string()
    given = sa.select(number.label("number"), Happening.details["missing"].as_integer().label("missing"))
    for row in rows(given.where(Happening.what == "refund.approval_given").order_by(Happening.id)):
        missing[row.number] = row.missing or 0
    wanted = sa.select(Refund).where(Refund.id.in_(sa.select(Approval.refund_id)))
    for (refund,) in rows(wanted.order_by(Refund.id)):
        for says in _wrong_approval(refund, held[refund.id], missing.get(refund.number, 0)):
            found.append(Break(invariant="I7", where=refund.number, says=says))
    return counted(Approval)


def _wrong_approval(refund: Refund, held: list[Any], missing: int) -> Iterator[str]:
    digest = approving.digest(refund)
    if any(row.digest != digest for row in held):
        yield "it was approved as something else than it is"
    if len({row.person_id for row in held}) != len(held):
        yield "one person approved it twice"
    if refund.approved_at is not None and refund.approved_by is not None and missing:
        yield f"it was let go, and {missing} approvals were missing"


def batches(found: list[Break]) -> int:
    """A bank batch is the sum of its transfers, in its currency, and its file is the one that was released."""
    held = (
        sa.select(
            Payout.batch_id,
            sa.func.count().label("transfers"),
            sa.func.sum(Payout.amount_minor).label("amount"),
            sa.func.count(sa.distinct(Payout.currency)).label("currencies"),
            sa.func.min(Payout.currency).label("currency"),
        )
        .where(Payout.batch_id.is_not(None))
        .group_by(Payout.batch_id)
        .subquery()
    )
    wanted = (
        sa.select(TransferBatch, held.c.transfers, held.c.amount, held.c.currencies, held.c.currency)
        .outerjoin(held, held.c.batch_id == TransferBatch.id)
        .where(TransferBatch.state != "canceled")
        .order_by(TransferBatch.id)
    )
    for batch, transfers, amount, currencies, currency in rows(wanted):
        where = f"batch {batch.number}"
        if (transfers or 0, int(amount or 0)) != (batch.transfers, batch.amount_minor):
            said = (
                f"{batch.transfers} transfers over {batch.amount_minor}, "
                f"{transfers or 0} over {int(amount or 0)} belong to it"
            )
            found.append(Break(invariant="I5", where=where, says=said))
        if transfers and (currencies, currency) != (1, batch.currency):
            found.append(Break(invariant="I5", where=where, says=f"not all of it is in {batch.currency}"))
        if batch.file and hashlib.sha256(batch.file.encode()).hexdigest() != batch.digest:
            found.append(Break(invariant="I5", where=where, says="its file is not the one that was released"))
    return counted(TransferBatch)


def codes(found: list[Break]) -> int:
    """The balance of a code is the sum of its movements, and what was paid to it stands on it once."""
    from portal.db.credits import Credit

    found += [
        Break(invariant="I5", where=where.strip(), says=says.strip())
        for where, _, says in (problem.partition(":") for problem in credits.problems())
    ]
    return counted(Credit)


def credit_notes(found: list[Break]) -> int:
    """Numbers run without a gap, a note says what its refund is, and one of a refund given up is taken back."""
    gaps = (
        sa.select(
            Merchant.slug,
            sa.func.count().label("units"),
            sa.func.max(CreditNoteRow.sequence).label("last"),
        )
        .join(Merchant, Merchant.id == CreditNoteRow.merchant_id)
        .group_by(Merchant.slug)
        .having(sa.func.count() != sa.func.max(CreditNoteRow.sequence))
    )
    for row in rows(gaps.order_by(Merchant.slug)):
        said = f"{row.units} credit notes, the last is number {row.last}"
        found.append(Break(invariant="L1", where=f"merchant {row.slug}", says=said))
    wanted = sa.select(
        CreditNoteRow.number, CreditNoteRow.sequence, CreditNoteRow.kind, CreditNoteRow.content,
        Refund.id, Refund.amount_minor, Refund.currency, Refund.state, Refund.number.label("refund"),
    ).join(Refund, Refund.id == CreditNoteRow.refund_id)  # fmt: skip
    back = {
        row.refund_id
        for row in rows(sa.select(CreditNoteRow.refund_id).where(CreditNoteRow.kind == notes.REVERSAL))
    }
    for row in rows(wanted.order_by(CreditNoteRow.merchant_id, CreditNoteRow.sequence)):
        for says in _wrong_note(row, back):
            found.append(Break(invariant="L1", where=f"{row.number} of {row.refund}", says=says))
    return counted(CreditNoteRow)


def _wrong_note(row: Any, back: set[UUID]) -> Iterator[str]:
    note = notes.from_json(row.content)
    if note.number != row.number or row.number != notes.number_of(row.sequence) or note.kind != row.kind:
        yield "it is kept under another number than it bears"
    if row.kind == notes.REVERSAL:
        if row.state != "canceled":
            yield f"it takes back the note of a refund that is {row.state}"
        return
    if (note.payable, note.currency) != (row.amount_minor, row.currency):
        yield f"it is over {note.payable} {note.currency}, the refund over {row.amount_minor} {row.currency}"
    if row.state == "canceled" and row.id not in back:
        yield "its refund was given up, and it was not taken back"
