"""What may be taken out of an order that was not shipped: judged by unit, every objection at once."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, tzinfo
from uuid import UUID

from portal.core import bundled, subscriptions
from portal.core.facts import CHARGES, NEXT_PERIOD, LineFacts, OrderFacts, ReturnRequest, Wanted
from portal.core.logistics import LOGISTICS
from portal.core.logistics import Constraint as Constraint
from portal.core.policy.cases import REFUSED, Finding
from portal.core.policy.rules import worth
from portal.core.policy.terms import Terms
from portal.core.policy.verdict import Verdict
from portal.core.refunds import sources
from portal.core.spans import Span, count, without
from portal.core.totals import Totals as Totals
from portal.core.totals import after as after
from portal.core.totals import totals as totals

REASONS = (
    "ordered_by_mistake",
    "changed_mind",
    "unwanted_part",
    "service_not_needed",
    "gift_changed",
    "better_price_found",
    "arrives_too_late",
    "duplicate_order",
    "other",
)
"""Why somebody takes something out of an order; nobody has to say."""

_NOT_CANCELABLE = (*CHARGES, "discount")


@dataclass(frozen=True, kw_only=True)
class CancelOffer:
    """What may be taken out of one line: how many units, and why the others may not."""

    line_id: UUID
    units: int
    findings: tuple[Finding, ...]
    """All that stands against units of the line, each with how many; also where other units may go."""
    endings: tuple[str, ...]
    """How a service may end, the first one proposed; ``("",)`` for whatever is just taken out."""
    until: datetime | None = None
    """A cut-off that is still ahead."""

    @property
    def choosable(self) -> bool:
        return self.units > 0


def offers(
    order: OrderFacts,
    terms: Terms,
    constraints: Iterable[Constraint] = (),
    *,
    now: datetime,
    zone: tzinfo = UTC,
    by_customer: bool = True,
) -> tuple[CancelOffer, ...]:
    """Per thing bought, in the order of the receipt, how many of its units may be taken out."""
    told, day = _by_line(constraints), now.astimezone(zone).date()
    whole = tuple(_of_order(order, terms, by_customer))
    found = []
    for line in order.items:
        room = _room(line, told.get(line.id, ()), now, day)
        found.append(
            CancelOffer(
                line_id=line.id,
                units=0 if whole else room.units,
                findings=(*whole, *room.findings),
                endings=subscriptions.endings(line, on=day),
                until=room.until,
            )
        )
    return tuple(found)


def judge(
    order: OrderFacts,
    request: ReturnRequest,
    terms: Terms,
    constraints: Iterable[Constraint] = (),
    *,
    now: datetime,
    zone: tzinfo = UTC,
    by_customer: bool = True,
) -> Verdict:
    """All that stands against taking those units out, at once, each with its rule.

    Units that the request itself holds (``Wanted.spans``) are no objection to it. ``by_customer``: the
    customer asks; what an agent asks for does not need the shop to offer it to customers.
    """
    told, day = _by_line(constraints), now.astimezone(zone).date()
    lines = {line.id: line for line in order.lines}
    findings = [*_of_order(order, terms, by_customer), *_of_request(order, request)]
    asked: dict[UUID, int] = {}
    mine: dict[UUID, tuple[Span, ...]] = {}
    for wanted in request.wanted:
        asked[wanted.line_id] = asked.get(wanted.line_id, 0) + max(0, wanted.units)
        mine[wanted.line_id] = (*mine.get(wanted.line_id, ()), *wanted.spans)
        findings += _of_wish(lines.get(wanted.line_id), wanted, day)
    for line_id, units in asked.items():
        if (line := lines.get(line_id)) is not None and units:
            held = replace(line, held=without(line.held, mine[line_id]))
            findings += _of_units(line, units, _room(held, told.get(line_id, ()), now, day))
    findings += _of_bundles(order, asked, terms)
    once = {(f.code, f.rule, f.line_id, str(f.details)): f for f in findings}
    return Verdict(findings=tuple(once.values()), policy_version=terms.version)


def by_terms(order: OrderFacts | None, request: ReturnRequest, terms: Terms) -> Verdict:
    """What the terms alone say to a cancellation of the past: where its units were then is known no more."""
    findings: list[Finding] = []
    if not terms.active:
        findings.append(Finding(code="policy_inactive", weight=REFUSED, rule="active"))
    if order is not None:
        asked: dict[UUID, int] = {}
        for wanted in request.wanted:
            asked[wanted.line_id] = asked.get(wanted.line_id, 0) + max(0, wanted.units)
        findings += _of_bundles(order, asked, terms)
    return Verdict(findings=tuple(findings), policy_version=terms.version)


def completed(order: OrderFacts, request: ReturnRequest) -> ReturnRequest:
    """``request`` with what goes along: the name of a bundle of which nothing stays, the parts of a whole one."""
    asked: dict[UUID, int] = {}
    for wanted in request.wanted:
        asked[wanted.line_id] = asked.get(wanted.line_id, 0) + max(0, wanted.units)
    more = bundled.along(order, asked)
    reason = request.wanted[0].reason if request.wanted else None
    grown = []
    for wanted in request.wanted:
        units = more.pop(wanted.line_id, 0) if wanted.units > 0 else 0
        grown.append(replace(wanted, units=wanted.units + units) if units else wanted)
    added = (Wanted(line_id=line_id, units=units, reason=reason) for line_id, units in more.items())
    return replace(request, wanted=(*grown, *added))


def prepared(order: OrderFacts, request: ReturnRequest, *, zone: tzinfo = UTC) -> ReturnRequest:
    """``request`` with how much of its services was had on the day it was made, which the engine goes by."""
    day = request.requested_at.astimezone(zone).date()
    lines = {line.id: line for line in order.lines}

    def with_use(wanted: Wanted) -> Wanted:
        line = lines.get(wanted.line_id)
        if line is None or not wanted.ending or wanted.scope_used is not None:
            return wanted
        return replace(wanted, scope_used=subscriptions.ended(line, wanted.ending, on=day).scope_used)

    return replace(request, wanted=tuple(with_use(wanted) for wanted in request.wanted))


# ----------------------------------------------------------------------------------------- the whole order


def _of_order(order: OrderFacts, terms: Terms, by_customer: bool) -> Iterator[Finding]:
    if not terms.active:
        yield Finding(code="policy_inactive", weight=REFUSED, rule="active")
    elif by_customer and not (terms.cancellations and terms.by_customer):
        yield Finding(code="cancellations_off", weight=REFUSED, rule="cancellations")
    if order.state == "canceled":
        yield Finding(code="order_canceled", weight=REFUSED, rule="state")
    elif order.state != "confirmed":
        yield Finding(
            code="order_not_confirmed", weight=REFUSED, rule="state", details={"state": order.state}
        )


def _of_request(order: OrderFacts, request: ReturnRequest) -> Iterator[Finding]:
    if not any(wanted.units > 0 for wanted in request.wanted):
        yield Finding(code="nothing_chosen", weight=REFUSED, rule="wanted")
    back = replace(request, wanted=tuple(one for one in request.wanted if one.ending != NEXT_PERIOD))
    if order.disputed and worth(order, back) > sources.left(order):
        yield Finding(
            code="payment_disputed",
            weight=REFUSED,
            rule="payments",
            details={"maximum": sources.left(order), "disputed": order.disputed},
        )


# ------------------------------------------------------------------------------------------- line by line


@dataclass(frozen=True, kw_only=True)
class _Room:
    """How many units of a line may be taken out, and what stands against the others."""

    units: int
    findings: tuple[Finding, ...]
    until: datetime | None = None


def _room(line: LineFacts, told: tuple[Constraint, ...], now: datetime, day: date) -> _Room:
    if line.kind in _NOT_CANCELABLE:
        return _Room(units=0, findings=(_finding("not_cancelable", "kind", line, kind=line.kind),))
    if line.recurs and (over := tuple(_over(line, day))):
        return _Room(units=0, findings=over)
    sent, picked = _sent(line, told)
    gone = count(line.canceled) + count(line.held)
    free = max(0, min(line.units - gone - sent - picked, line.units - gone - count(line.claimed)))
    findings = list(_taken(line, sent, picked))
    blocked = 0
    for code, units, details in _tied(line, told, now):
        n = free if units is None else min(units, free)
        blocked += n
        if n:
            findings.append(_finding(code, "logistics", line, units=n, **details))
    ahead = [at for at in _cut_offs(line, told) if at is not None and at >= now]
    return _Room(units=max(0, free - blocked), findings=tuple(findings), until=min(ahead, default=None))


def _over(line: LineFacts, day: date) -> Iterator[Finding]:
    if line.ends_on is not None:
        yield _finding("service_ending", "service", line, ends_on=line.ends_on)
    elif line.period_end is not None and line.period_end < day:
        yield _finding("service_over", "service", line, last_day=line.period_end)


def _sent(line: LineFacts, told: tuple[Constraint, ...]) -> tuple[int, int]:
    """Units sent and picked, by whoever knows of more. A service that recurs is never sent."""
    if line.recurs:
        return 0, 0
    most = {"shipped": line.shipped, "picking": 0}
    for one in told:
        if one.code in most:
            most[one.code] = max(most[one.code], line.units if one.units is None else one.units)
    sent = min(line.units, most["shipped"])
    picked = max(most["picking"], line.picked - (sent - line.shipped))
    return sent, max(0, min(picked, line.units - sent))


def _taken(line: LineFacts, sent: int, picked: int) -> Iterator[Finding]:
    """What has become of units already."""
    counts = {
        "already_canceled": count(line.canceled),
        "already_returned": count(line.claimed),
        "already_shipped": max(0, sent - count(line.claimed)),
        "being_picked": picked,
        "held_by_proposal": count(line.held),
    }
    rules = {"already_shipped": "shipped", "being_picked": "picked", "held_by_proposal": "held"}
    for code, units in counts.items():
        if units:
            yield _finding(code, rules.get(code, "taken"), line, units=units)


def _tied(
    line: LineFacts, told: tuple[Constraint, ...], now: datetime
) -> Iterator[tuple[str, int | None, dict[str, object]]]:
    """What ties units that are still there to somebody else's work: (finding, units, details); None: all."""
    found: dict[str, tuple[int | None, dict[str, object]]] = {
        code: (None, {"by": "line"}) for code in line.logistics if code in LOGISTICS
    }
    if line.cut_off is not None and line.cut_off < now:
        found["past_cut_off"] = (None, {"by": "line", "until": line.cut_off})
    for one in told:
        if one.code == "cut_off" and (one.until is None or one.until < now):
            code, details = "past_cut_off", {"by": one.by, **({"until": one.until} if one.until else {})}
        elif one.code in LOGISTICS:
            code, details = one.code, {"by": one.by}
        else:
            continue
        if code not in found:
            found[code] = (one.units, details)
            continue
        units, before = found[code]
        both = None if units is None or one.units is None else max(units, one.units)
        found[code] = (both, before)
    yield from ((code, units, details) for code, (units, details) in found.items())


def _cut_offs(line: LineFacts, told: tuple[Constraint, ...]) -> Iterator[datetime | None]:
    yield line.cut_off
    yield from (one.until for one in told if one.code == "cut_off")


def _of_wish(line: LineFacts | None, wanted: Wanted, day: date) -> Iterator[Finding]:
    """What is wrong with what was said about a line."""
    if line is None:
        yield Finding(code="unknown_line", weight=REFUSED, rule="order", line_id=wanted.line_id)
        return
    if wanted.units <= 0:
        yield _finding("units_not_positive", "wanted", line, units=wanted.units)
        return
    possible = subscriptions.endings(line, on=day)
    if wanted.ending not in possible and line.ends_on is None and not tuple(_over(line, day)):
        yield _finding("ending_unknown", "service", line, given=wanted.ending)
    there = line.units - count(line.canceled) - count(line.claimed)
    if wanted.ending == NEXT_PERIOD and wanted.units < there:
        yield _finding("service_whole_only", "service", line, maximum=there, wanted=wanted.units)


def _of_units(line: LineFacts, units: int, room: _Room) -> Iterator[Finding]:
    if units <= room.units:
        return
    yield from room.findings
    if room.units or not room.findings:
        most = room.units
        yield _finding("too_many_units", "cancelable", line, maximum=most, cancelable=most, wanted=units)


def _of_bundles(order: OrderFacts, asked: dict[UUID, int], terms: Terms) -> Iterator[Finding]:
    for one in bundled.broken(order, asked, whole=terms.bundles == "whole"):
        yield Finding(
            code=f"bundle_{one.rule}",
            weight=REFUSED,
            rule="bundles",
            line_id=one.line_id,
            details={"bundle": one.bundle.header.name},
        )


def _by_line(constraints: Iterable[Constraint]) -> dict[UUID, tuple[Constraint, ...]]:
    found: dict[UUID, tuple[Constraint, ...]] = {}
    for one in constraints:
        found[one.line_id] = (*found.get(one.line_id, ()), one)
    return found


def _finding(code: str, rule: str, line: LineFacts, **details: object) -> Finding:
    return Finding(code=code, weight=REFUSED, rule=rule, line_id=line.id, details=details)
