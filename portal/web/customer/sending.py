"""How the parcel travels: what each way costs, who pays, how long it takes, where it is handed over."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

from babel.dates import get_day_names
from babel.numbers import format_decimal
from flask import Blueprint, request
from werkzeug.wrappers import Response

from portal.core.access import Conflict, Stale
from portal.core.returns import Step
from portal.core.shipping import Method, Pays, ServicePoint, has_right_check_digit, tidy_tracking_number
from portal.services.filing import shipping
from portal.services.filing.shipping import Way
from portal.web.customer.opened import Opened, elsewhere, go_on, open_return, settled_meanwhile
from portal.web.forms.returns import Problem
from portal.web.page import gateways, now, page
from portal.web.words import gettext as _
from portal.web.words import ngettext, words

bp = Blueprint("sending", __name__, url_prefix="/r/<uuid:return_id>/sending")
LONGEST_NUMBER = 40
TRIES = 3


@bp.get("")
def show(return_id: UUID) -> Response:
    opened = open_return(return_id)
    return elsewhere(opened, Step.SENDING) or _page(opened)


@bp.post("")
def choose(return_id: UUID) -> Response:
    opened = open_return(return_id)
    if there := elsewhere(opened, Step.SENDING):
        return there
    offered = shipping.ways(opened.actor, return_id, gateways=gateways(), now=now())
    rate_id = request.form.get("rate", "")
    number = next((str(i) for i, way in enumerate(offered) if way.rate.id == rate_id), None)
    if number is None:
        told = _("Choose how you send the parcel.")
        return _page(opened, problems=[Problem(field="rate-0", text=told)], status=422, offered=offered)
    way = offered[int(number)]
    tracking = tidy_tracking_number(request.form.get(f"tracking-{number}", ""))
    point, slot = request.form.get(f"point-{number}", ""), request.form.get(f"slot-{number}", "")
    problems = _missing(way, number, point=point, slot=slot, tracking=tracking)
    if problems:
        return _page(opened, problems=problems, status=422, offered=offered)
    try:
        _keep(
            opened,
            rate_id=rate_id,
            point_id=point,
            slot_id=slot,
            tracking_number=tracking if way.rate.method == Method.OWN_CARRIER else "",
        )
    except Conflict as error:
        if error.code in ("rate_gone", "slot_gone", "point_unknown"):
            told = words().conflict(error.code, error.details)
            return _page(opened, problems=[Problem(field=f"rate-{number}", text=told)], status=422)
        return settled_meanwhile(error, opened)
    return go_on(return_id)


@bp.post("/saved")
def save(return_id: UUID) -> Response:
    """A way was ticked: saved at once where it needs nothing more, and answered with the estimate."""
    opened = open_return(return_id)
    if there := elsewhere(opened, Step.SENDING):
        return there
    offered = shipping.ways(opened.actor, return_id, gateways=gateways(), now=now())
    way = next((way for way in offered if way.rate.id == request.form.get("rate", "")), None)
    if way is not None and not _missing(way, "0", point="", slot="", tracking=""):
        try:
            _keep(opened, rate_id=way.rate.id)
        except Conflict as error:
            return settled_meanwhile(error, opened)
        opened = open_return(return_id)
    return _page(opened, offered=offered)


def _keep(opened: Opened, **chosen: str) -> None:
    """Save the choice. When another answer was saved in the same moment it is judged, and saved, once more."""
    for attempt in range(TRIES):
        try:
            shipping.choose_sending(opened.actor, opened.id, **chosen, gateways=gateways(), now=now())
            return
        except Stale:
            if attempt == TRIES - 1:
                raise


def _missing(way: Way, number: str, *, point: str, slot: str, tracking: str) -> list[Problem]:
    """What the chosen way still needs to know."""
    if way.rate.method == Method.DROPOFF_POINT and way.points and point not in {p.id for p in way.points}:
        return [Problem(field=f"point-{number}", text=_("Choose a drop-off point."))]
    if way.slots and slot not in {s.id for s in way.slots}:
        return [Problem(field=f"slot-{number}", text=_("Choose when the driver shall come."))]
    if way.rate.method == Method.OWN_CARRIER and tracking:
        if len(tracking) > LONGEST_NUMBER or not tracking.isascii() or not tracking.isalnum():
            told = _("A tracking number has up to 40 letters and digits.")
            return [Problem(field=f"tracking-{number}", text=told)]
        if has_right_check_digit(tracking) is False:
            told = _("This tracking number has a typing error: compare it with your receipt.")
            return [Problem(field=f"tracking-{number}", text=told)]
    return []


def _page(
    opened: Opened,
    *,
    problems: list[Problem] | None = None,
    status: int = 200,
    offered: tuple[Way, ...] | None = None,
) -> Response:
    if offered is None:
        offered = shipping.ways(opened.actor, opened.id, gateways=gateways(), now=now())
    draft = opened.view.draft
    typed = request.form if request.method == "POST" else {}
    chosen = typed.get("rate") or (draft.sending.rate_id if draft.sending else "")
    printed = gateways().addresses.printed(
        draft.address, language=words().language, sent_from=opened.view.merchant.country
    )
    shown = [_shown(way, str(i), opened, typed) for i, way in enumerate(offered)]
    return page(
        "customer/sending.html",
        fragments=("estimate",),
        also=("thumb",),
        status=status,
        **opened.context(
            Step.SENDING,
            ways=sorted(shown, key=lambda way: way["is_own"]),
            chosen=chosen,
            problems=problems or [],
            told={problem.field: problem.text for problem in problems or []},
            printed=printed,
        ),
    )


def _shown(way: Way, number: str, opened: Opened, typed: Any) -> dict[str, Any]:
    """One way in words: its price as this customer bears it, its speed, its places and times."""
    rate, sending = way.rate, opened.view.draft.sending
    held = sending if sending and sending.rate_id == rate.id else None
    method = words().method(rate.method)
    return {
        "number": number,
        "id": rate.id,
        "name": _("%(way)s, express", way=method.name) if rate.service == "express" else method.name,
        "help": method.help,
        "icon": method.icon,
        "carrier": way.carrier_name if rate.method != Method.OWN_CARRIER else "",
        "price": price(rate.amount, str(rate.pays), rate.currency),
        "deducted": rate.pays == Pays.DEDUCT and rate.amount > 0,
        "speed": speed(rate.transit_days),
        "points": [_point(point) for point in way.points],
        "slots": [
            {
                "id": slot.id,
                "name": f"{words().day(slot.on, weekday=True)}, {slot.opens:%H:%M}–{slot.closes:%H:%M}",
            }
            for slot in way.slots
        ],
        "is_own": rate.method == Method.OWN_CARRIER,
        "needs_point": rate.method == Method.DROPOFF_POINT,
        "point": typed.get(f"point-{number}") or (held.point_id if held else ""),
        "slot": typed.get(f"slot-{number}") or (held.slot_id if held else ""),
        "tracking": typed.get(f"tracking-{number}") or (held.tracking_number if held else ""),
    }


def price(amount: int, pays: str, currency: str) -> str:
    """What the customer bears, in two or three words."""
    if pays == Pays.MERCHANT or (pays == Pays.DEDUCT and not amount):
        return _("Free")
    if pays == Pays.DEDUCT:
        return words().money(-amount, currency)
    return words().money(amount, currency) if amount else _("You pay the carrier")


def speed(days: int | None) -> str:
    return "" if days is None else ngettext("%(n)s working day", "%(n)s working days", days)


def distance(metres: int) -> str:
    if metres < 950:
        return _("%(n)s m", n=max(50, round(metres / 50) * 50))
    kilometres = format_decimal(Decimal(round(metres / 100)) / 10, format="0.0", locale=words().language)
    return _("%(n)s km", n=kilometres)


def _point(point: ServicePoint) -> dict[str, str]:
    address = ", ".join(
        filter(None, (*point.address.street, f"{point.address.postcode} {point.address.city}".strip()))
    )
    return {
        "id": point.id,
        "name": point.name,
        "address": address,
        "distance": distance(point.distance_m),
        "hours": hours(point),
    }


def hours(point: ServicePoint) -> str:
    """Opening hours as one line, days with the same hours together."""
    names = get_day_names("abbreviated", locale=words().language)
    by_day: dict[int, str] = {}
    for span in sorted(point.hours, key=lambda span: (span.weekday, span.opens)):
        text = f"{span.opens:%H:%M}–{span.closes:%H:%M}"
        by_day[span.weekday] = f"{by_day[span.weekday]}, {text}" if span.weekday in by_day else text
    groups: list[tuple[int, int, str]] = []
    for day, text in sorted(by_day.items()):
        if groups and groups[-1][2] == text and groups[-1][1] == day - 1:
            groups[-1] = (groups[-1][0], day, text)
        else:
            groups.append((day, day, text))
    return "; ".join(
        f"{names[first]} {text}" if first == last else f"{names[first]}–{names[last]} {text}"
        for first, last, text in groups
    )
