"""A customer contests what was decided: what, why and how much, looked at once more, sent once; and the answers."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import Blueprint, current_app, request
from werkzeug.wrappers import Response

from portal.core import disputes as core
from portal.core.access import Actor, Conflict, NotFound
from portal.core.disputes import LONGEST_WORDS, MOST_PICTURES, WISHES
from portal.core.lifecycles import IllegalStep
from portal.core.refunds.breakdown import Breakdown
from portal.services import disputes
from portal.services.disputes import Choice, DisputeFacts, Sheet
from portal.web import uploads
from portal.web.customer.opened import Opened, open_return
from portal.web.extensions import limiter
from portal.web.forms.disputes import as_amount, read_claim, refused, written
from portal.web.forms.returns import Problem
from portal.web.page import now, page, redirect_to, tell
from portal.web.words import gettext as _
from portal.web.words import words
from portal.words import disputing

bp = Blueprint("dispute", __name__, url_prefix="/r/<uuid:return_id>/dispute")


@dataclass(frozen=True, kw_only=True)
class ContestedLine:
    """One line of the question page: what was decided, by which rule, and what can be said against it."""

    choice: Choice
    grounds: tuple[tuple[str, str], ...]
    rules: tuple[Any, ...]
    """Rows that took something off, in words."""
    refused: str
    most: str


def context(actor: Actor, return_id: UUID) -> dict[str, Any]:
    """What ``customer/_dispute.html`` shows on the status page, of a cancellation too."""
    found = disputes.sheet(actor, return_id, now=now())
    return {
        "disputes": [shown(one) for one in found.disputes],
        "may_contest": found.may_open,
        "latest_dispute": found.disputes[0] if found.disputes else None,
    }


def shown(one: DisputeFacts) -> dict[str, Any]:
    """A dispute as its customer reads it."""
    said = words()
    return {
        "facts": one,
        "ground": disputing.ground(said, one.ground),
        "wanted": disputing.wish(said, one.wanted),
        "lines": [(line.name, disputing.ground(said, line.ground), line.claimed) for line in one.lines],
        "headline": said.gettext(
            disputing.HEADINGS[one.outcome], amount=said.money(one.settled, one.currency)
        )
        if one.outcome
        else "",
        "answerable": one.waiting if one.waiting and one.waiting.by_side == "merchant" else None,
        "asked_for": one.waiting if one.waiting and one.waiting.by_side == "customer" else None,
        "is_late": bool(one.waiting and one.waiting.expires_at and one.waiting.expires_at <= now()),
    }


@bp.get("")
def show(return_id: UUID) -> Response:
    """The question; where there is a dispute already, how it stands."""
    opened = open_return(return_id)
    found = disputes.sheet(opened.actor, return_id, now=now())
    if found.open is not None:
        return _standing(opened, found.open)
    if not found.may_open:
        tell(words().conflict("not_contestable", {}), "info")
        return redirect_to(opened.url("customer.status.show"))
    return _question(opened, found, {})


@bp.post("")
@limiter.limit("20/hour")
def ask(return_id: UUID) -> Response:
    """What was typed, shown once more before it is sent; or sent, once."""
    opened = open_return(return_id)
    found = disputes.sheet(opened.actor, return_id, now=now())
    if found.open is not None:
        return redirect_to(opened.url("customer.dispute.show"))
    typed = request.form.to_dict()
    read = read_claim(request.form, found.choices, opened.view.draft.currency)
    if read.problems or "change" in request.form:
        status = 422 if "change" not in request.form else 200
        return _question(opened, found, typed, problems=read.problems if status == 422 else [], status=status)
    if "send" not in request.form:
        return _check(opened, found, typed)
    return _send(opened, found, typed, read.claim)


def _send(opened: Opened, found: Sheet, typed: dict[str, str], claim: disputes.Claim | None) -> Response:
    assert claim is not None  # noqa: S101  for the type
    try:
        attached = uploads.some(request.files.getlist("pictures"), most=MOST_PICTURES)
        disputes.open_dispute(
            opened.actor, opened.id, claim, nonce=typed.get("nonce", "")[:40] or secrets.token_urlsafe(24),
            attached=attached, folder=current_app.config["SETTINGS"].upload_dir, now=now(),
        )  # fmt: skip
    except Conflict as problem:
        if problem.code in ("dispute_open", "not_contestable"):
            tell(words().conflict(problem.code, problem.details), "info")
            return redirect_to(opened.url("customer.status.show"))
        conflict = problem
    else:
        tell(_("We have it. You hear from us soon."))
        return redirect_to(opened.url("customer.dispute.show"))
    if conflict.code.startswith("photo"):
        return _check(opened, found, typed, problems=[refused(conflict, "", at="pictures")], status=422)
    wrong = refused(conflict, opened.view.draft.currency, at="body")
    return _question(opened, found, typed, problems=[wrong], status=422)


def _question(
    opened: Opened,
    found: Sheet,
    typed: dict[str, str],
    *,
    problems: list[Problem] | None = None,
    status: int = 200,
) -> Response:
    return page(
        "customer/dispute.html",
        status=status,
        **opened.context(
            contested=[_line(one, found) for one in found.choices],
            wishes=[(code, disputing.wish(words(), code)) for code in WISHES],
            typed=typed,
            problems=problems or [],
            told={one.field: one.text for one in problems or ()},
            longest=LONGEST_WORDS,
            due=core.due(now(), found.hours),
            nonce=typed.get("nonce") or secrets.token_urlsafe(24),
        ),
    )


def _line(one: Choice, found: Sheet) -> ContestedLine:
    said, currency = words(), found.page.draft.currency
    took = tuple(row for row in one.rows if row.rule not in ("paid", "discount", "tax") and row.amount)
    why = ""
    if one.declined:
        why = said.decline_reason(one.decline_reason)
    return ContestedLine(
        choice=one,
        grounds=tuple((code, disputing.ground(said, code)) for code in one.grounds),
        rules=said.breakdown(
            Breakdown(currency=currency, rows=took, lines=(), shares=(), policy_version=0)
        ).rows,
        refused=why,
        most=said.money(one.most, currency) if one.most else "",
    )


def _check(
    opened: Opened,
    found: Sheet,
    typed: dict[str, str],
    *,
    problems: list[Problem] | None = None,
    status: int = 200,
) -> Response:
    """What will be sent, with a place for pictures: a browser forgets chosen files when a page is shown again."""
    said, currency = words(), opened.view.draft.currency
    rows = []
    for one in found.choices:
        ground = typed.get(f"ground-{one.line.id}", "")
        if ground:
            claimed = as_amount(typed.get(f"claimed-{one.line.id}", ""), currency)
            rows.append((one.line.name, disputing.ground(said, ground), claimed or None))
    return page(
        "customer/dispute_check.html",
        status=status,
        **opened.context(
            rows=rows,
            wanted=disputing.wish(said, typed.get("wanted", "")),
            typed={key: value for key, value in typed.items() if key not in ("csrf_token", "send", "change")},
            problems=problems or [],
            told={one.field: one.text for one in problems or ()},
            most_pictures=MOST_PICTURES,
            due=core.due(now(), found.hours),
        ),
    )


def _standing(
    opened: Opened, one: DisputeFacts, *, problems: list[Problem] | None = None, status: int = 200
) -> Response:
    return page(
        "customer/dispute_standing.html",
        status=status,
        **opened.context(
            one=shown(one),
            problems=problems or [],
            told={found.field: found.text for found in problems or ()},
            typed=request.form.to_dict(),
            longest=LONGEST_WORDS,
            most_pictures=MOST_PICTURES,
            nonce=secrets.token_urlsafe(24),
        ),
    )


# ------------------------------------------------------------------------------------------------ answers


def _its(opened: Opened, dispute_id: UUID) -> DisputeFacts:
    found = disputes.one(opened.actor, dispute_id)
    if found.return_id != opened.id:
        raise NotFound
    return found


def _act(opened: Opened, one: DisputeFacts, field: str, act: Callable[[], object], said: str) -> Response:
    """Do it once; what has changed meanwhile is told, and what is wrong with an amount stands at it."""
    try:
        act()
    except Conflict as conflict:
        if (
            conflict.code in ("too_much", "amount_missing", "words_missing", "words_too_long")
            and field != "accept"
        ):
            text = words().conflict(conflict.code, conflict.details, one.currency)
            return _standing(opened, one, problems=[Problem(field=field, text=text)], status=422)
        if conflict.code.startswith("photo"):
            problem = refused(conflict, one.currency, at="pictures")
            return _standing(opened, one, problems=[problem], status=422)
        told = words().conflict(conflict.code, conflict.details, one.currency)
        if conflict.code == "too_much":
            told = _("This can no longer be paid as offered. We look at it and write to you.")
        tell(told, "wait")
    except IllegalStep:
        tell(words().conflict("offer_answered", {}), "wait")
    else:
        tell(said)
    return redirect_to(opened.url("customer.dispute.one", dispute_id=one.id))


@bp.get("/<uuid:dispute_id>")
def one(return_id: UUID, dispute_id: UUID) -> Response:
    """How one dispute stands, also when it is over."""
    opened = open_return(return_id)
    return _standing(opened, _its(opened, dispute_id))


@bp.post("/<uuid:dispute_id>/offers/<uuid:offer_id>/acceptance")
@limiter.limit("30/hour")
def accept(return_id: UUID, dispute_id: UUID, offer_id: UUID) -> Response:
    opened = open_return(return_id)
    found = _its(opened, dispute_id)
    return _act(
        opened, found, "accept", lambda: disputes.accept(opened.actor, dispute_id, offer_id, now=now()),
        _("Agreed. We send you the money and tell you when it is sent."),
    )  # fmt: skip


@bp.post("/<uuid:dispute_id>/offers/<uuid:offer_id>/refusal")
@limiter.limit("30/hour")
def decline(return_id: UUID, dispute_id: UUID, offer_id: UUID) -> Response:
    opened = open_return(return_id)
    found, body = _its(opened, dispute_id), written(request.form, "why")[:LONGEST_WORDS]
    return _act(
        opened, found, "why", lambda: disputes.decline(opened.actor, dispute_id, offer_id, body=body, now=now()),
        _("You have declined the offer. We look at it again."),
    )  # fmt: skip


@bp.post("/<uuid:dispute_id>/offers/<uuid:offer_id>/counter")
@limiter.limit("30/hour")
def counter(return_id: UUID, dispute_id: UUID, offer_id: UUID) -> Response:
    """Another amount than was offered."""
    opened = open_return(return_id)
    found = _its(opened, dispute_id)
    amount = as_amount(request.form.get("amount", ""), found.currency)
    if amount is None:
        problem = Problem(field="amount", text=_("Enter an amount such as 12.50."))
        return _standing(opened, found, problems=[problem], status=422)
    body = written(request.form, "words")[:LONGEST_WORDS]
    return _act(
        opened, found, "amount",
        lambda: disputes.counter(opened.actor, dispute_id, offer_id, amount, body=body, now=now()),
        _("We have your answer and look at it."),
    )  # fmt: skip


@bp.post("/<uuid:dispute_id>/reply")
@limiter.limit("30/hour")
def reply(return_id: UUID, dispute_id: UUID) -> Response:
    """More words, more photos."""
    opened = open_return(return_id)
    found = _its(opened, dispute_id)
    nonce = request.form.get("nonce", "")[:40] or None
    body = written(request.form, "reply")
    try:
        attached = uploads.some(request.files.getlist("pictures"), most=MOST_PICTURES)
    except Conflict as conflict:
        problem = refused(conflict, found.currency, at="pictures")
        return _standing(opened, found, problems=[problem], status=422)
    return _act(
        opened, found, "reply",
        lambda: disputes.reply(
            opened.actor, dispute_id, body, nonce=nonce, attached=attached,
            folder=current_app.config["SETTINGS"].upload_dir, now=now(),
        ),
        _("We have your message."),
    )  # fmt: skip


@bp.post("/<uuid:dispute_id>/withdrawal")
@limiter.limit("30/hour")
def take_back(return_id: UUID, dispute_id: UUID) -> Response:
    opened = open_return(return_id)
    found = _its(opened, dispute_id)
    return _act(
        opened, found, "accept", lambda: disputes.take_back(opened.actor, dispute_id, now=now()),
        _("You contest it no longer."),
    )  # fmt: skip
