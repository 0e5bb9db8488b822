"""What goods have lost by their condition, their age and their use; the dearest of these counts."""

from collections.abc import Iterator
from typing import Any

from portal.core.facts import LineFacts, Wanted
from portal.core.money import Minor, portion, rounded
from portal.core.policy.terms import Depreciation, Terms
from portal.core.refunds.fees import NOT_THE_CUSTOMER, Fee, fault_of

WORN = ("used", "damaged", "incomplete")
WORN_GRADES = ("C", "D")


def deduction(
    line: LineFacts, wanted: Wanted, terms: Terms, *, goods: Minor, days: int | None, waived: tuple[str, ...]
) -> Fee | None:
    """What is kept back of ``goods`` for condition, age or use; nothing by the merchant's or carrier's fault.

    Rules in ``waived`` are left out before the dearest is chosen.
    """
    if fault_of(wanted) in NOT_THE_CUSTOMER:
        return None
    fees = (_condition(wanted, terms, goods), *_depreciated(line, wanted, terms, goods, days))
    return max(
        (fee for fee in fees if fee is not None and fee.rule not in waived),
        key=lambda fee: fee.amount,
        default=None,
    )


def _condition(wanted: Wanted, terms: Terms, goods: Minor) -> Fee | None:
    """The part withheld for the condition: as inspected once that is known, as declared until then."""
    told = "grade" if wanted.grade else "condition"
    code = wanted.grade or wanted.condition
    part = dict(terms.condition_deductions_bp).get(code or "", 0)
    if not part:
        return None
    return Fee(
        code="condition_deduction",
        rule="condition_deductions",
        amount=portion(goods, part),
        basis={told: code, "percent_bp": part, "of": goods},
    )


def _depreciated(
    line: LineFacts, wanted: Wanted, terms: Terms, goods: Minor, days: int | None
) -> Iterator[Fee]:
    worn = wanted.grade in WORN_GRADES if wanted.grade else wanted.condition in WORN
    for by, much in (("age", days), ("use", wanted.used)):
        rule = _rule(terms, by, line.category)
        if rule is not None and much is not None and (worn or by == "use" or not rule.only_worn):
            yield _by(rule, max(0, much - rule.free), goods)


def _rule(terms: Terms, by: str, category: str) -> Depreciation | None:
    """The record for the category, else the general one."""
    fitting = [one for one in terms.depreciation if one.by == by and one.category in (None, category)]
    return next((one for one in fitting if one.category is not None), next(iter(fitting), None))


def _by(rule: Depreciation, much: int, goods: Minor) -> Fee:
    """Evenly, or by the last step that is reached; never more than the rule says at most."""
    counted = "days" if rule.by == "age" else "used"
    basis: dict[str, Any] = {counted: much, "of": goods}
    if rule.steps:
        part = max((part for start, part in rule.steps if start <= much), default=0)
        amount = portion(goods, part)
        basis["percent_bp"] = part
    else:
        basis[counted] = min(much, rule.over)
        basis[f"of_{counted}"] = rule.over
        amount = rounded(goods * basis[counted], rule.over) if rule.over else 0
    most = portion(goods, rule.most_bp)
    if amount > most:
        amount, basis["most_bp"] = most, rule.most_bp
    return Fee(code="condition_deduction", rule="depreciation", amount=amount, basis=basis)
