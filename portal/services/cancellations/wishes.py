"""What somebody wants taken out of an order, and the rows that it is written down as."""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from uuid import UUID

from portal.core import cancellations as core
from portal.core import numbers, subscriptions
from portal.core.access import Conflict, NotFound
from portal.core.facts import OrderFacts, ReturnRequest, Wanted
from portal.core.spans import Span
from portal.db.base import uuid7
from portal.db.orders import Order
from portal.db.returns import Return, ReturnLine

KIND = "partial_cancellation"


@dataclass(frozen=True, kw_only=True)
class Choice:
    """So many units of an order line; of a recurring service also when it ends."""

    line_id: UUID
    units: int
    ending: str = ""
    """``at_once`` or ``next_period``; empty for everything that is not a recurring service."""


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What an agent enters for a customer."""

    choices: tuple[Choice, ...]
    reason: str = ""
    """A code of ``core.cancellations.REASONS``, or nothing."""
    note: str = ""
    """For colleagues."""
    message: str = ""
    """What the customer reads."""
    channel: str = "phone"


def request_of(
    choices: Iterable[Choice], order: OrderFacts, *, reason: str = "", now: datetime, zone: tzinfo
) -> ReturnRequest:
    """The choices as policy and engine judge them, with the names of bundles that go as a whole.

    Raises ``Conflict("negative_units")``, ``NotFound``.
    """
    known = {line.id for line in order.lines}
    wanted = []
    for choice in choices:
        if choice.units < 0:
            raise Conflict("negative_units", units=choice.units)
        if choice.line_id not in known:
            raise NotFound
        if choice.units:
            wanted.append(
                Wanted(
                    line_id=choice.line_id,
                    units=choice.units,
                    reason=reason or None,
                    ending=choice.ending,
                )
            )
    request = ReturnRequest(wanted=tuple(wanted), requested_at=now, kind=KIND)
    return core.prepared(order, core.completed(order, request), zone=zone)


def new_return(
    head: Order,
    *,
    policy_id: UUID,
    state: str,
    channel: str,
    language: str,
    note: str = "",
    nonce: str | None = None,
    number: str | None = None,
    together_with: UUID | None = None,
    created_by: UUID | None = None,
    now: datetime,
) -> Return:
    """The return that a cancellation is, for the buyer of the order."""
    return Return(
        id=uuid7(),
        merchant_id=head.merchant_id,
        order_id=head.id,
        policy_id=policy_id,
        number=number,
        state=state,
        kind=KIND,
        channel=channel,
        language=head.language or language,
        currency=head.currency,
        name=head.name or head.email,
        name_key=(head.name or head.email).lower(),
        email=head.email,
        phone=head.phone,
        order_number=head.number,
        order_number_key=head.number_key,
        answered=[],
        locked=[],
        note=note.strip(),
        nonce=nonce or None,
        together_with=together_with,
        created_by=created_by,
        created_at=now,
        version=1,
    )


def new_lines(
    row: Return,
    order: OrderFacts,
    wanted: Sequence[Wanted],
    *,
    spans: Mapping[UUID, tuple[Span, ...]] | None = None,
    by_agent: bool,
    day: date,
) -> list[ReturnLine]:
    """One line per wish, as it would end on ``day``; ``spans`` are the positions it holds, by order line."""
    found = []
    for position, one in enumerate(wanted):
        bought = order.line(one.line_id)
        found.append(
            ReturnLine(
                id=uuid7(),
                merchant_id=row.merchant_id,
                return_id=row.id,
                order_line_id=bought.id,
                position=position,
                sku=bought.sku,
                name=bought.name or bought.sku,
                variant=bought.variant,
                picture=bought.picture,
                weight_g=bought.weight_g,
                units=one.units,
                reason=one.reason,
                by_agent=by_agent,
                ending=one.ending,
                ends_on=subscriptions.ended(bought, one.ending, on=day).ends_on if one.ending else None,
                spans=[list(span) for span in (spans or {}).get(bought.id, ())],
            )
        )
    return found


def new_number() -> str:
    return numbers.cancellation_number(secrets.token_bytes(numbers.BYTES_NEEDED))
