import ast
import json
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import portal.core
from portal.core.policy.terms import (
    BadTerms,
    Depreciation,
    FeeTier,
    RestockingFee,
    ShippingTier,
    Terms,
    Window,
    from_json,
    to_json,
)

counts = st.integers(0, 10**6)
terms_of_any_kind = st.builds(
    Terms,
    version=counts,
    active=st.booleans(),
    auto_approve=st.booleans(),
    window_days=counts,
    windows=st.lists(
        st.builds(
            Window,
            days=counts,
            category=st.none() | st.just("Shoes"),
            reason=st.sampled_from([None, "defective"]),
        )
    ).map(tuple),
    approval_value=st.none() | counts,
    photo_reasons=st.none() | st.just(("defective", "other")),
    refund_shipping=st.sampled_from(["never", "full_return", "proportion", "fault"]),
    refund_duties=st.sampled_from(["never", "law"]),
    ordinary_delivery=st.none() | counts,
    promotions=st.sampled_from(["keep", "re_evaluate"]),
    cancellations=st.booleans(),
    cancellation_hours=st.integers(1, 10**6),
    cancellation_reminder_hours=counts,
    bundles=st.sampled_from(["parts", "whole"]),
    cancel_shipping=st.sampled_from(["keep", "re_evaluate"]),
    shipping_tiers=st.just((ShippingTier(from_goods=0, price=490), ShippingTier(from_goods=9, price=0))),
    refund_limits=st.just((("csr", 0), ("supervisor", 50_000))),
    two_people_above=st.none() | counts,
    restocking_fee=st.builds(
        RestockingFee,
        percent_bp=st.integers(0, 10_000),
        per_unit=st.booleans(),
        tiers=st.just((FeeTier(percent_bp=5, up_to_days=3), FeeTier(fixed=9, conditions=("used", "C")))),
    ),
    condition_deductions_bp=st.just((("used", 2000), ("C", 5000))),
    depreciation=st.lists(st.builds(Depreciation, over=st.integers(1, 999), free=counts)).map(tuple),
    return_postage=st.sampled_from(["merchant", "customer", "customer_remorse"]),
)


@given(terms_of_any_kind)
def test_terms_survive_being_stored_as_json(terms: Terms) -> None:
    assert from_json(json.loads(json.dumps(to_json(terms)))) == terms


def test_what_is_not_given_takes_its_default() -> None:
    assert from_json({}) == Terms()
    assert from_json({"window_days": 60}).window_days == 60


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ({"windw_days": 3}, "policy.windw_days"),
        ({"window_days": -1}, "policy.window_days"),
        ({"window_days": 1.5}, "policy.window_days"),
        ({"window_days": True}, "policy.window_days"),
        ({"window_days": "30"}, "policy.window_days"),
        ({"active": 1}, "policy.active"),
        ({"windows": {}}, "policy.windows"),
        ({"windows": [{"days": 3, "reason": "bored"}]}, "policy.windows[0].reason"),
        ({"windows": [{"reason": "defective"}]}, "policy.windows[0]"),
        ({"windows": [{"days": 1, "month": 2}]}, "policy.windows[0].month"),
        ({"restocking_fee": {"percent_bp": 10_001}}, "policy.restocking_fee.percent_bp"),
        ({"restocking_fee": 5}, "policy.restocking_fee"),
        ({"refund_shipping": "sometimes"}, "policy.refund_shipping"),
        ({"return_postage": "nobody"}, "policy.return_postage"),
        ({"refund_trigger": 3}, "policy.refund_trigger"),
        ({"approval_reasons": ["bored"]}, "policy.approval_reasons"),
        ({"photo_reasons": "defective"}, "policy.photo_reasons"),
        ({"condition_deductions_bp": {"used": 10_001}}, "policy.condition_deductions_bp.used"),
        ({"accessory_deductions": [["cable", -1]]}, "policy.accessory_deductions.cable"),
        ({"accessory_deductions": [["cable"]]}, "policy.accessory_deductions"),
        ({"accessory_deductions": [["cable", 1.5]]}, "policy.accessory_deductions.cable"),
        ({"refund_duties": "perhaps"}, "policy.refund_duties"),
        ({"promotions": "forget"}, "policy.promotions"),
        ({"ordinary_delivery": "4.90"}, "policy.ordinary_delivery"),
        ({"refund_limits": {"boss": 5}}, "policy.refund_limits: 'boss' is no role"),
        ({"refund_limits": [["csr", -5]]}, "policy.refund_limits.csr"),
        ({"two_people_above": -1}, "policy.two_people_above"),
        (
            {"restocking_fee": {"tiers": [{"percent_bp": 10_001}]}},
            "policy.restocking_fee.tiers[0].percent_bp",
        ),
        ({"restocking_fee": {"tiers": [{"days": 3}]}}, "policy.restocking_fee.tiers[0].days: unknown"),
        (
            {"restocking_fee": {"tiers": [{"conditions": ["dusty"]}]}},
            "policy.restocking_fee.tiers[0].conditions",
        ),
        ({"cancellations": "yes"}, "policy.cancellations"),
        ({"cancellation_hours": 0}, "policy.cancellation_hours: at least 1"),
        ({"cancellation_reminder_hours": -1}, "policy.cancellation_reminder_hours"),
        ({"bundles": "halves"}, "policy.bundles: one of parts, whole"),
        ({"cancel_shipping": "refund"}, "policy.cancel_shipping: one of keep, re_evaluate"),
        ({"cancel_shipping": "re_evaluate"}, "policy.shipping_tiers: at least one"),
        ({"shipping_tiers": [{"from_goods": 0}]}, "policy.shipping_tiers[0].price: missing"),
        (
            {"shipping_tiers": [{"from_goods": 5, "price": 1}, {"from_goods": 5, "price": 2}]},
            "policy.shipping_tiers: each must start",
        ),
        ({"depreciation": [{}]}, "policy.depreciation[0]: either over or steps"),
        ({"depreciation": [{"over": 3, "steps": [[1, 2]]}]}, "policy.depreciation[0]: either"),
        ({"depreciation": [{"over": 3, "by": "moon"}]}, "policy.depreciation[0].by"),
        ({"depreciation": [{"steps": [[5, 10], [5, 20]]}]}, "policy.depreciation[0].steps: each must"),
        ({"depreciation": [{"steps": [[5, 20], [6, 10]]}]}, "policy.depreciation[0].steps: what is gone"),
        ({"depreciation": [{"steps": [[5, 10_001]]}]}, "policy.depreciation[0].steps[0][1]"),
        ({"depreciation": [{"steps": [5]}]}, "policy.depreciation[0].steps[0]"),
        ({"depreciation": [{"over": 1, "most_bp": 10_001}]}, "policy.depreciation[0].most_bp"),
    ],
)
def test_what_is_wrong_is_refused_with_its_path(value: dict[str, object], fault: str) -> None:
    with pytest.raises(ValueError) as caught:
        from_json(value)
    assert fault in str(caught.value)


def test_every_fault_is_told_at_once() -> None:
    with pytest.raises(ValueError) as caught:
        from_json({"window_days": -1, "active": "yes", "nonsense": 1})
    for name in ("policy.window_days", "policy.active", "policy.nonsense"):
        assert name in str(caught.value)
    assert isinstance(caught.value, BadTerms)
    assert len(caught.value.faults) == 3


def test_a_version_that_was_published_with_the_fields_of_then_is_read_on() -> None:
    terms = from_json({"depreciation_days": 365, "depreciation_free_days": 30})
    assert terms.depreciation == (Depreciation(by="age", over=365, free=30),)
    assert from_json({"depreciation_days": 0, "depreciation_free_days": 30}) == Terms()
    both = from_json({"depreciation_days": 9, "depreciation": [{"by": "use", "over": 5}]})
    assert both.depreciation == (Depreciation(by="use", over=5),)


@pytest.mark.parametrize(
    ("given_terms", "by_link", "by_agent", "by_customer"),
    [
        (Terms(), True, True, True),
        (Terms(active=False), False, False, False),
        (Terms(portal=False), False, True, False),
        (Terms(order_source=False), True, True, False),
        (Terms(self_service=False), True, True, False),
    ],
)
def test_the_terms_say_who_may_start_a_return(
    given_terms: Terms, by_link: bool, by_agent: bool, by_customer: bool
) -> None:
    assert given_terms.by_link == by_link
    assert given_terms.by_agent == by_agent
    assert given_terms.by_customer == by_customer


def test_the_core_imports_the_standard_library_and_itself_only() -> None:
    for path in Path(portal.core.__path__[0]).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
            for name in names:
                assert name.startswith("portal.core") or name.partition(".")[0] in sys.stdlib_module_names, (
                    path
                )
