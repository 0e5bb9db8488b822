"""Durable work on its page: what failed stands there with its error until somebody runs it again; the demo's outbox."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from portal.db.base import transaction
from portal.services import work
from tests.services.cancelling import canceled, unshipped
from tests.web.admin_world import World, a_world

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def world(app: Flask) -> World:
    return a_world(app)


def test_without_work_the_page_says_so(world: World) -> None:
    page = world.signed_in("supervisor").get("/admin/durable-work").page
    assert "Nothing waits" in page.text and "warehouse" not in page.text.lower()


def test_what_waits_is_listed_with_its_return(world: World, drain: Any) -> None:
    return_id = world.confirmed()
    client = world.signed_in("supervisor")
    page = client.get("/admin/durable-work").page
    assert "Make a label" in page.text
    assert "waits for its turn" in page.text
    assert f"/admin/returns/{return_id}" in page.links().values()
    drain()
    assert "Nothing waits" in client.get("/admin/durable-work").page.text


def test_what_failed_for_good_is_run_again_from_the_page(world: World, drain: Any) -> None:
    """A carrier that breaks in a way nobody foresaw, and is mended."""
    carrier = world.gateways.carriers["house"]
    working = type(carrier).create_return

    def broken(*_anything: object, **_more: object) -> None:
        raise RuntimeError("the printer is on fire")

    return_id = world.confirmed()
    client = world.signed_in("supervisor")
    type(carrier).create_return = broken
    try:
        drain()
    finally:
        type(carrier).create_return = working
    page = client.get("/admin/durable-work")
    assert "the printer is on fire" in page.page.text
    assert world.dossier(return_id).parcels[0].state == "label_pending"
    answer = client.submit(page, button="Run now")
    assert answer.location == "/admin/durable-work"
    drain()
    assert world.dossier(return_id).parcels[0].state == "label_created"
    assert "the printer is on fire" not in client.get("/admin/durable-work").page.text


def test_what_failed_is_not_hidden_by_all_that_waits(world: World, drain: Any) -> None:
    """As in an outage of the mail server: hundreds of pieces wait, and one that failed is older than all."""
    carrier = world.gateways.carriers["house"]
    working = type(carrier).create_return

    def broken(*_anything: object, **_more: object) -> None:
        raise RuntimeError("the printer is on fire")

    return_id = world.confirmed()
    type(carrier).create_return = broken
    try:
        drain()
    finally:
        type(carrier).create_return = working
    parcel_id = world.dossier(return_id).parcels[0].id
    with world.app.app_context(), transaction():
        for number in range(1, 211):
            work.enqueue("label", parcel_id, run=number, delay=3600)
    page = world.signed_in("supervisor").get("/admin/durable-work").page
    assert "the printer is on fire" in page.text
    assert page.text.count("Try") + page.text.count("Run now") >= 200


def test_what_a_warehouse_shall_hear_is_listed_with_its_cancellation(make_app: Callable[..., Flask]) -> None:
    app = make_app(WAREHOUSE="sandbox")
    world = a_world(app)
    with app.app_context():
        order = unshipped(world.gateways, world.own)
        made = canceled(world.gateways, world.own, order, {"MUG": 1})
    client = world.signed_in("supervisor")
    page = client.get("/admin/durable-work").page
    assert "Tell the warehouse what to leave out" in page.text
    assert f"/admin/returns/{made}" in page.links().values()
    assert "The warehouse answers" in page.text
    world.gateways.warehouse.away(True)
    assert "The warehouse does not answer" in client.get("/admin/durable-work").page.text
    stranger = world.signed_in("supervisor", merchants=(world.other,))
    assert "Tell the warehouse" not in stranger.get("/admin/durable-work").page.text


def test_work_that_is_not_there_cannot_be_run(world: World) -> None:
    client = world.signed_in("supervisor")
    client.get("/admin/durable-work")
    assert client.post("/admin/durable-work/resumption", data={"item": "refund-nothing"}).status_code == 404


def test_outside_of_the_demo_there_is_no_outbox(world: World, client: Any) -> None:
    assert client.get("/outbox").status_code == 404


def test_in_the_demo_outgoing_mail_is_read_with_its_papers(make_app: Callable[..., Flask]) -> None:
    from tests import serving

    app = make_app(APP_ENV="demo", SECRET_KEY="0123456789 a key for tests of the demo alone")
    world = a_world(app)
    world.confirmed()
    serving.drain(app)
    client: Any = app.test_client()
    listed = client.get("/outbox").page
    mail = next(link for said, link in listed.links().items() if "approved" in said)
    page = client.get(mail)
    assert "frame-src 'self'" in page.headers["Content-Security-Policy"]
    assert client.get(f"{mail}/looks", check=False).headers["Content-Security-Policy"].startswith("sandbox")
    link = next(link for link in page.page.links().values() if "/l/" in link)
    assert client.get(link[link.index("/l/") :]).status_code == 303
    papers = [link for link in page.page.links().values() if "/attachments/" in link]
    assert client.get(papers[0]).data.startswith(b"%PDF-")
    assert client.get(papers[0] + "x").status_code == 404
