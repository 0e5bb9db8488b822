"""What to tell a customer at each step, as this house would: short, true of every shop, and in every language."""

from portal.words.catalogue import N_

PLAYBOOKS: dict[str, tuple[str, str]] = {
    "entry": (
        N_("Taking up a return"),
        N_(
            "Ask for the order number, or the e-mail address and postcode. Repeat what goes back and how many. "
            "Say what comes back as an estimate: the inspection decides. Read the return number aloud, "
            "and say that label and receipt come by e-mail."
        ),
    ),
    "decide": (
        N_("Deciding"),
        N_(
            "Answer within the time the clock shows. When something is missing, ask for it with a last day "
            "instead of declining. When only a part can be accepted, approve that part and give the reason "
            "for the rest: the customer reads it word for word."
        ),
    ),
    "cancel": (
        N_("Taking items out of an order"),
        N_(
            "Nothing is canceled before the customer presses the button in the e-mail. Say what the order comes "
            "to afterwards, and that the rest is sent as planned. Promise nothing that the warehouse may have "
            "sent already."
        ),
    ),
    "receive": (
        N_("When the parcel arrives"),
        N_(
            "Count what is there, and note what is missing, damaged or something else before anybody asks. "
            "Tell the customer what arrived; a part that is still on its way is no fault of theirs."
        ),
    ),
    "inspect": (
        N_("Inspecting"),
        N_(
            "Judge what you see, not who sent it. Take a photo of every fault that lowers the refund: the "
            "customer sees it. A deduction needs its reason from the policy."
        ),
    ),
    "refund": (
        N_("Refunding"),
        N_(
            "Say the amount, where it goes and by which day it is there. What differs from the estimate stands "
            "row by row below: read the row that changed, not the whole table."
        ),
    ),
    "dispute": (
        N_("When a customer contests it"),
        N_(
            "Thank them for the details and look at photos, rule and history first. What nobody contests is "
            "paid at once. Offer what you would find fair, give it a last day, and say who decides if they "
            "disagree."
        ),
    ),
    "message": (
        N_("Writing"),
        N_(
            "Answer the question first, then the reason, then what happens next and when. One question per "
            "message. Never ask for card numbers or passwords."
        ),
    ),
    "split_shipment": (
        N_("Split shipments"),
        N_(
            "An order in several parcels can be returned in several parcels. Each parcel counts from the day it "
            "was delivered. What has not been sent yet is canceled, not returned. If a part of a return is still "
            "on its way, say which part is here and that the rest is waited for."
        ),
    ),
    "partial_refund": (
        N_("Partial refunds"),
        N_(
            "Only what comes back is refunded: the price that was paid for exactly these units, after "
            "discounts, with their tax. Shipping comes back as the policy says. The rest of the order, its "
            "warranty and later returns stay as they are."
        ),
    ),
    "when_money_comes": (
        N_("When the money comes"),
        N_(
            "We send it after the inspection, at once. Cards take 3 to 5 working days, bank transfers 1 to 2, "
            "store credit is there immediately. If it is not there after that, look at the refund: its "
            "reference lets the customer's bank find it."
        ),
    ),
}
"""step -> (title, text)."""

ALWAYS = ("split_shipment", "partial_refund", "when_money_comes")
"""What customers ask at any step."""
