"""The history as sentences: what happened, without who and when, which stand beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from portal.words.catalogue import N_

if TYPE_CHECKING:
    from portal.words import Words

HAPPENINGS: dict[str, tuple[str, ...]] = {
    "return.created": (N_("Return started"),),
    "return.updated": (N_("Return changed: %(step)s"), N_("Return changed")),
    "return.submitted": (N_("Return confirmed; rule: %(rule)s"), N_("Return confirmed")),
    "return.approved": (N_("Return approved; rule: %(rule)s"), N_("Return approved")),
    "return.overruled": (N_("The policy was set aside: %(because)s"), N_("The policy was set aside")),
    "return.line.declined": (
        N_("Refused: %(units)s × %(line)s – %(reason)s"),
        N_("A part of the return was refused"),
    ),
    "return.approval_undone": (N_("Approval taken back"),),
    "return.declined": (N_("Return declined: %(reason)s"), N_("Return declined")),
    "return.decline_undone": (N_("Decline undone"),),
    "return.canceled": (N_("Return canceled"),),
    "return.expired": (
        N_("Return expired: no answer until %(until)s"),
        N_("Return expired: nothing was sent in time"),
    ),
    "return.needs_info": (N_("Customer asked, until %(until)s"), N_("Customer asked")),
    "return.info_provided": (N_("The customer answered"),),
    "return.info_reminded": (N_("Customer reminded of the question"),),
    "return.info_withdrawn": (N_("Question to the customer withdrawn"),),
    "return.info_expired": (N_("The customer did not answer in time"),),
    "return.message.sent": (N_("Message to the customer"),),
    "return.message.received": (N_("Message from the customer"),),
    "return.note.added": (N_("Note among colleagues"),),
    "canned_answer.saved": (N_("Canned answer saved: %(name)s"), N_("Canned answer saved")),
    "canned_answer.removed": (N_("Canned answer deleted: %(name)s"), N_("Canned answer deleted")),
    "playbook.saved": (N_("Playbook changed: %(title)s"), N_("Playbook changed")),
    "view.saved": (N_("Shared view saved: %(name)s"), N_("Shared view saved")),
    "view.removed": (N_("View is not shared any more: %(name)s"), N_("View is not shared any more")),
    "return.in_transit": (N_("The parcel is on its way"),),
    "return.shipped": (N_("The parcel is on its way"),),
    "return.received": (N_("Goods received: %(units)s"), N_("Goods received")),
    "return.partially_received": (
        N_("A part of the goods received: %(units)s"),
        N_("A part of the goods received"),
    ),
    "return.inspected": (N_("Goods inspected"),),
    "return.closed": (N_("Return completed"),),
    "return.reopened": (N_("Return reopened"),),
    "return.assigned": (N_("%(name)s looks after it"), N_("Nobody looks after it in particular")),
    "return.tagged": (N_("Tag put on: %(tag)s"), N_("Tag put on")),
    "return.untagged": (N_("Tag taken off: %(tag)s"), N_("Tag taken off")),
    "return.note_set": (N_("Note for the customer changed"),),
    "return.mail.resent": (N_("E-mail sent again: %(event)s"), N_("E-mail sent again")),
    "return.line.added": (N_("Item added: %(name)s"), N_("Item added")),
    "return.line.updated": (N_("Item changed: %(name)s"), N_("Item changed")),
    "return.line.removed": (N_("Item removed: %(name)s"), N_("Item removed")),
    "return.line.received": (N_("Item received: %(name)s"), N_("Item received")),
    "return.line.inspected": (N_("Item inspected: %(name)s, grade %(grade)s"), N_("Item inspected")),
    "return.line.missing": (
        N_("Declared missing, units: %(units)s"),
        N_("Declared missing"),
    ),
    "return.unexpected.found": (
        N_("Came unannounced: %(units)s × %(name)s"),
        N_("Came unannounced"),
    ),
    "return.unexpected.decided": (
        N_("Decided about unannounced goods: %(name)s"),
        N_("Decided about unannounced goods"),
    ),
    "person.signed_in": (N_("Signed in"),),
    "person.signed_out": (N_("Signed out"),),
    "person.sessions_ended": (N_("Sessions ended: %(sessions)s"), N_("Sessions ended")),
    "person.roles_changed": (N_("Roles changed: %(name)s"), N_("Roles changed")),
    "parcel.unknown": (N_("A parcel nobody announced: %(code)s"), N_("A parcel nobody announced")),
    "parcel.matched": (
        N_("Unannounced goods belong to %(number)s"),
        N_("Unannounced goods belong to a return"),
    ),
    "return.photo.added": (N_("Photo added"),),
    "return.photo.removed": (N_("Photo removed"),),
    "return.link.created": (N_("Link created, valid until %(expires_on)s"), N_("Link created")),
    "return.link.opened": (N_("Link opened"),),
    "return.link.completed": (N_("Link finished"),),
    "return.link.finished": (N_("Link finished"),),
    "return.link.revoked": (N_("Link revoked"),),
    "return.link.extended": (N_("Link extended until %(expires_on)s"), N_("Link extended")),
    "return.link.reissued": (N_("New link issued, the old one is off"),),
    "return.link.requested": (N_("The customer asked for a new link"),),
    "return.label.created": (N_("Label ready, tracking number %(tracking_number)s"), N_("Label ready")),
    "return.label.failed": (N_("The label could not be made: %(error)s"), N_("The label could not be made")),
    "return.label.voided": (N_("Label canceled"),),
    "return.pickup.scheduled": (N_("Pick-up agreed for %(on)s"), N_("Pick-up agreed")),
    "return.pickup.canceled": (N_("Pick-up canceled"),),
    "return.dropoff.created": (N_("Drop-off code ready"),),
    "return.shipment.pre_transit": (N_("The carrier was told about the parcel"),),
    "return.shipment.in_transit": (N_("The carrier has the parcel"),),
    "return.shipment.out_for_delivery": (N_("The parcel is out for delivery"),),
    "return.shipment.available_for_pickup": (N_("The parcel waits to be collected"),),
    "return.shipment.delivered": (N_("The parcel was delivered"),),
    "return.shipment.exception": (N_("The parcel is held up"),),
    "return.shipment.lost": (N_("The carrier cannot find the parcel"),),
    "return.shipment.return_to_sender": (N_("The parcel goes back to its sender"),),
    "order_line.cancellation_requested": (
        N_("Cancellation proposed to the customer, units: %(units)s"),
        N_("Cancellation proposed to the customer"),
    ),
    "order_line.cancellation_started": (N_("The customer began to choose items to cancel"),),
    "order_line.cancellation_closed": (N_("Cancellation settled"),),
    "order_line.cancellation_reminded": (N_("Customer reminded of the proposal"),),
    "order_line.cancellation_confirmed": (
        N_("Cancellation confirmed, units: %(units)s"),
        N_("Cancellation confirmed"),
    ),
    "order_line.cancellation_declined": (N_("The customer keeps the order as it is"),),
    "order_line.cancellation_expired": (N_("Proposal expired without an answer"),),
    "order_line.cancellation_overtaken": (N_("Ended: the goods were sent first"),),
    "order_line.cancellation_refused": (N_("Ended: the warehouse could not leave the units out"),),
    "order_line.cancellation_withdrawn": (N_("Proposal withdrawn"),),
    "order_line.cancellation_contradicted": (
        N_("The goods were sent although the warehouse had kept them back"),
    ),
    "order_line.cancellation_scored": (
        N_("The customer gave %(score)s of 5"),
        N_("The customer said how it went"),
    ),
    "return.scored": (N_("The customer gave %(score)s of 5"), N_("The customer said how it went")),
    "order_line.canceled": (
        N_("Taken out of the order, units: %(units)s"),
        N_("Taken out of the order"),
    ),
    "warehouse.asked": (N_("Warehouse told to leave the units out"),),
    "warehouse.answered": (N_("The warehouse answered: %(answer)s"), N_("The warehouse answered")),
    "dispute.opened": (N_("The customer contests it: %(number)s"), N_("The customer contests it")),
    "dispute.replied": (N_("Message in the dispute"),),
    "dispute.offered": (N_("Offered to the customer: %(amount)s"), N_("Offer made to the customer")),
    "dispute.countered": (N_("The customer asks for %(amount)s"), N_("The customer asks for another amount")),
    "dispute.offer_declined": (N_("Not accepted: %(amount)s"), N_("Offer not accepted")),
    "dispute.offer_expired": (N_("Offer of %(amount)s ran out"), N_("Offer ran out")),
    "dispute.offer_withdrawn": (N_("Offer of %(amount)s taken back"), N_("Offer taken back")),
    "dispute.reminded": (N_("Reminder in the dispute sent"),),
    "dispute.escalated": (N_("Dispute handed up to a supervisor"),),
    "dispute.resolved": (N_("Dispute ended, paid on top: %(amount)s"), N_("Dispute ended")),
    "dispute.paid_again": (
        N_("What was agreed is paid again: %(amount)s"),
        N_("What was agreed is paid again"),
    ),
    "dispute.withdrawn": (N_("The customer contests it no longer"),),
    "dispute.chargeback": (
        N_("The bank took back the payment as well: %(amount)s, %(state)s"),
        N_("The bank took back the payment as well"),
    ),
    "refund.calculated": (N_("Refund worked out: %(amount)s"), N_("Refund worked out")),
    "refund.proposed": (N_("Refund proposed: %(amount)s"), N_("Refund proposed")),
    "refund.created": (N_("Refund proposed: %(amount)s"), N_("Refund proposed")),
    "refund.approved": (N_("Refund approved: %(amount)s"), N_("Refund approved")),
    "refund.updated": (N_("Refund changed"),),
    "refund.approval_given": (N_("Stands behind the refund: %(amount)s"), N_("Stands behind the refund")),
    "refund.overridden": (N_("Decided otherwise than worked out"),),
    "refund.revised": (
        N_("Refund changed while it waited: %(before)s before, %(amount)s now"),
        N_("Refund changed while it waited"),
    ),
    "refund.settled": (N_("Paid outside the portal: %(proof)s"), N_("Paid outside the portal")),
    "refund.redirected": (N_("Refund sent another way: %(amount)s"), N_("Refund sent another way")),
    "refund.sent": (
        N_("Refund handed to the payment provider: %(amount)s"),
        N_("Refund handed to the payment provider"),
    ),
    "refund.captured_meanwhile": (
        N_("The shop had captured the payment meanwhile: %(amount)s is refunded, not released"),
        N_("The shop had captured the payment meanwhile: it is refunded, not released"),
    ),
    "refund.pending": (N_("The payment provider has taken the refund"),),
    "refund.requires_action": (N_("The payment provider needs an answer first"),),
    "refund.succeeded": (N_("Refund sent: %(amount)s"), N_("Refund sent")),
    "refund.failed": (N_("Refund failed: %(error)s"), N_("Refund failed")),
    "refund.canceled": (N_("Refund canceled"),),
    "refund.retried": (N_("Refund tried again"),),
    "store_credit.issued": (N_("Store credit issued: %(amount)s"), N_("Store credit issued")),
    "store_credit.spent": (N_("Store credit spent: %(amount)s, %(reason)s"), N_("Store credit spent")),
    "store_credit.voided": (
        N_("Store credit made void: %(amount)s, %(reason)s"),
        N_("Store credit made void"),
    ),
    "refund.account_given": (N_("Bank account given: %(account)s"), N_("Bank account given")),
    "bank.account_changed": (
        N_("Bank account of the shop changed: %(account)s"),
        N_("Bank account of the shop changed"),
    ),
    "batch.created": (
        N_("Batch %(number)s collected: %(transfers)s transfers, %(amount)s"),
        N_("Batch collected"),
    ),
    "batch.released": (N_("Batch %(number)s released"), N_("Batch released")),
    "batch.executed": (N_("Batch %(number)s executed by the bank"), N_("Batch executed by the bank")),
    "batch.canceled": (N_("Batch %(number)s given up: %(reason)s"), N_("Batch given up")),
    "transfer.returned": (
        N_("Transfer %(reference)s returned by the bank: %(reason)s"),
        N_("Transfer returned by the bank"),
    ),
    "order.picked": (N_("Picked by the warehouse: %(units)s"), N_("Picked by the warehouse")),
    "order.put_back": (N_("Put back by the warehouse: %(units)s"), N_("Put back by the warehouse")),
    "order.shipped": (N_("Shipped: %(units)s"), N_("Shipped")),
    "stock.counted": (
        N_("Stock counted: %(sku)s, %(found)s instead of %(there)s"),
        N_("Stock counted"),
    ),
    "channel.resent": (N_("Message to the shop's system sent again"),),
    "inventory.adjusted": (N_("Stock changed: %(units)s × %(disposition)s"), N_("Stock changed")),
    "mail.queued": (N_("E-mail queued: %(event)s"), N_("E-mail queued")),
    "mail.sent": (N_("E-mail sent: %(event)s"), N_("E-mail sent")),
    "mail.failed": (N_("E-mail not sent: %(event)s"), N_("E-mail not sent")),
    "order.imported": (N_("Order imported"),),
    "orders.imported": (N_("Orders imported: %(imported)s"), N_("Orders imported")),
    "order.updated": (N_("Order updated"),),
    "user.created": (N_("User created"),),
    "merchant.accounts_changed": (N_("Accounts of the journal changed"),),
    "task.opened": (N_("Task opened"),),
    "task.reopened": (N_("Task opened again"),),
    "task.closed": (N_("Task closed: %(note)s"), N_("Task closed")),
    "workflow.published": (N_("Rules published, version %(version)s"), N_("Rules published")),
    "policy.published": (N_("Policy published, version %(version)s"), N_("Policy published")),
}
"""Topic of the vocabulary -> its sentences, the one with most details first."""


def sentence(words: Words, what: str, details: Mapping[str, Any], currency: str = "") -> str:
    """The happening in words; a topic without words is shown as it is."""
    unit = str(details.get("currency") or currency)
    said = words._worded({key: value for key, value in details.items() if value not in ("", None)}, unit)
    names = {"step": words.step, "grade": words.grade, "disposition": words.disposition, "event": words.mail}
    names["answer"] = lambda code: words.state("warehouse", code).name
    for key, name in names.items():
        if isinstance(details.get(key), str):
            said[key] = name(details[key])
    if isinstance(details.get("playbook"), str):
        said["title"] = words.playbook_title(details["playbook"])
    if isinstance(details.get("error"), str) and details["error"]:
        said["error"] = words.refusal(details["error"])
    if what in ("return.declined", "return.line.declined") and isinstance(details.get("reason"), str):
        said["reason"] = words.decline_reason(details["reason"])
    if isinstance(details.get("amount"), int) and not unit:
        said.pop("amount", None)
    return words._sentence(HAPPENINGS.get(what, ()), said) or what
