"""Permissions, and what people change, in words."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from portal.words import disputing, policies, workflows
from portal.words.catalogue import N_

if TYPE_CHECKING:
    from portal.words import Words

PERMISSIONS = {
    "returns.read": N_("See returns"),
    "returns.create": N_("Enter returns"),
    "returns.approve": N_("Approve and decline returns"),
    "returns.override": N_("Decide against the policy"),
    "returns.receive": N_("Receive goods"),
    "returns.inspect": N_("Inspect goods"),
    "returns.assign": N_("Give returns to people"),
    "messages.send": N_("Write to customers"),
    "disputes.read": N_("See disputes"),
    "disputes.handle": N_("Handle disputes"),
    "disputes.decide": N_("Decide escalated disputes"),
    "refunds.read": N_("See refunds"),
    "refunds.propose": N_("Propose refunds"),
    "refunds.approve": N_("Approve refunds"),
    "finance.read": N_("See the books"),
    "finance.edit": N_("Set the books up"),
    "cancellations.propose": N_("Propose cancellations"),
    "stock.read": N_("See stock"),
    "stock.edit": N_("Count stock"),
    "links.manage": N_("Manage customers' links"),
    "orders.import": N_("Import orders"),
    "orders.read": N_("See orders"),
    "work.manage": N_("Look after the portal's own work"),
    "policies.edit": N_("Edit the policy"),
    "workflows.edit": N_("Edit the rules"),
    "answers.edit": N_("Edit canned answers and playbooks"),
    "views.share": N_("Share views"),
    "numbers.read": N_("See the numbers"),
    "audit.read": N_("Read the history"),
    "people.edit": N_("Invite people and give roles"),
}

FIELDS = {
    "state": N_("State"),
    "role": N_("Role"),
    "active": N_("Can sign in"),
    "units": N_("Units"),
    "received_units": N_("Units received"),
    "damaged_units": N_("Units damaged"),
    "other_units": N_("Units of something else"),
    "accepted_units": N_("Units accepted"),
    "rejected_units": N_("Units rejected"),
    "reason": N_("Reason"),
    "decline_reason": N_("Reason for declining"),
    "condition": N_("Condition"),
    "note": N_("Note"),
    "name": N_("Name"),
    "email": N_("E-mail"),
    "phone": N_("Phone"),
    "order_number": N_("Order number"),
    "address": N_("Address"),
    "sending": N_("Way of sending"),
    "postage_minor": N_("Postage"),
    "estimate_minor": N_("Estimate"),
    "allowance_minor": N_("Lowered by"),
    "ship_by": N_("To be sent by"),
    "refund_state": N_("Refund"),
    "refund_amount_minor": N_("Amount of the refund"),
    "dispute_state": N_("Dispute"),
    "dispute_outcome": N_("Outcome of the dispute"),
    "dispute_settled_minor": N_("Paid for the dispute"),
    "link_state": N_("Link"),
    "link_expires_at": N_("Link valid until"),
    "amount": N_("Amount"),
    "offer_minor": N_("Offer"),
    "assignee": N_("Assigned to"),
    "tags": N_("Tags"),
    "view": N_("Saved view"),
    "text": N_("Text"),
    "policy": N_("Policy"),
    "rule": N_("Rule"),
    "account": N_("Bank account"),
    "accounts": N_("Accounts"),
    "version": N_("Version"),
    "expires_at": N_("Valid until"),
    "count": N_("Count"),
}
"""What is not named here is told by its own name."""

STATES = {"state": "return", "refund_state": "refund", "dispute_state": "dispute", "link_state": "link"}
"""field -> the lifecycle of its values."""


def field(words: Words, code: str) -> str:
    """What was changed: a field, of one line or rule (``units: Lamp``), of one part (``address.city``)."""
    name, _, whose = code.partition(": ")
    if name.startswith("policy."):
        return policies.name(words, name.removeprefix("policy."))
    if name.startswith("rule_"):
        said = workflows.FIELDS.get(name.removeprefix("rule_"))
        name = words.gettext(said) if said else name.removeprefix("rule_").replace("_", " ")
    elif name.startswith("text_"):
        name, whose = words.gettext(FIELDS["text"]), words.language_name(name.removeprefix("text_"))
    else:
        part, _, of_it = name.partition(".")
        name = words.gettext(FIELDS[part]) if part in FIELDS else part.replace("_", " ")
        whose = of_it.replace("_", " ") or whose
    return f"{name} ({whose})" if whose else name


def value(words: Words, code: str, told: Any, currency: str) -> str:
    """What stood, or stands, in that field. Blank is nothing."""
    name = code.partition(": ")[0]
    if name.startswith("policy."):
        return policies.value(words, name.removeprefix("policy."), told, currency)
    if told in (None, "", [], {}):
        return ""
    if isinstance(told, bool):
        return words.gettext("Yes") if told else words.gettext("No")
    if isinstance(told, dict):
        return "; ".join(f"{key}: {value(words, '', one, currency)}" for key, one in told.items())
    if isinstance(told, list):
        return ", ".join(value(words, name, one, currency) for one in told)
    if name.endswith("_minor") and isinstance(told, int) and currency:
        return words.money(told, currency)
    return _code(words, name, str(told))


def _code(words: Words, name: str, told: str) -> str:
    """A word of ours in the reader's; anything else as it is."""
    if name in STATES:
        return words.state(STATES[name], told).name
    said = {
        "reason": words.reason,
        "rule_reasons": words.reason,
        "condition": words.condition,
        "rule_conditions": words.condition,
        "rule_channels": words.channel,
        "rule_grades": words.grade,
        "decline_reason": words.decline_reason,
        "role": words.role,
        "dispute_outcome": lambda code: disputing.outcome(words, code),
        "sending.method": lambda code: words.method(code).name,
        "ship_by": lambda day: words.day(date.fromisoformat(day)),
        "link_expires_at": lambda at: words.moment(datetime.fromisoformat(at)),
        "rule": lambda code: workflows.outcome(words, code)[0],
        "rule_outcome": lambda code: workflows.outcome(words, code)[0],
        "rule_disposition": words.disposition,
    }
    return said[name](told) if name in said else told
