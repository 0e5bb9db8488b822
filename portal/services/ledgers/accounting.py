"""The journal for the accountant: what the ledger posted in a period, in the merchant's own accounts."""

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import aliased

from portal.core import accounting
from portal.core.access import Actor, Conflict, NotFound
from portal.core.accounting import KINDS, AccountMap, Posting, account_map
from portal.db import history
from portal.db.base import db, transaction
from portal.db.credit_notes import CreditNoteRow
from portal.db.merchants import Merchant
from portal.db.orders import Order
from portal.db.refunds import Payout, Refund, Transfer
from portal.db.returns import Return
from portal.ports import Words
from portal.services import scope
from portal.services.ledgers import books


def journal(
    actor: Actor,
    merchant_id: UUID,
    *,
    since: date,
    until: date,
    accounts: AccountMap | None = None,
    words: Words | None = None,
) -> bytes:
    """The journal of the days ``since`` to ``until`` (the merchant's, inclusive) as CSV in UTF-8.

    ``accounts`` takes the place of the merchant's own map. The same period gives the same bytes as long as
    nothing is posted in it. Raises ``Conflict("period")`` when it ends before it begins.
    """
    scope.require(actor, "finance.read", merchant_id)
    if until < since:
        raise Conflict("period")
    plan = accounts or account_map(_shop(merchant_id).accounts or {})
    lines = accounting.journal(_postings(merchant_id, since, until, words), plan)
    return accounting.to_csv(lines, plan).encode()


def _shop(merchant_id: UUID) -> Merchant:
    shop = db.session.get(Merchant, merchant_id)
    if shop is None:
        raise NotFound
    return shop


def _postings(merchant_id: UUID, since: date, until: date, words: Words | None) -> Iterator[Posting]:
    """Entry by entry in the order of posting: one query, whatever the period holds."""
    zone = ZoneInfo(_shop(merchant_id).zone)
    note = aliased(CreditNoteRow)
    wanted = (
        sa.select(
            Transfer.entry_id,
            Transfer.at,
            Transfer.kind,
            Transfer.debit,
            Transfer.credit,
            Transfer.amount_minor,
            Transfer.currency,
            Refund.number.label("refund"),
            Return.number.label("return_number"),
            Order.number.label("order_number"),
            Payout.provider_reference.label("reference"),
            note.number.label("note"),
        )
        .outerjoin(Refund, Refund.id == Transfer.refund_id)
        .outerjoin(Return, Return.id == Refund.return_id)
        .outerjoin(Order, Order.id == Refund.order_id)
        .outerjoin(Payout, Payout.id == Transfer.payout_id)
        .outerjoin(note, sa.and_(note.refund_id == Refund.id, note.kind == "credit_note"))
        .where(Transfer.merchant_id == merchant_id, *books.period(merchant_id, since, until))
        .order_by(Transfer.at, Transfer.entry_id, Transfer.id)
    )
    for row in db.session.execute(wanted.execution_options(yield_per=2000)):
        about = row.return_number or row.order_number or ""
        yield Posting(
            entry=str(row.entry_id),
            on=row.at.astimezone(zone).date(),
            debit=row.debit,
            credit=row.credit,
            amount=row.amount_minor,
            currency=row.currency,
            doc_no=row.refund or "",
            party=row.order_number or "",
            ref=row.reference or row.note or about,
            memo=f"{words.posting(row.kind) if words else row.kind} {about}".strip(),
        )


# ------------------------------------------------------------------------------------------- account map


def accounts(actor: Actor, merchant_id: UUID) -> dict[str, Any]:
    """The merchant's account map and company details as they are kept: ``journal``, ``accounts`` and so on."""
    scope.require(actor, "finance.read", merchant_id)
    return dict(_shop(merchant_id).accounts or {})


def used(actor: Actor, merchant_id: UUID) -> tuple[str, ...]:
    """The tax labels, and accounts of providers, that were posted to: those worth a line of their own."""
    scope.require(actor, "finance.read", merchant_id)
    sides = sa.union(
        *(
            sa.select(side.label("account")).where(
                Transfer.merchant_id == merchant_id,
                sa.or_(*(side.startswith(start, autoescape=True) for start in KINDS)),
            )
            for side in (Transfer.debit, Transfer.credit)
        )
    ).subquery()
    return tuple(db.session.scalars(sa.select(sides.c.account).order_by(sides.c.account)))


def set_accounts(actor: Actor, merchant_id: UUID, value: Mapping[str, Any], *, now: datetime) -> None:
    """Keep another account map and company details. Raises ``BadAccounts`` with everything wrong with it."""
    scope.require(actor, "finance.edit", merchant_id)
    account_map(value)
    with transaction() as session:
        shop = session.get(Merchant, merchant_id, with_for_update=True, populate_existing=True)
        if shop is None:
            raise NotFound
        if shop.accounts == dict(value):
            return
        before, after = _flat(shop.accounts or {}), _flat(value)
        shop.accounts = dict(value)
        history.record(
            actor, "merchant.accounts_changed", merchant_id=merchant_id, subject_id=merchant_id, now=now,
            changed={f"accounts.{one}": (before.get(one), after.get(one)) for one in {**before, **after}},
        )  # fmt: skip


def _flat(value: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    """Every value by its path."""
    found: dict[str, Any] = {}
    for name, one in value.items():
        found |= _flat(one, f"{path}{name}.") if isinstance(one, Mapping) else {f"{path}{name}": one}
    return found
