"""What happens next, and when: told alike on the confirmation page, in the message and on the receipt."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from portal.core.refunds.breakdown import Breakdown
from portal.core.returns import Sending
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


def next_steps(
    words: Words, sending: Sending | None, ship_by: date | None, breakdown: Breakdown | None
) -> tuple[tuple[str, str], ...]:
    """Pack, hand over, wait for the money: (what, when) in order; ``when`` may be empty."""
    pack = words.gettext(
        "Pack the items well and put the packing slip, or a note with the return number, inside."
    )
    method = sending.method if sending else "own_carrier"
    hand_over = words.gettext(HAND_OVER.get(method, HAND_OVER["own_carrier"]))
    if sending and sending.point_name:
        hand_over += " " + words.gettext("Drop-off point: %(point)s.", point=sending.point_name)
    when = words.gettext("by %(day)s", day=words.day(ship_by, weekday=True)) if ship_by else ""
    if sending and sending.slot_label:
        when = sending.slot_label
    refund = words.gettext("We look at the goods and then refund you.")
    if breakdown is not None and breakdown.assessed:
        amount = words.money(breakdown.amount, breakdown.currency)
        refund = words.gettext(
            "We look at the goods and then refund you, as things stand %(amount)s.", amount=amount
        )
    return ((pack, ""), (hand_over, when), (refund, words.gettext("when the parcel is here")))
