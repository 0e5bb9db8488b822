"""A draft as the workspace shows it: items with what stands against them, questions, what is left for whom."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from flask import url_for

from portal.core.facts import LineFacts
from portal.core.money import Minor
from portal.core.policy.verdict import LineOffer, Verdict
from portal.core.reasons import REASONS
from portal.core.returns import BY_CUSTOMER, DraftLine, Step, is_done, needs_photo
from portal.services.returns import Page
from portal.web.admin.shapes import Task
from portal.web.words import gettext as _
from portal.web.words import words


@dataclass(frozen=True, kw_only=True)
class ItemRow:
    """One thing bought: how many may come back, until when, or why not."""

    line: LineFacts
    paid: Minor
    chosen: int
    most: int
    until: date | None
    unshipped: int
    objections: tuple[str, ...]
    """What stands against it: of the chosen units where some are chosen, else in general."""
    choosable: bool


@dataclass(frozen=True, kw_only=True)
class ProductRow:
    """A product that was typed in, or an empty row for one more."""

    line_id: str
    name: str
    sku: str
    units: str


@dataclass(frozen=True, kw_only=True)
class SurveyRow:
    """One line of the return with what is still asked of it."""

    line: DraftLine
    wants_photo: bool
    may_have_photos: bool
    objections: tuple[str, ...]
    refused: bool


def items(found: Page) -> tuple[ItemRow, ...]:
    """The things bought, in the order of the receipt; empty without an order."""
    if found.order is None:
        return ()
    chosen = {line.order_line_id: line.units for line in found.draft.lines if line.order_line_id}
    offers = {offer.line_id: offer for offer in found.offers}
    return tuple(_item(found, line, offers[line.id], chosen.get(line.id, 0)) for line in found.order.items)


def _item(found: Page, line: LineFacts, offer: LineOffer, chosen: int) -> ItemRow:
    against = found.verdict.of(line.id) if chosen else offer.findings
    return ItemRow(
        line=line,
        paid=line.paid,
        chosen=chosen,
        most=max(offer.units if offer.choosable else 0, chosen),
        until=offer.until,
        unshipped=offer.unshipped,
        objections=tuple(
            dict.fromkeys(words().finding(finding, found.draft.currency) for finding in against)
        ),
        choosable=offer.choosable,
    )


BLANK_ROWS = 1


def products(found: Page) -> tuple[ProductRow, ...]:
    """Without an order: what was typed in so far, and a row for more; with one, nothing."""
    if found.order is not None:
        return ()
    known = tuple(
        ProductRow(line_id=str(line.id), name=line.name, sku=line.sku, units=str(line.units))
        for line in found.draft.lines
    )
    return known + (ProductRow(line_id="", name="", sku="", units=""),) * BLANK_ROWS


def survey(found: Page) -> tuple[SurveyRow, ...]:
    """The lines of the return, in the order of the survey's form."""
    return tuple(_question(found, line) for line in found.draft.lines)


def _question(found: Page, line: DraftLine) -> SurveyRow:
    against = found.verdict.of(line.order_line_id or line.id)
    return SurveyRow(
        line=line,
        wants_photo=needs_photo(line, found.terms),
        may_have_photos=bool(line.photos) or (line.reason is not None and REASONS[line.reason].photo != "no"),
        objections=tuple(
            dict.fromkeys(words().finding(finding, found.draft.currency) for finding in against)
        ),
        refused=any(finding.weight == "refused" for finding in against),
    )


def objections(verdict: Verdict, found: Page) -> tuple[str, ...]:
    """Every objection as a sentence with the item it is about, the whole return's first."""
    names = {line.order_line_id or line.id: line.name for line in found.draft.lines}
    if found.order is not None:
        names |= {line.id: line.name for line in found.order.lines}
    told = []
    for finding in verdict.findings:
        sentence = words().finding(finding, found.draft.currency)
        name = names.get(finding.line_id) if finding.line_id else None
        told.append(f"{name}: {sentence}" if name else sentence)
    return tuple(dict.fromkeys(told))


PAGES = {
    Step.TYPE: "admin.prepare.customer",
    Step.CUSTOMER: "admin.prepare.customer",
    Step.ORDER: "admin.prepare.order",
    Step.LINES: "admin.prepare.show",
    Step.SURVEY: "admin.prepare.show",
    Step.ADDRESS: "admin.parcel.address",
    Step.SENDING: "admin.parcel.sending",
}
"""Where each step is answered."""


def tasks(found: Page) -> tuple[Task, ...]:
    """What is done and what is left, with what was answered."""
    return tuple(
        Task(
            name=words().step(step),
            done=is_done(step, found.draft, found.terms),
            url=_url(step, found.draft.id),
            note=_answered(step, found),
        )
        for step in PAGES
        if step is not Step.TYPE
    )


def _url(step: Step, return_id: UUID) -> str:
    anchor = {Step.LINES: "lines", Step.SURVEY: "survey"}.get(step)
    return url_for(PAGES[step], return_id=return_id, _anchor=anchor)


def _answered(step: Step, found: Page) -> str | None:
    draft = found.draft
    match step:
        case Step.CUSTOMER:
            return f"{draft.name} · {words().kind(draft.kind)}"
        case Step.ORDER if draft.order_number:
            return (
                draft.order_number if draft.order_id else _("%(number)s, as typed", number=draft.order_number)
            )
        case Step.ORDER if Step.ORDER in draft.answered:
            return _("Left out")
        case Step.LINES if draft.lines:
            return words().ngettext("%(n)s unit", "%(n)s units", draft.units)
        case Step.ADDRESS if draft.address is not None:
            return ", ".join(filter(None, (" ".join(draft.address.street), draft.address.city)))
        case Step.SENDING if draft.sending is not None:
            return words().method(draft.sending.method).name
    return None


def left_for_customer(found: Page) -> tuple[str, ...]:
    """The names of the questions that a link leaves to the customer; confirming is always theirs."""
    return tuple(
        words().step(step) for step in found.left if step in BY_CUSTOMER and step is not Step.CONFIRM
    )


def chosen_rate(found: Page, posted: Mapping[str, str]) -> str:
    """The way that is chosen, as just posted or as saved; nothing is chosen beforehand."""
    saved = found.draft.sending.rate_id if found.draft.sending else ""
    return posted.get("rate", saved)
