"""Orders in our own words, for shops that are none of the others: ``{"orders": [...]}``, a list, or one order.

Every key is one of the tables below; a key that is in none is refused by its name. Amounts are in whole units
of the currency, as numbers or text; moments are ISO 8601, days ``2026-03-01``.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from portal.adapters.orders.files import Files
from portal.adapters.orders.records import (
    Record,
    Unreadable,
    address,
    amount,
    digest,
    inner,
    moment,
    orders,
    require,
    several,
    text,
)
from portal.core.intake import (
    ORDINARY,
    Incoming,
    IncomingDiscount,
    IncomingLine,
    IncomingOrder,
    IncomingPayment,
    IncomingRefund,
    IncomingRefundLine,
    IncomingTax,
    Special,
)

Reader = Callable[[Record, str], Any]


class PlainJson:
    """The orders of JSON files in our own words."""

    name = "json"

    def __init__(self, paths: Sequence[str]) -> None:
        self.files = Files(paths)

    def read(self) -> Iterator[Incoming]:
        return orders(self.files, ("orders", "order"), order)


def order(record: Record) -> IncomingOrder:
    """One order in the words of the core. Raises ``Unreadable``."""
    require(record, ("id", "currency", "placed_at", "lines"))
    _known(record, (*ORDER, "id", "number", "lines", "payments", "refunds", "discounts", "address"), "order")
    name = text(record, "id")
    payments = tuple(_payment(one, name) for one in several(record, "payments"))
    untold = IncomingPayment(reference=f"json:{name}", tender="card", captured=None)
    return IncomingOrder(
        **_read(record, ORDER),
        external_id=name,
        number=text(record, "number") or name,
        lines=tuple(_line(line, number) for number, line in enumerate(several(record, "lines"), 1)),
        payments=payments if "payments" in record else (untold,),
        refunds=tuple(_refund(refund) for refund in several(record, "refunds")),
        discounts=tuple(_discount(one) for one in several(record, "discounts")),
        address=_address(inner(record, "address"), record),
        digest=digest(record),
    )


def _line(record: Record, number: int) -> IncomingLine:
    require(record, ("units", "unit_price"))
    name = text(record, "id") or str(number)
    _known(record, (*LINE, *SPECIAL, "id", "taxes"), f"line {name}")
    special = _read(record, SPECIAL)
    return IncomingLine(
        **_read(record, LINE),
        external_id=name,
        taxes=tuple(_made(IncomingTax, tax, TAX, ("label", "amount")) for tax in several(record, "taxes")),
        special=Special(**special) if special else ORDINARY,
    )


def _payment(record: Record, order_id: str) -> IncomingPayment:
    require(record, ("tender",))
    _known(record, PAYMENT, "payment")
    told = {"captured": None, "reference": f"json:{order_id}:{text(record, 'tender')}"}
    return IncomingPayment(**(told | _read(record, PAYMENT)))


def _refund(record: Record) -> IncomingRefund:
    require(record, ("id", "at", "amount"))
    _known(record, (*REFUND, "id", "lines"), "refund")
    return IncomingRefund(
        **_read(record, REFUND),
        external_id=text(record, "id"),
        lines=tuple(
            _made(IncomingRefundLine, line, REFUND_LINE, ("line", "units", "amount"))
            for line in several(record, "lines")
        ),
    )


def _discount(record: Record) -> IncomingDiscount:
    require(record, ("code",))
    _known(record, ("code", "shares"), "discount")
    told = record.get("shares")
    shares = (
        {line: amount(told, line, f"share of {line}") for line in told} if isinstance(told, dict) else None
    )
    return IncomingDiscount(code=text(record, "code"), shares=shares)


def _address(where: Record, record: Record) -> dict[str, Any]:
    street = where.get("street")
    lines = [street] if isinstance(street, str) else [str(line) for line in street or ()]
    first, second = (*lines, "", "")[:2]
    return address(
        name=text(where, "name") or text(record, "name"),
        company=text(where, "company"),
        street=(first, second),
        postcode=text(where, "postcode") or text(record, "postcode"),
        city=text(where, "city"),
        region=text(where, "region"),
        country=text(where, "country") or text(record, "country"),
        phone=text(where, "phone") or text(record, "phone"),
    )


def _made(shape: type[Any], record: Record, fields: Mapping[str, Reader], needed: tuple[str, ...]) -> Any:
    require(record, needed)
    _known(record, tuple(fields), shape.__name__.removeprefix("Incoming").lower())
    return shape(**_read(record, fields))


def _known(record: Record, known: Sequence[str] | Mapping[str, Any], what: str) -> None:
    if unknown := [key for key in record if key not in known]:
        raise Unreadable(f"{what}: {', '.join(unknown)} is not known; known are {', '.join(sorted(known))}")


def _read(record: Record, fields: Mapping[str, Reader]) -> dict[str, Any]:
    """What is told; null counts as not told."""
    return {key: read(record, key) for key, read in fields.items() if record.get(key) is not None}


def _whole(record: Record, key: str) -> int:
    number = amount(record, key)
    if number != int(number):
        raise Unreadable(f"{key}: {number} is not a whole number")
    return int(number)


def _flag(record: Record, key: str) -> bool:
    if not isinstance(record[key], bool):
        raise Unreadable(f"{key}: true or false is needed, not {str(record[key])[:40]!r}")
    return bool(record[key])


def _words(record: Record, key: str) -> tuple[str, ...]:
    told = record[key]
    if not isinstance(told, list) or not all(isinstance(one, str) for one in told):
        raise Unreadable(f"{key} is no list of texts")
    return tuple(told)


def _day(record: Record, key: str) -> date:
    try:
        return date.fromisoformat(str(record[key]))
    except ValueError:
        raise Unreadable(f"{key}: {str(record[key])[:40]!r} is no day") from None


def _moment(record: Record, key: str) -> Any:
    return moment(record[key], key)


def _amount(record: Record, key: str) -> Decimal:
    return amount(record, key)


ORDER: dict[str, Reader] = {
    "currency": text,
    "placed_at": _moment,
    "state": text,
    "prices_include_tax": _flag,
    "discount": _amount,
    "total": _amount,
    "customer_ref": text,
    "email": text,
    "name": text,
    "phone": text,
    "language": text,
    "country": text,
    "postcode": text,
}
LINE: dict[str, Reader] = {
    "units": _amount,
    "unit_price": _amount,
    "kind": text,
    "sku": text,
    "name": text,
    "variant": text,
    "category": text,
    "picture": text,
    "weight_g": _whole,
    "final_sale": _flag,
    "parent": text,
    "goods": _amount,
    "discount": _amount,
    "shipped": _whole,
    "delivered": _whole,
    "shipped_at": _moment,
    "delivered_at": _moment,
}
SPECIAL: dict[str, Reader] = {
    "picked": _whole,
    "location": text,
    "logistics": _words,
    "cut_off_at": _moment,
    "gift": _flag,
    "part_required": _flag,
    "list_price": _amount,
    "period_start": _day,
    "period_end": _day,
    "interval": text,
}
TAX: dict[str, Reader] = {"label": text, "amount": _amount, "rate": _amount, "jurisdiction": text}
PAYMENT: dict[str, Reader] = {
    "reference": text,
    "tender": text,
    "captured": _amount,
    "label": text,
    "mode": text,
    "authorization": text,
}
REFUND: dict[str, Reader] = {"at": _moment, "amount": _amount, "reason": text, "references": _words}
REFUND_LINE: dict[str, Reader] = {
    "line": text,
    "units": _whole,
    "amount": _amount,
    "tax": _amount,
    "canceled": _flag,
}
