"""Cancellations: the list with its search, and the page of one, live until nothing can change any more."""

from collections.abc import Sequence
from uuid import UUID

from flask import Blueprint, request, url_for
from flask import Response as Answer
from werkzeug.wrappers import Response

from portal.core.access import Conflict
from portal.core.lifecycles import CANCELLATION
from portal.core.money import major
from portal.services import cancellations, disputes, links, merchants
from portal.services.cancellations.cancellation_dossiers import CancellationDossier, dossier
from portal.services.lists import cancellation_list
from portal.services.lists.cancellation_list import CancellationListing, CancellationRow
from portal.services.warehousing import warehouse
from portal.web.actor import needs, person
from portal.web.admin import cancellation_rows as rows
from portal.web.admin import dossiers, list_file, proposal_rows
from portal.web.admin.amounts import explained
from portal.web.admin.returns import as_id
from portal.web.admin.shapes import Column, Tab
from portal.web.forms.proposals import WarehouseAnswerForm, WithdrawalForm
from portal.web.page import now, page, redirect_to, site, tell
from portal.web.words import gettext as _
from portal.web.words import speak, words

bp = Blueprint("cancellations", __name__)


@bp.get("/cancellations")
@needs("returns.read")
def index() -> Response:
    """Search, filters and pages stand in the address; a number typed exactly goes straight to its page."""
    found, kept = _listed(after=as_id(request.args.get("after", "")), limit=50)
    if found.exact is not None and "HX-Request" not in request.headers:
        return redirect_to(url_for("admin.returns.show", return_id=found.exact))
    state = kept.get("state", "")
    special = (
        _("Warehouse does not answer")
        if "silent" in kept
        else _("Canceled too late")
        if "late" in kept
        else ""
    )
    return page(
        "admin/cancellations/index.html",
        fragments=("rows",),
        found=found,
        columns=_columns(),
        tabs=_tabs(found.counts, kept),
        merchants=merchants.of_actor(person()),
        kept=kept,
        query=kept.get("q", ""),
        state=state,
        special=special,
        sees_money=person().may_somewhere("refunds.read"),
        merchant_id=as_id(kept.get("merchant", "")),
        csv_url=url_for("admin.cancellations.table", **kept),  # type: ignore[arg-type]
        next_url=url_for("admin.cancellations.index", **kept, after=found.next) if found.next else None,  # type: ignore[arg-type]
        first_url=url_for("admin.cancellations.index", **kept) if request.args.get("after") else None,  # type: ignore[arg-type]
    )


def _listed(*, after: UUID | None = None, limit: int) -> tuple[CancellationListing, dict[str, str]]:
    """What the address asks for, and its filters as they go on to the next page."""
    asked = {
        name: request.args.get(name, "").strip() for name in ("q", "state", "merchant", "silent", "late")
    }
    if asked["state"] not in CANCELLATION.states:
        asked["state"] = ""
    found = cancellation_list.listing(
        person(),
        state=asked["state"] or None,
        query=asked["q"],
        merchant_id=as_id(asked["merchant"]),
        silent=bool(asked["silent"]),
        late=bool(asked["late"]),
        after=after,
        limit=limit,
    )
    return found, {name: value for name, value in asked.items() if value}


def _columns() -> tuple[Column, ...]:
    return (
        Column(name=_("Cancellation")),
        Column(name=_("State")),
        Column(name=_("Customer")),
        Column(name=_("Items")),
        Column(name=_("Amount"), number=True),
        Column(name=_("Shop")),
    )


def _tabs(counts: dict[str, int], kept: dict[str, str]) -> tuple[Tab, ...]:
    """All, and every state that has some, or is looked at."""
    others = {name: value for name, value in kept.items() if name in ("q", "merchant")}
    state = kept.get("state", "")
    every = Tab(
        name=_("All"),
        url=url_for("admin.cancellations.index", **others),  # type: ignore[arg-type]
        current=not kept.keys() & {"state", "silent", "late"},
    )
    return (
        every,
        *(
            Tab(
                name=words().state("cancellation", one).name,
                url=url_for("admin.cancellations.index", state=one, **others),  # type: ignore[arg-type]
                current=state == one,
                count=counts.get(one, 0),
            )
            for one in CANCELLATION.states
            if counts.get(one) or state == one
        ),
    )


@bp.get("/cancellations.csv")
@needs("returns.read")
def table() -> Answer:
    """The list as it is filtered, as CSV; amounts in whole units of their currency."""
    head = (
        "cancellation", "state", "order", "customer", "email", "items", "units", "amount", "currency", "asked_by",
        "channel", "requested_at", "answered_at", "warehouse", "shop",
    )  # fmt: skip
    sees = person().may_somewhere("refunds.read")

    def told(row: CancellationRow) -> list_file.Row:
        return (
            row.number or "", row.state, row.order_number, row.name, row.email, row.first_line, str(row.units),
            f"{major(row.amount, row.currency):f}" if sees and row.amount is not None else "", row.currency,
            row.asked_by, row.channel, row.created_at.isoformat(timespec="seconds"),
            row.answered_at.isoformat(timespec="seconds") if row.answered_at else "", row.warehouse_state,
            row.merchant_name,
        )  # fmt: skip

    def read(after: UUID | None) -> tuple[Sequence[CancellationRow], UUID | None]:
        found, _kept = _listed(after=after, limit=list_file.AT_ONCE)
        return found.rows, found.next

    return list_file.streamed(head, told, read, "cancellations.csv")


# ------------------------------------------------------------------------------------------- the page of one


@bp.get("/cancellations/<uuid:return_id>")
@needs("returns.read")
def show(return_id: UUID) -> Response:
    """All of it. A page that is open asks every two seconds, and gets something only when something changed."""
    found = _found(return_id)
    stamp = rows.stamp(found)
    if request.args.get("seen") == stamp and request.headers.get("HX-Target") == "live":
        return Answer(status=204)
    return _page(found, stamp)


def _page(found: CancellationDossier, stamp: str) -> Response:
    shown, actor = found.page, person()
    may = rows.may(found, actor)
    shares = proposal_rows.shares(shown.order, shown.breakdown)
    url = links.shown_url(actor, found.proposal.id, site=site()) if may.link and found.proposal else None
    silent = rows.is_silent(shown)
    tone, sentence = rows.next_words(shown, silent=silent, shares=shares)
    estimate = explained(shown.breakdown, estimate=True)
    return page(
        "admin/cancellations/show.html",
        fragments=("live",),
        found=found,
        disputes=disputes.of_return(actor, shown.draft.id),
        shown=shown,
        draft=shown.draft,
        shop=shown.merchant,
        order=shown.order,
        facts=shown.facts,
        stamp=stamp,
        live=rows.is_live(shown),
        may=may,
        steps=rows.steps(shown, shares),
        is_money=proposal_rows.is_money(shares),
        tone=tone,
        sentence=sentence,
        silent=silent,
        time_left=rows.time_left(shown),
        undone=shown.state in rows.UNDONE,
        stays=rows.what_stays(shown),
        against=proposal_rows.said(shown.verdict.findings, shown.draft.currency),
        estimate=estimate,
        due=None,
        changes=(),
        shares=shares,
        mixed=len({share.mode for share in shares}) > 1,
        total_label=proposal_rows.total_label(shares),
        totals=proposal_rows.totals(shown.before, shown.after),
        refunds=dossiers.refund_rows(shown.refunds, actor, shown.draft.merchant_id, now=shown.now),
        url=url or "",
        mails=found.mails,
        history=dossiers.told(found.history, shown.draft.currency),
    )


def _found(return_id: UUID) -> CancellationDossier:
    found = dossier(person(), return_id, now=now())
    speak(zone=found.page.merchant.zone)
    return found


@bp.route("/cancellations/<uuid:return_id>/withdrawal", methods=["GET", "POST"])
@needs("cancellations.propose")
def withdraw(return_id: UUID) -> Response:
    """Take a proposal back, with the reason."""
    found, form = _found(return_id), WithdrawalForm()
    CANCELLATION.after(found.page.state, "cancel")
    if form.is_submitted() and form.validate():
        cancellations.withdraw(person(), return_id, reason=form.reason.data, now=now())
        tell(_("Withdrawn. The units are free again, and the order stays as it was."), "info")
        return _back(return_id)
    return _step("withdraw", found, form)


@bp.post("/cancellations/<uuid:return_id>/reminder")
@needs("cancellations.propose")
def remind(return_id: UUID) -> Response:
    """Write to the customer once more that their answer is waited for."""
    cancellations.remind(person(), return_id, now=now())
    tell(_("The customer is reminded by e-mail."))
    return _back(return_id)


@bp.route("/cancellations/<uuid:return_id>/warehouse", methods=["GET", "POST"])
@needs("stock.edit")
def answer(return_id: UUID) -> Response:
    """What the warehouse said to somebody who asked there, where it does not answer by itself."""
    found, form = _found(return_id), WarehouseAnswerForm().offer()
    if found.page.state != "confirmed" or found.page.facts.warehouse_state not in ("waiting", "pending"):
        raise Conflict("answer_known")
    if form.is_submitted() and form.validate():
        warehouse.record_answer(
            person(), return_id, state=form.state.data, note=form.note.data or "", now=now()
        )
        tell(_("Recorded. What follows from it is under way."))
        return _back(return_id)
    return _step("warehouse", found, form)


def _step(name: str, found: CancellationDossier, form: WithdrawalForm | WarehouseAnswerForm) -> Response:
    return page(
        f"admin/cancellations/{name}.html",
        found=found,
        shown=found.page,
        draft=found.page.draft,
        shop=found.page.merchant,
        form=form,
        status=422 if form.is_submitted() else 200,
    )


def _back(return_id: UUID) -> Response:
    return redirect_to(url_for("admin.cancellations.show", return_id=return_id))
