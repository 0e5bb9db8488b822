"""Disputes: the list of what is contested, and the workspace of one with claim, evidence, rules and money together."""

import secrets
from collections.abc import Callable
from typing import Any
from uuid import UUID

from flask import Blueprint, current_app, request, url_for
from werkzeug.wrappers import Response

from portal.core.access import Conflict, NotAllowed, Stale
from portal.core.disputes import (
    LONGEST_WORDS,
    MOST_PICTURES,
    NOTHING_PAID,
)
from portal.core.lifecycles import IllegalStep
from portal.core.refunds.breakdown import Breakdown
from portal.services import disputes
from portal.services.disputes import DisputeFacts, Workspace
from portal.web import uploads
from portal.web.actor import needs, person
from portal.web.admin import stale
from portal.web.admin.presence import around
from portal.web.forms.disputes import as_amount, written
from portal.web.forms.returns import Problem
from portal.web.page import now, page, redirect_to, tell
from portal.web.words import gettext as _
from portal.web.words import speak, words
from portal.words import disputing

bp = Blueprint("disputes", __name__)

SHOWN_AT = {
    "too_much": "amount",
    "amount_missing": "amount",
    "to_be_assessed": "amount",
    "photo_too_large": "pictures",
    "photos_full": "pictures",
    "photo_unreadable": "pictures",
}
"""Refusal -> the field it is about, where it is no field of words."""

TYPED = ("amount", "message", "reply", "why", "reason", "because")
"""Fields of the forms that somebody writes in."""


def time_left(until: Any) -> tuple[str, bool]:
    """How long there is, in words, and whether it is over."""
    if until is None:
        return "", False
    rest = until - now()
    late = rest.total_seconds() < 0
    span = words().duration(-rest if late else rest)
    return (_("%(span)s late", span=span) if late else _("%(span)s left", span=span)), late


@bp.get("/disputes/<uuid:dispute_id>")
@needs("disputes.read")
def show(dispute_id: UUID) -> Response:
    """Claim and evidence, what was found, the rule, the money and the messages, beside what can be done."""
    return _page(dispute_id)


def _page(dispute_id: UUID, *, problems: list[Problem] | None = None, status: int = 200) -> Response:
    actor = person()
    found = disputes.workspace(actor, dispute_id, now=now())
    speak(zone=found.page.merchant.zone)
    one, said = found.dispute, words()
    handles = actor.may("disputes.handle", one.merchant_id)
    decides = actor.may("disputes.decide", one.merchant_id)
    may = one.is_open and (decides if one.state == "escalated" else handles)
    left, late = time_left(_until(one))
    return page(
        "admin/disputes/show.html",
        fragments=("facts",),
        status=status,
        found=found,
        presence=around(one.return_id, "dispute" if may else ""),
        one=one,
        draft=found.page.draft,
        shop=found.page.merchant,
        ground=disputing.ground(said, one.ground),
        wanted=disputing.wish(said, one.wanted),
        outcome=disputing.outcome(said, one.outcome) if one.outcome else "",
        because=disputing.because(said, one.escalated_because),
        lines=[_line(found, line) for line in one.lines],
        breakdowns=[(refund, said.breakdown(refund.breakdown)) for refund in found.refunds],
        postings=[
            (said.posting(row.kind), said.account(row.debit), said.account(row.credit), row)
            for row in found.postings
        ],
        left=left if one.is_open else "",
        late=late,
        may=may,
        may_escalate=one.is_open and handles and one.state != "escalated",
        may_decide=one.is_open and decides,
        may_pay_again=decides and one.settlement_state == "canceled",
        most_pictures=MOST_PICTURES,
        endings=[(code, disputing.outcome(said, code)) for code in NOTHING_PAID],
        typed=request.form,
        problems=problems or [],
        told={problem.field: problem.text for problem in problems or ()},
        longest=LONGEST_WORDS,
        nonce=secrets.token_urlsafe(24),
    )


def _until(one: DisputeFacts) -> Any:
    """When whoever's turn it is has to have answered; a question to the customer may be answered at any time."""
    if one.waiting and one.waiting.expires_at:
        return one.waiting.expires_at
    return None if one.state == "awaiting_customer" else one.due_at


def _line(found: Workspace, line: Any) -> dict[str, Any]:
    """One contested line: what is claimed, beside what was found and which rules took something."""
    said, currency = words(), found.page.draft.currency
    choice = next((one for one in found.choices if one.line.id == line.line_id), None)
    rows = tuple(row for row in choice.rows if row.amount) if choice else ()
    return {
        "line": line,
        "ground": disputing.ground(said, line.ground),
        "choice": choice,
        "refused": said.decline_reason(choice.decline_reason) if choice and choice.declined else "",
        "rules": said.breakdown(
            Breakdown(currency=currency, rows=rows, lines=(), shares=(), policy_version=0)
        ).rows,
    }


def _act(
    dispute_id: UUID, act: Callable[[int | None], object], said: str, *, field: str = "", pays: bool = False
) -> Response:
    """Do it as the form says; too late is shown with both versions, what is wrong at its field."""
    version = request.form.get("version", "")
    try:
        act(int(version) if version.isdecimal() and len(version) < 10 else None)
    except Stale:
        return _stale(disputes.one(person(), dispute_id))
    except NotAllowed:
        raise
    except Conflict as conflict:
        if conflict.code == "dispute_over":
            return _stale(disputes.one(person(), dispute_id))
        at = SHOWN_AT.get(conflict.code, field) if field else ""
        told = words().conflict(conflict.code, conflict.details)
        if at:
            return _page(dispute_id, problems=[Problem(field=at, text=told)], status=422)
        tell(told, "wait")
    except IllegalStep:
        tell(_("This is no longer possible: somebody was faster."), "wait")
    else:
        waits = pays and disputes.one(person(), dispute_id).settlement_state == "pending_approval"
        tell(_("The refund waits for approval.") if waits else said)
    return redirect_to(url_for("admin.disputes.show", dispute_id=dispute_id))


def _stale(found: DisputeFacts) -> Response:
    said = words()
    offer = found.waiting
    theirs = said.money(offer.amount, found.currency) if offer else _("None")
    mine = " · ".join(text for name in TYPED if (text := request.form.get(name, "").strip()))
    return stale.refused(
        shown=[
            (_("What you sent"), mine, ""),
            (_("State"), "", said.state("dispute", found.state).name),
            (_("Offer"), request.form.get("amount", ""), theirs),
        ],
        version=found.version,
        instead=url_for("admin.disputes.show", dispute_id=found.id),
        subject_id=found.return_id,
        again=found.is_open,
        why_not="" if found.is_open else said.conflict("dispute_over"),
        currency=found.currency,
    )


def _amount(dispute_id: UUID) -> int | None:
    return as_amount(request.form.get("amount", ""), disputes.one(person(), dispute_id).currency)


def _no_amount(dispute_id: UUID) -> Response:
    problem = Problem(field="amount", text=_("Enter an amount such as 12.50."))
    return _page(dispute_id, problems=[problem], status=422)


@bp.post("/disputes/<uuid:dispute_id>/offers")
@needs("disputes.handle")
def offer(dispute_id: UUID) -> Response:
    """Offer an amount, or with the other button decide to pay it at once."""
    amount, body = _amount(dispute_id), written(request.form, "message")
    if amount is None:
        return _no_amount(dispute_id)
    return _act(
        dispute_id,
        lambda version: disputes.offer(person(), dispute_id, amount, body=body, version=version, now=now()),
        _("Offered. The customer gets an e-mail and can accept, decline or ask for another amount."),
        field="message",
    )


@bp.post("/disputes/<uuid:dispute_id>/settlement")
@needs("disputes.decide")
def settle(dispute_id: UUID) -> Response:
    """Pay without asking the customer first."""
    amount, body = _amount(dispute_id), written(request.form, "message")
    if amount is None:
        return _no_amount(dispute_id)
    return _act(
        dispute_id,
        lambda version: disputes.settle(
            person(), dispute_id, amount, message=body, version=version, now=now()
        ),
        _("Settled. The refund is made."),
        field="message",
        pays=True,
    )


@bp.post("/disputes/<uuid:dispute_id>/payment")
@needs("disputes.decide")
def pay_again(dispute_id: UUID) -> Response:
    """Make the refund of what was agreed once more, where the first was canceled."""
    return _act(
        dispute_id,
        lambda _version: disputes.pay_again(person(), dispute_id, now=now()),
        _("The refund is made again."),
        pays=True,
    )


@bp.post("/disputes/<uuid:dispute_id>/offers/<uuid:offer_id>/withdrawal")
@needs("disputes.handle")
def withdraw(dispute_id: UUID, offer_id: UUID) -> Response:
    return _act(
        dispute_id,
        lambda _version: disputes.withdraw_offer(person(), dispute_id, offer_id, now=now()),
        _("The offer is taken back."),
    )


@bp.post("/disputes/<uuid:dispute_id>/offers/<uuid:offer_id>/acceptance")
@needs("disputes.handle")
def accept(dispute_id: UUID, offer_id: UUID) -> Response:
    """Pay what the customer asks for."""
    return _act(
        dispute_id,
        lambda _version: disputes.accept(person(), dispute_id, offer_id, now=now()),
        _("Accepted. The refund is made."),
        pays=True,
    )


@bp.post("/disputes/<uuid:dispute_id>/offers/<uuid:offer_id>/refusal")
@needs("disputes.handle")
def decline(dispute_id: UUID, offer_id: UUID) -> Response:
    body = written(request.form, "why")[:LONGEST_WORDS]
    return _act(
        dispute_id,
        lambda _version: disputes.decline(person(), dispute_id, offer_id, body=body, now=now()),
        _("Declined. The dispute stays open."),
    )


@bp.post("/disputes/<uuid:dispute_id>/reply")
@needs("disputes.handle")
def reply(dispute_id: UUID) -> Response:
    """Write to the customer; it stands in the return's thread and goes out by e-mail."""
    nonce, body = request.form.get("nonce", "")[:40] or None, written(request.form, "reply")
    folder = current_app.config["SETTINGS"].upload_dir
    return _act(
        dispute_id,
        lambda _version: disputes.reply(
            person(), dispute_id, body, nonce=nonce, now=now(), folder=folder,
            attached=uploads.some(request.files.getlist("pictures"), most=MOST_PICTURES),
        ),
        _("The message is sent."),
        field="reply",
    )  # fmt: skip


@bp.post("/disputes/<uuid:dispute_id>/escalation")
@needs("disputes.handle")
def escalate(dispute_id: UUID) -> Response:
    because = written(request.form, "because")[:LONGEST_WORDS]
    return _act(
        dispute_id,
        lambda version: disputes.escalate(person(), dispute_id, because=because, version=version, now=now()),
        _("A supervisor has it now."),
        field="because",
    )


@bp.post("/disputes/<uuid:dispute_id>/rejection")
@needs("disputes.handle")
def reject(dispute_id: UUID) -> Response:
    """End it without money, with the reason that the customer reads."""
    outcome, message = request.form.get("outcome", ""), written(request.form, "reason")
    return _act(
        dispute_id,
        lambda version: disputes.reject(
            person(), dispute_id, outcome=outcome, message=message, version=version, now=now()
        ),
        _("The dispute is ended. The customer was told why."),
        field="reason",
    )
