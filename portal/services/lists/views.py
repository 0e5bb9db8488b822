"""Lists that people want again: kept under a name, for themselves or for everybody at a merchant."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from portal.core.access import Actor, Conflict, NotFound
from portal.core.listing import Filters, columns_from, from_address, to_address
from portal.db import history
from portal.db.base import db, transaction, uuid7
from portal.db.people import Person
from portal.db.views import SavedView
from portal.services import scope

MOST = 30
"""Views of one person."""


@dataclass(frozen=True, kw_only=True)
class View:
    """A saved list. ``mine`` is for the actor to rename, share and delete; another's is only looked at."""

    id: UUID
    name: str
    merchant_id: UUID
    shared: bool
    mine: bool
    owner: str
    filters: Filters
    columns: tuple[str, ...]
    address: dict[str, list[str]]


def of(actor: Actor) -> tuple[View, ...]:
    """The actor's own views and those shared at their merchants, in the order in which they were made."""
    ids = [one for one in actor.merchant_ids if actor.may("returns.read", one)]
    wanted = (
        sa.select(SavedView, Person.name)
        .join(Person, Person.id == SavedView.person_id)
        .where(
            SavedView.merchant_id.in_(ids),
            sa.or_(SavedView.person_id == actor.id, SavedView.shared),
        )
        .order_by(SavedView.position, SavedView.id)
    )
    return tuple(_view(row, name, actor) for row, name in db.session.execute(wanted))


def _view(row: SavedView, owner: str, actor: Actor) -> View:
    said = {name: _texts(values) for name, values in row.query.items()}
    return View(
        id=row.id,
        name=row.name,
        merchant_id=row.merchant_id,
        shared=row.shared,
        mine=row.person_id == actor.id,
        owner=owner,
        filters=from_address(said),
        columns=columns_from(",".join(said.get("cols", ()))),
        address=said,
    )


def _texts(values: object) -> list[str]:
    return [str(one) for one in values] if isinstance(values, list) else []


def one(actor: Actor, view_id: UUID) -> View:
    """Raises ``NotFound``, also for what somebody else keeps for themselves."""
    for view in of(actor):
        if view.id == view_id:
            return view
    raise NotFound


def save(
    actor: Actor,
    *,
    name: str,
    merchant_id: UUID,
    shared: bool,
    query: Mapping[str, Sequence[str]],
    now: datetime,
) -> UUID:
    """Keep a list under a name; the same name again replaces what it meant.

    Raises ``NotFound``, ``NotAllowed``, ``Conflict`` (``view_name``, ``views_too_many``).
    """
    scope.require(actor, "views.share" if shared else "returns.read", merchant_id)
    name = _named(name)
    kept = to_address(from_address(query))
    if columns := [one for one in ",".join(query.get("cols", ())).split(",") if one]:
        kept["cols"] = [",".join(columns_from(",".join(columns)))]
    with transaction():
        _one_at_a_time(actor)
        mine = sa.select(SavedView).where(SavedView.person_id == actor.id)
        rows = db.session.scalars(mine.order_by(SavedView.position)).all()
        row = next((row for row in rows if row.name == name), None)
        if row is None:
            if len(rows) >= MOST:
                raise Conflict("views_too_many", most=MOST)
            row = SavedView(id=uuid7(), person_id=actor.id, name=name, position=len(rows), created_at=now)
            db.session.add(row)
        was = _said(row)
        row.merchant_id, row.shared, row.query = merchant_id, shared, kept
        _tell(actor, row, was, now)
    return row.id


def rename(actor: Actor, view_id: UUID, name: str, *, now: datetime) -> None:
    """Raises ``NotFound`` for what is not the actor's, ``Conflict`` (``view_name``, ``view_there``)."""
    with transaction():
        _one_at_a_time(actor)
        row, name = _own(actor, view_id), _named(name)
        other = sa.select(SavedView.id).where(
            SavedView.person_id == actor.id, SavedView.name == name, SavedView.id != view_id
        )
        if db.session.scalar(other):
            raise Conflict("view_there", name=name)
        was = _said(row)
        row.name = name
        _tell(actor, row, was, now)


def share(actor: Actor, view_id: UUID, shared: bool, *, now: datetime) -> None:
    """Raises ``NotFound``, ``NotAllowed``."""
    with transaction():
        row = _own(actor, view_id)
        scope.require(actor, "views.share", row.merchant_id)
        was = _said(row)
        row.shared = shared
        _tell(actor, row, was, now)


def delete(actor: Actor, view_id: UUID, *, now: datetime) -> None:
    """Raises ``NotFound`` for what is not the actor's."""
    with transaction():
        row = _own(actor, view_id)
        was = _said(row)
        row.shared = False
        _tell(actor, row, was, now)
        db.session.delete(row)


def _said(row: SavedView) -> dict[str, str]:
    """What a view is to others; nothing while it is not shared."""
    if not row.shared:
        return {}
    asks = "; ".join(f"{name}={','.join(_texts(values))}" for name, values in sorted(row.query.items()))
    return {"name": row.name, "view": asks}


def _tell(actor: Actor, row: SavedView, was: dict[str, str], now: datetime) -> None:
    """What others see changed stands in the history; what somebody keeps for themselves is their own affair."""
    told = _said(row)
    if told != was:
        db.session.flush()
        history.record(
            actor, "view.saved" if told else "view.removed", merchant_id=row.merchant_id, subject_id=row.id, now=now,
            name=row.name, changed={one: (was.get(one, ""), told.get(one, "")) for one in {**was, **told}},
        )  # fmt: skip


def _one_at_a_time(actor: Actor) -> None:
    """Until the transaction ends nobody else changes the names of this person's lists."""
    db.session.execute(sa.select(Person.id).where(Person.id == actor.id).with_for_update())


def _own(actor: Actor, view_id: UUID) -> SavedView:
    row = db.session.scalar(
        sa.select(SavedView).where(SavedView.id == view_id, SavedView.person_id == actor.id)
    )
    if row is None or row.merchant_id not in actor.merchant_ids:
        raise NotFound
    return row


def _named(name: str) -> str:
    name = " ".join(name.split())[:60]
    if not name:
        raise Conflict("view_name")
    return name
