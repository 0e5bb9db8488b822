"""The list of disputes: by state with counts, the one due first on top, found by number, customer or return."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from portal.core import numbers
from portal.core.access import Actor
from portal.core.disputes import OPEN
from portal.core.lifecycles import DISPUTE
from portal.core.money import Minor
from portal.db.base import db
from portal.db.disputes import Dispute, Offer
from portal.db.returns import Return

PER_PAGE = 50


@dataclass(frozen=True, kw_only=True)
class DisputeRow:
    """One dispute in the list. ``until`` is when whoever's turn it is has to have answered; None where no time runs."""

    id: UUID
    number: str
    state: str
    ground: str
    claimed: Minor | None
    currency: str
    customer: str
    return_id: UUID
    return_number: str
    merchant_id: UUID
    opened_at: datetime
    until: datetime | None
    offered: Minor | None
    by_customer: bool
    """Whether what is offered is what the customer asks for."""


@dataclass(frozen=True, kw_only=True)
class Listing:
    """A page of the list, the counts of every state, and where it goes on."""

    rows: tuple[DisputeRow, ...]
    counts: dict[str, int]
    next: str
    exact: UUID | None
    """The dispute whose number was typed."""


def listing(
    actor: Actor,
    *,
    state: str = "",
    ground: str = "",
    query: str = "",
    merchant_id: UUID | None = None,
    late: bool = False,
    after: int = 0,
    limit: int = PER_PAGE,
    now: datetime,
) -> Listing:
    """Disputes of the actor's merchants; without a state those that are open. ``after`` skips so many."""
    ids = [one for one in _merchants(actor) if merchant_id in (None, one)]
    tests: list[sa.ColumnElement[bool]] = [Dispute.merchant_id.in_(ids)]
    typed = query.strip()
    if typed:
        tests.append(_found_by(typed))
    if ground:
        tests.append(Dispute.ground == ground)
    if late:
        tests.append(
            sa.and_(Dispute.state.in_(("open", "awaiting_merchant", "escalated")), Dispute.due_at <= now)
        )
    wanted = sa.select(Dispute, Return).join(Return, Return.id == Dispute.return_id).where(*tests)
    if state in DISPUTE.states:
        wanted = wanted.where(Dispute.state == state)
    elif state != "all":
        wanted = wanted.where(Dispute.state.in_(OPEN))
    ended = state == "all" or DISPUTE.final(state) if state else False
    order = (Dispute.id.desc(),) if ended else (Dispute.due_at, Dispute.id)
    found = db.session.execute(wanted.order_by(*order).offset(after).limit(limit + 1)).all()
    rows = found[:limit]
    offers = _offers([dispute.id for dispute, _ in rows])
    return Listing(
        rows=tuple(_row(dispute, row, offers.get(dispute.id)) for dispute, row in rows),
        counts=_counts(tests),
        next=str(after + limit) if len(found) > limit else "",
        exact=_exact(typed, ids),
    )


def counts(actor: Actor) -> dict[str, int]:
    """State -> how many, over the actor's merchants."""
    return _counts([Dispute.merchant_id.in_(_merchants(actor))])


def _merchants(actor: Actor) -> list[UUID]:
    return [one for one in actor.merchant_ids if actor.may("disputes.read", one)]


def _counts(tests: Sequence[sa.ColumnElement[bool]]) -> dict[str, int]:
    wanted = (
        sa.select(Dispute.state, sa.func.count())
        .join(Return, Return.id == Dispute.return_id)
        .where(*tests)
        .group_by(Dispute.state)
    )
    return {state: int(number) for state, number in db.session.execute(wanted)}


def _found_by(typed: str) -> sa.ColumnElement[bool]:
    """A number of a dispute or a return, an e-mail, an order number, or how a name begins."""
    low = typed.lower()
    return sa.or_(
        Dispute.number == numbers.normalize(typed, prefix=numbers.DISPUTE_PREFIX),
        Return.number == numbers.normalize(typed),
        Return.email == low,
        Return.order_number == typed,
        Return.name_key.startswith(low, autoescape=True),
    )


def _exact(typed: str, merchant_ids: Sequence[UUID]) -> UUID | None:
    if not typed:
        return None
    number = numbers.normalize(typed, prefix=numbers.DISPUTE_PREFIX)
    wanted = sa.select(Dispute.id).where(
        Dispute.number == number, Dispute.merchant_id.in_(list(merchant_ids))
    )
    return db.session.scalar(wanted)


def _offers(ids: Sequence[UUID]) -> dict[UUID, Offer]:
    wanted = sa.select(Offer).where(Offer.dispute_id.in_(list(ids)), Offer.state == "open")
    return {row.dispute_id: row for row in db.session.scalars(wanted)} if ids else {}


def _row(dispute: Dispute, row: Return, offer: Offer | None) -> DisputeRow:
    by_customer = offer is not None and offer.by_side == "customer"
    until = dispute.due_at if dispute.state != "awaiting_customer" else offer.expires_at if offer else None
    return DisputeRow(
        id=dispute.id,
        number=dispute.number,
        state=dispute.state,
        ground=dispute.ground,
        claimed=dispute.claimed_minor,
        currency=row.currency,
        customer=row.name or row.email,
        return_id=row.id,
        return_number=row.number or "",
        merchant_id=dispute.merchant_id,
        opened_at=dispute.opened_at,
        until=until if dispute.state in OPEN else None,
        offered=offer.amount_minor if offer else None,
        by_customer=by_customer,
    )
