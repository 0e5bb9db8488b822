"""What an order comes to: what was charged for what stays, exact to the cent, before and after a cancellation."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from portal.core.bundled import bundles
from portal.core.facts import CHARGES, LineFacts, OrderFacts, ReturnRequest
from portal.core.money import Minor
from portal.core.refunds.after import after as order_after
from portal.core.refunds.breakdown import Breakdown
from portal.core.refunds.values import paid_for
from portal.core.spans import count, merge


@dataclass(frozen=True, kw_only=True)
class Totals:
    """An order's amounts as they stand, tax included: ``goods + shipping + other`` is ``total``, always.

    ``total + refunded`` is what all of it was charged at (``paid``), whatever was canceled and came back.
    """

    goods: Minor
    """Charged for things and services, less what was given back of them."""
    shipping: Minor
    other: Minor
    """Duties and fees."""
    total: Minor
    canceled: Minor
    """What the units that are canceled had cost."""
    paid: Minor
    refunded: Minor
    """Given back of goods and charges so far, or no longer taken; what is on its way is counted."""
    released: Minor
    """Of ``refunded``: never was money, an authorization let go or an amount no longer owed."""
    due: Minor
    """What the customer still has to pay."""
    units: int
    """Units that are neither canceled nor back; the name of a bundle is none."""


def totals(order: OrderFacts) -> Totals:
    """The order as it stands now."""
    names = names_only(order)
    sums = {"goods": 0, "shipping": 0, "other": 0}
    for line in order.lines:
        sums[_of(line.kind)] += line.paid - line.refunded
    return Totals(
        **sums,
        total=sum(sums.values()),
        canceled=sum(paid_for(line, line.canceled)[0] for line in order.items if line.canceled),
        paid=order.paid,
        refunded=sum(line.refunded for line in order.lines),
        released=sum(payment.released for payment in order.payments),
        due=sum(payment.left for payment in order.payments if payment.mode == "due"),
        units=sum(
            line.units - count(merge((*line.canceled, *line.returned)))
            for line in order.items
            if line.id not in names
        ),
    )


def after(order: OrderFacts, request: ReturnRequest, breakdown: Breakdown) -> Totals:
    """What stays once ``request`` is done and ``breakdown``, which was worked out for it, is given back."""
    return totals(order_after(order, breakdown, kind=request.kind))


def names_only(order: OrderFacts) -> frozenset[UUID]:
    """The lines that are a bundle's name and nothing of their own: its parts are what was bought."""
    return frozenset(bundle.header.id for bundle in bundles(order) if bundle.is_name)


def stays(order: OrderFacts, gone: Mapping[UUID, int]) -> tuple[tuple[LineFacts, int], ...]:
    """Each thing with the units that stay once ``gone`` (by line) have left; not what came back before."""
    names = names_only(order)
    left = [
        (line, line.units - count(merge((*line.canceled, *line.returned))) - gone.get(line.id, 0))
        for line in order.items
        if line.id not in names and line.kind != "discount"
    ]
    return tuple((line, units) for line, units in left if units > 0)


def _of(kind: str) -> str:
    return kind if kind == "shipping" else "other" if kind in CHARGES else "goods"
