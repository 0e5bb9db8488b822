"""What is to be kept back: restocking, condition, use, missing accessories, the way home."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from portal.core.facts import LineFacts, ReturnRequest, Wanted
from portal.core.money import Minor, portion, rounded
from portal.core.policy.terms import RestockingFee, Terms
from portal.core.reasons import REASONS

NOT_THE_CUSTOMER = ("merchant", "carrier")
WORN = ("used", "damaged", "incomplete")
WORN_GRADES = ("C", "D")


@dataclass(frozen=True, kw_only=True)
class Fee:
    """So much is to be kept back, by which rule, worked out from what."""

    code: str
    rule: str
    amount: Minor
    basis: dict[str, Any]


def fault_of(wanted: Wanted) -> str:
    """Whose fault the reason says it is; ``none`` where no reason, or an unknown one, is given."""
    reason = REASONS.get(wanted.reason or "")
    return reason.fault if reason else "none"


def of_line(line: LineFacts, wanted: Wanted, terms: Terms, *, goods: Minor, at: datetime) -> Iterator[Fee]:
    """The deductions of one line whose returned units cost ``goods``; ``at`` is when it was asked for.

    A merchant's or carrier's fault takes nothing off for condition or use.
    """
    worn = max(
        (fee for fee in (_condition(wanted, terms, goods), _use(line, wanted, terms, goods, at)) if fee),
        key=lambda fee: fee.amount,
        default=None,
    )
    if worn:
        yield worn
    prices = dict(terms.accessory_deductions)
    for accessory in wanted.missing_accessories:
        if prices.get(accessory) and wanted.reason != "missing_parts":
            yield Fee(
                code="missing_accessory_deduction",
                rule="accessory_deductions",
                amount=prices[accessory],
                basis={"accessory": accessory},
            )
    fee = terms.restocking_fee
    if waived(fee, wanted):
        return
    if fee.percent_bp:
        yield Fee(
            code="restocking_fee",
            rule="restocking_fee",
            amount=portion(goods, fee.percent_bp),
            basis={"percent_bp": fee.percent_bp, "of": goods},
        )
    if fee.fixed and fee.per_unit:
        yield Fee(
            code="restocking_fee",
            rule="restocking_fee",
            amount=fee.fixed * wanted.units,
            basis={"fixed": fee.fixed, "units": wanted.units},
        )


def of_return(request: ReturnRequest, terms: Terms) -> Iterator[Fee]:
    """The fees that are due once for the whole return, less those an earlier refund of it took."""
    fee = terms.restocking_fee
    if fee.fixed and not fee.per_unit and "restocking_fee" not in request.fees_taken:
        yield Fee(code="restocking_fee", rule="restocking_fee", amount=fee.fixed, basis={"fixed": fee.fixed})
    postage = postage_due(request, terms)
    if postage and "return_shipping_fee" not in request.fees_taken:
        yield Fee(
            code="return_shipping_fee",
            rule="return_postage",
            amount=postage,
            basis={"postage": postage, "paid_by": terms.return_postage},
        )


def waived(fee: RestockingFee, wanted: Wanted) -> bool:
    """Whether reason or fault free this line of the restocking fee."""
    return wanted.reason in fee.waived_reasons or fault_of(wanted) in fee.waived_faults


def customer_pays_postage(request: ReturnRequest, terms: Terms) -> bool:
    """Whether the way home is theirs; one item that is not the customer's fault makes it the merchant's."""
    if terms.return_postage == "customer_remorse":
        return not any(fault_of(wanted) in NOT_THE_CUSTOMER for wanted in request.wanted)
    return terms.return_postage == "customer"


def postage_due(request: ReturnRequest, terms: Terms) -> Minor:
    """What is deducted for the way home."""
    return request.postage if customer_pays_postage(request, terms) else 0


def _condition(wanted: Wanted, terms: Terms, goods: Minor) -> Fee | None:
    """The part withheld for the condition: as inspected once that is known, as declared until then."""
    told = "grade" if wanted.grade else "condition"
    code = wanted.grade or wanted.condition
    part = dict(terms.condition_deductions_bp).get(code or "", 0)
    if not part or fault_of(wanted) in NOT_THE_CUSTOMER:
        return None
    return Fee(
        code="condition_deduction",
        rule="condition_deductions",
        amount=portion(goods, part),
        basis={told: code, "percent_bp": part, "of": goods},
    )


def _use(line: LineFacts, wanted: Wanted, terms: Terms, goods: Minor, at: datetime) -> Fee | None:
    """Straight-line depreciation of a used unit from delivery to the day it was asked to send it back."""
    used = wanted.grade in WORN_GRADES if wanted.grade else wanted.condition in WORN
    rule = next((one for one in terms.depreciation if one.by == "age" and one.category is None), None)
    if rule is None or not used or line.delivered_at is None or fault_of(wanted) in NOT_THE_CUSTOMER:
        return None
    age = (at - line.delivered_at).days
    days = min(rule.over, max(0, age - rule.free))
    return Fee(
        code="condition_deduction",
        rule="depreciation",
        amount=rounded(goods * days, rule.over),
        basis={"days": days, "of_days": rule.over, "of": goods},
    )
