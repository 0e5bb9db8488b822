"""The books for people: what is not paid yet, what a period came to, journal, balances and credit notes."""

from __future__ import annotations

import csv
import io
from typing import Any
from uuid import UUID

from flask import Blueprint, request, url_for
from flask import Response as Answer
from werkzeug.wrappers import Response

from portal.core.access import NotFound
from portal.core.merchants import MerchantFacts
from portal.core.money import major
from portal.services.ledgers import accounting, books, credit_notes
from portal.services.refunding import finance
from portal.web.actor import needs, person
from portal.web.admin import books as frame
from portal.web.admin import files, periods
from portal.web.admin.returns import as_id
from portal.web.admin.shapes import Column
from portal.web.page import gateways, now, page
from portal.web.words import gettext as _
from portal.web.words import words

bp = Blueprint("finance", __name__, url_prefix="/finance")

PER_PAGE = 50
SHOWN = 100


@bp.get("")
@needs("finance.read")
def index() -> Response:
    """What is not paid yet and why, what failed, and what the period came to."""
    shop = frame.shop()
    period = periods.asked(shop)
    return page(
        "admin/finance/index.html",
        fragments=("owed",),
        own_url=request.full_path.rstrip("?"),
        **frame.around(shop, "index", period),
        pending=finance.pending(person(), shop.id, limit=SHOWN, now=now()),
        failed=finance.pending(person(), shop.id, failed=True, limit=SHOWN, now=now()),
        totals=finance.totals(person(), shop.id, since=period.since, until=period.until),
        tasks=finance.open_tasks(person(), shop.id),
        batches=finance.batches(person(), shop.id),
        limit=SHOWN,
        columns=_waiting_columns(),
        totals_columns=(
            Column(name=_("Currency")),
            Column(name=_("Approved"), number=True),
            Column(name=_("Tax in it"), number=True),
            Column(name=_("Fees kept"), number=True),
            Column(name=_("Paid"), number=True),
            Column(name=_("Paid as credit"), number=True),
            Column(name=_("Not charged"), number=True),
            Column(name=_("Open now"), number=True),
            Column(name=_("Failed, owed"), number=True),
        ),
    )


def _waiting_columns() -> tuple[Column, ...]:
    return (
        Column(name=_("Refund")),
        Column(name=_("State")),
        Column(name=_("Waits for")),
        Column(name=_("Amount"), number=True),
        Column(name=_("Paid by")),
        Column(name=_("Since")),
    )


@bp.get("/pending.csv")
@needs("finance.read")
def pending() -> Answer:
    """Everything that is not paid yet, and what failed, as CSV."""
    shop = frame.shop()
    found = [
        *finance.pending(person(), shop.id, limit=10_000, now=now()),
        *finance.pending(person(), shop.id, failed=True, limit=10_000, now=now()),
    ]
    head = (
        "refund",
        "return",
        "state",
        "waits_for",
        "amount",
        "currency",
        "paid_by",
        "since",
        "days",
        "error",
    )
    rows = [
        (
            one.number, one.return_number, one.state, one.why, f"{major(one.amount, one.currency):f}",
            one.currency, one.provider, one.since.isoformat(timespec="seconds"), str(one.days), one.error,
        )
        for one in found
    ]  # fmt: skip
    return files.as_csv(head, rows, f"pending-{shop.slug}.csv")


@bp.get("/balances")
@needs("finance.read")
def balances() -> Response:
    """The balance of each account: of a period, an order, a payment."""
    shop = frame.shop()
    period = periods.asked(shop)
    order, payment = (request.args.get(name, "").strip() for name in ("order", "payment"))
    rows, missing = _balances(shop, period, order, payment)
    return page(
        "admin/finance/balances.html",
        **frame.around(shop, "balances", period),
        rows=rows,
        order=order,
        payment=payment,
        missing=missing,
        columns=(
            Column(name=_("Account")),
            Column(name=_("Currency")),
            Column(name=_("Debit"), number=True),
            Column(name=_("Credit"), number=True),
            Column(name=_("Balance"), number=True),
        ),
    )


@bp.get("/balances.csv")
@needs("finance.read")
def balances_file() -> Answer:
    """The same balances as CSV."""
    shop = frame.shop()
    order, payment = (request.args.get(name, "").strip() for name in ("order", "payment"))
    rows, missing = _balances(shop, periods.asked(shop), order, payment)
    if missing:
        raise NotFound
    head = ("account", "currency", "debit", "credit", "balance")
    told = [
        (
            one.account,
            one.currency,
            *(f"{major(part, one.currency):f}" for part in (one.debit, one.credit, one.amount)),
        )
        for one in rows
    ]
    return files.as_csv(head, told, f"balances-{shop.slug}.csv")


def _balances(
    shop: MerchantFacts, period: periods.Period, order: str, payment: str
) -> tuple[tuple[books.Balance, ...], str]:
    """The rows, and what was asked for and is not there. An order or a payment is shown whole, at any time."""
    try:
        order_id = books.order_of(person(), shop.id, order) if order else None
    except NotFound:
        return (), _("There is no order %(number)s.", number=order)
    try:
        payment_id = books.payment_of(person(), shop.id, payment) if payment else None
    except NotFound:
        return (), _("There is no payment %(reference)s.", reference=payment)
    whole = bool(order_id or payment_id) and not request.args.get("from")
    found = books.balance(
        person(),
        shop.id,
        order_id=order_id,
        payment_id=payment_id,
        since=None if whole else period.since,
        until=None if whole else period.until,
    )
    return found, ""


@bp.get("/journal")
@needs("finance.read")
def journal() -> Response:
    """The journal of a period: how much is in it, and the file to take away."""
    shop = frame.shop()
    period = periods.asked(shop)
    told = accounting.journal(person(), shop.id, since=period.since, until=period.until, words=words())
    lines = list(csv.DictReader(io.StringIO(told.decode(), newline="")))
    return page(
        "admin/finance/journal.html",
        **frame.around(shop, "journal", period),
        lines=lines[:SHOWN],
        count=len(lines),
        columns=(
            Column(name=_("Day")),
            Column(name=_("Document")),
            Column(name=_("Account")),
            Column(name=_("Debit"), number=True),
            Column(name=_("Credit"), number=True),
            Column(name=_("What for")),
        ),
    )


@bp.get("/journal.csv")
@needs("finance.read")
def journal_file() -> Answer:
    """The journal of a period as CSV, in the shop's language."""
    shop = frame.shop()
    period = periods.asked(shop)
    told = accounting.journal(
        person(),
        shop.id,
        since=period.since,
        until=period.until,
        words=gateways().words(shop.language),
    )
    return files.as_file(
        told, "text/csv; charset=utf-8", f"journal-{shop.slug}-{period.since}-{period.until}.csv"
    )


@bp.get("/credit-notes")
@needs("finance.read")
def notes() -> Response:
    """The credit notes of a period, newest first."""
    shop = frame.shop()
    period = periods.asked(shop)
    rows = credit_notes.listing(
        person(),
        shop.id,
        since=period.since,
        until=period.until,
        after=as_id(request.args.get("after", "")),
        limit=PER_PAGE + 1,
    )
    shown = rows[:PER_PAGE]
    here: dict[str, Any] = {"merchant": shop.id, **period.query}
    more = url_for("admin.finance.notes", after=shown[-1].id, **here) if len(rows) > PER_PAGE else None
    return page(
        "admin/finance/notes.html",
        **frame.around(shop, "notes", period),
        rows=shown,
        next_url=more,
        first_url=url_for("admin.finance.notes", **here) if request.args.get("after") else None,
        columns=(
            Column(name=_("Credit note")),
            Column(name=_("Refund")),
            Column(name=_("Order")),
            Column(name=_("Credited"), number=True),
            Column(name=_("Day")),
            Column(name=_("Files")),
        ),
    )


@bp.get("/<uuid:merchant_id>/credit-notes/<string:number>.<string:format>")
@needs("refunds.read")
def credit_note(merchant_id: UUID, number: str, format: str) -> Answer:
    """One credit note: the paper, or the file for another system."""
    if format not in ("pdf", "xml"):
        raise NotFound
    found = credit_notes.document(
        person(), number, merchant_id=merchant_id, format=format, gateways=gateways()
    )
    return files.as_file(found.content, found.media_type, f"{number}.{format}", inline=format == "pdf")
