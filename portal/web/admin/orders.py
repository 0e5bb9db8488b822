"""Orders: found, and read as they were paid. Nothing is changed here."""

from dataclasses import dataclass
from uuid import UUID

from flask import Blueprint, request
from werkzeug.wrappers import Response

from portal.core.facts import LineFacts
from portal.core.spans import count
from portal.services import orders
from portal.web.actor import needs, person
from portal.web.admin.shapes import Column
from portal.web.page import page
from portal.web.words import gettext as _
from portal.web.words import speak

bp = Blueprint("orders", __name__)


@bp.get("/orders")
@needs("orders.read")
def index() -> Response:
    """Orders by number, e-mail, name, phone, postcode or SKU; without a search the newest."""
    query = request.args.get("q", "").strip()
    return page(
        "admin/orders/index.html",
        fragments=("rows",),
        query=query,
        hits=orders.find_orders(person(), query=query, limit=50),
        columns=(
            Column(name=_("Order")),
            Column(name=_("Customer")),
            Column(name=_("Placed")),
            Column(name=_("Lines"), number=True),
            Column(name=_("Paid"), number=True),
        ),
    )


@dataclass(frozen=True, kw_only=True)
class OrderLine:
    """One line with what became of its units."""

    line: LineFacts
    returned: int
    canceled: int
    is_item: bool


@bp.get("/orders/<uuid:order_id>")
@needs("orders.read")
def show(order_id: UUID) -> Response:
    """What was bought and paid, what was sent, returned and refunded, here and elsewhere."""
    found = orders.order(person(), order_id)
    speak(zone=found.merchant.zone)
    items = {line.id for line in found.order.items}
    return page(
        "admin/orders/show.html",
        found=found,
        order=found.order,
        shop=found.merchant,
        lines=[
            OrderLine(
                line=line,
                returned=count(line.claimed),
                canceled=count(line.canceled),
                is_item=line.id in items,
            )
            for line in found.order.lines
        ],
        columns=(
            Column(name=_("Item")),
            Column(name=_("Bought"), number=True),
            Column(name=_("Shipped"), number=True),
            Column(name=_("Canceled"), number=True),
            Column(name=_("In returns"), number=True),
            Column(name=_("Paid"), number=True),
            Column(name=_("Refunded"), number=True),
        ),
        may_create=person().may("returns.create", found.merchant.id) and found.terms.active,
        may_refund=person().may("refunds.propose", found.merchant.id),
    )
