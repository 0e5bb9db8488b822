"""Refunds that a shop tells of again although they are known: ours, and those found at the gateway. Once is enough."""

from collections.abc import Iterable
from dataclasses import replace
from uuid import UUID

import sqlalchemy as sa

from portal.core.intake import IncomingRefund
from portal.core.money import Minor, major, minor
from portal.db.base import db
from portal.db.orders import OutsideRefund
from portal.db.refunds import Payout, Refund
from portal.services.paying.settling import FREED


def not_ours(
    order_id: UUID, refunds: Iterable[IncomingRefund], currency: str
) -> tuple[tuple[IncomingRefund, ...], tuple[str, ...]]:
    """What of ``refunds`` is news about an order, and a note for each that is none.

    A refund is ours when it bears the gateway's id or the key of one of our transfers, or when its reason
    names the number of our refund; what it says beyond our transfers is somebody else's. One that was found
    at the gateway before goes on under the name that it is known by.
    """
    told = tuple(refunds)
    if not told:
        return (), ()
    ours = _ours(order_id)
    known = set(
        db.session.scalars(sa.select(OutsideRefund.external_id).where(OutsideRefund.order_id == order_id))
    )
    news: list[IncomingRefund] = []
    notes: list[str] = []
    for refund in told:
        names = {*refund.references, refund.external_id}
        mine = sum(
            amount for number, own, amount in ours if names & own or (number and number in refund.reason)
        )
        if mine:
            notes.append(f"Refund {refund.external_id}: made by this portal; it counts once.")
            refund = _rest(refund, mine, currency)
        elif found := sorted(known & set(refund.references)):
            refund = replace(refund, external_id=found[0])
        if refund.amount or refund.lines or not mine:
            news.append(refund)
    return tuple(news), tuple(notes)


def _ours(order_id: UUID) -> list[tuple[str, set[str], Minor]]:
    """(number of the refund, names of the transfer, amount) of every transfer of an order that counts."""
    wanted = (
        sa.select(Refund.number, Payout.provider_reference, Payout.key, Payout.amount_minor)
        .join(Refund, Refund.id == Payout.refund_id)
        .where(Refund.order_id == order_id, Payout.state.not_in(FREED))
    )
    return [
        (row.number, {row.provider_reference, row.key} - {""}, row.amount_minor)
        for row in db.session.execute(wanted)
    ]


def _rest(refund: IncomingRefund, mine: Minor, currency: str) -> IncomingRefund:
    """What is left of it when our transfers are taken off; its units are those of our return."""
    whole = minor(refund.amount, currency, round_to_unit=True)
    return replace(refund, amount=major(max(0, whole - mine), currency), lines=())
