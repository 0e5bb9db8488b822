"""A merchant's policy in the admin area: versions, the draft of the next, what it would change, publishing."""

import json
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask

from portal.core.policy.terms import RestockingFee, ShippingTier, Terms, Window
from portal.quotes.requests import policy
from portal.services import merchants
from portal.services.rules import policies
from portal.web.admin.policy_rows import EXAMPLES
from tests.web.admin_world import World, a_world, now

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def world(app: Flask) -> World:
    return a_world(app)


def at(world: World, more: str = "") -> str:
    return f"/admin/policies/{world.own}{more}"


def facts(world: World) -> policies.Policies:
    with world.app.app_context():
        return policies.of_merchant(world.actor("admin"), world.own)


def publish(world: World, terms: Terms, merchant_id: UUID | None = None) -> None:
    owner = merchant_id or world.own
    with world.app.app_context():
        merchants.publish(world.actor("admin", owner), owner, terms, now=now())


def save(client: Any, world: World, button: str = "Save the draft", **typed: str) -> Any:
    return client.submit(client.get(at(world, "/draft")), typed, button=button)


def typed_in(answer: Any) -> dict[str, str]:
    """What stands in the fields of the draft."""
    values, _ = answer.page.fields(answer.page.form(button="Save the draft"))
    return dict(values)


def test_one_shop_needs_no_choice_and_stands_in_the_navigation(world: World) -> None:
    client = world.signed_in("admin")
    assert "/admin/policies" in client.get("/admin/").page.links().values()
    assert client.get("/admin/policies").location == at(world)
    assert "Version 1" in client.get(at(world)).page.text


def test_with_two_shops_it_is_asked_whose(world: World) -> None:
    client = world.signed_in("admin", merchants=(world.own, world.other))
    links = client.get("/admin/policies").page.links().values()
    assert {at(world), f"/admin/policies/{world.other}"} <= set(links)


@pytest.mark.parametrize("more", ["", "/draft", "/draft/terms", "/check", "/versions/1"])
def test_another_shops_policy_is_not_found(world: World, more: str) -> None:
    assert world.signed_in("admin").get(f"/admin/policies/{world.other}{more}").status_code == 404


@pytest.mark.parametrize("role", ["csr", "supervisor", "finance", "warehouse"])
def test_only_who_edits_policies_sees_them(world: World, role: str) -> None:
    client = world.signed_in(role)
    assert client.get(at(world)).status_code == 403
    assert "/admin/policies" not in client.get("/admin/").page.links().values()


def test_a_version_is_shown_whole_and_beside_the_one_before(world: World) -> None:
    publish(world, Terms(window_days=14, restocking_fee=RestockingFee(percent_bp=1250, fixed=500)))
    client = world.signed_in("admin")
    text = client.get(at(world, "/versions/2")).page.text
    assert "Days to return after delivery 30 14" in text
    assert "Restocking fee, part of the price 0% 12.5%" in text
    assert "Restocking fee, fixed amount €0.00 €5.00" in text
    assert "Reasons that a person looks at first Changed my mind None" in text
    assert "nothing to compare" in client.get(at(world, "/versions/1")).page.text
    assert client.get(at(world, "/versions/9")).status_code == 404


def test_any_two_versions_can_be_compared(world: World) -> None:
    publish(world, Terms(window_days=14))
    publish(world, Terms(window_days=60))
    client = world.signed_in("admin")
    assert "delivery 14 60" in client.get(at(world, "/versions/3")).page.text
    assert "delivery 30 60" in client.get(at(world, "/versions/3?against=1")).page.text
    same = client.get(at(world, "/versions/3?against=3")).page.text
    assert "delivery 14 60" in same  # with itself there is nothing to see: the one before it


def test_the_form_shows_what_is_in_force_and_saving_it_unchanged_changes_nothing(world: World) -> None:
    terms = Terms(
        window_days=45,
        windows=(Window(days=90, reason="defective"),),
        restocking_fee=RestockingFee(percent_bp=1250, fixed=500, per_unit=True),
        condition_deductions_bp=(("used", 3000), ("C", 2550)),
        excluded_categories=("underwear", "food"),
        approval_value=50_000,
        tender_order=("wallet", "card"),
        refund_limits=(("supervisor", 20_000), ("csr", 0)),
        two_people_above=100_000,
        goodwill_cap=1_050,
        store_credit_bonus_bp=1000,
        store_credit_bonus_cap=2_000,
        cancellations=False,
        cancellation_hours=72,
        cancellation_reminder_hours=0,
        bundles="whole",
        cancel_shipping="re_evaluate",
        shipping_tiers=tuple(ShippingTier(from_goods=n * 1_000, price=900 - n * 100) for n in range(7)),
    )
    publish(world, terms)
    answer = save(world.signed_in("admin"), world)
    assert answer.status_code == 303
    found = facts(world)
    assert found.draft.revision == 1 and found.draft.terms == replace(terms, version=0)


def test_what_is_typed_becomes_the_draft_and_not_the_policy(world: World) -> None:
    client = world.signed_in("admin")
    save(
        client,
        world,
        window_days="14",
        fee_percent="12,5",
        fee_fixed="4.90",
        excluded_categories="underwear, food,",
        condition_used="30",
        limit_supervisor="200",
        two_people_above="1,000.00",
        return_postage="customer",
        tender_order="proportion",
    )
    found = facts(world)
    terms = found.draft.terms
    assert (terms.window_days, terms.restocking_fee.percent_bp, terms.restocking_fee.fixed) == (14, 1250, 490)
    assert terms.excluded_categories == ("underwear", "food")
    assert terms.condition_deductions_bp == (("used", 3000),)
    assert terms.refund_limits == (("supervisor", 20_000),) and terms.two_people_above == 100_000
    assert terms.return_postage == "customer" and terms.tender_order == ("proportion",)
    assert terms.approval_reasons == ("changed_mind",)
    assert found.in_force.terms.window_days == 30 and len(found.versions) == 1
    assert "terms differ" in client.get(at(world)).page.text


def test_what_is_said_of_cancellations_becomes_the_draft(world: World) -> None:
    client = world.signed_in("admin")
    page = client.get(at(world, "/draft"))
    for said in ("Customers may cancel what was not shipped", "nobody is charged for canceling"):
        assert said in page.page.text
    save(
        client,
        world,
        cancellation_hours="12",
        cancellation_reminder_hours="3",
        bundles="whole",
        cancel_shipping="re_evaluate",
        tier_from_0="50",
        tier_price_0="0",
        tier_price_3="4,90",
    )
    terms = facts(world).draft.terms
    assert terms.cancellations and (terms.cancellation_hours, terms.cancellation_reminder_hours) == (12, 3)
    assert (terms.bundles, terms.cancel_shipping) == ("whole", "re_evaluate")
    assert terms.shipping_tiers == (
        ShippingTier(from_goods=0, price=490),
        ShippingTier(from_goods=5_000, price=0),
    )
    check = client.get(at(world, "/check")).page.text
    assert "from €0.00 on: €4.90; from €50.00 on: €0.00" in check and "Only as a whole" in check


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"cancel_shipping": "re_evaluate"}, "Enter at least one price of shipping"),
        ({"tier_from_0": "50"}, "Enter the price of shipping, 0 where it is free"),
        (
            {"tier_price_0": "1", "tier_from_1": "0", "tier_price_1": "2"},
            "Enter each worth of the goods once",
        ),
        ({"tier_price_0": "-1"}, "not negative"),
        ({"tier_from_0": "x", "tier_price_0": "1"}, "Enter an amount"),
        ({"cancellation_hours": "0"}, "Enter 1 to 720 hours"),
        ({"cancellation_hours": "soon"}, "Enter a number of hours"),
        ({"cancellation_reminder_hours": "721"}, "Enter 0 to 720 hours"),
    ],
)
def test_what_cannot_be_said_of_cancellations_is_told_at_its_field(
    world: World, typed: dict[str, str], said: str
) -> None:
    answer = save(world.signed_in("admin"), world, **typed)
    assert answer.status_code == 422 and said in answer.page.text
    assert facts(world).draft.revision == 0


@pytest.mark.parametrize(
    ("field", "typed", "said"),
    [
        ("window_days", "soon", "Enter"),
        ("window_days", "-1", "0 to 3650"),
        ("fee_percent", "101", "at most 100"),
        ("fee_percent", "a lot", "Enter a percentage"),
        ("fee_fixed", "12.345", "Enter an amount"),
        ("goodwill_cap", "-5", "not negative"),
        ("condition_C", "1000", "percentage"),
        ("limit_admin", "x", "Enter an amount"),
    ],
)
def test_what_is_wrong_stands_at_its_field_and_nothing_is_saved(
    world: World, field: str, typed: str, said: str
) -> None:
    answer = save(world.signed_in("admin"), world, **{field: typed})
    assert answer.status_code == 422
    assert said in answer.page.text and typed in typed_in(answer)[field]
    assert facts(world).draft.revision == 0


def test_while_somebody_types_the_effect_stands_beside_it(world: World) -> None:
    world.confirmed({"SHIRT": 1})
    client = world.signed_in("admin")
    page = client.get(at(world, "/draft"))
    assert "None of the last" in page.page.text or "would not differ" in page.page.text
    part = client.submit(page, {"fee_percent": "10"}, button="Save the draft", htmx="effect")
    assert part.status_code == 200 and "1 of the last 1 return would differ" in part.page.text
    assert "€46.10€41.10" in part.page.text and "Restocking fee−€5.00" in part.page.text
    wrong = client.submit(page, {"fee_percent": "much"}, button="Save the draft", htmx="effect")
    assert "Correct what is marked" in wrong.page.text
    assert facts(world).draft.revision == 0


def test_without_returns_the_effect_says_so(world: World) -> None:
    assert "no past returns" in world.signed_in("admin").get(at(world, "/draft")).page.text


def test_all_terms_as_json_go_there_and_back(world: World) -> None:
    client = world.signed_in("admin")
    page = client.get(at(world, "/draft/terms"))
    shown = json.loads(typed_in(page)["terms"])
    assert shown["window_days"] == 30 and "version" not in shown
    shown["depreciation"] = [{"by": "age", "over": 730, "free": 30}]
    client.submit(page, {"terms": json.dumps(shown)}, button="Save the draft")
    terms = facts(world).draft.terms
    assert (terms.depreciation[0].over, terms.depreciation[0].free) == (730, 30)
    assert terms.approval_reasons == ("changed_mind",)


def test_every_fault_of_the_json_is_told_with_its_path(world: World) -> None:
    client = world.signed_in("admin")
    page = client.get(at(world, "/draft/terms"))
    typed = '{"window_days": -1, "refund_shiping": "never", "approval_reasons": ["whim"], "windows": [{}]}'
    answer = client.submit(page, {"terms": typed}, button="Save the draft")
    assert answer.status_code == 422
    for path in (
        "policy.window_days",
        "policy.refund_shiping",
        "did you mean refund_shipping",
        "windows[0].days",
    ):
        assert path in answer.page.text
    assert "whim" in typed_in(answer)["terms"]
    broken = client.submit(page, {"terms": "{"}, button="Save the draft")
    assert broken.status_code == 422 and "is not JSON" in broken.page.text
    assert facts(world).draft.revision == 0


def test_each_example_of_a_table_is_a_policy(world: World) -> None:
    text = world.signed_in("admin").get(at(world, "/draft/terms")).page.text
    for path, example in EXAMPLES.items():
        assert example in text
        terms = policy(json.loads(example))
        assert terms != Terms(), path


def test_what_each_term_means_is_a_schema(world: World) -> None:
    answer = world.signed_in("admin").get("/admin/policies/schema.json", check=False)
    assert answer.json["$ref"] == "#/$defs/policy"
    assert "window_days" in answer.json["$defs"]["policy"]["properties"]


def test_the_check_lists_each_return_with_its_way(world: World) -> None:
    shirt = world.confirmed({"SHIRT": 1})
    world.confirmed({"MUG": 1})
    client = world.signed_in("admin")
    answer = save(client, world, button="Save, and see what would differ", fee_fixed="20")
    assert answer.location == at(world, "/check")
    page = client.get(answer.location).page
    assert "2 of the last 2 returns would differ" in page.text
    assert f"/admin/returns/{shirt}" in page.links().values()
    assert "Restocking fee: −€20.00" in page.text and "Restocking fee: −€10.00" in page.text
    assert "Restocking fee, fixed amount" in page.text
    assert "−€30.00" in page.text


def test_a_refusal_says_why_and_others_can_be_looked_back_at(world: World) -> None:
    world.confirmed({"SHIRT": 1})
    client = world.signed_in("admin")
    save(client, world, excluded_categories="home")
    page = client.get(at(world, "/check")).page
    assert "Allowed" in page.text and "Refused" in page.text
    assert "Goods of this kind cannot be returned." in page.text
    late = client.get(at(world, "/check?since=2099-01-01&limit=200")).page
    assert "no past returns" in late.text
    part = client.get(at(world, "/check?since=nonsense&limit=7"), htmx="found")
    assert part.status_code == 200 and "Refused" in part.page.text


def test_publishing_makes_the_next_version_and_forgets_the_draft(world: World) -> None:
    client = world.signed_in("admin")
    save(client, world, window_days="14")
    answer = client.submit(client.get(at(world, "/check")), button="Publish version 2")
    assert answer.location == at(world)
    assert "Version 2 is in force." in client.get(at(world)).page.text
    found = facts(world)
    assert (found.in_force.number, found.in_force.terms.window_days, found.draft.revision) == (2, 14, 0)
    assert found.version(1).terms.window_days == 30


def test_a_draft_that_changes_nothing_cannot_be_published(world: World) -> None:
    client = world.signed_in("admin")
    save(client, world)
    page = client.get(at(world, "/check"))
    assert "The draft says what is in force." in page.page.text and "Publish version" not in page.page.text
    posted = client.post(at(world, "/publication"), data={"revision": "1"})
    assert posted.status_code == 409 and "nothing to publish" in posted.page.text


def test_nobody_publishes_over_a_version_that_came_meanwhile(world: World) -> None:
    client = world.signed_in("admin")
    save(client, world, window_days="14")
    page = client.get(at(world, "/check"))
    publish(world, Terms(window_days=60))
    answer = client.submit(page, button="Publish version 2")
    assert answer.status_code == 409 and "Version 2 was published meanwhile" in answer.page.text
    assert facts(world).in_force.terms.window_days == 60
    again = client.get(at(world, "/check"))
    assert "Publish version" not in again.page.text and "Version 2 was published after" in again.page.text
    client.submit(again, button="Keep the draft")
    client.submit(client.get(at(world, "/check")), button="Publish version 3")
    assert facts(world).in_force.terms.window_days == 14


def test_two_who_write_one_draft_do_not_write_over_each_other(world: World) -> None:
    one, two = world.signed_in("admin"), world.signed_in("admin", merchants=(world.own, world.other))
    seen = one.get(at(world, "/draft"))
    save(two, world, window_days="10")
    answer = one.submit(seen, {"window_days": "20"}, button="Save the draft")
    assert answer.status_code == 409 and "Somebody changed this meanwhile" in answer.page.text
    assert facts(world).draft.terms.window_days == 10


def test_what_was_checked_is_what_is_published(world: World) -> None:
    client = world.signed_in("admin")
    save(client, world, window_days="14")
    page = client.get(at(world, "/check"))
    save(client, world, window_days="7")
    assert client.submit(page, button="Publish version 2").status_code == 409
    assert facts(world).in_force.number == 1


def test_a_draft_is_discarded_on_purpose_only(world: World) -> None:
    client = world.signed_in("admin")
    save(client, world, window_days="14")
    assert client.post(at(world, "/draft/removal"), data={"revision": "7"}).status_code == 409
    client.submit(client.get(at(world)), button="Discard the draft")
    assert facts(world).draft.revision == 0
    assert client.post(at(world, "/draft/removal"), data={"revision": "1"}).status_code == 303


def test_a_shop_that_is_not_there_is_not_found(world: World) -> None:
    client = world.signed_in("admin")
    assert client.get(f"/admin/policies/{uuid4()}").status_code == 404


@pytest.mark.parametrize("since", ["0001-01-01", "9999-12-31"])
def test_a_day_of_no_calendar_leaves_nothing_out(world: World, since: str) -> None:
    world.confirmed({"SHIRT": 1})
    page = world.signed_in("admin").get(at(world, f"/check?since={since}"))
    assert page.status_code == 200 and "no past returns" not in page.page.text


@pytest.mark.parametrize("revision", ["\u00b2", "9" * 5000, "-1", ""])
def test_a_revision_that_is_no_number_is_none_that_was_shown(world: World, revision: str) -> None:
    client = world.signed_in("admin")
    page = client.get(at(world, "/draft"))
    answer = client.submit(page, {"window_days": "14", "revision": revision}, button="Save the draft")
    assert answer.status_code == 409
    assert facts(world).draft.revision == 0
