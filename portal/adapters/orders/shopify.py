"""Orders as Shopify's REST Admin API tells them: ``{"orders": []}``, ``{"order": {}}`` or bare."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from portal.adapters.orders.files import Files
from portal.adapters.orders.records import (
    Record,
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
from portal.adapters.orders.shopify_payments import payments
from portal.core.intake import (
    MAIN,
    ORDINARY,
    Incoming,
    IncomingDiscount,
    IncomingLine,
    IncomingOrder,
    IncomingRefund,
    IncomingRefundLine,
    IncomingTax,
    Special,
)

NOT_PAID = ("pending", "expired", "voided")


class Shopify:
    """The orders of Shopify JSON files."""

    name = "shopify"

    def __init__(self, paths: Sequence[str]) -> None:
        self.files = Files(paths)

    def read(self) -> Iterator[Incoming]:
        return orders(self.files, ("orders", "order"), order)


def order(record: Record) -> IncomingOrder:
    """One order in the words of the core. Raises ``Unreadable``."""
    require(record, ("id", "line_items", "currency", "created_at", "financial_status"))
    customer = inner(record, "customer")
    where = inner(record, "shipping_address") or inner(record, "billing_address")
    lines = [*_items(record), *_charges(record)]
    paid_by, notes = payments(record)
    return IncomingOrder(
        external_id=text(record, "id"),
        number=text(record, "name") or text(record, "order_number"),
        currency=text(record, "currency"),
        placed_at=moment(record.get("processed_at") or record["created_at"], "created_at"),
        state=_state(record, sent=any(line.shipped for line in lines), promised=bool(paid_by)),
        prices_include_tax=record.get("taxes_included") is True,
        lines=tuple(lines),
        payments=paid_by,
        refunds=tuple(_refund(refund, record) for refund in several(record, "refunds")),
        discount=_unallocated(record, lines),
        discounts=_discounts(record),
        total=amount(record, "total_price"),
        customer_ref=text(customer, "id"),
        email=text(record, "email") or text(record, "contact_email") or text(customer, "email"),
        name=text(where, "name") or f"{text(customer, 'first_name')} {text(customer, 'last_name')}",
        phone=text(record, "phone") or text(where, "phone") or text(customer, "phone"),
        language=text(record, "customer_locale"),
        country=text(where, "country_code"),
        postcode=text(where, "zip"),
        address=_address(where),
        notes=notes,
        digest=digest(record),
    )


def _state(record: Record, *, sent: bool, promised: bool) -> str:
    """An order is confirmed once its money is there, reserved or owed, or something of it was sent."""
    if record.get("cancelled_at"):
        return "canceled"
    waits = record["financial_status"] in NOT_PAID and not (sent or promised)
    return "pending" if waits else "confirmed"


def _address(where: Record) -> dict[str, object]:
    return address(
        name=text(where, "name") or f"{text(where, 'first_name')} {text(where, 'last_name')}",
        company=text(where, "company"),
        street=(text(where, "address1"), text(where, "address2")),
        postcode=text(where, "zip"),
        city=text(where, "city"),
        region=text(where, "province_code"),
        country=text(where, "country_code"),
        phone=text(where, "phone"),
    )


def _items(record: Record) -> list[IncomingLine]:
    fulfilled, handled = _fulfilled(record), _handled(record)
    lines = []
    for item in several(record, "line_items"):
        require(item, ("id", "quantity", "price"))
        line_id = text(item, "id")
        sent = fulfilled.get(line_id, _Sent())
        if "fulfillments" not in record:
            sent.shipped = _sent_by_status(item, record)
        lines.append(
            IncomingLine(
                external_id=line_id,
                units=amount(item, "quantity", f"line {line_id}, quantity"),
                unit_price=amount(item, "price", f"line {line_id}, price"),
                kind="gift_card" if item.get("gift_card") is True else "merchandise",
                sku=text(item, "sku"),
                name=text(item, "title") or text(item, "name"),
                variant=text(item, "variant_title"),
                category=text(item, "product_type"),
                weight_g=max(0, int(amount(item, "grams"))),
                discount=_line_discount(item),
                taxes=_taxes(item),
                shipped=sent.shipped,
                delivered=sent.delivered,
                shipped_at=sent.shipped_at,
                delivered_at=sent.delivered_at,
                special=handled.get(line_id, ORDINARY),
            )
        )
    return lines


def _sent_by_status(item: Record, record: Record) -> int:
    """Where the file has no fulfilments: all of the line, or what of it is neither to be sent nor canceled."""
    units, status = int(amount(item, "quantity")), item.get("fulfillment_status")
    if status != "partial" or item.get("fulfillable_quantity") is None:
        return units if status == "fulfilled" else 0
    canceled = sum(
        int(amount(one, "quantity"))
        for refund in several(record, "refunds")
        for one in several(refund, "refund_line_items")
        if text(one, "line_item_id") == text(item, "id") and one.get("restock_type") == "cancel"
    )
    return max(0, units - canceled - int(amount(item, "fulfillable_quantity")))


OPEN = ("open", "in_progress", "scheduled", "on_hold")
HANDED_OVER = ("submitted", "accepted")


def _handled(record: Record) -> dict[str, Special]:
    """Per line, where the order has its fulfilment orders: where it lies, who has it, what is being picked.

    Work in progress is picked. What a fulfilment service was asked to send is somebody else's work.
    """
    found: dict[str, Special] = {}
    for one in several(record, "fulfillment_orders"):
        if one.get("status") not in OPEN:
            continue
        place = text(inner(one, "assigned_location"), "name") or text(one, "assigned_location_id") or MAIN
        handed = one.get("request_status") in HANDED_OVER
        for item in several(one, "line_items"):
            line = text(item, "line_item_id")
            before = found.get(line, Special(location=place))
            picked = int(amount(item, "fulfillable_quantity")) if one["status"] == "in_progress" else 0
            found[line] = replace(
                before,
                picked=before.picked + picked,
                logistics=("third_party",) if handed else before.logistics,
            )
    return found


def _line_discount(item: Record) -> Decimal:
    """The allocations are the whole of it; ``total_discount`` holds only what was taken off by hand."""
    if allocations := several(item, "discount_allocations"):
        return sum((amount(one, "amount") for one in allocations), Decimal(0))
    return amount(item, "total_discount")


def _discounts(record: Record) -> tuple[IncomingDiscount, ...]:
    """Each discount by its code or title, with what the lines' allocations say it took off them."""
    shares: dict[int, dict[str, Decimal]] = {}
    named = [(text(item, "id"), item) for item in several(record, "line_items")]
    named += [
        (f"shipping:{text(one, 'id') or number}", one)
        for number, one in enumerate(several(record, "shipping_lines"), 1)
    ]
    for line, item in named:
        for one in several(item, "discount_allocations"):
            taken = shares.setdefault(int(amount(one, "discount_application_index")), {})
            taken[line] = taken.get(line, Decimal(0)) + amount(one, "amount")
    return tuple(
        IncomingDiscount(code=code, shares=shares[place])
        for place, one in enumerate(several(record, "discount_applications"))
        for code in (text(one, "code") or text(one, "title"),)
        if code and place in shares
    )


def _taxes(item: Record) -> tuple[IncomingTax, ...]:
    return tuple(
        IncomingTax(
            label=text(tax, "title") or "Tax",
            amount=amount(tax, "price"),
            rate=amount(tax, "rate") if tax.get("rate") is not None else None,
        )
        for tax in several(item, "tax_lines")
    )


@dataclass(kw_only=True)
class _Sent:
    """What has been sent of one line, and what arrived."""

    shipped: int = 0
    delivered: int = 0
    shipped_at: datetime | None = None
    delivered_at: datetime | None = None


def _fulfilled(record: Record) -> dict[str, _Sent]:
    """Per line; a failed or canceled fulfilment sent nothing."""
    found: dict[str, _Sent] = {}
    for fulfillment in several(record, "fulfillments"):
        if fulfillment.get("status") != "success":
            continue
        at = moment(fulfillment.get("created_at"), "fulfillment, created_at")
        arrived = fulfillment.get("shipment_status") == "delivered"
        for item in several(fulfillment, "line_items"):
            sent, units = found.setdefault(text(item, "id"), _Sent()), int(amount(item, "quantity"))
            sent.shipped += units
            sent.shipped_at = max(at, sent.shipped_at or at)
            if arrived:
                there = moment(fulfillment.get("updated_at") or at, "fulfillment, updated_at")
                sent.delivered += units
                sent.delivered_at = max(there, sent.delivered_at or there)
    return found


def _charges(record: Record) -> Iterator[IncomingLine]:
    for number, shipping in enumerate(several(record, "shipping_lines"), 1):
        price = amount(shipping, "price")
        paid = amount(shipping, "discounted_price") if shipping.get("discounted_price") is not None else price
        yield IncomingLine(
            external_id=f"shipping:{text(shipping, 'id') or number}",
            units=1,
            unit_price=price,
            kind="shipping",
            name=text(shipping, "title"),
            discount=max(price - paid, Decimal(0)),
            taxes=_taxes(shipping),
            shipped=1,
        )
    duties = amount(inner(inner(record, "original_total_duties_set"), "shop_money"), "amount")
    tip = amount(record, "total_tip_received")
    for kind, value, name in (("duty", duties, "Duties"), ("fee", tip, "Tip")):
        if value:
            yield IncomingLine(
                external_id=name.lower(), units=1, unit_price=value, kind=kind, name=name, shipped=1
            )


def _unallocated(record: Record, lines: list[IncomingLine]) -> Decimal:
    """What of the order's discounts no line says it has."""
    allocated = sum((line.discount for line in lines), Decimal(0))
    return max(amount(record, "total_discounts") - allocated, Decimal(0))


def _refund(refund: Record, record: Record) -> IncomingRefund:
    name = text(refund, "id")
    lines = [_refund_line(one, record, name) for one in several(refund, "refund_line_items")]
    lines += _refund_adjustments(refund, record)
    sent = [
        amount(one, "amount", f"refund {name}")
        for one in several(refund, "transactions")
        if one.get("kind") == "refund" and one.get("status") in ("success", "pending")
    ]
    return IncomingRefund(
        external_id=name,
        at=moment(refund.get("processed_at") or refund.get("created_at"), f"refund {name}"),
        amount=sum(sent, Decimal(0)),
        reason=text(refund, "note"),
        lines=tuple(lines),
        references=tuple(_references(refund)),
    )


def _references(refund: Record) -> Iterator[str]:
    """What the gateway calls it: the id in its receipt, and what the shop keeps as its authorization."""
    for one in several(refund, "transactions"):
        names = (text(one, "authorization"), text(inner(one, "receipt"), "id"))
        yield from dict.fromkeys(name for name in names if name and one.get("kind") == "refund")


def _refund_line(one: Record, record: Record, name: str) -> IncomingRefundLine:
    """``cancel`` means that the units never left; any other restock type that they came, or stay away."""
    tax = amount(one, "total_tax", f"refund {name}")
    subtotal = amount(one, "subtotal", f"refund {name}")
    return IncomingRefundLine(
        line=text(one, "line_item_id"),
        units=int(amount(one, "quantity", f"refund {name}")),
        amount=subtotal if record.get("taxes_included") is True else subtotal + tax,
        tax=tax,
        canceled=one.get("restock_type") == "cancel",
    )


def _refund_adjustments(refund: Record, record: Record) -> Iterator[IncomingRefundLine]:
    """Shipping that was given back, as negative amounts, off the first shipping line."""
    shipping = [
        f"shipping:{text(one, 'id') or n}" for n, one in enumerate(several(record, "shipping_lines"), 1)
    ]
    for one in several(refund, "order_adjustments"):
        if one.get("kind") == "shipping_refund" and shipping:
            tax = -amount(one, "tax_amount")
            net = -amount(one, "amount")
            yield IncomingRefundLine(line=shipping[0], units=0, amount=net + tax, tax=tax)
