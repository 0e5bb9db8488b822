"""A dispute begins: once per form, one at a time per return; and what nobody contests is paid at once."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from portal import faults
from portal.core import disputes as core
from portal.core import numbers
from portal.core.access import SYSTEM, Actor, Conflict, NotFound
from portal.core.facts import KEEP
from portal.core.lifecycles import DISPUTE
from portal.core.money import Minor
from portal.core.refunds.breakdown import Breakdown, from_json
from portal.core.refunds.settlements import is_settlement
from portal.db import returns
from portal.db.base import db, transaction, uuid7
from portal.db.disputes import Dispute, DisputeLine
from portal.db.refunds import Refund
from portal.db.returns import Return
from portal.services import pictures, scope, tasks, work
from portal.services.disputes import gate, reading, settling, telling
from portal.services.filing.returns import Page, read
from portal.services.paying import approvals
from portal.services.pictures import Prepared
from portal.services.refunding import decisions, owed
from portal.services.refunding.owed import AS_WORKED_OUT


@dataclass(frozen=True, kw_only=True)
class LineClaim:
    """One contested line: why, how much of it, and in which words."""

    line_id: UUID
    ground: str
    units: int | None = None
    """None: all of it."""
    claimed: Minor | None = None
    """What should come on top, where the customer names it."""
    body: str = ""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What a customer contests, and what they want."""

    lines: tuple[LineClaim, ...]
    wanted: str
    body: str
    claimed: Minor | None = None
    """The same for the whole; None where they name no amount."""


def open_dispute(
    actor: Actor,
    return_id: UUID,
    claim: Claim,
    *,
    nonce: str,
    attached: Sequence[bytes] = (),
    folder: Path | None = None,
    now: datetime,
) -> UUID:
    """Contest a return, as its customer; answers the dispute. The same ``nonce`` again answers the same one.

    What our own reckoning owes is sent on its way at once: a dispute holds nothing back.
    Raises ``Conflict``: ``not_contestable``, ``dispute_open``, ``nothing_chosen``, ``unknown_ground``,
    ``unknown_wish``, ``words_missing``, ``words_too_long``, ``negative_amount``, ``too_much`` with the maximum
    and ``line``, ``photos_full`` and what makes a picture unreadable.
    """
    gate.customer_only(actor)
    scope.return_row(actor, return_id, "returns.create")
    if len(attached) > core.MOST_PICTURES:
        raise Conflict("photos_full", maximum=core.MOST_PICTURES)
    prepared = [pictures.prepare(content) for content in attached]
    try:
        made, is_new = _opened(
            actor, return_id, claim, nonce=nonce, prepared=prepared, folder=folder, now=now
        )
    except IntegrityError:
        twin = _made_by(nonce)
        if twin is None or twin.return_id != return_id:
            raise Conflict("dispute_open") from None
        return twin.id  # the same form arrived twice at once; the other one was faster
    faults.point("after_intent_commit")
    if is_new:
        pay_undisputed(made, now=now)
    return made


def _opened(
    actor: Actor,
    return_id: UUID,
    claim: Claim,
    *,
    nonce: str,
    prepared: Sequence[Prepared],
    folder: Path | None,
    now: datetime,
) -> tuple[UUID, bool]:
    with transaction():
        row = scope.return_row(actor, return_id, "returns.create", lock=True)
        twin = _made_by(nonce)
        if twin is not None:
            if twin.return_id != row.id:
                raise NotFound
            return twin.id, False
        if _has_open(row.id):
            raise Conflict("dispute_open")
        page = read(row, now=now, lock=True)
        judge(page, reading.standings(page), claim)
        dispute = _dispute(actor, row, page, claim, nonce=nonce, now=now)
        db.session.add(dispute)
        db.session.flush()
        _write_lines(dispute, page, claim)
        for picture in prepared:
            if folder is None:
                raise ValueError("pictures need a folder")
            pictures.keep(
                actor, picture, merchant_id=row.merchant_id, return_id=row.id, subject="dispute",
                subject_id=dispute.id, folder=folder, now=now,
            )  # fmt: skip
        row.dispute_state = dispute.state
        gate.say(actor, row, claim.body, kind="customer", now=now)
        gate.tell(
            actor, "dispute.opened", dispute, now, ground=dispute.ground, claimed=dispute.claimed_minor,
            currency=row.currency, due=dispute.due_at.isoformat(),
        )  # fmt: skip
        telling.mail("dispute_opened", row, dispute, now=now)
        work.enqueue("undisputed", dispute.id)
        faults.point("before_intent_commit")
        return dispute.id, True


def _made_by(nonce: str) -> Dispute | None:
    return db.session.scalar(sa.select(Dispute).where(Dispute.nonce == nonce)) if nonce else None


def _has_open(return_id: UUID) -> bool:
    found = sa.select(Dispute.id).where(Dispute.return_id == return_id, Dispute.closed_at.is_(None))
    return db.session.scalar(found.limit(1)) is not None


def judge(page: Page, standings: dict[UUID, core.LineStanding], claim: Claim) -> None:
    """What cannot be claimed is refused, before anything is asked again. Raises ``Conflict`` as ``open_dispute``."""
    draft = page.draft
    if not core.may_contest(draft.state, draft.kind, standings.values()):
        raise Conflict("not_contestable", state=draft.state)
    if not claim.lines:
        raise Conflict("nothing_chosen")
    if claim.wanted not in core.WISHES:
        raise Conflict("unknown_wish")
    if not claim.body.strip():
        raise Conflict("words_missing")
    if len(claim.body) > core.LONGEST_WORDS or any(len(one.body) > core.LONGEST_WORDS for one in claim.lines):
        raise Conflict("words_too_long", maximum=core.LONGEST_WORDS)
    for one in claim.lines:
        standing = standings.get(one.line_id)
        if standing is None:
            raise NotFound
        if one.ground not in core.grounds(draft.state, draft.kind, standing):
            raise Conflict("unknown_ground", line=str(one.line_id))
        if one.units is not None and not 0 < one.units <= standing.units:
            raise Conflict("too_many_units", line=str(one.line_id), maximum=standing.units)
    _judge_amounts(page, claim)


def _judge_amounts(page: Page, claim: Claim) -> None:
    """Nobody can be owed more than was paid for what they contest, and is not back already."""
    if page.order is None:
        return
    for one in claim.lines:
        if one.claimed is not None:
            _within(one.claimed, settling.most(page, None, [one.line_id]), page, line=str(one.line_id))
    if claim.claimed is not None:
        _within(claim.claimed, settling.most(page, None, [one.line_id for one in claim.lines]), page)


def _within(claimed: Minor, most: Minor, page: Page, **about: str) -> None:
    if claimed < 0:
        raise Conflict("negative_amount", **about)
    if claimed > most:
        raise Conflict("too_much", maximum=most, currency=page.draft.currency, **about)


def _dispute(actor: Actor, row: Return, page: Page, claim: Claim, *, nonce: str, now: datetime) -> Dispute:
    contested = sa.select(Refund.id).where(Refund.return_id == row.id, Refund.state != "canceled")
    named = [one.claimed for one in claim.lines if one.claimed is not None]
    return Dispute(
        id=uuid7(),
        merchant_id=row.merchant_id,
        return_id=row.id,
        refund_id=db.session.scalar(contested.order_by(Refund.id.desc()).limit(1)),
        number=numbers.dispute_number(secrets.token_bytes(numbers.BYTES_NEEDED)),
        state=DISPUTE.start,
        ground=core.main_ground(one.ground for one in claim.lines),
        wanted=claim.wanted,
        claimed_minor=claim.claimed if claim.claimed is not None else (sum(named) if named else None),
        body=claim.body.strip(),
        opened_at=now,
        opened_by_name=row.name or actor.name,
        due_at=core.due(now, page.terms.dispute_hours),
        nonce=nonce or None,
        settled_minor=0,
        version=1,
    )


def _write_lines(dispute: Dispute, page: Page, claim: Claim) -> None:
    units = {line.id: line.units for line in page.draft.lines}
    db.session.execute(
        sa.insert(DisputeLine),
        [
            {
                "id": uuid7(),
                "merchant_id": dispute.merchant_id,
                "dispute_id": dispute.id,
                "return_line_id": one.line_id,
                "units": one.units or units[one.line_id],
                "ground": one.ground,
                "claimed_minor": one.claimed,
                "body": one.body.strip(),
            }
            for one in claim.lines
        ],
    )


# ---------------------------------------------------------------------------------- what nobody contests


def pay_undisputed(dispute_id: UUID, *, now: datetime) -> None:
    """Send on its way what our own reckoning owes of the return; done again it finds nothing left.

    What was worked out and not made yet is made, where the policy pays by itself what the inspection found; it
    goes at once within every limit, and else a person is asked at once, as for a refund that waits already. So is
    one where a person had given a refund of the return up: they may have paid it outside.
    """
    try:
        with transaction():
            dispute = gate.find(dispute_id)
            row = returns.get(dispute.return_id, lock=True)
            if row is None:
                return
            if row.kind != KEEP:
                _make(row, now=now)
            _ask_for_approval(row, dispute, now=now)
            faults.point("before_intent_commit")
    except Conflict as conflict:
        if conflict.code not in ("nothing_to_refund", "to_be_assessed", "too_much"):
            raise


def _make(row: Return, *, now: datetime) -> None:
    page = read(row, now=now, lock=True)
    if page.terms.refund_trigger == "manual" or page.order is None:
        return
    try:
        due = owed.work_out(SYSTEM, page, now=now)
    except Conflict:
        return  # nothing is owed, or a person has to assess it
    if due.amount:
        asking = Actor(kind="link", name=row.name)  # asks for it, and stands behind nothing
        alone = _within_limits(row, due, now=now) and not _was_given_up(row)
        actor = SYSTEM if alone else asking
        decisions.make(actor, row, page, due, overrides=AS_WORKED_OUT, plain=due, now=now)


def _was_given_up(row: Return) -> bool:
    """Whether somebody had decided not to send what was worked out: only people know what became of it."""
    wanted = sa.select(Refund.breakdown).where(Refund.return_id == row.id, Refund.state == "canceled")
    return any(not is_settlement(from_json(stored)) for stored in db.session.scalars(wanted))


def _within_limits(row: Return, due: Breakdown, *, now: datetime) -> bool:
    """Whether nobody would have to be asked: within the smallest limit of any role, and of four eyes."""
    limits = approvals.limits(row.merchant_id, due.currency)
    total = approvals.sum_of_day(row.order_id, due, now=now)
    return not limits.needs_two(total) and all(total <= alone for alone in limits.alone.values())


def _ask_for_approval(row: Return, dispute: Dispute, *, now: datetime) -> None:
    wanted = sa.select(Refund).where(Refund.return_id == row.id, Refund.state == "pending_approval")
    for refund in db.session.scalars(wanted.order_by(Refund.id)):
        tasks.open(
            "undisputed_waits",
            refund.number,
            merchant_id=row.merchant_id,
            subject_id=refund.id,
            details={
                "number": refund.number,
                "amount": refund.amount_minor,
                "currency": refund.currency,
                "return_id": str(row.id),
                "dispute": dispute.number,
            },
            now=now,
        )
