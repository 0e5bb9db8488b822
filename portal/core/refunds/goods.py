"""The value of the units of a refund as rows: price, discount, tax beside it, and what was given back before."""

from typing import Any

from portal.core.facts import KEEP, LineFacts, Wanted
from portal.core.money import Minor
from portal.core.refunds import adjustments
from portal.core.refunds.breakdown import Negative, Row, TooMuch
from portal.core.refunds.drafts import RefundDraft, tax_rows
from portal.core.refunds.values import Part, add_to, paid_for
from portal.core.spans import Span, count, worth


def come_back(draft: RefundDraft, line: LineFacts, spans: tuple[Span, ...]) -> Part:
    """Add units that come back: list price, discount, tax where it is on top; together what was paid for them.

    What was given back for them while they were kept is taken off.
    """
    amount, taxes = paid_for(line, spans)
    tax = sum(taxes.values())
    on_top = 0 if line.prices_include_tax else tax
    listed = max(worth(line.goods, spans, line.units), amount - on_top) if line.discount else amount - on_top
    discount = amount - on_top - listed
    units = count(spans)
    inside = 0 if on_top or not amount else tax * listed // amount
    draft.rows.append(
        Row(
            code="item_subtotal",
            amount=listed,
            rule="paid",
            tax=inside,
            label=line.name,
            line_id=line.id,
            basis={"units": units, "of_units": line.units, "unit_price": str(line.unit_price)},
        )
    )
    if discount:
        draft.rows.append(
            Row(
                code="order_discount_share",
                amount=discount,
                rule="discount",
                tax=0 if on_top else tax - inside,
                label=line.name,
                line_id=line.id,
                basis={"of_discount": line.discount, "units": units, "of_units": line.units},
            )
        )
    if on_top:
        draft.rows += tax_rows("item_tax", taxes, line)
    part = Part(line=line, spans=spans, amount=amount, taxes=taxes)
    if line.adjusted:
        _less_adjusted(draft, part)
    return draft.add(part)


def _less_adjusted(draft: RefundDraft, part: Part) -> None:
    before, taxes = adjustments.given(part.line, part.spans)
    if not before:
        return
    part.amount -= before
    add_to(part.taxes, taxes, -1)
    draft.rows.append(
        Row(
            code="previously_refunded",
            amount=-before,
            rule="adjusted",
            tax=-sum(taxes.values()),
            label=part.line.name,
            line_id=part.line.id,
            basis={"given": before, "units": count(part.spans)},
        )
    )


def runs_out(draft: RefundDraft, line: LineFacts, spans: tuple[Span, ...]) -> None:
    """Say of a service that ends with its period that nothing is given back: what was paid for is had."""
    basis: dict[str, Any] = {"units": count(spans), "of_units": line.units}
    if line.period_end is not None:
        basis["ends_on"] = line.period_end.isoformat()
    row = Row(code="item_subtotal", amount=0, rule="runs_out", label=line.name, line_id=line.id, basis=basis)
    draft.rows.append(row)


def allowance_of(wish: Wanted, kind: str) -> Minor | None:
    """What a wish asks for units that stay with the customer; None where they come back."""
    if wish.allowance is None and kind != KEEP:
        return None
    return wish.named if wish.named is not None else wish.allowance or 0


def stay(draft: RefundDraft, line: LineFacts, spans: tuple[Span, ...], allowance: Minor) -> Part:
    """Add a price adjustment of units that stay. Raises ``Negative``, ``TooMuch`` with what they have left."""
    if allowance < 0:
        raise Negative(f"{allowance} is negative", line_id=line.id)
    paid, _ = paid_for(line, spans)
    before, _ = adjustments.given(line, spans)
    maximum = min(paid - before, draft.left.amount(line), draft.room_to_name)
    if allowance > maximum:
        raise TooMuch("allowance", maximum, line_id=line.id)
    draft.named += allowance
    adjusted, taxes = adjustments.spread(line, spans, allowance)
    units = count(spans)
    draft.rows.append(
        Row(
            code="adjustment",
            amount=allowance,
            rule="allowance",
            tax=sum(taxes.values()),
            label=line.name,
            line_id=line.id,
            basis={"units": units, "of_units": line.units, "paid": paid, "given": before},
        )
    )
    return draft.add(
        Part(line=line, spans=(), amount=allowance, taxes=taxes, adjusted=adjusted, is_named=True)
    )


def name(draft: RefundDraft, part: Part, full: Part, named: Minor) -> None:
    """Put a person's amount in place of what was worked out for ``part``; ``full`` is it before deductions.

    Raises ``Negative``, and ``TooMuch`` above what was paid for the units and is left.
    """
    if named < 0:
        raise Negative(f"{named} is negative", line_id=part.line.id)
    maximum = min(full.amount, draft.room_to_name)
    if named > maximum:
        raise TooMuch("amount", maximum, line_id=part.line.id)
    computed, tax = part.amount, part.tax + part.unsaid_tax
    promotion = min(part.promotion, full.amount - named)
    part.amount, part.taxes = full.amount, dict(full.taxes)
    part.promotion, part.promotion_taxes = 0, {}
    part.withheld, part.unsaid_tax, part.is_named = 0, 0, True
    if promotion:
        part.lose(promotion)
    part.withhold(part.amount - named)
    draft.named += named
    if named == computed:
        return
    draft.rows.append(
        Row(
            code="adjustment",
            amount=named - computed,
            rule="named",
            tax=part.tax + part.unsaid_tax - tax,
            label=part.line.name,
            line_id=part.line.id,
            basis={"named": named, "computed": computed, "maximum": maximum},
        )
    )
