"""What a warehouse says of an order, and what it is told: values that ports and policy share."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

LOGISTICS = ("drop_ship", "custom_made", "pre_picked", "third_party")
"""Facts of a line that no change can stop any more, as a channel or a warehouse tells them."""

CONSTRAINTS = (*LOGISTICS, "cut_off", "picking", "shipped")

RELEASED, PENDING, CANNOT, SHIPPED = "released", "pending", "refused", "shipped"
ANSWERS = (RELEASED, PENDING, CANNOT, SHIPPED)


@dataclass(frozen=True, kw_only=True)
class Constraint:
    """Why units of a line cannot be left out, or from when on: one of ``CONSTRAINTS``."""

    line_id: UUID
    code: str
    units: int | None = None
    """So many of its units; None: all of the line."""
    until: datetime | None = None
    """Of a cut-off that is still to come: the last moment."""
    by: str = ""
    """Who says so: the name of a warehouse, empty where it is a fact of the order."""


@dataclass(frozen=True, kw_only=True)
class WarehouseLine:
    """Goods of one order line as a warehouse knows them. ``line`` is the channel's own id of it."""

    line_id: UUID
    line: str
    sku: str
    name: str
    location: str
    units: int
    """Bought and not canceled; never fewer than were shipped, whatever was canceled."""
    shipped: int = 0


@dataclass(frozen=True, kw_only=True)
class WarehouseOrder:
    """An order as a warehouse is asked about it. ``merchant`` is the shop's slug, ``order`` the channel's id."""

    merchant: str
    order: str
    number: str
    lines: tuple[WarehouseLine, ...]


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """``units`` of a line that must not be sent."""

    line_id: UUID
    line: str
    sku: str
    location: str
    units: int


@dataclass(frozen=True, kw_only=True)
class StillToSend:
    """One shipment of what stays: the instructions are split by location."""

    location: str
    lines: tuple[LeftOut, ...] = field(default=())
    """The same shape: here ``units`` are those that are still to be sent."""


@dataclass(frozen=True, kw_only=True)
class LeaveOut:
    """Units that must not be sent, and what stays. Released whole or not at all."""

    merchant: str
    order: str
    number: str
    """Of the order, as people know it."""
    cancellation: str
    """The number of the cancellation."""
    lines: tuple[LeftOut, ...]
    shipments: tuple[StillToSend, ...]


@dataclass(frozen=True, kw_only=True)
class LeaveOutAnswer:
    """What a warehouse says to a ``LeaveOut``: one of ``ANSWERS``.

    ``code`` is one of ``CONSTRAINTS`` where it cannot; ``lines`` are the channel's ids that it is about.
    """

    state: str
    code: str = ""
    message: str = ""
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ToldUnits:
    """``units`` of a line in one event: the channel's id of the line, or where that is empty its SKU."""

    units: int
    line: str = ""
    sku: str = ""


EVENTS = ("pick_asked", "picked", "put_back", "shipped", "answered", "other")


@dataclass(frozen=True, kw_only=True)
class WarehouseEvent:
    """A verified event of a warehouse.

    ``kind`` is ``pick_asked`` (a question, and what is answered counts as picked), ``picked``, ``put_back`` or
    ``shipped`` (facts; ``lines`` are those of this event alone), ``answered`` (``answer`` to the request under
    ``key``), or ``other``.
    """

    id: str
    kind: str
    at: datetime
    merchant: str = ""
    """The shop's slug."""
    order: str = ""
    """The channel's id of the order, or its number."""
    lines: tuple[ToldUnits, ...] = ()
    key: str = ""
    answer: LeaveOutAnswer | None = None
    tracking_number: str = ""
