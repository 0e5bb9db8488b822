"""The numbers of the desk: each with its definition, each chart with its table, each as CSV."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from flask import Blueprint, request, url_for
from flask import Response as Answer
from werkzeug.wrappers import Response

from portal.core.access import NotFound
from portal.core.figures import COUNT, OUTCOMES, RANK, RATE, SECONDS, WITHDRAWN, Figure
from portal.core.lifecycles import RETURN
from portal.core.listing import REFUND_STATES
from portal.core.merchants import MerchantFacts
from portal.core.reasons import CHANNELS, REASONS
from portal.services.lists import figures
from portal.services.lists.figures import Numbers
from portal.web.actor import needs, person
from portal.web.admin import charts, periods
from portal.web.admin.files import as_csv
from portal.web.admin.measures import duration, percent, score_names
from portal.web.admin.periods import Period
from portal.web.admin.returns import as_id
from portal.web.admin.shapes import Column, Tab
from portal.web.page import page
from portal.web.words import gettext as _
from portal.web.words import speak, words
from portal.words import disputing

bp = Blueprint("figures", __name__, url_prefix="/numbers")

WEEKS = 13
"""Of more weeks than a quarter has, only those with returns stand in the table; the file has every one."""

TABLES = ("figures", "reasons", "weeks", "disputes", "scores")


@bp.get("")
@needs("numbers.read")
def index() -> Response:
    """Every number of a period, a shop and a channel."""
    shop = _shop()
    period, channel = periods.asked(shop), _channel()
    found = _read(shop, period, channel)
    query = {"merchant": str(shop.id), **period.query} | ({"channel": channel} if channel else {})
    return page(
        "admin/figures/index.html",
        fragments=("numbers",),
        shop=shop,
        shops=figures.shops(person()),
        period=period,
        channel=channel,
        channels=[(code, words().channel(code)) for code in CHANNELS],
        query=query,
        here=url_for("admin.figures.index", **query),
        shortcuts=[
            Tab(
                name=name,
                url=url_for("admin.figures.index", **(query | one.query)),
                current=one == period,
            )
            for name, one in periods.shortcuts(shop)
        ],
        figures=[_row(one, query) for one in found.figures],
        tables={name: _table(name, found, query) for name in TABLES if name != "figures"},
        pareto=charts.bars(
            [
                (
                    words().reason(one.code),
                    one.count,
                    f"{words().number(one.count)} · {words().percent(one.together_bp)}",
                    one.together_bp,
                )
                for one in found.reasons
            ]
        ),
        stacked=charts.stacks(
            [(words().short_day(week.first), week.counts) for week in found.weeks],
            [[words().number(count) for count in week.counts] for week in found.weeks],
            [words().number(week.total) for week in found.weeks],
        ),
        series=_outcomes(),
    )


@bp.get("/<string:table>.csv")
@needs("numbers.read")
def file(table: str) -> Answer:
    """One table of the page, of the same period, shop and channel."""
    if table not in TABLES:
        raise NotFound
    shop = _shop()
    period = periods.asked(shop)
    found = _read(shop, period, _channel())
    head, rows = _plain(table, found)
    return as_csv(head, rows, f"{table}-{shop.slug}-{period.since}-{period.until}.csv")


def _shop() -> MerchantFacts:
    found = figures.shop(person(), as_id(request.args.get("merchant", "")))
    speak(zone=found.zone)
    return found


def _channel() -> str:
    asked = request.args.get("channel", "")
    return asked if asked in CHANNELS else ""


def _read(shop: MerchantFacts, period: Period, channel: str) -> Numbers:
    return figures.read(person(), shop.id, since=period.since, until=period.until, channel=channel)


def _plain(table: str, found: Numbers) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """A table as codes and numbers: what the page shows in words."""
    if table == "figures":
        rows = [
            (
                one.name,
                _exact(one),
                str(one.numerator),
                str(one.denominator),
                one.kind,
                _definition(one.name)[1],
            )
            for one in found.figures
        ]
        return ("figure", "value", "numerator", "denominator", "kind", "definition"), rows
    if table == "reasons":
        head = ("reason", "units", "part_percent", "together_percent")
        return head, [
            (one.code, str(one.count), _hundredths(one.part_bp), _hundredths(one.together_bp))
            for one in found.reasons
        ]
    if table == "weeks":
        return ("week_from", *OUTCOMES), [
            (one.first.isoformat(), *map(str, one.counts)) for one in found.weeks
        ]
    if table == "disputes":
        return ("outcome", "disputes"), [(outcome or "open", str(count)) for outcome, count in found.disputes]
    return ("score", "answers"), [
        (str(score), str(count)) for score, count in enumerate(found.scores, start=1)
    ]


def _exact(one: Figure) -> str:
    if one.value is None:
        return ""
    places = 0 if one.kind == COUNT else 4 if one.kind == RATE else 1
    scaled = one.value * 10**places
    whole = int(scaled)
    return str(whole) if not places else f"{whole // 10**places}.{whole % 10**places:0{places}d}"


def _hundredths(part: int) -> str:
    return f"{part // 100}.{part % 100:02d}"


def _row(one: Figure, query: dict[str, str]) -> dict[str, Any]:
    name, definition, numerator, denominator = _definition(one.name)
    over = one.kind != COUNT
    return {
        "id": one.name,
        "name": name,
        "definition": definition,
        "value": _value(one),
        "numerator": f"{numerator}: {_told(one)}",
        "denominator": f"{denominator}: {words().number(one.denominator)}" if over else "",
        "url": _returns(query) if one.name == "volume" and one.numerator else "",
    }


def _told(one: Figure) -> str:
    return duration(one.numerator) if one.kind in (SECONDS, RANK) else words().number(one.numerator)


STANDS: dict[str, dict[str, tuple[str, ...]]] = {
    "open": {
        "state": tuple(one for one in RETURN.states if one not in ("declined", "closed", *WITHDRAWN)),
        "refund": tuple(one for one in REFUND_STATES if one != "refunded"),
    },
    "refunded": {
        "state": tuple(one for one in RETURN.states if one not in ("declined", *WITHDRAWN)),
        "refund": ("refunded",),
    },
    "closed": {"state": ("closed",), "refund": tuple(one for one in REFUND_STATES if one != "refunded")},
    "declined": {"state": ("declined",)},
    "withdrawn": {"state": WITHDRAWN},
}
"""How a return stands, as the filters of the list say it: ``core.figures.outcome`` the other way round."""


def _returns(query: dict[str, str], **more: str | Sequence[str]) -> str:
    """The list of exactly the returns that were submitted in the period, narrowed further by ``more``."""
    days = {"submitted_from": query["from"], "submitted_to": query["to"]}
    kept = {name: query[name] for name in ("merchant", "channel") if name in query}
    return url_for("admin.returns.index", **(kept | days | more))


def _in_week(query: dict[str, str], first: date) -> dict[str, str]:
    """The days of one week that lie in the period: the first may begin late, the last be cut short."""
    last = min(first + timedelta(days=6 - first.weekday()), date.fromisoformat(query["to"]))
    return query | {"from": first.isoformat(), "to": last.isoformat()}


def _value(one: Figure) -> str:
    if one.value is None:
        return ""
    if one.kind == RATE:
        return percent(one.value)
    return words().number(one.numerator) if one.kind == COUNT else duration(float(one.value))


def _table(table: str, found: Numbers, query: dict[str, str]) -> dict[str, Any]:
    """A table in words, with its columns; a cell is (its words, where exactly these returns are listed or nothing)."""
    said, number = words(), words().number
    rows: list[tuple[tuple[str, str], ...]]
    if table == "reasons":
        columns = (Column(name=_("Reason")), Column(name=_("Units"), number=True),
                   Column(name=_("Part"), number=True), Column(name=_("Together"), number=True))  # fmt: skip
        rows = [
            (
                (said.reason(one.code), _returns(query, reason=one.code) if one.code in REASONS else ""),
                (number(one.count), ""),
                (said.percent(one.part_bp), ""),
                (said.percent(one.together_bp), ""),
            )
            for one in found.reasons
        ]
    elif table == "weeks":
        columns = (Column(name=_("Week from")), *(Column(name=name, number=True) for name in _outcomes()))
        rows = [
            (
                (said.day(one.first), _returns(_in_week(query, one.first)) if one.total else ""),
                *(
                    (number(count), _returns(_in_week(query, one.first), **STANDS[how]) if count else "")
                    for how, count in zip(OUTCOMES, one.counts, strict=True)
                ),
            )
            for one in found.weeks
            if one.total or len(found.weeks) <= WEEKS
        ]
    elif table == "disputes":
        columns = (Column(name=_("Outcome")), Column(name=_("Disputes"), number=True))
        rows = [((_dispute(outcome), ""), (number(count), "")) for outcome, count in found.disputes]
    else:
        columns = (Column(name=_("Answer")), Column(name=_("How often"), number=True))
        given = zip(score_names(), found.scores, strict=True)
        rows = [((name, ""), (number(count), "")) for name, count in given]
    return {"columns": columns, "rows": rows}


def _dispute(outcome: str) -> str:
    return disputing.outcome(words(), outcome) if outcome else _("Still open")


def _outcomes() -> tuple[str, ...]:
    """``core.figures.OUTCOMES`` in words, in their order."""
    return (_("Open"), _("Refunded"), _("Closed without refund"), _("Declined"), _("Canceled or expired"))


def _definition(name: str) -> tuple[str, str, str, str]:
    """Name, what is counted, numerator, denominator."""
    return {
        "initiation_people": (
            _("Average return initiation time, by people"),
            _("From opening the entry until the return is confirmed, over the returns that people entered."),
            _("Time together"), _("Returns entered by people"),
        ),
        "initiation_customers": (
            _("Average return initiation time, by customers"),
            _("From opening the link until the return is confirmed, over the returns finished by a link."),
            _("Time together"), _("Returns finished by a link"),
        ),
        "authorization_accuracy": (
            _("Authorization accuracy"),
            _("Of the units that were inspected, those that were accepted: they were what had been authorized."),
            _("Units accepted"), _("Units inspected"),
        ),
        "volume": (
            _("Return volume"),
            _("Returns that were submitted in the period; cancellations before shipment are not among them."),
            _("Returns"), "",
        ),
        "partial_processing": (
            _("Average processing time of partial returns"),
            _("From submission to the end, over completed returns that left a part of their order with the customer."),
            _("Time together"), _("Partial returns that are completed"),
        ),
        "satisfaction": (
            _("Satisfaction with partial refunds"),
            _("We ask after a refund how it went. Counted are answers of the period about returns that left a part"
              " of the order with the customer; the best two of five are satisfied."),
            _("Answers “Happy” or “Very happy”"), _("Answers"),
        ),
        "inventory_accuracy": (
            _("Inventory accuracy after partial adjustments"),
            _("Of the lines of partial returns of which units arrived, those where the stock moved by exactly"
              " these units."),
            _("Lines that agree"), _("Lines with units that arrived"),
        ),
        "refund_median": (
            _("Time to refund, median"),
            _("From submission to the refund, over refunds that were sent in the period: half of them took no longer."),
            _("Time of the one in the middle"), _("Refunds sent"),
        ),
        "refund_p90": (
            _("Time to refund, 9 of 10"),
            _("From submission to the refund, over refunds that were sent in the period: nine of ten took no longer."),
            _("Time of the one nine tenths up"), _("Refunds sent"),
        ),
        "disputes": (
            _("Disputes"),
            _("Disputes that were opened in the period, over the returns that were submitted in it."),
            _("Disputes"), _("Returns"),
        ),
    }[name]  # fmt: skip
