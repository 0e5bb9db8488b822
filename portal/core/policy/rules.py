"""The rules: one function each, from the case to its objections. All are asked, none hides another."""

from collections.abc import Callable, Iterable, Iterator
from uuid import UUID

from portal.core.facts import (
    CANCELLATIONS,
    CHARGES,
    KEEP,
    MERCHANDISE,
    SERVICE,
    LineFacts,
    OrderFacts,
    ReturnRequest,
    Wanted,
)
from portal.core.money import Minor
from portal.core.policy.cases import REFUSED, REVIEW, Case, Finding
from portal.core.policy.terms import Terms
from portal.core.policy.windows import matching_window, returnable_until, window_days
from portal.core.reasons import CONDITIONS, GRADES, REASONS
from portal.core.refunds.fees import fault_of
from portal.core.refunds.values import paid_for
from portal.core.spans import count, free, lowest

Rule = Callable[[Case], Iterable[Finding]]
LineRule = Callable[[Case, Wanted, LineFacts], Iterable[Finding]]
ShapeRule = Callable[[Case, Wanted], Iterable[Finding]]


def ask(case: Case) -> Iterator[Finding]:
    """Every rule's objections: those to the whole return first, then line by line as asked for.

    Where nothing is sent back (goods that stay, units that were never sent) only the units are judged.
    """
    sent = _is_return(case)
    for rule in WHOLE:
        yield from rule(case)
    lines = {line.id: line for line in case.order.lines} if case.order else {}
    for wanted in case.request.wanted:
        for shape in SHAPE if sent else (positive_units, known_words):
            yield from shape(case, wanted)
        line = lines.get(wanted.line_id)
        if line is not None:
            yield from ask_line(case, wanted, line, ELIGIBILITY if sent else (no_charge,))
        elif case.order is not None:
            yield Finding(code="unknown_line", weight=REFUSED, rule="order", line_id=wanted.line_id)
    if case.order is not None:
        yield from quantity(case, lines)


def ask_line(case: Case, wanted: Wanted, line: LineFacts, rules: Iterable[LineRule]) -> Iterator[Finding]:
    """The objections of ``rules`` to one line."""
    for rule in rules:
        yield from rule(case, wanted, line)


# ------------------------------------------------------------------------------------- the whole return


def active(case: Case) -> Iterator[Finding]:
    if not case.terms.active:
        yield Finding(code="policy_inactive", weight=REFUSED, rule="active")


def chosen(case: Case) -> Iterator[Finding]:
    if not any(wanted.units > 0 for wanted in case.request.wanted):
        yield Finding(code="nothing_chosen", weight=REFUSED, rule="wanted")


def sale_on_record(case: Case) -> Iterator[Finding]:
    """Without an order there is nothing to check against: a person decides."""
    if case.order is None:
        yield Finding(code="no_record_of_sale", weight=REVIEW, rule="order_source", details={"role": "csr"})


def always_approved(case: Case) -> Iterator[Finding]:
    if not case.terms.auto_approve:
        yield Finding(code="approval_always", weight=REVIEW, rule="auto_approve", details={"role": "csr"})


def value(case: Case) -> Iterator[Finding]:
    """A return worth more than the limit needs a supervisor."""
    limit = case.terms.approval_value
    if limit is None or case.order is None:
        return
    total = worth(case.order, case.request)
    if total > limit:
        details: dict[str, object] = {"role": "supervisor", "maximum": limit, "value": total}
        yield Finding(code="approval_by_value", weight=REVIEW, rule="approval_value", details=details)


# ----------------------------------------------------------------------- what was said about a line


def positive_units(case: Case, wanted: Wanted) -> Iterator[Finding]:
    if wanted.units <= 0:
        yield Finding(
            code="units_not_positive",
            weight=REFUSED,
            rule="wanted",
            line_id=wanted.line_id,
            details={"units": wanted.units},
        )


def known_words(case: Case, wanted: Wanted) -> Iterator[Finding]:
    if wanted.reason is not None and wanted.reason not in REASONS:
        yield _unknown("unknown_reason", wanted, wanted.reason)
    if wanted.condition is not None and wanted.condition not in CONDITIONS:
        yield _unknown("unknown_condition", wanted, wanted.condition)
    if wanted.grade is not None and wanted.grade not in GRADES:
        yield _unknown("unknown_condition", wanted, wanted.grade)


def photos(case: Case, wanted: Wanted) -> Iterator[Finding]:
    if needs_photo(wanted.reason, case.terms) and not wanted.photos:
        details: dict[str, object] = {"reason": wanted.reason, "maximum": case.terms.max_photos}
        yield Finding(
            code="picture_requested",
            weight=REFUSED,
            rule="photo_reasons",
            line_id=wanted.line_id,
            details=details,
        )
    if wanted.photos > case.terms.max_photos:
        yield Finding(
            code="too_many_photos",
            weight=REFUSED,
            rule="max_photos",
            line_id=wanted.line_id,
            details={"maximum": case.terms.max_photos},
        )


def note(case: Case, wanted: Wanted) -> Iterator[Finding]:
    reason = REASONS.get(wanted.reason or "")
    if reason and reason.note_required and not wanted.note.strip():
        yield Finding(
            code="more_information",
            weight=REFUSED,
            rule="note_required",
            line_id=wanted.line_id,
            details={"reason": reason.code},
        )


def approval(case: Case, wanted: Wanted) -> Iterator[Finding]:
    """Reasons and conditions that a person looks at first."""
    if wanted.reason in case.terms.approval_reasons:
        details: dict[str, object] = {"role": "csr", "reason": wanted.reason}
        yield Finding(
            code="approval_by_reason",
            weight=REVIEW,
            rule="approval_reasons",
            line_id=wanted.line_id,
            details=details,
        )
    for told in (wanted.condition, wanted.grade):
        if told in case.terms.approval_conditions:
            yield Finding(
                code="approval_by_condition",
                weight=REVIEW,
                rule="approval_conditions",
                line_id=wanted.line_id,
                details={"role": "csr", "condition": told},
            )


# ------------------------------------------------------------------------- what was bought, and when


def merchandise(case: Case, wanted: Wanted, line: LineFacts) -> Iterator[Finding]:
    """Of what is no merchandise only a service goes back, as far as it was not done yet."""
    if line.kind != MERCHANDISE and not (line.kind == SERVICE and wanted.scope_used):
        yield _not_merchandise(line)


def no_charge(case: Case, wanted: Wanted, line: LineFacts) -> Iterator[Finding]:
    """Charges go back by their own rules, never as units."""
    if line.kind in CHARGES:
        yield _not_merchandise(line)


def category(case: Case, wanted: Wanted, line: LineFacts) -> Iterator[Finding]:
    if line.category and line.category in case.terms.excluded_categories:
        details: dict[str, object] = {"category": line.category}
        yield Finding(
            code="not_eligible_category",
            weight=REFUSED,
            rule="excluded_categories",
            line_id=line.id,
            details=details,
        )


def final_sale(case: Case, wanted: Wanted, line: LineFacts) -> Iterator[Finding]:
    """Sold for good, unless it is the merchant's or the carrier's fault, as the terms say."""
    by_category = bool(line.category) and line.category in case.terms.final_sale_categories
    if not (line.final_sale or by_category) or fault_of(wanted) in case.terms.final_sale_except_faults:
        return
    yield Finding(
        code="final_sale",
        weight=REFUSED,
        rule="final_sale_categories" if by_category else "final_sale",
        line_id=line.id,
        details={"except_faults": list(case.terms.final_sale_except_faults)},
    )


def window(case: Case, wanted: Wanted, line: LineFacts) -> Iterator[Finding]:
    """The last day is inclusive. A warranty claim past it is for a person to decide."""
    if line.kind != MERCHANDISE or case.order is None or not line.shipped:
        return
    last_day = returnable_until(line, case.terms, case.order, reason=wanted.reason, zone=case.zone)
    if last_day is not None and case.day > last_day:
        yield Finding(
            code="window_expired",
            weight=REVIEW if case.request.kind == "warranty" else REFUSED,
            rule="windows" if matching_window(line.category, wanted.reason, case.terms) else "window_days",
            line_id=line.id,
            details={
                "last_day": last_day,
                "days": window_days(line.category, wanted.reason, case.terms),
                "role": "supervisor",
            },
        )


def returned_before(case: Case, wanted: Wanted, line: LineFacts) -> Iterator[Finding]:
    """Nothing was sent yet, or all that was sent is in a return already."""
    if line.kind != MERCHANDISE or wanted.spans or line.returnable_units:
        return
    unshipped = line.unshipped_units
    if unshipped:
        yield Finding(
            code="not_shipped_yet",
            weight=REFUSED,
            rule="shipped",
            line_id=line.id,
            details={"unshipped": unshipped, "offer": "cancel"},
        )
    if line.shipped and count(line.claimed):
        details: dict[str, object] = {"maximum": 0, "returned": count(line.claimed)}
        yield Finding(
            code="already_returned", weight=REFUSED, rule="returnable", line_id=line.id, details=details
        )
    elif not unshipped:
        details = {"maximum": 0, "canceled": count(line.canceled)}
        yield Finding(
            code="too_many_units", weight=REFUSED, rule="returnable", line_id=line.id, details=details
        )


def quantity(case: Case, lines: dict[UUID, LineFacts]) -> Iterator[Finding]:
    """Units asked for, added up per line, against those shipped less those returned and canceled."""
    asked: dict[UUID, int] = {}
    held: dict[UUID, int] = {}
    for wanted in case.request.wanted:
        asked[wanted.line_id] = asked.get(wanted.line_id, 0) + max(0, wanted.units)
        held[wanted.line_id] = held.get(wanted.line_id, 0) + count(wanted.spans)
    for line_id, units in asked.items():
        line = lines.get(line_id)
        if line is None or line.kind in CHARGES:
            continue
        maximum = _there(case, line) + held[line_id]
        told_already = maximum == 0 and _is_return(case) and line.kind == MERCHANDISE
        if units > maximum and not told_already:
            yield Finding(
                code="too_many_units",
                weight=REFUSED,
                rule="returnable",
                line_id=line_id,
                details={"maximum": maximum, "wanted": units, "unshipped": line.unshipped_units},
            )


def _is_return(case: Case) -> bool:
    return case.request.kind not in (KEEP, *CANCELLATIONS)


def _there(case: Case, line: LineFacts) -> int:
    """How many units such a request can be for: sent ones, unsent ones, or those the customer has or will get."""
    if case.request.kind in CANCELLATIONS:
        return line.unshipped_units
    if _is_return(case) and line.kind == MERCHANDISE:
        return line.returnable_units
    return max(0, line.units - count(line.canceled) - count(line.claimed) - count(line.held))


WHOLE: tuple[Rule, ...] = (active, chosen, sale_on_record, always_approved, value)
SHAPE: tuple[ShapeRule, ...] = (positive_units, known_words, photos, note, approval)
ELIGIBILITY: tuple[LineRule, ...] = (merchandise, category, final_sale, window, returned_before)


# ------------------------------------------------------------------------------------------- asked by pages


def needs_photo(reason: str | None, terms: Terms) -> bool:
    """Whether that reason asks for a photo."""
    if terms.photo_reasons is not None:
        return reason in terms.photo_reasons
    known = REASONS.get(reason or "")
    return known is not None and known.photo == "required"


def _not_merchandise(line: LineFacts) -> Finding:
    return Finding(
        code="not_merchandise", weight=REFUSED, rule="kind", line_id=line.id, details={"kind": line.kind}
    )


def _unknown(code: str, wanted: Wanted, word: str) -> Finding:
    return Finding(
        code=code, weight=REFUSED, rule="vocabulary", line_id=wanted.line_id, details={"given": word}
    )


def worth(order: OrderFacts, request: ReturnRequest) -> Minor:
    """What was paid for the units asked for, as far as there are so many; of those that stay what is given."""
    lines = {line.id: line for line in order.lines}
    total = 0
    taken: dict[UUID, int] = {}
    for wanted in request.wanted:
        line = lines.get(wanted.line_id)
        if line is None or wanted.units <= 0:
            continue
        if wanted.allowance is not None:
            total += max(0, wanted.allowance)
            continue
        room = wanted.spans or free((*line.canceled, *line.claimed, *line.held), line.units)
        before = 0 if wanted.spans else taken.get(line.id, 0)
        upto = min(before + wanted.units, count(room))
        taken[line.id] = before if wanted.spans else upto
        total += paid_for(line, lowest(room, upto))[0] - paid_for(line, lowest(room, min(before, upto)))[0]
    return total
