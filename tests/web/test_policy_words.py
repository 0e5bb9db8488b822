"""Every term of a policy has a name and is told in words, in each language."""

from dataclasses import fields, is_dataclass
from typing import Any, get_type_hints

import pytest

from portal.core.policy.judging import WORDS
from portal.core.policy.terms import Depreciation, FeeTier, RestockingFee, ShippingTier, Terms, Window
from portal.services.rules.policies import as_plain
from portal.words import Words, policies


def paths(shape: type, before: str = "") -> list[str]:
    """Every term as its JSON names it, records of one taken apart."""
    hints = get_type_hints(shape)
    found: list[str] = []
    for field in fields(shape):
        inside: Any = hints[field.name]
        if is_dataclass(inside) and isinstance(inside, type):
            found += paths(inside, f"{before}{field.name}.")
        else:
            found.append(f"{before}{field.name}")
    return found


def test_each_term_has_a_name_and_no_name_is_left_over() -> None:
    assert set(policies.TERMS) == set(paths(Terms)) - {"version"}
    assert len(set(policies.TERMS.values())) == len(policies.TERMS)


def test_each_of_a_few_words_is_told() -> None:
    assert {path: set(told) for path, told in policies.CHOICES.items()} == {
        path: set(words) for path, words in WORDS.items()
    }


RICH = Terms(
    windows=(Window(days=90, reason="defective"),),
    photo_reasons=("defective",),
    approval_conditions=("used", "C"),
    approval_value=12_500,
    restocking_fee=RestockingFee(percent_bp=1250, fixed=500, tiers=(FeeTier(percent_bp=100),)),
    condition_deductions_bp=(("used", 3000), ("C", 5000)),
    accessory_deductions=(("cable", 250),),
    depreciation=(Depreciation(over=100),),
    refund_limits=(("supervisor", 20_000),),
    tender_order=("proportion",),
    shipping_tiers=(ShippingTier(from_goods=0, price=490), ShippingTier(from_goods=5_000, price=0)),
)


@pytest.mark.parametrize("terms", [Terms(), RICH], ids=["default", "rich"])
@pytest.mark.parametrize("language", ["en", "de", "fr"])
def test_every_value_can_be_told(terms: Terms, language: str) -> None:
    words = Words(language)
    for path in policies.TERMS:
        told: Any = as_plain(terms)
        for key in path.split("."):
            told = told[key]
        assert policies.value(words, path, told, "EUR")
        assert policies.name(words, path)


@pytest.mark.parametrize(
    ("path", "told", "said"),
    [
        ("approval_value", 12_500, "€125.00"),
        ("restocking_fee.percent_bp", 1250, "12.5%"),
        ("condition_deductions_bp", [["used", 3000], ["C", 5000]], "Used: 30%, C: needs refurbishing: 50%"),
        ("refund_limits", [["supervisor", 20_000]], "Supervisor: €200.00"),
        ("accessory_deductions", [["cable", 250]], "cable: €2.50"),
        ("photo_reasons", None, "Those that usually need one"),
        ("photo_reasons", [], "None"),
        ("photo_reasons", ["defective"], "Does not work"),
        ("final_sale_except_faults", ["merchant", "carrier"], "the shop, the carrier"),
        ("tender_order", ["proportion"], "in proportion"),
        ("return_postage", "merchant", "The shop"),
        (
            "shipping_tiers",
            [{"from_goods": 0, "price": 490}, {"from_goods": 5000, "price": 0}],
            "from €0.00 on: €4.90; from €50.00 on: €0.00",
        ),
        ("bundles", "whole", "Only as a whole"),
        ("active", False, "No"),
        ("window_days", 1000, "1,000"),
        (
            "windows",
            [{"days": 90, "category": None, "reason": None}],
            '[{"days": 90, "category": null, "reason": null}]',
        ),
    ],
)
def test_a_value_reads_as_a_merchant_says_it(path: str, told: Any, said: str) -> None:
    assert policies.value(Words("en"), path, told, "EUR") == said
