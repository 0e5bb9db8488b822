"""Orders as WooCommerce's REST API tells them: a list, one order, either within ``{"data": ...}`` or bare.

An order names its refunds without their lines; documents of refunds, given beside, tell those.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import ijson

from portal.adapters.orders.files import Files, start
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
from portal.adapters.orders.woocommerce_payments import CANCELED, payments
from portal.core.intake import (
    ORDINARY,
    Fault,
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

NEVER_PLACED = ("draft", "auto-draft", "checkout-draft", "trash")
WAITS = ("pending", "on-hold")
PLACES = Decimal("0.000001")


class WooCommerce:
    """The orders of WooCommerce JSON files, and documents of their refunds."""

    name = "woocommerce"

    def __init__(self, paths: Sequence[str], refunds: Sequence[str] = ()) -> None:
        self.files = Files(paths)
        self._refund_files = Files(refunds)

    def read(self) -> Iterator[Incoming]:
        documents = _Documents()
        for found in self._refunds():
            if isinstance(found, Fault):
                yield found
            else:
                documents.add(found)
        yield from orders(self.files, ("data", "orders", "order"), lambda record: order(record, documents))
        for document in documents.unused():
            reason = f"refund {document.id} belongs to no order of this import"
            yield Fault(file=document.file, row=document.row, reason=reason)

    def _refunds(self) -> Iterator["_RefundDocument | Fault"]:
        for path in self._refund_files.paths:
            row = 0
            try:
                with self._refund_files.opened(path) as stream:
                    for row, record in enumerate(_refund_records(stream), 1):
                        missing = [key for key in ("id", "amount", "line_items") if record.get(key) is None]
                        if missing:
                            yield Fault(file=path, row=row, reason=f"no refund: {', '.join(missing)} missing")
                        else:
                            yield _RefundDocument(record, path, row)
            except OSError as error:
                yield Fault(file=path, row=0, reason=f"cannot be opened: {error.strerror or error}")
            except (ijson.JSONError, UnicodeDecodeError):
                yield Fault(file=path, row=row + 1, reason="not valid JSON")


class _RefundDocument:
    """One refund with its lines, and which order and items it says it belongs to."""

    def __init__(self, record: Record, file: str, row: int) -> None:
        self.record, self.file, self.row = record, file, row
        self.id = text(record, "id")
        links = inner(record, "_links").get("up")
        href = text(links[0], "href") if isinstance(links, list) and links else ""
        self.order_id = text(record, "parent_id") or href.rstrip("/").rpartition("/")[2]


class _Documents:
    """The documents of refunds that were given, by their id and by the order they name."""

    def __init__(self) -> None:
        self._by_id: dict[str, _RefundDocument] = {}
        self._by_order: dict[str, list[_RefundDocument]] = {}
        self._used: set[str] = set()

    def add(self, document: _RefundDocument) -> None:
        self._by_id[document.id] = document
        self._by_order.setdefault(document.order_id, []).append(document)

    def of(self, order_id: str, named: Iterable[str]) -> dict[str, _RefundDocument]:
        """Those that name the order, and those that it names."""
        found = {one.id: one for one in self._by_order.get(order_id, ())}
        found |= {refund_id: self._by_id[refund_id] for refund_id in named if refund_id in self._by_id}
        self._used.update(found)
        return found

    def unused(self) -> list[_RefundDocument]:
        return [document for refund_id, document in self._by_id.items() if refund_id not in self._used]


def _refund_records(stream: Any) -> Iterator[Record]:
    start(stream)
    whole = next(ijson.items(stream, ""))
    inside = whole.get("data", whole) if isinstance(whole, dict) else whole
    yield from (one for one in (inside if isinstance(inside, list) else [inside]) if isinstance(one, dict))


def order(record: Record, documents: _Documents) -> IncomingOrder:
    """One order in the words of the core. Raises ``Unreadable``."""
    require(record, ("id", "status", "currency", "total", "line_items"))
    if record["status"] in NEVER_PLACED:
        raise Unreadable(_never_placed(record))
    placed = record.get("date_created_gmt") or record.get("date_created")
    if not placed:
        raise Unreadable("no order: date_created_gmt missing")
    billing, shipping = inner(record, "billing"), inner(record, "shipping")
    where = shipping if text(shipping, "address_1") else billing
    lines = [*_items(record), *_charges(record)]
    named = {text(refund, "id"): refund for refund in several(record, "refunds")}
    told = documents.of(text(record, "id"), named)
    fees = [amount(fee, "total") for fee in several(record, "fee_lines")]
    paid_by = tuple(payments(record))
    return IncomingOrder(
        external_id=text(record, "id"),
        number=text(record, "number") or text(record, "id"),
        currency=text(record, "currency"),
        placed_at=moment(placed, "date_created_gmt"),
        state=_state(record, paid_by),
        # whatever the shop shows, this API tells goods without tax and tax beside them
        prices_include_tax=False,
        lines=tuple(lines),
        payments=paid_by,
        refunds=tuple(_refunds(record, named, told)),
        discount=-sum((fee for fee in fees if fee < 0), Decimal(0)),
        discounts=_discounts(record),
        total=amount(record, "total"),
        customer_ref="" if text(record, "customer_id") == "0" else text(record, "customer_id"),
        email=text(billing, "email"),
        name=f"{text(where, 'first_name')} {text(where, 'last_name')}",
        phone=text(billing, "phone") or text(where, "phone"),
        country=text(where, "country"),
        postcode=text(where, "postcode"),
        address=_address(where),
        digest=digest(record, [document.record for document in told.values()]),
    )


def _never_placed(record: Record) -> str:
    faults = [f"no order yet: its status is {record['status']}"]
    if not (record.get("date_created_gmt") or record.get("date_created")):
        faults.append("date_created_gmt missing")
    if not record["line_items"]:
        faults.append("it has no lines")
    return "; ".join(faults)


def _state(record: Record, paid_by: Sequence[IncomingPayment]) -> str:
    """``on-hold`` is placed where its money is promised, in advance or later; ``pending`` was never finished."""
    if record["status"] in CANCELED:
        return "canceled"
    promised = record["status"] == "on-hold" and any(payment.mode for payment in paid_by)
    return "pending" if record["status"] in WAITS and not promised else "confirmed"


def _address(where: Record) -> dict[str, object]:
    return address(
        name=f"{text(where, 'first_name')} {text(where, 'last_name')}",
        company=text(where, "company"),
        street=(text(where, "address_1"), text(where, "address_2")),
        postcode=text(where, "postcode"),
        city=text(where, "city"),
        region=text(where, "state"),
        country=text(where, "country"),
        phone=text(where, "phone"),
    )


def _discounts(record: Record) -> tuple[IncomingDiscount, ...]:
    """A coupon that is alone made all discounts; which of several made how much of a line is told nowhere."""
    coupons = [code for one in several(record, "coupon_lines") if (code := text(one, "code"))]
    return (IncomingDiscount(code=coupons[0]),) if len(coupons) == 1 else ()


def _items(record: Record) -> Iterator[IncomingLine]:
    labels = _labels(record)
    sent = record["status"] == "completed" or bool(
        record.get("date_completed_gmt") or record.get("date_completed")
    )
    sent_at = record.get("date_completed_gmt") or record.get("date_completed")
    for item in several(record, "line_items"):
        require(item, ("id", "quantity", "total"))
        line_id = text(item, "id")
        units = amount(item, "quantity", f"line {line_id}, quantity")
        total = amount(item, "total", f"line {line_id}, total")
        goods = max(amount(item, "subtotal", f"line {line_id}, subtotal"), total)
        line = IncomingLine(
            external_id=line_id,
            units=units,
            unit_price=(goods / units).quantize(PLACES, ROUND_HALF_UP).normalize() if units else Decimal(0),
            sku=text(item, "sku"),
            name=text(item, "parent_name") or text(item, "name"),
            variant=text(item, "name") if text(item, "parent_name") else "",
            goods=goods,
            discount=goods - total,
            taxes=tuple(_taxes(item, labels)),
            parent=text(item, "bundled_by"),
            special=GIFT if _is_gift(item) else ORDINARY,
        )
        whole = int(units) if units == int(units) else 0
        at = moment(sent_at, "date_completed_gmt") if sent_at else None
        yield replace(line, shipped=whole, shipped_at=at) if sent else line


GIFT = Special(gift=True)
GIFT_FIELDS = ("as a gift", "gift", "_gift", "is_gift", "_is_gift")


def _is_gift(item: Record) -> bool:
    """Whether the customer said so in one of the fields that gift plug-ins ask with."""
    return any(
        text(meta, "key").casefold() in GIFT_FIELDS and text(meta, "value").casefold() in ("yes", "1", "true")
        for meta in several(item, "meta_data")
    )


def _labels(record: Record) -> dict[str, Record]:
    return {text(tax, "rate_id"): tax for tax in several(record, "tax_lines")}


def _taxes(item: Record, labels: dict[str, Record]) -> Iterator[IncomingTax]:
    """``total_tax`` is what was charged; the parts per rate, with more decimals, say under which labels."""
    charged = amount(item, "total_tax")
    parts = [(text(tax, "id"), amount(tax, "total")) for tax in several(item, "taxes")]
    parts = [(rate, part) for rate, part in parts if part > 0]
    if not charged:
        return
    left, whole = charged, sum((part for _, part in parts), Decimal(0))
    for position, (rate, part) in enumerate(parts):
        tax = labels.get(rate, {})
        last = position == len(parts) - 1
        share = left if last else min(left, (charged * part / whole).quantize(_cent(charged), ROUND_HALF_UP))
        left -= share
        yield IncomingTax(
            label=text(tax, "label") or f"Tax {rate}",
            amount=share,
            rate=amount(tax, "rate_percent") / 100 if tax.get("rate_percent") is not None else None,
            jurisdiction=text(tax, "rate_code"),
        )
    if not parts:
        yield IncomingTax(label="Tax", amount=charged)


def _cent(value: Decimal) -> Decimal:
    """The smallest step that ``value`` is written in."""
    return Decimal(1).scaleb(min(0, int(value.as_tuple().exponent)))


def _charges(record: Record) -> Iterator[IncomingLine]:
    labels = _labels(record)
    for kind, key, title in (("shipping", "shipping_lines", "method_title"), ("fee", "fee_lines", "name")):
        for row in several(record, key):
            value = amount(row, "total")
            if value >= 0:
                yield IncomingLine(
                    external_id=f"{kind}:{text(row, 'id')}",
                    units=1,
                    unit_price=value,
                    kind=kind,
                    name=text(row, title),
                    taxes=tuple(_taxes(row, labels)),
                    shipped=1,
                )


REFERENCES = ("_stripe_refund_id", "_wcpay_refund_id")
"""Where payment plug-ins keep the gateway's own id of a refund."""


def _refunds(
    record: Record, named: dict[str, Record], documents: dict[str, _RefundDocument]
) -> Iterator[IncomingRefund]:
    placed = record.get("date_created_gmt") or record.get("date_created")
    for refund_id in sorted({*named, *documents}, key=lambda text: (len(text), text)):
        if refund_id in documents:
            yield _refund(documents[refund_id].record, record)
            continue
        header = named[refund_id]
        yield IncomingRefund(
            external_id=refund_id,
            at=moment(header.get("date_created_gmt") or placed, f"refund {refund_id}"),
            amount=abs(amount(header, "total", f"refund {refund_id}")),
            reason=text(header, "reason"),
        )


def _refund(document: Record, record: Record) -> IncomingRefund:
    name = text(document, "id")
    shipping = [f"shipping:{text(row, 'id')}" for row in several(record, "shipping_lines")]
    fees = [f"fee:{text(row, 'id')}" for row in several(record, "fee_lines")]
    lines = [
        _refund_line(row, item or fallback, merchandise=key == "line_items")
        for key, fallback in (
            ("line_items", "unknown"),
            ("shipping_lines", shipping[0] if shipping else "shipping"),
            ("fee_lines", fees[0] if fees else "fee"),
        )
        for row in several(document, key)
        for item in (_refunded_item(row, key),)
    ]
    return IncomingRefund(
        external_id=name,
        at=moment(document.get("date_created_gmt") or document.get("date_created"), f"refund {name}"),
        amount=amount(document, "amount", f"refund {name}"),
        reason=text(document, "reason"),
        lines=tuple(lines),
        references=tuple(
            text(meta, "value") for meta in several(document, "meta_data") if meta.get("key") in REFERENCES
        ),
    )


def _refunded_item(row: Record, key: str) -> str:
    prefix = {"line_items": "", "shipping_lines": "shipping:", "fee_lines": "fee:"}[key]
    for meta in several(row, "meta_data"):
        if meta.get("key") == "_refunded_item_id" and meta.get("value"):
            return prefix + str(meta["value"])
    return ""


def _refund_line(row: Record, line: str, *, merchandise: bool) -> IncomingRefundLine:
    """A refund writes its quantities and amounts below zero."""
    tax = -amount(row, "total_tax")
    return IncomingRefundLine(
        line=line,
        units=-int(amount(row, "quantity")) if merchandise else 0,
        amount=-amount(row, "total") + tax,
        tax=tax,
    )
