"""Where the money of a return or cancellation goes, how far it is, and by when it is there."""

from __future__ import annotations

from typing import Any

from portal.services.filing.progress import Progress, RefundNews, SentTo
from portal.web.words import gettext as _
from portal.web.words import words


def paid_to(found: Progress) -> list[dict[str, Any]]:
    """Every refund with where it goes, how far it is, by which day it is there, and what the bank knows it by."""
    said = words()
    return [
        {
            "number": refund.number,
            "state": refund.state,
            "kind": "release" if never_charged(refund) else "refund_news",
            "help": said.state("refund_news", refund.state).help,
            "on": said.day(refund.succeeded_at) if refund.succeeded_at else "",
            "where": [_sent_to(part, refund) for part in refund.to],
        }
        for refund in found.refunds
        if refund.state != "canceled"
    ]


def never_charged(refund: RefundNews) -> bool:
    """Whether it is done and was no money at all: let go where it was reserved, or taken off what is owed."""
    return refund.state == "succeeded" and bool(refund.to) and all(p.mode != "captured" for p in refund.to)


UNDER_WAY = ("planned", "submitting", "unknown", "pending")
"""Nobody says yet that it took effect: for the customer it is being processed."""


def _sent_to(part: SentTo, refund: RefundNews) -> dict[str, str]:
    said = words()
    arrival = ""
    if part.state == "succeeded":
        arrival = said.there_by(part.arrives_on, part.tender, part.provider, part.mode)
    elif part.state in UNDER_WAY and refund.state in ("approved", "pending"):
        arrival = _("Being processed.")
        if part.arrives_on:
            arrival += " " + said.there_by(part.arrives_on, part.tender, part.provider)
    elif refund.state not in ("pending_approval", "canceled"):
        arrival = _("Delayed. We are on it; you do not have to do anything.")
    return {
        "to": said.goes_to(part.tender, part.label, part.provider, part.mode),
        "amount": said.money(part.amount, refund.currency),
        "arrival": arrival,
        "bank_reference": part.bank_reference,
    }
