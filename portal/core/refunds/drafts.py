"""A refund while it is worked out: every change of an amount adds the row that explains it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from portal.core.facts import LineFacts
from portal.core.money import Minor, allocate
from portal.core.refunds.breakdown import LineRefund, Row
from portal.core.refunds.fees import Fee
from portal.core.refunds.values import Left, Part, Taxes, add_to
from portal.core.spans import merge


@dataclass(kw_only=True)
class RefundDraft:
    """The parts of a refund, line by line, and the rows that explain them."""

    parts: list[Part] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    left: Left = field(default_factory=Left)
    room: Minor = 0
    """What is left of what the order's payments captured (money.md 11)."""
    named: Minor = 0
    """What persons named so far."""
    clamped: Minor = 0

    @property
    def amount(self) -> Minor:
        return sum(part.amount for part in self.parts)

    @property
    def room_to_name(self) -> Minor:
        """What persons may still name: the room less what they named before; it is never lowered silently."""
        return max(0, self.room - self.named)

    def add(self, part: Part) -> Part:
        """Take the part in, lowered to what caps leave of its line and its taxes."""
        before = part.amount
        for cap, over, tax in self.left.take(part):
            self.rows.append(_cap_row(cap, over, tax, before - over, line=part.line))
            self.clamped += over
            before -= over
        self.parts.append(part)
        return part

    def keep(self, fee: Fee, parts: Sequence[Part], line: LineFacts | None = None) -> None:
        """Take a fee off ``parts``, never more than is there; over several parts in proportion."""
        room = sum(part.amount for part in parts)
        taken = min(fee.amount, room)
        if not taken:
            return
        gone = 0
        for part, share in zip(parts, allocate(taken, [part.amount for part in parts]), strict=True):
            if fee.is_price:
                gone += sum(part.cut(part.amount - share).values())
            else:
                part.withhold(share)
        basis = fee.basis if taken == fee.amount else {**fee.basis, "asked": fee.amount, "limited_to": taken}
        self.rows.append(
            Row(
                code=fee.code,
                amount=-taken,
                rule=fee.rule,
                tax=-gone,
                label=line.name if line else "",
                line_id=line.id if line else None,
                basis=basis,
            )
        )

    def cap(self) -> None:
        """Never more than there is room for; taken off in proportion, and off what a person named not at all."""
        over = self.amount - self.room
        if over <= 0:
            return
        computed = [part for part in self.parts if not part.is_named]
        tax = sum(part.tax for part in computed)
        for part, share in zip(computed, allocate(over, [part.amount for part in computed]), strict=True):
            part.cut(part.amount - share)
        tax -= sum(part.tax for part in computed)
        self.rows.append(_cap_row("order_cap", over, tax, self.room))
        self.clamped += over


def tax_rows(code: str, taxes: Taxes, line: LineFacts) -> list[Row]:
    """One row per label, where tax stands beside the prices."""
    charged: Taxes = {}
    for entry in line.taxes:
        charged[entry.label] = charged.get(entry.label, 0) + entry.amount
    return [
        Row(
            code=code, amount=tax, rule="tax", label=label, line_id=line.id, basis={"charged": charged[label]}
        )
        for label, tax in taxes.items()
        if tax
    ]


def per_line(parts: Iterable[Part]) -> tuple[LineRefund, ...]:
    """One refund per line, also where a line was wished for twice with different reasons."""
    found: dict[UUID, list[Part]] = {}
    for part in parts:
        found.setdefault(part.line.id, []).append(part)
    return tuple(_line_refund(line_id, same) for line_id, same in found.items())


def _line_refund(line_id: UUID, parts: Sequence[Part]) -> LineRefund:
    taxes, promotion_taxes = dict(parts[0].taxes), dict(parts[0].promotion_taxes)
    for part in parts[1:]:
        add_to(taxes, part.taxes)
        add_to(promotion_taxes, part.promotion_taxes)
    return LineRefund(
        line_id=line_id,
        spans=merge(span for part in parts for span in part.spans),
        amount=sum(part.amount for part in parts),
        taxes=tuple((label, tax) for label, tax in taxes.items() if tax),
        withheld=sum(part.withheld for part in parts),
        promotion=sum(part.promotion for part in parts),
        promotion_taxes=tuple((label, tax) for label, tax in promotion_taxes.items() if tax),
        adjusted=tuple(sorted(entry for part in parts for entry in part.adjusted)),
    )


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
