"""The forms of the admin area: one per POST. They check shape; what policy says comes back from the services."""

import re
from collections.abc import Iterable
from uuid import UUID

from email_validator import EmailNotValidError, validate_email
from flask_wtf import FlaskForm
from flask_wtf.file import FileRequired, MultipleFileField
from wtforms import (
    BooleanField,
    EmailField,
    Form,
    HiddenField,
    IntegerField,
    PasswordField,
    RadioField,
    SelectField,
    SelectMultipleField,
    StringField,
    TextAreaField,
)
from wtforms.validators import (
    InputRequired,
    Length,
    NumberRange,
    Optional,
    ValidationError,
)
from wtforms.widgets import CheckboxInput, ListWidget

from portal.core.money import Minor, exponent, minor
from portal.core.reasons import DECLINE_REASONS
from portal.web.words import gettext, words
from portal.web.words import lazy_gettext as _l

CHANNELS_OF_AGENTS = ("phone", "email", "chat", "in_person")
"""How the customer asked; links and self-service start by themselves."""

LANGUAGES = ("en", "de", "fr")
"""Those that pages, messages and documents speak."""


def _trimmed(value: str | None) -> str:
    return (value or "").strip()


def as_number(text: str | None) -> int | None:
    """A version or a moment that one of our own pages wrote into its form; None for what none of them writes."""
    text = text or ""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS else None


MOST_DIGITS = 15
"""What is counted anywhere is below that, and every database takes it."""


def _is_mail_address(_form: Form, field: StringField) -> None:
    try:
        validate_email(field.data, check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        raise ValidationError(gettext("Enter an e-mail address, such as name@example.com")) from None


class SignInForm(FlaskForm):
    """Who somebody is. Nothing about which of the two was wrong is ever told."""

    email = EmailField(
        _l("E-mail"),
        filters=[_trimmed],
        validators=[InputRequired(_l("Enter your e-mail address")), Length(max=254)],
    )
    password = PasswordField(
        _l("Password"), validators=[InputRequired(_l("Enter your password")), Length(max=1000)]
    )
    next = HiddenField()


class SignOutForm(FlaskForm):
    """Only the token: leaving is a POST."""


class ActionForm(FlaskForm):
    """A step that needs no words; ``version`` is what the page showed."""

    version = HiddenField()

    @property
    def seen_version(self) -> int | None:
        return as_number(self.version.data)


class PhotosForm(FlaskForm):
    """Photos that the customer sent by other means."""

    photos = MultipleFileField(_l("Photos"), validators=[FileRequired(_l("Choose a photo first"))])


class OrderNumberForm(FlaskForm):
    """The order of a return: found and picked, typed, or left out."""

    order_id = HiddenField()
    order_number = StringField(
        _l("Order number"), filters=[_trimmed], validators=[Optional(), Length(max=60)]
    )

    def picked(self) -> UUID | None:
        """The order that was found and picked; None for one typed, or left out."""
        try:
            return UUID(self.order_id.data or "")
        except ValueError:
            return None


class SendLinkForm(FlaskForm):
    """What the customer reads first, what stays open to change, how long it lives, and whether it is mailed."""

    note = TextAreaField(
        _l("Note for the customer"), filters=[_trimmed], validators=[Optional(), Length(max=2000)]
    )
    open = SelectMultipleField(
        _l("The customer may change"), option_widget=CheckboxInput(), widget=ListWidget(prefix_label=False)
    )
    days = IntegerField(
        _l("Days until the link expires"),
        validators=[
            InputRequired(_l("Enter a number of days")),
            NumberRange(1, 365, _l("Enter a number of days from 1 to 365")),
        ],
    )
    mail = BooleanField(_l("E-mail it to the customer"))

    def offer(self, steps: Iterable[str]) -> None:
        """Only what is answered can be fixed, or left open to change."""
        self.open.choices = [(str(step), words().step(step)) for step in steps]


class ExtendForm(FlaskForm):
    """Days from now that a link shall live."""

    days = IntegerField(
        _l("Days from today"),
        validators=[
            InputRequired(_l("Enter a number of days")),
            NumberRange(1, 365, _l("Enter a number of days from 1 to 365")),
        ],
    )


class DeclineForm(ActionForm):
    """Why a return is refused: a code for the reports and words for the customer."""

    reason = SelectField(_l("Reason"), validators=[InputRequired(_l("Choose a reason"))])
    message = TextAreaField(
        _l("Message to the customer"),
        filters=[_trimmed],
        validators=[InputRequired(_l("Write what the customer shall read")), Length(max=2000)],
    )

    def offer(self) -> None:
        self.reason.choices = [
            ("", gettext("Choose a reason")),
            *((code, words().decline_reason(code)) for code in DECLINE_REASONS),
        ]


class CloseForm(ActionForm):
    """Why nothing more will come of a return."""

    reason = RadioField(_l("Reason"), validators=[InputRequired(_l("Choose a reason"))])

    def offer(self) -> None:
        self.reason.choices = [
            ("completed", gettext("Everything is settled")),
            ("all_lines_rejected", gettext("Nothing was accepted")),
            ("lost_in_transit", gettext("The parcel was lost")),
            ("administrative", gettext("Another reason of our own")),
        ]


class ReasonForm(ActionForm):
    """A step that has to be explained, to whoever reads the history."""

    reason = TextAreaField(
        _l("Reason"), filters=[_trimmed], validators=[InputRequired(_l("Write down why")), Length(max=500)]
    )


class AmountField(StringField):
    """An amount as people type it, ``12.50`` or ``12,50``; ``minor`` reads it in a currency."""

    def minor(self, currency: str) -> Minor | None:
        """Minor units, None when nothing was typed. Raises ``ValueError`` for what is no amount."""
        text = (self.data or "").strip().replace("\u00a0", "").replace(" ", "")
        if not text:
            return None
        if "," in text and "." in text:
            thousands = "," if text.rfind(",") < text.rfind(".") else "."
            text = text.replace(thousands, "")
        text = text.replace(",", ".")
        if not re.fullmatch(r"-?\d+(\.\d+)?", text, re.ASCII):
            raise ValueError(f"{text!r} is no amount")
        if re.search(r"\.\d{3}$", text) and exponent(currency) != 3:
            raise ValueError(f"{text!r} could be a thousand times as much")
        return minor(text, currency)

    def read(self, currency: str) -> Minor | None:
        """The same, with what is wrong told at the field; then None."""
        try:
            amount = self.minor(currency)
        except ValueError:
            self.errors = [gettext("Enter an amount, such as %(example)s", example=self.example(currency))]
            return None
        if amount is not None and amount < 0:
            self.errors = [gettext("Enter an amount that is not negative")]
            return None
        return amount

    def example(self, currency: str) -> str:
        point = "." if words().language == "en" else ","
        return (
            f"12{point}50"
            if exponent(currency) == 2
            else "1250"
            if exponent(currency) == 0
            else f"12{point}500"
        )
