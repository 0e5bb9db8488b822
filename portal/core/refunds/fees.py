"""What is to be kept back: restocking, condition, use, missing accessories, a service's part, the way home."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from portal.core.facts import LineFacts, ReturnRequest, Wanted
from portal.core.money import Minor, portion, rounded
from portal.core.policy.terms import RestockingFee, Terms
from portal.core.reasons import REASONS

NOT_THE_CUSTOMER = ("merchant", "carrier")


@dataclass(frozen=True, kw_only=True)
class Fee:
    """So much is to be kept back, by which rule, worked out from what."""

    code: str
    rule: str
    amount: Minor
    basis: dict[str, Any]
    is_price: bool = False
    """The price of what was used up: its tax stays with it. A fee leaves the tax of the goods whole."""


@dataclass(frozen=True, kw_only=True)
class Restocking:
    """The restocking fee as it is for one line: by the tier that fits it, or the same for all."""

    percent_bp: int = 0
    fixed: Minor = 0
    basis: tuple[tuple[str, Any], ...] = ()
    """What chose it."""


def fault_of(wanted: Wanted) -> str:
    """Whose fault the reason says it is; ``none`` where no reason, or an unknown one, is given."""
    reason = REASONS.get(wanted.reason or "")
    return reason.fault if reason else "none"


def at_fault(wanted: Iterable[Wanted]) -> bool:
    """Whether all that comes back does so by the merchant's or the carrier's fault."""
    return all(fault_of(wish) in NOT_THE_CUSTOMER for wish in wanted if wish.units)


def of_line(
    line: LineFacts, wanted: Wanted, terms: Terms, *, goods: Minor, whole: Minor, days: int | None
) -> Iterator[Fee]:
    """The deductions of one line whose returned units cost ``goods`` (``whole`` with all tax), by their age.

    A merchant's or carrier's fault takes nothing off for condition or use.
    """
    if wanted.scope_used:
        yield scope(wanted.scope_used, whole, days=line.recurs)
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
    due = restocking(fee, wanted, days)
    if due.percent_bp:
        yield Fee(
            code="restocking_fee",
            rule="restocking_fee",
            amount=portion(goods, due.percent_bp),
            basis={"percent_bp": due.percent_bp, "of": goods, **dict(due.basis)},
        )
    if due.fixed and fee.per_unit:
        yield Fee(
            code="restocking_fee",
            rule="restocking_fee",
            amount=due.fixed * wanted.units,
            basis={"fixed": due.fixed, "units": wanted.units, **dict(due.basis)},
        )


def of_return(request: ReturnRequest, terms: Terms, *, fixed: Minor) -> Iterator[Fee]:
    """The fees that are due once for the whole return, less those an earlier refund of it took.

    ``fixed`` is the dearest fixed restocking fee among its lines.
    """
    if fixed and "restocking_fee" not in request.fees_taken:
        yield Fee(code="restocking_fee", rule="restocking_fee", amount=fixed, basis={"fixed": fixed})
    postage = postage_due(request, terms)
    if postage and "return_shipping_fee" not in request.fees_taken:
        yield Fee(
            code="return_shipping_fee",
            rule="return_postage",
            amount=postage,
            basis={"postage": postage, "paid_by": terms.return_postage},
        )


def restocking(fee: RestockingFee, wanted: Wanted, days: int | None) -> Restocking:
    """What ``fee`` is for goods that came back so many days after delivery, in that condition."""
    if not fee.tiers:
        return Restocking(percent_bp=fee.percent_bp, fixed=fee.fixed)
    told = wanted.grade or wanted.condition
    for tier in fee.tiers:
        if tier.up_to_days is not None and (days or 0) > tier.up_to_days:
            continue
        if tier.conditions and told not in tier.conditions:
            continue
        basis: list[tuple[str, Any]] = [("days", days)] if tier.up_to_days is not None and days else []
        if tier.conditions:
            basis.append(("grade" if wanted.grade else "condition", told))
        return Restocking(percent_bp=tier.percent_bp, fixed=tier.fixed, basis=tuple(basis))
    return Restocking()


def waived(fee: RestockingFee, wanted: Wanted) -> bool:
    """Whether reason or fault free this line of the restocking fee."""
    return wanted.reason in fee.waived_reasons or fault_of(wanted) in fee.waived_faults


def days_since(line: LineFacts, at: datetime) -> int | None:
    """Whole days since the line was delivered; None where that is not known."""
    return None if line.delivered_at is None else max(0, (at - line.delivered_at).days)


def customer_pays_postage(request: ReturnRequest, terms: Terms) -> bool:
    """Whether the way home is theirs; one item that is not the customer's fault makes it the merchant's."""
    if terms.return_postage == "customer_remorse":
        return not any(fault_of(wanted) in NOT_THE_CUSTOMER for wanted in request.wanted)
    return terms.return_postage == "customer"


def postage_due(request: ReturnRequest, terms: Terms) -> Minor:
    """What is deducted for the way home."""
    return request.postage if customer_pays_postage(request, terms) else 0


def scope(used: tuple[int, int], whole: Minor, *, days: bool = False) -> Fee:
    """The part of a service that was done, in proportion; all of it where there was nothing to do.

    ``days``: it is counted in days of the period that was paid for.
    """
    done, of = max(0, min(used)), used[1]
    amount = rounded(whole * done, of) if of > 0 else whole
    basis = {"done": done, "of_scope": of, "of": whole}
    return Fee(
        code="condition_deduction",
        rule="scope_used",
        amount=amount,
        basis={**basis, "in": "days"} if days else basis,
        is_price=True,
    )
