"""A merchant's rules decide returns: every outcome does what it says, the law and the limits hold."""

import io
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa
from PIL import Image

from portal.core.access import Conflict, NotAllowed, NotFound, Stale
from portal.core.facts import RETURNLESS
from portal.core.policy.terms import Terms
from portal.core.shipping import Method
from portal.core.workflows import Rule, Rules, decision_from, moved
from portal.db import history
from portal.db import returns as stored
from portal.db.mails import Mail
from portal.db.refunds import Refund
from portal.db.shipments import Shipment
from portal.db.tasks import Task
from portal.services import photos
from portal.services.filing import returns, shipping
from portal.services.handling import confirmation, deciding
from portal.services.past import trying
from portal.services.proofs import audit
from portal.services.refunding import refunds
from portal.services.rules import workflows
from tests.builders import (
    NOW,
    SITE,
    a_customer,
    a_draft,
    a_merchant,
    a_person,
    a_return,
    an_item,
    an_order,
    as_it_is,
    chosen,
    fill,
    inspect,
    receive,
    send_it,
    shipping_cost,
    survey,
    terms,
)

pytestmark = pytest.mark.usefixtures("session")


def a_rule(outcome: str, **more) -> Rule:
    return Rule(**{"id": outcome, "name": f"Rule {outcome}", "outcome": outcome, **more})


def publish(shop, *rules, dispositions=(), now=NOW) -> int:
    boss = a_person(shop, "admin")
    draft = workflows.of_merchant(boss, shop).draft
    workflows.write(
        boss,
        shop,
        lambda _: Rules(rules=rules, dispositions=dispositions),
        revision=draft.revision,
        now=now,
    )
    revision = workflows.of_merchant(boss, shop).draft.revision
    return workflows.publish(boss, shop, revision=revision, now=now)


@pytest.fixture
def shop(session):
    return a_merchant()


def draft_by_customer(
    gateways, shop, order, *, reason="too_small", condition="unopened", channel="self_service", units=None
):
    """A draft that its customer has filled in."""
    return_id = a_draft(a_person(shop), shop, order, channel=channel)
    fill(a_person(shop), return_id, gateways, order=order, units=units, reason=reason, condition=condition)
    return return_id, a_customer(return_id, shop)


def confirm(actor, return_id, **more):
    return confirmation.confirm(actor, return_id, site=SITE, now=NOW, **more)


def picture() -> bytes:
    kept = io.BytesIO()
    Image.new("RGB", (40, 30), "navy").save(kept, "JPEG")
    return kept.getvalue()


def test_without_rules_the_policy_decides_and_nothing_is_noted(shop, gateways):
    return_id = a_return(gateways, shop, an_order(gateways, shop))
    row = stored.get(return_id)
    assert (row.state, row.decision, row.handling) == ("approved", None, "")


def test_a_rule_that_does_not_fit_leaves_it_to_the_policy_and_the_decision_says_so(shop, gateways):
    publish(shop, a_rule("supervisor", reasons=("defective",)))
    return_id = a_return(gateways, shop, an_order(gateways, shop), reason="too_small")
    row = stored.get(return_id)
    assert row.state == "approved"
    assert decision_from(row.decision).outcome == "policy" and decision_from(row.decision).version == 1


def test_approve_sets_the_policys_wish_for_a_person_aside_and_the_history_names_the_rule(gateways, session):
    shop = a_merchant(terms=terms(auto_approve=False))
    publish(shop, a_rule("approve", reasons=("too_small",), value_to=5000))
    return_id, customer = draft_by_customer(gateways, shop, an_order(gateways, shop))
    assert confirm(customer, return_id) == "approved"
    row = stored.get(return_id)
    assert [one["code"] for one in row.verdict["overruled"]] == ["approval_always"]
    decision = decision_from(row.decision)
    assert (decision.rule, dict(decision.why)) == ("Rule approve", {"reason": "too_small", "value": 1000})
    session.commit()
    told = {one.what: one.details for one in history.of([return_id])}
    assert told["return.approved"]["rule"] == told["return.submitted"]["rule"] == "Rule approve"


def test_a_rule_never_lifts_what_the_policy_refuses(gateways):
    from portal.core.policy.verdict import Refused

    shop = a_merchant(terms=terms(window_days=1))
    publish(shop, a_rule("approve"))
    order = an_order(gateways, shop)
    agent = a_person(shop)
    late = NOW + timedelta(days=60)
    draft = a_draft(agent, shop, order, now=late)
    with pytest.raises(Refused):
        returns.choose_lines(agent, draft, chosen(order, {"MUG": 1}), now=late)


def test_ask_photos_makes_the_photo_required_for_customer_and_agent(shop, gateways, tmp_path):
    publish(shop, a_rule("ask_photos", reasons=("too_small",)))
    return_id, customer = draft_by_customer(gateways, shop, an_order(gateways, shop))
    for actor in (customer, a_person(shop)):
        with pytest.raises(Conflict) as refused:
            confirm(actor, return_id)
        assert refused.value.details["steps"] == ["survey"]
    line = returns.page(customer, return_id, now=NOW).draft.lines[0]
    assert line.photo_asked
    photos.add(customer, return_id, line.id, picture(), folder=tmp_path, now=NOW)
    assert confirm(customer, return_id) == "approved"
    assert decision_from(stored.get(return_id).decision).outcome == "ask_photos"


def test_a_supervisors_rule_waits_for_one_whoever_asks(shop, gateways):
    publish(shop, a_rule("supervisor", conditions=("used",)))
    return_id, customer = draft_by_customer(gateways, shop, an_order(gateways, shop), condition="used")
    assert confirm(customer, return_id) == "requested"
    with pytest.raises(NotAllowed):
        deciding.approve(a_person(shop, "csr"), return_id, now=NOW)
    deciding.approve(a_person(shop, "supervisor"), return_id, now=NOW)
    assert stored.get(return_id).state == "approved"
    by_csr, _ = draft_by_customer(gateways, shop, an_order(gateways, shop), condition="used", channel="phone")
    assert confirm(a_person(shop, "csr"), by_csr) == "requested"
    by_boss, _ = draft_by_customer(
        gateways, shop, an_order(gateways, shop), condition="used", channel="phone"
    )
    assert confirm(a_person(shop, "supervisor"), by_boss) == "approved"


def test_refund_without_return_keeps_the_goods_out_and_pays_at_once(gateways, session, drain):
    shop = a_merchant(terms=terms(return_postage="customer"))
    publish(shop, a_rule("refund_without_return", reasons=("too_small",), value_to=3000))
    order = an_order(gateways, shop, [an_item("MUG", 3)])
    return_id = a_draft(a_person(shop), shop, order, channel="self_service")
    customer = a_customer(return_id, shop)
    returns.choose_lines(customer, return_id, chosen(order, {"MUG": 2}), now=NOW)
    survey(customer, return_id)
    assert confirm(customer, return_id) == "approved", "no address and no way to send it is asked for"
    session.commit()
    drain()
    session.rollback()
    session.expire_all()
    row = stored.get(return_id)
    assert (row.kind, row.state, row.refund_state) == (RETURNLESS, "closed", "refunded")
    refund = session.scalars(sa.select(Refund).where(Refund.return_id == return_id)).one()
    assert (refund.amount_minor, refund.state) == (2000, "succeeded")
    assert session.scalar(sa.select(sa.func.count()).select_from(Shipment)) == 0, "no label"
    line = as_it_is(order).items[0]
    assert (line.refunded, line.returnable_units) == (2000, 1), (
        "its units are settled and come in no other return"
    )
    events = set(session.scalars(sa.select(Mail.event).where(Mail.return_id == return_id)))
    assert "refund_granted" in events and "label" not in events
    assert audit.verify().problems == []


def test_refund_without_return_waits_for_two_people_above_their_threshold(gateways, session, drain):
    shop = a_merchant(terms=terms(two_people_above=1500))
    publish(shop, a_rule("refund_without_return"))
    order = an_order(gateways, shop, [an_item("MUG", 2)])
    return_id, customer = draft_by_customer(gateways, shop, order)
    confirm(customer, return_id)
    session.commit()
    drain()
    refund = session.scalars(sa.select(Refund).where(Refund.return_id == return_id)).one()
    assert refund.state == "pending_approval"
    refunds.cancel(a_person(shop), refund.id, reason="Not so", now=NOW)
    assert stored.get(return_id).state == "canceled"
    assert as_it_is(order).items[0].returnable_units == 2, "given up, its units may come back"
    session.commit()
    assert audit.verify().problems == []


def test_what_nothing_is_sent_for_cannot_be_withdrawn_as_a_parcel(shop, gateways):
    publish(shop, a_rule("refund_without_return"))
    return_id, customer = draft_by_customer(gateways, shop, an_order(gateways, shop))
    confirm(customer, return_id)
    with pytest.raises(Conflict, match="nothing_is_sent"):
        confirmation.cancel(customer, return_id, now=NOW)


@pytest.mark.parametrize(
    ("wish", "kind", "tasks"), [("exchange", "exchange", 1), ("refund", "return", 0), ("", "return", 0)]
)
def test_exchange_first_records_the_choice_and_never_blocks(shop, gateways, session, wish, kind, tasks):
    publish(shop, a_rule("exchange_first", reasons=("too_small",)))
    return_id, customer = draft_by_customer(gateways, shop, an_order(gateways, shop))
    assert confirm(customer, return_id, wish=wish) == "approved"
    row = stored.get(return_id)
    assert (row.kind, decision_from(row.decision).wish, row.handling) == (kind, wish, "exchange_first")
    found = sa.select(sa.func.count()).select_from(Task).where(Task.kind == "exchange_wanted")
    assert session.scalar(found) == tasks


def test_inspect_first_refunds_after_the_inspection_even_where_receipt_is_enough(gateways):
    shop = a_merchant(terms=terms(refund_trigger="on_receipt"))
    publish(shop, a_rule("inspect_first", conditions=("used",)))
    boss = a_person(shop)
    plain = a_return(gateways, shop, an_order(gateways, shop))
    looked_at = a_return(gateways, shop, an_order(gateways, shop), condition="used")
    for return_id in (plain, looked_at):
        receive(shop, return_id)
    assert refunds.quote(boss, plain, now=NOW).amount == 1000
    with pytest.raises(Conflict, match="nothing_to_refund"):
        refunds.quote(boss, looked_at, now=NOW)
    inspect(shop, looked_at)
    assert refunds.quote(boss, looked_at, now=NOW).amount == 1000


def test_a_recall_is_approved_at_once_costs_nothing_and_is_a_task(gateways, session):
    fee = Terms().restocking_fee
    shop = a_merchant(
        terms=terms(
            auto_approve=False, return_postage="customer", restocking_fee=replace(fee, percent_bp=1000)
        )
    )
    publish(shop, a_rule("recall", skus=("mug",)))
    return_id, customer = draft_by_customer(gateways, shop, an_order(gateways, shop))
    assert returns.page(customer, return_id, now=NOW).breakdown.amount == 1000
    assert confirm(customer, return_id) == "approved"
    row = stored.get(return_id)
    assert (row.handling, row.estimate_minor, row.postage_minor) == ("recall", 1000, 0)
    assert row.sending["pays"] == "merchant"
    task = session.scalars(sa.select(Task).where(Task.kind == "safety_recall")).one()
    assert task.subject_id == return_id


@pytest.mark.parametrize("outcome", ["ask_photos", "supervisor", "exchange_first", "inspect_first"])
def test_no_rule_delays_a_withdrawal_by_law(shop, gateways, outcome):
    publish(shop, a_rule(outcome), a_rule("approve"))
    order = an_order(gateways, shop)
    return_id, customer = draft_by_customer(gateways, shop, order, reason="statutory_withdrawal")
    assert confirm(customer, return_id) == "approved"
    assert decision_from(stored.get(return_id).decision).outcome == "approve"


def test_history_of_the_customer_counts_what_was_before_and_only_this_merchants(shop, gateways):
    publish(shop, a_rule("supervisor", rate_from_bp=5000, rate_orders=2, returns_from=1, returns_days=30))
    other = a_merchant()
    a_return(gateways, other, an_order(gateways, other))
    first = a_return(gateways, shop, an_order(gateways, shop))
    assert decision_from(stored.get(first).decision).outcome == "policy", "one order is too few for a rate"
    second, customer = draft_by_customer(gateways, shop, an_order(gateways, shop))
    later = NOW + timedelta(minutes=1)
    decision = returns.page(customer, second, now=later).decision
    assert (decision.outcome, dict(decision.why)) == ("supervisor", {"rate_bp": 5000, "returns": 1})


def test_a_draft_is_stale_once_somebody_else_wrote_it(shop):
    boss = a_person(shop, "admin")
    workflows.write(boss, shop, lambda _: Rules(rules=(a_rule("approve"),)), revision=0, now=NOW)
    with pytest.raises(Stale):
        workflows.write(boss, shop, lambda rules: rules, revision=0, now=NOW)
    with pytest.raises(Stale):
        workflows.publish(boss, shop, revision=0, now=NOW)
    with pytest.raises(NotFound):
        workflows.write(
            boss, shop, lambda r: replace(r, rules=moved(r.rules, "x", "up")), revision=1, now=NOW
        )


def test_publishing_needs_a_look_at_what_came_meanwhile_and_something_new(shop):
    boss = a_person(shop, "admin")
    rules = Rules(rules=(a_rule("approve"),))
    workflows.write(boss, shop, lambda _: rules, revision=0, now=NOW)
    workflows.put_in_force(boss, shop, Rules(), now=NOW)
    with pytest.raises(Conflict, match="published_meanwhile"):
        workflows.publish(boss, shop, revision=1, now=NOW)
    workflows.take_up(boss, shop, revision=1, now=NOW)
    assert workflows.publish(boss, shop, revision=2, now=NOW) == 2
    workflows.write(boss, shop, lambda kept: kept, revision=0, now=NOW)
    with pytest.raises(Conflict, match="draft_unchanged"):
        workflows.publish(boss, shop, revision=1, now=NOW)
    workflows.discard(boss, shop, revision=1)
    assert workflows.of_merchant(boss, shop).draft.revision == 0


def test_rules_belong_to_one_merchant(shop):
    stranger = a_person(a_merchant(), "admin")
    with pytest.raises(NotFound):
        workflows.of_merchant(stranger, shop)
    with pytest.raises(NotAllowed):
        workflows.of_merchant(a_person(shop, "supervisor"), shop)
    with pytest.raises(NotFound):
        workflows.write(stranger, shop, lambda rules: rules, revision=0, now=NOW)
    with pytest.raises(NotFound):
        list(trying.attempt(stranger, shop, Rules()))


def test_a_trial_says_what_was_and_what_would_be_and_writes_nothing(shop, gateways, session):
    small = a_return(gateways, shop, an_order(gateways, shop), reason="too_small")
    publish(shop, a_rule("supervisor", reasons=("changed_mind",)))
    changed = a_return(gateways, shop, an_order(gateways, shop), reason="changed_mind")
    other = a_merchant()
    a_return(gateways, other, an_order(gateways, other), reason="too_small")
    boss = a_person(shop, "admin")
    tried = trying.attempt(boss, shop, Rules(rules=(a_rule("approve", reasons=("too_small",)),)))
    assert {one.return_id: (one.was.outcome, one.now.outcome) for one in tried} == {
        small: ("policy", "approve"),
        changed: ("supervisor", "policy"),
    }
    assert all(one.differs for one in tried)
    assert stored.get(small).decision is None


def test_a_version_decides_from_then_on_and_keeps_what_was_decided(shop, gateways):
    assert publish(shop, a_rule("approve")) == 1
    first = a_return(gateways, shop, an_order(gateways, shop))
    assert publish(shop, a_rule("approve", on=False)) == 2
    second = a_return(gateways, shop, an_order(gateways, shop))
    told = [decision_from(stored.get(one).decision) for one in (first, second)]
    assert [(one.version, one.outcome) for one in told] == [(1, "approve"), (2, "policy")]


def test_what_the_policy_refuses_is_not_paid_before_somebody_has_decided(gateways, session):
    """A rule that lets the goods stay lifts no refusal: who may not override enters it, and it waits."""
    shop = a_merchant(terms=terms(window_days=1))
    publish(shop, a_rule("refund_without_return"))
    order, agent, late = an_order(gateways, shop), a_person(shop, "csr"), NOW + timedelta(days=60)
    return_id = a_draft(agent, shop, order, now=late)
    returns.choose_lines(agent, return_id, chosen(order, {"MUG": 1}), now=late, despite=True)
    survey(agent, return_id, now=late)
    with pytest.raises(Conflict, match="steps_left"):
        confirmation.confirm(agent, return_id, despite="It broke", site=SITE, now=late)
    send_it(agent, return_id, gateways, now=late)
    assert confirmation.confirm(agent, return_id, despite="It broke", site=SITE, now=late) == "requested"
    row = stored.get(return_id)
    assert (row.kind, row.handling, decision_from(row.decision).outcome) == ("return", "", "policy")
    assert session.scalars(sa.select(Refund).where(Refund.return_id == return_id)).all() == []
    deciding.decline(a_person(shop), return_id, reason="window_expired", now=late)
    assert as_it_is(order).items[0].returnable_units == 1
    session.commit()
    assert audit.verify().problems == []


def test_a_withdrawal_whose_goods_stay_gets_the_delivery_back_as_it_was_estimated(gateways, session, drain):
    shop = a_merchant(terms=terms(refund_shipping="law"))
    publish(shop, a_rule("refund_without_return"))
    order = an_order(gateways, shop, [an_item("MUG", 1), shipping_cost("4.90")])
    return_id = a_draft(a_person(shop), shop, order, channel="self_service", kind="withdrawal")
    customer = a_customer(return_id, shop)
    returns.choose_lines(customer, return_id, chosen(order, {"MUG": 1}), now=NOW)
    survey(customer, return_id)
    assert returns.page(customer, return_id, now=NOW).breakdown.amount == 1490
    confirm(customer, return_id)
    session.commit()
    drain()
    session.rollback()
    refund = session.scalars(sa.select(Refund).where(Refund.return_id == return_id)).one()
    assert (refund.amount_minor, refund.state) == (1490, "succeeded")
    assert audit.verify().problems == []


def test_a_trial_of_the_rules_in_force_tells_nothing_new_of_what_was_refused(shop, gateways):
    """Refused units were asked for, and were worth what they were, whoever has them by now."""
    rules = (a_rule("supervisor", value_from=2000),)
    publish(shop, *rules)
    boss = a_person(shop, "admin")
    for approved in (0, 1):
        order = an_order(gateways, shop, [an_item("MUG", 2)])
        return_id, customer = draft_by_customer(gateways, shop, order)
        assert confirm(customer, return_id) == "requested"
        (line,) = stored.lines_of(return_id)
        deciding.decide(
            boss,
            return_id,
            [
                deciding.LineDecision(
                    line_id=line.id, approved=approved, declined=2 - approved, reason="excessive_wear"
                )
            ],
            now=NOW,
        )
        again, customer = draft_by_customer(gateways, shop, order, units={"MUG": 1})
        assert confirm(customer, again) == "approved"
    tried = trying.attempt(boss, shop, Rules(rules=rules))
    assert len(tried) == 4 and [one.number for one in tried if one.differs] == []


def test_the_way_home_of_a_recall_is_the_shops_from_the_first_offer_on(gateways):
    shop = a_merchant(terms=terms(return_postage="customer"))
    publish(shop, a_rule("recall", skus=("mug",)))
    return_id, customer = draft_by_customer(gateways, shop, an_order(gateways, shop))
    ways = shipping.ways(customer, return_id, gateways=gateways, now=NOW)
    assert {way.rate.pays.value for way in ways if way.rate.method != Method.OWN_CARRIER} == {"merchant"}
    survey(customer, return_id, condition="used")
    assert stored.get(return_id).sending["pays"] == "merchant"
    plain, other = draft_by_customer(gateways, shop, an_order(gateways, shop, [an_item("HAT")]))
    assert "deduct" in {
        way.rate.pays.value for way in shipping.ways(other, plain, gateways=gateways, now=NOW)
    }


def test_two_rules_of_one_name_both_stand_in_the_history(shop, session):
    publish(shop, a_rule("approve", id="old", name="Hats"))
    publish(shop, a_rule("supervisor", id="new", name="Hats"))
    wanted = sa.select(history.Happening.changed).where(history.Happening.what == "workflow.published")
    told = session.scalars(wanted.order_by(history.Happening.id.desc())).first()
    assert list(told.values()) == [["", "supervisor"], ["approve", ""]]
