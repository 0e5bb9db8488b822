"""Orders and the people who placed them, as agents look for them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from portal.core.access import Actor, NotFound
from portal.core.facts import OrderFacts
from portal.core.intake import number_key, postcode_key
from portal.core.keys import after_prefix, name_words, phone_ending
from portal.core.merchants import MerchantFacts
from portal.core.money import Minor
from portal.core.policy.terms import Terms
from portal.db import merchants, orders
from portal.db.base import db
from portal.db.orders import Order, OrderLine, OrderWord, OutsideRefund
from portal.db.returns import Return
from portal.services import scope
from portal.services.lists.overview import ReturnRow, merchants_of, rows


@dataclass(frozen=True, kw_only=True)
class OrderHit:
    """One order in a list of hits."""

    id: UUID
    merchant_id: UUID
    number: str
    name: str
    email: str
    phone: str
    language: str
    postcode: str
    currency: str
    placed_at: datetime
    paid: Minor
    lines: int
    exact: bool = False
    """Whether what was looked for is its whole number."""


def find_orders(
    actor: Actor, *, query: str, merchant_id: UUID | None = None, limit: int = 20
) -> list[OrderHit]:
    """Orders by whatever a customer can say, each by an index; those whose number it is first, then the newest.

    That is: number (also without the letters a shop puts before it), e-mail, phone in any writing, any words of
    the name, postcode, SKU, customer reference.
    """
    ids = tuple(one for one in merchants_of(actor, merchant_id) if actor.may("orders.read", one))
    text = query.strip()
    keys = _number_keys(text, ids) if text else ()
    found = sa.select(Order).where(Order.merchant_id.in_(ids))
    if text:
        found = found.where(Order.id.in_(_matching(text, ids, keys)))
    if keys:  # before the newest: it may be an old one, and others more than are shown
        found = found.order_by(sa.case((Order.number_key.in_(keys), 0), else_=1))
    newest = found.order_by(Order.placed_at.desc(), Order.id.desc()).limit(limit)
    rows = db.session.scalars(newest).all()
    sums = _sums([row.id for row in rows])
    return [_hit(row, *sums.get(row.id, (0, 0)), exact=row.number_key in keys) for row in rows]


def hits_of(order_ids: Sequence[UUID]) -> tuple[OrderHit, ...]:
    """These orders as rows of a list, in their order; the caller has passed the gate."""
    found = {row.id: row for row in db.session.scalars(sa.select(Order).where(Order.id.in_(order_ids)))}
    sums = _sums(order_ids) if order_ids else {}
    return tuple(_hit(found[one], *sums.get(one, (0, 0))) for one in order_ids if one in found)


MOST = 200
"""Orders that one way of finding gives: who means a single one says more."""


def _matching(text: str, ids: Sequence[UUID], keys: Sequence[str]) -> list[UUID]:
    """The orders that it may be: every way asks an index of its own, so that none reads all orders.

    ``keys`` are the numbers that it may be; the order of just that number is found before those that begin so.
    """
    ways = [_orders(ids, Order.number_key.in_(keys)), *_by_contact(text, ids)]
    if "@" not in text:
        ways += [_by_number(keys, ids), _by_sku(text, ids), *_by_words(text, ids)]
    found: set[UUID] = set()
    for way in ways:
        found.update(db.session.scalars(way.limit(MOST)))
    return list(found)


def of_customer(text: str, ids: Sequence[UUID]) -> list[UUID]:
    """Orders of whoever ``text`` may be: by e-mail, phone, customer reference, postcode or words of the name."""
    ways = _by_contact(text, ids) if "@" in text else [*_by_contact(text, ids), *_by_words(text, ids)]
    return list({one for way in ways for one in db.session.scalars(way.limit(MOST))})


def _orders(ids: Sequence[UUID], *tests: sa.ColumnElement[bool]) -> sa.Select[Any]:
    return sa.select(Order.id).where(Order.merchant_id.in_(ids), *tests).order_by(Order.id.desc())


def begins(column: sa.ColumnElement[str], text: str) -> sa.ColumnElement[bool]:
    """Whether ``column`` begins with ``text``, as a range that an index answers on both databases."""
    return sa.and_(column >= text, column < after_prefix(text))


def _by_contact(text: str, ids: Sequence[UUID]) -> list[sa.Select[Any]]:
    if "@" in text:
        return [_orders(ids, begins(Order.email.expression, text.lower()))]
    ways = [_orders(ids, Order.customer_ref == text)]
    if key := postcode_key(text):
        ways.append(_orders(ids, Order.postcode == key))
    if ending := phone_ending(text):
        ways.append(_orders(ids, begins(Order.phone_key.expression, ending)))
    return ways


FEWEST = 3
"""Characters from which the beginning of a number or word is enough; fewer must be all of it."""


def _by_number(keys: Sequence[str], ids: Sequence[UUID]) -> sa.Select[Any]:
    column = Order.number_key.expression
    return _orders(
        ids,
        sa.or_(*(begins(column, key) if len(key) >= FEWEST else column == key for key in keys), sa.false()),
    )


def _number_keys(text: str, ids: Sequence[UUID]) -> tuple[str, ...]:
    """The number as it may be stored: people leave out the letters that a shop puts before its digits."""
    key = number_key(text)
    if not key.isdigit():
        return (key,) if key else ()
    keys = {key}
    for merchant_id in ids:
        newest = sa.select(Order.number_key).where(Order.merchant_id == merchant_id)
        number = db.session.scalar(newest.order_by(Order.placed_at.desc(), Order.id.desc()).limit(1)) or ""
        keys.add(number[: len(number) - len(number.lstrip("abcdefghijklmnopqrstuvwxyz"))] + key)
    return tuple(sorted(keys))


def _by_sku(text: str, ids: Sequence[UUID]) -> sa.Select[Any]:
    written = {text, text.upper(), text.lower()}
    return (
        sa.select(OrderLine.order_id)
        .where(OrderLine.merchant_id.in_(ids), OrderLine.sku.in_(written))
        .order_by(OrderLine.order_id.desc())
    )


def _by_words(text: str, ids: Sequence[UUID]) -> list[sa.Select[Any]]:
    """Every word must begin one of the name's; the longest leads, since it fits the fewest."""
    words = sorted(name_words(text), key=len, reverse=True)
    if not words or any(character.isdigit() for character in text):
        return []
    tests = [begins(OrderWord.word.expression, word) for word in words]
    if len(words[0]) < FEWEST:
        tests[0] = OrderWord.word == words[0]
    leading = sa.select(OrderWord.order_id).where(OrderWord.merchant_id.in_(ids), tests[0])
    for test in tests[1:]:
        also = sa.select(OrderWord.order_id).where(OrderWord.merchant_id.in_(ids), test)
        leading = leading.where(OrderWord.order_id.in_(also))
    return [leading.order_by(OrderWord.order_id.desc())]


def _sums(ids: Sequence[UUID]) -> dict[UUID, tuple[Minor, int]]:
    rows = db.session.execute(
        sa.select(OrderLine.order_id, sa.func.sum(OrderLine.paid_minor), sa.func.count())
        .where(OrderLine.order_id.in_(ids))
        .group_by(OrderLine.order_id)
    )
    return {order_id: (int(paid or 0), lines) for order_id, paid, lines in rows}


def _hit(row: Order, paid: Minor, lines: int, *, exact: bool = False) -> OrderHit:
    names = (
        "id",
        "merchant_id",
        "number",
        "name",
        "email",
        "phone",
        "language",
        "postcode",
        "currency",
        "placed_at",
    )
    return OrderHit(**{name: getattr(row, name) for name in names}, paid=paid, lines=lines, exact=exact)


@dataclass(frozen=True, kw_only=True)
class OutsideFacts:
    """A refund made without us."""

    at: datetime
    amount: Minor
    goods: Minor
    reason: str
    reference: str


@dataclass(frozen=True, kw_only=True)
class OrderPage:
    """An order as people look at it."""

    order: OrderFacts
    merchant: MerchantFacts
    terms: Terms
    name: str
    email: str
    phone: str
    language: str
    state: str
    source: str
    customer_ref: str
    address: dict[str, Any]
    notes: tuple[str, ...]
    outside: tuple[OutsideFacts, ...]
    returns: tuple[ReturnRow, ...]


def order(actor: Actor, order_id: UUID) -> OrderPage:
    """One order with its returns. Raises ``NotFound``, ``NotAllowed``."""
    row = orders.head(order_id)
    if row is None:
        raise NotFound
    scope.require(actor, "orders.read", row.merchant_id)
    merchant, _, terms = merchants.with_terms(row.merchant_id)
    made = db.session.scalars(
        sa.select(OutsideRefund).where(OutsideRefund.order_id == order_id).order_by(OutsideRefund.at)
    )
    ids = db.session.scalars(sa.select(Return.id).where(Return.order_id == order_id)).all()
    return OrderPage(
        order=orders.facts(order_id),
        merchant=merchant,
        terms=terms,
        name=row.name,
        email=row.email,
        phone=row.phone,
        language=row.language,
        state=row.state,
        source=row.source,
        customer_ref=row.customer_ref,
        address=row.address,
        notes=tuple(row.notes),
        outside=tuple(
            OutsideFacts(
                at=one.at,
                amount=one.amount_minor,
                goods=one.goods_minor,
                reason=one.reason,
                reference=one.external_id,
            )
            for one in made
        ),
        returns=rows(ids),
    )
