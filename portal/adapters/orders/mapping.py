"""Which column of a CSV file means what, as a TOML file says: see ``mappings/plain.toml`` for every key."""

import hashlib
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from portal.core.facts import LINE_KINDS
from portal.core.intake import MODES, STATES, TENDERS

ROW_IS = ("line", "cancellation", "stock", "finance")
SHIPPED = ("all", "none")
NEEDED = ("order", "units", "unit_price", "placed_at")


class BadMapping(Exception):
    """The mapping file cannot be used; the text says why."""


@dataclass(frozen=True, kw_only=True)
class Columns:
    """The headings of the file; blank ones are not in it."""

    order: str
    units: str
    unit_price: str
    placed_at: str
    sku: str = ""
    name: str = ""
    variant: str = ""
    category: str = ""
    weight_g: str = ""
    line_id: str = ""
    discount: str = ""
    tax: str = ""
    tax_label: str = ""
    shipped: str = ""
    customer: str = ""
    customer_name: str = ""
    email: str = ""
    phone: str = ""
    street: str = ""
    postcode: str = ""
    city: str = ""
    region: str = ""
    country: str = ""
    currency: str = ""
    order_discount: str = ""
    discount_code: str = ""
    shipping: str = ""
    captured: str = ""
    payment_reference: str = ""
    tender: str = ""
    payment_mode: str = ""
    state: str = ""
    kind: str = ""
    parent: str = ""
    picked: str = ""
    location: str = ""
    logistics: str = ""
    cut_off: str = ""
    gift: str = ""
    part_required: str = ""
    list_price: str = ""
    period_start: str = ""
    period_end: str = ""
    interval: str = ""


SPECIAL = (
    "picked", "location", "logistics", "cut_off", "gift", "part_required", "list_price", "period_start",
    "period_end", "interval",
)  # fmt: skip
"""Columns of what few lines have: a file without any of them is read without looking for it."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What a row is, when all the conditions hold that are given."""

    means: str
    kind: str
    prefixes: tuple[str, ...] = ()
    skus: frozenset[str] = frozenset()
    units: int | None = None
    """The sign: -1, 0, 1."""
    price: int | None = None

    def matches(self, order: str, sku: str, units: int, price: int) -> bool:
        return (
            (not self.prefixes or order.startswith(self.prefixes))
            and (not self.skus or sku in self.skus)
            and (self.units is None or self.units == units)
            and (self.price is None or self.price == price)
        )


@dataclass(frozen=True, kw_only=True)
class Format:
    """How the file writes its values."""

    delimiter: str = ","
    encoding: str = "utf-8-sig"
    date: str = "%Y-%m-%d"
    zone: str = "UTC"
    decimal: str = "."
    thousands: str = ""
    currency: str = ""
    customer_suffix: str = ""
    tender: str = "card"
    payment_mode: str = ""
    state: str = "confirmed"
    shipped: str = "all"
    prices_include_tax: bool = True


@dataclass(frozen=True, kw_only=True)
class CsvMapping:
    """A mapping file, checked."""

    columns: Columns
    format: Format
    rules: tuple[Rule, ...] = ()
    countries: Mapping[str, str] = field(default_factory=dict)
    states: Mapping[str, str] = field(default_factory=dict)
    """The shop's own words for the states of an order."""
    digest: str = ""


def load(path: str | Path) -> CsvMapping:
    """The mapping in ``path``, or the one of that name that comes with the portal. Raises ``BadMapping``."""
    found = Path(path)
    if not found.exists() and found.name == str(path):
        found = Path(__file__).parent / "mappings" / found.name
    try:
        text = found.read_text(encoding="utf-8")
        return parse(tomllib.loads(text), text)
    except OSError as error:
        raise BadMapping(f"{path}: {error.strerror or error}") from None
    except tomllib.TOMLDecodeError as error:
        raise BadMapping(f"{path} is not valid TOML: {error}") from None


def parse(document: Mapping[str, Any], text: str = "") -> CsvMapping:
    """A mapping from its TOML document. Raises ``BadMapping``."""
    unknown = set(document) - {"columns", "format", "countries", "states", "rows"}
    if unknown:
        raise BadMapping(f"unknown tables: {', '.join(sorted(unknown))}")
    read = _section(Format, document.get("format", {}), "format")
    _check(read)
    return CsvMapping(
        columns=_section(Columns, document.get("columns", {}), "columns"),
        format=read,
        rules=tuple(_rule(rule, number) for number, rule in enumerate(document.get("rows", ()), 1)),
        countries={str(name).casefold(): str(code) for name, code in document.get("countries", {}).items()},
        states=_states(document.get("states", {})),
        digest=hashlib.sha256(text.encode()).hexdigest(),
    )


def _states(words: Mapping[str, Any]) -> dict[str, str]:
    found = {str(word).casefold(): str(state) for word, state in words.items()}
    if wrong := [word for word, state in found.items() if state not in STATES]:
        raise BadMapping(f"[states] {', '.join(wrong)}: one of {', '.join(STATES)} is meant")
    return {state: state for state in STATES} | {"cancelled": "canceled"} | found


def _section(shape: type[Any], values: Mapping[str, Any], name: str) -> Any:
    known = {field.name: field for field in fields(shape)}
    for key, value in values.items():
        if key not in known:
            raise BadMapping(f"[{name}] does not know {key!r}; it knows {', '.join(known)}")
        if type(value) is not type(known[key].default) and not (key in NEEDED and isinstance(value, str)):
            raise BadMapping(f"[{name}] {key} has the wrong type")
    try:
        return shape(**values)
    except TypeError:
        needed = [key for key in NEEDED if key not in values]
        raise BadMapping(f"[{name}] must name the columns for {', '.join(needed)}") from None


def _check(read: Format) -> None:
    try:
        ZoneInfo(read.zone)
    except (ZoneInfoNotFoundError, ValueError):
        raise BadMapping(f"[format] zone {read.zone!r} is unknown") from None
    if read.tender not in TENDERS:
        raise BadMapping(f"[format] tender should be one of {', '.join(TENDERS)}")
    if read.payment_mode not in ("", *MODES):
        raise BadMapping(f"[format] payment_mode should be one of {', '.join(MODES)}")
    if read.state not in STATES:
        raise BadMapping(f"[format] state should be one of {', '.join(STATES)}")
    if read.shipped not in SHIPPED:
        raise BadMapping(f"[format] shipped should be one of {', '.join(SHIPPED)}")
    if len(read.delimiter) != 1 or len(read.decimal) != 1 or read.decimal == read.thousands:
        raise BadMapping("[format] delimiter and decimal are one character each; thousands is another one")


def _rule(rule: Mapping[str, Any], number: int) -> Rule:
    unknown = set(rule) - {"order_prefix", "sku", "units", "price", "is", "kind"}
    if unknown:
        raise BadMapping(f"[[rows]] {number} does not know {', '.join(sorted(unknown))}")
    means, kind = rule.get("is", "line"), rule.get("kind", "merchandise")
    if means not in ROW_IS or kind not in LINE_KINDS:
        raise BadMapping(f"[[rows]] {number}: is = {' | '.join(ROW_IS)}, kind = {' | '.join(LINE_KINDS)}")
    prefixes = tuple(rule.get("order_prefix", ()))
    skus = frozenset(rule.get("sku", ()))
    signs = {"negative": -1, "zero": 0, "positive": 1}
    try:
        units = signs[rule["units"]] if "units" in rule else None
        price = signs[rule["price"]] if "price" in rule else None
    except KeyError:
        raise BadMapping(f"[[rows]] {number}: units and price are negative, zero or positive") from None
    return Rule(means=means, kind=kind, prefixes=prefixes, skus=skus, units=units, price=price)


def decisions(rules: Sequence[Rule]) -> Callable[[str, str, Decimal, Decimal], tuple[str, str]]:
    """What a row is and of which kind, by order number, SKU, units and price: the first rule that fits."""
    prefix = max((len(text) for rule in rules for text in rule.prefixes), default=0)

    @lru_cache(maxsize=1 << 16)
    def decide(order: str, sku: str, units: int, price: int) -> tuple[str, str]:
        for rule in rules:
            if rule.matches(order, sku, units, price):
                return rule.means, rule.kind
        return "line", "merchandise"

    def decision(order: str, sku: str, units: Decimal, price: Decimal) -> tuple[str, str]:
        return decide(order[:prefix], sku, (units > 0) - (units < 0), (price > 0) - (price < 0))

    return decision


def moments(read: Format) -> Callable[[str], datetime]:
    """A reader of the file's dates, as UTC. It raises ``ValueError``."""
    zone = ZoneInfo(read.zone)

    @lru_cache(maxsize=1024)
    def moment(text: str) -> datetime:
        if read.date == "iso":
            value = datetime.fromisoformat(text.replace("Z", "+00:00"))
        else:
            value = datetime.strptime(text, read.date)  # noqa: DTZ007  the zone is the mapping's
        return (value.replace(tzinfo=zone) if value.tzinfo is None else value).astimezone(UTC)

    return moment


def day(text: str, read: Format) -> date | None:
    """A day, as ISO 8601 or as the file writes its dates; blank is none. Raises ``ValueError``."""
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        if read.date == "iso":
            raise
        return datetime.strptime(text, read.date).date()  # noqa: DTZ007  a day has no zone


YES, NO = ("yes", "true", "1", "x", "y"), ("", "no", "false", "0", "n")


def flag(text: str) -> bool:
    """Raises ``ValueError`` where it is neither yes nor no."""
    word = text.casefold()
    if word not in (*YES, *NO):
        raise ValueError(f"{text[:40]!r} is neither yes nor no")
    return word in YES


def numbers(read: Format) -> Callable[[str], Decimal]:
    """A reader of the file's numbers; blank is 0. It raises ``ValueError``."""

    @lru_cache(maxsize=4096)
    def number(text: str) -> Decimal:
        text = text.strip()
        if read.thousands:
            text = text.replace(read.thousands, "")
        if read.decimal != ".":
            text = text.replace(read.decimal, ".")
        try:
            value = Decimal(text) if text else Decimal(0)
        except InvalidOperation:
            raise ValueError(f"{text[:40]!r} is no number") from None
        if not value.is_finite() or value.adjusted() > 15:
            raise ValueError(f"{text[:40]!r} is no number")
        return value

    return number
