"""Objections and answers as sentences: what the policy, a carrier, an address or the state of things says."""

from portal.words.catalogue import N_, NC_

FINDINGS: dict[str, tuple[str, ...]] = {
    "window_expired": (
        N_("The last day to return this was %(last_day)s."),
        N_("The time to return this is over."),
    ),
    "final_sale": (N_("This was a final sale and cannot be returned."),),
    "not_eligible_category": (N_("Goods of this kind cannot be returned."),),
    "not_merchandise": (N_("This is not an item that can be sent back."),),
    "not_shipped_yet": (N_("This has not been shipped yet, so there is nothing to send back."),),
    "already_returned": (N_("All units of this are already in a return."),),
    "too_many_units": (
        N_("At most %(maximum)s can be returned; you chose %(wanted)s."),
        N_("At most %(maximum)s can be returned."),
        N_("That is more than can be returned."),
    ),
    "units_not_positive": (N_("Choose at least one unit."),),
    "nothing_chosen": (N_("Choose at least one item to return."),),
    "unknown_line": (N_("This item is not part of the order."),),
    "unknown_reason": (N_("Choose a reason from the list."),),
    "unknown_condition": (N_("Choose a condition from the list."),),
    "picture_requested": (
        N_("A photo is needed for the reason “%(reason)s”."),
        N_("A photo is needed for this reason."),
    ),
    "too_many_photos": (N_("At most %(maximum)s photos can be added."), N_("There are too many photos.")),
    "more_information": (N_("Tell us in a few words what it is about."),),
    "approval_by_reason": (
        N_("Returns for the reason “%(reason)s” are looked at by a person first."),
        N_("Returns for this reason are looked at by a person first."),
    ),
    "approval_by_condition": (
        N_("Returns in the condition “%(condition)s” are looked at by a person first."),
        N_("Returns in this condition are looked at by a person first."),
    ),
    "approval_by_value": (
        N_("Returns worth more than %(maximum)s are looked at by a supervisor first."),
        N_("Returns of this value are looked at by a supervisor first."),
    ),
    "approval_always": (N_("Every return is looked at by a person first."),),
    "no_record_of_sale": (N_("There is no order to compare with, so a person looks at it first."),),
    "policy_inactive": (N_("This shop takes no returns here at the moment."),),
}
"""Code -> its sentences, the one with most details first: said is the first whose details are there."""

CONFLICTS: dict[str, tuple[str, ...]] = {
    "units_gone": (
        N_("Someone else was faster: %(names)s can no longer be returned in this quantity."),
        N_("Someone else was faster: an item can no longer be returned in this quantity."),
    ),
    "stale": (N_("Someone else has changed this meanwhile. Please look at it again."),),
    "changed_meanwhile": (N_("Someone else has changed this meanwhile. Please look at it again."),),
    "customer_missing": (N_("Name and e-mail address of the customer are needed first."),),
    "link_closed": (N_("This link is no longer open."),),
    "links_off": (N_("This shop does not send links to customers."),),
    "locked": (N_("This answer was given by support and cannot be changed here."),),
    "mail_queued": (N_("This message is still waiting to be sent."),),
    "note_missing": (N_("Please say in a few words how it was dealt with."),),
    "task_closed": (N_("This task was closed meanwhile."),),
    "negative_units": (N_("The number of units cannot be negative."),),
    "no_address": (N_("The address is needed first."),),
    "no_label": (N_("There is no label yet."),),
    "not_a_draft": (N_("This return is already confirmed and can no longer be changed."),),
    "photo_too_large": (
        N_("This photo is larger than %(megabytes)s MB."),
        N_("This photo is too large."),
    ),
    "photo_unreadable": (N_("This file is not a photo we can read. Use JPEG, PNG or WebP."),),
    "photos_full": (N_("At most %(maximum)s photos can be added."), N_("No more photos can be added.")),
    "policy_inactive": (N_("This shop takes no returns here at the moment."),),
    "rate_gone": (N_("This way of sending is no longer offered at this price. Choose again."),),
    "slot_gone": (N_("This pick-up time is taken. Choose another one."),),
    "steps_left": (N_("Still to be answered: %(steps)s."), N_("Some questions are not answered yet.")),
    "too_much": (N_("At most %(maximum)s can be refunded."), N_("That is more than can be refunded.")),
    "nothing_to_refund": (N_("There is nothing to refund."),),
    "to_be_assessed": (N_("The amount has to be assessed first."),),
    "point_unknown": (N_("This drop-off point no longer takes parcels. Choose another one."),),
    "amount_changed": (
        N_("The amount has changed meanwhile: it is now %(amount)s. Look at it again, please."),
        N_("The amount has changed meanwhile. Look at it again, please."),
    ),
    "negative_amount": (N_("An amount cannot be negative."),),
    "four_eyes": (
        N_("Above %(amount)s somebody else has to approve: you asked for this refund yourself."),
        N_("Somebody else has to approve: you asked for this refund yourself."),
    ),
    "tenders_differ": (
        N_("Together the ways of payment must be %(amount)s."),
        N_("Together the ways of payment must be the refund."),
    ),
    "refund_revised": (N_("This refund was changed meanwhile. Look at it again, please."),),
    "nothing_changed": (N_("Nothing is different from before."),),
    "unknown_override": (N_("This refund has nothing of the kind to be decided. Look at it again, please."),),
    "unknown_accessory": (N_("Choose from the list what is missing."),),
    "nothing_chosen": (N_("Choose at least one item."),),
    "more_than_kept": (
        N_("The customer has at most %(maximum)s of “%(name)s”."),
        N_("The customer has fewer of them."),
    ),
    "amount_missing": (
        N_("Enter what is given back for “%(name)s”."),
        N_("Enter what is given back."),
    ),
    "refund_open": (N_("A refund of this return is still on its way. Wait until it is sent, or cancel it."),),
    "no_label_failed": (N_("No label of this return has failed."),),
    "partly_paid": (N_("A part of this refund was sent already, so it can no longer be canceled."),),
    "reason_missing": (N_("Write down why."),),
    "not_granted": (N_("Your role may not give this on top."),),
    "not_by_hand": (N_("This transfer is not one that is settled by hand."),),
    "proof_missing": (N_("Write down how it was paid, such as the reference of the transfer."),),
    "nothing_counted": (N_("Enter at least one unit."),),
    "all_received": (N_("All goods of this return have been received already."),),
    "more_than_authorized": (
        N_("At most %(maximum)s of “%(name)s” are still expected."),
        N_("That is more than is still expected."),
    ),
    "more_found_than_arrived": (
        N_("More of “%(name)s” are damaged or something else than arrived."),
        N_("More are damaged or something else than arrived."),
    ),
    "more_than_received": (
        N_("At most %(maximum)s of “%(name)s” are here to be inspected."),
        N_("That is more than is here to be inspected."),
    ),
    "unknown_grade": (N_("Choose a grade from the list."),),
    "unknown_disposition": (N_("Choose from the list what becomes of it."),),
    "unknown_reason": (N_("Choose a reason from the list."),),
    "tracking_number_wrong": (N_("This tracking number cannot be right. Check it, please."),),
}

DECLINED: dict[str, str] = {
    "not_served": N_("The carrier does not serve this address."),
    "too_heavy": N_("The parcel is too heavy for this carrier."),
    "currency_not_served": N_("The carrier has no price in this currency."),
    "method_not_offered": N_("The carrier does not offer this way of sending here."),
    "rate_gone": N_("This way of sending is no longer offered at this price. Choose again."),
    "service_point_unknown": N_("This drop-off point no longer takes parcels. Choose another one."),
    "tracking_number_wrong": N_("This tracking number cannot be right. Check it, please."),
    "already_used": N_("The label has already been used."),
    "not_voidable": N_("This label cannot be canceled."),
    "slot_gone": N_("This pick-up time is taken. Choose another one."),
    "not_offered": N_("The carrier does not offer this."),
    "too_late": N_("It is too late for this."),
    "too_much": N_("The payment provider says that this is more than was paid."),
    "wrong_currency": N_("The payment was made in another currency."),
    "unknown_capture": N_("The payment provider does not know this payment."),
    "key_reused": N_("The payment provider has another refund under this number."),
    "recipient_refused": N_("The mail server does not take messages for this address."),
    "message_refused": N_("The mail server did not take the message."),
}

ADDRESS_FINDINGS: dict[str, tuple[str, ...]] = {
    "missing": (N_("%(field)s is missing. Example: %(help)s"), N_("%(field)s is missing.")),
    "malformed_postcode": (
        N_("This does not look like a postcode of this country. Example: %(help)s"),
        N_("This does not look like a postcode of this country."),
    ),
    "unknown_region": (
        N_("This region is not one of this country. Example: %(help)s"),
        N_("This region is not one of this country."),
    ),
    "unknown_country": (N_("Choose a country from the list."),),
    "too_long": (
        N_("%(field)s is too long. A line has at most %(help)s characters."),
        N_("%(field)s is too long."),
    ),
}

ADDRESS_LABELS: dict[str, str] = {
    "name": NC_("address", "Name"),
    "company": NC_("address", "Company"),
    "street": NC_("address", "Street and number"),
    "postcode": NC_("address", "Postcode"),
    "city": NC_("address", "Town or city"),
    "region": NC_("address", "Region"),
    "country": NC_("address", "Country"),
    "phone": NC_("address", "Phone"),
    "postcode_postal": NC_("address", "Postcode"),
    "postcode_zip": NC_("address", "ZIP code"),
    "postcode_eircode": NC_("address", "Eircode"),
    "postcode_pin": NC_("address", "PIN code"),
    "city_city": NC_("address", "Town or city"),
    "city_district": NC_("address", "District"),
    "city_post_town": NC_("address", "Post town"),
    "city_suburb": NC_("address", "Suburb"),
    "region_province": NC_("address", "Province"),
    "region_state": NC_("address", "State"),
    "region_island": NC_("address", "Island"),
    "region_department": NC_("address", "Department"),
    "region_oblast": NC_("address", "Oblast"),
    "region_parish": NC_("address", "Parish"),
    "region_county": NC_("address", "County"),
    "region_prefecture": NC_("address", "Prefecture"),
    "region_emirate": NC_("address", "Emirate"),
    "region_district": NC_("address", "District"),
    "region_area": NC_("address", "Area"),
    "region_do_si": NC_("address", "Province or city"),
}

TRACKING: dict[str, str] = {
    "announced": N_("The carrier was told about the parcel"),
    "accepted": N_("The carrier has taken the parcel"),
    "sorted": N_("The parcel was sorted for its way on"),
    "out_for_delivery": N_("The parcel is out for delivery"),
    "delivered": N_("The parcel was delivered"),
}
"""What built-in carriers say of a parcel, by their code."""

AMOUNTS = ("approval_by_value", "too_much", "amount_changed", "four_eyes", "tenders_differ")
"""The codes whose ``maximum`` is an amount of money; everywhere else it counts units or photos."""
