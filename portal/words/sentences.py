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
    "already_returned": (
        N_("Already in a return: %(units)s."),
        N_("All units of this are already in a return."),
    ),
    "too_many_units": (
        N_("At most %(cancelable)s can be canceled; you chose %(wanted)s."),
        N_("At most %(maximum)s can be returned; you chose %(wanted)s."),
        N_("At most %(maximum)s can be returned."),
        N_("That is more than can be returned."),
    ),
    "units_not_positive": (N_("Choose at least one unit."),),
    "nothing_chosen": (N_("Choose at least one item."),),
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
    "cancellations_off": (N_("This shop does not let customers cancel here. Write to us, please."),),
    "order_not_confirmed": (N_("This order is not confirmed yet, so nothing can be taken out of it."),),
    "order_canceled": (N_("This order is canceled already."),),
    "payment_disputed": (
        N_("The customer's bank has taken back this payment, so it cannot be refunded here as well."),
    ),
    "not_cancelable": (N_("This is a charge and not an item that can be taken out."),),
    "already_shipped": (
        N_("Already shipped: %(units)s. What was shipped can be returned after delivery."),
        N_("This was shipped already. It can be returned after delivery."),
    ),
    "being_picked": (
        N_("Being packed in the warehouse: %(units)s. It can be returned after delivery."),
        N_("This is being packed in the warehouse. It can be returned after delivery."),
    ),
    "already_canceled": (N_("Already canceled: %(units)s."), N_("This is canceled already.")),
    "held_by_proposal": (
        N_("In another cancellation that waits for an answer: %(units)s."),
        N_("Another cancellation of this waits for an answer."),
    ),
    "past_cut_off": (
        N_("Since %(until)s the warehouse leaves nothing out of this delivery any more."),
        N_("It is too late: the warehouse leaves nothing out of this delivery any more."),
    ),
    "drop_ship": (N_("This is sent by its maker, who cannot be told to leave it out."),),
    "custom_made": (N_("This is made for you to order and cannot be canceled any more."),),
    "pre_picked": (N_("This was packed in advance, so it cannot be left out any more."),),
    "third_party": (N_("This is sent by a partner, who cannot be told to leave it out."),),
    "bundle_whole_only": (
        N_("“%(bundle)s” is sold as a whole: take out all of it, or nothing."),
        N_("This is sold as a whole: take out all of it, or nothing."),
    ),
    "bundle_part_required": (
        N_("“%(bundle)s” is nothing without this part: take out all of it, or keep this part."),
        N_("The bundle is nothing without this part: take out all of it, or keep this part."),
    ),
    "bundle_nothing_left": (
        N_("Nothing would be left of “%(bundle)s”: take out the whole of it."),
        N_("Nothing would be left of this bundle: take out the whole of it."),
    ),
    "service_over": (
        N_("This service was paid for until %(last_day)s and is over."),
        N_("The time this service was paid for is over."),
    ),
    "service_ending": (
        N_("This service ends on %(ends_on)s already and is not renewed."),
        N_("This service is ending already."),
    ),
    "service_whole_only": (
        N_("From the next period on, all %(maximum)s of this service end together."),
        N_("From the next period on, this service ends as a whole."),
    ),
    "ending_unknown": (N_("Choose when this service shall end."),),
}
"""Code -> its sentences, the one with most details first: said is the first whose details are there."""

CONFLICTS: dict[str, tuple[str, ...]] = {
    "units_gone": (
        N_("Someone else was faster: %(names)s can no longer be returned in this quantity."),
        N_("Someone else was faster: an item can no longer be returned in this quantity."),
    ),
    "units_taken": (N_("Someone else was faster: these units are no longer free. Please look at it again."),),
    "not_the_buyer": (N_("Only whoever placed the order can take something out of it."),),
    "not_proposed": (N_("The customer has answered already, or the proposal has ended."),),
    "not_answered_yet": (N_("Answer first: then tell us how it was."),),
    "score_unknown": (N_("Choose one of the five answers."),),
    "stale": (N_("Someone else has changed this meanwhile. Please look at it again."),),
    "later_refund": (N_("A later refund gave back what this one kept. Cancel the later one first."),),
    "changed_meanwhile": (N_("Someone else has changed this meanwhile. Please look at it again."),),
    "customer_missing": (N_("Name and e-mail address of the customer are needed first."),),
    "link_closed": (N_("This link is no longer open."),),
    "links_off": (N_("This shop does not send links to customers."),),
    "locked": (N_("This answer was given by support and cannot be changed here."),),
    "mail_queued": (N_("This message is still waiting to be sent."),),
    "still_at_gateway": (
        N_("The payment provider still has this transfer. Cancel it there first, or both would be paid."),
    ),
    "not_redirectable": (N_("This transfer cannot be sent another way as it stands now."),),
    "note_missing": (N_("Please say in a few words how it was dealt with."),),
    "period": (N_("The period ends before it begins."),),
    "task_closed": (N_("This task was closed meanwhile."),),
    "published_meanwhile": (
        N_("Version %(version)s was published meanwhile. Look at it before you publish yours."),
        N_("Another version was published meanwhile. Look at it before you publish yours."),
    ),
    "draft_unchanged": (N_("The draft says what is in force already, so there is nothing to publish."),),
    "negative_units": (N_("The number of units cannot be negative."),),
    "no_address": (N_("The address is needed first."),),
    "no_label": (N_("There is no label yet."),),
    "is_cancellation": (
        N_("These units never left: they have a page of their own among the cancellations."),
    ),
    "answer_known": (N_("The warehouse has answered meanwhile. Look at what it said."),),
    "answer_unknown": (N_("Choose what the warehouse says."),),
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
    "awaits_warehouse": (
        N_("The warehouse has not answered yet whether the goods stay. No money goes before."),
    ),
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
    "unknown_bucket": (N_("Nobody counts that here."),),
    "too_many_counted": (N_("That cannot be: at most %(maximum)s."), N_("That cannot be.")),
    "stock_changed": (
        N_("Units have moved meanwhile: there are %(there)s now. Count again, please."),
        N_("Units have moved meanwhile. Count again, please."),
    ),
    "not_in_stock": (
        N_("Only %(maximum)s of %(sku)s are there at %(location)s. Correct the stock first."),
        N_("There are fewer in stock than that. Correct the stock first."),
    ),
    "more_than_received": (
        N_("At most %(maximum)s of “%(name)s” are here to be inspected."),
        N_("That is more than is here to be inspected."),
    ),
    "unknown_grade": (N_("Choose a grade from the list."),),
    "unknown_disposition": (N_("Choose from the list what becomes of it."),),
    "unknown_reason": (N_("Choose a reason from the list."),),
    "tracking_number_wrong": (N_("This tracking number cannot be right. Check it, please."),),
    "holder_missing": (N_("Enter the name of the account holder, in Latin letters."),),
    "iban_wrong": (N_("This IBAN cannot be right. Check it, please."),),
    "iban_not_sepa": (N_("We cannot pay to a bank account in this country. Write to us, please."),),
    "bic_wrong": (N_("This BIC cannot be right. Check it, or leave it empty."),),
    "account_not_wanted": (N_("No refund waits for a bank account any more."),),
    "bank_account_missing": (N_("Name the bank account of the shop first."),),
    "currency_not_sepa": (N_("Files for the bank are in euro only. Pay this by hand."),),
    "nothing_to_transfer": (N_("No transfer waits that could be paid now."),),
    "same_person": (N_("Somebody else has to release this batch: you have collected it yourself."),),
    "batch_changed": (N_("A refund of this batch was changed meanwhile. Give it up and collect a new one."),),
    "not_released": (N_("This was not released to the bank yet."),),
    "credit_spent": (
        N_("Of this credit only %(maximum)s is left, so it cannot be taken back."),
        N_("This credit was spent meanwhile, so it cannot be taken back."),
    ),
    "more_than_left": (
        N_("Only %(maximum)s is left on this code."),
        N_("That is more than is left on this code."),
    ),
    "nothing_spent": (N_("Enter an amount above zero."),),
    "credit_void": (N_("This code is void."),),
    "credit_expired": (N_("The last day to spend this credit is over."),),
    "balance_changed": (
        N_("The balance has changed meanwhile: it is now %(amount)s. Look at it again, please."),
        N_("The balance has changed meanwhile. Look at it again, please."),
    ),
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
    "already_refunded": N_("The payment provider says that this payment was refunded in full already."),
    "disputed": N_("The customer's bank has taken this payment back, so it cannot be refunded."),
    "amount_not_allowed": N_("The payment provider cannot move this amount in this currency."),
    "not_refundable": N_("The payment provider no longer refunds this payment."),
    "not_captured": N_(
        "The payment provider has this payment only reserved, or let it go: there is nothing to give back yet. "
        "Look at it there, then try again."
    ),
    "already_captured": N_("The shop has captured this payment meanwhile: it can only be refunded."),
    "captured_anyway": N_(
        "The shop has captured what was let go. Try again: it is given back as a refund then."
    ),
    "balance_too_low": N_("There is too little money on the account at the payment provider."),
    "refused": N_("The payment provider refused the refund."),
    "not_authorized": N_(
        "The payment provider does not let us in: the key was revoked or has too few rights."
    ),
    "wrong_answer": N_("The payment provider confirmed something else than was asked for."),
    "recipient_refused": N_("The mail server does not take messages for this address."),
    "message_refused": N_("The mail server did not take the message."),
    "redirected": N_("The shop's system answers that it is elsewhere. Correct its address in the settings."),
    "not_wanted": N_("The shop's system wants no more messages at this address."),
    "not_taken": N_("The shop's system did not take the message."),
    "holder_missing": N_("Enter the name of the account holder, in Latin letters."),
    "iban_wrong": N_("This IBAN cannot be right. Check it, please."),
    "iban_not_sepa": N_("We cannot pay to a bank account in this country. Write to us, please."),
    "bic_wrong": N_("This BIC cannot be right. Check it, or leave it empty."),
    "currency_not_sepa": N_("Files for the bank are in euro only. Pay this by hand."),
    "nothing_to_transfer": N_("No transfer waits that could be paid now."),
    "unknown_order": N_("The warehouse does not know this order."),
    "no_warehouse": N_("This warehouse is connected no more."),
    "credit_void": N_("This code is void."),
    "currency_differs": N_("This code is in another currency."),
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

AMOUNTS = (
    "approval_by_value",
    "too_much",
    "amount_changed",
    "four_eyes",
    "tenders_differ",
    "credit_spent",
    "balance_changed",
    "more_than_left",
)
"""The codes whose ``maximum`` is an amount of money; everywhere else it counts units or photos."""
