"""What was typed into the search: the returns that fit, each kind of thing by its own index, and what it names exactly.

Nothing here looks through a table: every branch reads one range of one index and at most ``CAP`` rows of it, so a
search takes as long among a million returns as among a thousand. Branches are united, never put into one ``OR``,
for which no planner reads several indexes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import aliased

from portal.core.access import Actor
from portal.core.intake import number_key
from portal.core.keys import after_prefix, name_words, phone_ending
from portal.core.numbers import AUTHORIZATION_PREFIX, DISPUTE_PREFIX, REFUND_PREFIX, is_valid, normalize
from portal.core.shipping import tidy_tracking_number
from portal.db.base import db
from portal.db.disputes import Dispute
from portal.db.orders import Order
from portal.db.refunds import Refund
from portal.db.returns import Return, ReturnLine
from portal.db.shipments import Shipment
from portal.db.views import SearchWord

CAP = 1000
"""Hits of each kind of thing; who gets more types more."""

FEWEST = 2
"""Shorter beginnings of e-mail addresses and order numbers fit half of everything."""

Ids = sa.Select[Any]
"""Whose one column is the id of a return."""


def matches(text: str, ids: Sequence[UUID]) -> sa.ColumnElement[bool]:
    """Whether a return, of these merchants, is among what ``text`` finds."""
    return Return.id.in_(hits(text, ids))


def exactly(text: str, ids: Sequence[UUID]) -> UUID | None:
    """The return or cancellation of these merchants whose whole number ``text`` is."""
    if not is_valid(text):
        return None
    wanted = sa.select(Return.id).where(Return.merchant_id.in_(ids), Return.number == normalize(text))
    return db.session.scalar(wanted)


def hits(text: str, ids: Sequence[UUID]) -> Ids:
    """The ids of the returns and cancellations that ``text`` finds, at most ``CAP`` of each kind of thing."""
    parts = list(_parts(text.strip(), ids))
    return sa.select(sa.union(*(sa.select(part.subquery().c.id) for part in parts)).subquery().c.id)


def of_customer(text: str, ids: Sequence[UUID]) -> Ids:
    """The returns of whoever ``text`` may be: by e-mail, phone or words of the name, at most ``CAP`` by each."""
    parts = list(_of_customer(text.strip(), ids))
    return sa.select(sa.union(*(sa.select(part.subquery().c.id) for part in parts)).subquery().c.id)


def _of_customer(text: str, ids: Sequence[UUID]) -> Iterator[Ids]:
    lower = text.lower()
    if len(text) >= FEWEST and " " not in text:
        yield _beginning(Return.email, lower, ids)
    else:
        yield sa.select(Return.id.label("id")).where(Return.merchant_id.in_(ids), Return.email == lower)
    if ending := phone_ending(text):
        yield _beginning(Return.phone_key, ending, ids)
    words = name_words(text)
    if words and "@" not in text:
        yield from _named(words, ids)


def _parts(text: str, ids: Sequence[UUID]) -> list[Ids]:
    lower, key, ending = text.lower(), number_key(text), phone_ending(text)
    found = [_numbered(text, ids)]
    if len(text) >= FEWEST and " " not in text:
        found.append(_beginning(Return.email, lower, ids))
    if len(key) >= FEWEST:
        found.append(_beginning(Return.order_number_key, key, ids))
    if ending:
        found.append(_beginning(Return.phone_key, ending, ids))
    found.append(_of_lines(ids, ReturnLine.sku.in_({text, text.upper(), lower})))
    found.append(
        sa.select(Shipment.return_id.label("id"))
        .where(Shipment.merchant_id.in_(ids), Shipment.tracking_number == tidy_tracking_number(text))
        .limit(CAP)
    )
    if words := name_words(text):
        found += _named(words, ids)
    return found


def _beginning(column: Any, start: str, ids: Sequence[UUID]) -> Ids:
    """Returns whose ``column`` begins with ``start``: a range of its index, which any collation may not have."""
    tests = (Return.merchant_id.in_(ids), column >= start, column < after_prefix(start))
    return sa.select(Return.id.label("id")).where(*tests).limit(CAP)


def _of_lines(ids: Sequence[UUID], *tests: sa.ColumnElement[bool]) -> Ids:
    return (
        sa.select(ReturnLine.return_id.label("id")).where(ReturnLine.merchant_id.in_(ids), *tests).limit(CAP)
    )


def _numbered(text: str, ids: Sequence[UUID]) -> Ids:
    """By the number of the return itself, of its refund or dispute, or the code of one of its lines."""
    number = normalize(text)
    if number.startswith(REFUND_PREFIX) and is_valid(number):
        return sa.select(Refund.return_id.label("id")).where(
            Refund.merchant_id.in_(ids), Refund.number == number, Refund.return_id.is_not(None)
        )
    if number.startswith(DISPUTE_PREFIX) and is_valid(number):
        return sa.select(Dispute.return_id.label("id")).where(
            Dispute.merchant_id.in_(ids), Dispute.number == number
        )
    if number.startswith(AUTHORIZATION_PREFIX) and is_valid(number):
        return _of_lines(ids, ReturnLine.code == number)
    return sa.select(Return.id.label("id")).where(Return.merchant_id.in_(ids), Return.number == number)


# ------------------------------------------------------------------------------------------------------ names


def _named(words: Sequence[str], ids: Sequence[UUID]) -> list[Ids]:
    """Returns whose name has all ``words``, each at least begun: the whole word first, and its newest first."""
    first, *others = _rarest_first(words, ids)
    word = SearchWord
    tests = [_has(other) for other in others]
    parts: list[Ids] = [
        sa.select(word.return_id.label("id"))
        .where(word.merchant_id == one, word.word == first, *tests)
        .order_by(word.return_id.desc())
        .limit(CAP)
        for one in ids
    ]
    begun = (word.merchant_id.in_(ids), word.word > first, word.word < after_prefix(first))
    return [*parts, sa.select(word.return_id.label("id")).where(*begun, *tests).limit(CAP)]


def _has(start: str) -> sa.ColumnElement[bool]:
    """Another word of the same name begins so; its few words are read, and not everybody's."""
    other = aliased(SearchWord)
    return sa.exists(
        sa.select(1).where(
            other.return_id == SearchWord.return_id, other.word >= start, other.word < after_prefix(start)
        )
    )


def _rarest_first(words: Sequence[str], ids: Sequence[UUID]) -> list[str]:
    """The word that the fewest names have leads; one that ``CAP`` and more have is as good as another, if longer."""
    if len(words) == 1:
        return list(words)
    counts = []
    for start in words:
        tests = (SearchWord.word >= start, SearchWord.word < after_prefix(start))
        some = sa.select(SearchWord.return_id).where(SearchWord.merchant_id.in_(ids), *tests).limit(CAP)
        counts.append(sa.select(sa.func.count()).select_from(some.subquery()).scalar_subquery())
    found = db.session.execute(sa.select(*counts)).one()
    return [word for _, _, word in sorted(zip(found, [-len(word) for word in words], words, strict=True))]


# ------------------------------------------------------------------------------------------------------- jumps


@dataclass(frozen=True, kw_only=True)
class Jump:
    """The one thing that was typed exactly: ``kind`` is return, dispute, refund, order or customer.

    A customer has the id of a return or order of theirs.
    """

    kind: str
    id: UUID


def jump(actor: Actor, text: str, ids: Sequence[UUID]) -> Jump | None:
    """Where ``text`` leads straight: a whole number, address, code or name that belongs to one thing alone."""
    text = text.strip()
    if not text or not ids:
        return None
    if is_valid(text) and (found := _to_number(actor, text, ids)):
        return found  # else it may still be the number of an order: one in 32 of eight digits looks like ours
    if "@" in text:
        return _to_customer(ids, Return.email == text.lower(), Order.email == text.lower())
    return (
        _to_order(actor, text, ids)
        or _to_parcel(text, ids)
        or _to_phone(text, ids)
        or _to_product(text, ids)
        or _to_name(text, ids)
    )


def _to_number(actor: Actor, text: str, ids: Sequence[UUID]) -> Jump | None:
    """What has this number; a refund or dispute for whoever may see it, else the search has its return."""
    number = normalize(text)
    tables: tuple[tuple[str, str, str, Any], ...] = (
        (DISPUTE_PREFIX, "dispute", "disputes.read", Dispute),
        (REFUND_PREFIX, "refund", "refunds.read", Refund),
    )
    for prefix, kind, permission, table in tables:
        if number.startswith(prefix):
            seen = [one for one in ids if actor.may(permission, one)]
            wanted = sa.select(table.id).where(table.number == number, table.merchant_id.in_(seen))
            found = db.session.scalar(wanted)
            return Jump(kind=kind, id=found) if found else None
    return _only("return", _numbered(text, ids))


def _only(kind: str, wanted: Ids) -> Jump | None:
    """The thing, if there is just one."""
    found = db.session.scalars(wanted.distinct().limit(2)).all()
    return Jump(kind=kind, id=found[0]) if len(found) == 1 else None


def _to_order(actor: Actor, text: str, ids: Sequence[UUID]) -> Jump | None:
    seen = [one for one in ids if actor.may("orders.read", one)]
    key = number_key(text)
    if not key or not seen:
        return None
    return _only("order", sa.select(Order.id).where(Order.merchant_id.in_(seen), Order.number_key == key))


def _to_parcel(text: str, ids: Sequence[UUID]) -> Jump | None:
    number = tidy_tracking_number(text)
    tests = (Shipment.merchant_id.in_(ids), Shipment.tracking_number == number)
    return _only("return", sa.select(Shipment.return_id).where(*tests)) if number else None


def _to_product(text: str, ids: Sequence[UUID]) -> Jump | None:
    return _only(
        "return", sa.select(_of_lines(ids, ReturnLine.sku.in_({text, text.upper()})).subquery().c.id)
    )


def _to_phone(text: str, ids: Sequence[UUID]) -> Jump | None:
    """A whole number: at least so many digits that it can only be that."""
    ending = phone_ending(text)
    if len(ending) < 7:
        return None
    returned = sa.and_(Return.phone_key >= ending, Return.phone_key < after_prefix(ending))
    ordered = sa.and_(Order.phone_key >= ending, Order.phone_key < after_prefix(ending))
    return _to_customer(ids, returned, ordered)


def _to_name(text: str, ids: Sequence[UUID]) -> Jump | None:
    """A whole name of at least two words."""
    if len(name_words(text)) < 2:
        return None
    return _to_customer(ids, Return.name_key == " ".join(text.lower().split()), None)


def _to_customer(
    ids: Sequence[UUID], returned: sa.ColumnElement[bool], ordered: sa.ColumnElement[bool] | None
) -> Jump | None:
    """The one customer whose returns, or else orders, these are: one e-mail address."""
    asked: list[tuple[Any, sa.ColumnElement[bool] | None]] = [(Return, returned), (Order, ordered)]
    for table, test in asked:
        if test is None:
            continue
        few = sa.select(table.id, table.email).where(table.merchant_id.in_(ids), test).limit(CAP).subquery()
        wanted = sa.select(few.c.email, sa.func.max(sa.cast(few.c.id, sa.String))).group_by(few.c.email)
        found = db.session.execute(wanted.limit(2)).all()
        if len(found) == 1 and found[0].email:
            return Jump(kind="customer", id=UUID(found[0][1]))
        if found:
            return None
    return None
