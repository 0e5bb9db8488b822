"""Store credit and gift cards at the desk: looked up, sold against, made void, or taken back onto a refund."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, request, url_for
from flask_wtf import FlaskForm
from werkzeug.wrappers import Response
from wtforms import HiddenField, TextAreaField
from wtforms.validators import InputRequired, Length

from portal.core import credits as codes
from portal.core.access import Conflict, NotFound
from portal.services.ledgers import credits
from portal.services.ledgers.credits import CreditFacts
from portal.services.paying import byhand
from portal.web.actor import needs, person
from portal.web.admin.returns import as_id
from portal.web.admin.shapes import Column
from portal.web.forms.admin import AmountField, ReasonForm
from portal.web.page import now, page, redirect_to, tell
from portal.web.words import gettext as _
from portal.web.words import lazy_gettext as _l
from portal.web.words import words

bp = Blueprint("credits", __name__, url_prefix="/credits")

PER_PAGE = 50


class SpendForm(FlaskForm):
    """What was sold against a code, and how that is known later."""

    expected = HiddenField()
    """The balance that the page showed, in minor units: a second press of the button finds another one."""
    amount = AmountField(
        _l("Amount spent"), validators=[InputRequired(_l("Enter the amount")), Length(max=30)]
    )
    reason = TextAreaField(
        _l("What for"),
        filters=[lambda value: (value or "").strip()],
        validators=[InputRequired(_l("Write down what was sold, such as the order number")), Length(max=300)],
    )

    @property
    def shown(self) -> int:
        return int(self.expected.data) if (self.expected.data or "").isdigit() else -1


@bp.get("")
@needs("refunds.read")
def index() -> Response:
    """All codes of one's shops, newest first; or those of a name, an e-mail or an ending."""
    text = request.args.get("q", "").strip()[:100]
    rows = credits.listing(
        person(), text=text, after=as_id(request.args.get("after", "")), limit=PER_PAGE + 1, now=now()
    )
    shown = rows[:PER_PAGE]
    more = {"q": text or None, "after": shown[-1].id} if len(rows) > PER_PAGE else None
    return page(
        "admin/credits/index.html",
        rows=shown,
        text=text,
        columns=(
            Column(name=_("Code")),
            Column(name=_("State")),
            Column(name=_("Balance"), number=True),
            Column(name=_("Valid until")),
            Column(name=_("Customer")),
            Column(name=_("Issued")),
        ),
        next_url=url_for("admin.credits.index", **more) if more else None,  # type: ignore[arg-type]
        first_url=url_for("admin.credits.index", q=text or None) if request.args.get("after") else None,
    )


@bp.post("/search")
@needs("refunds.read")
def search() -> Response:
    """Look for what was typed. It is posted, since a code is money: no address, no log and no history has it."""
    text = request.form.get("q", "").strip()[:100]
    if not codes.normalize(text):
        return redirect_to(url_for("admin.credits.index", q=text or None))
    found = credits.listing(person(), text=text, limit=1, now=now())
    if found:
        return redirect_to(url_for("admin.credits.show", credit_id=found[0].id))
    tell(_("No such code"), "bad")
    return redirect_to(url_for("admin.credits.index"))


@bp.get("/<uuid:credit_id>")
@needs("refunds.read")
def show(credit_id: UUID) -> Response:
    """One code: its balance, every movement, and what can be done."""
    found = credits.one(person(), credit_id, now=now())
    return _page(found, SpendForm(formdata=None, expected=str(found.balance)))


@bp.post("/<uuid:credit_id>")
@needs("refunds.propose")
def spend(credit_id: UUID) -> Response:
    """Something was sold against it. The amount cannot be more than the page showed."""
    found, form = credits.one(person(), credit_id, now=now()), SpendForm()
    if not form.validate():
        return _page(found, form, status=422)
    try:
        amount = form.amount.minor(found.currency) or 0
    except ValueError:
        form.amount.errors = [
            _("Enter an amount, such as %(example)s", example=form.amount.example(found.currency))
        ]
        return _page(found, form, status=422)
    try:
        credits.spend(
            person(), credit_id, amount=amount, reason=form.reason.data, expected=form.shown, now=now()
        )
    except Conflict as conflict:
        form.amount.errors = [words().conflict(conflict.code, conflict.details, found.currency)]
        form.expected.data = str(found.balance)
        return _page(found, form, status=422)
    tell(_("Taken off the code: %(amount)s.", amount=words().money(amount, found.currency)))
    return redirect_to(url_for("admin.credits.show", credit_id=credit_id))


@bp.route("/<uuid:credit_id>/void", methods=["GET", "POST"])
@needs("refunds.approve")
def void(credit_id: UUID) -> Response:
    """Make a code worth nothing, with a reason: it was stolen, or given by mistake."""
    found, form = credits.one(person(), credit_id, now=now()), ReasonForm()
    if form.is_submitted() and form.validate():
        credits.void(person(), credit_id, reason=form.reason.data, now=now())
        tell(_("The code is void. Finance is asked to look at what was left on it."), "info")
        return redirect_to(url_for("admin.credits.show", credit_id=credit_id))
    return page(
        "admin/credits/void.html", credit=found, form=form, status=422 if form.is_submitted() else 200
    )


@bp.route("/<uuid:credit_id>/refunds/<uuid:payout_id>", methods=["GET", "POST"])
@needs("refunds.approve")
def reclaim(credit_id: UUID, payout_id: UUID) -> Response:
    """Take one refund off the code again, so that it can be paid in another way."""
    found, form = credits.one(person(), credit_id, now=now()), ReasonForm()
    entry = next((one for one in found.entries if one.payout_id == payout_id), None)
    if entry is None:
        raise NotFound
    if form.is_submitted() and form.validate():
        try:
            byhand.reclaim(person(), payout_id, reason=form.reason.data, now=now())
        except Conflict as conflict:
            form.reason.errors = [words().conflict(conflict.code, conflict.details, found.currency)]
        else:
            tell(_("Taken back. The refund has failed now and can be paid in another way."), "info")
            if entry.return_id is not None:
                return redirect_to(url_for("admin.returns.show", return_id=entry.return_id, _anchor="refund"))
            return redirect_to(url_for("admin.credits.show", credit_id=credit_id))
    return page(
        "admin/credits/reclaim.html",
        credit=found,
        entry=entry,
        form=form,
        status=422 if form.is_submitted() else 200,
    )


def _page(found: CreditFacts, form: SpendForm, *, status: int = 200) -> Response:
    undone = {entry.payout_id for entry in found.entries if entry.why == credits.TAKEN_BACK}
    return page(
        "admin/credits/show.html",
        credit=found,
        form=form,
        undone=undone,
        may_spend=found.state == "open" and person().may("refunds.propose", found.merchant_id),
        may_void=found.state != "void" and person().may("refunds.approve", found.merchant_id),
        columns=(
            Column(name=_("When")),
            Column(name=_("What")),
            Column(name=_("Amount"), number=True),
            Column(name=_("Balance"), number=True),
            Column(name=_("By")),
            Column(name=_("Do")),
        ),
        status=status,
    )
