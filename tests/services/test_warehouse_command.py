"""``flask warehouse``: people at the sandbox warehouse, and the portal that hears of it."""

from __future__ import annotations

import json

import pytest
import sqlalchemy as sa

from portal.db.merchants import Merchant
from tests.builders import a_merchant
from tests.services.cancelling import beside, canceled, goods, line, page, proven, unshipped


@pytest.fixture
def app(make_app):
    return make_app(WAREHOUSE="sandbox")


@pytest.fixture
def shop(session):
    return a_merchant()


@pytest.fixture
def flask(app, session, shop):
    """Runs ``flask warehouse ...`` and gives what it says; ``order`` commands get the merchant."""
    session.rollback()
    slug = session.scalars(sa.select(Merchant.slug).where(Merchant.id == shop)).one()
    session.rollback()

    def run(name, *args, code=0):
        of_order = name in ("wave", "pick", "put-back", "ship", "mark", "cut-off")
        given = ["--merchant", slug, *args] if of_order else list(args)
        done = app.test_cli_runner().invoke(args=["warehouse", name, *given])
        assert done.exit_code == code, done.output
        session.rollback()
        return done.output.strip()

    return run


def test_an_order_is_picked_and_shipped_and_the_portal_hears_of_it(flask, shop, gateways, drain):
    order = unshipped(gateways, shop, goods("MUG", 3))
    assert flask("wave", order.number, "MUG=2") == "2 of line 1 being picked."
    assert "2 in a wave" in flask("orders")
    assert flask("close-wave") == "2 units picked."
    assert line(order).picked == 2
    assert flask("put-back", order.number, "MUG=1") == "1 events told."
    assert flask("ship", order.number).splitlines() == ["1 of line 1 shipped.", "1 events told."]
    drain()
    assert (line(order).picked, line(order).shipped) == (0, 1) and proven() == []


def test_a_late_answer_is_given_by_the_number_of_the_cancellation(flask, shop, gateways, drain):
    made = canceled(gateways, shop, unshipped(gateways, shop, goods("MUG-LATE", 2)), {"MUG-LATE": 1})
    drain()
    (asked,) = json.loads(flask("requests", "--json"))
    assert (asked["state"], asked["cancellation"]) == ("pending", page(shop, made).draft.number)
    assert flask("answer", asked["cancellation"], "refused", "--code", "picking") == "1 events told."
    drain()
    assert page(shop, made).state == "refused" and "refused picking" in flask("requests")


def test_what_is_late_settles_and_what_is_away_comes_back(flask, shop, gateways, drain):
    made = canceled(gateways, shop, unshipped(gateways, shop, goods("MUG-LATE", 2)), {"MUG-LATE": 1})
    flask("away")
    drain()
    assert beside(made).warehouse_state == "waiting"
    assert flask("back") == "0 events told."
    from portal.services import work

    (waiting,) = [one for one in work.listing(statuses=("DELAYED",)) if one.kind == "leave_out"]
    work.resume(waiting.id)
    drain()
    assert flask("settle").splitlines()[0] == "1 requests have come to their end."
    drain()
    assert beside(made).warehouse_state == "released"


def test_marks_and_cut_offs_are_constraints(flask, shop, gateways, session):
    from datetime import UTC, datetime

    from portal.services.stockroom import asking

    order = unshipped(gateways, shop, goods("MUG", 2), goods("LID"))
    flask("mark", order.number, "MUG", "custom_made")
    flask("cut-off", order.number, "2020-01-01T00:00")
    found = asking.constraints(order, gateways=gateways, now=datetime.now(UTC)).found
    assert sorted(one.code for one in found) == ["custom_made", "cut_off", "cut_off"]
    flask("mark", order.number, "MUG", "-")
    found = asking.constraints(order, gateways=gateways, now=datetime.now(UTC)).found
    assert [one.code for one in found] == ["cut_off", "cut_off"]


def test_mistakes_are_said_plainly(flask, shop, gateways):
    order = unshipped(gateways, shop)
    assert "has no order" in flask("ship", "nobody", code=1)
    assert "should be SKU=UNITS" in flask("ship", order.number, "MUG", code=2)
    assert "there are no 9" in flask("ship", order.number, "MUG=9", code=1)
    assert "no request" in flask("answer", "nobody", "released", code=1)
    assert flask("deliver") == "0 events told."


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_without_a_sandbox_there_is_nobody_to_command(make_app):
    done = make_app().test_cli_runner().invoke(args=["warehouse", "orders"])
    assert done.exit_code == 1 and "WAREHOUSE=sandbox" in done.output
