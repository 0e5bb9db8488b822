"""An order as the page of a cancellation shows it: what is in it, what leaves it, what that comes to."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from portal.core.bundled import bundles
from portal.core.cancellations import CancelOffer, Totals
from portal.core.facts import LineFacts, OrderFacts
from portal.core.money import Minor
from portal.core.policy.cases import Finding
from portal.core.refunds.breakdown import Breakdown
from portal.core.spans import count, merge
from portal.services.cancellations import Choice, Estimate, Sheet
from portal.services.lists.orders import OrderPage
from portal.web.forms.proposals import Selection
from portal.web.words import gettext as _
from portal.web.words import words
from portal.words import Words, calls


@dataclass(frozen=True, kw_only=True)
class BoughtRow:
    """One thing of the order: how many units leave and may leave, and what stands against the others."""

    line: LineFacts
    chosen: int
    most: int
    is_part: bool
    """It belongs to the bundle above it."""
    is_bundle: bool
    is_name: bool
    """Of a bundle whose parts bear its price: it leaves with the last of them."""
    facts: tuple[str, ...]
    """What became of its units, in words."""
    objections: tuple[str, ...]
    until: datetime | None
    """After that the warehouse leaves nothing out any more."""

    @property
    def left(self) -> int:
        return max(0, self.most - self.chosen)


@dataclass(frozen=True, kw_only=True)
class LeavingRow:
    """Units that leave: how many of how many, for how much, how a service ends, and what stands against it."""

    line: LineFacts
    choice: Choice
    most: int
    amount: Minor
    endings: tuple[tuple[str, str], ...]
    told: str
    objections: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ShareRow:
    """A part of the money in words: what becomes of it, at which payment."""

    how: str
    mode: str
    where: str
    amount: Minor


def bought(sheet: Sheet, selection: Selection) -> tuple[BoughtRow, ...]:
    """Everything bought, each bundle followed by its parts."""
    offers = {offer.line_id: offer for offer in sheet.offers}
    headers = {bundle.header.id: bundle for bundle in bundles(sheet.order)}
    names = {line_id for line_id, bundle in headers.items() if bundle.is_name}
    may_go = {
        line_id: any(offers[part.id].units for part in bundle.parts) for line_id, bundle in headers.items()
    }
    return tuple(
        BoughtRow(
            line=line,
            chosen=selection.units(line.id),
            most=int(may_go[line.id]) if line.id in names else offers[line.id].units,
            is_part=line.parent_id in offers,
            is_bundle=line.id in headers,
            is_name=line.id in names,
            facts=facts_of(line),
            objections=() if line.id in names else said(offers[line.id].findings, sheet.order.currency),
            until=offers[line.id].until,
        )
        for line in grouped(sheet.order)
    )


def grouped(order: OrderFacts) -> tuple[LineFacts, ...]:
    """The things bought in the order of the receipt, the parts of a bundle right below it."""
    known = {line.id for line in order.items}
    parts: dict[object, list[LineFacts]] = {}
    for line in order.items:
        if line.parent_id in known:
            parts.setdefault(line.parent_id, []).append(line)
    return tuple(
        one for line in order.items if line.parent_id not in known for one in (line, *parts.get(line.id, ()))
    )


def facts_of(line: LineFacts) -> tuple[str, ...]:
    """How many units were bought, and what became of them."""
    shipped, picked, held = line.shipped, line.picked, count(line.held)
    canceled, returned = count(line.canceled), count(line.claimed)
    told = (
        words().ngettext("%(n)s unit", "%(n)s units", line.units),
        _("%(n)s shipped", n=shipped) if shipped else "",
        _("%(n)s being packed", n=picked) if picked else "",
        _("%(n)s held by a proposal", n=held) if held else "",
        _("%(n)s canceled", n=canceled) if canceled else "",
        _("%(n)s in returns", n=returned) if returned else "",
    )
    return tuple(one for one in told if one)


def said(findings: Iterable[Finding], currency: str) -> tuple[str, ...]:
    """Objections as sentences, each once."""
    return tuple(dict.fromkeys(words().finding(finding, currency) for finding in findings))


def leaving(sheet: Sheet, selection: Selection, estimate: Estimate) -> tuple[LeavingRow, ...]:
    """What was chosen, with every objection at its line."""
    offers = {offer.line_id: offer for offer in sheet.offers}
    amounts = {line.line_id: line.amount for line in estimate.breakdown.lines}
    rows = []
    for choice in selection.choices:
        line, offer = sheet.order.line(choice.line_id), offers[choice.line_id]
        rows.append(
            LeavingRow(
                line=line,
                choice=choice,
                most=max(offer.units, choice.units),
                amount=amounts.get(line.id, 0),
                endings=_endings(offer),
                told=words().ending(
                    choice.ending, line.period_end if choice.ending == "next_period" else None
                ),
                objections=said(estimate.verdict.of(line.id), sheet.order.currency),
            )
        )
    return tuple(rows)


def _endings(offer: CancelOffer) -> tuple[tuple[str, str], ...]:
    """The ways a service may end, by name; nothing for goods."""
    names = {"at_once": _("At once"), "next_period": _("After the period that is paid")}
    return tuple((code, names[code]) for code in offer.endings if code in names)


def against_all(sheet: Sheet, selection: Selection, estimate: Estimate) -> tuple[str, ...]:
    """What stands against the whole of it, and against lines that are not shown among what leaves."""
    shown = {choice.line_id for choice in selection.choices}
    names = {line.id: line.name for line in sheet.order.lines}
    told = []
    for finding in estimate.verdict.findings:
        if finding.line_id in shown or finding.code == "nothing_chosen":
            continue
        sentence = words().finding(finding, sheet.order.currency)
        told.append(f"{names[finding.line_id]}: {sentence}" if finding.line_id in names else sentence)
    return tuple(dict.fromkeys(told))


def shares(order: OrderFacts, breakdown: Breakdown) -> tuple[ShareRow, ...]:
    """What becomes of the money, payment by payment."""
    modes = {payment.id: payment.mode for payment in order.payments}
    return tuple(
        ShareRow(
            how=words().transfer_mode(mode),
            mode=mode,
            where=words().goes_to(share.tender, share.label),
            amount=share.amount,
        )
        for share in breakdown.shares
        for mode in [modes.get(share.origin_id or share.payment_id, "captured")]
        if share.amount
    )


def total_label(rows: Sequence[ShareRow]) -> str:
    """What the sum of a breakdown is called: as its money moves, or what all ways have in common."""
    if not rows:
        return _("No money moves")
    return rows[0].how if len({row.mode for row in rows}) == 1 else _("Comes off the order")


def is_money(rows: Sequence[ShareRow]) -> bool:
    """Whether any of it is money that we have; else less of it is taken or asked for, and nothing goes back."""
    return not rows or any(row.mode == "captured" for row in rows)


@dataclass(frozen=True, kw_only=True)
class TotalRow:
    """One amount of the order before and after."""

    name: str
    before: Minor
    after: Minor
    strong: bool = False

    @property
    def same(self) -> bool:
        return self.before == self.after


def totals(before: Totals, after: Totals) -> tuple[TotalRow, ...]:
    """The order's amounts side by side; what is nothing on both sides is left out, but the total."""
    rows = (
        TotalRow(name=_("Items"), before=before.goods, after=after.goods),
        TotalRow(name=_("Shipping"), before=before.shipping, after=after.shipping),
        TotalRow(name=_("Other charges"), before=before.other, after=after.other),
        TotalRow(name=_("Total of the order"), before=before.total, after=after.total, strong=True),
        TotalRow(name=_("Still to be paid"), before=before.due, after=after.due),
    )
    return tuple(row for row in rows if row.strong or row.before or row.after)


def stays(order: OrderFacts, choices: Iterable[Choice]) -> tuple[calls.Leaving, ...]:
    """What is left of the order once ``choices`` are out; the shell of a bundle is told by its parts."""
    out = {choice.line_id: choice.units for choice in choices if choice.ending != "next_period"}
    ending = {choice.line_id for choice in choices if choice.ending == "next_period"}
    shells = {line.parent_id for line in order.items}
    found = []
    for line in grouped(order):
        gone = count(merge((*line.canceled, *line.returned))) + out.get(line.id, 0)
        if line.units > gone and line.id not in ending and not (line.id in shells and not line.goods):
            found.append(calls.Leaving(units=line.units - gone, name=line.name))
    return tuple(found)


def script(
    found: OrderPage, sheet: Sheet, selection: Selection, estimate: Estimate, channel: str, *, now: datetime
) -> tuple[str, tuple[str, ...]]:
    """The language of the merchant, and what is said in it; nothing while nothing is chosen."""
    speaks = Words(sheet.merchant.language, sheet.merchant.zone)
    if not selection.choices:
        return speaks.language, ()
    lines = {line.id: line for line in sheet.order.lines}
    modes = {payment.id: payment.mode for payment in sheet.order.payments}
    call = calls.Call(
        channel=channel,
        shop=sheet.merchant.name,
        name=found.name or found.email,
        email=found.email,
        order=sheet.order.number,
        currency=sheet.order.currency,
        leaves=tuple(
            calls.Leaving(
                units=one.units,
                name=lines[one.line_id].name,
                ending=one.ending,
                ends_on=lines[one.line_id].period_end,
            )
            for one in selection.choices
        ),
        stays=stays(sheet.order, selection.choices),
        total_before=estimate.before.total,
        total_after=estimate.after.total,
        shipping_before=estimate.before.shipping,
        shipping_after=estimate.after.shipping,
        shares=tuple(
            calls.Share(
                mode=modes.get(share.origin_id or share.payment_id, "captured"),
                amount=share.amount,
                where=speaks.goes_to(share.tender, share.label),
            )
            for share in estimate.breakdown.shares
            if share.amount
        ),
        until=now + timedelta(hours=estimate.hours),
        ships=any(lines[one.line_id].kind == "merchandise" for one in selection.choices),
    )
    return speaks.language, calls.script(speaks, call)
