"""How a Shopify order was paid, or will be: captured, authorized, or owed by the customer."""

from dataclasses import replace
from decimal import Decimal

from portal.adapters.orders.records import PAID_LATER, Record, amount, inner, several, tender, text
from portal.core.intake import AUTHORIZED, CAPTURED, DUE, IncomingPayment

PAID = ("paid", "partially_paid", "partially_refunded", "refunded")
STRIPE_IDS = ("pi_", "ch_", "py_")


def payments(record: Record) -> tuple[tuple[IncomingPayment, ...], tuple[str, ...]]:
    """Its own transactions where the file has them; else what the financial status says was captured."""
    if made := _transactions(record):
        return made, ()
    status = record["financial_status"]
    gateway = str(next((one for one in record.get("payment_gateway_names") or () if one), ""))
    gateway = gateway or text(record, "gateway")
    whole = IncomingPayment(
        reference=f"shopify:{text(record, 'id')}",
        tender=tender(gateway),
        captured=amount(record, "total_price"),
        label=gateway,
        mode=CAPTURED,
    )
    if status == "authorized":
        return (replace(whole, mode=AUTHORIZED),), ()
    if status == "pending":
        owed = _owed(record, whole)
        return ((owed,) if owed else ()), ()
    if status not in PAID:
        return (), ()
    outstanding = amount(record, "total_outstanding")
    paid = replace(whole, captured=max(amount(record, "total_price") - outstanding, Decimal(0)))
    contradiction = outstanding and status != "partially_paid"
    note = f"The shop calls the order {status}, yet {outstanding} of it is outstanding."
    return (paid, *_rest(record, outstanding)), (note,) if contradiction else ()


def _owed(record: Record, whole: IncomingPayment) -> IncomingPayment | None:
    """All of a pending order, where the customer pays later by agreement; nobody owes a cart left behind."""
    if inner(record, "payment_terms"):
        return replace(whole, tender="invoice", mode=DUE)
    return replace(whole, mode=DUE) if whole.tender in PAID_LATER else None


def _rest(record: Record, outstanding: Decimal) -> tuple[IncomingPayment, ...]:
    """What is still to be paid of a part-paid order that has terms of payment."""
    if not outstanding or not inner(record, "payment_terms"):
        return ()
    reference = f"shopify:{text(record, 'id')}:rest"
    return (IncomingPayment(reference=reference, tender="invoice", captured=outstanding, mode=DUE),)


def _transactions(record: Record) -> tuple[IncomingPayment, ...]:
    """What was captured, authorizations that are still open, and sales that wait for the customer's money."""
    made = several(record, "transactions")
    good = [one for one in made if one.get("status") == "success"]
    over = {text(one, "parent_id") for one in good if one.get("kind") in ("sale", "capture", "void")}
    ids = {text(one, "id"): one for one in made}
    found: list[IncomingPayment] = []
    for one in made:
        if mode := _mode(one, record, over):
            before = ids.get(text(one, "parent_id"))
            payment = IncomingPayment(
                reference=_reference(one),
                tender=tender(text(one, "gateway")),
                captured=amount(one, "amount"),
                label=text(one, "gateway"),
                mode=mode,
                authorization="" if before is None else _reference(before),
            )
            found.append(payment)
    return tuple(found)


def _mode(transaction: Record, record: Record, over: set[str]) -> str:
    """How its money counts; nothing where it failed, is over, or is no payment. ``over``: ids that others ended."""
    kind, status, ended = transaction.get("kind"), transaction.get("status"), text(transaction, "id") in over
    if kind in ("sale", "capture") and status == "success":
        return CAPTURED
    if kind == "authorization" and status == "success" and not ended:
        return AUTHORIZED if record["financial_status"] not in ("expired", "voided") else ""
    waits = record["financial_status"] in ("pending", "partially_paid") and not ended
    if kind == "sale" and status == "pending" and waits:
        return DUE if tender(text(transaction, "gateway")) in PAID_LATER else ""
    return ""


def _reference(transaction: Record) -> str:
    """The gateway's own id of the capture, where it is one that can be refunded there by that id."""
    own = text(transaction, "authorization")
    return own if own.startswith(STRIPE_IDS) else f"shopify:{text(transaction, 'id')}"
