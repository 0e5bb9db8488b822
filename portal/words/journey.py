"""What happens next, and when: told alike on the confirmation page, in the message and on the receipt."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from portal.core.documents import ReceiptStep
from portal.words.catalogue import N_

if TYPE_CHECKING:
    from portal.words import Words

HAND_OVER = {
    "print_at_home": N_("Print the label, stick it on the parcel and hand it to the carrier."),
    "qr_dropoff": N_("Bring the parcel to the counter and show the QR code. You need no printer."),
    "pickup": N_("Print the label, stick it on the parcel and have it ready for the driver."),
    "dropoff_point": N_("Print the label, stick it on the parcel and bring it to the drop-off point."),
    "own_carrier": N_("Send the parcel with your carrier and keep the proof of posting."),
}
THEN = {
    "on_receipt": N_("We refund you as soon as the parcel has arrived."),
    "on_inspection": N_("We look at the goods and then refund you."),
    "manual": N_("We look at the goods and then decide about the refund."),
}


def next_steps(
    words: Words, method: str, *, ship_by: date | None, slot: str, point: str, trigger: str
) -> tuple[ReceiptStep, ...]:
    """Pack, hand over, wait for the money: the three steps after a return is approved."""
    pack = words.gettext(
        "Pack the items well and put the packing slip, or a note with the return number, inside."
    )
    hand_over = words.gettext(HAND_OVER.get(method, HAND_OVER["own_carrier"]))
    if point:
        hand_over += " " + words.gettext("Drop-off point: %(point)s.", point=point)
    when = slot or (words.gettext("by %(day)s", day=words.day(ship_by, weekday=True)) if ship_by else "")
    then = words.gettext(THEN.get(trigger, THEN["on_inspection"]))
    return (ReceiptStep(text=pack), ReceiptStep(text=hand_over, when=when), ReceiptStep(text=then))
