"""An order that its channel tells again, differently, when some of it was given back already."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from uuid import UUID

from portal.core.facts import CHARGES
from portal.core.intake import CAPTURED
from portal.core.money import Minor, major
from portal.core.records import PaidLine, PaidOrder, PaidPayment
from portal.core.spans import count


@dataclass(frozen=True, kw_only=True)
class Gone:
    """What of a line was where before its channel told it again: stock and open cancellations follow from it."""

    sku: str
    location: str
    units: int
    shipped: int
    picked: int
    canceled: int
    reserved: int


def gone(order: PaidOrder) -> dict[UUID, Gone]:
    """Of each line of a stored order, by its id."""
    return {
        line.id: Gone(
            sku=line.sku,
            location=line.special.location,
            units=line.units,
            shipped=line.shipped,
            picked=line.special.picked,
            canceled=count(line.canceled),
            reserved=line.reserved,
        )
        for line in order.lines
        if line.id is not None
    }


def changed(old: PaidOrder, new: PaidOrder, *, held: Collection[str] = ()) -> PaidOrder:
    """``new`` with what happened to ``old``: units taken, amounts given back and refunds known stay.

    Lines and payments are the same by their external ids, and keep their ``id``. No line falls below what
    is taken, sent or given back of it; a line that is gone from ``new`` stays where something was (or it is in
    ``held``). Each of those leaves a note. Refunds that only ``new`` knows are not counted yet.
    """
    notes: list[str] = []
    before = {line.external_id: line for line in old.lines}
    figures = _figures_kept(before, new, notes)
    lines = [_line(before.pop(line.external_id, None), line, figures, notes) for line in new.lines]
    for missing in before.values():
        if missing.taken or missing.refunded or missing.external_id in held:
            notes.append(
                f"Line {missing.external_id} is no longer in the shop's order; kept, it is in a return."
            )
            lines.append(missing)
    about_refunds = tuple(note for note in old.notes if note.startswith("Refund "))
    numbered = tuple(replace(line, number=number) for number, line in enumerate(lines, 1))
    payments = _payments(old, new, notes)
    differs = sum(payment.captured for payment in payments) - sum(line.paid for line in numbered)
    canceled = old.state == "canceled" and all(
        count(line.canceled) == line.units for line in numbered if line.kind not in CHARGES
    )
    return replace(
        new,
        state=old.state if canceled else new.state,
        lines=numbered,
        payments=payments,
        refunds=old.refunds,
        differs=differs,
        notes=tuple(dict.fromkeys((*about_refunds, *new.notes, *notes))),
    )


def _figures_kept(before: dict[str, PaidLine], new: PaidOrder, notes: list[str]) -> set[str]:
    """Lines whose first figures stay, since more was given back than they say now; bundles stay whole."""
    kept: set[str] = set()
    for line in new.lines:
        old = before.get(line.external_id)
        if old is None:
            continue
        if _tells_ours(old, line):
            kept |= {line.external_id}
            notes.append(
                f"Line {line.external_id}: the shop now says {line.units} units, without the "
                f"{count(old.canceled)} canceled before; they are canceled once."
            )
            continue
        amounts = {tax.label: tax.amount for tax in line.taxes}
        if line.paid < old.refunded or any(amounts.get(tax.label, 0) < tax.refunded for tax in old.taxes):
            kept |= {line.external_id}
            notes.append(
                f"Line {line.external_id}: the shop now says less than was given back already; "
                "the first figures are kept."
            )
    family = {line.external_id: line.parent or line.external_id for line in new.lines}
    bundles = {family[name] for name in kept}
    bundles |= {
        old.parent
        for name, old in before.items()
        if name not in family and old.parent in family and (old.taken or old.refunded)
    }
    return {name for name, bundle in family.items() if bundle in bundles and name in before}


def _tells_ours(old: PaidLine, new: PaidLine) -> bool:
    """Whether the shop has taken the units off its own order that were canceled here, and tells what is left."""
    gone = count(old.canceled)
    return 0 < gone == old.units - new.units and new.paid <= old.paid


def _line(old: PaidLine | None, new: PaidLine, figures: Collection[str], notes: list[str]) -> PaidLine:
    if old is None:
        return new
    units, shipped = _units(old, new, notes)
    picked = max(new.special.picked, old.special.picked - max(0, shipped - old.shipped))
    after = replace(
        new,
        id=old.id,
        units=units,
        shipped=shipped,
        delivered=min(max(new.delivered, old.delivered), shipped),
        shipped_at=new.shipped_at or old.shipped_at,
        delivered_at=new.delivered_at or old.delivered_at,
        canceled=old.canceled,
        claimed=old.claimed,
        returned=old.returned,
        held=old.held,
        reserved=old.reserved,
        refunded=old.refunded,
        special=replace(new.special, picked=max(0, min(picked, units - shipped))),
    )
    if new.external_id in figures:
        return replace(
            after,
            unit_price=old.unit_price,
            goods=old.goods,
            discount=old.discount,
            taxes=old.taxes,
            tax=old.tax,
            paid=old.paid,
        )
    refunded = {tax.label: tax.refunded for tax in old.taxes}
    withheld = {tax.label: tax.withheld for tax in old.taxes}
    taxes = tuple(
        replace(tax, refunded=refunded.get(tax.label, 0), withheld=withheld.get(tax.label, 0))
        for tax in new.taxes
    )
    return replace(after, taxes=taxes)


def _units(old: PaidLine, new: PaidLine, notes: list[str]) -> tuple[int, int]:
    """How many units it has and how many were sent: never fewer than are taken, and what left has left."""
    if _tells_ours(old, new):
        return old.units, max(old.shipped, new.shipped)
    units = max(new.units, max((end for _, end in old.taken), default=0))
    if units != new.units:
        notes.append(
            f"Line {new.external_id}: the shop now says {new.units} units, but {units} are in returns; kept."
        )
    shipped = max(new.shipped, min(old.shipped, units))
    if shipped != new.shipped and units == new.units:
        notes.append(
            f"Line {new.external_id}: the shop now says {new.shipped} sent, but {shipped} have left; kept."
        )
    return units, shipped


def _payments(old: PaidOrder, new: PaidOrder, notes: list[str]) -> tuple[PaidPayment, ...]:
    before = {payment.reference: payment for payment in old.payments}
    payments: list[PaidPayment] = []
    for payment in new.payments:
        known = before.pop(payment.reference, None)
        if known is None and payment.authorization:
            known = before.pop(payment.authorization, None)
        payments.append(payment if known is None else _payment(known, payment, new.currency, notes))
    for missing in before.values():
        if missing.refunded:
            notes.append(
                f"Payment {missing.reference} is no longer in the shop's order; kept, money went back to it."
            )
            # What was only reserved or owed, and is no more, covers nothing beyond what was let go of it.
            covered = missing.captured if missing.mode == CAPTURED else missing.refunded
            payments.append(replace(missing, captured=covered))
    return tuple(payments)


def _payment(known: PaidPayment, told: PaidPayment, currency: str, notes: list[str]) -> PaidPayment:
    """What was let go of an authorization, or is no longer due, is told no more: it still counts as covered."""
    covered = _covered(known, told.captured)
    taken_now = known.mode != CAPTURED and told.mode == CAPTURED
    if taken_now and known.released and told.captured > known.captured - known.released:
        notes.append(
            f"Payment {told.reference}: {major(told.captured, currency)} captured, "
            f"although {major(known.released, currency)} of it had been let go."
        )
    captured = max(covered, known.refunded)
    if captured != covered:
        notes.append(
            f"Payment {told.reference}: the shop now says "
            f"{major(told.captured, currency)} captured, "
            f"but {major(known.refunded, currency)} went back; capped."
        )
    mode = CAPTURED if known.mode == CAPTURED and known.refunded else told.mode
    return replace(
        told, id=known.id, captured=captured, refunded=known.refunded, released=known.released, mode=mode
    )


def _covered(known: PaidPayment, told: Minor) -> Minor:
    """``told`` with what the shop no longer counts: what was let go, or all that went back, where that fits."""
    if told + known.refunded == known.captured:
        return known.captured
    return max(told, min(known.captured, told + known.released))
