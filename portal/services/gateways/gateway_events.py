"""Events of payment gateways: stored once, answered at once, and then only a reason to look at what is true.

What an event says of amounts and states is never believed. So their order, their number and their loss
change nothing but how soon it is known.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa

from portal import faults
from portal.core.access import NotFound
from portal.db.base import db, insert_ignore, transaction, uuid7
from portal.db.gateway import Chargeback, GatewayEvent
from portal.db.refunds import Payout
from portal.ports import Gateways, Payments, Unavailable
from portal.services import work
from portal.services.gateways import looking
from portal.services.paying import chargebacks, outside_refunds

PATIENCE = timedelta(days=1)
"""So long an event is tried again whose refund or dispute the gateway does not show yet."""

REACH = timedelta(days=40)
"""How old what an event is about may be, where it must be searched in the gateway's own list."""

KEPT_FOR = timedelta(days=90)
"""Longer than any gateway delivers again."""


def receive(
    provider: str, headers: Mapping[str, str], body: bytes, *, gateways: Gateways, now: datetime
) -> bool:
    """Store a delivery and promise that it is looked into; answers whether it is news.

    Raises ``NotFound`` for a gateway that this installation has not, ``Forged``, and ``ValueError`` for what
    makes no sense; then nothing is written.
    """
    gateway = gateways.payments.get(provider)
    if gateway is None:
        raise NotFound
    told = gateway.read_event(headers, body, now=now)
    with transaction():
        row = {
            "id": uuid7(),
            "provider": provider,
            "event_id": told.id[:100],
            "kind": told.kind,
            "reference": told.reference[:100],
            "key": told.key[:64],
            "capture": told.capture[:100],
            "also": told.also[:100],
            "amount_minor": told.amount,
            "currency": told.currency[:3].upper(),
            "state": told.state[:20],
            "at": told.at,
            "received_at": now,
            "handled_at": now if told.kind == "other" else None,
            "outcome": "ignored" if told.kind == "other" else "",
        }
        added = db.session.scalar(insert_ignore(GatewayEvent).values(row).returning(GatewayEvent.id))
        if added is not None and told.kind != "other":
            work.enqueue("gateway_event", added)
    faults.point("in_webhook_after_insert")
    return added is not None


def handle(event_id: UUID, *, gateways: Gateways, now: datetime) -> None:
    """Look at what an event is about, and apply what the gateway says of it. Raises ``Unavailable``."""
    row = db.session.get(GatewayEvent, event_id)
    if row is None or row.handled_at is not None:
        return
    outcome = _handled(row, gateways, now)
    with transaction():
        db.session.execute(
            sa.update(GatewayEvent)
            .where(GatewayEvent.id == event_id, GatewayEvent.handled_at.is_(None))
            .values(handled_at=now, outcome=outcome[:40])
        )


def _handled(row: GatewayEvent, gateways: Gateways, now: datetime) -> str:
    gateway = gateways.payments.get(row.provider)
    if gateway is None:
        return "no_gateway"
    ours = _ours(row) if row.kind == "refund" else None
    if ours is not None:
        if looking.look(ours[0], ours[1], gateways=gateways, now=now):
            return "applied"
        return _patient(row, now)
    if chargebacks.payment_of(row.provider, row.capture, row.also) is None:
        return "foreign"
    if row.kind == "dispute":
        return _disputed(row, gateway, now)
    return _outside(row, gateway, now)


def _ours(row: GatewayEvent) -> tuple[UUID, UUID] | None:
    """Our transfer that the event is about, and its refund, by our key or by the gateway's id."""
    wanted = sa.select(Payout.id, Payout.refund_id).where(Payout.provider == row.provider)
    for place, value in ((Payout.key, row.key), (Payout.provider_reference, row.reference)):
        found = db.session.execute(wanted.where(place == value).limit(1)).one_or_none() if value else None
        if found is not None:
            return found.id, found.refund_id
    return None


def _patient(row: GatewayEvent, now: datetime) -> str:
    """The gateway tells of it and does not show it: its list lags, or the event is about nothing."""
    if now - row.received_at < PATIENCE:
        raise Unavailable("the gateway does not show yet what it told of", retry_after=60)
    return "not_found"


def _disputed(row: GatewayEvent, gateway: Payments, now: datetime) -> str:
    opened = db.session.scalar(
        sa.select(Chargeback.opened_at).where(
            Chargeback.provider == row.provider, Chargeback.reference == row.reference
        )
    )
    db.session.commit()  # nothing is read while the gateway is waited for
    since = (opened - timedelta(days=1)) if opened else row.at - 3 * REACH
    told = next((one for one in gateway.disputes_since(since) if one.reference == row.reference), None)
    return chargebacks.apply(row.provider, told, now=now) if told is not None else _patient(row, now)


def _outside(row: GatewayEvent, gateway: Payments, now: datetime) -> str:
    """Refunds of that capture that no transfer of ours made, from the gateway's own list."""
    provider, reference, names = row.provider, row.reference, {row.capture, row.also} - {""}
    since = row.at - REACH
    db.session.commit()  # nothing is read while the gateway is waited for
    seen = {"": ""} if not reference else {}
    for told in gateway.refunds_since(since):
        if told.capture not in names and told.also not in names:
            continue
        if not is_ours(provider, told.key, told.reference):
            seen[told.reference] = outside_refunds.found(provider, told, now=now)
    if reference not in seen:
        return _patient(row, now)
    return seen[reference] or ", ".join(sorted({one for one in seen.values() if one})) or "nothing"


def is_ours(provider: str, key: str, reference: str) -> bool:
    """Whether a refund on a gateway's list is one of our transfers."""
    mine = sa.or_(Payout.key == key if key else sa.false(), Payout.provider_reference == reference)
    wanted = sa.select(Payout.id).where(Payout.provider == provider, mine)
    return db.session.scalar(wanted.limit(1)) is not None


def tidy(*, now: datetime) -> None:
    """Forget events that were dealt with long ago."""
    with transaction():
        db.session.execute(
            sa.delete(GatewayEvent).where(
                GatewayEvent.received_at < now - KEPT_FOR, GatewayEvent.handled_at.is_not(None)
            )
        )
