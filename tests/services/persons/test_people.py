"""Those who sign in, the shops they work for, and what they find there."""

from dataclasses import replace
from datetime import UTC

import pytest
import sqlalchemy as sa

from portal.core.access import NotAllowed, NotFound
from portal.core.listing import Filters
from portal.db import returns as stored
from portal.db.base import db
from portal.db.history import Happening
from portal.services import merchants
from portal.services.handling import dossiers
from portal.services.lists import listing, searching
from portal.services.lists.list_filters import asked
from portal.services.persons import people
from tests.builders import NOW, a_merchant, a_person, a_return, an_item, an_order, terms


@pytest.fixture
def person(session):
    a_merchant(slug="demo-shop")
    return people.create_user(
        email=" Agent@Demo.example", name="Demo Agent", password="long enough", roles={"demo-shop": "csr"}, now=NOW
    )  # fmt: skip


def test_only_the_right_password_signs_in(person):
    signed_in = people.sign_in("agent@demo.example", "long enough")
    assert signed_in.id == person
    assert people.sign_in("agent@demo.example", "long enougH") is None
    assert people.sign_in("nobody@demo.example", "long enough") is None
    actor = people.actor(person, signed_in.epoch)
    assert actor.may_somewhere("returns.create") and not actor.may_somewhere("refunds.approve")


def test_sessions_end_at_once(person):
    epoch = people.sign_in("agent@demo.example", "long enough").epoch
    people.end_sessions(person)
    assert people.actor(person, epoch) is None


@pytest.mark.parametrize(
    "given",
    [{"password": "short"}, {"roles": {"demo-shop": "king"}}, {"roles": {"no-shop": "csr"}}, {"email": "x"}],
)
def test_what_makes_no_person_is_refused(person, given):
    whole = {
        "email": "new@demo.example",
        "name": "Demo",
        "password": "long enough",
        "roles": {"demo-shop": "csr"},
    }
    with pytest.raises(ValueError):
        people.create_user(**whole | given, now=NOW)


def test_a_password_from_the_command_line_is_told_in_the_history(person):
    people.create_user(
        email="agent@demo.example",
        name="Demo Agent",
        password="another one",
        roles={"demo-shop": "csr"},
        now=NOW,
    )
    told = sa.select(Happening.what, Happening.actor_name).where(Happening.subject_id == person)
    rows = db.session.execute(told.order_by(Happening.id)).all()
    assert rows[-1] == ("person.sessions_ended", "command line")


@pytest.mark.parametrize("zone", ["Mars", "", "Europe", "../etc/passwd"])
def test_a_merchant_in_no_time_zone_is_refused(app, tmp_path, zone):
    file = tmp_path / "shop.toml"
    file.write_text(f'name = "Demo"\nsupport_email = "demo@customer.example"\nzone = "{zone}"\n[address]\n')
    made = app.test_cli_runner().invoke(args=["create-merchant", "nowhere", str(file)])
    assert made.exit_code == 1 and "is no time zone" in made.output


def test_a_file_that_is_no_toml_is_told_in_a_sentence(app, tmp_path):
    file = tmp_path / "shop.toml"
    file.write_text("name = Demo")
    made = app.test_cli_runner().invoke(args=["create-merchant", "demo", str(file)])
    assert made.exit_code == 1 and made.output.startswith("Error: ")


def test_a_policy_is_published_as_a_new_version_by_admins_alone(session):
    shop = a_merchant()
    shorter = replace(merchants.terms_of(shop), window_days=7)
    with pytest.raises(NotAllowed):
        merchants.publish(a_person(shop), shop, shorter, now=NOW)
    with pytest.raises(NotFound):
        merchants.publish(a_person(a_merchant(), "admin"), shop, shorter, now=NOW)
    assert merchants.publish(a_person(shop, "admin"), shop, shorter, now=NOW) == 2
    assert merchants.terms_of(shop) == replace(shorter, version=2)


def test_a_return_is_found_by_everything_that_stands_on_it_and_by_nobody_else(session, gateways):
    shop, other = a_merchant(terms=terms()), a_merchant()
    order = an_order(gateways, shop, [an_item("SKU-77")], number="#F-100", email="find.me@customer.example")
    found = a_return(gateways, shop, order)
    a_return(gateways, shop, an_order(gateways, shop, number="#G-1"))
    agent, stranger = a_person(shop, "csr"), a_person(other, "admin")
    row = stored.get(found)
    queries = {row.number, row.number.lower().replace("-", ""), "f 100", "SKU-77", "sku-77"}

    def listed(actor, **filters):
        return listing.find(asked(actor, Filters(**filters), now=NOW, zone=UTC))

    for query in queries:
        assert listed(agent, query=query).ids == (found,), query
        assert listed(stranger, query=query).ids == ()
    assert searching.jump(agent, row.number, [shop]) == searching.Jump(kind="return", id=found)
    assert len(listed(agent, query="demo cust").ids) == 2
    with pytest.raises(NotFound):
        listed(agent, merchant_id=other)
    with pytest.raises(NotFound):
        dossiers.dossier(stranger, found, now=NOW)


def test_what_a_person_may_do_is_what_the_machine_and_the_role_allow(session, gateways):
    shop = a_merchant()
    found = a_return(gateways, shop, an_order(gateways, shop))

    def allowed(role):
        return set(dossiers.dossier(a_person(shop, role), found, now=NOW).allowed)

    assert allowed("finance") == set()
    assert allowed("warehouse") == {"ship", "receive", "receive_some"}
    assert allowed("csr") == {"ship", "receive", "receive_some", "cancel", "undo"}
