"""The books in words: accounts, what was posted, and what finance is asked to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from portal.core.refunds.ledger import AUTHORIZED, CLEARING, TAX
from portal.words.catalogue import N_

if TYPE_CHECKING:
    from portal.words import Words

ACCOUNTS = {
    "receivable": N_("Owed for exchanges"),
    "due": N_("Ordered, not paid yet and no longer owed"),
    "goods": N_("Goods taken back"),
    "shipping": N_("Shipping refunded"),
    "duty": N_("Duties refunded"),
    "fee": N_("Charges refunded"),
    "fees": N_("Fees kept back"),
    "refunds_payable": N_("Refunds to be paid"),
    "refunds_unpaid": N_("Refunds that failed and are still owed"),
    "store_credit": N_("Store credit owed"),
    "gift_card": N_("Gift cards owed"),
    "goodwill": N_("Goodwill"),
    "bonus": N_("Bonus for store credit"),
}
PROVIDERS = {
    "stripe": N_("Stripe"),
    "sandbox": N_("Sandbox gateway"),
    "bank_transfer": N_("Bank"),
    "manual": N_("Paid by hand"),
    "store_credit": N_("Store credit"),
    "gift_card": N_("Gift card"),
    "due": N_("Not charged"),
}
POSTINGS = {
    "refund_decided": N_("Refund decided"),
    "payout_settled": N_("Refund paid"),
    "payout_failed": N_("Payment of a refund failed"),
    "payout_retried": N_("Payment of a refund tried again"),
    "refund_canceled": N_("Refund canceled"),
}
TASKS = {
    "refund_failed": N_("A refund could not be paid"),
    "refund_waits": N_("A refund waits too long"),
    "pay_by_hand": N_("A refund must be paid by hand"),
    "not_authorized": N_("The payment provider does not let us in"),
    "wrong_answer": N_("The payment provider confirmed something else"),
    "outside_refund": N_("A refund was made outside the portal"),
    "chargeback": N_("A payment is disputed"),
    "drift": N_("The payment provider's list differs from the books"),
    "credit_note_failed": N_("A credit note could not be made"),
    "unexpected_goods": N_("Goods came that nobody announced"),
    "stock_short": N_("Stock has to be counted"),
    "channel_failed": N_("The shop's system did not take a message"),
    "safety_recall": N_("A product comes back for its safety"),
    "exchange_wanted": N_("A customer wants an exchange"),
    "warehouse_silent": N_("The warehouse does not answer"),
    "shipped_after_release": N_("Goods were sent although they were to stay"),
    "warehouse_contradicts": N_("The warehouse says something else than before"),
    "account_needed": N_("A bank account is needed"),
    "credit_expired": N_("Store credit has expired"),
    "credit_voided": N_("Store credit was made void"),
    "undisputed_waits": N_("What nobody contests waits for approval"),
    "dispute_due": N_("A dispute has to be answered soon"),
    "dispute_overdue": N_("A dispute was not answered in time"),
    "dispute_unpayable": N_("What a customer accepted can no longer be paid"),
    "settlement_canceled": N_("The refund of what was agreed was canceled"),
}
WAITS = {
    "pending_approval": N_("Waits for approval"),
    "planned": N_("Is sent in a moment"),
    "batch": N_("Waits for a bank batch"),
    "released": N_("Is with the bank"),
    "submitting": N_("Is being sent"),
    "unknown": N_("The answer was lost and is looked up"),
    "pending": N_("The payment provider is at it"),
    "requires_action": N_("Somebody has to pay it or choose another way"),
    "failed": N_("Somebody has to try again or pay otherwise"),
}


def account(words: Words, code: str) -> str:
    """An account of the ledger: a tax label and a provider's clearing are named after what they are of."""
    if code.startswith(TAX):
        return words.gettext("Tax refunded: %(label)s", label=code.removeprefix(TAX))
    if code.startswith(CLEARING):
        return words.gettext(
            "Paid out by: %(provider)s", provider=provider(words, code.removeprefix(CLEARING))
        )
    if code.startswith(AUTHORIZED):
        return words.gettext(
            "Reserved and not charged: %(provider)s", provider=provider(words, code.removeprefix(AUTHORIZED))
        )
    return words.gettext(ACCOUNTS[code]) if code in ACCOUNTS else code


def provider(words: Words, code: str) -> str:
    """Who pays a refund out."""
    return words.gettext(PROVIDERS[code]) if code in PROVIDERS else code
