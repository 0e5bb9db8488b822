"""What is given on top of what is owed: goodwill and the bonus for store credit, capped and kept apart."""

from portal.core.access import PERMISSIONS
from portal.core.facts import Addition, ReturnRequest
from portal.core.money import Minor, portion
from portal.core.policy.terms import Terms
from portal.core.refunds.breakdown import ADDITIONS, Negative, NotGranted, Row, TooMuch


def granted(credited: Minor, request: ReturnRequest, terms: Terms, *, room: Minor) -> tuple[Row, ...]:
    """The additions persons grant, and the bonus that the terms give for taking store credit, as rows.

    ``credited`` is what of the refund becomes store credit. ``room`` is what the payments have left beyond
    what is owed; goodwill stays within it and within its cap. What a person names is never lowered
    silently: raises ``TooMuch`` with the maximum, ``Negative``, ``NotGranted``.
    """
    left = {"goodwill": max(0, min(terms.goodwill_cap, room)), "bonus_credit": terms.store_credit_bonus_cap}
    rows = []
    for addition in request.extra:
        row = _granted(addition, left)
        left[row.code] -= row.amount
        rows.append(row)
    if request.resolution == "store_credit":
        bonus = min(portion(credited, terms.store_credit_bonus_bp), left["bonus_credit"])
        if bonus > 0:
            basis = {
                "percent_bp": terms.store_credit_bonus_bp,
                "of": credited,
                "maximum": terms.store_credit_bonus_cap,
            }
            rows.append(Row(code="bonus_credit", amount=bonus, rule="store_credit_bonus", basis=basis))
    return tuple(rows)


def _granted(addition: Addition, left: dict[str, Minor]) -> Row:
    if addition.code not in ADDITIONS:
        raise NotGranted("code")
    if not addition.reason.strip():
        raise NotGranted("reason")
    if addition.granted_by not in PERMISSIONS["refunds.approve"]:
        raise NotGranted("role")
    if addition.amount < 0:
        raise Negative(f"{addition.amount} is negative")
    if addition.amount > left[addition.code]:
        raise TooMuch(addition.code, left[addition.code])
    return Row(
        code=addition.code,
        amount=addition.amount,
        rule="goodwill" if addition.code == "goodwill" else "store_credit_bonus",
        basis={"reason": addition.reason, "granted_by": addition.granted_by},
    )
