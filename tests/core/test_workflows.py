"""Rules decide in their order, never delay what the law gives, and say why."""

from dataclasses import replace
from itertools import permutations
from uuid import UUID

import pytest

from portal.core.workflows import (
    DELAYING,
    OUTCOMES,
    Asked,
    BadRules,
    DispositionRule,
    Facts,
    History,
    Rule,
    Rules,
    changes,
    decide,
    decision_from,
    decision_json,
    from_json,
    moved,
    propose_disposition,
    to_json,
)

ONE, TWO = UUID(int=1), UUID(int=2)
FACTS = Facts(
    lines=(
        Asked(id=ONE, reason="too_small", condition="unopened", sku="HAT", category="Hats"),
        Asked(id=TWO, reason="defective", condition="used", sku="MUG", category="Kitchen"),
    ),
    channel="phone",
    value=5000,
    history=History(orders=(True, False, True, False), returns=(3, 40)),
)


def a_rule(outcome="approve", **more):
    return Rule(**{"id": outcome, "name": outcome, "outcome": outcome, **more})


def decided(*rules, facts=FACTS):
    return decide(Rules(rules=rules), facts, version=7)


def test_no_rule_leaves_it_to_the_policy():
    assert decided().outcome == "policy" and not decided().by_rule


@pytest.mark.parametrize("order", list(permutations(("approve", "supervisor", "inspect_first"))))
def test_the_first_that_fits_decides(order):
    assert decided(*(a_rule(outcome) for outcome in order)).outcome == order[0]


def test_a_rule_that_is_off_is_not_asked():
    assert decided(a_rule("supervisor", on=False), a_rule("approve")).outcome == "approve"


@pytest.mark.parametrize(
    ("asked", "fits"),
    [
        ({"reasons": ("defective",)}, True),
        ({"reasons": ("defective",), "conditions": ("unopened",)}, False),  # not on one line
        ({"reasons": ("defective",), "conditions": ("used",)}, True),
        ({"categories": ("hats",)}, True),
        ({"categories": ("shoes",)}, False),
        ({"skus": ("mug",)}, True),
        ({"channels": ("email",)}, False),
        ({"value_from": 5000}, True),
        ({"value_from": 5001}, False),
        ({"value_to": 5000}, True),
        ({"value_to": 4999}, False),
        ({"rate_from_bp": 5000, "rate_orders": 4}, True),
        ({"rate_from_bp": 5001, "rate_orders": 4}, False),
        ({"rate_from_bp": 1, "rate_orders": 5}, False),  # too few orders
        ({"returns_from": 1, "returns_days": 4}, True),
        ({"returns_from": 1, "returns_days": 3}, False),
        ({"returns_from": 2, "returns_days": 41}, True),
    ],
)
def test_each_condition_at_its_edge(asked, fits):
    assert (decided(a_rule(**asked)).outcome == "approve") is fits


def test_a_value_that_is_not_known_fits_no_range():
    unknown = replace(FACTS, value=None)
    assert decided(a_rule(value_to=9999), facts=unknown).outcome == "policy"
    assert decided(a_rule("refund_without_return"), facts=unknown).outcome == "policy"


def test_without_return_is_decided_for_all_lines_or_none():
    assert decided(a_rule("refund_without_return", reasons=("defective",))).outcome == "policy"
    both = ("defective", "too_small")
    assert decided(a_rule("refund_without_return", reasons=both)).outcome == "refund_without_return"


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_the_law_is_neither_refused_nor_delayed(outcome):
    by_kind = replace(FACTS, kind="withdrawal")
    by_reason = replace(FACTS, lines=(replace(FACTS.lines[0], reason="statutory_withdrawal"),))
    for facts in (by_kind, by_reason):
        assert decided(a_rule(outcome), facts=facts).outcome == ("policy" if outcome in DELAYING else outcome)


def test_a_decision_says_why_and_survives_being_stored():
    found = decided(a_rule("ask_photos", reasons=("defective",), value_from=1))
    assert found.why == (("reason", "defective"), ("value", 5000)) and found.lines == (TWO,)
    assert decision_from(decision_json(found)) == found and found.version == 7


def test_rules_survive_being_stored_and_faults_are_all_told():
    rules = Rules(
        rules=(a_rule(reasons=("defective",), value_to=5),),
        dispositions=(DispositionRule(id="d", name="D", disposition="donate", grades=("B",)),),
    )
    assert from_json(to_json(rules)) == rules
    with pytest.raises(BadRules) as refused:
        from_json({"rules": [{"id": "a", "name": "", "outcome": "x", "reasons": ["y"], "value_from": 2,
                              "value_to": 1}]})  # fmt: skip
    assert len(refused.value.faults) == 4


def test_changes_name_what_was_added_moved_changed_and_removed():
    one, two, three = (a_rule(id=name, name=name) for name in ("one", "two", "three"))
    before = Rules(rules=(one, two, three))
    after = Rules(rules=(three, replace(one, on=False), a_rule(id="four", name="four")))
    assert [(one.what, one.rule.id) for one in changes(before, after)] == [
        ("moved", "three"),
        ("changed", "one"),
        ("added", "four"),
        ("removed", "two"),
    ]
    assert changes(before, before) == ()


def test_moving_keeps_every_rule():
    rules = tuple(a_rule(id=name) for name in "abc")
    told = {to: "".join(one.id for one in moved(rules, "b", to)) for to in ("up", "down", "top", "bottom", 9)}
    assert told == {"up": "bac", "down": "acb", "top": "bac", "bottom": "acb", 9: "acb"}
    assert "".join(one.id for one in moved(rules, "a", "up")) == "abc"


def test_the_dock_gets_the_first_proposal_that_fits_else_that_of_the_grade():
    rules = Rules(
        dispositions=(
            DispositionRule(id="x", name="Hats", disposition="donate", grades=("B",), categories=("hats",)),
            DispositionRule(id="y", name="Off", disposition="destroy", on=False),
        )
    )
    assert propose_disposition(rules, grade="B", category="Hats").disposition == "donate"
    assert propose_disposition(rules, grade="B", category="Hats").rule == "Hats"
    assert propose_disposition(rules, grade="B", category="Mugs").disposition == "restock_open_box"
    assert propose_disposition(rules, grade="A", handling="recall").disposition == "quarantine"
    assert propose_disposition(rules, grade="M", handling="recall").disposition == "missing"
