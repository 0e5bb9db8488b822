"""What a changed policy would have done to past returns: read from the database, which nothing is written to.

What people decided for one return (goodwill, waivers, a decline) counts in neither column; what they set
aside of the policy's objections stays set aside.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time
from uuid import UUID
from zoneinfo import ZoneInfo

from portal.core.access import Actor
from portal.core.facts import CANCELLATIONS, STAYS, LineFacts, OrderFacts, Wanted
from portal.core.money import Minor
from portal.core.policy.terms import Terms
from portal.core.refunds import breakdown as breakdowns
from portal.core.rejudging import Past, Rejudged, Totals, rejudge
from portal.core.returns import Draft, DraftLine
from portal.core.spans import Span, lowest, without
from portal.db import merchants, orders, refunds, returns
from portal.db.returns import Inspection, Return
from portal.services import scope
from portal.services.filing.returns import as_request, as_wanted
from portal.services.paying.settling import FREED

CHUNK = 200
"""Returns that are read together."""

LEFT_OUT = ("draft", "proposed", "canceled", "expired")
"""Nothing was asked for, or no longer, or nobody has agreed to it yet."""

NOT_TAKEN = (*LEFT_OUT, "declined", "overtaken", "refused")
"""States in which a return holds no units."""

BEFORE_THE_DOCK = ("requested", "needs_info", "approved", "in_transit", "declined")
"""States in which only what was announced is known."""


def check(
    actor: Actor, merchant_id: UUID, terms: Terms, *, since: date | None = None, limit: int | None = None
) -> Iterator[Rejudged]:
    """Past returns of the merchant, the newest first, under their own terms and under ``terms``.

    ``since`` is the first day (where the merchant is) that a return was asked for on, ``limit`` how many are
    looked at. Raises ``NotFound``, ``NotAllowed``, ``LookupError``. Nothing is written, and no more than a few
    hundred returns are held at once.
    """
    scope.require(actor, "policies.edit", merchant_id)
    merchant, _, _ = merchants.with_terms(merchant_id)
    zone = ZoneInfo(merchant.zone)
    first = None if since is None else datetime.combine(since, time(), zone)
    return _check(merchant_id, terms, first=first, limit=limit, zone=zone)


def _check(
    merchant_id: UUID, terms: Terms, *, first: datetime | None, limit: int | None, zone: ZoneInfo
) -> Iterator[Rejudged]:
    versions = {policy.id: merchants.terms_of(policy) for policy in merchants.versions(merchant_id)}
    last: UUID | None = None
    left = limit
    while left is None or left > 0:
        size = CHUNK if left is None else min(CHUNK, left)
        rows = returns.past(merchant_id, but=LEFT_OUT, since=first, before=last, limit=size)
        yield from _chunk(rows, versions, terms, zone)
        if len(rows) < size:
            return
        last, left = rows[-1].id, None if left is None else left - size


def totals(found: Iterable[Rejudged]) -> Totals:
    """What they add up to."""
    summed = Totals()
    for one in found:
        summed.add(one)
    return summed


def _chunk(
    rows: Sequence[Return], versions: Mapping[UUID, Terms], terms: Terms, zone: ZoneInfo
) -> Iterator[Rejudged]:
    """The returns of one reading; the others of their orders are gone through with them, in the order of time."""
    facts = orders.many({row.order_id for row in rows if row.order_id is not None})
    everyone = list({row.id: row for row in (*rows, *returns.of_orders(facts))}.values())
    drafts = {draft.id: draft for draft in returns.drafts(everyone)}
    inspected, held = _inspected(drafts.values()), _held(facts)
    lives: dict[object, list[Return]] = defaultdict(list)
    for row in sorted(everyone, key=lambda row: (_at(row), row.id)):
        if row.state not in LEFT_OUT:
            lives[row.order_id or row.id].append(row)  # without an order each stands alone
    found: dict[UUID, Rejudged] = {}
    for life in lives.values():
        order = None if life[0].order_id is None else facts[life[0].order_id]
        if order is not None:
            order = _untouched(order, [drafts[row.id] for row in life], held.get(order.id, _Held()))
        pasts = [_past(row, drafts[row.id], inspected, versions[row.policy_id]) for row in life]
        found |= {one.past.id: one for one in rejudge(order, pasts, terms, zone=zone)}
    yield from (found[row.id] for row in rows)


def _at(row: Return) -> datetime:
    return row.submitted_at or row.created_at


def _past(row: Return, draft: Draft, inspected: Mapping[UUID, Sequence[Inspection]], terms: Terms) -> Past:
    asked, took = as_request(draft, now=_at(row), as_asked=True), row.state not in NOT_TAKEN
    if not took:  # its positions may be somebody else's by now
        asked = replace(asked, wanted=tuple(replace(one, spans=()) for one in asked.wanted))
    due = as_request(draft, now=_at(row)).wanted if took else asked.wanted
    if row.state not in BEFORE_THE_DOCK and row.kind not in (*STAYS, *CANCELLATIONS):
        due = tuple(one for line in draft.lines for one in _counted(line, inspected.get(line.id, ())))
    overruled = (row.verdict or {}).get("overruled", ())
    return Past(
        id=row.id,
        number=row.number or "",
        state=row.state,
        currency=row.currency,
        asked=asked,
        due=due,
        at=_at(row),
        terms=terms,
        overruled=frozenset(
            (one["code"], UUID(one["line_id"]) if one["line_id"] else None) for one in overruled
        ),
        took=took,
    )


def _counted(line: DraftLine, inspected: Iterable[Inspection]) -> Iterator[Wanted]:
    """The units that are back, as they were found; those nobody looked at yet, as they were declared."""
    wanted, rest = as_wanted(line), line.spans
    parts = [(one.units, one) for one in inspected]
    for units, one in (*parts, (line.received - line.accepted - line.rejected, None)):
        if units <= 0:
            continue
        spans = lowest(rest, units) if rest else ()
        rest = without(rest, spans)
        part = replace(wanted, units=units, spans=spans)
        if one is not None:
            part = replace(
                part, grade=one.grade, missing_accessories=tuple(one.missing_accessories), used=one.used
            )
        yield part


def _inspected(drafts: Iterable[Draft]) -> dict[UUID, list[Inspection]]:
    """line id -> what was found of its accepted units, in the order they were inspected."""
    ids = [line.id for draft in drafts for line in draft.lines if line.accepted]
    found: dict[UUID, list[Inspection]] = defaultdict(list)
    for one in returns.accepted(ids):
        found[one.return_line_id].append(one)
    return found


@dataclass(kw_only=True)
class _Held:
    """What refunds made here gave back of one order, transfers that failed left out."""

    lines: dict[UUID, Minor] = field(default_factory=lambda: defaultdict(int))
    taxes: dict[tuple[UUID, str], Minor] = field(default_factory=lambda: defaultdict(int))
    payments: dict[UUID | None, Minor] = field(default_factory=lambda: defaultdict(int))


def _held(order_ids: Iterable[UUID]) -> dict[UUID, _Held]:
    found: dict[UUID, _Held] = defaultdict(_Held)
    of_refund: dict[UUID, _Held] = {}
    for refund_id, order_id, plain in refunds.holding(order_ids):
        held, breakdown = found[order_id], breakdowns.from_json(plain)
        of_refund[refund_id] = held
        for line in breakdown.lines:
            held.lines[line.line_id] += line.amount
            for label, tax in line.taxes:
                held.taxes[line.line_id, label] += tax
        for share in breakdown.shares:
            held.payments[share.origin_id] += share.amount
    for payout in refunds.latest_payouts(of_refund):
        if payout.state in FREED:
            of_refund[payout.refund_id].payments[payout.payment_id] -= payout.amount_minor
    return found


def _untouched(order: OrderFacts, drafts: Iterable[Draft], held: _Held) -> OrderFacts:
    """The order without its returns here: what is left taken of it was canceled or given back elsewhere."""
    ours: dict[UUID | None, list[Span]] = defaultdict(list)
    for draft in drafts:
        if draft.state not in NOT_TAKEN:
            for line in draft.lines:
                ours[line.order_line_id].extend(line.spans)
    return replace(
        order,
        lines=tuple(_line_untouched(line, ours[line.id], held) for line in order.lines),
        payments=tuple(
            replace(one, refunded=max(0, one.refunded - held.payments[one.id])) for one in order.payments
        ),
    )


def _line_untouched(line: LineFacts, ours: Sequence[Span], held: _Held) -> LineFacts:
    return replace(
        line,
        canceled=without(line.canceled, ours),
        claimed=without(line.claimed, ours),
        held=(),
        returned=without(line.returned, ours),
        refunded=max(0, line.refunded - held.lines[line.id]),
        adjusted=(),
        promotion_withheld=0,
        taxes=tuple(
            replace(tax, refunded=max(0, tax.refunded - held.taxes[line.id, tax.label]), promotion_withheld=0)
            for tax in line.taxes
        ),
    )
