"""Postal addresses: what one is, what its country asks of it, how it is printed."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Final


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where someone lives or a warehouse stands. ``country`` is ISO 3166-1 alpha-2, ``region`` the code its
    country uses.
    """

    name: str = ""
    company: str = ""
    street: tuple[str, ...] = ()
    postcode: str = ""
    city: str = ""
    region: str = ""
    country: str
    phone: str = ""

    def record(self) -> dict[str, Any]:
        """As plain JSON; ``address_from`` reads it back."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return values | {"street": list(self.street)}


def address_from(record: Mapping[str, Any]) -> Address:
    """An address from stored JSON or a form; missing fields are empty, unknown ones ignored, ``street`` may
    be one text.
    """
    known = {f.name: str(record.get(f.name) or "").strip() for f in fields(Address) if f.name != "street"}
    street = record.get("street") or ()
    lines = street.splitlines() if isinstance(street, str) else [str(line) for line in street]
    return Address(**known, street=tuple(line.strip() for line in lines if line.strip()))


@dataclass(frozen=True, kw_only=True)
class AddressField:
    """One field of a country's form, in the country's order.

    ``label`` is a code for words: ``name``, ``company``, ``street``, and what the country calls the rest
    (``postcode_zip``, ``city_post_town``, ``region_state`` ...). ``autocomplete`` is the HTML token.
    """

    name: str
    label: str
    required: bool
    autocomplete: str
    choices: tuple[tuple[str, str], ...] = ()
    example: str = ""


@dataclass(frozen=True, kw_only=True)
class AddressRules:
    """What one country asks of an address. ``layout`` places fields by name in braces, one text per printed
    line.
    """

    country: str
    fields: tuple[AddressField, ...]
    postcode_pattern: str = ""
    upper: frozenset[str] = frozenset()
    layout: tuple[str, ...] = ("{name}", "{company}", "{street}", "{postcode} {city}", "{region}")

    def field(self, name: str) -> AddressField | None:
        """The field of that name, or ``None`` where the country does not use it."""
        return next((f for f in self.fields if f.name == name), None)


@dataclass(frozen=True, kw_only=True)
class AddressFinding:
    """One thing wrong with one field. ``code`` is of ``FINDING_CODES``; ``help`` is a worked example, where
    there is one.
    """

    field: str
    code: str
    help: str = ""


FINDING_CODES: Final = ("missing", "malformed_postcode", "unknown_region", "unknown_country", "too_long")
LONGEST: Final = 80
"""Characters of one address line that carriers and labels still take."""

_SPACES = re.compile(r"\s+")


def tidied(address: Address, rules: AddressRules) -> Address:
    """The same address with blanks put right and the fields upper-cased that ``rules`` wants so; no word is
    changed.
    """

    def tidy(name: str, value: str) -> str:
        value = _SPACES.sub(" ", value).strip()
        return value.upper() if name in rules.upper and name in ("postcode", "region") else value

    plain = {f.name: tidy(f.name, getattr(address, f.name)) for f in fields(address) if f.name != "street"}
    plain["country"] = plain["country"].upper()
    street = tuple(line for line in (_SPACES.sub(" ", s).strip() for s in address.street) if line)
    region = rules.field("region")
    if region and region.choices:
        plain["region"] = _region_code(plain["region"], region.choices)
    return replace(address, **plain, street=street)


def check(address: Address, rules: AddressRules) -> tuple[AddressFinding, ...]:
    """Everything wrong with ``address`` by the rules of its country, in the order of the form; empty when
    nothing is.
    """
    address = tidied(address, rules)
    found = [finding for field in rules.fields for finding in _field_findings(address, field, rules)]
    return tuple(found)


def printed(address: Address, rules: AddressRules, *, country_name: str = "") -> tuple[str, ...]:
    """The lines an envelope bears, in the country's order; ``country_name`` is the last line for mail that
    crosses a border.
    """
    values = {f.name: getattr(address, f.name) for f in fields(address) if f.name != "street"}
    used = "".join(rules.layout)
    # What a channel sent although the country's layout has no place for it still has to be read.
    spare = tuple(f"{{{name}}}" for name in ("postcode", "city") if f"{{{name}}}" not in used)
    lines: list[str] = []
    for part in (*rules.layout, *spare):
        if "{street}" in part and address.street:
            lines += address.street[:-1]
        last = address.street[-1] if address.street else ""
        line = _SPACES.sub(" ", part.format_map(values | {"street": last}))
        lines.append(re.sub(r"^[\s,\-]+|[\s,\-]+$", "", line))
    return tuple(line for line in (*lines, country_name) if line)


def _field_findings(address: Address, field: AddressField, rules: AddressRules) -> list[AddressFinding]:
    value = "\n".join(address.street) if field.name == "street" else getattr(address, field.name)
    if not value:
        return (
            [AddressFinding(field=field.name, code="missing", help=field.example)] if field.required else []
        )
    if any(len(line) > LONGEST for line in value.splitlines()):
        return [AddressFinding(field=field.name, code="too_long", help=str(LONGEST))]
    if (
        field.name == "postcode"
        and rules.postcode_pattern
        and not re.search(rules.postcode_pattern, value, re.IGNORECASE)
    ):
        return [AddressFinding(field="postcode", code="malformed_postcode", help=field.example)]
    if field.name == "region" and field.choices and value not in dict(field.choices):
        return [AddressFinding(field="region", code="unknown_region", help=field.choices[0][1])]
    return []


def _region_code(typed: str, choices: tuple[tuple[str, str], ...]) -> str:
    """The code of the region that was typed by code or by name, or what was typed."""
    folded = typed.casefold()
    return next((code for code, name in choices if folded in (code.casefold(), name.casefold())), typed)
