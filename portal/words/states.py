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
        "expired": (N_("Expired"), "clock", "wait", N_("The goods were not sent in time.")),
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
}
"""(name, icon, tone, help). ``refund_state`` is a return's money as a whole; a link expires by date."""
