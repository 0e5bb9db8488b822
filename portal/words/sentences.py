"""Objections and answers as sentences: what the policy, a carrier, an address or the state of things says."""

from portal.words.catalogue import N_

FINDINGS: dict[str, tuple[str, ...]] = {
    "window_expired": (
        N_("The last day to return this was %(last_day)s."),
        N_("The time to return this is over."),
    ),
    "final_sale": (N_("This was a final sale and cannot be returned."),),
    "not_eligible_category": (N_("Goods of this kind cannot be returned."),),
    "not_merchandise": (N_("This is not an item that can be sent back."),),
    "quantity_difference": (
        N_("At most %(maximum)s can be returned; you chose %(units)s."),
        N_("At most %(maximum)s can be returned."),
        N_("That is more than can be returned."),
    ),
    "not_shipped": (N_("This has not been shipped yet. It can be canceled instead."),),
    "already_returned": (N_("All units of this are already in a return."),),
    "picture_requested": (N_("A photo is needed for this reason."),),
    "more_information": (N_("Please tell us more about it."),),
    "approval_reason": (N_("Someone looks at returns for this reason first."),),
    "approval_condition": (N_("Someone looks at returns in this condition first."),),
    "approval_value": (
        N_("Returns worth more than %(maximum)s are looked at first."),
        N_("Returns of this value are looked at first."),
    ),
    "approval_required": (N_("Every return is looked at first."),),
    "no_record_of_sale": (N_("There is no order to compare with, so someone looks at it first."),),
    "no_lines": (N_("Choose at least one item to return."),),
    "inactive": (N_("Returns are not possible here at the moment."),),
    "unknown_reason": (N_("Please choose a reason from the list."),),
    "unknown_condition": (N_("Please choose a condition from the list."),),
}
"""Code -> its sentences, the one with most details first: said is the first whose details are there."""

CONFLICTS: dict[str, tuple[str, ...]] = {
    "units_gone": (
        N_("Someone else was faster: %(lines)s can no longer be returned in this quantity."),
        N_("Someone else was faster: these items can no longer be returned in this quantity."),
    ),
    "stale": (N_("Someone else has changed this meanwhile. Please look at it again."),),
    "already_confirmed": (N_("This return is already confirmed."),),
    "no_policy": (N_("This shop has not set up its return policy yet."),),
    "no_address": (N_("The return needs an address first."),),
    "no_sending": (N_("Choose how it is sent first."),),
    "steps_left": (N_("Some questions are not answered yet."),),
    "rate_gone": (N_("This way of sending is no longer offered at this price. Please choose again."),),
    "slot_gone": (N_("This pick-up time is taken. Please choose another one."),),
    "undo_too_late": (N_("It is too late to undo this: the customer has been told."),),
    "link_closed": (N_("This link is no longer open."),),
    "too_many_photos": (
        N_("At most %(maximum)s photos can be added."),
        N_("No more photos can be added."),
    ),
    "not_a_photo": (N_("This file is not a photo we can read. Please use JPEG, PNG or WebP."),),
    "photo_too_large": (N_("This photo is too large."),),
    "too_much": (
        N_("At most %(maximum)s can be refunded."),
        N_("That is more than can be refunded."),
    ),
    "nothing_to_refund": (N_("There is nothing to refund."),),
    "not_assessed": (N_("The amount has to be assessed first."),),
    "own_approval": (N_("Someone else has to approve this refund."),),
    "method_off": (N_("This shop does not offer that."),),
}

DECLINED: dict[str, str] = {
    "not_served": N_("The carrier does not serve this address."),
    "too_heavy": N_("The parcel is too heavy for this carrier."),
    "currency_not_served": N_("The carrier has no price in this currency."),
    "method_not_offered": N_("The carrier does not offer this way of sending here."),
    "rate_gone": N_("This way of sending is no longer offered at this price. Please choose again."),
    "service_point_unknown": N_("This drop-off point no longer takes parcels. Please choose another one."),
    "tracking_number_wrong": N_("This tracking number cannot be right. Please check it."),
    "already_used": N_("The label has already been used."),
    "not_voidable": N_("This label cannot be canceled."),
    "slot_gone": N_("This pick-up time is taken. Please choose another one."),
    "not_offered": N_("The carrier does not offer this."),
    "too_late": N_("It is too late for this."),
    "too_much": N_("The payment provider says that this is more than was paid."),
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
    "unknown_country": (N_("Please choose a country from the list."),),
    "too_long": (
        N_("%(field)s is too long. A line has at most %(help)s characters."),
        N_("%(field)s is too long."),
    ),
}

ADDRESS_LABELS: dict[str, str] = {
    "name": N_("Name"),
    "company": N_("Company"),
    "street": N_("Street and number"),
    "postcode": N_("Postcode"),
    "city": N_("Town or city"),
    "region": N_("Region"),
    "country": N_("Country"),
    "phone": N_("Phone"),
    "postcode_zip": N_("ZIP code"),
    "postcode_postal": N_("Postcode"),
    "postcode_eircode": N_("Eircode"),
    "postcode_pin": N_("PIN code"),
    "city_city": N_("City"),
    "city_post_town": N_("Town"),
    "city_district": N_("District"),
    "city_suburb": N_("Suburb"),
    "region_state": N_("State"),
    "region_province": N_("Province"),
    "region_county": N_("County"),
    "region_area": N_("Area"),
    "region_department": N_("Department"),
    "region_district": N_("District"),
    "region_do_si": N_("Province or city"),
    "region_emirate": N_("Emirate"),
    "region_island": N_("Island"),
    "region_oblast": N_("Oblast"),
    "region_parish": N_("Parish"),
    "region_prefecture": N_("Prefecture"),
}

TRACKING: dict[str, str] = {}
"""What built-in carriers say of a parcel, by their code."""

AMOUNTS = ("approval_value", "too_much")
"""The codes whose ``maximum`` is an amount of money; everywhere else it counts units or photos."""
