"""Confirming takes the units, once; canceling, declining, expiring and closing give back exactly those."""

from dataclasses import replace
from datetime import timedelta

import pytest

from portal.core.access import Conflict, NotAllowed
from portal.core.lifecycles import IllegalStep
from portal.core.numbers import is_valid
from portal.core.policy.terms import Terms
from portal.core.policy.verdict import Refused
from portal.core.spans import count
from portal.db import returns as stored
from portal.services import jobs, links, merchants
from portal.services.docking import receiving
from portal.services.filing import returns
from portal.services.handling import confirmation, deciding, desk, dossiers
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
    receive,
)

pytestmark = pytest.mark.usefixtures("session")


@pytest.fixture
def shop(session):
    return a_merchant()


def claimed(order):
    return {line.sku: line.claimed for line in as_it_is(order).items}


def confirm(actor, return_id, now=NOW):
    return confirmation.confirm(actor, return_id, site=SITE, now=now)


def test_confirming_twice_is_one_return_with_one_number(shop, gateways):
    order = an_order(gateways, shop, [an_item("MUG", 3)])
    agent = a_person(shop)
    draft = a_draft(agent, shop, order)
    fill(agent, draft, gateways, order=order, units={"MUG": 2})
    assert confirm(agent, draft) == "approved"
    number = stored.get(draft).number
    assert confirm(agent, draft) == "approved"
    assert stored.get(draft).number == number and is_valid(number)
    assert claimed(order) == {"MUG": ((0, 2),)}
    assert [one.what for one in dossiers.dossier(agent, draft, now=NOW).history].count(
        "return.submitted"
    ) == 1
    assert len(dossiers.parcels(draft)) == 1


def test_every_line_has_a_code_of_its_own_for_exactly_its_units(shop, gateways):
    order = an_order(gateways, shop, [an_item("MUG", 3), an_item("HAT", 1)])
    lines = [
        line
        for return_id in (
            a_return(gateways, shop, order, {"MUG": 2, "HAT": 1}),
            a_return(gateways, shop, order, {"MUG": 1}),
        )
        for line in stored.lines_of(return_id)
    ]
    assert len({line.code for line in lines}) == 3 and all(is_valid(line.code) for line in lines)
    assert [(line.sku, line.authorized_units, line.spans) for line in lines] == [
        ("MUG", 2, [[0, 2]]),
        ("HAT", 1, [[0, 1]]),
        ("MUG", 1, [[2, 3]]),
    ]


def test_the_return_keeps_the_policy_it_was_judged_by_when_another_is_published(shop, gateways):
    order = an_order(gateways, shop)
    agent = a_person(shop)
    draft = a_draft(agent, shop, order)
    fill(agent, draft, gateways, order=order)
    merchants.publish(
        a_person(shop, "admin"), shop, replace(merchants.terms_of(shop), auto_approve=False), now=NOW
    )
    confirm(a_customer(draft, shop), draft)
    row = stored.get(draft)
    assert row.state == "approved" and row.verdict["policy_version"] == 1
    assert row.breakdown["policy_version"] == 1


def test_what_needs_a_person_is_requested_and_the_customer_is_told(session, gateways):
    shop = a_merchant(terms=Terms(approval_conditions=("used",)))
    order = an_order(gateways, shop)
    agent = a_person(shop, "csr")
    draft = a_draft(agent, shop, order)
    fill(agent, draft, gateways, order=order, condition="used")
    assert confirm(a_customer(draft, shop), draft) == "requested"
    dossier = dossiers.dossier(agent, draft, now=NOW)
    assert [mail.event for mail in dossier.mails] == ["requested"]
    assert dossier.parcels == () and dossier.page.draft.lines[0].authorized == 0
    deciding.approve(agent, draft, now=NOW)
    deciding.approve(agent, draft, now=NOW)
    dossier = dossiers.dossier(agent, draft, now=NOW)
    assert dossier.page.draft.state == "approved" and dossier.page.draft.lines[0].authorized == 1
    assert len(dossier.parcels) == 1 and dossier.ship_by == NOW.date() + timedelta(days=14)


def test_what_a_supervisor_must_decide_a_csr_may_not(session, gateways):
    shop = a_merchant(terms=Terms(approval_value=500))
    order = an_order(gateways, shop)
    agent, supervisor = a_person(shop, "csr"), a_person(shop, "supervisor")
    requested = a_return(gateways, shop, order, actor=agent)
    assert stored.get(requested).state == "requested"
    with pytest.raises(NotAllowed):
        deciding.approve(agent, requested, now=NOW)
    with pytest.raises(Conflict, match="override_needed"):
        deciding.approve(supervisor, requested, now=NOW)
    deciding.approve(supervisor, requested, reason="A good customer", now=NOW)
    assert stored.get(requested).state == "approved"
    at_once = a_return(gateways, shop, an_order(gateways, shop), actor=supervisor)
    assert stored.get(at_once).state == "approved"


def test_what_an_agent_prepared_without_an_order_is_approved_when_the_customer_confirms(shop, gateways):
    agent = a_person(shop, "csr")
    draft = a_draft(agent, shop, order_number="typed-1")
    returns.choose_lines(agent, draft, [returns.LineChoice(name="Demo radio", units=1)], now=NOW)
    from tests.builders import send_it, survey

    survey(agent, draft)
    send_it(agent, draft, gateways)
    assert confirm(a_customer(draft, shop), draft) == "approved"
    row = stored.get(draft)
    assert row.breakdown is None and row.estimate_minor is None and row.refund_state == "none"


def test_what_is_not_answered_is_listed(shop, gateways):
    order = an_order(gateways, shop)
    agent = a_person(shop)
    draft = a_draft(agent, shop, order)
    returns.choose_lines(agent, draft, chosen(order, {"MUG": 1}), now=NOW)
    with pytest.raises(Conflict) as conflict:
        confirm(agent, draft)
    assert conflict.value.details["steps"] == ["survey", "address", "sending"]
    nameless = a_draft(agent, shop, order, name="", email="")
    fill(agent, nameless, gateways, order=order)
    with pytest.raises(Conflict) as conflict:
        confirm(agent, nameless)
    assert conflict.value.details["steps"] == ["customer"]


def test_a_window_that_closes_before_the_customer_confirms_refuses_them(shop, gateways):
    """A self-started return is judged by the day it is confirmed; what an agent prepared keeps its day."""
    order = an_order(gateways, shop, days_ago=20)
    later = NOW + timedelta(days=20)
    agent = a_person(shop)
    for channel, state in (("self_service", None), ("phone", "approved")):
        draft = a_draft(agent, shop, order, channel=channel)
        fill(agent, draft, gateways, order=order)
        if state is None:
            with pytest.raises(Refused) as refused:
                confirm(a_customer(draft, shop), draft, now=later)
            assert [f.code for f in refused.value.verdict.findings] == ["window_expired"]
            assert claimed(order) == {"MUG": ()}
        else:
            assert confirm(a_customer(draft, shop), draft, now=later) == state


def test_who_comes_second_for_the_last_unit_is_told(shop, gateways):
    order = an_order(gateways, shop, [an_item("MUG", 1)])
    agent = a_person(shop)
    first, second = (a_draft(agent, shop, order) for _ in range(2))
    for draft in (first, second):
        fill(agent, draft, gateways, order=order)
    confirm(a_customer(first, shop), first)
    with pytest.raises(Conflict) as conflict:
        confirm(a_customer(second, shop), second)
    assert conflict.value.code == "units_gone"
    assert stored.get(second).state == "draft" and claimed(order) == {"MUG": ((0, 1),)}


def declined(actor, return_id):
    deciding.decline(actor, return_id, reason="other", message="Sorry", now=NOW)


def test_declining_frees_the_units_and_undoing_takes_them_again(session, gateways):
    shop = a_merchant(terms=Terms(auto_approve=False))
    order = an_order(gateways, shop, [an_item("MUG", 3)])
    agent = a_person(shop, "csr")
    draft = a_draft(agent, shop, order, channel="self_service")
    fill(agent, draft, gateways, order=order, units={"MUG": 2})
    row = stored.get(draft)
    row.created_by = None
    session.commit()
    assert confirm(a_customer(draft, shop), draft) == "requested"
    declined(agent, draft)
    declined(agent, draft)
    assert claimed(order) == {"MUG": ()} and stored.get(draft).decline_message == "Sorry"
    deciding.undo(agent, draft, now=NOW)
    assert stored.get(draft).state == "requested" and claimed(order) == {"MUG": ((0, 2),)}
    declined(agent, draft)
    a_return(gateways, shop, order, {"MUG": 3})
    with pytest.raises(Conflict, match="units_gone"):
        deciding.undo(agent, draft, now=NOW)
    assert stored.get(draft).state == "declined"


def test_an_unknown_reason_declines_nothing(shop, gateways):
    with pytest.raises(Conflict, match="unknown_reason"):
        deciding.decline(a_person(shop), a_draft(a_person(shop), shop), reason="mood", now=NOW)


def test_canceling_frees_exactly_its_own_units(shop, gateways):
    order = an_order(gateways, shop, [an_item("MUG", 5)])
    first = a_return(gateways, shop, order, {"MUG": 2})
    a_return(gateways, shop, order, {"MUG": 2})
    agent = a_person(shop)
    confirmation.cancel(agent, first, now=NOW)
    confirmation.cancel(agent, first, now=NOW)
    assert claimed(order) == {"MUG": ((2, 4),)}
    third = a_return(gateways, shop, order, {"MUG": 3})
    assert stored.lines_of(third)[0].spans == [[0, 2], [4, 5]]
    receive(shop, third)
    with pytest.raises(IllegalStep):
        confirmation.cancel(agent, third, now=NOW)


def test_a_return_that_is_not_sent_expires_after_its_grace(shop, gateways):
    order = an_order(gateways, shop, [an_item("MUG", 2)])
    return_id = a_return(gateways, shop, order)
    last_day = NOW + timedelta(days=14 + jobs.GRACE_DAYS)
    assert jobs.expire(now=last_day) == 0
    assert jobs.expire(now=last_day + timedelta(days=1)) == 1
    assert stored.get(return_id).state == "expired" and claimed(order) == {"MUG": ()}
    assert jobs.expire(now=last_day + timedelta(days=1)) == 0


def test_closing_frees_what_never_came_and_keeps_what_did(shop, gateways):
    order = an_order(gateways, shop, [an_item("MUG", 3)])
    return_id = a_return(gateways, shop, order)
    receive(shop, return_id, {"MUG": 1})
    from tests.builders import inspect

    inspect(shop, return_id, [("MUG", 1, "D", False)])
    desk.close(a_person(shop), return_id, reason="all_lines_rejected", now=NOW)
    desk.close(a_person(shop), return_id, reason="all_lines_rejected", now=NOW)
    assert count(claimed(order)["MUG"]) == 1
    desk.reopen(a_person(shop), return_id, reason="It came after all", now=NOW)
    assert stored.get(return_id).state == "inspected"
    with pytest.raises(NotAllowed):
        desk.reopen(a_person(shop, "csr"), return_id, reason="x", now=NOW)


def test_a_parcel_that_was_lost_can_be_closed(shop, gateways):
    from portal.services.filing import shipping

    order = an_order(gateways, shop, [an_item("MUG", 3)])
    return_id = a_return(gateways, shop, order)
    shipping.hand_over(a_customer(return_id, shop), return_id, now=NOW)
    assert stored.get(return_id).state == "in_transit"
    desk.close(a_person(shop), return_id, reason="lost_in_transit", now=NOW)
    assert claimed(order) == {"MUG": ()}


def test_confirming_finishes_the_link_and_leaves_one_to_follow(shop, gateways):
    order = an_order(gateways, shop)
    agent = a_person(shop)
    draft = a_draft(agent, shop, order)
    fill(agent, draft, gateways, order=order)
    link = links.send_link(agent, draft, site=SITE, now=NOW)
    confirm(a_customer(draft, shop), draft)
    found = {one.purpose: one for one in links.of_return(draft)}
    assert found["finish"].id == link.id and found["finish"].state == "finished"
    assert found["status"].standing(NOW) == "open"


def test_a_change_that_somebody_else_made_meanwhile_is_noticed(session, gateways):
    from portal.core.access import Stale

    shop = a_merchant(terms=Terms(auto_approve=False))
    agent = a_person(shop, "csr")
    requested = a_return(gateways, shop, an_order(gateways, shop), by=None, actor=agent)
    version = stored.get(requested).version
    with pytest.raises(Stale):
        receiving.receive(agent, requested, {}, version=version - 1, now=NOW)
