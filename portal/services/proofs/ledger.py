"""I4: every entry balances and is untouched, and what was posted is what was decided, moved and given up."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import aliased

from portal.core.facts import CHARGES
from portal.core.money import Minor
from portal.core.refunds import breakdown as breakdowns
from portal.core.refunds import ledger
from portal.core.refunds.breakdown import Breakdown
from portal.core.refunds.ledger import AUTHORIZED, CLEARING, DUE, OWN_CREDIT, PAYABLE, UNPAID
from portal.db.base import db
from portal.db.orders import OrderLine
from portal.db.refunds import Payout, Refund, RefundLine, Transfer
from portal.services.paying.settling import FREED
from portal.services.proofs import DECIDED, Break, counted, rows, sums
from portal.services.proofs.payments import latest

GUARDED = ("history", "ledger_transfers", "stock_movements", "policies", "credit_entries", "credit_notes")
"""Tables that the database itself keeps as they were written."""


def entries(found: list[Break]) -> int:
    """Each entry is of one merchant, refund, kind and moment, sums to zero per currency, and stays as it is."""
    found += _unguarded()
    found += _torn()
    found += _not_opposite()
    return counted(Transfer)


def _unguarded() -> Iterator[Break]:
    """The triggers that refuse change and deletion are there and awake."""
    if db.engine.dialect.name == "sqlite":
        there = "SELECT tbl_name, count(*) FROM sqlite_master WHERE type = 'trigger' GROUP BY tbl_name"
    else:
        there = (
            "SELECT tgrelid::regclass::text, count(*) FROM pg_trigger "
            "WHERE NOT tgisinternal AND tgenabled <> 'D' GROUP BY tgrelid"
        )
    guards = {table: units for table, units in db.session.execute(sa.text(there))}  # noqa: C416  rows, not pairs
    for table in GUARDED:
        if guards.get(table, 0) < 2:
            yield Break(
                invariant="I4", where=f"table {table}", says="nothing refuses to change or delete its rows"
            )


def _torn() -> Iterator[Break]:
    """Postings of one entry that do not belong together, or that could not balance."""
    one = sa.func.count(sa.distinct(Transfer.merchant_id)) + sa.func.count(sa.distinct(Transfer.refund_id))
    two = sa.func.count(sa.distinct(Transfer.kind)) + sa.func.count(sa.distinct(Transfer.at))
    torn = sa.select(Transfer.entry_id).group_by(Transfer.entry_id).having(sa.or_(one > 2, two > 2))
    for (entry_id,) in rows(torn.order_by(Transfer.entry_id)):
        yield Break(invariant="I4", where=f"entry {entry_id}", says="its postings do not belong together")
    lame = sa.select(Transfer.id, Transfer.debit, Transfer.credit, Transfer.amount_minor).where(
        sa.or_(Transfer.amount_minor <= 0, Transfer.debit == Transfer.credit)
    )
    for row in rows(lame.order_by(Transfer.id)):
        said = f"{row.amount_minor} from {row.credit} to {row.debit} does not balance"
        yield Break(invariant="I4", where=f"posting {row.id}", says=said)
    wrong = (
        sa.select(Transfer.id, Transfer.currency, Refund.currency.label("of_refund"), Refund.number)
        .join(Refund, Refund.id == Transfer.refund_id)
        .where(Transfer.currency != Refund.currency)
    )
    for row in rows(wrong.order_by(Transfer.id)):
        said = f"{row.currency} for refund {row.number} in {row.of_refund}"
        yield Break(invariant="I4", where=f"posting {row.id}", says=said)


def _not_opposite() -> Iterator[Break]:
    """A reversing posting is the exact opposite of the one it names, of the same refund, and later."""
    first = aliased(Transfer)
    wanted = (
        sa.select(Transfer.id, first.id.label("first_id"))
        .outerjoin(first, first.id == Transfer.reverses_id)
        .where(
            Transfer.reverses_id.is_not(None),
            sa.or_(
                first.id.is_(None),
                first.debit != Transfer.credit,
                first.credit != Transfer.debit,
                first.amount_minor != Transfer.amount_minor,
                first.currency != Transfer.currency,
                first.refund_id != Transfer.refund_id,
                first.merchant_id != Transfer.merchant_id,
            ),
        )
    )
    for row in rows(wanted.order_by(Transfer.id)):
        says = (
            "it is not the opposite of what it reverses" if row.first_id else "what it reverses is not there"
        )
        yield Break(invariant="I4", where=f"posting {row.id}", says=says)


def refunds(found: list[Break]) -> int:
    """A breakdown sums to its refund, to its lines, to its transfers, and to what was posted for it."""
    lines = sums(RefundLine.refund_id, RefundLine.amount_minor)
    sent: dict[UUID, Minor] = defaultdict(int)
    for row in latest():
        sent[row.refund_id] += row.amount_minor
    posted, kinds = _posted(), _kinds()
    looked_at = 0
    wanted = sa.select(
        Refund.id, Refund.number, Refund.state, Refund.amount_minor, Refund.breakdown, Refund.currency
    )
    for refund in rows(wanted.order_by(Refund.id)):
        looked_at += 1
        for says in _wrong_refund(refund, lines, sent, posted, kinds):
            found.append(Break(invariant="I4", where=refund.number, says=says))
    return looked_at


def _wrong_refund(
    refund: Any,
    lines: dict[Any, Minor],
    sent: dict[UUID, Minor],
    posted: dict[UUID, dict[str, Minor]],
    kinds: dict[str, str],
) -> Iterator[str]:
    told = breakdowns.from_json(refund.breakdown)
    if told.amount != refund.amount_minor or told.currency != refund.currency:
        yield (f"{refund.amount_minor} {refund.currency}, its breakdown says {told.amount} {told.currency}")
    if lines.get(refund.id, 0) != told.owed:
        yield f"lines sum to {lines.get(refund.id, 0)}, {told.owed} is owed"
    if refund.state not in DECIDED:
        return
    planned = sum(share.amount for share in told.shares if share.origin_id or share.tender == "store_credit")
    if sent.get(refund.id, 0) != planned:
        yield f"transfers sum to {sent.get(refund.id, 0)}, not {planned}"
    should = _should(told, kinds)
    is_ = {account: amount for account, amount in posted.get(refund.id, {}).items() if amount}
    for account in sorted({*should, *is_}):
        if should.get(account, 0) != is_.get(account, 0):
            yield f"{account} was posted {is_.get(account, 0)}, the breakdown says {should.get(account, 0)}"


def _should(told: Breakdown, kinds: dict[str, str]) -> dict[str, Minor]:
    """Account -> debits less credits that deciding on the refund posts."""
    transfers = ledger.decided_of(
        told, {part.line_id: kinds.get(str(part.line_id), "") for part in told.lines}
    )
    found = ledger.balance(transfers)
    return {account: amount for (account, _), amount in found.items() if amount}


def _posted() -> dict[UUID, dict[str, Minor]]:
    """Refund -> account -> what deciding on it posted."""
    found: dict[UUID, dict[str, Minor]] = defaultdict(lambda: defaultdict(int))
    wanted = sa.select(Transfer.refund_id, Transfer.debit, Transfer.credit, Transfer.amount_minor).where(
        Transfer.kind == "refund_decided"
    )
    for row in rows(wanted):
        found[row.refund_id][row.debit] += row.amount_minor
        found[row.refund_id][row.credit] -= row.amount_minor
    return found


def _kinds() -> dict[str, str]:
    """Lines that are charges; all others are goods."""
    wanted = sa.select(OrderLine.id, OrderLine.kind).where(
        OrderLine.kind.in_(CHARGES), OrderLine.id.in_(sa.select(RefundLine.order_line_id))
    )
    return {str(row.id): row.kind for row in rows(wanted)}


def payables(found: list[Break]) -> int:
    """What is payable for a refund is what was decided and is neither paid nor given up."""
    balances: dict[tuple[Any, str], Minor] = defaultdict(int)
    for side, sign in ((Transfer.debit, 1), (Transfer.credit, -1)):
        wanted = (
            sa.select(
                Transfer.refund_id, side.label("account"), sa.func.sum(Transfer.amount_minor).label("total")
            )
            .where(side.in_((PAYABLE, UNPAID)))
            .group_by(Transfer.refund_id, side)
        )
        for row in rows(wanted):
            balances[row.refund_id, row.account] += sign * int(row.total)
    paid: dict[Any, Minor] = defaultdict(int)
    failed: dict[Any, Minor] = defaultdict(int)
    for row in latest():
        if row.state == "succeeded":
            paid[row.refund_id] += row.amount_minor
        elif row.state in FREED:
            failed[row.refund_id] += row.amount_minor
    refunds_ = sa.select(Refund.id, Refund.number, Refund.state, Refund.amount_minor).order_by(Refund.id)
    looked_at = 0
    for refund in rows(refunds_):
        looked_at += 1
        decided = refund.amount_minor if refund.state in DECIDED else 0
        unpaid = failed[refund.id] if refund.state != "canceled" else 0
        for account, expected in ((PAYABLE, decided - paid[refund.id] - unpaid), (UNPAID, unpaid)):
            held = -balances[refund.id, account]
            if held != expected:
                said = f"{account} is {held}, should be {expected}"
                found.append(Break(invariant="I4", where=refund.number, says=said))
    return looked_at


def _on_another_account() -> Iterator[Break]:
    """What was paid out was posted as paid out, what was let go as let go, and what is owed no more as that."""
    should = sa.case(
        (Payout.mode == "due", DUE),
        (Payout.mode == "authorized", sa.literal(AUTHORIZED).concat(Payout.provider)),
        (Payout.provider.in_(OWN_CREDIT), Payout.provider),
        else_=sa.literal(CLEARING).concat(Payout.provider),
    )
    wanted = (
        sa.select(Payout.key, Refund.number, Transfer.credit, should.label("should"))
        .join(Payout, Payout.id == Transfer.payout_id)
        .join(Refund, Refund.id == Transfer.refund_id)
        .where(Transfer.kind == "payout_settled", Transfer.credit != should)
    )
    for row in rows(wanted.order_by(Transfer.id)):
        said = f"it was posted to {row.credit}, should be {row.should}"
        yield Break(invariant="I4", where=f"transfer {row.key} of {row.number}", says=said)


def moved(found: list[Break]) -> int:
    """Every transfer that succeeded is posted once to its own account, and no other is."""
    found += _on_another_account()
    sides = [
        sa.select(
            Transfer.payout_id,
            (sign * sa.func.sum(Transfer.amount_minor)).label("total"),
        )
        .where(
            Transfer.payout_id.is_not(None),
            side.not_in((PAYABLE, UNPAID)),
        )
        .group_by(Transfer.payout_id)
        for side, sign in ((Transfer.credit, 1), (Transfer.debit, -1))
    ]
    both = sa.union_all(*sides).subquery()
    posted = (
        sa.select(both.c.payout_id, sa.func.sum(both.c.total).label("total"))
        .group_by(both.c.payout_id)
        .subquery()
    )
    should = sa.case((Payout.state == "succeeded", Payout.amount_minor), else_=0)
    wanted = (
        sa.select(
            Payout.key,
            Refund.number,
            should.label("should"),
            sa.func.coalesce(posted.c.total, 0).label("held"),
        )
        .join(Refund, Refund.id == Payout.refund_id)
        .outerjoin(posted, posted.c.payout_id == Payout.id)
        .where(should != sa.func.coalesce(posted.c.total, 0))
        .order_by(Payout.created_at, Payout.id)
    )
    for row in rows(wanted):
        said = f"{int(row.held)} was posted as moved, should be {row.should}"
        found.append(Break(invariant="I4", where=f"transfer {row.key} of {row.number}", says=said))
    return counted(Payout)
