"""The credit note of a refund: one frozen object that its XML and its PDF are both made of.

Everything is taken from the refund's stored breakdown and from the order as it was paid, so that the note
says what was decided and what the ledger holds. Amounts are minor units and never negative: a credit note
credits, and what lowers the credit stands as an allowance.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any
from uuid import UUID

from portal.core.addresses import Address, address_from
from portal.core.facts import LineFacts, OrderFacts
from portal.core.money import Minor
from portal.core.refunds.breakdown import ADDITIONS, Breakdown, Row
from portal.core.refunds.ledger import SET_OFF
from portal.core.spans import count

CREDIT_NOTE, REVERSAL = "credit_note", "reversal"
DEDUCTIONS = (
    "restocking_fee",
    "return_shipping_fee",
    "condition_deduction",
    "missing_accessory_deduction",
)
"""Rows of a breakdown that are kept back from what was paid."""

PRICE_RULES = ("scope_used",)
"""Rules whose rows lower the price itself, tax and all, as far as a service was used: nothing is kept back."""

OTHER = "other_deduction"
"""What was kept back of a line and is told by no row of its own."""

UNTAXED = ""
"""The label of what no tax was charged on: untaxed lines, deductions, goodwill and bonus."""


def number_of(sequence: int) -> str:
    """The number of a merchant's ``sequence``-th document: without gaps, from 1."""
    return f"CN-{sequence:06d}"


@dataclass(frozen=True, kw_only=True)
class Party:
    """Who credits, and who is credited."""

    name: str
    address: Address
    tax_number: str = ""
    email: str = ""


@dataclass(frozen=True, kw_only=True)
class NoteTax:
    """The tax of one label in one line, or in the whole note; ``taxable`` is what it was charged on."""

    label: str
    amount: Minor
    taxable: Minor
    rate_ppm: int | None = None

    @property
    def category(self) -> str:
        """UN/ECE 5305: S taxed, Z at a rate of zero, E nothing charged."""
        if self.label == UNTAXED:
            return "E"
        return "Z" if self.rate_ppm == 0 and not self.amount else "S"


@dataclass(frozen=True, kw_only=True)
class NoteLine:
    """What is credited for one line of the order; ``net`` is without tax and before deductions."""

    number: int
    order_line: int
    name: str
    sku: str
    units: int
    net: Minor
    taxes: tuple[NoteTax, ...] = ()

    @property
    def tax(self) -> Minor:
        return sum(tax.amount for tax in self.taxes)


@dataclass(frozen=True, kw_only=True)
class Change:
    """A deduction, or something given on top; ``amount`` is above zero and holds no tax."""

    code: str
    amount: Minor
    name: str = ""
    """The item it belongs to, where it belongs to one."""


@dataclass(frozen=True, kw_only=True)
class Paid:
    """Where the money goes."""

    tender: str
    label: str
    amount: Minor
    mode: str = "captured"
    """``authorized`` or ``due``: it was never paid, so it is not charged, or owed no more."""


@dataclass(frozen=True, kw_only=True)
class CreditNote:
    """A credit note, or with ``kind`` reversal the document that takes one back. Never changes once issued."""

    kind: str = CREDIT_NOTE
    number: str
    reverses: str = ""
    """The number of the credit note that this one takes back."""
    issued_on: date
    language: str
    currency: str
    refund_number: str
    return_number: str
    order_number: str
    ordered_on: date
    seller: Party
    buyer: Party
    lines: tuple[NoteLine, ...]
    deductions: tuple[Change, ...] = ()
    additions: tuple[Change, ...] = ()
    set_off: Minor = 0
    """What goes into an exchange instead of back to a payment."""
    paid: tuple[Paid, ...] = ()
    policy_version: int = 0
    taxes: tuple[NoteTax, ...] = field(default=())
    """Per label and rate; what no tax was charged on comes last, under the empty label."""

    @property
    def lines_net(self) -> Minor:
        return sum(line.net for line in self.lines)

    @property
    def deducted(self) -> Minor:
        return sum(change.amount for change in self.deductions)

    @property
    def added(self) -> Minor:
        return sum(change.amount for change in self.additions)

    @property
    def net(self) -> Minor:
        return self.lines_net - self.deducted + self.added

    @property
    def tax(self) -> Minor:
        return sum(tax.amount for tax in self.taxes)

    @property
    def total(self) -> Minor:
        """What is credited, tax included; ``payable`` and ``set_off`` together."""
        return self.net + self.tax

    @property
    def payable(self) -> Minor:
        """What is paid out: the refund. Of a reversal nothing is, since nothing had arrived."""
        return 0 if self.kind == REVERSAL else self.total - self.set_off


@dataclass(frozen=True, kw_only=True)
class Heading:
    """What a note says beside its amounts."""

    number: str
    issued_on: date
    ordered_on: date
    language: str
    refund_number: str
    return_number: str
    seller: Party
    buyer: Party


def build(
    breakdown: Breakdown, order: OrderFacts, heading: Heading, modes: Mapping[UUID, str] | None = None
) -> CreditNote:
    """The credit note of a decided refund; ``modes`` says of payments that were never captured what they are.

    Its payable amount is the refund's amount. Raises ``ValueError`` when the breakdown does not add up to that.
    """
    known = {line.id: line for line in order.lines}
    names = {line.id: line.name for line in order.lines}
    lines = tuple(
        _line(number, known[part.line_id], part.amount + part.withheld, part.taxes, count(part.spans))
        for number, part in enumerate(
            sorted(breakdown.lines, key=lambda part: known[part.line_id].number), start=1
        )
    )
    deductions = _deductions(breakdown, names)
    additions = tuple(_change(row, names) for row in breakdown.rows if row.code in ADDITIONS and row.amount)
    additions += _given_back(breakdown, names)
    note = CreditNote(
        number=heading.number,
        issued_on=heading.issued_on,
        ordered_on=heading.ordered_on,
        language=heading.language,
        currency=breakdown.currency,
        refund_number=heading.refund_number,
        return_number=heading.return_number,
        order_number=order.number,
        seller=heading.seller,
        buyer=heading.buyer,
        lines=lines,
        deductions=tuple(deductions),
        additions=additions,
        set_off=-sum(row.amount for row in breakdown.rows if row.code == SET_OFF),
        paid=tuple(
            Paid(
                tender=share.tender,
                label=share.label,
                amount=share.amount,
                mode=(modes or {}).get(share.origin_id, "captured") if share.origin_id else "captured",
            )
            for share in breakdown.shares
            if share.amount
        ),
        policy_version=breakdown.policy_version,
        taxes=_taxes(lines, deductions, additions),
    )
    if note.payable != breakdown.amount:
        raise ValueError(f"{note.number} pays {note.payable}, the refund {breakdown.amount}")
    return note


def reversal(note: CreditNote, *, number: str, issued_on: date) -> CreditNote:
    """The document that takes ``note`` back, in full, under a number and a day of its own."""
    values = {name: getattr(note, name) for name in CreditNote.__dataclass_fields__}
    changed = {"kind": REVERSAL, "number": number, "reverses": note.number, "issued_on": issued_on}
    return CreditNote(**{**values, **changed})


def _line(
    number: int, line: LineFacts, gross: Minor, taxes: tuple[tuple[str, Minor], ...], units: int
) -> NoteLine:
    rates = {tax.label: tax.rate_ppm for tax in line.taxes}
    net = gross - sum(amount for _, amount in taxes)
    told = dict(taxes)
    labels = [label for label, rate in rates.items() if told.get(label) or rate == 0]
    return NoteLine(
        number=number,
        order_line=line.number,
        name=line.name or line.sku or line.kind,
        sku=line.sku,
        units=max(1, units),
        net=net,
        taxes=tuple(
            NoteTax(label=label, amount=told.get(label, 0), taxable=net, rate_ppm=rates[label])
            for label in labels
        ),
    )


def _deductions(breakdown: Breakdown, names: dict[UUID, str]) -> list[Change]:
    """What was kept back, told by the rows that took it; always as much as the lines say."""
    found = [
        _change(row, names)
        for row in breakdown.rows
        if row.code in DEDUCTIONS and row.rule not in PRICE_RULES and row.amount
    ]
    withheld = sum(part.withheld for part in breakdown.lines)
    rest = withheld - sum(change.amount for change in found)
    if rest < 0:
        return [Change(code=OTHER, amount=withheld)] if withheld > 0 else []
    return [*found, Change(code=OTHER, amount=rest)] if rest else found


def _given_back(breakdown: Breakdown, names: dict[UUID, str]) -> tuple[Change, ...]:
    """Fees of an earlier note that were given back as agreed: they bear no tax, as they bore none then."""
    return tuple(
        Change(code="adjustment", amount=-part.withheld, name=names[part.line_id])
        for part in breakdown.lines
        if part.withheld < 0
    )


def _change(row: Row, names: dict[UUID, str]) -> Change:
    name = names.get(row.line_id, "") if row.line_id else ""
    return Change(code=row.code, amount=abs(row.amount), name=name)


def _taxes(lines: tuple[NoteLine, ...], deductions: list[Change], additions: Any) -> tuple[NoteTax, ...]:
    """Tax per label and rate, with what it was charged on; what bears no tax is one sum of its own."""
    sums: dict[tuple[str, int | None], list[Minor]] = {}
    untaxed = sum(change.amount for change in additions) - sum(change.amount for change in deductions)
    bare = bool(deductions or additions)
    for line in lines:
        if not line.taxes:
            untaxed, bare = untaxed + line.net, True
        for tax in line.taxes:
            held = sums.setdefault((tax.label, tax.rate_ppm), [0, 0])
            held[0] += tax.taxable
            held[1] += tax.amount
    found = [
        NoteTax(label=label, rate_ppm=rate, taxable=taxable, amount=amount)
        for (label, rate), (taxable, amount) in sums.items()
    ]
    if bare or not found:
        found.append(NoteTax(label=UNTAXED, rate_ppm=0, taxable=untaxed, amount=0))
    return tuple(found)


def to_json(note: CreditNote) -> dict[str, Any]:
    """``note`` as plain JSON, complete."""
    value: dict[str, Any] = asdict(note)
    for name in ("issued_on", "ordered_on"):
        value[name] = value[name].isoformat()
    for name in ("seller", "buyer"):
        value[name]["address"] = getattr(note, name).address.record()
    return value


def from_json(value: dict[str, Any]) -> CreditNote:
    """The note that ``to_json`` wrote, equal to it in every part."""

    def taxes(told: list[dict[str, Any]]) -> tuple[NoteTax, ...]:
        return tuple(NoteTax(**tax) for tax in told)

    def party(told: dict[str, Any]) -> Party:
        return Party(**{**told, "address": address_from(told["address"])})

    return CreditNote(
        **{
            **value,
            "issued_on": date.fromisoformat(value["issued_on"]),
            "ordered_on": date.fromisoformat(value["ordered_on"]),
            "seller": party(value["seller"]),
            "buyer": party(value["buyer"]),
            "lines": tuple(NoteLine(**{**line, "taxes": taxes(line["taxes"])}) for line in value["lines"]),
            "deductions": tuple(Change(**change) for change in value["deductions"]),
            "additions": tuple(Change(**change) for change in value["additions"]),
            "paid": tuple(Paid(**one) for one in value["paid"]),
            "taxes": taxes(value["taxes"]),
        }
    )
