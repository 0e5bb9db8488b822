"""Everything once more before it counts: answers with a way back, the refund in full, one button."""

from __future__ import annotations

import re
from datetime import date
from typing import Any
from uuid import UUID

from flask import Blueprint, request
from werkzeug.wrappers import Response

from portal.core.access import Conflict
from portal.core.policy.verdict import REFUSED, REVIEW, Refused
from portal.core.refunds.breakdown import Breakdown
from portal.core.returns import BY_CUSTOMER, Sending, Step, steps_left
from portal.services import cancellations
from portal.services.handling import confirmation
from portal.web.customer.items import counted
from portal.web.customer.opened import PAGES, Opened, elsewhere, go_on, open_return, settled_meanwhile
from portal.web.customer.order import outcome, together
from portal.web.customer.sending import price, speed
from portal.web.extensions import limiter
from portal.web.forms.returns import Problem
from portal.web.page import gateways, now, page, redirect_to, site
from portal.web.words import gettext as _
from portal.web.words import words
from portal.words.refunds import WordedRow

SLOT = re.compile(r"\d{4}-\d\d-\d\d [\d:-]+")

bp = Blueprint("check", __name__, url_prefix="/r/<uuid:return_id>")


@bp.get("/check")
def show(return_id: UUID) -> Response:
    opened = open_return(return_id)
    if there := elsewhere(opened, Step.CONFIRM):
        return there
    if _left(opened):
        return redirect_to(opened.url(PAGES[_left(opened)[0]]))
    refused = [f for f in opened.view.verdict.findings if f.weight == REFUSED]
    return _page(opened, problems=[words().finding(f, opened.view.draft.currency) for f in refused])


@bp.get("/confirmation")
def back(return_id: UUID) -> Response:
    """Where a refused confirmation was shown is no page of its own: a reload, or another language, comes here."""
    return redirect_to(open_return(return_id).url("customer.check.show"))


@bp.post("/confirmation")
@limiter.limit("30/minute")
def confirm(return_id: UUID) -> Response:
    """Confirm; a second press finds it confirmed. Whoever was too slow for the last unit is told so, 409."""
    opened = open_return(return_id)
    if not opened.is_draft or opened.is_cancellation:
        return redirect_to(opened.url("customer.status.show"))
    try:
        _confirm(opened)
    except Refused as error:
        told = [words().finding(finding, opened.view.draft.currency) for finding in error.verdict.findings]
        return _page(open_return(return_id), problems=list(dict.fromkeys(told)), status=422)
    except Conflict as error:
        if error.code == "steps_left":
            return go_on(return_id)
        if error.code in OTHERWISE:
            told = [_("What you cancel has changed meanwhile. Please look at it again.")]
            return _page(open_return(return_id), problems=told, status=409)
        if error.code != "units_gone":
            return settled_meanwhile(error, opened)
        return _page(open_return(return_id), problems=[_gone(opened, error)], status=409)
    return redirect_to(opened.url("customer.status.show"))


OTHERWISE = ("amount_changed", "changed_meanwhile", "stale")
"""What is canceled together with the return is not what the customer was shown."""


def _confirm(opened: Opened) -> None:
    """The return, and what is canceled in one selection with it, in one transaction. Raises ``Conflict``."""
    seen, wish = request.form.get("seen"), request.form.get("wish", "")
    around = cancellations.around(opened.actor, opened.id, gateways=gateways(), now=now())
    if (seen is None) is not (around.companion is None):
        raise Conflict("amount_changed")  # chosen, or taken back, in another tab
    if seen is None:
        confirmation.confirm(opened.actor, opened.id, wish=wish, site=site(), now=now())
        return
    cancellations.confirm_both(
        opened.actor, opened.id, seen=seen, wish=wish, gateways=gateways(), site=site(), now=now()
    )


def _left(opened: Opened) -> tuple[Step, ...]:
    left = steps_left(opened.view.draft, opened.view.terms, steps=BY_CUSTOMER)
    return tuple(step for step in left if step != Step.CONFIRM)


def _gone(opened: Opened, error: Conflict) -> str:
    """Which items somebody else took meanwhile, by name."""
    wanted: Any = error.details.get("lines", [])
    names = {str(line.order_line_id): line.name for line in opened.view.draft.lines}
    gone = [names[line] for line in wanted if line in names]
    return words().conflict("units_gone", {"lines": gone} if gone else {})


def _page(opened: Opened, *, problems: list[str] | None = None, status: int = 200) -> Response:
    around = cancellations.around(opened.actor, opened.id, gateways=gateways(), now=now())
    companion, opened = around.companion, together(opened, around)
    view, said = opened.view, words()
    sending = view.draft.sending
    waits = [said.finding(f, view.draft.currency) for f in view.verdict.findings if f.weight == REVIEW]
    return page(
        "customer/check.html",
        status=status,
        **opened.context(
            Step.CONFIRM,
            problems=[Problem(field="lines", text=text) for text in problems or []],
            change={step: opened.url(PAGES[step]) if opened.may(step) else None for step in PAGES},
            printed=gateways().addresses.printed(
                view.draft.address, language=said.language, sent_from=view.merchant.country
            )
            if view.draft.address
            else (),
            sending=sending_words(sending, view.draft.currency) if sending else None,
            waits=list(dict.fromkeys(waits)),
            deals=deals(view.breakdown),
            counted=counted(opened, around),
            out=outcome(companion) if companion else None,
            seen=companion.seen if companion else None,
            Step=Step,
        ),
    )


def deals(breakdown: Breakdown) -> list[WordedRow]:
    """What a discount that hung on what goes back does to the refund: said before it is confirmed."""
    told = words().breakdown(breakdown, estimate=True)
    return [said for row, said in zip(breakdown.rows, told.rows, strict=False) if row.rule == "promotions"]


def sending_words(sending: Sending, currency: str) -> dict[str, str]:
    """The chosen way in words: its name, where or when, what it costs, how long it takes."""
    where = sending.point_name or slot_words(sending.slot_label)
    if sending.tracking_number:
        where = _("Tracking number %(number)s", number=sending.tracking_number)
    return {
        "name": words().method(sending.method).name,
        "where": where,
        "speed": speed(sending.transit_days),
        "cost": price(sending.amount, str(sending.pays), currency),
    }


def slot_words(label: str) -> str:
    """A pick-up slot as it was stored (``2026-12-04 10:00-13:00``), with the day in words."""
    day, _space, hours = label.partition(" ")
    if not SLOT.fullmatch(label):
        return label
    return f"{words().day(date.fromisoformat(day), weekday=True)}, {hours.replace('-', '–')}"
