"""The one place where a refund is worked out: estimate, agent's page, document and posting all call it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from portal.core.facts import CHARGES, LineFacts, OrderFacts, ReturnRequest, Wanted
from portal.core.money import Minor, allocate
from portal.core.policy.terms import Terms
from portal.core.refunds import additions, fees, shipping, sources
from portal.core.refunds.breakdown import Breakdown, LineRefund, Negative, Row, Share, TooMuch
from portal.core.refunds.values import Left, Part, Taxes, paid_for
from portal.core.spans import Span, count, free, lowest, merge, overlap, without, worth


@dataclass(kw_only=True)
class _Draft:
    """The refund while it is worked out; every change of an amount adds the row that explains it."""

    parts: list[Part] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    clamped: Minor = 0

    @property
    def amount(self) -> Minor:
        return sum(part.amount for part in self.parts)

    def cap(self, part: Part, left: Left) -> None:
        before = part.amount
        for cap, over, tax in left.take(part):
            self.rows.append(_cap_row(cap, over, tax, before - over, line=part.line))
            self.clamped += over
            before -= over

    def keep(self, fee: fees.Fee, parts: Sequence[Part], line: LineFacts | None = None) -> None:
        """Take a fee off ``parts``, never more than is there; over several parts in proportion."""
        room = sum(part.amount for part in parts)
        taken = min(fee.amount, room)
        if not taken:
            return
        basis = fee.basis if taken == fee.amount else {**fee.basis, "asked": fee.amount, "limited_to": taken}
        self.rows.append(
            Row(
                code=fee.code,
                amount=-taken,
                rule=fee.rule,
                label=line.name if line else "",
                line_id=line.id if line else None,
                basis=basis,
            )
        )
        for part, share in zip(parts, allocate(taken, [part.amount for part in parts]), strict=True):
            part.withhold(share)


def quote(order: OrderFacts, request: ReturnRequest, terms: Terms, *, now: datetime) -> Breakdown:
    """What is given back for ``request``, explained; the units and amounts already given back are counted.

    Raises ``Negative`` for a quantity or amount below zero, ``TooMuch`` for more units than the line has
    left and for an addition above its cap, ``NotGranted`` for an addition without reason or role,
    ``KeyError`` for a line that the order does not have.
    """
    lines = {line.id: line for line in order.lines}
    picked = positions(lines, request.wanted)
    draft, left = _Draft(), Left()
    at = min(request.requested_at, now)
    returned: list[tuple[Part, Wanted]] = []
    for wanted, spans in picked:
        returned.append((_goods(draft, lines[wanted.line_id], spans, left), wanted))
    _shipping(draft, order, request, terms, left, picked)
    for part, wanted in returned:
        for fee in fees.of_line(part.line, wanted, terms, goods=part.goods, at=at):
            draft.keep(fee, [part], part.line)
    # Fees of the whole return come off the goods alone: taken off a shipping charge they would look
    # like shipping that is still owed, and the next return would pay them out.
    goods = [part for part, _ in returned]
    charged = [part for part, wanted in returned if not fees.waived(terms.restocking_fee, wanted)]
    for fee in fees.of_return(request, terms):
        draft.keep(fee, charged if fee.code == "restocking_fee" else goods)
    _order_cap(draft, order)
    added = additions.granted(draft.amount, request, terms, room=sources.left(order) - draft.amount)
    return Breakdown(
        currency=order.currency,
        rows=(*draft.rows, *added),
        lines=_per_line(draft.parts),
        shares=_shares(draft.amount, added, order, request, terms),
        policy_version=terms.version,
        clamped=draft.clamped,
    )


def quote_unassessed(currency: str, *, policy_version: int = 0) -> Breakdown:
    """The refund of a return without an order: unknown, for a person to assess, and never zero."""
    return Breakdown(
        currency=currency, rows=(), lines=(), shares=(), policy_version=policy_version, assessed=False
    )


def positions(
    lines: dict[UUID, LineFacts], wanted: Iterable[Wanted]
) -> list[tuple[Wanted, tuple[Span, ...]]]:
    """Which unit positions each wish takes; two wishes for one line are judged together.

    Wishes for no unit are left out. Raises ``Negative``, ``TooMuch`` (with how many there are), ``KeyError``.
    """
    wishes = [wish for wish in wanted if wish.units]
    held: dict[UUID, tuple[Span, ...]] = {}
    for wish in wishes:
        if wish.units < 0:
            raise Negative(f"{wish.units} units")
        if wish.spans:
            held[wish.line_id] = (*held.get(wish.line_id, ()), *wish.spans)
    found = []
    for wish in wishes:
        line = lines[wish.line_id]
        if line.kind in CHARGES:
            raise TooMuch("units of a charge", 0)
        mine = held.get(line.id, ())
        others = without(line.claimed, mine)
        if overlap(mine, line.canceled):
            raise TooMuch("units", count(without(mine, line.canceled)))
        room = wish.spans or free((*line.canceled, *others, *mine), line.units)
        if wish.units > count(room):
            raise TooMuch("units", count(room))
        spans = lowest(room, wish.units)
        if not wish.spans:
            held[line.id] = merge((*mine, *spans))
        found.append((wish, spans))
    return found


def check_named(amount: Minor, maximum: Minor) -> Minor:
    """``amount``, which a person named. Raises ``TooMuch`` with the maximum, ``Negative`` below zero."""
    if amount < 0:
        raise Negative(f"{amount} is negative")
    if amount > maximum:
        raise TooMuch("amount", maximum)
    return amount


def check_claims(order: OrderFacts, claims: Iterable[tuple[UUID, Minor]]) -> Minor:
    """The sum of what is claimed per line, judged together per line and for the order (money.md 12).

    Raises ``TooMuch`` with what is left of the line or of the order, ``Negative``, ``KeyError``.
    """
    lines = {line.id: line for line in order.lines}
    per_line: dict[UUID, Minor] = {}
    for line_id, amount in claims:
        check_named(amount, amount)
        per_line[line_id] = per_line.get(line_id, 0) + amount
        check_named(per_line[line_id], lines[line_id].refundable)
    return check_named(sum(per_line.values()), sources.left(order))


def _goods(draft: _Draft, line: LineFacts, spans: tuple[Span, ...], left: Left) -> Part:
    """The units' value as rows: list price, discount, tax where it is on top; together what was paid."""
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
        draft.rows += _tax_rows("item_tax", taxes, line)
    part = Part(line=line, spans=spans, amount=amount, taxes=taxes)
    draft.cap(part, left)
    draft.parts.append(part)
    return part


def _tax_rows(code: str, taxes: Taxes, line: LineFacts) -> list[Row]:
    return [
        Row(code=code, amount=tax, rule="tax", label=label, line_id=line.id, basis={"charged": charged})
        for label, tax in taxes.items()
        for charged in (sum(entry.amount for entry in line.taxes if entry.label == label),)
        if tax
    ]


def _shipping(
    draft: _Draft,
    order: OrderFacts,
    request: ReturnRequest,
    terms: Terms,
    left: Left,
    picked: Iterable[tuple[Wanted, tuple[Span, ...]]],
) -> None:
    back: dict[object, tuple[Span, ...]] = {}
    for wanted, spans in picked:
        back[wanted.line_id] = (*back.get(wanted.line_id, ()), *spans)
    for part, basis in shipping.due(order, request, terms, back=back, left=left):
        if not part.amount:
            continue
        charge = part.line
        on_top = 0 if charge.prices_include_tax else part.tax
        draft.rows.append(
            Row(
                code="shipping_refund",
                amount=part.amount - on_top,
                rule="refund_shipping",
                tax=part.tax - on_top,
                label=charge.name,
                line_id=charge.id,
                basis=basis,
            )
        )
        if on_top:
            draft.rows += _tax_rows("shipping_tax", part.taxes, charge)
        draft.cap(part, left)
        draft.parts.append(part)


def _order_cap(draft: _Draft, order: OrderFacts) -> None:
    """Never more than is left of what the order's payments captured; taken off the lines in proportion."""
    room = sources.left(order)
    over = draft.amount - room
    if over <= 0:
        return
    tax = sum(part.tax for part in draft.parts)
    for part, share in zip(draft.parts, allocate(over, [part.amount for part in draft.parts]), strict=True):
        part.cut(part.amount - share)
    tax -= sum(part.tax for part in draft.parts)
    draft.rows.append(_cap_row("order_cap", over, tax, room))
    draft.clamped += over


def _shares(
    owed: Minor, added: Iterable[Row], order: OrderFacts, request: ReturnRequest, terms: Terms
) -> tuple[Share, ...]:
    """Owed and goodwill to the payments or as store credit in their place; a bonus is store credit."""
    sums = {"goodwill": 0, "bonus_credit": 0}
    for row in added:
        sums[row.code] += row.amount
    shares = sources.spread(owed + sums["goodwill"], order.payments, terms.tender_order)
    if request.resolution == "store_credit":
        shares = sources.as_store_credit(shares)
    if sums["bonus_credit"]:
        shares = (*shares, Share(payment_id=None, amount=sums["bonus_credit"], tender="store_credit"))
    return shares


def _cap_row(cap: str, over: Minor, tax: Minor, maximum: Minor, line: LineFacts | None = None) -> Row:
    basis: dict[str, Any] = {"maximum": maximum, "computed": maximum + over}
    return Row(
        code="previously_refunded",
        amount=-over,
        rule=cap,
        tax=-tax,
        label=line.name if line else "",
        line_id=line.id if line else None,
        basis=basis,
    )


def _per_line(parts: Iterable[Part]) -> tuple[LineRefund, ...]:
    """One refund per line, also where a line was wished for twice with different reasons."""
    found: dict[UUID, list[Part]] = {}
    for part in parts:
        found.setdefault(part.line.id, []).append(part)
    refunds = []
    for line_id, same in found.items():
        taxes: Taxes = {}
        for part in same:
            for label, tax in part.taxes.items():
                taxes[label] = taxes.get(label, 0) + tax
        refunds.append(
            LineRefund(
                line_id=line_id,
                spans=merge(span for part in same for span in part.spans),
                amount=sum(part.amount for part in same),
                taxes=tuple((label, tax) for label, tax in taxes.items() if tax),
                withheld=sum(part.withheld for part in same),
            )
        )
    return tuple(refunds)
