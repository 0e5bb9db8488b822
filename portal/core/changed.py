"""An order that its channel tells again, differently, when some of it was given back already."""

from collections.abc import Collection
from dataclasses import replace

from portal.core.money import major
from portal.core.paid import PaidLine, PaidOrder, PaidPayment


def changed(old: PaidOrder, new: PaidOrder, *, held: Collection[str] = ()) -> PaidOrder:
    """``new`` with what happened to ``old``: units taken, amounts given back and refunds known stay.

    Lines and payments are the same by their external ids, and keep their ``id``. No line falls below what
    is taken or given back of it; a line that is gone from ``new`` stays where something was (or it is in
    ``held``). Each of those leaves a note. Refunds that only ``new`` knows are not counted yet.
    """
    notes: list[str] = []
    before = {line.external_id: line for line in old.lines}
    lines = [_line(before.pop(line.external_id, None), line, notes) for line in new.lines]
    for gone in before.values():
        if gone.canceled or gone.claimed or gone.refunded or gone.external_id in held:
            notes.append(
                f"Line {gone.external_id} is no longer in the shop's order; kept, it is in a return."
            )
            lines.append(gone)
    about_refunds = tuple(note for note in old.notes if note.startswith("Refund "))
    numbered = tuple(replace(line, number=number) for number, line in enumerate(lines, 1))
    payments = _payments(old, new, notes)
    differs = sum(payment.captured for payment in payments) - sum(line.paid for line in numbered)
    return replace(
        new,
        lines=numbered,
        payments=payments,
        refunds=old.refunds,
        differs=differs,
        notes=tuple(dict.fromkeys((*about_refunds, *new.notes, *notes))),
    )


def _line(old: PaidLine | None, new: PaidLine, notes: list[str]) -> PaidLine:
    if old is None:
        return new
    taken = (*old.canceled, *old.claimed)
    after = replace(
        new,
        id=old.id,
        canceled=old.canceled,
        claimed=old.claimed,
        returned=old.returned,
        refunded=old.refunded,
    )
    lowest_units = max((end for _, end in taken), default=0)
    if new.units < lowest_units:
        notes.append(
            f"Line {new.external_id}: the shop now says {new.units} units, "
            f"but {lowest_units} are in returns; kept."
        )
        shipped = max(new.shipped, min(old.shipped, lowest_units))
        after = replace(after, units=lowest_units, shipped=shipped)
    refunded = {tax.label: tax.refunded for tax in old.taxes}
    withheld = {tax.label: tax.withheld for tax in old.taxes}
    amounts = {tax.label: tax.amount for tax in new.taxes}
    if new.paid < old.refunded or any(amounts.get(label, 0) < sent for label, sent in refunded.items()):
        notes.append(
            f"Line {new.external_id}: the shop now says less than was given back already; "
            "the first figures are kept."
        )
        after = replace(
            after,
            unit_price=old.unit_price,
            goods=old.goods,
            discount=old.discount,
            taxes=old.taxes,
            tax=old.tax,
            paid=old.paid,
        )
    else:
        taxes = tuple(
            replace(tax, refunded=refunded.get(tax.label, 0), withheld=withheld.get(tax.label, 0))
            for tax in new.taxes
        )
        after = replace(after, taxes=taxes)
    return after


def _payments(old: PaidOrder, new: PaidOrder, notes: list[str]) -> tuple[PaidPayment, ...]:
    before = {payment.reference: payment for payment in old.payments}
    payments: list[PaidPayment] = []
    for payment in new.payments:
        known = before.pop(payment.reference, None)
        if known is None:
            payments.append(payment)
            continue
        captured = max(payment.captured, known.refunded)
        if captured != payment.captured:
            notes.append(
                f"Payment {payment.reference}: the shop now says "
                f"{major(payment.captured, new.currency)} captured, "
                f"but {major(known.refunded, new.currency)} went back; capped."
            )
        payments.append(replace(payment, id=known.id, captured=captured, refunded=known.refunded))
    for gone in before.values():
        if gone.refunded:
            notes.append(
                f"Payment {gone.reference} is no longer in the shop's order; kept, money went back to it."
            )
            payments.append(gone)
    return tuple(payments)
