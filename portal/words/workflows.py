"""The rules of a shop in words: what they ask, what they decide, why one fitted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from portal.core.workflows import Decision, DispositionRule, Rule
from portal.words.catalogue import N_

if TYPE_CHECKING:
    from portal.words import Words

OUTCOMES: dict[str, tuple[str, str]] = {
    "approve": (N_("Approve at once"), "good"),
    "ask_photos": (N_("Ask for photos"), "wait"),
    "supervisor": (N_("Ask a supervisor"), "wait"),
    "refund_without_return": (N_("Refund without return"), "info"),
    "exchange_first": (N_("Offer an exchange first"), "info"),
    "inspect_first": (N_("Inspect before the refund"), "wait"),
    "recall": (N_("Safety recall"), "bad"),
    "policy": (N_("As the policy says"), "quiet"),
}
"""Outcome -> (its words, its tone)."""

ABOUT: dict[str, str] = {
    "approve": N_("Nobody looks at it first, although the policy wants it."),
    "ask_photos": N_("The return cannot be confirmed before a photo is there."),
    "supervisor": N_("It waits for somebody who may decide against the policy."),
    "refund_without_return": N_("The customer keeps the goods and is refunded at once; nothing is sent."),
    "exchange_first": N_("The customer is asked whether they would rather exchange, and may say no."),
    "inspect_first": N_("Money goes back only after the inspection, whatever the policy says."),
    "recall": N_("Approved at once and free; the units go to quarantine, and the shop gets a task."),
}
FIELDS: dict[str, str] = {
    "name": N_("Name"),
    "outcome": N_("Then"),
    "on": N_("On"),
    "reasons": N_("Reason"),
    "conditions": N_("Condition as declared"),
    "categories": N_("Product category"),
    "skus": N_("SKU"),
    "channels": N_("Channel"),
    "value_from": N_("Worth at least"),
    "value_to": N_("Worth at most"),
    "rate_from_bp": N_("Return rate at least"),
    "rate_orders": N_("Of so many newest orders"),
    "returns_from": N_("Earlier returns at least"),
    "returns_days": N_("Within so many days"),
    "grades": N_("Grade"),
    "disposition": N_("Then propose"),
}
WISHES = {"exchange": N_("Wants an exchange"), "refund": N_("Wants the money back")}


def outcome(words: Words, code: str) -> tuple[str, str]:
    """An outcome in words, and its tone; one that is not known is shown as it is."""
    text, tone = OUTCOMES.get(code, (code, "quiet"))
    return words.gettext(text), tone


def asks(words: Words, rule: Rule | DispositionRule, currency: str) -> tuple[tuple[str, str], ...]:
    """(what is looked at, what must be found) for everything that the rule asks; empty: it fits always."""
    return tuple(_asks(words, rule, currency))


def _asks(words: Words, rule: Rule | DispositionRule, currency: str) -> Iterator[tuple[str, str]]:
    def name(field: str) -> str:
        return words.gettext(FIELDS[field])

    if isinstance(rule, DispositionRule) and rule.grades:
        yield name("grades"), ", ".join(words.grade(code) for code in rule.grades)
    if rule.reasons:
        yield name("reasons"), ", ".join(words.reason(code) for code in rule.reasons)
    if rule.conditions:
        yield name("conditions"), ", ".join(words.condition(code) for code in rule.conditions)
    if rule.categories:
        yield name("categories"), ", ".join(rule.categories)
    if isinstance(rule, DispositionRule):
        return
    if rule.skus:
        yield name("skus"), ", ".join(rule.skus)
    if rule.channels:
        yield name("channels"), ", ".join(words.channel(code) for code in rule.channels)
    if rule.value_from is not None:
        yield name("value_from"), words.money(rule.value_from, currency)
    if rule.value_to is not None:
        yield name("value_to"), words.money(rule.value_to, currency)
    if rule.rate_from_bp is not None:
        yield (
            name("rate_from_bp"),
            words.gettext(
                "%(rate)s of the last %(orders)s orders",
                rate=words.percent(rule.rate_from_bp),
                orders=words.number(rule.rate_orders),
            ),
        )
    if rule.returns_from is not None:
        yield (
            name("returns_from"),
            words.gettext(
                "%(units)s within %(days)s days",
                units=words.number(rule.returns_from),
                days=words.number(rule.returns_days),
            ),
        )


def decides(words: Words, rule: Rule | DispositionRule) -> tuple[str, str]:
    """What the rule decides or proposes, and its tone."""
    if isinstance(rule, DispositionRule):
        return words.disposition(rule.disposition), "info"
    return outcome(words, rule.outcome)


def value(words: Words, rule: Rule | DispositionRule, field: str, currency: str) -> str:
    """One field of a rule as it is read."""
    found = getattr(rule, field)
    if field in ("outcome", "disposition"):
        return decides(words, rule)[0]
    if field == "on":
        return words.gettext("On") if found else words.gettext("Off")
    told = {
        "reasons": words.reason,
        "conditions": words.condition,
        "channels": words.channel,
        "grades": words.grade,
    }
    if isinstance(found, tuple):
        return ", ".join(
            told[field](code) if field in told else str(code) for code in found
        ) or words.gettext("Any")
    if found is None:
        return words.gettext("Any")
    if field in ("value_from", "value_to"):
        return words.money(found, currency)
    return words.percent(found) if field == "rate_from_bp" else str(found)


def why(words: Words, decision: Decision, currency: str) -> tuple[tuple[str, str], ...]:
    """(what was looked at, what was found), as the rule that fitted saw it."""
    names = {
        "reason": "reasons", "condition": "conditions", "category": "categories", "sku": "skus",
        "channel": "channels", "rate_bp": "rate_from_bp", "returns": "returns_from",
    }  # fmt: skip
    told = {"reason": words.reason, "condition": words.condition, "channel": words.channel}
    found = []
    for what, item in decision.why:
        if what == "value":
            found.append((words.gettext("Worth"), words.money(int(item), currency)))
        elif what == "rate_bp":
            found.append((words.gettext("Return rate"), words.percent(int(item))))
        elif what == "returns":
            found.append((words.gettext("Earlier returns"), words.number(int(item))))
        else:
            text = told[what](str(item)) if what in told else str(item)
            found.append((words.gettext(FIELDS[names[what]]), text))
    return tuple(found)
