"""Every state of every lifecycle: its name, icon, tone, and one sentence about what it means."""

from portal.words.catalogue import N_

STATES: dict[str, dict[str, tuple[str, str, str, str]]] = {
    "return": {
        "draft": (N_("Draft"), "pen", "quiet", N_("Not finished yet. Every answer is saved.")),
        "requested": (
            N_("Under review"),
            "clock",
            "info",
            N_("Someone is looking at this return before goods are sent."),
        ),
        "needs_info": (
            N_("Waiting for the customer"),
            "question",
            "wait",
            N_("The customer was asked something. The decision follows the answer."),
        ),
        "approved": (N_("Approved"), "check", "good", N_("The goods can be sent back now.")),
        "in_transit": (N_("On its way"), "truck", "info", N_("The carrier has the parcel.")),
        "partially_received": (
            N_("Partly received"),
            "box",
            "info",
            N_("Some of the goods have arrived, others have not."),
        ),
        "received": (N_("Received"), "box", "info", N_("The goods have arrived and will be inspected.")),
        "inspected": (
            N_("Inspected"),
            "search",
            "info",
            N_("The goods were looked at. The refund comes next."),
        ),
        "closed": (N_("Completed"), "check", "good", N_("Goods and money are settled.")),
        "declined": (N_("Declined"), "close", "bad", N_("This return was not accepted.")),
        "canceled": (N_("Canceled"), "ban", "quiet", N_("This return was withdrawn.")),
        "expired": (N_("Expired"), "clock", "wait", N_("It was not answered or not sent in time.")),
    },
    "cancellation": {
        "draft": (
            N_("Being chosen"),
            "pen",
            "quiet",
            N_("Nothing is final: the items are only being chosen."),
        ),
        "proposed": (
            N_("Waiting for the customer"),
            "clock",
            "wait",
            N_("The customer has to say yes. Until then the units are held and nothing is refunded."),
        ),
        "confirmed": (
            N_("Confirmed"),
            "check",
            "info",
            N_("The customer said yes. The warehouse and then the money follow."),
        ),
        "declined": (
            N_("Kept by the customer"),
            "close",
            "quiet",
            N_("The customer keeps the order as it is. The units are free again."),
        ),
        "expired": (
            N_("Proposal expired"),
            "clock",
            "wait",
            N_("Nobody answered in time. The units are free again and will be sent."),
        ),
        "overtaken": (
            N_("Shipped first"),
            "truck",
            "bad",
            N_("The goods left before they could be taken out. Nothing of this cancellation stands."),
        ),
        "refused": (
            N_("Warehouse could not"),
            "ban",
            "bad",
            N_("The warehouse could not leave the units out. Nothing of this cancellation stands."),
        ),
        "canceled": (
            N_("Withdrawn"),
            "undo",
            "quiet",
            N_("The proposal was taken back before the customer answered."),
        ),
        "closed": (
            N_("Done"),
            "check",
            "good",
            N_("The units are out of the order and the money is settled."),
        ),
    },
    "warehouse": {
        "none": (
            N_("Not needed"),
            "check",
            "quiet",
            N_("No goods of a warehouse are among it, or this shop has no warehouse connected."),
        ),
        "waiting": (
            N_("Being asked"),
            "clock",
            "wait",
            N_("The warehouse is being told to leave the units out."),
        ),
        "pending": (
            N_("Answers later"),
            "clock",
            "wait",
            N_("The warehouse has taken the request and has not decided yet."),
        ),
        "released": (N_("Left out"), "check", "good", N_("The warehouse leaves the units out.")),
        "refused": (
            N_("Cannot leave it out"),
            "ban",
            "bad",
            N_("The warehouse cannot take the units out any more."),
        ),
        "shipped": (N_("Already sent"), "truck", "bad", N_("The warehouse had sent the units before.")),
    },
    "refund": {
        "pending_approval": (
            N_("Awaiting approval"),
            "clock",
            "wait",
            N_("Someone has to approve this refund."),
        ),
        "approved": (N_("Refund approved"), "check", "info", N_("The refund will be sent shortly.")),
        "pending": (N_("Being sent"), "coins", "info", N_("The refund is with the payment provider.")),
        "succeeded": (N_("Refunded"), "check", "good", N_("The money was sent.")),
        "failed": (
            N_("Refund failed"),
            "alert",
            "bad",
            N_("The payment provider could not send the money."),
        ),
        "canceled": (N_("Refund canceled"), "ban", "quiet", N_("This refund will not be sent.")),
    },
    "refund_news": {
        "pending_approval": (
            N_("Being checked"),
            "clock",
            "info",
            N_("A person looks at the amount before the money is sent."),
        ),
        "approved": (N_("Decided"), "check", "info", N_("The money is sent in a moment.")),
        "pending": (N_("Being processed"), "coins", "info", N_("The money is being sent to you.")),
        "succeeded": (N_("Refunded"), "check", "good", N_("The money was sent.")),
        "failed": (
            N_("Delayed"),
            "clock",
            "wait",
            N_("The money could not be sent yet. We are on it; you do not have to do anything."),
        ),
        "canceled": (N_("Refund canceled"), "ban", "quiet", N_("This refund will not be sent.")),
    },
    "refund_state": {
        "none": (N_("No refund yet"), "clock", "quiet", N_("Nothing has been refunded so far.")),
        "calculated": (
            N_("Refund calculated"),
            "coins",
            "info",
            N_("The amount is known and has not been sent."),
        ),
        "pending_approval": (
            N_("Refund awaiting approval"),
            "clock",
            "wait",
            N_("Someone has to approve this refund."),
        ),
        "pending": (N_("Refund on its way"), "coins", "info", N_("The refund is with the payment provider.")),
        "requires_action": (
            N_("Refund needs attention"),
            "alert",
            "wait",
            N_("The payment provider needs an answer first."),
        ),
        "partially_refunded": (N_("Partly refunded"), "coins", "info", N_("A part of the money was sent.")),
        "refunded": (N_("Refunded"), "check", "good", N_("The money was sent.")),
        "failed": (
            N_("Refund failed"),
            "alert",
            "bad",
            N_("The payment provider could not send the money."),
        ),
        "canceled": (N_("Refund canceled"), "ban", "quiet", N_("This refund will not be sent.")),
    },
    "payout": {
        "planned": (N_("Planned"), "clock", "quiet", N_("This transfer is next in line.")),
        "submitting": (
            N_("Being handed over"),
            "coins",
            "info",
            N_("The transfer is being handed to the payment provider."),
        ),
        "unknown": (
            N_("Being checked"),
            "search",
            "wait",
            N_("No clear answer yet; the payment provider is asked again."),
        ),
        "pending": (
            N_("With the payment provider"),
            "coins",
            "info",
            N_("The payment provider has taken the transfer."),
        ),
        "requires_action": (
            N_("Needs attention"),
            "alert",
            "wait",
            N_("The payment provider needs an answer first."),
        ),
        "succeeded": (N_("Sent"), "check", "good", N_("The money was sent.")),
        "failed": (N_("Failed"), "alert", "bad", N_("The payment provider could not send the money.")),
        "canceled": (N_("Canceled"), "ban", "quiet", N_("This transfer will not be made.")),
    },
    "shipment": {
        "label_pending": (
            N_("Label being made"),
            "clock",
            "quiet",
            N_("The label will be ready in a moment."),
        ),
        "label_created": (N_("Label ready"), "tag", "info", N_("The parcel can be handed over.")),
        "pre_transit": (
            N_("Announced"),
            "tag",
            "info",
            N_("The carrier knows about the parcel and does not have it yet."),
        ),
        "in_transit": (N_("On its way"), "truck", "info", N_("The carrier has the parcel.")),
        "out_for_delivery": (N_("Out for delivery"), "truck", "info", N_("The parcel arrives today.")),
        "available_for_pickup": (
            N_("Waiting to be collected"),
            "box",
            "wait",
            N_("The parcel waits at a pick-up point."),
        ),
        "delivered": (N_("Delivered"), "check", "good", N_("The parcel has arrived.")),
        "exception": (
            N_("Held up"),
            "alert",
            "wait",
            N_("Something got in the way. The carrier is working on it."),
        ),
        "lost": (N_("Lost"), "alert", "bad", N_("The carrier cannot find the parcel.")),
        "return_to_sender": (
            N_("Going back to sender"),
            "undo",
            "wait",
            N_("The parcel could not be delivered."),
        ),
        "canceled": (N_("Label canceled"), "ban", "quiet", N_("This label is no longer valid.")),
    },
    "link": {
        "open": (N_("Open"), "link", "info", N_("The link works until it expires.")),
        "finished": (N_("Finished"), "check", "good", N_("The customer has finished the return.")),
        "revoked": (N_("Revoked"), "ban", "quiet", N_("The link was switched off.")),
        "expired": (N_("Link expired"), "clock", "wait", N_("The link is too old to be used.")),
    },
    "mail": {
        "queued": (N_("Waiting to be sent"), "clock", "quiet", N_("The message is sent in a moment.")),
        "sent": (N_("Sent"), "mail", "good", N_("The mail server has taken the message.")),
        "failed": (N_("Not sent"), "alert", "bad", N_("The mail server did not take the message.")),
    },
    "channel": {
        "queued": (N_("Waiting to be sent"), "clock", "quiet", N_("The message is sent in a moment.")),
        "sent": (N_("Sent"), "check", "good", N_("The shop's system has taken the message.")),
        "failed": (N_("Not sent"), "alert", "bad", N_("The shop's system did not take the message.")),
    },
    "batch": {
        "open": (N_("Waits for release"), "clock", "wait", N_("A second person has to release it.")),
        "released": (N_("Released"), "bank", "info", N_("The file can be handed to the bank.")),
        "executed": (N_("Executed"), "check", "good", N_("The bank has paid these transfers.")),
        "canceled": (N_("Given up"), "ban", "quiet", N_("This batch is not paid.")),
    },
    "credit": {
        "open": (N_("Can be spent"), "coins", "good", N_("There is money on this code.")),
        "spent": (N_("Spent"), "check", "quiet", N_("Nothing is left on this code.")),
        "expired": (N_("Expired credit"), "clock", "wait", N_("The last day to spend it is over.")),
        "void": (N_("Void"), "ban", "bad", N_("This code cannot be used any more.")),
    },
    "credit_entry": {
        "refund": (N_("Refund"), "back", "good", N_("A refund was put onto this code.")),
        "spent": (N_("Spent"), "store", "quiet", N_("Something was paid with this code.")),
        "taken_back": (N_("Refund taken back"), "undo", "wait", N_("A refund was paid in another way.")),
        "voided": (N_("Made void"), "ban", "bad", N_("What was left was taken off this code.")),
    },
}
"""(name, icon, tone, help). ``refund_news`` is a refund as its customer sees it, ``refund_state`` a return's
money as a whole; a link expires by date."""

STATES["release"] = STATES["payout"] | {
    "succeeded": (N_("Not charged"), "check", "good", N_("It was never charged, and will not be.")),
    "failed": (N_("Failed"), "alert", "bad", N_("It could not be let go.")),
}
"""The same of what was only reserved, or is still owed."""
