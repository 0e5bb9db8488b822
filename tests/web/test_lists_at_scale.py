"""Lists among thousands of returns, on both databases: no whole table is read, and every number leads somewhere."""

import csv
import gc
import io
import tracemalloc
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import sqlalchemy as sa
from flask import Flask

from bench import lists, plans
from bench.crowd import SHARE, Crowd, crowd
from portal.db.base import db, uuid7
from portal.db.disputes import Dispute
from portal.db.merchants import Policy
from portal.db.orders import Order
from portal.db.refunds import Refund
from portal.db.returns import Return
from portal.services.lists import list_filters, list_rows
from tests.web.admin_world import World, a_world, now

SIZE = 1500


@pytest.fixture
def world(app: Flask) -> World:
    return a_world(app)


@pytest.fixture
def client(world: World) -> Any:
    return world.signed_in("admin", merchants=(world.own, world.other))


@pytest.fixture
def place(app: Flask, world: World, client: Any) -> lists.Place:
    everybody: Crowd = crowd(app, (world.own, world.other), "admin-2@people.example")
    everybody.grow(0, SIZE, quickly=False)
    return lists.Place(app=app, crowd=everybody, size=SIZE)


def test_no_page_of_the_list_reads_a_whole_table(place: lists.Place, client: Any) -> None:
    wanted = {name: path for name, path in lists.paths(place).items() if path.startswith("/admin/returns")}
    assert len(wanted) > 35
    assert lists.scans_of(place.app, client.get, wanted, forced=True) == []


def steps(place: lists.Place, client: Any, path: str, of: str) -> list[str]:
    """How SQLite goes about the statements of a page that say ``of``."""
    with plans.watching() as sent:
        assert client.get(path).status_code == 200
    wanted = {text: given for text, given in sent if of in text}
    assert wanted
    with place.app.app_context(), db.engine.connect() as connection:
        return [
            row[3]
            for text, given in wanted.items()
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", given)
        ]


def test_the_numbers_of_a_period_read_no_whole_table(place: lists.Place, client: Any) -> None:
    path = lists.paths(place)["numbers of 30 days"]
    assert lists.scans_of(place.app, client.get, {"numbers": path}, forced=True) == []


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_weeks_are_counted_from_an_index_alone_and_lines_are_found_by_their_returns(
    place: lists.Place, client: Any
) -> None:
    path = lists.paths(place)["numbers of 30 days"]
    for address in (path, f"{path}&channel=phone"):
        for of in ("AS entered", "WITH first AS MATERIALIZED"):
            read = {step for step in steps(place, client, address, of) if "returns" in step}
            assert len(read) == 1 and "USING COVERING INDEX ix_returns_submitted" in read.pop()
    lines = steps(place, client, path, "WITH mine AS MATERIALIZED")
    assert [step for step in lines if step.startswith("SCAN")] == ["SCAN mine", "SCAN mine"]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_filters_that_seldom_meet_are_not_looked_for_along_the_whole_list(
    place: lists.Place, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = lists.paths(place)["five filters, by amount"]
    monkeypatch.setattr(list_filters, "FEW", 5)
    found = steps(place, client, path, "ORDER BY returns.estimate_minor")
    whole = [step for step in found if "ix_returns_value" in step]
    assert len(whole) == 2  # the first of both shops, to see how often all of them fit
    assert any("ix_return_tags_tag" in step for step in found)


def test_a_whole_table_that_is_read_is_noticed(place: lists.Place) -> None:
    with place.app.app_context():
        for condition in (Return.postage_minor == 5, sa.func.lower(Return.email) == "x"):
            with plans.watching() as sent:
                db.session.execute(sa.select(Return.id).where(condition)).all()
            assert len(plans.full_scans(db.engine, sent, forced=True)) == 1


def test_what_is_typed_exactly_leads_straight_to_it(place: lists.Place, client: Any) -> None:
    one = place.known
    with place.app.app_context():
        row = db.session.scalars(sa.select(Return).where(Return.number == one.number)).one()
        theirs = db.session.scalars(sa.select(Return.id).where(Return.email == one.email)).all()
        order = db.session.scalars(sa.select(Order.id).where(Order.number == one.order)).one()
        refund = db.session.scalars(sa.select(Refund.id).where(Refund.number == one.refund)).one()
        dispute = db.session.scalars(sa.select(Dispute.id).where(Dispute.number == one.dispute)).one()
    here, customer = f"/admin/returns/{row.id}", f"/admin/customers/{max(theirs)}"
    expected = {
        one.number: here,
        one.number.lower().replace("-", " "): here,
        one.number.removeprefix("RMA-"): here,
        one.tracking.lower(): here,
        one.sku: here,
        one.sku.lower(): here,
        one.order: f"/admin/orders/{order}",
        one.order.lower().replace("-", " "): f"/admin/orders/{order}",
        one.refund: f"/admin/refunds/{refund}",
        one.dispute: f"/admin/disputes/{dispute}",
        one.email.upper(): customer,
        one.phone: customer,
        one.phone.replace("+49 ", "0"): customer,
        one.name: customer,
    }
    found = {text: client.get("/admin/returns", query_string={"q": text}).location for text in expected}
    assert found == expected


def test_what_several_have_stays_a_list(place: lists.Place, client: Any) -> None:
    for text in ("demo", "buyer1", "B-000", place.known.phone[-4:], "nobody has this"):
        assert client.get("/admin/returns", query_string={"q": text}).status_code == 200


@pytest.mark.parametrize(
    "kind", ["return", "order", "refund", "dispute", "phone", "e-mail", "SKU", "tracking"]
)
def test_nobody_is_led_to_what_another_merchant_has(place: lists.Place, world: World, kind: str) -> None:
    one = place.known
    assert one.n % SHARE != 3  # the first shop's
    stranger = world.signed_in("supervisor", merchants=(world.other,))
    text = {
        "return": one.number, "order": one.order, "refund": one.refund, "dispute": one.dispute,
        "phone": one.phone, "e-mail": one.email, "SKU": one.sku, "tracking": one.tracking,
    }[kind]  # fmt: skip
    answer = stranger.get("/admin/returns", query_string={"q": text})
    assert answer.status_code == 200
    assert one.number not in answer.page.links()


def test_a_page_of_fifty_takes_as_many_statements_as_a_page_of_one(place: lists.Place, client: Any) -> None:
    def sent_by(path: str) -> tuple[int, int]:
        with plans.watching() as sent:
            answer = client.get(path)
        return len(sent), answer.get_data(as_text=True).count("<tr data-row>")

    few, one = sent_by(f"/admin/returns?state=requested&tag=check&q={place.known.email}")
    for path in ("/admin/returns", "/admin/returns?state=requested&state=closed", "/admin/returns?sort=due"):
        count, rows = sent_by(path)
        assert rows == 50
        assert count <= 20
    assert one <= 1
    assert few <= 20


def test_the_file_has_the_filters_the_order_and_the_columns_of_the_list(
    place: lists.Place, client: Any
) -> None:
    address = "/admin/returns?state=closed&state=received&channel=phone&sort=value&cols=refund,reason,tags"
    file = client.get(client.get(address).page.link("This list as CSV"))
    assert file.mimetype == "text/csv"
    rows = list(csv.reader(io.StringIO(file.get_data(as_text=True))))
    assert rows[0] == ["number", "begun_at", "refund", "currency", "tags", "reasons", "id"]
    with place.app.app_context():
        wanted = (
            sa.select(Return.number)
            .where(Return.state.in_(("closed", "received")), Return.channel == "phone")
            .order_by(Return.estimate_minor.desc(), Return.id.desc())
        )
        expected = list(db.session.scalars(wanted))
    assert len(expected) > 10
    assert [row[0] for row in rows[1:]] == expected


def test_the_links_of_a_list_keep_all_that_decides_it(place: lists.Place, client: Any) -> None:
    address = "/admin/returns?state=closed&channel=phone&sort=oldest&cols=state,kind"
    links = client.get(address).page.links()
    for name in ("This list as CSV", "Next"):
        found = next(parse_qs(urlsplit(url).query) for text, url in links.items() if name in text)
        assert found["state"] == ["closed"]
        assert (found["sort"], found["channel"], found["cols"]) == (["oldest"], ["phone"], ["state,kind"])


# ------------------------------------------------------------------------------------------------ the file's memory


def put(app: Flask, world: World, first: int, last: int) -> None:
    with app.app_context():
        policy = db.session.scalars(sa.select(Policy.id).where(Policy.merchant_id == world.own)).one()
        at = now()
        rows = [
            {
                "id": uuid7(), "merchant_id": world.own, "policy_id": policy, "state": "closed",
                "channel": "phone", "currency": "EUR", "name": "=HYPERLINK(1)", "created_at": at - timedelta(seconds=n),
            }
            for n in range(first, last)
        ]  # fmt: skip
        db.session.execute(sa.insert(Return), rows)
        db.session.commit()


def streamed(client: Any) -> tuple[int, int]:
    """(rows, bytes of memory that were held at most) of the whole list as a file, read piece by piece."""
    answer = client.get("/admin/returns.csv", buffered=False)
    assert answer.is_streamed
    gc.collect()
    gc.freeze()  # what is there already need not be looked at each time
    tracemalloc.start()
    rows = most = 0
    for piece in answer.iter_encoded():
        rows += piece.count(b"\r\n")
        most = max(most, tracemalloc.get_traced_memory()[1])
        gc.collect()
        tracemalloc.reset_peak()
    tracemalloc.stop()
    gc.unfreeze()
    answer.close()
    return rows - 1, most


def test_the_file_of_a_list_five_times_as_long_takes_no_more_memory(
    app: Flask, world: World, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(list_rows, "BATCH", 25)
    put(app, world, 0, 100)
    streamed(client)
    few, held = streamed(client)
    put(app, world, 100, 500)
    many, most = streamed(client)
    assert (few, many) == (100, 500)
    assert most < 1.3 * held


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t=", "\r@"])
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_no_cell_of_the_file_is_run_as_a_formula(app: Flask, world: World, client: Any, sign: str) -> None:
    evil = f"{sign}SUM(A1)"
    world.draft(name=f"x{evil}", email="demo@customer.example")
    with app.app_context():
        db.session.execute(sa.update(Return).values(name=evil, order_number=evil))
        db.session.commit()
    text = client.get("/admin/returns.csv?cols=customer,order").get_data(as_text=True)
    row = next(csv.DictReader(io.StringIO(text, newline="")))
    assert row["customer"] == row["order"] == f"'{evil}".replace("\t", " ").replace("\r", " ")
