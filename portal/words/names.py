"""The plain names of codes: what a person reads where the core has a word of its own."""

from portal.words.catalogue import N_

REASONS = {
    "too_small": N_("Too small"),
    "too_large": N_("Too large"),
    "does_not_fit": N_("Does not fit"),
    "uncomfortable": N_("Not comfortable"),
    "not_compatible": N_("Does not work with what I have"),
    "color_not_as_expected": N_("Color is not what I expected"),
    "style_not_as_expected": N_("Style is not what I expected"),
    "not_as_described": N_("Not as described"),
    "quality_unsatisfactory": N_("Quality is not good enough"),
    "defective": N_("Does not work"),
    "expired_short_dated": N_("Expired, or expires too soon"),
    "arrived_damaged": N_("Arrived damaged"),
    "packaging_damaged": N_("Packaging was damaged"),
    "arrived_late": N_("Arrived too late"),
    "missing_parts": N_("Parts are missing"),
    "wrong_item_received": N_("I received something else"),
    "wrong_quantity_received": N_("I received too many or too few"),
    "ordered_by_mistake": N_("Ordered by mistake"),
    "duplicate_order": N_("Ordered twice"),
    "bracketing": N_("Ordered several to choose from"),
    "better_price_found": N_("Found a better price"),
    "changed_mind": N_("Changed my mind"),
    "gift_return": N_("It was a gift"),
    "allergic_reaction_safety": N_("Allergic reaction or safety problem"),
    "statutory_withdrawal": N_("Withdrawal from the contract (no reason needed)"),
    "other": N_("Another reason"),
    "recall": N_("Recalled by the manufacturer"),
    "unauthorized_purchase": N_("Bought without my permission"),
    "undeliverable_rts": N_("Could not be delivered"),
    "unknown": N_("Reason not known"),
}
CATEGORIES = {
    "fit": N_("Size and fit"),
    "preference": N_("Color and style"),
    "quality": N_("Quality or defect"),
    "delivery": N_("Delivery"),
    "fulfilment": N_("Wrong or missing item"),
    "listing": N_("Description"),
    "remorse": N_("No longer wanted"),
    "safety": N_("Safety"),
    "legal": N_("Withdrawal"),
    "other": N_("Something else"),
    "risk": N_("Purchase not authorized"),
}
CONDITIONS = {
    "unopened": N_("Unopened"),
    "opened_unused": N_("Opened, not used"),
    "used_like_new": N_("Used, like new"),
    "used": N_("Used"),
    "damaged": N_("Damaged"),
    "defective": N_("Defective"),
    "incomplete": N_("Incomplete"),
}
GRADES = {
    "A": N_("A: can be sold as new"),
    "B": N_("B: can be sold as opened"),
    "C": N_("C: needs refurbishing"),
    "D": N_("D: for recycling"),
    "W": N_("W: wrong item"),
    "M": N_("M: missing"),
}
CHECKS = {
    "packaging_intact": N_("Packaging is whole"),
    "tags_attached": N_("Tags are attached"),
    "security_tag": N_("Security tag is there"),
    "accessories_complete": N_("Accessories are complete"),
    "clean": N_("It is clean"),
    "serial_matches": N_("Serial number fits"),
}
DISPOSITIONS = {
    "restock": N_("Back to stock"),
    "restock_open_box": N_("Back to stock as opened"),
    "refurbish": N_("Refurbish"),
    "repair_return_to_customer": N_("Repair and send back to the customer"),
    "return_to_vendor": N_("Send back to the supplier"),
    "liquidate": N_("Sell off"),
    "donate": N_("Donate"),
    "recycle": N_("Recycle"),
    "destroy": N_("Destroy"),
    "quarantine": N_("Keep apart for now"),
    "keep_with_customer": N_("The customer keeps it"),
    "ship_back_to_customer": N_("Send back to the customer"),
    "missing": N_("Missing"),
}
DECLINE_REASONS = {
    "window_expired": N_("The time for returns is over"),
    "final_sale": N_("Final sale"),
    "not_eligible_category": N_("These goods cannot be returned"),
    "excessive_wear": N_("Worn or used too much"),
    "no_record_of_sale": N_("No such purchase was found"),
    "item_not_defective": N_("No defect was found"),
    "as_ordered": N_("The goods are as ordered"),
    "price_dispute": N_("The question is the price, not the goods"),
    "quantity_difference": N_("The quantity does not match"),
    "unidentifiable_item": N_("The item cannot be identified"),
    "more_information": N_("More information is needed"),
    "picture_requested": N_("A photo is needed"),
    "suspected_abuse": N_("The return needs to be clarified with us first"),
    "other": N_("Another reason"),
}
CHANNELS = {
    "self_service": N_("Started by the customer"),
    "preauthorized_link": N_("Link from support"),
    "phone": N_("Phone"),
    "email": N_("E-mail"),
    "chat": N_("Chat"),
    "in_person": N_("In person"),
    "api": N_("API"),
    "import": N_("Import"),
}
KINDS = {
    "return": N_("Return"),
    "warranty": N_("Warranty claim"),
    "withdrawal": N_("Withdrawal from the contract"),
    "exchange": N_("Exchange"),
    "partial_refund_keep": N_("Refund without return"),
    "returnless_refund": N_("Refund without return, by rule"),
    "partial_cancellation": N_("Cancellation before shipment"),
    "cancellation": N_("Cancellation of the order"),
}
ROLES = {
    "csr": N_("Support agent"),
    "supervisor": N_("Supervisor"),
    "finance": N_("Finance"),
    "warehouse": N_("Warehouse"),
    "admin": N_("Merchant admin"),
}
STEPS = {
    "type": N_("Type of return"),
    "customer": N_("Customer"),
    "order": N_("Order"),
    "lines": N_("Items"),
    "survey": N_("Reason and condition"),
    "address": N_("Address"),
    "sending": N_("Way of sending"),
    "confirm": N_("Check and confirm"),
}
METHODS = {
    "print_at_home": (
        N_("Print a label"),
        N_("Print the label, stick it on the parcel and hand it over."),
        "printer",
    ),
    "qr_dropoff": (
        N_("QR code, no printer"),
        N_("Show the code at the counter. The label is printed there."),
        "qr",
    ),
    "pickup": (N_("Pick-up at home"), N_("The driver comes to you on the day you choose."), "home"),
    "dropoff_point": (N_("Drop-off point"), N_("Bring the parcel with its label to a shop near you."), "box"),
    "own_carrier": (
        N_("My own carrier"),
        N_("Send it with a carrier you choose and give us the tracking number."),
        "truck",
    ),
}
"""code -> (name, explanation, icon)"""
PAYERS = {
    "merchant": N_("Free for you"),
    "customer": N_("You pay the carrier"),
    "deduct": N_("Taken off your refund"),
}
TENDERS = {
    "card": N_("Card"),
    "wallet": N_("Wallet"),
    "bank_transfer": N_("Bank transfer"),
    "store_credit": N_("Store credit"),
    "gift_card": N_("Gift card"),
    "cash": N_("Cash"),
    "invoice": N_("Invoice"),
    "cash_on_delivery": N_("Cash on delivery"),
    "instalments": N_("Instalments"),
    "other": N_("Other payment"),
}
WAYS = {
    "refund": N_("To the payments it came from"),
    "store_credit": N_("As store credit"),
    "bank_transfer": N_("By bank transfer"),
    "manual": N_("A person pays it"),
}
DEDUCTIONS = {
    "restocking_fee": N_("Restocking fee"),
    "return_postage": N_("Return shipping"),
    "condition_deductions": N_("Deduction for condition"),
    "accessory_deductions": N_("Missing accessories"),
    "depreciation": N_("Loss of value through use"),
}
BY_HAND = {
    "cash": N_("In cash"),
    "check": N_("By check"),
    "bank_transfer": N_("By bank transfer"),
    "outside": N_("On the provider's own pages"),
}
REFUSALS = {
    "warehouse_unavailable": N_("It cannot be reached, or does not answer so that it is understood."),
    "warehouse_no_warehouse": N_("The warehouse that this was told to is connected no more."),
    "warehouse_unknown_order": N_("It does not know the order. Is it imported there?"),
    "warehouse_not_authorized": N_(
        "It does not let us in. Somebody has to compare the secret in the settings."
    ),
    "warehouse_key_reused": N_("It has another request under the same key."),
    "the card was lost or stolen": N_("The card was reported lost or stolen. Send the money another way."),
    "the card has expired or was canceled": N_(
        "The card has expired or was closed. Send the money another way."
    ),
    "the card is closed": N_("The card is closed. Send the money another way."),
    "the customer disputed the payment meanwhile": N_(
        "The customer has disputed the payment at the bank meanwhile. Do not pay it twice."
    ),
    "the Stripe balance is too low": N_(
        "There is not enough money on the account at the payment provider. Try again later."
    ),
    "the customer's bank declined it": N_("The customer's bank refused the money. Send it another way."),
    "it was called off at Stripe": N_("It was called off on the payment provider's own pages."),
    "the customer's bank did not say why": N_(
        "The customer's bank gives no reason. Try again, or send the money another way."
    ),
    "the customer has to tell Stripe where the money shall go": N_(
        "The payment provider asks the customer where the money shall go."
    ),
    "the gateway confirms another amount": N_(
        "The payment provider confirms another amount than was asked for. Compare it on its own pages first."
    ),
}
"""What gateways say when a refund fails, and what can be done."""
OTHER_WAYS = {
    "store_credit": N_("Store credit"),
    "gift_card": N_("Gift card"),
    "bank_transfer": N_("Bank transfer to your account"),
    "manual": N_("Paid by our staff"),
}
"""Provider -> what the customer is told where the money does not go back the way it came."""
ARRIVAL = {
    "card": N_("It shows on your statement within 3 to 5 working days."),
    "wallet": N_("It shows in your wallet within 1 to 3 working days."),
    "bank_transfer": N_("It reaches your account within 2 working days."),
    "store_credit": N_("You can use it at once."),
    "gift_card": N_("It is back on your gift card at once."),
    "cash": N_("You receive it in the shop."),
}
DOCUMENTS = {
    "label": N_("Label"),
    "qr": N_("QR code"),
    "packing_slip": N_("Packing slip"),
    "receipt": N_("Receipt"),
    "credit_note": N_("Credit note"),
}
PURPOSES = {
    "finish": N_("Link to finish the return"),
    "status": N_("Link to follow the return"),
}
MAILS = {
    "link": N_("Prepared return"),
    "start_link": N_("Start of a return"),
    "requested": N_("Return under review"),
    "approved": N_("Return approved"),
    "missing": N_("Items missing in the parcel"),
    "declined": N_("Return declined"),
    "reconsidered": N_("Return looked at again"),
    "received": N_("Parcel received"),
    "inspected_changed": N_("Refund changed after inspection"),
    "refunded": N_("Refund sent"),
    "refund_granted": N_("Refund without return"),
    "new_link_requested": N_("New link wanted"),
    "link_reissued": N_("New link"),
    "status_link": N_("Link to follow the return"),
    "store_credit": N_("Store credit"),
    "message": N_("Message"),
    "needs_info": N_("Question to the customer"),
    "info_reminder": N_("Reminder of a question"),
    "info_withdrawn": N_("Question withdrawn"),
    "info_expired": N_("Question not answered in time"),
    "account_needed": N_("Bank account wanted"),
    "finance_alert": N_("Message to finance"),
    "finance_cancellation": N_("Message to finance about a cancellation"),
    "cancellation_proposed": N_("Cancellation to be confirmed"),
    "cancellation_reminder": N_("Reminder of a cancellation"),
    "cancellation_confirmed": N_("Cancellation confirmed"),
    "cancellation_expired": N_("Cancellation not answered in time"),
    "cancellation_overtaken": N_("Cancellation came too late"),
    "cancellation_sent_anyway": N_("Canceled, and sent all the same"),
    "dispute_opened": N_("Dispute received"),
    "dispute_offer": N_("Offer in a dispute"),
    "dispute_answered": N_("Answer to a dispute"),
}
STEP_BUTTONS = {
    "submit": N_("Submit return"),
    "authorize": N_("Authorize return"),
    "ask": N_("Ask the customer"),
    "answer": N_("Take the answer"),
    "approve": N_("Approve return"),
    "decline": N_("Decline return"),
    "undo": N_("Undo decline"),
    "cancel": N_("Cancel return"),
    "expire": N_("Let the return expire"),
    "ship": N_("Mark as shipped"),
    "receive_some": N_("Receive a part"),
    "receive": N_("Receive goods"),
    "inspect": N_("Inspect goods"),
    "close": N_("Close return"),
    "settle": N_("Settle return"),
    "reopen": N_("Reopen return"),
}
"""What a person presses to take a step of a return's way: verb and object."""
