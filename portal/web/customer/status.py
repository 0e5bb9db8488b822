"""A confirmed return, from its number to the credit; read-only but for cancelling and a mail once more."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from flask import Blueprint, request
from markupsafe import Markup
from werkzeug.wrappers import Response

from portal.core.access import Conflict
from portal.core.deadlines import refund_due
from portal.core.facts import STAYS
from portal.core.lifecycles import RETURN, IllegalStep
from portal.core.refunds.breakdown import Breakdown, explain_change
from portal.core.refunds.settlements import is_settlement
from portal.core.spans import count
from portal.services import cancellations
from portal.services.filing import progress as following
from portal.services.filing import shipping
from portal.services.filing.progress import Progress, RefundNews
from portal.services.handling import confirmation
from portal.services.ledgers import credit_notes, credits
from portal.services.paying import bank_accounts
from portal.services.talking import notices, scoring
from portal.web.customer import cancellation, dispute, thread
from portal.web.customer.check import sending_words, slot_words
from portal.web.customer.opened import Opened, next_url, open_return
from portal.web.customer.order import past_rows
from portal.web.customer.paid import paid_to
from portal.web.extensions import limiter
from portal.web.page import gateways, now, page, redirect_to, tell
from portal.web.words import explained, words
from portal.web.words import gettext as _

bp = Blueprint("status", __name__, url_prefix="/r/<uuid:return_id>")
SOON = 3
LATER = 30
"""Seconds until the page asks again: while a label is being made, and after that took too long."""


@bp.get("/status")
def show(return_id: UUID) -> Response:
    opened = open_return(return_id)
    if opened.is_cancellation:
        return cancellation.status(return_id)
    if opened.is_draft:
        return redirect_to(
            next_url(opened) if opened.link.purpose == "finish" else opened.url("customer.landing.show")
        )
    found = following.progress(opened.actor, return_id, now=now())
    around = cancellations.around(opened.actor, return_id, gateways=gateways(), now=now())
    return page(
        "customer/status.html",
        fragments=("progress", "thread"),
        also=("progress",) if request.headers.get("HX-Target") == "thread" else (),
        **opened.context(
            **thread.context(opened),
            **context(opened, found),
            **dispute.context(opened.actor, opened.id),
            past=past_rows(return_id, around.past),
            totals=around.totals,
        ),
    )


@bp.post("/withdrawal")
def cancel(return_id: UUID) -> Response:
    """Withdraw the return while nothing was sent. Again is no error."""
    opened = open_return(return_id)
    try:
        confirmation.cancel(opened.actor, return_id, now=now())
        tell(_("Your return is canceled. You keep all your items."), "info")
    except IllegalStep:
        tell(_("It is too late to cancel: the parcel is on its way or has arrived."), "bad")
    return redirect_to(opened.url("customer.status.show"))


@bp.post("/mail")
@limiter.limit("5/hour")
def mail(return_id: UUID) -> Response:
    """Label, receipt and number once more to the address on file."""
    opened = open_return(return_id)
    try:
        notices.mail_again(opened.actor, return_id, now=now())
        tell(_("We have sent the e-mail again."), "good")
    except Conflict as error:
        tell(words().conflict(error.code, error.details), "wait")
    return redirect_to(opened.url("customer.status.show"))


@bp.post("/handover")
def hand_over(return_id: UUID) -> Response:
    """The customer says that the parcel is on its way. Saying it again is no error."""
    opened = open_return(return_id)
    shipping.hand_over(opened.actor, return_id, now=now())
    tell(_("Thank you. We tell you when it is here."), "good")
    return redirect_to(opened.url("customer.status.show"))


def context(opened: Opened, found: Progress) -> dict[str, Any]:
    """What the page shows, by state; every sentence ready."""
    state, parcel = found.state, found.parcel
    waiting = state == "approved" and parcel is not None and parcel.state == "label_pending"
    patient = found.approved_at is not None and now() - found.approved_at < timedelta(minutes=5)
    code = parcel.handoff_code if parcel and parcel.handoff_code else ""
    qr = gateways().documents.qr_svg(
        code or found.number, title=_("QR code %(code)s", code=code or found.number)
    )
    worked_out = _worked_out(found)
    latest = worked_out[-1] if worked_out else None
    amount = latest.breakdown if latest else found.breakdown or found.page.breakdown
    sending = opened.view.draft.sending
    return {
        "found": found,
        "number": found.number,
        "state": state,
        "waiting": waiting,
        "again": SOON if patient else LATER,
        "failed": state == "approved"
        and parcel is not None
        and parcel.state == "exception"
        and not parcel.tracking_number,
        "handoff": code,
        "qr": Markup(qr),  # noqa: S704 - drawn by our own documents adapter, without any markup of a visitor
        "refund": explained(amount, estimate=latest is None),
        "change": change(found, amount),
        "changes": changes(found),
        "answer": scoring.answer(opened.actor, opened.id),
        "keeps": found.page.draft.kind in STAYS,
        "timeline": timeline(found),
        "events": events(found),
        "steps_next": [
            {"name": what, "state": "next", "when": None, "text": slot_words(when) if when else None}
            for what, when in words().next_steps(sending, found.ship_by, amount)
        ],
        "sent_by_customer": state == "approved" and not waiting,
        "sending": sending_words(sending, opened.view.draft.currency) if sending else None,
        "papers": papers(found),
        "kept": kept(opened),
        "may_cancel": RETURN.can(state, "cancel") and found.page.draft.kind not in STAYS,
        "paid_to": paid_to(found),
        "account_wanted": bool(found.refunds) and bank_accounts.is_wanted(opened.id),
        "account": bank_accounts.given(opened.id) if found.refunds else "",
        "credits": credits.of_return(opened.id, now=now()) if found.refunds else (),
        "notes": credit_notes.of_return(opened.actor, opened.id) if found.refunds else (),
        "amount_text": words().money(amount.amount, amount.currency) if amount.assessed else "",
    }


def _worked_out(found: Progress) -> list[RefundNews]:
    """The refunds that count, but for what was agreed in disputes: those tell of themselves."""
    return [one for one in found.refunds if one.state != "canceled" and not is_settlement(one.breakdown)]


def change(found: Progress, amount: Breakdown) -> str:
    """How far the refund differs from what was confirmed, in one sentence, or nothing."""
    before = found.breakdown
    if before is None or not found.refunds or before.amount == amount.amount:
        return ""
    said = words()
    was, is_now = said.money(before.amount, before.currency), said.money(amount.amount, amount.currency)
    return _("The estimate was %(was)s; after inspection it is %(now)s.", was=was, now=is_now)


def changes(found: Progress) -> tuple[Any, ...]:
    """Rule by rule why the one refund of a return is not what was confirmed; as the message told it."""
    made = _worked_out(found)
    if found.breakdown is None or len(made) != 1 or made[0].breakdown.amount == found.breakdown.amount:
        return ()
    return words().changes(explain_change(found.breakdown, made[0].breakdown), made[0].currency)


def kept(opened: Opened) -> str:
    """What stays with the customer, by name, so that nobody wonders."""
    order = opened.view.order
    if order is None:
        return ""
    names = []
    for line in order.items:
        left = line.units - count(line.canceled) - count(line.claimed)
        if left > 0:
            names.append(f"{left} × {line.name}" if left > 1 else line.name)
    return words().join(names)


COMMON = (
    ("label", "pdf", "a4"),
    ("label", "pdf", "4x6"),
    ("packing_slip", "pdf", ""),
    ("receipt", "pdf", ""),
)
"""The papers that most people want, in the order of their use; without a printer the code comes first."""


def papers(found: Progress) -> dict[str, list[dict[str, str]]]:
    """What can be downloaded: what most people want, and the other formats."""
    names = {
        ("label", "pdf", "a4"): _("Label, A4 (PDF)"),
        ("label", "pdf", "4x6"): _("Label, 4 × 6 inch (PDF)"),
        ("label", "png", ""): _("Label (PNG)"),
        ("label", "zpl", ""): _("Label for label printers (ZPL)"),
        ("qr", "png", ""): _("QR code (PNG)"),
        ("qr", "svg", ""): _("QR code (SVG)"),
        ("packing_slip", "pdf", ""): _("Packing slip (PDF)"),
        ("receipt", "pdf", ""): _("Receipt (PDF)"),
    }
    common = ((("qr", "png", ""),) if found.parcel and found.parcel.handoff_code else ()) + COMMON
    shown: dict[str, list[dict[str, str]]] = {"common": [], "other": []}
    ranked = []
    for paper in found.papers:
        exact, loose = (paper.kind, paper.format, paper.size), (paper.kind, paper.format, "")
        key = exact if exact in names else loose
        name = names.get(key) or f"{words().document(paper.kind)} ({paper.format.upper()})"
        row = {"kind": paper.kind, "format": paper.format, "size": paper.size, "name": name}
        ranked.append((common.index(key) if key in common else len(common), row))
    for rank, row in sorted(ranked, key=lambda pair: pair[0]):
        shown["common" if rank < len(common) else "other"].append(row)
    return shown


def events(found: Progress) -> list[dict[str, Any]]:
    """What the carrier told, newest first."""
    if found.parcel is None:
        return []
    said = words()
    return [
        {
            "what": said.tracking(event.description)
            if event.description
            else said.state("shipment", event.status).name,
            "where": event.location,
            "when": said.moment(event.at),
        }
        for event in found.parcel.events
    ]


def timeline(found: Progress) -> list[dict[str, Any]]:
    """The way of this return: what is done with its day, what is now, what comes."""
    said, state = words(), found.state

    def row(name: str, state: str, at: Any = None, text: str = "") -> dict[str, Any]:
        return {"name": name, "state": state, "when": said.moment(at) if at else None, "text": text or None}

    if found.page.draft.kind in STAYS:
        ended = state in ("canceled", "declined")
        granted = row(_("Refund granted"), "done", found.submitted_at)
        return [
            granted,
            row(_("Canceled"), "bad", found.closed_at) if ended else _refund_row(found, row, True),
        ]
    rows = [row(_("Return confirmed"), "done", found.submitted_at)]
    if state == "declined":
        return [*rows, row(_("Not accepted"), "bad")]
    if state == "canceled":
        return [*rows, row(_("Canceled"), "bad", found.closed_at)]
    if state == "expired" and found.approved_at is None:
        return [*rows, row(_("Not answered in time"), "bad", found.closed_at)]
    if state == "expired":
        return [*rows, row(_("Approved"), "done", found.approved_at), row(_("Not sent in time"), "bad")]
    if state in ("requested", "needs_info"):
        if state == "needs_info":
            rows.append(row(_("We wait for your answer"), "now"))
            rows.append(row(_("We look at it"), "next"))
        else:
            rows.append(row(_("We look at it"), "now", text=_("You hear from us by e-mail.")))
        rows += [
            row(_("Send the parcel"), "next"),
            row(_("We check the items"), "next"),
            row(_("Refund"), "next"),
        ]
        return rows
    if (
        found.approved_at
        and found.submitted_at
        and found.approved_at - found.submitted_at > timedelta(seconds=5)
    ):
        rows.append(row(_("Approved"), "done", found.approved_at))
    until = _("By %(day)s", day=said.day(found.ship_by, weekday=True)) if found.ship_by else ""
    sent = state not in ("approved",)
    parcel_at = (
        next((e.at for e in reversed(found.parcel.events) if e.status == "in_transit"), None)
        if found.parcel
        else None
    )
    rows.append(
        row(
            _("Parcel sent") if sent else _("Send the parcel"),
            "done" if sent else "now",
            parcel_at,
            "" if sent else until,
        )
    )
    arrived = state in ("partially_received", "received", "inspected", "closed")
    if sent:
        text = _("A part of your items has arrived.") if state == "partially_received" else ""
        rows.append(
            row(
                _("Parcel arrived") if arrived else _("On its way to us"),
                "done" if arrived else "now",
                found.received_at,
                text,
            )
        )
    else:
        rows.append(row(_("It arrives with us"), "next"))
    checked = state in ("inspected", "closed")
    rows.append(
        row(
            _("Items checked") if checked else _("We check the items"),
            "done" if checked else "now" if arrived else "next",
        )
    )
    rows.append(_refund_row(found, row, checked))
    return rows


def _refund_row(found: Progress, row: Any, checked: bool) -> dict[str, Any]:
    counting = [refund for refund in found.refunds if refund.state != "canceled"]
    latest = (_worked_out(found) or counting or [None])[-1]
    if latest is None:
        until = ""
        if found.received_at and found.submitted_at:
            zone = ZoneInfo(found.page.merchant.zone)
            due = refund_due(found.submitted_at, found.received_at, zone)
            until = _("We send it by %(day)s at the latest.", day=words().day(due, weekday=True))
        return row(_("Refund"), "now" if checked else "next", None, until)  # type: ignore[no-any-return]
    text = words().money(latest.amount, latest.currency)
    if latest.state == "succeeded":
        return row(_("Refund sent"), "done", latest.succeeded_at, text)  # type: ignore[no-any-return]
    return row(words().state("refund_news", latest.state).name, "now", None, text)  # type: ignore[no-any-return]
