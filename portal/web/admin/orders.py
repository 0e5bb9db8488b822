"""Orders: found, and read as they were paid. Nothing is changed here."""

from dataclasses import dataclass
from uuid import UUID

from flask import Blueprint, request
from werkzeug.wrappers import Response

from portal.core.cancellations import totals
from portal.core.facts import CANCELLATIONS, LineFacts, OrderFacts, PaymentFacts
from portal.core.money import Minor
from portal.core.spans import count
from portal.services.handling import dossiers as services
from portal.services.lists import cancellation_list, orders
from portal.web.actor import needs, person
from portal.web.admin import dossiers
from portal.web.admin.proposal_rows import grouped
from portal.web.admin.shapes import Column
from portal.web.page import page
from portal.web.words import gettext as _
from portal.web.words import speak, words
from portal.words import calls

bp = Blueprint("orders", __name__)


SHOWN = 50
"""Orders that are listed: who looks for another one says more."""


@bp.get("/orders")
@needs("orders.read")
def index() -> Response:
    """Orders by number, e-mail, name, phone, postcode or SKU; without a search the newest."""
    query = request.args.get("q", "").strip()
    hits = orders.find_orders(person(), query=query, limit=SHOWN + 1)
    return page(
        "admin/orders/index.html",
        fragments=("rows",),
        query=query,
        hits=hits[:SHOWN],
        is_cut=len(hits) > SHOWN,
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
    """One line with what became of its units, and what is known of its way to the customer."""

    line: LineFacts
    returned: int
    canceled: int
    held: int
    is_item: bool
    is_part: bool
    facts: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class PaymentRow:
    """One payment: what it covers, whether that is money already, and what of it is back or was let go."""

    payment: PaymentFacts
    name: str
    mode: str
    sent_back: Minor
    let_go: Minor


@bp.get("/orders/<uuid:order_id>")
@needs("orders.read")
def show(order_id: UUID) -> Response:
    """What was bought and paid, what was sent, canceled, returned and refunded, here and elsewhere."""
    found, actor = orders.order(person(), order_id), person()
    speak(zone=found.merchant.zone)
    order, shop = found.order, found.merchant
    lines = _lines(order)
    canceled = [row for row in found.returns if row.kind in CANCELLATIONS]
    cancels = cancellation_list.rows([row.id for row in canceled])
    open_one = next((row for row in cancels if row.state == "proposed"), None)
    can_leave = order.state == "confirmed" and any(line.cancelable_units for line in order.items)
    return page(
        "admin/orders/show.html",
        found=found,
        order=order,
        shop=shop,
        lines=lines,
        columns=_columns(lines),
        some={name: any(getattr(row, name) for row in lines) for name in ("held", "canceled", "returned")}
        | {"picked": any(row.line.picked for row in lines)},
        returns=[row for row in found.returns if row not in canceled],
        cancels=cancels,
        open_one=open_one,
        totals=_totals(order),
        payments=_payments(order),
        state=states().get(order.state, (order.state, "quiet", "info")),
        history=dossiers.told(services.happenings(order_id), order.currency),
        may_create=actor.may("returns.create", shop.id) and found.terms.active,
        may_refund=actor.may("refunds.propose", shop.id),
        may_cancel=actor.may("cancellations.propose", shop.id) and can_leave,
        returnable=any(line.returnable_units for line in order.items),
    )


def _lines(order: OrderFacts) -> list[OrderLine]:
    """Everything that was charged, each bundle followed by its parts, the charges last."""
    items = {line.id for line in order.items}
    return [
        OrderLine(
            line=line,
            returned=count(line.claimed),
            canceled=count(line.canceled),
            held=count(line.held),
            is_item=line.id in items,
            is_part=line.parent_id in items,
            facts=_facts(order, line),
        )
        for line in (*grouped(order), *order.charges)
    ]


def _facts(order: OrderFacts, line: LineFacts) -> tuple[str, ...]:
    """What ties the line, how it runs, and where it waits, in words."""
    said = words()
    told = [calls.logistics(said, code) for code in line.logistics]
    if any(other.parent_id == line.id for other in order.items):
        told.append(_("Bundle"))
    if line.part_required:
        told.append(_("its bundle needs it"))
    if line.gift:
        told.append(_("Gift"))
    if line.cut_off:
        told.append(_("changes until %(at)s", at=said.moment(line.cut_off)))
    if line.ends_on:
        told.append(_("ends on %(day)s, not renewed", day=said.day(line.ends_on)))
    elif line.period_end:
        told.append(_("paid until %(day)s", day=said.day(line.period_end)))
    if line.interval and not line.ends_on:
        told.append(calls.interval(said, line.interval))
    if line.location not in ("", "main"):
        told.append(_("from %(place)s", place=line.location))
    return tuple(told)


def _columns(lines: list[OrderLine]) -> tuple[Column, ...]:
    """The counts that some line has; what nothing of happened has no column."""
    counts = (
        (True, _("Bought")),
        (True, _("Shipped")),
        (any(row.line.picked for row in lines), _("Being packed")),
        (any(row.held for row in lines), _("Held")),
        (any(row.canceled for row in lines), _("Canceled")),
        (any(row.returned for row in lines), _("In returns")),
        (True, _("Paid")),
        (True, _("Refunded")),
    )
    return (Column(name=_("Item")), *(Column(name=name, number=True) for shown, name in counts if shown))


def _totals(order: OrderFacts) -> tuple[tuple[str, Minor], ...]:
    """What the order comes to now; what is nothing is left out, but the total."""
    now = totals(order)
    rows = (
        (_("Items"), now.goods),
        (_("Shipping"), now.shipping),
        (_("Other charges"), now.other),
        (_("Total now"), now.total),
        (_("Charged at first"), now.paid if now.paid != now.total else 0),
        (_("Given back or no longer taken"), now.refunded),
        (_("Still to be paid"), now.due),
    )
    return tuple((name, amount) for name, amount in rows if amount or name == _("Total now"))


def _payments(order: OrderFacts) -> tuple[PaymentRow, ...]:
    return tuple(
        PaymentRow(
            payment=payment,
            name=payment.label or words().tender(payment.tender),
            mode=calls.mode(words(), payment.mode),
            sent_back=payment.refunded - payment.released,
            let_go=payment.released,
        )
        for payment in order.payments
    )


def states() -> dict[str, tuple[str, str, str]]:
    """State of an order -> (name, tone, icon)."""
    return {
        "pending": (_("Not confirmed yet"), "wait", "clock"),
        "confirmed": (_("Confirmed"), "good", "check"),
        "canceled": (_("Canceled"), "quiet", "ban"),
    }
