"""The JSON forms of ``flask quote`` and the core's own types name the same things, so that they cannot drift."""

from collections.abc import Iterator
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, get_args, get_type_hints

import pytest
from jsonschema import Draft202012Validator

from portal.core.facts import CANCELLATIONS, ENDINGS, KEEP, LINE_KINDS
from portal.core.intake import INTERVALS, MODES, STATES, TENDERS
from portal.core.logistics import CONSTRAINTS, LOGISTICS
from portal.core.money import exponent
from portal.core.promotions import KINDS as PROMOTIONS
from portal.core.reasons import CONDITIONS, GRADES, REASONS, RETURN_KINDS
from portal.core.refunds.breakdown import CODES, RULES
from portal.core.refunds.overrides import WAIVABLE
from portal.quotes import schema
from portal.quotes.forms import FORMS

DEFINED = schema.bundle()["$defs"]


def test_the_bundle_is_a_schema() -> None:
    Draft202012Validator.check_schema(schema.bundle())
    assert schema.bundle()["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize("name", FORMS)
def test_a_form_names_exactly_the_fields_of_its_type(name: str) -> None:
    form = FORMS[name]
    held = {field.name for field in fields(form.shape)}
    assert set(form.less) <= held and not set(form.more) & held
    assert set(DEFINED[name]["properties"]) == held - set(form.less) | set(form.more)


def types_in(hint: Any) -> Iterator[type]:
    if is_dataclass(hint) and isinstance(hint, type):
        yield hint
        for inner in get_type_hints(hint).values():
            yield from types_in(inner)
    for inner in get_args(hint):
        yield from types_in(inner)


def test_every_type_that_a_quote_is_made_of_has_a_form() -> None:
    inside = {
        one for name in ("order", "request", "policy", "breakdown") for one in types_in(FORMS[name].shape)
    }
    beside = {FORMS[name].shape for name in ("constraint", "totals", "offer")}
    assert inside | beside == {form.shape for form in FORMS.values()}


@pytest.mark.parametrize("name", FORMS)
def test_what_a_type_needs_is_required_or_completed(name: str) -> None:
    """A field without default is required in the form, or stands among what the reader completes."""
    completed = {
        "order": {"id", "number"},
        "line": {"number", "sku", "name", "goods"},
        "payment": {"label"},
        "share": {"payment_id"},
    }
    form = FORMS[name]
    needed = {f.name for f in fields(form.shape) if f.default is MISSING and f.default_factory is MISSING}
    assert needed - set(form.less) - completed.get(name, set()) <= set(DEFINED[name].get("required", ()))


@pytest.mark.parametrize("name", FORMS)
def test_a_default_that_the_schema_tells_is_the_types_own(name: str) -> None:
    form = FORMS[name]
    defaults = {field.name: field.default for field in fields(form.shape)}
    for key, told in DEFINED[name]["properties"].items():
        if "default" in told and key in defaults:
            own = defaults[key]
            assert told["default"] == (list(own) if isinstance(own, tuple) else own), key


def test_every_property_is_described() -> None:
    """In its own words or in those of the form that it refers to."""
    silent = [
        f"{name}.{key}"
        for name, form in DEFINED.items()
        for key, told in form.get("properties", {}).items()
        if not {"description", "$ref"} & set(told)
        and set(told) - {"type", "items", "anyOf", "enum", "default"}
    ]
    assert not silent
    assert not [name for name, form in DEFINED.items() if not form.get("description")]


def test_nothing_refers_to_a_form_that_is_not_there() -> None:
    def asked(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            if "$ref" in value:
                yield value["$ref"]
            for item in value.values():
                yield from asked(item)
        elif isinstance(value, list):
            for item in value:
                yield from asked(item)

    refs = set(asked(schema.bundle()))
    assert {ref.removeprefix("#/$defs/") for ref in refs} <= set(DEFINED)


def test_closed_lists_are_those_of_the_core() -> None:
    assert tuple(DEFINED["line"]["properties"]["kind"]["enum"]) == LINE_KINDS
    assert tuple(DEFINED["payment"]["properties"]["tender"]["enum"]) == TENDERS
    assert set(RETURN_KINDS) <= set(DEFINED["request"]["properties"]["kind"]["enum"])
    assert exponent("JPY") == 0 and exponent("KWD") == 3  # as the form says of the currency


def test_the_codes_and_rules_that_it_tells_are_all_there_are() -> None:
    row = DEFINED["row"]["properties"]
    for key, codes in (("code", CODES), ("rule", RULES)):
        told = (
            row[key]["description"].partition("one of ")[2] or row[key]["description"].partition("One of ")[2]
        )
        assert tuple(told.removesuffix(".").split(", ")) == codes
    wanted = DEFINED["wanted"]["properties"]
    for key, known in (("reason", REASONS), ("condition", CONDITIONS), ("grade", GRADES)):
        told = wanted[key]["description"].rpartition(": ")[2]
        assert tuple(told.removesuffix(".").split(", ")) == tuple(known)
    assert tuple(DEFINED["request"]["properties"]["waived"]["items"]["enum"]) == WAIVABLE
    assert tuple(DEFINED["promotion"]["properties"]["kind"]["enum"]) == PROMOTIONS
    assert {*CANCELLATIONS, KEEP} <= set(DEFINED["request"]["properties"]["kind"]["enum"])
    assert tuple(DEFINED["line"]["properties"]["logistics"]["items"]["enum"]) == LOGISTICS
    assert tuple(DEFINED["line"]["properties"]["interval"]["enum"]) == ("", *INTERVALS)
    assert tuple(DEFINED["payment"]["properties"]["mode"]["enum"]) == MODES
    assert tuple(DEFINED["order"]["properties"]["state"]["enum"]) == STATES
    assert tuple(DEFINED["constraint"]["properties"]["code"]["enum"]) == CONSTRAINTS
    assert set(DEFINED["wanted"]["properties"]["ending"]["enum"]) == {"", *ENDINGS}
