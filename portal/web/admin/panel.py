"""A refund before it is made, or changed: what is worked out, what somebody decides otherwise, who must approve."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import request, url_for
from werkzeug.wrappers import Response

from portal.core.access import Actor, Conflict
from portal.core.approvals import Standing
from portal.core.facts import STAYS, OrderFacts, PaymentFacts
from portal.core.money import Minor, portion
from portal.core.policy.terms import Terms
from portal.core.refunds.breakdown import Breakdown, explain_change
from portal.core.refunds.overrides import WAIVABLE, Overrides
from portal.core.returns import DraftLine
from portal.core.spans import count
from portal.services.handling.dossiers import Dossier
from portal.services.refunding.allowances import price_of
from portal.services.refunding.refunds import Proposal
from portal.web.actor import person
from portal.web.admin.amounts import explained
from portal.web.admin.presence import around
from portal.web.forms.refunds import RefundForm, filled
from portal.web.page import page
from portal.web.words import gettext as _
from portal.web.words import words

FRAGMENTS = ("worked",)
AT_THE_FIELD = (
    "too_much",
    "not_granted",
    "reason_missing",
    "tenders_differ",
    "negative_amount",
    "unknown_override",
    "nothing_changed",
)
"""Refusals that belong to what was typed; all others are about the return."""


@dataclass(frozen=True, kw_only=True)
class LineRow:
    """One line of the return in the panel: what is worked out for it, and at most could be agreed."""

    line: DraftLine
    units: int
    found: str
    """What the inspection found, in words."""
    computed: Minor
    most: Minor


@dataclass(frozen=True, kw_only=True)
class TenderRow:
    """One payment in the panel: what it would get, and at most can."""

    payment: PaymentFacts
    share: Minor
    most: Minor


@dataclass(frozen=True, kw_only=True)
class Panel:
    """Where the panel posts to, and what it works out with."""

    found: Dossier
    work_out: Callable[[Overrides], Proposal]
    save: str
    recalculate: str
    title: str
    back: str
    revises: bool = False
    decided: Overrides = Overrides()
    """With what a refund that is changed was made."""

    @property
    def order(self) -> OrderFacts:
        order = self.found.page.order
        if order is None:
            raise Conflict("to_be_assessed")
        return order

    @property
    def is_kept(self) -> bool:
        """Whether the goods stay: then nothing is deducted that could be left out."""
        return self.found.page.draft.kind in STAYS

    @property
    def basis(self) -> str:
        """What the panel stands on: the return as it is, and the refunds there are of it."""
        made = [f"{one.id} {one.digest} {one.state == 'canceled'}" for one in self.found.refunds]
        text = " ".join((str(self.found.page.draft.version), *made))
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def missing(self) -> dict[UUID, tuple[str, ...]]:
        """Order line -> what the inspection says is missing."""
        lines = {line.id: line.order_line_id for line in self.found.page.draft.lines}
        told: dict[UUID, tuple[str, ...]] = {}
        for one in self.found.inspections:
            order_line = lines.get(one.line_id)
            if order_line is not None and one.accepted:
                told[order_line] = (*told.get(order_line, ()), *one.missing_accessories)
        return told

    def form(self, *, fresh: bool = False) -> RefundForm:
        """The form as it was sent, or as it starts."""
        given = filled(self.found.page.draft, self.order, self.decided, self.missing())
        form = RefundForm(formdata=None, **given) if fresh else RefundForm(**given)
        form.offer(self.found.page.terms, self.waivable())
        return form

    def waivable(self) -> tuple[str, ...]:
        """The rules of this policy that could take anything off."""
        terms = self.found.page.terms
        fee = terms.restocking_fee
        there = {
            "restocking_fee": bool(fee.percent_bp or fee.fixed or fee.tiers),
            "return_postage": bool(self.found.page.draft.postage),
            "condition_deductions": bool(terms.condition_deductions_bp),
            "accessory_deductions": bool(terms.accessory_deductions),
            "depreciation": bool(terms.depreciation),
        }
        return () if self.is_kept else tuple(rule for rule in WAIVABLE if there[rule])


def first(panel: Panel) -> Response:
    """The panel as it is opened."""
    return shown(panel, panel.form(fresh=True), panel.work_out(panel.decided))


def recalculated(panel: Panel) -> Response:
    """The panel with what was typed so far: nothing is made. Only the sum is swapped where htmx asks."""
    form = panel.form()
    form.validate()
    asked = form.overrides(panel.order.currency, panel.missing(), needs_reason=False)
    worked = worked_out(panel, form, asked)
    if worked is None:
        return shown(panel, form, panel.work_out(panel.decided), stale=True)
    return shown(panel, form, worked)


def worked_out(panel: Panel, form: RefundForm, asked: Overrides | None) -> Proposal | None:
    """What is asked for, worked out; None where it cannot be, and the form says why."""
    if asked is None:
        return None
    try:
        return panel.work_out(asked)
    except Conflict as conflict:
        if conflict.code not in AT_THE_FIELD:
            raise
        told = words().conflict(conflict.code, conflict.details, panel.order.currency)
        form.blame(conflict.code, conflict.details, told)
        return None


def shown(
    panel: Panel,
    form: RefundForm,
    worked: Proposal,
    *,
    changed: bool = False,
    stale: bool = False,
    status: int = 200,
) -> Response:
    """The page; ``changed``: it is another sum than was shown. ``stale``: what was typed cannot be worked out."""
    found, due, plain = panel.found, worked.due, worked.plain
    currency = due.currency
    return page(
        "admin/refunds/new.html",
        fragments=FRAGMENTS,
        panel=panel,
        found=found,
        draft=found.page.draft,
        terms=found.page.terms,
        form=form,
        lines=_lines(panel, plain),
        tenders=_tenders(panel.order, due),
        about_ways=_about_ways(found.page.terms, due),
        example=form.goodwill.example(currency),
        **sums(
            worked,
            currency=currency,
            merchant_id=found.page.draft.merchant_id,
            before=found.confirmed if not panel.is_kept else None,
            revises=panel.revises,
            payments=panel.order.payments,
        ),
        changed=changed,
        presence=around(found.page.draft.id, "refund"),
        stale=stale,
        problems=problems(form) if stale and "HX-Request" in request.headers else [],
        status=status,
    )


def sums(
    worked: Proposal,
    *,
    currency: str,
    merchant_id: UUID,
    before: Breakdown | None = None,
    revises: bool = False,
    payments: Sequence[PaymentFacts] = (),
) -> dict[str, Any]:
    """What the fragment ``_worked.html`` shows of a proposal."""
    due, plain = worked.due, worked.plain
    modes: dict[UUID | None, str] = {payment.id: payment.mode for payment in payments}
    said = words()
    return {
        "due": explained(due),
        "shares": [
            {
                "to": said.goes_to(
                    share.tender, share.label, mode=modes.get(share.origin_id or share.payment_id, "captured")
                )
                if share.label or share.tender
                else "",
                "amount": share.amount,
            }
            for share in due.shares
        ],
        "shown": worked.shown,
        "by_hand": said.changes(explain_change(plain, due), currency) if plain and plain != due else (),
        "changes": said.changes(explain_change(before, plain), currency)
        if before and plain and before != plain
        else (),
        "policy_version": due.policy_version,
        "goes_at_once": worked.standing.is_complete,
        "needed": needed(worked.standing, person(), merchant_id, due),
        "button": _button(worked, revises=revises),
    }


def _button(worked: Proposal, *, revises: bool) -> str:
    amount = words().money(worked.due.amount, worked.due.currency)
    if revises:
        return _("Change it to %(amount)s", amount=amount)
    if worked.standing.is_complete:
        return _("Refund %(amount)s", amount=amount)
    return _("Propose a refund of %(amount)s", amount=amount)


def needed(standing: Standing, actor: Actor, merchant_id: UUID, due: Breakdown) -> tuple[str, ...]:
    """Who has to approve, and by which limit, before anything is sent."""
    said, told, currency = words(), [], due.currency
    limits = standing.limits
    role = actor.roles.get(merchant_id, "")
    if standing.is_complete:
        if role in limits.alone:
            most = said.money(limits.alone[role], currency)
            told.append(_("You approve up to %(most)s alone within a day.", most=most))
        return tuple(told)
    total = said.money(standing.total, currency)
    if standing.needs_two and limits.two_above is not None:
        most = said.money(limits.two_above, currency)
        told.append(
            _("Above %(most)s two different people are needed: whoever asks does not approve.", most=most)
        )
    elif role in limits.alone and actor.may("refunds.approve", merchant_id):
        most = said.money(limits.alone[role], currency)
        told.append(_("You approve up to %(most)s alone within a day; one more person has to.", most=most))
    else:
        told.append(_("Somebody who may approve refunds looks at it before money moves."))
    if standing.total > due.amount:
        told.append(
            _("Counted with what went back to this customer or payment within a day: %(sum)s.", sum=total)
        )
    return tuple(told)


def problems(form: RefundForm) -> list[Mapping[str, str]]:
    """What cannot be worked out, each with its field."""
    fields = [form.goodwill, form.reason, *(row.form.amount for row in (*form.lines, *form.tenders))]
    found = [{"field": field.id, "text": str(field.errors[0])} for field in fields if field.errors]
    return [*found, *({"field": "refund-form", "text": str(text)} for text in form.form_errors)]


def _lines(panel: Panel, plain: Breakdown | None) -> list[LineRow]:
    return [
        LineRow(
            line=line,
            units=line.units if panel.is_kept else _units(plain, line.order_line_id),
            found=words().join(
                f"{one.units} × {words().grade(one.grade)}"
                for one in panel.found.inspections
                if one.line_id == line.id and one.accepted
            ),
            computed=_of(plain, line.order_line_id),
            most=price_of(panel.order.line(line.order_line_id), line.units)
            if panel.is_kept
            else _of(plain, line.order_line_id, rules=("paid", "discount", "tax", "tax_cap", "line_cap")),
        )
        for line in panel.found.page.draft.lines
        if line.order_line_id is not None
    ]


def _units(plain: Breakdown | None, line_id: UUID | None) -> int:
    return sum(count(line.spans) for line in plain.lines if line.line_id == line_id) if plain else 0


def _of(plain: Breakdown | None, line_id: UUID | None, rules: tuple[str, ...] = ()) -> Minor:
    rows = plain.rows if plain else ()
    return sum(row.amount for row in rows if row.line_id == line_id and (not rules or row.rule in rules))


def _tenders(order: OrderFacts, due: Breakdown) -> list[TenderRow]:
    shares: dict[UUID | None, Minor] = {}
    for share in due.shares:
        shares[share.origin_id] = shares.get(share.origin_id, 0) + share.amount
    return [
        TenderRow(payment=payment, share=shares.get(payment.id, 0), most=payment.left)
        for payment in order.payments
    ]


def _about_ways(terms: Terms, due: Breakdown) -> dict[str, dict[str, str]]:
    bonus = min(portion(due.owed, terms.store_credit_bonus_bp), terms.store_credit_bonus_cap)
    said = words()
    return {
        "store_credit": {
            "text": _("A code to pay with in this shop, at once."),
            "side": _("%(amount)s more", amount=said.money(bonus, due.currency, signed=True))
            if bonus
            else "",
        },
        "bank_transfer": {"text": _("The customer is asked for the account; it goes with the next batch.")},
        "manual": {"text": _("Cash, check or another way outside; it is recorded with a proof.")},
    }


def return_panel(found: Dossier, work_out: Callable[[Overrides], Proposal]) -> Panel:
    """The panel of a new refund of a return."""
    draft = found.page.draft
    return Panel(
        found=found,
        work_out=work_out,
        save=url_for("admin.refunds.create", return_id=draft.id),
        recalculate=url_for("admin.refunds.recalculate", return_id=draft.id),
        title=_("Refund for %(number)s", number=draft.number or ""),
        back=url_for("admin.returns.show", return_id=draft.id),
    )
