"""A draft as the workspace shows it: items with what stands against them, questions, what is left for whom."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from uuid import UUID

from portal.core.access import Actor
from portal.core.facts import LineFacts
from portal.core.money import Minor
from portal.core.policy.verdict import REFUSED, LineOffer, Verdict
from portal.core.reasons import REASONS
from portal.core.returns import BY_CUSTOMER, DraftLine, Step, is_done, needs_photo, steps_left, surveyed
from portal.core.shipping import Pays
from portal.core.workflows import EXCHANGE_FIRST, NO_RETURN
from portal.services.filing.objecting import BY_OVERRIDING, needs_reason
from portal.services.filing.returns import ANSWERED_LATER, Page
from portal.web.admin.shapes import Task
from portal.web.forms.returns import product_text
from portal.web.words import gettext as _
from portal.web.words import words
from portal.words import Words
from portal.words.calls import WRITTEN
from portal.words.entry_calls import Entering, entering


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
    """Whether the policy lets it come back for one reason or another; else only somebody who may override does."""


@dataclass(frozen=True, kw_only=True)
class ProductRow:
    """A product that was typed in, or an empty row for one more."""

    line_id: str
    name: str
    sku: str
    units: str

    @property
    def shown(self) -> str:
        """The row as one text; nothing of an empty one."""
        return product_text(self.name, self.sku, self.units) if self.line_id else ""


@dataclass(frozen=True, kw_only=True)
class SurveyRow:
    """One line of the return with what is still asked of it."""

    line: DraftLine
    wants_photo: bool
    wants_note: bool
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
        most=max(offer.units if offer.choosable or _may_be_overruled(offer) else 0, chosen),
        until=offer.until,
        unshipped=offer.unshipped,
        objections=tuple(
            dict.fromkeys(words().finding(finding, found.draft.currency) for finding in against)
        ),
        choosable=offer.choosable,
    )


def _may_be_overruled(offer: LineOffer) -> bool:
    """Whether all that is refused is a rule of the shop, and no fact."""
    refused = [finding for finding in offer.findings if finding.weight == REFUSED]
    return bool(refused) and all(needs_reason(finding) for finding in refused)


BLANK_ROWS = 1


def products(found: Page) -> tuple[ProductRow, ...]:
    """Without an order: what was typed in so far, and a row for more; with one, nothing.

    The row begins with one unit: it is saved as soon as the product has a name, before anybody comes to the units.
    """
    if found.order is not None:
        return ()
    known = tuple(
        ProductRow(line_id=str(line.id), name=line.name, sku=line.sku, units=str(line.units))
        for line in found.draft.lines
    )
    return known + (ProductRow(line_id="", name="", sku="", units="1"),) * BLANK_ROWS


def survey(found: Page) -> tuple[SurveyRow, ...]:
    """The lines of the return, in the order of the survey's form."""
    return tuple(_question(found, line) for line in found.draft.lines)


def _question(found: Page, line: DraftLine) -> SurveyRow:
    against = found.verdict.of(line.order_line_id or line.id)
    wanted = needs_photo(line, found.terms)
    return SurveyRow(
        line=line,
        wants_photo=wanted,
        wants_note=line.reason is not None and REASONS[line.reason].note_required,
        may_have_photos=wanted
        or bool(line.photos)
        or (line.reason is not None and REASONS[line.reason].photo != "no"),
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


@dataclass(frozen=True, kw_only=True)
class Override:
    """What stands between this return and its number, besides open questions."""

    refuses: bool
    """Whether the policy refuses it, so that a reason has to be given."""
    may: bool
    """Whether whoever enters it may set that aside; else it waits for somebody who may."""
    objections: tuple[str, ...]


def override(found: Page, actor: Actor) -> Override | None:
    """None where nothing stands against it, or nobody could set it aside."""
    against = found.verdict.findings if found.draft.lines else ()
    told = tuple(one for one in against if needs_reason(one))
    facts = [one for one in against if one.weight == REFUSED and one not in told]
    if not told or any(one.code not in ANSWERED_LATER for one in facts):
        return None
    return Override(
        refuses=any(one.weight == REFUSED for one in told),
        may=actor.may(BY_OVERRIDING, found.draft.merchant_id),
        objections=objections(replace(found.verdict, findings=told), found),
    )


PLACES = {
    Step.ORDER: "lines",
    Step.LINES: "lines",
    Step.SURVEY: "survey",
    Step.CUSTOMER: "contact",
    Step.ADDRESS: "address",
    Step.SENDING: "ways",
}
"""Where on the screen each step is answered."""


def tasks(found: Page) -> tuple[Task, ...]:
    """What is done and what is left, with what was answered."""
    return tuple(
        Task(
            name=words().step(step),
            done=is_done(step, found.draft, found.terms),
            url=f"#{place}",
            note=_answered(step, found),
        )
        for step, place in PLACES.items()
    )


@dataclass(frozen=True, kw_only=True)
class Next:
    """The first field that is still open, by its id, and what it asks; at the end the button that ends it."""

    field: str
    name: str


def next_field(found: Page, left: Sequence[Step], *, has_ways: bool) -> Next:
    """Where to go on, in the order in which one asks a customer."""
    for step in PLACES:
        if step in left:
            field = _field_of(step, found, has_ways=has_ways)
            return Next(field=field, name=words().step(step))
    if found.terms.by_agent:
        return Next(field="authorize", name=_("Authorize return"))
    return Next(field="hand-over", name=_("Send link"))


def _field_of(step: Step, found: Page, *, has_ways: bool) -> str:
    match step:
        case Step.ORDER:
            return "order-search"
        case Step.LINES:
            return _first_item(found)
        case Step.SURVEY:
            return next(field for field in (_question_of(line, found) for line in found.draft.lines) if field)
        case Step.CUSTOMER:
            return "contact-email" if found.draft.name else "contact-name"
        case Step.ADDRESS:
            return "street"
        case _:
            return "rate-1" if has_ways else "parcel"


def _first_item(found: Page) -> str:
    if found.order is None:
        return f"name-{len(found.draft.lines)}"
    return next((f"add-{row.line.id}" for row in items(found) if row.most and row.choosable), "lines")


def _question_of(line: DraftLine, found: Page) -> str:
    """The field of this line that is still empty; nothing where it is answered."""
    if surveyed(line, found.terms):
        return ""
    if line.reason is None:
        return f"reason-{line.id}"
    if line.condition is None:
        return f"condition-{line.id}"
    return f"photos-{line.id}" if needs_photo(line, found.terms) else f"note-{line.id}"


def most(found: Page) -> dict[UUID, int]:
    """order line id -> how many units of it may be chosen."""
    return {row.line.id: row.most for row in items(found)}


def after_lines(found: Page, posted: Mapping[str, str]) -> str:
    """The field to go on with: the next question once nothing more can be added, else the item that was pressed."""
    rows = items(found)
    if rows and found.draft.lines and all(row.chosen >= row.most for row in rows if row.choosable):
        return "next"
    pressed = posted.get("more") or posted.get("all") or ""
    return f"add-{pressed.removeprefix('units-')}" if pressed.startswith("units-") else ""


@dataclass(frozen=True, kw_only=True)
class Script:
    """Sentences in the customer's language. ``spoken`` names the channel; written ones are to be copied."""

    sentences: tuple[str, ...]
    language: str
    spoken: str
    is_written: bool


def script(found: Page, *, waits: bool = False) -> Script:
    """What to say at this moment of the entry."""
    draft, said = found.draft, Words(found.draft.language, found.merchant.zone)
    open_steps = [step for step in steps_left(draft, found.terms) if step is not Step.CONFIRM]
    call = Entering(
        channel=draft.channel,
        shop=found.merchant.name,
        name=draft.name,
        email=draft.email,
        order=draft.order_number,
        currency=draft.currency,
        items=tuple((line.units, line.name) for line in draft.lines),
        asks_reason=any(line.reason is None or line.condition is None for line in draft.lines),
        asks_photo=any(needs_photo(line, found.terms) for line in draft.lines),
        address=", ".join(filter(None, (" ".join(draft.address.street), draft.address.city)))
        if draft.address
        else "",
        method=said.method(draft.sending.method).name if draft.sending else "",
        deducted=draft.sending.amount if draft.sending and draft.sending.pays != Pays.MERCHANT else 0,
        refund=found.breakdown.amount if found.breakdown.assessed and draft.lines else None,
        left=tuple(said.step(step) for step in open_steps),
        ends=found.terms.by_agent,
        waits=waits,
        offers_exchange=found.decision is not None and found.decision.outcome == EXCHANGE_FIRST,
        keeps=draft.handling == NO_RETURN,
    )
    return Script(
        sentences=entering(said, call),
        language=draft.language,
        spoken=words().channel(draft.channel),
        is_written=draft.channel in WRITTEN,
    )


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
