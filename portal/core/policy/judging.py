"""What terms may say: codes that exist, parts of at most the whole, steps that rise; every fault with its path."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from portal.core.access import ROLES
from portal.core.promotions import BUY_GET, FREE_SHIPPING, QUANTITY, SPEND
from portal.core.reasons import CONDITIONS, GRADES, REASONS

if TYPE_CHECKING:
    from portal.core.policy.terms import Deal, Depreciation, RestockingFee, Terms

CHARGE_RULES = ("never", "full_return", "proportion", "fault", "law")
WORDS = {
    "refund_shipping": CHARGE_RULES,
    "refund_duties": CHARGE_RULES,
    "refund_fees": CHARGE_RULES,
    "promotions": ("keep", "re_evaluate"),
    "return_postage": ("merchant", "customer", "customer_remorse"),
    "bundles": ("parts", "whole"),
    "cancel_shipping": ("keep", "re_evaluate"),
    "refund_trigger": ("on_receipt", "on_inspection", "manual"),
}
"""Fields of the terms that are one of a few words."""

DEALS = (SPEND, QUANTITY, BUY_GET, FREE_SHIPPING)
"""Kinds of deal whose conditions a shop states; the parts of a bundle are told by the order itself."""

WHOLE_BP = 10_000


def judged(terms: "Terms") -> list[str]:
    """All that is wrong with ``terms`` whose types are right; empty when nothing is."""
    return list(_faults(terms))


def _faults(terms: "Terms") -> Iterator[str]:
    for name, allowed in WORDS.items():
        if getattr(terms, name) not in allowed:
            yield f"policy.{name}: one of {', '.join(allowed)}, not {getattr(terms, name)!r}"
    for name in ("photo_reasons", "approval_reasons"):
        yield from _unknown(f"policy.{name}", getattr(terms, name) or (), REASONS, "reason")
    for i, window in enumerate(terms.windows):
        if window.reason is not None:
            yield from _unknown(f"policy.windows[{i}].reason", (window.reason,), REASONS, "reason")
    for code, part in terms.condition_deductions_bp:
        yield from _at_most_all(f"policy.condition_deductions_bp.{code}", part)
    for i, deal in enumerate(terms.deals):
        yield from _deal(f"policy.deals[{i}]", deal)
    yield from _restocking("policy.restocking_fee", terms.restocking_fee)
    for i, depreciation in enumerate(terms.depreciation):
        yield from _depreciation(f"policy.depreciation[{i}]", depreciation)
    yield from _cancellations(terms)
    for name in CLOCKS:
        if getattr(terms, name) < 1:
            yield f"policy.{name}: at least 1"
    yield from _unknown("policy.refund_limits", (role for role, _ in terms.refund_limits), ROLES, "role")


CLOCKS = ("approval_hours", "inspection_hours", "refund_hours", "info_days", "dispute_hours", "offer_days")
"""Within what time people, or customers, mean to have answered: never at once, never not at all."""


def _cancellations(terms: "Terms") -> Iterator[str]:
    if terms.cancellation_hours < 1:
        yield "policy.cancellation_hours: at least 1"
    if terms.cancel_shipping == "re_evaluate" and not terms.shipping_tiers:
        yield "policy.shipping_tiers: at least one is needed"
    starts = [tier.from_goods for tier in terms.shipping_tiers]
    if starts != sorted(set(starts)):
        yield "policy.shipping_tiers: each must start at more than the one before"


def _deal(path: str, deal: "Deal") -> Iterator[str]:
    if not deal.code.strip():
        yield f"{path}.code: the name that the shop gives it is needed"
    if deal.kind not in DEALS:
        yield f"{path}.kind: one of {', '.join(DEALS)}, not {deal.kind!r}"
    elif deal.kind == BUY_GET and not (deal.buy and deal.get):
        yield f"{path}: buy and get are needed"
    elif deal.kind != BUY_GET and not deal.steps:
        yield f"{path}.steps: at least one is needed"
    yield from _at_most_all(f"{path}.percent_bp", deal.percent_bp)
    for i, step in enumerate(deal.steps):
        yield from _at_most_all(f"{path}.steps[{i}].percent_bp", step.percent_bp)


def _restocking(path: str, fee: "RestockingFee") -> Iterator[str]:
    yield from _at_most_all(f"{path}.percent_bp", fee.percent_bp)
    for i, tier in enumerate(fee.tiers):
        yield from _at_most_all(f"{path}.tiers[{i}].percent_bp", tier.percent_bp)
        known = (*CONDITIONS, *GRADES)
        yield from _unknown(f"{path}.tiers[{i}].conditions", tier.conditions, known, "condition or grade")


def _depreciation(path: str, depreciation: "Depreciation") -> Iterator[str]:
    if depreciation.by not in ("age", "use"):
        yield f"{path}.by: one of age, use, not {depreciation.by!r}"
    if bool(depreciation.over) == bool(depreciation.steps):
        yield f"{path}: either over or steps is needed"
    yield from _at_most_all(f"{path}.most_bp", depreciation.most_bp)
    for i, (_, part) in enumerate(depreciation.steps):
        yield from _at_most_all(f"{path}.steps[{i}][1]", part)
    starts = [start for start, _ in depreciation.steps]
    if starts != sorted(set(starts)):
        yield f"{path}.steps: each must start later than the one before"
    parts = [part for _, part in depreciation.steps]
    if parts != sorted(parts):
        yield f"{path}.steps: what is gone does not come back"


def _at_most_all(path: str, part: int) -> Iterator[str]:
    if part > WHOLE_BP:
        yield f"{path}: at most {WHOLE_BP} (100 %)"


def _unknown(path: str, codes: Iterable[str], known: Iterable[str], what: str) -> Iterator[str]:
    yield from (f"{path}: {code!r} is no {what}" for code in codes if code not in known)
