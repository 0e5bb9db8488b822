"""How a cancellation stands once it was answered: the sentence, the way it goes, and what the customer can do."""

from __future__ import annotations

from typing import Any

from flask import request

from portal.core.access import Actor
from portal.services.cancellations import CancellationPage
from portal.services.filing.progress import Progress
from portal.services.ledgers import credit_notes, credits
from portal.services.paying import bank_accounts
from portal.web.customer.paid import paid_to
from portal.web.page import now
from portal.web.words import gettext as _
from portal.web.words import words

LIVE = ("confirmed",)
"""States that still change by themselves: the page looks again until they are over."""

SOON, LATER = 2, 20
"""Seconds until the page looks again: in the first minutes, and after that."""

PATIENT = 300
"""Seconds for which something is expected any moment."""

SENT_ANYWAY = "shipped_after_release"
"""The warehouse had said that it leaves it out, and sent it all the same."""

GONE_ON = ("declined", "expired", "canceled", "overtaken", "refused")
"""It came to nothing: the order is as it was."""


def context(actor: Actor, view: CancellationPage, found: Progress, *, late: bool) -> dict[str, Any]:
    """What the page shows by state, every sentence ready."""
    state = "expired" if late else view.draft.state
    answered = view.facts.answered_at
    fresh = answered is not None and (now() - answered).total_seconds() < PATIENT
    live = state in LIVE
    return {
        "state": state,
        "number": view.draft.number or "",
        "live": live,
        "again": SOON if fresh else LATER,
        "by_itself": live and request.args.get("live") == "on",
        "timeline": timeline(view, found, state),
        "came_to_nothing": state in GONE_ON,
        "because": words().ended(str(view.facts.ended.get("code", "")))
        if state in ("overtaken", "refused")
        else "",
        "sent_anyway": view.facts.ended.get("code") == SENT_ANYWAY,
        "may_return": state in ("overtaken", "refused") and view.terms.by_customer,
        "paid_to": paid_to(found) if state not in GONE_ON else [],
        "account_wanted": bool(found.refunds) and bank_accounts.is_wanted(view.draft.id),
        "account": bank_accounts.given(view.draft.id) if found.refunds else "",
        "credits": credits.of_return(view.draft.id, now=now()) if found.refunds else (),
        "notes": credit_notes.of_return(actor, view.draft.id) if found.refunds else (),
        "score": view.facts.score,
        "scores": [(value, words().score(value)) for value in range(5, 0, -1)],
    }


def timeline(view: CancellationPage, found: Progress, state: str) -> list[dict[str, Any]]:
    """The way of this cancellation: what is done with its moment, what is now, what comes."""
    facts, said = view.facts, words()

    def row(name: str, state: str, at: Any = None, text: str = "") -> dict[str, Any]:
        return {"name": name, "state": state, "when": said.moment(at) if at else None, "text": text or None}

    rows = []
    if facts.asked_by == "agent":
        rows.append(row(_("Proposed by %(shop)s", shop=view.merchant.name), "done", facts.requested_at))
    if state == "declined":
        return [*rows, row(_("You kept your order as it is"), "done", facts.answered_at)]
    if state == "expired":
        return [*rows, row(_("Not answered in time"), "bad", facts.expires_at)]
    if state == "canceled":
        return [*rows, row(_("Taken back: nothing changed"), "done", found.closed_at)]
    if facts.answered_at is not None:
        rows.append(row(_("You confirmed it"), "done", facts.answered_at))
    if state in ("overtaken", "refused"):
        return [*rows, row(_("It could not be stopped any more"), "bad", found.closed_at)]
    warehouse = facts.warehouse_state
    if warehouse in ("waiting", "pending"):
        text = _("It has to say that nothing is sent. That takes a moment; the money follows at once.")
        rows.append(row(_("We tell the warehouse"), "now", text=text))
    elif warehouse != "none":
        rows.append(row(_("The warehouse leaves it out"), "done"))
    return [*rows, *_money(view, found, row, waits=warehouse in ("waiting", "pending"))]


def _money(view: CancellationPage, found: Progress, row: Any, *, waits: bool) -> list[dict[str, Any]]:
    """The last steps: how the amount moves, and by when it is there."""
    said, refund = words(), next((r for r in reversed(found.refunds) if r.state != "canceled"), None)
    amount = said.money(view.breakdown.amount, view.breakdown.currency)
    if not view.breakdown.amount:
        return [row(_("Nothing is paid back"), "done" if not waits else "next")]
    sent = [part for part in refund.to if part.mode == "captured"] if refund else []
    name = _("Refund") if sent or refund is None else _("What you pay is lowered")
    if refund is None:
        return [row(name, "now" if not waits else "next", None, amount)]
    if refund.state == "succeeded":
        done = _("Refund sent") if sent else _("What you pay is lowered")
        rows = [row(done, "done", refund.succeeded_at, said.money(refund.amount, refund.currency))]
        days = [part.arrives_on for part in sent if part.arrives_on]
        if days:
            rows.append(row(_("With you by %(day)s", day=said.day(max(days), weekday=True)), "next"))
        return rows
    told = said.state("refund_news", refund.state)
    return [row(name if waits else told.name, "next" if waits else "now", None, amount)]
