"""Words: from the codes, amounts and times of the core to what a person reads, in their language.

May import: core. Used by web, and by adapters for messages and papers, so that both say the same.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from copy import copy
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from babel import Locale
from babel.core import negotiate_locale
from babel.dates import format_skeleton, format_time, format_timedelta
from babel.lists import format_list
from babel.numbers import format_decimal

from portal.core.documents import ReceiptRow
from portal.core.money import Minor, exponent, major
from portal.core.policy.verdict import Finding
from portal.core.refunds.breakdown import Breakdown, Row, explain_change
from portal.core.returns import Sending
from portal.words import (
    access,
    books,
    cancelling,
    charges,
    happenings,
    journey,
    names,
    playbooks,
    refunds,
    sentences,
    states,
)
from portal.words.catalogue import LANGUAGES, N_, catalogue

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["LANGUAGES", "MethodWords", "N_", "StateWord", "Words", "best_match", "install", "languages"]

NO_BREAK = "\N{NO-BREAK SPACE}"
MINUS = "\N{MINUS SIGN}"
_DAYS_IN = {"en": "en_GB", "de": "de", "fr": "fr"}
"""English days are written 4 Dec 2026 with times of 24 hours, English amounts in the plainest English."""


@dataclass(frozen=True, kw_only=True)
class StateWord:
    """A state as people see it: word, icon and tone (quiet, info, good, wait, bad) together."""

    name: str
    icon: str
    tone: str
    help: str


@dataclass(frozen=True, kw_only=True)
class MethodWords:
    """A way of sending: its name, one sentence, and its icon."""

    name: str
    help: str
    icon: str


def languages() -> tuple[tuple[str, str], ...]:
    """(code, own name) of every language that is complete."""
    return tuple(LANGUAGES.items())


def best_match(accept_language: str, default: str = "en") -> str:
    """The language among ours that an ``Accept-Language`` header, or a tag like ``de-AT``, likes best."""
    liked: list[tuple[float, str]] = []
    for entry in accept_language.split(","):
        tag, _, rest = entry.strip().partition(";")
        weight = rest.strip().removeprefix("q=") if rest else "1"
        try:
            liked.append((-float(weight), tag.strip().replace("-", "_")))
        except ValueError:
            continue
    wanted = [tag for weight, tag in sorted(liked, key=lambda entry: entry[0]) if weight < 0]
    wanted = [part for tag in wanted for part in (tag, tag.split("_")[0].lower())]
    return negotiate_locale(wanted, list(LANGUAGES)) or default


class Words:
    """Everything that is said in ``language``; times are told in ``zone``. Unknown codes show as they are."""

    def __init__(self, language: str = "en", zone: str = "Europe/Berlin") -> None:
        self.language = language if language in LANGUAGES else best_match(language)
        self.zone = zone
        self._catalogue = catalogue(self.language)

    # ------------------------------------------------------------------------------------------- messages

    def gettext(self, message: str, /, **values: object) -> str:
        """``message`` in this language with ``%(name)s`` filled in; a percent sign is written ``%%``."""
        return self._catalogue.gettext(message) % values

    def ngettext(self, one: str, many: str, n: int, **values: object) -> str:
        """The form for ``n``, which is also the value ``%(n)s`` and ``%(num)s``."""
        return self._catalogue.ngettext(one, many, n) % {"n": n, "num": n, **values}

    def pgettext(self, context: str, message: str, **values: object) -> str:
        return self._catalogue.pgettext(context, message) % values

    # ------------------------------------------------------------------------------------ amounts and times

    @cached_property
    def _locale(self) -> Locale:
        return Locale.parse(self.language)

    @cached_property
    def _days(self) -> Locale:
        return Locale.parse(_DAYS_IN[self.language])

    @cached_property
    def _zone(self) -> ZoneInfo:
        return ZoneInfo(self.zone)

    def money(self, amount: Minor, currency: str, *, signed: bool = False) -> str:
        """``amount`` minor units as this language writes them, unbreakable; ``signed`` shows a plus."""
        pattern = copy(self._locale.currency_formats["standard"])
        pattern.frac_prec = (exponent(currency), exponent(currency))
        value = major(abs(amount), currency)
        text: str = pattern.apply(value, self._locale, currency=currency, currency_digits=False)
        sign = MINUS if amount < 0 else "+" if signed and amount > 0 else ""
        return sign + re.sub(r"\s|(?<=[A-Za-z])(?=\d)", NO_BREAK, text)

    def number(self, value: int) -> str:
        return format_decimal(value, locale=self._locale)

    def percent(self, basis_points: int) -> str:
        """``basis_points`` (100 = 1 %) as this language writes a percentage."""
        text = format_decimal(major(basis_points, "EUR"), format="#,##0.##", locale=self._locale)
        return text + ("%" if self.language == "en" else NO_BREAK + "%")

    def day(self, on: date | datetime, *, weekday: bool = False) -> str:
        """A day in words; of a moment, the day it is in the merchant's zone."""
        if isinstance(on, datetime):
            on = on.astimezone(self._zone).date()
        return format_skeleton("yMMMEd" if weekday else "yMMMd", on, locale=self._days)

    def short_day(self, on: date) -> str:
        """Day and month, where the year is plain."""
        return format_skeleton("MMMd", on, locale=self._days)

    def time(self, at: datetime) -> str:
        return format_time(at.astimezone(self._zone), "short", tzinfo=self._zone, locale=self._days)

    def moment(self, at: datetime) -> str:
        """Day and time in the merchant's zone."""
        return f"{self.day(at)}, {self.time(at)}"

    def duration(self, length: timedelta) -> str:
        """How long that is, in its largest unit: ``3 hours``."""
        return format_timedelta(length, granularity="minute", threshold=1.2, locale=self._days)

    def join(self, parts: Iterable[str]) -> str:
        """Several things as one phrase: ``a, b and c``."""
        return format_list(list(parts), locale=self._days)

    def language_name(self, code: str) -> str:
        """A language's own name."""
        return LANGUAGES.get(code, code)

    # ---------------------------------------------------------------------------------------------- names

    def _name(self, table: Mapping[str, str], code: str | None) -> str:
        return self.gettext(table[code]) if code and code in table else str(code or "")

    def state(self, kind: str, value: str) -> StateWord:
        """A state of the lifecycle named ``kind``; ``refund_state`` is a return's money as a whole."""
        name, icon, tone, help = states.STATES.get(kind, {}).get(value, (value, "info", "quiet", ""))
        if not help:
            return StateWord(name=name, icon=icon, tone=tone, help="")
        return StateWord(name=self.gettext(name), icon=icon, tone=tone, help=self.gettext(help))

    def reason(self, code: str | None) -> str:
        return self._name(names.REASONS, code)

    def category(self, code: str | None) -> str:
        return self._name(names.CATEGORIES, code)

    def condition(self, code: str | None) -> str:
        return self._name(names.CONDITIONS, code)

    def grade(self, code: str | None) -> str:
        return self._name(names.GRADES, code)

    def check(self, code: str | None) -> str:
        return self._name(names.CHECKS, code)

    def disposition(self, code: str | None) -> str:
        return self._name(names.DISPOSITIONS, code)

    def decline_reason(self, code: str | None) -> str:
        return self._name(names.DECLINE_REASONS, code)

    def channel(self, code: str | None) -> str:
        return self._name(names.CHANNELS, code)

    def kind(self, code: str | None) -> str:
        return self._name(names.KINDS, code)

    def role(self, code: str | None) -> str:
        return self._name(names.ROLES, code)

    def permission(self, code: str) -> str:
        return self._name(access.PERMISSIONS, code)

    def field(self, code: str) -> str:
        """What was changed, by its name; one that has none here by its own."""
        return access.field(self, code)

    def changed_value(self, code: str, told: Any, currency: str = "") -> str:
        """What stood in that field before, or stands there now; blank is nothing."""
        return access.value(self, code, told, currency)

    def step(self, code: str | None) -> str:
        return self._name(names.STEPS, code)

    def button(self, step: str) -> str:
        """What is pressed to take that step of a return's way."""
        return self._name(names.STEP_BUTTONS, step)

    def method(self, code: str) -> MethodWords:
        """A way of sending."""
        if code not in names.METHODS:
            return MethodWords(name=str(code), help="", icon="box")
        name, help, icon = names.METHODS[code]
        return MethodWords(name=self.gettext(name), help=self.gettext(help), icon=icon)

    def pays(self, code: str) -> str:
        """Who bears the postage, said to the customer."""
        return self._name(names.PAYERS, code)

    def tender(self, code: str) -> str:
        return self._name(names.TENDERS, code)

    def arrival(self, tender: str) -> str:
        """When money given back to that tender arrives; empty where nothing can be promised."""
        return self._name(names.ARRIVAL, tender) if tender in names.ARRIVAL else ""

    def goes_to(self, tender: str, label: str, provider: str = "", mode: str = "captured") -> str:
        """Where a part of a refund goes: the payment it came from, or the other way that was chosen for it."""
        if provider in names.OTHER_WAYS and provider != tender and mode == "captured":
            return self.gettext(names.OTHER_WAYS[provider])
        return charges.where(self, mode, label or self.tender(tender))

    def transfer_mode(self, code: str) -> str:
        """What a transfer is, for people of the shop: a refund, or something that was never charged."""
        return charges.mode(self, code)

    def there_by(self, on: date | None, tender: str, provider: str = "", mode: str = "captured") -> str:
        """When that part is there: by a day, where one is known, else as that way usually goes."""
        way = provider if provider in names.OTHER_WAYS else tender
        if mode != "captured":
            return charges.until(self, mode)
        if way in ("store_credit", "gift_card", "cash") or on is None:
            return self.arrival(way)
        return self.gettext("It is there by %(day)s.", day=self.day(on, weekday=True))

    def other_way(self, provider: str) -> str:
        """Where a transfer can be sent in place of the way it came."""
        return self._name(names.OTHER_WAYS, provider)

    def way(self, code: str) -> str:
        """How a whole refund goes back."""
        return self._name(names.WAYS, code)

    def by_hand(self) -> tuple[tuple[str, str], ...]:
        """(code, name) of every way in which a person pays outside."""
        return tuple((code, self.gettext(name)) for code, name in names.BY_HAND.items())

    def rule(self, code: str) -> str:
        """A rule of the policy by its name."""
        return refunds.rule(self, code)

    def deduction(self, rule: str) -> str:
        """What a rule keeps back, for whoever may leave it out."""
        return self._name(names.DEDUCTIONS, rule)

    def refusal(self, error: str) -> str:
        """Why a transfer failed, in plain words where its code is known; else as it was told."""
        if error in names.REFUSALS:
            return self.gettext(names.REFUSALS[error])
        code, _colon, raw = (part.strip() for part in error.partition(":"))
        if code not in sentences.DECLINED:
            return error
        said = self.gettext(sentences.DECLINED[code])
        return f"{said} ({raw})" if raw else said

    def accessory(self, code: str) -> str:
        """What belongs to the goods, as the merchant named it."""
        return code.replace("_", " ")

    def document(self, kind: str) -> str:
        return self._name(names.DOCUMENTS, kind)

    def purpose(self, code: str) -> str:
        return self._name(names.PURPOSES, code)

    def playbook(self, step: str) -> str:
        """What the house tells a customer at a step, where the shop says nothing of its own."""
        return self.gettext(playbooks.PLAYBOOKS[step][1]) if step in playbooks.PLAYBOOKS else ""

    def playbook_title(self, step: str) -> str:
        return self.gettext(playbooks.PLAYBOOKS[step][0]) if step in playbooks.PLAYBOOKS else step

    def mail(self, event: str) -> str:
        """What a message is about."""
        return self._name(names.MAILS, event)

    def account(self, code: str) -> str:
        """An account of the ledger."""
        return books.account(self, code)

    def provider(self, code: str) -> str:
        """Who pays a refund out."""
        return books.provider(self, code)

    def posting(self, kind: str) -> str:
        """Why an entry of the ledger was posted."""
        return self._name(books.POSTINGS, kind)

    def task(self, kind: str) -> str:
        """What somebody is asked to look at."""
        return self._name(books.TASKS, kind)

    def waits(self, code: str) -> str:
        """Why a refund is not paid yet."""
        return self._name(books.WAITS, code)

    # ------------------------------------------------------------------------------------------ sentences

    def _sentence(self, forms: Iterable[str], details: Mapping[str, object]) -> str | None:
        """The first of ``forms`` that ``details`` suffice for."""
        for form in forms:
            try:
                return self.gettext(form, **details)
            except KeyError:
                continue
        return None

    def _worded(self, details: Mapping[str, Any], currency: str) -> dict[str, object]:
        """``details`` as they stand in a sentence: days and amounts written, codes named, lists joined."""
        said: dict[str, object] = {}
        for key, value in details.items():
            if key == "until" and isinstance(value, datetime | str):
                moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
                said[key] = self.moment(moment)
            elif isinstance(value, date):
                said[key] = self.day(value)
            elif key in ("last_day", "on", "ends_on") and isinstance(value, str):
                said[key] = self.day(date.fromisoformat(value[:10]))
            elif (
                key in ("maximum", "amount", "value", "left", "before")
                and currency
                and isinstance(value, int)
            ):
                said[key] = self.money(value, currency)
            elif key == "steps" and isinstance(value, list | tuple):
                said[key] = self.join(self.step(part) for part in value)
            elif isinstance(value, list | tuple):
                said[key] = self.join(str(part) for part in value)
            elif key in ("reason", "condition", "category") and isinstance(value, str):
                said[key] = getattr(self, key)(value)
            elif value is not None:
                said[key] = value
        return said

    def finding(self, finding: Finding, currency: str = "") -> str:
        """An objection as a sentence. Its amounts are of ``details['currency']``, or of ``currency``."""
        forms = sentences.FINDINGS.get(finding.code, ())
        return self._told(finding.code, forms, finding.details, currency)

    def conflict(self, code: str, details: Mapping[str, Any] | None = None, currency: str = "") -> str:
        """Why something cannot be done as things stand now."""
        return self._told(code, sentences.CONFLICTS.get(code, ()), details or {}, currency)

    def _told(self, code: str, forms: Iterable[str], details: Mapping[str, Any], currency: str) -> str:
        unit = str(details.get("currency") or currency)
        if code not in sentences.AMOUNTS:
            said = self._worded(details, "")
        elif unit:
            said = self._worded(details, unit)
        else:
            said = {}  # an amount without its currency is not said
        return self._sentence(forms, said) or code

    def declined(self, code: str) -> str:
        """What a carrier, gateway or mail server refused, and what can be done."""
        return self._name(sentences.DECLINED, code)

    def address_label(self, code: str) -> str:
        """What a field of an address is called in its country."""
        label = sentences.ADDRESS_LABELS.get(code)
        return self.pgettext("address", label) if label else code

    def address_finding(self, code: str, help: str = "", field: str = "") -> str:
        """What is wrong with a field of an address; ``field`` is its label's code."""
        details = {"field": self.address_label(field or "street")} | ({"help": help} if help else {})
        return self._sentence(sentences.ADDRESS_FINDINGS.get(code, ()), details) or code

    def tracking(self, description: str) -> str:
        """What a carrier said: a built-in carrier's code in words, any other text as it came."""
        return self._name(sentences.TRACKING, description)

    def event(self, what: str, details: Mapping[str, Any] | None = None, currency: str = "") -> str:
        """A happening of the history as a sentence."""
        return happenings.sentence(self, what, details or {}, currency)

    # ------------------------------------------------------------------------------------------- refunds

    def breakdown(self, breakdown: Breakdown, *, estimate: bool = False) -> refunds.WordedBreakdown:
        """A refund explained: ``.rows``, and ``.total``; iterated, the rows and then the total."""
        return refunds.worded(self, breakdown, estimate=estimate)

    def changes(self, rows: Iterable[Row], currency: str) -> tuple[refunds.WordedRow, ...]:
        """Which rule changed an estimate, and by how much."""
        return refunds.changes(self, rows, currency)

    def receipt_rows(self, breakdown: Breakdown, *, estimate: bool = False) -> tuple[ReceiptRow, ...]:
        """A refund row by row, the total last, for papers and messages."""
        return tuple(row.printed() for row in self.breakdown(breakdown, estimate=estimate))

    def changed_rows(self, before: Breakdown, after: Breakdown) -> tuple[ReceiptRow, ...]:
        """Which rule changed a refund and by how much, for messages."""
        return tuple(row.printed() for row in self.changes(explain_change(before, after), after.currency))

    def next_steps(
        self, sending: Sending | None, ship_by: date | None, breakdown: Breakdown | None = None
    ) -> tuple[tuple[str, str], ...]:
        """What the customer does and what happens then: (what, when) in order; ``when`` may be empty."""
        return journey.next_steps(self, sending, ship_by, breakdown)

    # -------------------------------------------------------------------------------------- cancellations

    def cancel_reason(self, code: str | None) -> str:
        """Why something was taken out of an order before it was sent."""
        return self._name(cancelling.REASONS | names.REASONS, code)

    def ending(self, code: str, ends_on: date | None = None) -> str:
        """How a service ends, as a sentence; empty for goods."""
        return cancelling.ending(self, code, ends_on)

    def ended(self, code: str) -> str:
        """Why a cancellation came to nothing, said to its customer."""
        return cancelling.ended(self, code)

    def score(self, value: int) -> str:
        """How satisfied somebody was, 1 to 5, in words."""
        return cancelling.score(self, value)


def install(env: "Environment", current: Callable[[], Words]) -> None:
    """Give a Jinja environment ``_()``, ``ngettext`` and ``{% trans %}`` of the words in use."""
    env.add_extension("jinja2.ext.i18n")
    env.policies["ext.i18n.trimmed"] = True
    env.install_gettext_callables(  # type: ignore[attr-defined]
        lambda message: current()._catalogue.gettext(message),
        lambda one, many, n: current()._catalogue.ngettext(one, many, n),
        newstyle=True,
        pgettext=lambda context, message: current()._catalogue.pgettext(context, message),
        npgettext=lambda context, one, many, n: current()._catalogue.npgettext(context, one, many, n),
    )
