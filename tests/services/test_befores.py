"""Before and after stand in the history of whatever people change, and nothing stands there that did not happen."""

from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from portal.core.access import SYSTEM
from portal.core.policy.terms import Terms
from portal.core.refunds.overrides import Overrides
from portal.core.workflows import Rule, Rules
from portal.db import history
from portal.db import returns as stored
from portal.db.base import db, transaction
from portal.db.history import Happening
from portal.services import disputes, links, merchants
from portal.services.filing import returns
from portal.services.handling import assigning, deciding, tags
from portal.services.ledgers import accounting
from portal.services.lists import views
from portal.services.paying import bank_accounts
from portal.services.persons import people
from portal.services.proofs import audit
from portal.services.refunding import refunds
from portal.services.rules import workflows
from tests.builders import (
    HOME,
    NOW,
    SITE,
    a_customer,
    a_draft,
    a_merchant,
    a_person,
    a_return,
    an_item,
    an_order,
    came_back,
    chosen,
    fill,
    inspect,
    line_ids,
    receive,
    survey,
)
from tests.services.dispute_world import a_place
from tests.web.admin_world import a_world


@pytest.fixture
def shop(session):
    return a_merchant()


@pytest.fixture
def order(gateways, shop):
    return an_order(gateways, shop, [an_item("SHIRT", 2, "50.00"), an_item("MUG", 3, "10.00")])


@pytest.fixture
def draft(gateways, shop, order):
    """A draft with all answers, made by an agent."""
    agent = a_person(shop, "csr")
    made = a_draft(agent, shop, order)
    fill(agent, made, gateways, order=order)
    return made


def changed(subject_id):
    """What the last happening of a subject changed."""
    db.session.rollback()
    return history.of([subject_id])[-1].changed


def name(return_id, sku):
    return next(line.name for line in stored.lines_of(return_id) if line.sku == sku)


def test_the_customer_of_a_draft(shop, draft):
    agent = a_person(shop, "csr")
    was = stored.get(draft)
    before = {"name": was.name, "email": was.email, "phone": was.phone}
    after = {"name": "Another Customer", "email": "another@customer.example", "phone": "+49 30 1234567"}
    returns.set_customer(agent, draft, **after, language=was.language, kind=was.kind, now=NOW)
    assert changed(draft) == {field: [before[field], after[field]] for field in before}


def test_an_address_part_by_part(shop, draft):
    agent = a_person(shop, "csr")
    returns.set_address(agent, draft, replace(HOME, city="Bremen"), now=NOW)
    told = changed(draft)
    assert told["address.city"] == [HOME.city, "Bremen"] and "address.country" not in told
    assert told["sending.method"] == ["print_at_home", ""], "and what depends on it is asked again"


def test_lines_that_become_fewer_more_and_none(shop, draft, order):
    shirt, mug = name(draft, "SHIRT"), name(draft, "MUG")
    returns.choose_lines(a_person(shop, "csr"), draft, chosen(order, {"MUG": 1}), now=NOW)
    told = changed(draft)
    assert (told[f"units: {shirt}"], told[f"units: {mug}"]) == ([2, 0], [3, 1])
    returns.choose_lines(a_person(shop, "csr"), draft, chosen(order, {"MUG": 1, "SHIRT": 2}), now=NOW)
    assert changed(draft)[f"units: {shirt}"] == [0, 2]


def test_reasons_conditions_and_remarks(shop, draft):
    survey(a_person(shop, "csr"), draft, reason="damaged", condition="damaged", note="A crack")
    told, mug = changed(draft), name(draft, "MUG")
    assert told[f"reason: {mug}"] == ["too_small", "damaged"]
    assert told[f"condition: {mug}"] == ["unopened", "damaged"]
    assert told[f"note: {mug}"] == ["", "A crack"]


def test_a_decision(session, gateways):
    shop = a_merchant(terms=Terms(auto_approve=False))
    asked = a_return(gateways, shop, an_order(gateways, shop), by=None, actor=a_person(shop, "csr"))
    if stored.get(asked).state != "requested":
        deciding.undo(a_person(shop), asked, now=NOW)
        assert changed(asked)["state"] == ["approved", "requested"]
    deciding.decline(a_person(shop), asked, reason="excessive_wear", message="Worn", now=NOW)
    told = changed(asked)
    assert told["state"] == ["requested", "declined"]
    assert told["decline_reason"] == ["", "excessive_wear"]


def test_what_the_dock_counts_and_finds(gateways, shop, order):
    back = a_return(gateways, shop, order)
    shirt, mug = name(back, "SHIRT"), name(back, "MUG")
    receive(shop, back, {"SHIRT": 2, "MUG": 1})
    told = changed(back)
    assert told["state"][1] == "received" or told["state"][1] == "partially_received"
    assert (told[f"received_units: {shirt}"], told[f"received_units: {mug}"]) == ([0, 2], [0, 1])
    inspect(shop, back, [("SHIRT", 1, "A", True), ("SHIRT", 1, "D", False)])
    told = changed(back)
    assert told[f"accepted_units: {shirt}"] == [0, 1] and told[f"rejected_units: {shirt}"] == [0, 1]


def test_the_amount_of_a_refund(gateways, shop, order):
    back = came_back(gateways, shop, order, {"MUG": 2}, now=NOW, site=SITE)
    boss = a_person(shop)
    mug = next(line.id for line in order.items if line.sku == "MUG")
    refund = refunds.propose(a_person(shop, "csr"), back, now=NOW)  # who may not approve it
    was = db.session.get_one(refunds.Refund, refund).amount_minor
    refunds.revise(boss, refund, overrides=Overrides(amounts=((mug, 1700),), reason="Agreed"), now=NOW)
    assert changed(back)["refund_amount_minor"] == [was, was - 300]
    refunds.cancel(boss, refund, reason="After all not", now=NOW)
    assert changed(back)["refund_state"][1] == "canceled"


def test_offers_and_the_state_of_a_dispute(session, app):
    place = a_place(app)
    dispute = place.contested()
    back = place.dispute(dispute).return_id
    disputes.offer(place.person(), dispute, 300, now=place.now)
    assert changed(back)["offer_minor"] == [None, 300]
    assert changed(back)["dispute_state"][0] != changed(back)["dispute_state"][1]
    one = place.one(dispute).offers[-1].id
    disputes.counter(place.customer(back), dispute, one, 500, now=place.now)
    assert changed(back)["offer_minor"] == [300, 500]


def test_who_looks_after_it_and_its_tags(shop, draft):
    boss = a_person(shop)
    tags.add(boss, draft, "vip", now=NOW)
    tags.add(boss, draft, "fragile", now=NOW)
    assert changed(draft) == {"tags": [["vip"], ["fragile", "vip"]]}
    tags.remove(boss, draft, "vip", now=NOW)
    assert changed(draft) == {"tags": [["fragile", "vip"], ["fragile"]]}
    assert not assigning.assign(boss, draft, None, now=NOW), "nothing changed, nothing is told"


def test_how_long_a_link_is_good(shop, draft):
    boss = a_person(shop)
    link = links.send_link(boss, draft, site=SITE, now=NOW)
    until = link.expires_at
    links.extend(boss, link.id, days=5, now=NOW)
    assert changed(draft)["link_expires_at"] == [until.isoformat(), (NOW + timedelta(days=5)).isoformat()]


def test_every_term_of_a_policy_that_is_another_now(shop):
    boss = a_person(shop, "admin")
    _, _, terms = merchants.merchants.with_terms(shop)
    other = replace(terms, window_days=terms.window_days + 7, auto_approve=not terms.auto_approve)
    merchants.publish(boss, shop, other, now=NOW)
    assert changed(shop) == {
        "policy.window_days": [terms.window_days, terms.window_days + 7],
        "policy.auto_approve": [terms.auto_approve, not terms.auto_approve],
    }


def test_every_rule_that_is_another_now(shop):
    boss = a_person(shop, "admin")
    first, second = (Rule(id=one, name=f"Rule {one}", outcome=one) for one in ("approve", "supervisor"))
    workflows.install(boss, shop, Rules(rules=(first,)), now=NOW)
    workflows.install(boss, shop, Rules(rules=(second, replace(first, reasons=("damaged",)))), now=NOW)
    db.session.rollback()
    told = [row.changed for row in db.session.scalars(sa.select(Happening).order_by(Happening.id))]
    told = [one for one in told if any(field.startswith("rule") for field in one)]
    assert told == [
        {"rule: Rule approve": ["", "approve"]},
        {"rule: Rule supervisor": ["", "supervisor"], "rule_reasons: Rule approve": [[], ["damaged"]]},
    ]


def test_accounts_of_the_books_and_of_the_bank(shop, gateways):
    boss = a_person(shop, "admin")
    accounting.set_accounts(boss, shop, {"journal": "RET", "accounts": {"goods": "8120"}}, now=NOW)
    accounting.set_accounts(boss, shop, {"journal": "RET", "accounts": {"goods": "8400"}}, now=NOW)
    assert changed(shop) == {"accounts.accounts.goods": ["8120", "8400"]}
    bank_accounts.set_of_merchant(
        boss, shop, holder="Demo Shop", iban="NL91ABNA0417164300", gateways=gateways, now=NOW
    )
    before, after = changed(shop)["account"]
    assert before == "" and after.endswith("4300") and "0417" not in after


def noted_in_vain(draft):
    with transaction() as session:
        stored.get(draft, lock=True).note = "not after all"
        session.flush()
        raise RuntimeError


def test_what_is_taken_back_is_no_change_and_nothing_is_left_for_the_next_happening(shop, draft):
    """Of a savepoint, of a transaction, of a change without a happening."""

    def tell():
        history.record(SYSTEM, "return.updated", merchant_id=shop, subject_id=draft, now=NOW)

    with transaction() as session:
        inner = session.begin_nested()
        stored.get(draft, lock=True).note = "never"
        session.flush()
        inner.rollback()
        tell()
    assert changed(draft) == {}
    with transaction():
        stored.get(draft, lock=True).note = "without a word"
    with pytest.raises(RuntimeError):
        noted_in_vain(draft)
    with transaction():
        tell()
    assert changed(draft) == {}
    with transaction() as session:
        row = stored.get(draft, lock=True)
        row.note = "in between"
        session.flush()
        row.note = "at last"
        tell()
    assert changed(draft) == {"note": ["without a word", "at last"]}
    assert not [one for one in audit.verify().breaks if one.invariant == "I8"]


def test_a_change_there_and_back_is_none(shop, draft):
    row = stored.get(draft)
    was = row.phone
    with transaction() as session:
        row = stored.get(draft, lock=True)
        row.phone = "1"
        session.flush()
        row.phone = was
        history.record(SYSTEM, "return.updated", merchant_id=shop, subject_id=draft, now=NOW)
    assert changed(draft) == {}
    assert a_customer(draft, shop).return_id == draft and line_ids(draft)


def test_views_that_others_see_and_none_that_somebody_keeps(shop, app):
    world = a_world(app)
    world.signed_in("supervisor")
    boss = people.named("supervisor-0@people.example")
    mine = {"name": "Lamps", "merchant_id": world.own, "query": {"q": ["lamp"]}, "now": NOW}
    view = views.save(boss, shared=False, **mine)
    assert history.of([view]) == []
    views.save(boss, shared=True, **mine)
    assert changed(view) == {"name": ["", "Lamps"], "view": ["", "q=lamp"]}
    views.rename(boss, view, "All lamps", now=NOW)
    assert changed(view) == {"name": ["Lamps", "All lamps"]}
    views.save(boss, shared=True, **mine | {"name": "All lamps", "query": {"q": ["lamps"]}})
    assert changed(view) == {"view": ["q=lamp", "q=lamps"]}
    views.delete(boss, view, now=NOW)
    assert changed(view) == {"name": ["All lamps", ""], "view": ["q=lamps", ""]}
    assert history.of([view])[-1].what == "view.removed"
