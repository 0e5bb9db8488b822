"""The account map of a shop's journal, and what its credit notes say about the shop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, url_for
from flask_wtf import FlaskForm
from werkzeug.wrappers import Response
from wtforms import FieldList, Form, FormField, HiddenField, StringField

from portal.core.accounting import (
    ANY_AUTHORIZED,
    ANY_CLEARING,
    ANY_TAX,
    DEFAULTS,
    KINDS,
    AccountMap,
    BadAccounts,
)
from portal.core.merchants import MerchantFacts
from portal.core.refunds.ledger import TAX
from portal.services.ledgers import accounting
from portal.web.actor import needs, person
from portal.web.admin import books
from portal.web.admin.shapes import Column
from portal.web.page import now, page, redirect_to, tell
from portal.web.words import gettext as _
from portal.web.words import lazy_gettext as _l
from portal.web.words import words

bp = Blueprint("accounts", __name__, url_prefix="/finance/accounts")


class AccountRow(Form):
    """One account of the ledger and what it is in the shop's plan."""

    code = HiddenField()
    account = StringField(_l("Account"))
    tax_code = StringField(_l("Tax code"))


class AccountsForm(FlaskForm):
    """The whole map, and the shop as its credit notes name it."""

    journal = StringField(_l("Name of the journal"))
    company = StringField(_l("Name on credit notes"))
    tax_number = StringField(_l("Tax number"))
    rows = FieldList(FormField(AccountRow))

    def wanted(self) -> dict[str, Any]:
        """The map as it is kept; fields that were left empty have their default and are not in it."""
        rows = [entry.form for entry in self.rows]
        company = {"name": self.company.data, "tax_number": self.tax_number.data}
        value = {
            "journal": (self.journal.data or "").strip(),
            "accounts": {row.code.data: (row.account.data or "").strip() for row in rows},
            "tax_codes": {
                row.code.data.removeprefix(TAX): (row.tax_code.data or "").strip()
                for row in rows
                if row.code.data.startswith(TAX) and row.code.data != ANY_TAX
            },
            "company": {key: (text or "").strip() for key, text in company.items()},
        }
        return {
            key: {name: one for name, one in held.items() if one} if isinstance(held, dict) else held
            for key, held in value.items()
            if held
        }

    def tell(self, problem: BadAccounts) -> None:
        """Put each fault at the field it is about."""
        faults = _faults()
        for path, code in problem.faults:
            sentence = faults.get(code, code)
            table, _dot, name = path.partition(".")
            for entry in self.rows:
                row = entry.form
                if table == "accounts" and row.code.data == name:
                    row.account.errors = [*row.account.errors, sentence]
                if table == "tax_codes" and row.code.data == TAX + name:
                    row.tax_code.errors = [*row.tax_code.errors, sentence]
            if path == "journal":
                self.journal.errors = [*self.journal.errors, sentence]
            if table == "company":
                field = self.company if name == "name" else self.tax_number
                field.errors = [*field.errors, sentence]


def _faults() -> dict[str, str]:
    return {
        "empty": _("Enter a name."),
        "too_long": _("At most 40 characters."),
        "control_character": _("Only characters that can be seen."),
        "unknown_account": _("The ledger has no such account."),
        "not_text": _("Enter a text."),
    }


@bp.get("")
@needs("finance.read")
def show() -> Response:
    """Every account of the ledger beside the shop's own."""
    shop = books.shop()
    return _page(shop, _form(shop))


@bp.post("")
@needs("finance.edit")
def save() -> Response:
    """Keep the accounts as they were entered, or say what is wrong with them."""
    shop = books.shop()
    form = _form(shop)
    if form.validate():
        try:
            accounting.set_accounts(person(), shop.id, form.wanted(), now=now())
        except BadAccounts as problem:
            form.tell(problem)
        else:
            tell(_("The accounts are saved. Journals use them from now on."))
            return redirect_to(url_for("admin.accounts.show", merchant=shop.id))
    return _page(shop, form, status=422)


def _form(shop: MerchantFacts) -> AccountsForm:
    kept = accounting.accounts(person(), shop.id)
    return AccountsForm(data=_as_data(kept, accounting.used(person(), shop.id)))


def _page(shop: MerchantFacts, form: AccountsForm, *, status: int = 200) -> Response:
    return page(
        "admin/accounts/show.html",
        **books.around(shop, "accounts"),
        form=form,
        may_edit=person().may("finance.edit", shop.id),
        rows=[
            {
                "code": entry.form.code.data,
                "name": name_of(entry.form.code.data),
                "default": AccountMap().account(entry.form.code.data),
                "form": entry.form,
                "is_tax": entry.form.code.data.startswith(TAX) and entry.form.code.data != ANY_TAX,
            }
            for entry in form.rows
        ],
        columns=(Column(name=_("In the ledger")), Column(name=_("Your account")), Column(name=_("Tax code"))),
        status=status,
    )


def _as_data(kept: Mapping[str, Any], used: tuple[str, ...]) -> dict[str, Any]:
    """The map as the form shows it: the accounts of the ledger, then labels and providers that were used."""
    told, taxes = kept.get("accounts", {}), kept.get("tax_codes", {})
    named = [code for code in (*told, *(TAX + label for label in taxes)) if code not in DEFAULTS]
    special = sorted({*used, *named} - set(DEFAULTS))
    company = kept.get("company", {})
    return {
        "journal": kept.get("journal", AccountMap.journal),
        "company": company.get("name", ""),
        "tax_number": company.get("tax_number", ""),
        "rows": [
            {
                "code": code,
                "account": told.get(code, ""),
                "tax_code": taxes.get(code.removeprefix(TAX), "") if code.startswith(TAX) else "",
            }
            for code in (*DEFAULTS, *special)
        ],
    }


def name_of(code: str) -> str:
    """An account of the ledger in words, those for all labels and all providers too."""
    if code == ANY_TAX:
        return _("Tax refunded, every other label")
    if code == ANY_CLEARING:
        return _("Paid out, every other way")
    if code == ANY_AUTHORIZED:
        return _("Reserved and let go, every other provider")
    return words().account(code) if code.startswith(KINDS) or code in DEFAULTS else code
