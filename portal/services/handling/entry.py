"""An agent enters a return while the customer waits: begun from an order, settled as far as it can be, resumed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa

from portal.core.access import SYSTEM, Actor, Conflict, NotFound, Stale
from portal.core.addresses import address_from
from portal.core.facts import CANCELLATIONS
from portal.core.keys import phone_ending
from portal.core.returns import Sending
from portal.core.shipping import Method, Pays
from portal.db import history, merchants, orders
from portal.db.base import db
from portal.db.orders import Order
from portal.db.returns import Return, ReturnLine
from portal.ports import Gateways, Unavailable
from portal.services import scope
from portal.services.filing import returns, shipping
from portal.services.filing.returns import Page
from portal.services.filing.shipping import Way
from portal.services.handling.dossiers import HappeningFacts, happening_facts
from portal.services.lists.orders import OrderHit, begins, hits_of
from portal.services.lists.overview import ReturnRow, rows

LONGEST = timedelta(hours=12)
"""Nobody speaks longer than this with one customer: a page that stood open since before is not counted."""


def begin(
    actor: Actor,
    *,
    merchant_id: UUID | None = None,
    kind: str,
    channel: str,
    order_id: UUID | None = None,
    customer_of: UUID | None = None,
    name: str = "",
    email: str = "",
    phone: str = "",
    language: str = "",
    nonce: str | None = None,
    begun_at: datetime | None = None,
    gateways: Gateways,
    now: datetime,
) -> UUID:
    """A draft with everything an order tells: who placed it, how to reach them, where the goods are.

    ``customer_of`` takes only the customer from an order. What is given goes before what the order says. Twice
    with the same ``nonce`` makes one draft. Raises ``NotFound``, ``NotAllowed``, ``Conflict``.
    """
    source = order_id or customer_of
    head = orders.head(source) if source else None
    merchant_id = merchant_id or (head.merchant_id if head else None)
    if merchant_id is None or source and (head is None or head.merchant_id != merchant_id):
        raise NotFound
    scope.require(actor, "returns.create", merchant_id)
    merchant, _, _ = merchants.with_terms(merchant_id)
    address = address_from(head.address) if head is not None and head.address else None
    return returns.start_draft(
        actor,
        merchant_id=merchant_id,
        kind=kind,
        channel=channel,
        name=name or (head.name if head else ""),
        email=email or (head.email if head else ""),
        phone=phone or (head.phone if head else ""),
        language=language or (head.language if head else "") or merchant.language,
        order_id=order_id,
        address=address if address and not gateways.addresses.check(address) else None,
        nonce=nonce,
        begun_at=_begun(begun_at, now),
        now=now,
    )


def _begun(at: datetime | None, now: datetime) -> datetime:
    """When the page was opened, as far as that can be believed."""
    return at if at is not None and now - LONGEST <= at <= now else now


def take_customer(actor: Actor, return_id: UUID, *, gateways: Gateways, now: datetime) -> None:
    """What an order that was found later tells: who placed it where nobody was entered yet, and where the goods are."""
    scope.return_row(actor, return_id, "returns.create")
    draft = returns.page(actor, return_id, now=now).draft
    head = orders.head(draft.order_id) if draft.order_id and draft.state == "draft" else None
    if head is None:
        return
    if not (draft.name or draft.email or draft.phone):
        returns.set_customer(
            actor,
            return_id,
            name=head.name,
            email=head.email,
            phone=head.phone,
            language=head.language or draft.language,
            kind=draft.kind,
            now=now,
        )
    address = address_from(head.address) if head.address else None
    if draft.address is None and address is not None and not gateways.addresses.check(address):
        returns.set_address(actor, return_id, address, now=now)


# ------------------------------------------------------------------------------------------ the way of sending


def default_way(ways: Sequence[Way]) -> Way | None:
    """The cheapest way that costs the customer nothing and asks nothing more; None where they have to be asked.

    What is deducted from a refund is never chosen for somebody; a pick-up needs a day, an own carrier a person.
    """
    free = [
        way
        for way in ways
        if (way.rate.pays == Pays.MERCHANT or not way.rate.amount)
        and way.rate.method != Method.OWN_CARRIER
        and not way.slots
    ]
    return min(free, key=lambda way: way.rate.amount) if free else None


def settle_way(
    actor: Actor, return_id: UUID, *, before: Sending | None, gateways: Gateways, now: datetime
) -> None:
    """After a change: what was chosen before stays where it is still offered as dearly to the customer, else the
    default is taken, else the question is open. Where no carrier answers it stays open."""
    scope.return_row(actor, return_id, "returns.create")
    page = returns.page(actor, return_id, now=now)
    if page.draft.sending is not None:
        if not _is_dearer(page.draft.sending, before):
            return
        returns.doubt_sending(actor, return_id, now=now)
    if page.draft.address is None or not page.draft.lines:
        return
    try:
        offered = shipping.ways(actor, return_id, gateways=gateways, now=now)
        same = next((way for way in offered if before and _is_as(way, before)), None)
        chosen = same or (default_way(offered) if before is None or before.pays == Pays.MERCHANT else None)
        if chosen is None:
            return
        shipping.choose_sending(
            actor,
            return_id,
            rate_id=chosen.rate.id,
            point_id=before.point_id if same and before else "",
            slot_id=before.slot_id if same and before else "",
            tracking_number=before.tracking_number if same and before else "",
            gateways=gateways,
            now=now,
        )
    except (Unavailable, Conflict, Stale):
        return  # the question is open, and the page says so


def _is_as(way: Way, before: Sending) -> bool:
    """Whether this is what was chosen, and costs the customer no more."""
    cost = way.rate.amount if way.rate.pays != Pays.MERCHANT else 0
    return way.rate.id == before.rate_id and cost <= _cost(before)


def _is_dearer(sending: Sending, before: Sending | None) -> bool:
    """Whether the same way is theirs to pay now, since another reason was given: nobody has chosen that."""
    return before is not None and sending.rate_id == before.rate_id and _cost(sending) > _cost(before)


def _cost(sending: Sending) -> int:
    """What the customer pays for it, in minor units."""
    return sending.amount if sending.pays != Pays.MERCHANT else 0


# ---------------------------------------------------------------------------------------------- who it is, so far


@dataclass(frozen=True, kw_only=True)
class Past:
    """What is known of a customer besides this return, the newest first."""

    orders: tuple[OrderHit, ...]
    returns: tuple[ReturnRow, ...]


MOST = 6
"""Of each kind: who wants more opens the list."""


def past(actor: Actor, page: Page) -> Past:
    """Other orders and earlier returns of whoever has this e-mail address or telephone number at this shop."""
    draft = page.draft
    mine = _is_theirs(Order, draft.email, draft.phone)
    theirs = _is_theirs(Return, draft.email, draft.phone)
    ordered: list[UUID] = []
    returned: list[UUID] = []
    if mine is not None and actor.may("orders.read", draft.merchant_id):
        wanted = sa.select(Order.id).where(Order.merchant_id == draft.merchant_id, mine)
        newest = wanted.where(Order.id != draft.order_id) if draft.order_id else wanted
        ordered = list(
            db.session.scalars(newest.order_by(Order.placed_at.desc(), Order.id.desc()).limit(MOST))
        )
    if theirs is not None:
        made = sa.select(Return.id).where(
            Return.merchant_id == draft.merchant_id, theirs, Return.id != draft.id, Return.state != "draft"
        )
        returned = list(db.session.scalars(made.order_by(Return.id.desc()).limit(MOST)))
    return Past(orders=hits_of(ordered), returns=rows(returned))


def _is_theirs(table: type[Order | Return], email: str, phone: str) -> sa.ColumnElement[bool] | None:
    tests: list[sa.ColumnElement[bool]] = []
    if email:
        tests.append(table.email == email)
    if ending := phone_ending(phone):
        tests.append(begins(table.phone_key.expression, ending))
    return sa.or_(*tests) if tests else None


# ------------------------------------------------------------------------------------------------- drafts, saved


@dataclass(frozen=True, kw_only=True)
class OpenDraft:
    """A draft that somebody began and did not finish."""

    id: UUID
    merchant_name: str
    name: str
    email: str
    order_number: str
    channel: str
    units: int
    saved_at: datetime


def drafts(actor: Actor, *, limit: int = 8) -> list[OpenDraft]:
    """This person's own open drafts, the newest first."""
    ids = [one for one in actor.merchant_ids if actor.may("returns.create", one)]
    units = sa.select(sa.func.coalesce(sa.func.sum(ReturnLine.units), 0)).where(
        ReturnLine.return_id == Return.id
    )
    wanted = (
        sa.select(Return, merchants.Merchant.name, units.scalar_subquery())
        .join(merchants.Merchant, merchants.Merchant.id == Return.merchant_id)
        .where(
            Return.created_by == actor.id,
            Return.state == "draft",
            Return.merchant_id.in_(ids),
            Return.kind.not_in(CANCELLATIONS),
        )
        .order_by(Return.id.desc())
        .limit(limit)
    )
    found = db.session.execute(wanted).all()
    times = _saved([row.id for row, _, _ in found])
    return [
        OpenDraft(
            id=row.id,
            merchant_name=shop,
            name=row.name,
            email=row.email,
            order_number=row.order_number,
            channel=row.channel,
            units=int(count),
            saved_at=times.get(row.id, row.created_at),
        )
        for row, shop, count in found
    ]


@dataclass(frozen=True, kw_only=True)
class Saved:
    """How far a draft has come: when it was changed last, and the place of that in the shop's history."""

    at: datetime
    sequence: int


def saved(page: Page) -> Saved:
    """The last change of the draft."""
    happening = history.Happening
    last = sa.select(happening.at, happening.sequence).where(happening.subject_id == page.draft.id)
    found = db.session.execute(last.order_by(happening.id.desc()).limit(1)).first()
    return (
        Saved(at=found.at, sequence=found.sequence or 0)
        if found
        else Saved(at=page.draft.created_at, sequence=0)
    )


def changed_by_another(actor: Actor, page: Page, *, since: int, what: str = "") -> HappeningFacts | None:
    """The last change after ``since`` by somebody who is not this person; None where nobody else was at it.

    ``what`` names the only kind of happening that counts.
    """
    happening = history.Happening
    others = sa.or_(happening.actor_kind != actor.kind, happening.actor_id.is_distinct_from(actor.id))
    wanted = sa.select(happening).where(
        happening.subject_id == page.draft.id,
        happening.sequence > since,
        happening.actor_kind != SYSTEM.kind,
        others,
        *([happening.what == what] if what else []),
    )
    one = db.session.scalar(wanted.order_by(happening.id.desc()).limit(1))
    return happening_facts(one) if one is not None else None


def _saved(ids: Sequence[UUID]) -> dict[UUID, datetime]:
    happening = history.Happening
    last = sa.select(happening.subject_id, sa.func.max(happening.at)).where(happening.subject_id.in_(ids))
    found = db.session.execute(last.group_by(happening.subject_id)) if ids else ()
    return {subject: at for subject, at in found if at is not None}
