"""Deals judged anew for what stays: what kept units lose of their discount is withheld, and may come back.

What is to be withheld depends only on which units are kept, canceled or back, never on the way there; each
refund withholds (or gives back) the difference to what was withheld before. So any partition and order of
returns and cancellations withholds the same in the end as all at once, as long as no refund was too small
for its part (a refund is never below zero, and a cancellation never withholds); what could not be withheld
then is withheld by the next refund that can. Once nothing is kept all of it has come back, in any case.
"""

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from portal.core.facts import CANCELLATIONS, MERCHANDISE, LineFacts, OrderFacts, ReturnRequest
from portal.core.money import Minor, allocate, portion, rounded
from portal.core.policy.terms import Terms
from portal.core.promotions import BUNDLE, BUY_GET, FREE_SHIPPING, QUANTITY, Promotion, PromotionStep
from portal.core.refunds.breakdown import Row
from portal.core.refunds.drafts import RefundDraft
from portal.core.refunds.values import Part, tax_within
from portal.core.spans import Span, count, without, worth

Positions = Mapping[UUID, tuple[Span, ...]]
Held = Mapping[UUID, tuple[int, Minor]]
"""Line id -> how many units, and what they cost before this deal."""


def refund(
    draft: RefundDraft, order: OrderFacts, request: ReturnRequest, terms: Terms, back: Positions
) -> None:
    """Withhold what kept units lose of their discounts, or give back what they have again, with its row."""
    before = sum(line.promotion_withheld for line in order.lines)
    if not any(back.values()) or not (before or (order.promotions and terms.promotions == "re_evaluate")):
        return
    canceling = request.kind in CANCELLATIONS
    kept = {
        line.id: without(((0, line.units),), (*line.canceled, *line.returned, *back.get(line.id, ())))
        for line in order.lines
        if line.kind == MERCHANDISE
    }
    basket = {
        line.id: without(((0, line.units),), (*line.returned, *(() if canceling else back.get(line.id, ()))))
        for line in order.lines
        if line.kind == MERCHANDISE
    }
    lost = list(_lost(order, kept, basket)) if terms.promotions == "re_evaluate" else []
    target = sum(amount for _, amount in lost)
    if terms.promotions != "re_evaluate" and any(kept.values()):
        target = before
    if target > before and not canceling:
        _withhold(draft, target - before, lost)
    elif target < before:
        _give_back(draft, order, before - target)


def _withhold(draft: RefundDraft, asked: Minor, lost: list[tuple[Promotion, Minor]]) -> None:
    """Off the goods of this refund in proportion, never more than there is; the row says what is outstanding."""
    goods = [part for part in draft.parts if part.spans]
    taken = min(asked, sum(part.amount for part in goods))
    tax = 0
    for part, share in zip(goods, allocate(taken, [part.amount for part in goods]), strict=True):
        tax += part.lose(share)
    basis: dict[str, Any] = {"lost": [[deal.name or deal.code, amount] for deal, amount in lost]}
    if taken < asked:
        basis |= {"asked": asked, "limited_to": taken}
    draft.rows.append(_row(-taken, -tax, basis))


def _give_back(draft: RefundDraft, order: OrderFacts, amount: Minor) -> None:
    """To the lines it was withheld of, in proportion."""
    lines = [line for line in order.lines if line.promotion_withheld]
    parts = []
    for line, part in zip(lines, allocate(amount, [line.promotion_withheld for line in lines]), strict=True):
        withheld = {tax.label: tax.promotion_withheld for tax in line.taxes}
        taxes = tax_within(withheld, line.promotion_withheld, 0, part)
        gone = {label: -tax for label, tax in taxes.items()}
        parts.append(
            Part(line=line, spans=(), amount=part, taxes=taxes, promotion=-part, promotion_taxes=gone)
        )
    draft.rows.append(_row(amount, sum(part.tax for part in parts), {"given_back": amount}))
    for given in parts:
        draft.add(given)


def _row(amount: Minor, tax: Minor, basis: dict[str, Any]) -> Row:
    return Row(code="order_discount_share", amount=amount, rule="promotions", tax=tax, basis=basis)


def _lost(order: OrderFacts, kept: Positions, basket: Positions) -> Iterator[tuple[Promotion, Minor]]:
    """Per deal what the kept units lose of its discount; ``basket`` is what was kept or canceled.

    Canceled units count as bought: that they were not sent is not held against what is kept.
    """
    lines = {line.id: line for line in order.lines}
    for promotion in order.promotions:
        shares = {
            line_id: _share(lines[line_id], amount)
            for line_id, amount in promotion.shares
            if line_id in lines
        }
        amount = _loss(promotion, lines, shares, kept, basket)
        if amount > 0:
            yield promotion, amount


def _share(line: LineFacts, amount: Minor) -> Minor:
    """The deal's part of the line's discount, never more than it was discounted."""
    return max(0, min(amount, line.discount))


def _loss(
    promotion: Promotion,
    lines: Mapping[UUID, LineFacts],
    shares: Mapping[UUID, Minor],
    kept: Positions,
    basket: Positions,
) -> Minor:
    whole = {line_id: ((0, lines[line_id].units),) for line_id in basket}
    if promotion.kind == FREE_SHIPPING:
        had = had_kept = sum(shares.values()) if any(kept.values()) else 0
    else:
        had = _shared(shares, lines, basket)
        had_kept = _shared(shares, lines, kept)
    if not had_kept:
        return 0
    before = _deal(promotion, _held(promotion, lines, shares, whole), lines, shares)
    now = _deal(promotion, _held(promotion, lines, shares, basket), lines, shares)
    if now[0] == before[0] or not before[1]:
        return 0
    still = rounded(now[1] * sum(shares.values()), before[1])
    return rounded(max(0, had - still) * had_kept, had)


def _shared(shares: Mapping[UUID, Minor], lines: Mapping[UUID, LineFacts], spans: Positions) -> Minor:
    return sum(
        worth(amount, spans.get(line_id, ()), lines[line_id].units) for line_id, amount in shares.items()
    )


def _held(
    promotion: Promotion, lines: Mapping[UUID, LineFacts], shares: Mapping[UUID, Minor], spans: Positions
) -> Held:
    """Units and their price before the deal, of every line of merchandise."""
    return {
        line_id: (
            count(held),
            worth(lines[line_id].goods - lines[line_id].discount + shares.get(line_id, 0), held, units),
        )
        for line_id, held in spans.items()
        if (units := lines[line_id].units)
    }


def _deal(
    promotion: Promotion, held: Held, lines: Mapping[UUID, LineFacts], shares: Mapping[UUID, Minor]
) -> tuple[object, Minor]:
    """What the deal comes to for these units: what decides it, and the discount by its own arithmetic.

    Where the same decides it as for the whole order, nothing is lost, however the channel rounded.
    """
    counted = {line_id: one for line_id, one in held.items() if line_id in (promotion.counts or held)}
    if promotion.kind == BUNDLE:
        sets = min(
            (held.get(line_id, (0, 0))[0] // max(1, per) for line_id, per in promotion.parts), default=0
        )
        return sets, sets
    if promotion.kind == BUY_GET:
        cheapest = _cheapest(promotion, counted)
        return cheapest, cheapest
    reached = sum(one[0 if promotion.kind == QUANTITY else 1] for one in counted.values())
    step = max((s for s in promotion.steps if s.reach <= reached), key=lambda s: s.reach, default=None)
    if promotion.kind == FREE_SHIPPING:
        value = sum(
            lines[line_id].goods - lines[line_id].discount + share for line_id, share in shares.items()
        )
    else:
        value = sum(held[line_id][1] for line_id in shares if line_id in held)
    return step, _off(step, value)


def _off(step: PromotionStep | None, value: Minor) -> Minor:
    if step is None:
        return 0
    return min(value, portion(value, step.percent_bp) + step.amount)


def _cheapest(promotion: Promotion, held: Held) -> Minor:
    """What the cheapest of every ``buy`` + ``get`` units come to, by the deal's percentage."""
    group = promotion.buy + promotion.get
    units = sum(units for units, _ in held.values())
    cheap = units // group * promotion.get if group > 0 else 0
    total = 0
    for each, value in sorted((one for one in held.values() if one[0]), key=_unit_price):
        taken = min(cheap, each)
        total += rounded(value * taken, each)
        cheap -= taken
    return portion(total, promotion.percent_bp)


def _unit_price(held: tuple[int, Minor]) -> tuple[int, int]:
    units, value = held
    return value * 1_000_000 // units, units
