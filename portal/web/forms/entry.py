"""What the page sends on which an agent enters a return: how it begins, and who it is for."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from flask_wtf import FlaskForm
from wtforms import EmailField, HiddenField, RadioField, SelectField, StringField
from wtforms.validators import InputRequired, Length, Optional

from portal.core.merchants import MerchantFacts
from portal.core.reasons import RETURN_KINDS
from portal.web.forms.admin import CHANNELS_OF_AGENTS, LANGUAGES, _is_mail_address, _trimmed, as_number
from portal.web.words import gettext as _
from portal.web.words import lazy_gettext as _l
from portal.web.words import words


class EntryForm(FlaskForm):
    """How the customer asked, what kind of return it is, and what they said by which their order is found.

    How they asked is never chosen beforehand: nobody corrects what was right by chance.
    """

    nonce = HiddenField()
    begun = HiddenField()
    merchant = SelectField(_l("Shop"), validators=[Optional()], validate_choice=False)
    channel = RadioField(
        _l("How did the customer ask?"), validators=[InputRequired(_l("Choose how the customer asked"))]
    )
    kind = RadioField(
        _l("Type of return"), default="return", validators=[InputRequired(_l("Choose the type of return"))]
    )
    q = StringField(
        _l("What does the customer say?"), filters=[_trimmed], validators=[Optional(), Length(max=200)]
    )
    name = StringField(_l("Name"), filters=[_trimmed], validators=[Optional(), Length(max=200)])
    email = EmailField(
        _l("E-mail"), filters=[_trimmed], validators=[Optional(), Length(max=254), _is_mail_address]
    )
    phone = StringField(_l("Phone"), filters=[_trimmed], validators=[Optional(), Length(max=40)])

    def offer(self, shops: Iterable[MerchantFacts]) -> EntryForm:
        """Fill in the choices, in the words of whoever looks."""
        self.kind.choices = [(code, words().kind(code)) for code in RETURN_KINDS]
        self.channel.choices = [(code, words().channel(code)) for code in CHANNELS_OF_AGENTS]
        self.merchant.choices = [("", _("All my shops")), *((str(shop.id), shop.name) for shop in shops)]
        return self

    @property
    def begun_at(self) -> datetime | None:
        """When the page was opened, as it says itself."""
        seconds = as_number(self.begun.data)
        return datetime.fromtimestamp(seconds, UTC) if seconds is not None and seconds < LATEST else None


LATEST = 100_000_000_000
"""Seconds since 1970 that are a day of any calendar."""


class ContactForm(FlaskForm):
    """Who it is for and how to reach them; kept as far as it is known, asked for before the return is authorized."""

    kind = SelectField(_l("Type of return"))
    name = StringField(_l("Name"), filters=[_trimmed], validators=[Optional(), Length(max=200)])
    email = EmailField(
        _l("E-mail"), filters=[_trimmed], validators=[Optional(), Length(max=254), _is_mail_address]
    )
    phone = StringField(_l("Phone"), filters=[_trimmed], validators=[Optional(), Length(max=40)])
    language = SelectField(_l("Language of messages"))

    def __init__(self, *args: Any, **values: Any) -> None:
        super().__init__(*args, prefix="contact-", **values)

    def offer(self) -> ContactForm:
        self.kind.choices = [(code, words().kind(code)) for code in RETURN_KINDS]
        self.language.choices = [(code, words().language_name(code)) for code in LANGUAGES]
        return self
