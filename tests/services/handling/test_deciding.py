"""Decisions per line and unit: what is refused is free, what is approved is announced, and all of it can be undone."""

import random
from datetime import timedelta

import pytest
import sqlalchemy as sa

from portal.core.access import Conflict, NotAllowed, Stale
from portal.core.policy.overrides import Override
from portal.core.policy.terms import FeeTier, RestockingFee, Terms
from portal.db import history
from portal.db import returns as stored
from portal.db.mails import Mail
from portal.db.shipments import Shipment
from portal.services.filing import returns, shipping
from portal.services.handling import confirmation, deciding
from portal.services.handling.deciding import LineDecision
from portal.services.proofs import audit, verifying
from portal.services.refunding import refunds
from portal.services.stockroom import stock
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
    fill,
    inspect,
    line_ids,
    receive,
)


@pytest.fixture
def world(session, gateways):
    """A shop where a person looks at every return, an order of a shirt and three mugs, and a return of all of it."""
    shop = a_merchant(terms=Terms(auto_approve=False, return_postage="merchant"))
    order = an_order(gateways, shop, [an_item("SHIRT", 1, "50.00"), an_item("MUG", 3, "10.00")])
    return shop, order, requested(gateways, shop, order)


def requested(gateways, shop, order, units=None):
    agent = a_person(shop, "csr")
    draft = a_draft(agent, shop, order, channel="self_service")
    fill(agent, draft, gateways, order=order, units=units)
    row = stored.get(draft)
    row.created_by = None
    stored.db.session.commit()
    assert confirmation.confirm(a_customer(draft, shop), draft, site=SITE, now=NOW) == "requested"
    return draft


def split(return_id, **approved):
    """So many of each SKU approved, the rest refused as worn."""
    ids, lines = line_ids(return_id), {line.sku: line for line in stored.lines_of(return_id)}
    return [
        LineDecision(
            line_id=ids[sku],
            approved=units,
            declined=lines[sku].units - units,
            reason="excessive_wear",
            message="It was worn",
        )
        for sku, units in approved.items()
    ]


def claimed(order):
    return {line.sku: line.claimed for line in as_it_is(order).lines}


def sound():
    assert [str(one) for one in audit.verify().breaks] == []


def test_some_units_are_approved_and_the_rest_is_free_at_once(world, gateways):
    shop, order, asked = world
    agent = a_person(shop, "csr")
    before = stored.get(asked).estimate_minor
    assert deciding.decide(agent, asked, split(asked, SHIRT=0, MUG=2), now=NOW) == "approved"
    row, lines = stored.get(asked), {line.sku: line for line in stored.lines_of(asked)}
    assert (lines["SHIRT"].authorized_units, lines["SHIRT"].declined_units) == (0, 1)
    assert (lines["MUG"].authorized_units, lines["MUG"].declined_units) == (2, 1)
    assert claimed(order) == {"SHIRT": (), "MUG": ((0, 2),)}
    assert (before, row.estimate_minor) == (8000, 2000)
    another = a_return(gateways, shop, order, {"SHIRT": 1, "MUG": 1})
    assert stored.get(another).state == "approved"
    sound()


def test_everything_refused_is_declined_and_a_unit_left_out_is_no_decision(world):
    shop, order, asked = world
    agent = a_person(shop, "csr")
    with pytest.raises(Conflict, match="units_undecided"):
        deciding.decide(agent, asked, split(asked, SHIRT=1), now=NOW)
    assert deciding.decide(agent, asked, split(asked, SHIRT=0, MUG=0), now=NOW) == "declined"
    assert claimed(order) == {"SHIRT": (), "MUG": ()}
    sound()


def test_what_is_undone_while_it_waits_tells_nobody(world):
    shop, order, asked = world
    agent = a_person(shop, "csr")
    for approved in ({"SHIRT": 0, "MUG": 2}, {"SHIRT": 0, "MUG": 0}):
        deciding.decide(agent, asked, split(asked, **approved), now=NOW, grace=10)
        assert deciding.undo(agent, asked, now=NOW) is False
        row = stored.get(asked)
        assert (row.state, row.estimate_minor, row.ship_by) == ("requested", 8000, None)
        assert claimed(order) == {"SHIRT": ((0, 1),), "MUG": ((0, 3),)}
        assert [mail.event for mail in mails(asked)] == ["requested"]
        sound()


def mails(return_id):
    wanted = sa.select(Mail).where(Mail.return_id == return_id).order_by(Mail.id)
    return stored.db.session.scalars(wanted).all()


def test_an_approval_whose_label_was_made_is_undone_with_word_to_the_customer(world, gateways):
    shop, order, asked = world
    agent = a_person(shop, "csr")
    deciding.decide(agent, asked, split(asked, SHIRT=1, MUG=1), now=NOW)
    parcel = stored.db.session.scalar(sa.select(Shipment.id).where(Shipment.return_id == asked))
    shipping.make_label(parcel, gateways=gateways, now=NOW)
    assert deciding.undo(agent, asked, now=NOW) is True
    assert stored.db.session.get(Shipment, parcel, populate_existing=True).state == "canceled"
    assert mails(asked)[-1].event == "reconsidered"
    assert shipping.documents(agent, asked) == ()
    shipping.make_label(parcel, gateways=gateways, now=NOW)
    assert [mail.event for mail in mails(asked)].count("approved") == 0
    sound()


def test_an_undo_is_refused_when_another_return_has_the_units(world, gateways):
    shop, order, asked = world
    agent = a_person(shop, "csr")
    deciding.decide(agent, asked, split(asked, SHIRT=0, MUG=3), now=NOW)
    a_return(gateways, shop, order, {"SHIRT": 1})
    with pytest.raises(Conflict, match="units_gone"):
        deciding.undo(agent, asked, now=NOW)
    assert stored.get(asked).state == "approved"
    sound()


def test_who_saw_an_older_version_writes_nothing(world):
    shop, order, asked = world
    agent, seen = a_person(shop, "csr"), stored.get(world[2]).version
    deciding.approve(agent, asked, now=NOW, version=seen)
    with pytest.raises(Stale):
        deciding.decide(agent, asked, split(asked, SHIRT=0, MUG=0), now=NOW, version=seen)
    again = stored.get(asked).version
    assert deciding.decide(agent, asked, split(asked, SHIRT=0, MUG=3), now=NOW, version=again) == "approved"
    sound()


def test_what_the_policy_leaves_to_a_supervisor_is_set_aside_by_role_and_with_a_reason(session, gateways):
    shop = a_merchant(terms=Terms(approval_value=500))
    order = an_order(gateways, shop)
    asked = a_return(gateways, shop, order, actor=a_person(shop, "csr"))
    override = Override(code="approval_by_value", reason="A good customer")
    choices = split(asked, MUG=1)
    with pytest.raises(NotAllowed):
        deciding.decide(a_person(shop, "csr"), asked, choices, overrides=[override], now=NOW)
    boss = a_person(shop, "supervisor")
    with pytest.raises(Conflict, match="override_needed"):
        deciding.decide(boss, asked, choices, now=NOW)
    deciding.decide(boss, asked, choices, overrides=[override], now=NOW)
    kept = stored.get(asked).verdict
    assert [one["details"]["overruled_because"] for one in kept["overruled"]] == ["A good customer"]
    deciding.undo(boss, asked, now=NOW)
    assert [one["code"] for one in stored.get(asked).verdict["findings"]] == ["approval_by_value"]


def as_it_stands(shop, order, asked):
    """Everything that a decision touches, but the version, which only grows."""
    row = stored.get(asked)
    lines = [
        (one.sku, one.units, one.spans, one.authorized_units, one.declined_units, one.decline_reason,
         one.decline_message, one.reason, one.condition)
        for one in stored.lines_of(asked)
    ]  # fmt: skip
    parcels = sa.select(sa.func.count()).where(Shipment.return_id == asked, Shipment.state != "canceled")
    return {
        "return": (row.state, row.approved_at, row.closed_at, row.ship_by, row.decline_reason,
                   row.decline_message, row.estimate_minor, row.breakdown, row.verdict),
        "lines": lines,
        "order": claimed(order),
        "parcels": stored.db.session.scalar(parcels),
        "mails": [(one.event, one.state) for one in mails(asked)],
        "stock": stock.levels(shop, ["SHIRT", "MUG"]),
    }  # fmt: skip


@pytest.mark.parametrize("seed", range(6))
def test_after_any_decisions_an_undo_leaves_everything_as_it_was(world, seed):
    shop, order, asked = world
    agent, chance = a_person(shop, "csr"), random.Random(seed)
    before = as_it_stands(shop, order, asked)
    for _ in range(4):
        for _again in range(
            chance.randint(1, 3)
        ):  # a decision that is replaced by another is taken back with it
            some = split(asked, SHIRT=chance.randint(0, 1), MUG=chance.randint(0, 3))
            seen = stored.get(asked).version
            deciding.decide(agent, asked, some, message="Anything", now=NOW, version=seen, grace=10)
            after = as_it_stands(shop, order, asked)
            assert after != before
            assert sum(one[3] + one[4] for one in after["lines"]) == 4
        assert deciding.undo(agent, asked, now=NOW) is False
        assert as_it_stands(shop, order, asked) == before
        assert verifying.run().problems == []
    sound()


def test_what_was_put_right_of_a_reason_stays_when_the_decision_is_taken_back(world):
    """It is what the customer told on the phone, and stands in the history with before and after."""
    shop, _order, asked = world
    agent = a_person(shop, "csr")
    shirt, mug = split(asked, SHIRT=1, MUG=3)
    corrected = LineDecision(line_id=shirt.line_id, approved=1, changed_reason="defective")
    deciding.decide(agent, asked, [corrected, mug], now=NOW, grace=10)
    deciding.undo(agent, asked, now=NOW)
    assert {line.sku: line.reason for line in stored.lines_of(asked)}["SHIRT"] == "defective"


def test_a_condition_that_is_put_right_changes_what_is_taken_off(session, gateways):
    terms = Terms(auto_approve=False, return_postage="merchant", condition_deductions_bp=(("used", 3000),))
    shop = a_merchant(terms=terms)
    order = an_order(gateways, shop, [an_item("SHIRT", 1, "50.00"), an_item("MUG", 3, "10.00")])
    asked = requested(gateways, shop, order)
    agent, lines = a_person(shop, "csr"), line_ids(asked)
    assert stored.get(asked).estimate_minor == 8000
    mugs = LineDecision(line_id=lines["MUG"], approved=3)
    wrong = LineDecision(line_id=lines["SHIRT"], approved=1, changed_condition="shiny")
    with pytest.raises(Conflict, match="unknown_condition"):
        deciding.decide(agent, asked, [wrong, mugs], now=NOW)
    worn = LineDecision(line_id=lines["SHIRT"], approved=1, changed_condition="used")
    deciding.decide(agent, asked, [worn, mugs], now=NOW)
    conditions = {line.sku: line.condition for line in stored.lines_of(asked)}
    assert conditions == {"SHIRT": "used", "MUG": "unopened"}
    assert stored.get(asked).estimate_minor == 3500 + 3000
    (told,) = [row.changed for row in history.of([asked]) if row.what == "return.approved"]
    assert told["condition: Demo shirt"] == ["unopened", "used"]
    sound()


def test_the_time_that_the_shop_takes_costs_the_customer_nothing(session, gateways):
    """Asked for in time and soon: what is said against it, and the fee, go by that day, however late it is decided."""
    soon, later = FeeTier(up_to_days=14), FeeTier(percent_bp=2000)
    fee = RestockingFee(tiers=(soon, later))
    shop = a_merchant(terms=Terms(auto_approve=False, return_postage="merchant", restocking_fee=fee))
    order = an_order(gateways, shop)
    asked = requested(gateways, shop, order)
    boss, late = a_person(shop), NOW + timedelta(days=60)
    page = returns.page(boss, asked, now=late)
    assert [finding.code for finding in page.verdict.findings] == ["approval_always"]
    assert page.breakdown.amount == stored.get(asked).estimate_minor == 1000
    deciding.approve(boss, asked, now=late)
    assert stored.get(asked).estimate_minor == 1000
    receive(shop, asked, now=late)
    inspect(shop, asked, now=late)
    assert refunds.quote(boss, asked, now=late).amount == 1000
