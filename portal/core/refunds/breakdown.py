"""The refund of one request, line by line: the same object in every page, message, document and posting."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from portal.core.money import Minor
from portal.core.spans import Span

CODES = (
    "item_subtotal",
    "order_discount_share",
    "item_tax",
    "shipping_refund",
    "shipping_tax",
    "restocking_fee",
    "return_shipping_fee",
    "condition_deduction",
    "missing_accessory_deduction",
    "goodwill",
    "bonus_credit",
    "previously_refunded",
    "duty_refund",
    "fee_refund",
    "adjustment",
    "exchange_value",
)
"""The vocabulary's money codes; beside them those of other charges, of agreed amounts and of exchanges."""

ADDITIONS = ("goodwill", "bonus_credit")
"""Given on top and kept apart from what is owed (money.md 8)."""

EXCHANGED = "exchange_value"

RULES = (
    "paid",
    "discount",
    "tax",
    "refund_shipping",
    "restocking_fee",
    "condition_deductions",
    "accessory_deductions",
    "depreciation",
    "return_postage",
    "goodwill",
    "store_credit_bonus",
    "refund_duties",
    "refund_fees",
    "promotions",
    "scope_used",
    "runs_out",
    "cancel_shipping",
    "allowance",
    "named",
    "exchange",
    "adjusted",
    "dispute",
    "tax_cap",
    "line_cap",
    "order_cap",
)
"""Every rule a row can name."""


class TooMuch(ValueError):
    """More than may be given back; ``maximum`` says how much may be, ``what`` of what, ``line_id`` on which line.

    ``what`` is ``units``, ``amount``, ``allowance``, ``goodwill``, ``bonus_credit``, ``payments`` or ``tender``
    (then ``payment_id`` says which).
    """

    def __init__(
        self, what: str, maximum: int, *, line_id: UUID | None = None, payment_id: UUID | None = None
    ) -> None:
        super().__init__(f"{what}: at most {maximum}")
        self.what, self.maximum, self.line_id, self.payment_id = what, maximum, line_id, payment_id


class Negative(ValueError):
    """A negative amount or quantity is refused, never netted."""

    def __init__(self, problem: str, *, line_id: UUID | None = None) -> None:
        super().__init__(problem)
        self.line_id = line_id


class NotGranted(ValueError):
    """What a person decides without a reason, a role for it, or a rule that yields; ``missing`` says which.

    ``missing`` is ``code``, ``reason``, ``role`` or ``rule`` (a rule that nobody may waive).
    """

    def __init__(self, missing: str, *, line_id: UUID | None = None) -> None:
        super().__init__(missing)
        self.missing, self.line_id = missing, line_id


class NotTheSum(ValueError):
    """The tenders a person chose do not sum to the refund; ``due`` is what they must sum to."""

    def __init__(self, due: Minor) -> None:
        super().__init__(f"the tenders must sum to {due}")
        self.due = due


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the explanation; ``amount`` is signed and sums, with the others, to the refund.

    ``amount`` includes ``tax`` where ``tax`` is told (then tax has no row of its own); ``basis`` says
    what it was worked out from, as whole numbers and text for a translated sentence; ``rule`` names the rule.
    """

    code: str
    amount: Minor
    rule: str
    tax: Minor = 0
    label: str = ""
    line_id: UUID | None = None
    basis: dict[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class LineRefund:
    """What is given back for one order line (or charge): which units, how much, how much of it tax."""

    line_id: UUID
    spans: tuple[Span, ...]
    amount: Minor
    taxes: tuple[tuple[str, Minor], ...] = ()
    """Per tax label; together never more than ``amount``."""
    withheld: Minor = 0
    """Fees and deductions of this line that were kept back: they never leak into a later refund.
    Below zero: so much of it is given back, as was agreed in a dispute."""
    promotion: Minor = 0
    """Kept back (below zero: given back) of this line since promotions were judged anew for what stays."""
    promotion_taxes: tuple[tuple[str, Minor], ...] = ()
    """The tax in ``promotion`` per label, with its sign."""
    adjusted: tuple[tuple[int, int, Minor], ...] = ()
    """Units that stay with the customer, and how much of their price goes back now: a part of ``amount``."""

    @property
    def tax(self) -> Minor:
        return sum(amount for _, amount in self.taxes)


@dataclass(frozen=True, kw_only=True)
class Share:
    """The part of a refund for one payment; ``payment_id`` None: it cannot be sent there and is a task."""

    payment_id: UUID | None
    amount: Minor
    tender: str = ""
    label: str = ""
    origin_id: UUID | None = None
    """The payment whose quota it takes, also where it cannot go back there; None for a bonus."""


@dataclass(frozen=True, kw_only=True)
class Breakdown:
    """A refund explained. ``amount`` is the sum of ``rows``, never negative, and the sum of ``shares``.

    ``assessed`` is False when there is no order to take amounts from: then the amount is to be
    assessed by a person, and is not zero but unknown.
    """

    currency: str
    rows: tuple[Row, ...]
    lines: tuple[LineRefund, ...]
    shares: tuple[Share, ...]
    policy_version: int
    assessed: bool = True
    clamped: Minor = 0
    """What a cap took off, and the rows say so."""
    due: Minor = 0
    """What the customer still owes for an exchange that is worth more than what came back."""

    @property
    def amount(self) -> Minor:
        return sum(row.amount for row in self.rows)

    @property
    def added(self) -> Minor:
        """Goodwill and bonus, kept apart from what is owed."""
        return sum(row.amount for row in self.rows if row.code in ADDITIONS)

    @property
    def exchanged(self) -> Minor:
        """What goes into an exchange in place of going back to a payment."""
        return -sum(row.amount for row in self.rows if row.code == EXCHANGED)

    @property
    def owed(self) -> Minor:
        """What came back is worth, as the lines say: sent back, or given in exchange."""
        return self.amount - self.added + self.exchanged

    @property
    def tax(self) -> Minor:
        return sum(line.tax for line in self.lines)


def to_json(breakdown: Breakdown) -> dict[str, Any]:
    """``breakdown`` as plain JSON values (whole numbers, text, lists), complete."""
    return {
        "currency": breakdown.currency,
        "rows": [
            {**vars(row), "line_id": _text(row.line_id), "basis": _plain(row.basis)} for row in breakdown.rows
        ],
        "lines": [_plain({**vars(line), "line_id": _text(line.line_id)}) for line in breakdown.lines],
        "shares": [
            {**vars(share), "payment_id": _text(share.payment_id), "origin_id": _text(share.origin_id)}
            for share in breakdown.shares
        ],
        "policy_version": breakdown.policy_version,
        "assessed": breakdown.assessed,
        "clamped": breakdown.clamped,
        "due": breakdown.due,
    }


def from_json(value: dict[str, Any]) -> Breakdown:
    """The breakdown that ``to_json`` wrote, equal to it in every part."""
    return Breakdown(
        currency=value["currency"],
        rows=tuple(Row(**{**row, "line_id": _id(row["line_id"])}) for row in value["rows"]),
        lines=tuple(
            LineRefund(
                line_id=UUID(line["line_id"]),
                spans=tuple((first, end) for first, end in line["spans"]),
                amount=line["amount"],
                taxes=tuple((label, amount) for label, amount in line["taxes"]),
                withheld=line["withheld"],
                promotion=line.get("promotion", 0),
                promotion_taxes=tuple((label, amount) for label, amount in line.get("promotion_taxes", ())),
                adjusted=tuple((first, end, amount) for first, end, amount in line.get("adjusted", ())),
            )
            for line in value["lines"]
        ),
        shares=tuple(
            Share(**{**share, "payment_id": _id(share["payment_id"]), "origin_id": _id(share["origin_id"])})
            for share in value["shares"]
        ),
        policy_version=value["policy_version"],
        assessed=value["assessed"],
        clamped=value["clamped"],
        due=value.get("due", 0),
    )


def explain_change(before: Breakdown, after: Breakdown) -> tuple[Row, ...]:
    """Which rule changed the amount of which line, and by how much; sums to the difference (money.md 16).

    ``basis`` holds ``before`` and ``after``, the amounts, and what the rule went by afterwards.
    """
    was, now = _by_rule(before), _by_rule(after)
    changes = []
    for key in dict.fromkeys((*was, *now)):
        old, new = was.get(key), now.get(key)
        shown = now[key] if key in now else was[key]
        old_amount, new_amount = old.amount if old else 0, new.amount if new else 0
        if old_amount == new_amount:
            continue
        changes.append(
            Row(
                code=shown.code,
                amount=new_amount - old_amount,
                rule=shown.rule,
                tax=(new.tax if new else 0) - (old.tax if old else 0),
                label=shown.label,
                line_id=shown.line_id,
                basis={**((new.basis if new else None) or {}), "before": old_amount, "after": new_amount},
            )
        )
    return tuple(changes)


def _by_rule(breakdown: Breakdown) -> dict[tuple[object, ...], Row]:
    found: dict[tuple[object, ...], Row] = {}
    for row in breakdown.rows:
        key = (row.code, row.rule, row.line_id, row.label)
        if key in found:
            held = found[key]
            row = Row(
                code=row.code,
                amount=held.amount + row.amount,
                rule=row.rule,
                tax=held.tax + row.tax,
                label=row.label,
                line_id=row.line_id,
                basis=row.basis,
            )
        found[key] = row
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, UUID) else value


def _text(value: UUID | None) -> str | None:
    return None if value is None else str(value)


def _id(value: str | None) -> UUID | None:
    return None if value is None else UUID(value)
