"""What the policy refuses is entered all the same: by role, with a reason that is kept; facts stay facts."""

from uuid import UUID

import pytest

from portal.core.access import Conflict
from portal.core.policy.verdict import Refused
from portal.db import history
from portal.db import returns as stored
from portal.services.filing import objecting, returns
from portal.services.handling import confirmation, deciding, entry
from portal.services.talking import threads
from tests.builders import (
    HOME,
    NOW,
    SITE,
    a_customer,
    a_draft,
    a_merchant,
    a_person,
    an_item,
    an_order,
    chosen,
    survey,
    terms,
)
from tests.builders import send_it as send

pytestmark = pytest.mark.usefixtures("session")
WHY = "The parcel lay at the neighbor's, who was away."


@pytest.fixture
def shop(session):
    return a_merchant()


def entered(shop, gateways, *, role: str = "csr", **more) -> tuple[UUID, object]:
    """A draft, answered in full, of a shirt on final sale that nothing is wrong with."""
    order = an_order(gateways, shop, [an_item("SALE", 2, final_sale=True, **more)])
    agent = a_person(shop, role)
    return_id = a_draft(agent, shop, order, channel="phone")
    returns.choose_lines(agent, return_id, chosen(order, {"SALE": 1}), now=NOW, partly=True, despite=True)
    survey(agent, return_id, reason="too_small", now=NOW)
    send(agent, return_id, gateways, now=NOW)
    return return_id, agent


def confirm(actor, return_id, **more):
    return confirmation.confirm(actor, return_id, site=SITE, now=NOW, **more)


def test_without_a_reason_the_policy_refuses_it_to_everybody(shop, gateways):
    for role in ("csr", "supervisor", "admin"):
        return_id, agent = entered(shop, gateways, role=role)
        with pytest.raises(Refused):
            confirm(agent, return_id)
        with pytest.raises(Refused):
            confirm(agent, return_id, despite="   ")
        assert stored.get(return_id).state == "draft"


def test_a_supervisor_sets_the_policy_aside_with_a_reason_that_is_kept(shop, gateways):
    return_id, boss = entered(shop, gateways, role="supervisor")
    assert confirm(boss, return_id, despite=WHY) == "approved"
    row = stored.get(return_id)
    assert row.number
    assert [one["code"] for one in row.verdict["findings"]] == []
    (gone,) = row.verdict["overruled"]
    assert (gone["code"], gone["details"]["overruled_because"]) == ("final_sale", WHY)
    told = [one for one in history.of([return_id]) if one.what == "return.overruled"]
    assert [one.details["because"] for one in told] == [WHY]


def test_an_agents_entry_has_its_number_and_waits_for_a_supervisor_who_reads_why(shop, gateways):
    return_id, agent = entered(shop, gateways)
    assert confirm(agent, return_id, despite=WHY) == "requested"
    row = stored.get(return_id)
    assert row.number
    assert [one["code"] for one in row.verdict["findings"]] == ["final_sale"]
    assert not [one for one in history.of([return_id]) if one.what == "return.overruled"]
    boss = a_person(shop, "supervisor")
    notes = [one.body for one in threads.of_return(boss, return_id).entries if one.kind == "note"]
    assert notes == [WHY]
    findings, needs = objecting.of_return(boss, return_id, now=NOW)
    assert needs and [one.code for one in findings] == ["final_sale"]
    deciding.approve(boss, return_id, reason="Yes, this once", now=NOW)
    assert stored.get(return_id).state == "approved"


def test_what_states_a_fact_is_overruled_by_nobody(shop, gateways):
    order = an_order(gateways, shop, [an_item("MUG", 2)])
    boss = a_person(shop, "admin")
    return_id = a_draft(boss, shop, order, channel="phone")
    with pytest.raises(Refused):
        returns.choose_lines(boss, return_id, chosen(order, {"MUG": 3}), now=NOW, partly=True, despite=True)


def test_a_customer_never_takes_what_the_policy_refuses(shop, gateways):
    order = an_order(gateways, shop, [an_item("SALE", 2, final_sale=True)])
    return_id = a_draft(a_person(shop), shop, order, channel="phone")
    customer = a_customer(return_id, shop)
    returns.choose_lines(a_person(shop), return_id, chosen(order, {"SALE": 1}), now=NOW, despite=True)
    survey(a_person(shop), return_id, reason="too_small", now=NOW)
    send(a_person(shop), return_id, gateways, now=NOW)
    with pytest.raises(Refused):
        confirm(customer, return_id, despite=WHY)
    with pytest.raises(Refused):
        returns.choose_lines(customer, return_id, chosen(order, {"SALE": 2}), now=NOW, despite=True)


def test_what_needs_a_supervisor_by_its_value_is_kept_with_the_reason_or_waits(session, gateways):
    shop = a_merchant(slug="dear", terms=terms(approval_value=500))
    for role, state in (("csr", "requested"), ("supervisor", "approved")):
        order = an_order(gateways, shop, [an_item("MUG", 2, "20.00")])
        agent = a_person(shop, role)
        return_id = a_draft(agent, shop, order, channel="phone")
        returns.choose_lines(agent, return_id, chosen(order, {"MUG": 1}), now=NOW)
        survey(agent, return_id, reason="too_small", now=NOW)
        send(agent, return_id, gateways, now=NOW)
        assert confirm(agent, return_id, despite=WHY) == state
        overruled = [one["code"] for one in stored.get(return_id).verdict["overruled"]]
        assert overruled == (["approval_by_value"] if role == "supervisor" else [])


def test_answers_are_asked_for_before_anything_is_set_aside(shop, gateways):
    order = an_order(gateways, shop, [an_item("SALE", 1, final_sale=True)])
    boss = a_person(shop)
    return_id = a_draft(boss, shop, order, channel="phone")
    returns.choose_lines(boss, return_id, chosen(order, {"SALE": 1}), now=NOW, despite=True)
    with pytest.raises(Conflict, match="steps_left"):
        confirm(boss, return_id, despite=WHY)


def test_a_way_that_becomes_the_customers_to_pay_is_asked_about_again(session, gateways):
    shop = a_merchant(slug="remorse", terms=terms(return_postage="customer_remorse"))
    order = an_order(gateways, shop, [an_item("MUG", 2)])
    agent = a_person(shop, "csr")
    return_id = a_draft(agent, shop, order, channel="phone")
    returns.choose_lines(agent, return_id, chosen(order, {"MUG": 1}), now=NOW)
    returns.set_address(agent, return_id, HOME, now=NOW)

    def sent_after(reason: str):
        before = returns.page(agent, return_id, now=NOW).draft.sending
        survey(agent, return_id, reason=reason, now=NOW)
        entry.settle_way(agent, return_id, before=before, gateways=gateways, now=NOW)
        return returns.page(agent, return_id, now=NOW).draft

    free = sent_after("arrived_late").sending
    assert (free.pays, free.amount > 0) == ("merchant", True)
    asked = sent_after("changed_mind")
    assert (asked.sending, asked.postage, "sending" in asked.answered) == (None, 0, False)
    assert sent_after("defective").sending == free
    send(agent, return_id, gateways, now=NOW)
    theirs = sent_after("changed_mind").sending
    assert theirs is None
    send(agent, return_id, gateways, now=NOW)
    theirs = sent_after("too_small").sending
    assert theirs.pays == "deduct"


def test_an_order_that_is_found_later_tells_who_and_where_and_overwrites_nobody(shop, gateways):
    order = an_order(gateways, shop, [an_item("MUG", 2)], name="Demo Zoe", email="zoe@customer.example")
    agent = a_person(shop, "csr")
    begin = {"merchant_id": shop, "kind": "return", "channel": "phone", "gateways": gateways, "now": NOW}
    unknown, known = entry.begin(agent, **begin), entry.begin(agent, **begin, name="Demo Recipient")
    for return_id in (unknown, known):
        returns.set_order(agent, return_id, order_id=order.id, now=NOW)
        entry.take_customer(agent, return_id, gateways=gateways, now=NOW)
        entry.take_customer(agent, return_id, gateways=gateways, now=NOW)
    first, second = (returns.page(agent, one, now=NOW).draft for one in (unknown, known))
    assert (first.name, first.email) == ("Demo Zoe", "zoe@customer.example")
    assert (second.name, second.email) == ("Demo Recipient", "")
    assert first.address == second.address == HOME
    assert "address" in first.answered


def test_only_what_another_person_answered_counts_as_changed(shop, gateways):
    order = an_order(gateways, shop, [an_item("MUG", 2)])
    agent, other = a_person(shop, "csr"), a_person(shop)
    return_id = a_draft(agent, shop, order, channel="phone")
    returns.choose_lines(agent, return_id, chosen(order, {"MUG": 1}), now=NOW)
    page = returns.page(agent, return_id, now=NOW)
    shown = entry.saved(page).sequence

    def changed():
        return entry.changed_by_another(agent, page, since=shown, what="return.updated")

    survey(agent, return_id, now=NOW)
    threads.write(other, return_id, "A note.", kind="note", now=NOW)
    assert changed() is None
    returns.choose_lines(other, return_id, chosen(order, {"MUG": 2}), now=NOW)
    assert changed().actor_name == other.name
