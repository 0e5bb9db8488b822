"""A return while it is filled in, by whoever is at it: agent and customer work on the same draft."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from portal.core.access import Actor, Conflict, NotFound
from portal.core.addresses import Address, address_from
from portal.core.facts import CANCELLATIONS, STAYS, OrderFacts, ReturnRequest, Wanted
from portal.core.intake import number_key
from portal.core.merchants import MerchantFacts
from portal.core.policy.overrides import OVERRULED_BY
from portal.core.policy.ruling import ruled
from portal.core.policy.terms import Terms
from portal.core.policy.verdict import REFUSED, Finding, LineOffer, Refused, Verdict, judge, offers
from portal.core.refunds.breakdown import Breakdown, TooMuch, from_json
from portal.core.refunds.engine import quote, quote_unassessed
from portal.core.refunds.fees import customer_pays_postage
from portal.core.refunds.overrides import WAIVABLE
from portal.core.returns import (
    BY_CUSTOMER,
    Draft,
    DraftLine,
    Step,
    invalidated_by,
    steps_left,
)
from portal.core.shipping import Method, Pays
from portal.core.spans import count
from portal.core.workflows import NO_RETURN, POLICY, RECALL, Decision, decision_from
from portal.db import history, merchants, orders, returns
from portal.db.base import already_read, transaction, uuid7
from portal.db.returns import Return, ReturnLine
from portal.services import scope
from portal.services.rules import workflows


@dataclass(frozen=True, kw_only=True)
class Page:
    """Everything that a page of one return shows, from one reading of the database."""

    draft: Draft
    order: OrderFacts | None
    terms: Terms
    merchant: MerchantFacts
    breakdown: Breakdown
    verdict: Verdict
    left: tuple[Step, ...]
    """What the customer still has to answer."""
    now: datetime
    decision: Decision | None = None
    """What a rule of the shop says: of a draft as it stands, later as it was decided. None without rules."""

    @cached_property
    def offers(self) -> tuple[LineOffer, ...]:
        """What may come back of each line; worked out where it is shown: every line is judged for every fault."""
        if self.order is None:
            return ()
        at = as_request(self.draft, now=self.now).requested_at
        return offers(self.order, self.terms, now=at, zone=ZoneInfo(self.zone))

    @property
    def zone(self) -> str:
        return self.merchant.zone

    @property
    def units_ordered(self) -> int:
        """Units that were bought and not canceled."""
        return sum(line.units - count(line.canceled) for line in self.order.items) if self.order else 0

    @property
    def is_whole_order(self) -> bool:
        """Whether nothing of what was bought stays with the customer."""
        open_units = sum(line.open_units for line in self.draft.lines)
        return self.order is not None and 0 < self.units_ordered <= open_units


@dataclass(frozen=True, kw_only=True)
class LineChoice:
    """So many units of an order line, or of a product typed in (then ``line_id`` names the row, if it has one)."""

    order_line_id: UUID | None = None
    line_id: UUID | None = None
    sku: str = ""
    name: str = ""
    units: int


@dataclass(frozen=True, kw_only=True)
class SurveyAnswer:
    """Why one line goes back, and in what condition."""

    line_id: UUID
    reason: str | None
    condition: str | None
    note: str = ""


def page(actor: Actor, return_id: UUID, *, now: datetime) -> Page:
    """The return as it stands, with offers, estimate and objections. Raises ``NotFound``, ``NotAllowed``."""
    return read(scope.return_row(actor, return_id, "returns.read"), now=now)


def read(row: Return, *, now: datetime, lock: bool = False) -> Page:
    """The page of a loaded return; with ``lock`` its order's lines are held until the transaction ends."""
    kept = None if lock else already_read()
    if kept is not None and row.id in kept and abs(now - kept[row.id].now) < SAME_MOMENT:
        return kept[row.id]  # type: ignore[no-any-return]
    page = _read(row, now=now, lock=lock)
    if kept is not None:
        kept[row.id] = page
    return page


SAME_MOMENT = timedelta(seconds=1)
"""Within it, what was read for one part of a request does for the next."""


def _read(row: Return, *, now: datetime, lock: bool) -> Page:
    draft = returns.draft(row)
    merchant, _, terms = merchants.with_terms(row.merchant_id, row.policy_id)
    order = orders.facts(row.order_id, lock=lock) if row.order_id else None
    request = as_request(draft, now=now)
    zone = ZoneInfo(merchant.zone)
    decision = _decision(row, draft, order, request, now=now)
    verdict = (
        judge(order, request, terms, now=now, zone=zone)
        if row.kind not in CANCELLATIONS
        else Verdict(findings=(), policy_version=terms.version)
    )
    if draft.state == "draft" and decision is not None:
        decision = _unless_refused(decision, verdict)
        draft = workflows.steered(draft, decision)
        request = as_request(draft, now=now)
    return Page(
        draft=draft,
        order=order,
        terms=terms,
        merchant=merchant,
        breakdown=_given(row)
        if row.kind in (*STAYS, *CANCELLATIONS)
        else estimate(order, request, terms, currency=draft.currency, now=now),
        verdict=_ruled(verdict, decision, draft, terms),
        left=steps_left(draft, terms, steps=BY_CUSTOMER) if row.kind not in CANCELLATIONS else (),
        now=now,
        decision=decision,
    )


def _decision(
    row: Return, draft: Draft, order: OrderFacts | None, request: ReturnRequest, *, now: datetime
) -> Decision | None:
    if row.state != "draft":
        return decision_from(row.decision) if row.decision else None
    return workflows.decide(draft, order, request, email=row.email, now=now)


def _unless_refused(decision: Decision, verdict: Verdict) -> Decision:
    """No rule pays for goods that stay while the policy refuses them: a person decides, as of any such return."""
    refused = any(one.weight == REFUSED and one.code not in ANSWERED_LATER for one in verdict.findings)
    if decision.outcome == NO_RETURN and refused:
        return Decision(version=decision.version, outcome=POLICY)
    return decision


def _ruled(verdict: Verdict, decision: Decision | None, draft: Draft, terms: Terms) -> Verdict:
    """What a rule adds to the verdict of a draft, or sets aside; later the verdict stands as it was written."""
    return ruled(verdict, decision, draft, terms) if draft.state == "draft" else verdict


def _given(row: Return) -> Breakdown:
    """What was decided for units that do not come back: worked out again it would be given a second time."""
    return from_json(row.breakdown) if row.breakdown else quote_unassessed(row.currency)


def as_request(draft: Draft, *, now: datetime, as_asked: bool = False) -> ReturnRequest:
    """The draft as policy and engine judge it: time that the shop takes afterwards costs the customer nothing.

    What an agent entered keeps the day it was started, what a customer asked for the one it was confirmed on.
    Units that were refused are out of it, but for whoever looks at it ``as_asked``.
    """
    asked_at = (draft.submitted_at or now) if draft.channel == "self_service" else draft.created_at
    return ReturnRequest(
        wanted=tuple(
            _as_asked(line) if as_asked else as_wanted(line)
            for line in draft.lines
            if as_asked or line.open_units
        ),
        requested_at=asked_at,
        kind=draft.kind,
        postage=0 if draft.handling in FREE else draft.postage,
        waived=WAIVABLE if draft.handling in FREE else (),
    )


FREE = (NO_RETURN, RECALL)
"""Handlings that cost the customer nothing: nothing is sent, or it is the shop that wants it back."""


def _as_asked(line: DraftLine) -> Wanted:
    return replace(as_wanted(line), units=line.units, spans=() if line.declined else line.spans)


def as_wanted(line: DraftLine) -> Wanted:
    """What is asked for of a line and was not refused."""
    return Wanted(
        line_id=line.order_line_id or line.id,
        units=line.open_units,
        reason=line.reason,
        condition=line.condition,
        note=line.note,
        photos=len(line.photos),
        spans=line.spans,
        allowance=line.allowance,
        ending=line.ending,
        scope_used=line.scope_used,
    )


def estimate(
    order: OrderFacts | None, request: ReturnRequest, terms: Terms, *, currency: str, now: datetime
) -> Breakdown:
    """What would be given back now; of an order that has changed under the draft, what is still there."""
    if order is None:
        return quote_unassessed(currency, policy_version=terms.version)
    try:
        return quote(order, request, terms, now=now)
    except TooMuch:
        left = {line.id: line.returnable_units for line in order.lines}
        fitting = tuple(
            wanted if wanted.spans else _at_most(wanted, left.get(wanted.line_id, 0))
            for wanted in request.wanted
        )
        return quote(order, replace(request, wanted=fitting), terms, now=now)


def _at_most(wanted: Wanted, units: int) -> Wanted:
    return replace(wanted, units=min(wanted.units, units))


def start_draft(
    actor: Actor,
    *,
    merchant_id: UUID,
    kind: str,
    channel: str,
    name: str,
    email: str,
    language: str,
    phone: str = "",
    order_id: UUID | None = None,
    order_number: str = "",
    address: Address | None = None,
    nonce: str | None = None,
    begun_at: datetime | None = None,
    now: datetime,
) -> UUID:
    """A new draft; the same ``nonce`` again answers the same draft. Raises ``NotFound``, ``NotAllowed``.

    ``address`` is one that is known to be right, ``begun_at`` when somebody turned to it.
    """
    scope.require(actor, "returns.create", merchant_id)
    try:
        with transaction():
            if nonce and (made := returns.by_nonce(nonce)) is not None:
                scope.require(actor, "returns.create", made.merchant_id)
                return made.id
            merchant, policy_id, terms = merchants.with_terms(merchant_id)
            if not terms.active:
                raise Conflict("policy_inactive")
            row = Return(
                id=uuid7(),
                merchant_id=merchant_id,
                policy_id=policy_id,
                kind=kind,
                channel=channel,
                language=language,
                currency=merchant.currency,
                nonce=nonce,
                begun_at=begun_at,
                created_by=actor.id,
                created_at=now,
            )
            if address is not None:
                row.address, row.answered = address.record(), [Step.ADDRESS.value]
            _put_customer(row, name=name, email=email, phone=phone)
            if order_id or order_number:
                _put_order(row, order_id, order_number)
            returns.db.session.add(row)
            returns.db.session.flush()
            _tell(actor, "return.created", row, now, channel=channel)
            return row.id
    except IntegrityError:
        if nonce is None or (made := returns.by_nonce(nonce)) is None:
            raise
        return made.id  # the same form arrived twice at once; the other one was faster


def set_customer(
    actor: Actor,
    return_id: UUID,
    *,
    name: str,
    email: str,
    phone: str,
    language: str,
    kind: str,
    now: datetime,
) -> None:
    """Who the return is for, and of which type."""
    with transaction():
        row = _editable(actor, return_id, Step.CUSTOMER)
        _put_customer(row, name=name, email=email, phone=phone)
        row.language, row.kind = language, kind
        _done(actor, row, Step.CUSTOMER, now)


def set_order(
    actor: Actor, return_id: UUID, *, order_id: UUID | None = None, order_number: str = "", now: datetime
) -> None:
    """Which order; None and an empty number skip the question. Another order empties the selection."""
    with transaction():
        row = _editable(actor, return_id, Step.ORDER)
        if order_id != row.order_id:
            _forget_lines(row)
        _put_order(row, order_id, order_number)
        _done(actor, row, Step.ORDER, now)


def choose_lines(
    actor: Actor,
    return_id: UUID,
    choices: Sequence[LineChoice],
    *,
    now: datetime,
    partly: bool = False,
    despite: bool = False,
) -> Verdict:
    """Replace the selection, keeping what was answered of the lines that stay; 0 units take a line out.

    With ``partly`` lines that are not named stay as they are; with ``despite`` a person also takes what somebody
    who may override could let through in the end. Raises ``Refused`` with every objection that no later answer
    can lift; nothing is saved then.
    """
    with transaction():
        row = _editable(actor, return_id, Step.LINES)
        before = {line.order_line_id or line.id: line for line in returns.lines_of(row.id)}
        units_before = {key: line.units for key, line in before.items()}
        order = orders.facts(row.order_id) if row.order_id else None
        wanted = _wanted_lines(row, choices, before, order, actor, partly=partly)
        was = {key: units for key, units in units_before.items() if units}
        gone = [line for key, line in before.items() if key not in wanted]
        history.change([row.id], {f"units: {line.name}": (line.units, 0) for line in gone})
        _drop([line.id for line in gone])
        for position, line in enumerate(wanted.values()):
            line.position = position
        returns.db.session.add_all(wanted.values())
        returns.db.session.flush()
        same = was == {key: line.units for key, line in wanted.items()}
        _done(actor, row, Step.LINES, now, keep=same)
        merchant, _, terms = merchants.with_terms(row.merchant_id, row.policy_id)
        request = as_request(returns.draft(row), now=now)
        zone = ZoneInfo(merchant.zone)
        verdict = judge(order, request, terms, now=now, zone=zone)
        stopped = _stopped(verdict, order, terms, request, zone)
        if despite and actor.kind == "person":
            stopped = tuple(one for one in stopped if one.code not in OVERRULED_BY)
        if stopped:
            raise Refused(Verdict(findings=stopped, policy_version=verdict.policy_version))
        return verdict


ANSWERED_LATER = frozenset({"picture_requested", "more_information", "nothing_chosen"})
"""Objections that the following steps lift."""

LIFTED_BY_REASON = frozenset({"window_expired", "final_sale"})
"""Objections that a reason may lift, where the terms have one for it."""


def _stopped(
    verdict: Verdict, order: OrderFacts | None, terms: Terms, request: ReturnRequest, zone: ZoneInfo
) -> tuple[Finding, ...]:
    """The objections that nothing the customer still answers can lift."""
    unsaid = {wanted.line_id for wanted in request.wanted if wanted.reason is None}
    choosable = (
        {
            offer.line_id
            for offer in offers(order, terms, now=request.requested_at, zone=zone)
            if offer.choosable
        }
        if order
        else set()
    )
    return tuple(
        finding
        for finding in verdict.findings
        if finding.weight == REFUSED
        and finding.code not in ANSWERED_LATER
        and not (finding.code in LIFTED_BY_REASON and finding.line_id in unsaid & choosable)
    )


def _wanted_lines(
    row: Return,
    choices: Sequence[LineChoice],
    before: dict[UUID, ReturnLine],
    order: OrderFacts | None,
    actor: Actor,
    *,
    partly: bool,
) -> dict[UUID, ReturnLine]:
    """The lines after the choice, old ones kept; a line the order does not have raises ``NotFound``."""
    wanted: dict[UUID, ReturnLine] = dict(before) if partly else {}
    known = {line.id: line for line in order.items} if order else {}
    for choice in choices:
        key = choice.order_line_id or choice.line_id or uuid7()
        if choice.units < 0:
            raise Conflict("negative_units", units=choice.units)
        if choice.units == 0:
            wanted.pop(key, None)
            continue
        line = before.get(key) or ReturnLine(
            id=key if choice.order_line_id is None else uuid7(),
            merchant_id=row.merchant_id,
            return_id=row.id,
            order_line_id=choice.order_line_id,
            by_agent=actor.kind == "person",
        )
        line.units = choice.units
        if choice.order_line_id is None:
            line.sku, line.name = choice.sku.strip(), choice.name.strip()
        else:
            bought = known.get(choice.order_line_id)
            if bought is None:
                raise NotFound
            line.sku, line.name, line.variant = bought.sku, bought.name, bought.variant
            line.picture, line.weight_g = bought.picture, bought.weight_g
        wanted[key] = line
    return wanted


def answer(actor: Actor, return_id: UUID, answers: Sequence[SurveyAnswer], *, now: datetime) -> None:
    """Reasons and conditions; lines that are not named keep theirs, and None keeps what was said before."""
    with transaction():
        row = _editable(actor, return_id, Step.SURVEY)
        lines = {line.id: line for line in returns.lines_of(row.id)}
        for given in answers:
            line = lines.get(given.line_id)
            if line is None:
                raise NotFound
            line.reason = given.reason or line.reason
            line.condition = given.condition or line.condition
            line.note = given.note.strip()
        _done(actor, row, Step.SURVEY, now)
        judge_postage(row, now)


def judge_postage(row: Return, now: datetime) -> None:
    """Who pays for the chosen way follows the reasons, and so does what was stored with it."""
    sending = row.sending
    if not sending or not sending["amount"] or sending["method"] == Method.OWN_CARRIER:
        return
    returns.db.session.flush()
    pays = who_pays(read(row, now=now), now=now)
    if sending["pays"] != pays:
        row.sending = {**sending, "pays": pays.value}


def who_pays(page: Page, *, now: datetime) -> Pays:
    """Who bears the way home: never the customer of what the shop calls back."""
    theirs = page.draft.handling not in FREE and customer_pays_postage(
        as_request(page.draft, now=now), page.terms
    )
    return Pays.DEDUCT if theirs else Pays.MERCHANT


def set_address(actor: Actor, return_id: UUID, address: Address, *, now: datetime) -> None:
    """Where the parcel comes from. The form has checked it by its country's rules."""
    with transaction():
        row = _editable(actor, return_id, Step.ADDRESS)
        if row.address != address.record():
            row.address = address.record()
            _done(actor, row, Step.ADDRESS, now)
        elif Step.ADDRESS not in row.answered:
            _done(actor, row, Step.ADDRESS, now, keep=True)


def doubt_address(actor: Actor, return_id: UUID, *, now: datetime) -> None:
    """What is being typed as the address is none (yet): the question is open again, the old one proposed."""
    with transaction():
        row = _editable(actor, return_id, Step.ADDRESS)
        if Step.ADDRESS in row.answered:
            _done(actor, row, Step.ADDRESS, now)
            row.answered = sorted(set(row.answered) - {Step.ADDRESS})


def doubt_sending(actor: Actor, return_id: UUID, *, now: datetime) -> None:
    """The way that was chosen is none any more, or another is being chosen: the question is open again."""
    with transaction():
        row = _editable(actor, return_id, Step.SENDING)
        if row.sending is not None:
            row.sending, row.postage_minor = None, 0
            _done(actor, row, Step.SENDING, now)
            row.answered = sorted(set(row.answered) - {Step.SENDING})


def set_note(actor: Actor, return_id: UUID, *, note: str, locked: Sequence[str], now: datetime) -> None:
    """What the agent tells the customer, and which answers are fixed. Raises ``Conflict`` for an open one."""
    with transaction():
        row = scope.return_row(actor, return_id, "returns.create", lock=True)
        if actor.kind != "person" or row.state != "draft":
            raise Conflict("not_a_draft", state=row.state)
        draft = returns.draft(row)
        _, _, terms = merchants.with_terms(row.merchant_id, row.policy_id)
        left = steps_left(draft, terms)
        row.note = note.strip()
        row.locked = [step.value for step in Step if step.value in locked and step not in left]
        row.version += 1
        _tell(actor, "return.updated", row, now, step="note")


def proposed_address(page: Page) -> Address:
    """What the address form starts with: what was answered, else where the order went to."""
    if page.draft.address is not None:
        return page.draft.address
    found = orders.address_of(page.draft.order_id) if page.draft.order_id else None
    if found:
        return address_from(found)
    return Address(name=page.draft.name, country=page.merchant.country)


def _editable(actor: Actor, return_id: UUID, step: Step) -> Return:
    """The locked row of a draft that this actor may change. Raises ``Conflict`` where it is settled."""
    row = scope.return_row(actor, return_id, "returns.create", lock=True)
    if row.kind in CANCELLATIONS:
        raise NotFound  # what leaves an order before it was sent is chosen, and confirmed, on pages of its own
    if row.state != "draft":
        raise Conflict("not_a_draft", state=row.state)
    if actor.kind == "link" and (step not in BY_CUSTOMER or step in row.locked):
        raise Conflict("locked", step=step)
    return row


def _done(actor: Actor, row: Return, step: Step, now: datetime, *, keep: bool = False) -> None:
    """Note that ``step`` was answered; what depends on it is asked again."""
    stale = () if keep else invalidated_by(step)
    row.answered = sorted({*row.answered, step} - set(stale))
    if Step.SENDING in stale:
        row.sending, row.postage_minor = None, 0
    row.version += 1
    _tell(actor, "return.updated", row, now, step=step)


def _tell(actor: Actor, what: str, row: Return, now: datetime, **details: object) -> None:
    history.record(actor, what, merchant_id=row.merchant_id, subject_id=row.id, now=now, **details)


def _put_customer(row: Return, *, name: str, email: str, phone: str) -> None:
    row.name, row.email, row.phone = name.strip(), email.strip().lower(), phone.strip()
    row.name_key = row.name.lower()


def _put_order(row: Return, order_id: UUID | None, number: str) -> None:
    """Tie the return to an order of the same merchant, or to a number as it was typed."""
    row.order_id, row.order_number = order_id, number.strip()
    if order_id is not None:
        found = orders.head(order_id)
        if found is None or found.merchant_id != row.merchant_id:
            raise NotFound
        row.order_number, row.currency = found.number, found.currency
    row.order_number_key = number_key(row.order_number)
    row.answered = sorted({*(row.answered or []), Step.ORDER})


def _forget_lines(row: Return) -> None:
    _drop([line.id for line in returns.lines_of(row.id)])


def _drop(line_ids: Sequence[UUID]) -> None:
    """Take lines out, with their photos."""
    if line_ids:
        session, photo = returns.db.session, returns.Photo
        session.execute(sa.delete(photo).where(photo.return_line_id.in_(line_ids)))
        session.execute(sa.delete(ReturnLine).where(ReturnLine.id.in_(line_ids)))
