"""A shop's rules in the admin area: written, ordered, tried on past returns, published, and seen on a return."""

from typing import Any

import pytest
from flask import Flask

from portal.core.workflows import Rule, Rules
from portal.services.rules import workflows
from tests.web.admin_world import World, a_world, now

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def world(app: Flask) -> World:
    return a_world(app)


def at(world: World, more: str = "") -> str:
    return f"/admin/workflows/{world.own}{more}"


def facts(world: World) -> workflows.Workflows:
    with world.app.app_context():
        return workflows.of_merchant(world.actor("admin"), world.own)


def names(world: World) -> list[str]:
    return [rule.name for rule in facts(world).draft.rules.rules]


def a_rule(rule_id: str, outcome: str = "approve", **more: Any) -> Rule:
    return Rule(**{"id": rule_id, "name": rule_id, "outcome": outcome, **more})


def given(world: World, *rules: Rule, published: bool = False) -> None:
    with world.app.app_context():
        boss = world.actor("admin")
        revision = workflows.of_merchant(boss, world.own).draft.revision
        seen = workflows.write(boss, world.own, lambda _: Rules(rules=rules), revision=revision, now=now())
        if published:
            workflows.publish(boss, world.own, revision=seen, now=now())


def test_a_rule_is_added_with_what_it_asks_and_stands_in_the_draft(world: World) -> None:
    client = world.signed_in("admin")
    assert "/admin/workflows" in client.get("/admin/").page.links().values()
    form = client.get(at(world, "/rules/new"))
    typed = {
        "name": "Cheap and small",
        "reasons": ["too_small", "too_large"],
        "value_to": "25.00",
        "rate_from": "40",
        "rate_orders": "3",
        "categories": "shoes, hats",
        "outcome": "refund_without_return",
    }
    answer = client.submit(form, typed, button="Save in the draft", follow_redirects=True)
    assert "Cheap and small" in answer.page.text and "Refund without return" in answer.page.text
    rule = facts(world).draft.rules.rules[0]
    assert (rule.reasons, rule.value_to, rule.rate_from_bp, rule.rate_orders, rule.categories) == (
        ("too_small", "too_large"),
        2500,
        4000,
        3,
        ("shoes", "hats"),
    )
    assert facts(world).versions == ()


def test_what_is_wrong_is_told_at_its_field_and_nothing_is_kept(world: World) -> None:
    client = world.signed_in("admin")
    form = client.get(at(world, "/rules/new"))
    answer = client.submit(
        form, {"name": "", "value_from": "20", "value_to": "10"}, button="Save in the draft"
    )
    assert answer.status_code == 422
    for told in ("Give the rule a name", "Choose what happens then", "not below the one before"):
        assert told in answer.page.text
    assert facts(world).draft.revision == 0


def test_rules_are_ordered_by_buttons_and_a_part_of_the_page_answers(world: World) -> None:
    given(world, a_rule("one"), a_rule("two"), a_rule("three"))
    client = world.signed_in("admin")
    client.get(at(world))
    sent = {"revision": "1", "rule": "three", "to": "top"}
    answer = client.post(at(world, "/order"), data=sent, htmx="rules")
    assert answer.status_code == 200 and answer.text.lstrip().startswith(
        '<div class="stack stack-large" id="rules">'
    )
    assert names(world) == ["three", "one", "two"]
    client.post(at(world, "/order"), data={"revision": "2", "rule": "three", "to": "down"})
    assert names(world) == ["one", "three", "two"]
    client.post(at(world, "/order"), data={"revision": "3", "rule": "two", "to": "0"})
    assert names(world) == ["two", "one", "three"], "dropped at the first place"
    assert (
        client.post(at(world, "/order"), data={"revision": "4", "rule": "x", "to": "up"}).status_code == 404
    )
    assert (
        client.post(at(world, "/order"), data={"revision": "4", "rule": "two", "to": "y"}).status_code == 404
    )


def test_a_rule_is_switched_off_and_deleted(world: World) -> None:
    given(world, a_rule("one"), a_rule("two"))
    client = world.signed_in("admin")
    client.get(at(world))
    client.post(at(world, "/rules/one/switch"), data={"revision": "1", "on": "0"})
    assert [rule.on for rule in facts(world).draft.rules.rules] == [False, True]
    client.post(at(world, "/rules/one/removal"), data={"revision": "2"})
    assert names(world) == ["two"]


def test_a_stale_write_shows_both_versions_and_writes_nothing(world: World) -> None:
    given(world, a_rule("one"), a_rule("two"))
    client = world.signed_in("admin")
    form = client.get(at(world, "/rules/one"))
    given(world, a_rule("one", name="Renamed"), a_rule("two"))
    answer = client.submit(form, {"name": "Mine"}, button="Save in the draft")
    assert answer.status_code == 409
    assert "Mine" in answer.page.text and "Renamed" in answer.page.text
    sent = {"revision": "1", "rule": "two", "to": "up"}
    assert client.post(at(world, "/order"), data=sent).status_code == 409
    assert names(world) == ["Renamed", "two"]


def test_the_trial_counts_links_and_publishes(world: World) -> None:
    return_id = world.confirmed({"SHIRT": 1})
    given(world, a_rule("Look closely", "supervisor", reasons=("too_small",)))
    client = world.signed_in("admin")
    trial = client.get(at(world, "/trial"))
    assert f"/admin/returns/{return_id}" in trial.page.links().values()
    assert "Look closely" in trial.page.text and "Ask a supervisor" in trial.page.text
    answer = client.submit(trial, {}, button="Publish version 1", follow_redirects=True)
    assert "Version 1 is in force" in answer.page.text
    version = client.get(at(world, "/versions/1"))
    assert "Look closely" in version.page.text
    assert client.get(at(world, "/versions/2")).status_code == 404


def test_a_draft_that_was_overtaken_is_looked_at_first(world: World) -> None:
    given(world, a_rule("mine"))
    with world.app.app_context():
        from portal.db.base import transaction

        with transaction():
            workflows.put_in_force(world.actor("admin"), world.own, Rules(), now=now())
    client = world.signed_in("admin")
    trial = client.get(at(world, "/trial"))
    assert "was published after this draft was begun" in trial.page.text
    refused = client.post(at(world, "/publication"), data={"revision": "1"})
    assert refused.status_code == 409
    answer = client.submit(trial, {}, button="Keep the draft", follow_redirects=True)
    assert "Publish version 2" in answer.page.text


@pytest.mark.parametrize("role", ["csr", "supervisor", "finance", "warehouse"])
def test_only_who_edits_rules_sees_them(world: World, role: str) -> None:
    client = world.signed_in(role)
    for more in ("", "/trial", "/rules/new"):
        assert client.get(at(world, more)).status_code == 403
    assert "/admin/workflows" not in client.get("/admin/").page.links().values()


def test_another_merchants_rules_are_not_found(world: World) -> None:
    given(world, a_rule("one"))
    client = world.signed_in("admin", merchants=(world.other,))
    client.get(f"/admin/workflows/{world.other}")
    for more in ("", "/trial", "/rules/one", "/rules/new", "/dispositions/new", "/versions/1"):
        assert client.get(at(world, more)).status_code == 404
    for more in ("/order", "/rules/one/switch", "/rules/one/removal", "/publication", "/draft/removal"):
        sent = {"revision": "1", "rule": "one", "to": "up"}
        assert client.post(at(world, more), data=sent).status_code == 404
    assert names(world) == ["one"]


def test_a_proposal_for_the_dock_is_written_beside_the_rules(world: World) -> None:
    client = world.signed_in("admin")
    form = client.get(at(world, "/dispositions/new"))
    typed = {"name": "Hats are given away", "grades": ["B"], "categories": "hats", "disposition": "donate"}
    client.submit(form, typed, button="Save in the draft")
    found = facts(world).draft.rules.dispositions[0]
    assert (found.grades, found.categories, found.disposition) == (("B",), ("hats",), "donate")
    edited = client.submit(
        client.get(at(world, f"/rules/{found.id}")), {"disposition": "recycle"}, button="Save in the draft"
    )
    assert edited.status_code == 303 and facts(world).draft.rules.dispositions[0].disposition == "recycle"


def test_the_return_says_which_rule_decided_it_and_why(world: World) -> None:
    given(world, a_rule("Small things", "inspect_first", reasons=("too_small",)), published=True)
    return_id = world.confirmed({"SHIRT": 1})
    text = world.signed_in("csr").get(f"/admin/returns/{return_id}").page.text
    assert "Small things" in text and "Inspect before the refund" in text


def test_a_rule_that_a_colleague_deleted_shows_what_was_typed(world: World) -> None:
    given(world, a_rule("one"), a_rule("two"))
    client = world.signed_in("admin")
    form = client.get(at(world, "/rules/one"))
    given(world, a_rule("two"))
    answer = client.submit(form, {"name": "Written for an hour"}, button="Save in the draft")
    assert answer.status_code == 409
    assert "Written for an hour" in answer.page.text and "Not there" in answer.page.text
    assert "Send mine all the same" not in answer.page.text
    assert names(world) == ["two"]
    assert client.get(at(world, "/rules/one")).status_code == 404


@pytest.mark.parametrize("name", ["", "   "])
def test_a_name_of_blanks_is_no_name(world: World, name: str) -> None:
    client = world.signed_in("admin")
    form = client.get(at(world, "/rules/new"))
    answer = client.submit(form, {"name": name, "outcome": "approve"}, button="Save in the draft")
    assert answer.status_code == 422 and "Give the rule a name" in answer.page.text
    assert facts(world).draft.revision == 0
