"""The order on the customer's page: what may still be canceled of it, what was, and what it comes to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from flask import url_for

from portal.core import subscriptions
from portal.core.cancellations import CancelOffer
from portal.core.facts import AT_ONCE, CANCELLATIONS, NEXT_PERIOD, LineFacts, OrderFacts
from portal.core.policy.verdict import Finding
from portal.core.refunds.breakdown import Breakdown
from portal.core.totals import stays as staying
from portal.services import cancellations
from portal.services.cancellations import Around, CancellationPage, Choice, PastRow
from portal.web.actor import holds
from portal.web.customer.opened import Opened
from portal.web.forms.returns import Read
from portal.web.page import now
from portal.web.words import explained, ngettext, words
from portal.web.words import gettext as _
from portal.words import cancelling
from portal.words.cancelling import Move

TOLD_ELSEWHERE = ("already_returned", "already_canceled", "already_shipped", "service_ending")
"""Objections that the row shows anyway: by what may be sent back, and by what happened before."""


def chosen(around: Around) -> dict[str, Choice]:
    """What the customer has chosen to cancel so far: line id as text -> choice."""
    if around.companion is None:
        return {}
    return {
        str(line.order_line_id): Choice(line_id=line.order_line_id, units=line.units, ending=line.ending)
        for line in around.companion.lines
        if line.order_line_id
    }


def objection(finding: Finding, currency: str) -> str:
    """What stands against taking something out, as a sentence; with the maximum where there is one."""
    maximum = finding.details.get("maximum")
    if finding.code == "too_many_units" and isinstance(maximum, int):
        return ngettext(
            "At most %(n)s unit can be canceled.", "At most %(n)s units can be canceled.", maximum
        )
    return words().finding(finding, currency)


def together(opened: Opened, around: Around) -> Opened:
    """The return as it is worked out once what is chosen beside it was canceled: that comes first."""
    if around.companion is None:
        return opened
    return replace(opened, view=cancellations.together(opened.actor, opened.id, now=now()).page)


def cancel_rows(opened: Opened, around: Around, read: Read | None) -> dict[UUID, dict[str, Any]]:
    """Per line that something can be canceled of, or that is chosen: how many, how it ends, and why not more."""
    if around.order is None or not around.offers:
        return {}
    before, zone = chosen(around), opened.view.zone
    found = {}
    for offer in around.offers:
        line = around.order.line(offer.line_id)
        taken = before.get(str(line.id))
        if is_container(line, around.order) or not (offer.units or taken or _worth_telling(offer, line)):
            continue
        units = taken.units if taken else 0
        value = read.values.get(f"cancel-{line.id}") if read else None
        found[line.id] = {
            "units": units,
            "value": value or str(units),
            "max": max(offer.units, units),
            "why_not": [
                objection(finding, opened.view.draft.currency)
                for finding in offer.findings
                if finding.code not in TOLD_ELSEWHERE
            ],
            "until": offer.until,
            "endings": endings(line, offer, zone=zone),
            "ending": (read.values.get(f"ending-{line.id}") if read else None)
            or (taken.ending if taken else ""),
        }
    return found


def _worth_telling(offer: CancelOffer, line: LineFacts) -> bool:
    """Units that are not with the customer yet and cannot be stopped any more: the page says why."""
    return any(finding.code not in TOLD_ELSEWHERE for finding in offer.findings) and (
        line.unshipped_units > 0 or line.recurs
    )


def is_container(line: LineFacts, order: OrderFacts) -> bool:
    """Whether the line is a bundle whose price went to its parts: they can be chosen, not it."""
    return not line.paid and any(other.parent_id == line.id for other in order.lines)


def endings(line: LineFacts, offer: CancelOffer, *, zone: str) -> list[dict[str, str]]:
    """How a recurring service can end, with what comes of it; empty for everything else."""
    if offer.endings == ("",):
        return []
    said, today = words(), now().astimezone(ZoneInfo(zone)).date()
    told = {"": _("It goes on as before.")}
    if line.period_end is not None:
        told[NEXT_PERIOD] = _(
            "You have it until %(day)s. Then it ends and is not renewed; nothing is paid back.",
            day=said.day(line.period_end),
        )
    used = subscriptions.ended(line, AT_ONCE, on=today).scope_used
    if used is not None:
        told[AT_ONCE] = _(
            "It ends today. %(left)s of %(days)s days were not used yet: their part of the price goes back.",
            left=used[1] - used[0],
            days=used[1],
        )
    return [
        {"code": code, "name": said.gettext(cancelling.ENDINGS[code]), "text": told.get(code, "")}
        for code in ("", *offer.endings)
    ]


def moves(order: OrderFacts, breakdown: Breakdown) -> tuple[Move, ...]:
    """What happens to the money of a cancellation, payment by payment."""
    modes: Mapping[UUID | None, str] = {payment.id: payment.mode for payment in order.payments}
    return cancelling.moves(
        words(),
        [
            {
                "tender": share.tender,
                "label": share.label,
                "amount": share.amount,
                "mode": modes.get(share.payment_id, cancelling.BACK),
            }
            for share in breakdown.shares
            if share.amount
        ],
        breakdown.currency,
    )


def outcome(page: CancellationPage) -> dict[str, Any]:
    """What comes of the cancellation, as every page of it shows it."""
    found = moves(page.order, page.breakdown)
    amounts, told = cancelling.by_mode(found), explained(page.breakdown)
    return {
        **told,
        "label": cancelling.label(words(), amounts) if amounts else _("You get back"),
        "headline": cancelling.headline(words(), amounts, page.breakdown.currency),
        "moves": found,
        "amount": page.breakdown.amount,
        "modes": tuple(amounts),
        "before": page.before,
        "after": page.after,
        "lines": lines_of(page),
        "stays": stays(page),
        "units": units_out(page),
    }


def units_out(page: CancellationPage) -> int:
    """How many things leave the order; the name of a bundle is none."""
    return sum(line["units"] for line in lines_of(page))


def names_only(order: OrderFacts) -> int:
    """Units of lines that are a bundle's name and nothing of their own."""
    return sum(line.units for line in order.items if is_container(line, order))


def lines_of(page: CancellationPage) -> list[dict[str, Any]]:
    """What leaves the order."""
    known = {line.id: line for line in page.order.lines}
    found = []
    for line in page.lines:
        bought = known.get(line.order_line_id) if line.order_line_id else None
        if bought is not None and is_container(bought, page.order):
            continue  # the name of a bundle, which goes with its last part
        found.append(
            {
                "id": line.id,
                "name": line.name,
                "variant": line.variant,
                "picture": line.picture,
                "units": line.units,
                "of": bought.units if bought else line.units,
                "gift": bool(bought and bought.gift),
                "part_of": bundle_name(bought, page.order),
                "note": words().ending(line.ending, line.ends_on or (bought.period_end if bought else None)),
            }
        )
    return found


def stays(page: CancellationPage) -> list[dict[str, Any]]:
    """What of the order goes on untouched; a service that runs out is among what leaves."""
    gone = {line.order_line_id: line.units for line in page.lines if line.order_line_id}
    return [
        {"name": line.name, "variant": line.variant, "units": units, "picture": line.picture,
         "part_of": bundle_name(line, page.order), "gift": line.gift}
        for line, units in staying(page.order, gone)
    ]  # fmt: skip


def place(order: OrderFacts | None, line_id: UUID) -> tuple[int, int]:
    """Where a line stands on the page: the parts of a bundle after it, everything else as on the receipt."""
    numbers = {line.id: at for at, line in enumerate(order.lines)} if order else {}
    parents = {line.id: line.parent_id for line in order.lines} if order else {}
    parent = parents.get(line_id)
    return (numbers.get(parent, numbers.get(line_id, 0)) if parent else numbers.get(line_id, 0),
            numbers.get(line_id, 0) + 1 if parent in numbers else 0)  # fmt: skip


def bundle_name(line: LineFacts | None, order: OrderFacts) -> str:
    """The name of the bundle that a line is a part of."""
    return next((one.name for one in order.lines if line and one.id == line.parent_id), "")


NOTHING_CAME = ("declined", "canceled", "expired", "overtaken", "refused")
"""Of these no money moved."""


def past_rows(return_id: UUID, past: Iterable[PastRow]) -> list[dict[str, Any]]:
    """Returns and cancellations of the order, newest first, with a link where this browser may open them."""
    found = []
    for row in past:
        if row.state == "proposed" or row.id == return_id:
            continue
        ours = row.kind in CANCELLATIONS
        may_open = (row.mine and ours) or holds(row.id)
        found.append(
            {
                "number": row.number or "",
                "kind": words().kind(row.kind),
                "machine": "cancellation" if ours else "return",
                "state": row.state,
                "units": row.units,
                "amount": None if row.state in NOTHING_CAME else row.amount,
                "on": words().day(row.at),
                "url": url_for("customer.status.show", return_id=row.id) if may_open else None,
            }
        )
    return found
