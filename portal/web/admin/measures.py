"""How well partial cancellation and refunds work: three measures, each with definition, numerator and denominator."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from flask import Blueprint, request, url_for
from flask import Response as Answer
from werkzeug.wrappers import Response

from portal.core.merchants import MerchantFacts
from portal.core.money import major
from portal.services.lists import measures
from portal.web.actor import needs, person
from portal.web.admin import periods
from portal.web.admin.files import as_csv
from portal.web.admin.returns import as_id
from portal.web.admin.shapes import Column, Tab
from portal.web.page import page
from portal.web.words import gettext as _
from portal.web.words import ngettext, speak, words

bp = Blueprint("measures", __name__, url_prefix="/measures")


@bp.get("")
@needs("refunds.read")
def index() -> Response:
    """The three measures of a period, and what is behind those that are not met."""
    shop = _shop()
    period = periods.asked(shop)
    found = measures.read(person(), shop.id, since=period.since, until=period.until)
    query = {"merchant": shop.id, **period.query}
    return page(
        "admin/measures/index.html",
        shop=shop,
        shops=measures.shops(person()),
        period=period,
        query=query,
        shortcuts=[
            Tab(
                name=name,
                url=url_for("admin.measures.index", merchant=shop.id, **one.query),
                current=one == period,
            )
            for name, one in periods.shortcuts(shop)
        ],
        found=found,
        told=_told(found),
        slow_columns=(
            Column(name=_("Cancellation")),
            Column(name=_("Confirmed")),
            Column(name=_("Refund sent")),
            Column(name=_("Took"), number=True),
        ),
        score_columns=(Column(name=_("Answer")), Column(name=_("How often"), number=True)),
        wrong_columns=(
            Column(name=_("Refund")),
            Column(name=_("In the ledger"), number=True),
            Column(name=_("Worked out anew"), number=True),
            Column(name=_("What differs")),
        ),
        faults=faults(),
    )


def _shop() -> MerchantFacts:
    """The shop that was asked for, else where most was canceled; days are told in its zone from here on."""
    found = measures.shop(person(), as_id(request.args.get("merchant", "")))
    speak(zone=found.zone)
    return found


def _told(found: measures.Measures) -> dict[str, Any]:
    """The figures as they are read."""
    processing = found.processing
    return {
        "average": "" if processing.average is None else duration(processing.average),
        "median": duration(processing.median_seconds) if processing.count else "",
        "sum": duration(processing.seconds),
        "satisfaction": percent(found.satisfaction.rate),
        "accuracy": percent(found.accuracy.rate),
        "slow": [
            {
                "id": one.return_id,
                "number": one.number,
                "confirmed_at": one.confirmed_at,
                "sent_at": one.sent_at,
                "took": duration(one.seconds),
            }
            for one in processing.slowest
        ],
        "scores": [
            {"name": name, "count": count}
            for name, count in zip(score_names(), found.satisfaction.scores, strict=True)
        ],
    }


def score_names() -> tuple[str, ...]:
    """The five answers, from the worst to the best."""
    return (_("Very unhappy"), _("Unhappy"), _("So-so"), _("Happy"), _("Very happy"))


def faults() -> dict[str, str]:
    """In what a refund can differ from what was worked out anew."""
    return {
        "units": _("What its units were worth"),
        "decided": _("What was decided for it"),
        "more_than_paid": _("More than was paid"),
        "tax": _("The tax in it"),
        "paid": _("What was paid out"),
    }


def duration(seconds: float) -> str:
    """A time span in the two largest units that matter."""
    if round(seconds) < 60:
        return ngettext("%(num)s second", "%(num)s seconds", round(seconds))
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        told = ngettext("%(num)s minute", "%(num)s minutes", minutes)
        return (
            f"{told} {ngettext('%(num)s second', '%(num)s seconds', rest)}" if rest and minutes < 10 else told
        )
    hours, rest = divmod(minutes, 60)
    if hours < 48:
        told = ngettext("%(num)s hour", "%(num)s hours", hours)
        return f"{told} {ngettext('%(num)s minute', '%(num)s minutes', rest)}" if rest else told
    days, rest = divmod(hours, 24)
    told = ngettext("%(num)s day", "%(num)s days", days)
    return f"{told} {ngettext('%(num)s hour', '%(num)s hours', rest)}" if rest and days < 10 else told


def percent(rate: Fraction | None) -> str:
    """A rate in percent with one digit, rounded down: 100 % is said of all alone."""
    if rate is None:
        return ""
    tenths = int(rate * 1000)
    whole, part = divmod(tenths, 10)
    return words().percent(whole * 100 + part * 10)


@bp.get("/processing.csv")
@needs("refunds.read")
def processing() -> Answer:
    """Every cancellation of the period, with the times that the average is made of."""
    shop = _shop()
    period = periods.asked(shop)
    rows = measures.timed(person(), shop.id, since=period.since, until=period.until)
    return as_csv(
        ("cancellation", "confirmed_at", "refund_sent_at", "seconds"),
        [
            (
                one.number,
                one.confirmed_at.isoformat(),
                one.sent_at.isoformat() if one.sent_at else "",
                f"{one.seconds:.1f}" if one.sent_at else "",
            )
            for one in rows
        ],
        f"processing-{shop.slug}-{period.since}-{period.until}.csv",
    )


@bp.get("/accuracy.csv")
@needs("refunds.read")
def accuracy() -> Answer:
    """Every refund of the period as the ledger holds it, and as it was worked out anew."""
    shop = _shop()
    period = periods.asked(shop)
    rows = measures.recounted(person(), shop.id, since=period.since, until=period.until)
    return as_csv(
        ("refund", "approved_at", "currency", "in_the_ledger", "worked_out_anew", "differs_in"),
        [
            (
                one.number,
                one.at.isoformat(),
                one.currency,
                str(major(one.found.posted, one.currency)),
                str(major(one.found.expected, one.currency)),
                " ".join(one.found.faults),
            )
            for one in rows
        ],
        f"accuracy-{shop.slug}-{period.since}-{period.until}.csv",
    )
