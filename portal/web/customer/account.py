"""Where a refund shall go when it cannot go back to where it came from: asked once, shown covered afterwards."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint
from flask_wtf import FlaskForm
from werkzeug.wrappers import Response
from wtforms import StringField
from wtforms.validators import InputRequired, Length, Optional

from portal.core.access import Conflict
from portal.services.paying import bank_accounts
from portal.web.customer.opened import Opened, open_return
from portal.web.extensions import limiter
from portal.web.page import gateways, now, page, redirect_to, tell
from portal.web.words import gettext as _
from portal.web.words import lazy_gettext as _l
from portal.web.words import words

bp = Blueprint("account", __name__, url_prefix="/r/<uuid:return_id>/account")

FIELDS = {"holder_missing": "holder", "iban_wrong": "iban", "iban_not_sepa": "iban", "bic_wrong": "bic"}
"""What can be wrong with an account -> the field where it stands."""


def _trimmed(value: str | None) -> str:
    return (value or "").strip()


class AccountForm(FlaskForm):
    """A bank account, as people write it."""

    holder = StringField(
        _l("Account holder"),
        filters=[_trimmed],
        validators=[InputRequired(_l("Enter the name of the account holder")), Length(max=140)],
    )
    iban = StringField(
        _l("IBAN"),
        filters=[_trimmed],
        validators=[
            InputRequired(_l("Enter the IBAN. It is on your bank card or statement.")),
            Length(max=60),
        ],
    )
    bic = StringField(_l("BIC"), filters=[_trimmed], validators=[Optional(), Length(max=20)])

    def complain(self, code: str) -> bool:
        """Put what is wrong with the account at its field; False when it is not about the account."""
        if code not in FIELDS:
            return False
        self[FIELDS[code]].errors = [words().conflict(code, {})]
        return True


@bp.get("")
def show(return_id: UUID) -> Response:
    opened = open_return(return_id)
    if not bank_accounts.is_wanted(return_id):
        return _settled(opened)
    return _page(opened, AccountForm(formdata=None, holder=opened.view.draft.name))


@bp.post("")
@limiter.limit("20/hour")
def answer(return_id: UUID) -> Response:
    """Checked here and now; what was given is used for the refunds that wait."""
    opened, form = open_return(return_id), AccountForm()
    if not form.validate():
        return _page(opened, form, status=422)
    try:
        bank_accounts.give(
            opened.actor,
            return_id,
            holder=form.holder.data,
            iban=form.iban.data,
            bic=form.bic.data or "",
            gateways=gateways(),
            now=now(),
        )
    except Conflict as conflict:
        if form.complain(conflict.code):
            return _page(opened, form, status=422)
        if conflict.code != "account_not_wanted":
            raise
        return _settled(opened)
    tell(_("Thank you. We send your refund to %(account)s.", account=bank_accounts.given(return_id)))
    return redirect_to(opened.url("customer.status.show"))


def _settled(opened: Opened) -> Response:
    """Nothing is asked any more: somebody said it, or the money goes another way."""
    account = bank_accounts.given(opened.id)
    tell(
        _("We know your account: %(account)s.", account=account)
        if account
        else _("We do not need a bank account for this return."),
        "info",
    )
    return redirect_to(opened.url("customer.status.show"))


def _page(opened: Opened, form: AccountForm, *, status: int = 200) -> Response:
    return page("customer/account.html", status=status, **opened.context(form=form))
