"""Which durable work there is, and what each piece calls; and what a worker looks after between them."""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from uuid import NAMESPACE_OID, UUID, uuid5

import sqlalchemy as sa

from portal.core.access import SYSTEM
from portal.core.lifecycles import RETURN
from portal.core.links import Site
from portal.db import history, returns, shipments
from portal.db.base import db, transaction
from portal.db.refunds import Payout
from portal.db.returns import Return
from portal.ports import Declined, Gateways
from portal.services import cancellations, channels, disputes, work
from portal.services.filing import expecting, shipping
from portal.services.filing.holding import release, void_parcels
from portal.services.gateways import gateway_events, looking, reconcile
from portal.services.handling import overdue_requests
from portal.services.ledgers import credits
from portal.services.paying import bank_accounts, payouts
from portal.services.talking import notices, threads
from portal.services.warehousing import warehouse, warehouse_events

log = logging.getLogger(__name__)


def build(
    gateways: Gateways, site: Site, clock: Callable[[], datetime]
) -> Mapping[str, Callable[[UUID], None]]:
    """Every kind of work by its name, ready for ``work.run``."""
    return {
        "mail": lambda subject: notices.deliver(subject, gateways=gateways, site=site, now=clock()),
        "label": lambda subject: shipping.make_label(subject, gateways=gateways, now=clock()),
        "refund": lambda subject: payouts.send(subject, gateways=gateways, now=clock()),
        "void": lambda subject: void(subject, gateways=gateways),
        "channel": lambda subject: channels.deliver(subject, gateways=gateways, now=clock()),
        "leave_out": lambda subject: warehouse.leave_out(subject, gateways=gateways, now=clock()),
        "warehouse_event": lambda subject: warehouse_events.handle(subject, gateways=gateways, now=clock()),
        "gateway_event": lambda subject: gateway_events.handle(subject, gateways=gateways, now=clock()),
        "reconcile": lambda _day: reconcile.daily(gateways=gateways, now=clock()),
        "undisputed": lambda subject: disputes.pay_undisputed(subject, now=clock()),
        "tidy": lambda _day: tidy(now=clock()),
    }


def void(shipment_id: UUID, *, gateways: Gateways) -> None:
    """Tell the carrier that a label will not be used; a carrier that refuses is left with it."""
    row = db.session.get(shipments.Shipment, shipment_id)
    if row is None:
        return
    try:
        gateways.carriers[row.carrier].void(shipping.as_carrier_knows(row))
    except Declined as problem:
        with transaction() as session:
            session.execute(
                sa.update(shipments.Shipment)
                .where(shipments.Shipment.id == shipment_id)
                .values(error=str(problem)[:500])
            )


def tick(gateways: Gateways, *, now: datetime) -> None:
    """What a worker looks after: money and parcels on their way, and returns that were not sent in time."""
    for look_after in (
        lambda: due(gateways, now=now),
        lambda: looking.tell_of_waiting(now=now),
        lambda: shipping.track(gateways=gateways, now=now),
        lambda: warehouse.ask_due(gateways=gateways, now=now),
        lambda: bank_accounts.look_after(gateways=gateways, now=now),
        lambda: credits.look_after(now=now),
        lambda: expire(now=now),
        lambda: overdue_requests.expire(now=now),
        lambda: overdue_requests.remind_due(now=now),
        lambda: cancellations.expire(now=now),
        lambda: cancellations.remind_due(now=now),
        lambda: disputes.look_after(now=now),
        lambda: promise_of_the_day(now=now),
    ):
        try:
            look_after()
        except Exception:
            db.session.rollback()
            log.exception("looking after something failed, and is tried again; the rest goes on")


def due(gateways: Gateways, *, now: datetime) -> None:
    """Look at every transfer whose time has come: the part of ``tick`` that nobody must wait for."""
    while looking.look_at_due(gateways=gateways, now=now, limit=LOOKS) == LOOKS:
        pass


LOOKS = 50
"""Transfers that one worker takes on at a time."""


def promise_of_the_day(*, now: datetime) -> None:
    """See to it that every day is reconciled and tidied up once, whichever worker comes by first."""
    day = uuid5(NAMESPACE_OID, f"day {now.date().isoformat()}")
    if work.is_promised("tidy", day):
        return
    with transaction() as session:
        work.enqueue("tidy", day)
        if session.scalar(sa.select(Payout.id).where(Payout.sent_at.is_not(None)).limit(1)) is not None:
            work.enqueue("reconcile", day)


def tidy(*, now: datetime) -> None:
    """Forget what nobody will ask for again: work done long ago, and events that were dealt with long ago."""
    work.tidy(now=now)
    gateway_events.tidy(now=now)
    warehouse_events.tidy(now=now)


GRACE_DAYS = 7
"""After the last day to send: a parcel handed over on it still needs its first scan."""


def expire(*, now: datetime, limit: int = 100) -> int:
    """Give up returns that were never sent; their units can be returned again. Answers how many."""
    day = (now - timedelta(days=GRACE_DAYS)).date()
    due = db.session.scalars(
        sa.select(Return.id)
        .where(Return.state == "approved", Return.ship_by < day)
        .order_by(Return.id)
        .limit(limit)
    ).all()
    for return_id in due:
        with transaction():
            row = returns.get(return_id, lock=True)
            if row is None or not RETURN.can(row.state, "expire"):
                continue
            release(returns.draft(row))
            expecting.withdraw(row, now=now)
            void_parcels(row.id)
            threads.settle(row, now=now)
            row.state, row.closed_at, row.version = RETURN.after(row.state, "expire"), now, row.version + 1
            history.record(SYSTEM, "return.expired", merchant_id=row.merchant_id, subject_id=row.id, now=now)
    return len(due)
