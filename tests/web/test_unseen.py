"""Characters that nobody types, NUL first of all: taken out of text, found at no address, and never a crash."""

import io
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask, request

from portal.db.base import db
from portal.db.messages import Entry
from tests.web.admin_world import World, a_world

UNSEEN = "\x00\x01\x0b\x1b\x7f"


@pytest.fixture
def world(app: Flask) -> World:
    return a_world(app)


def test_what_is_looked_for_is_what_can_be_seen_of_it(world: World) -> None:
    return_id = world.confirmed()
    number = world.dossier(return_id).page.draft.number
    client = world.signed_in("supervisor")
    for address in (
        "returns",
        "orders",
        "customers",
        "audit",
        "stock",
        "mails",
        "disputes",
        "refunds",
        "tasks",
    ):
        for name in ("q", "who", "number", "state", UNSEEN):
            answer = client.get(f"/admin/{address}", query_string={name: f"x{UNSEEN}"}, follow_redirects=True)
            assert answer.status_code in (200, 404), (address, name)
    found = client.get("/admin/returns", query_string={"q": UNSEEN + number[:5] + UNSEEN + number[5:]})
    assert found.location == f"/admin/returns/{return_id}"


def test_what_is_sent_is_kept_without_it_and_lines_stay_lines(world: World) -> None:
    return_id = world.confirmed()
    client = world.signed_in("csr")
    client.get(f"/admin/returns/{return_id}")
    note = f"one{UNSEEN}\r\ntwo\tthree"
    assert client.post(f"/admin/returns/{return_id}/notes", data={"note": note}).status_code == 303
    with world.app.app_context():
        kept = db.session.scalars(sa.select(Entry.body).where(Entry.return_id == return_id)).all()
    assert [one.replace("\r", "") for one in kept] == ["one\ntwo\tthree"]


def test_no_address_has_it(world: World, client: Any) -> None:
    for path in ("/start/o%00wn", "/l/%00", "/track/%01", "/admin/%00", "/%00", "/admin/welcome/x%00"):
        assert client.get(path).status_code == 404, path


def test_who_signs_in_or_asks_for_a_link_meets_no_crash(world: World, client: Any) -> None:
    page = client.get("/admin/sign-in")
    assert client.submit(page, {"email": f"a{UNSEEN}@b.example", "password": UNSEEN + "x"}).status_code == 422
    page = client.get("/start/own")
    answer = client.submit(page, {"number": f"{UNSEEN}1001", "proof": UNSEEN + "x"}, action="/start/own")
    assert answer.status_code == 303


def test_a_file_is_left_as_it_is(world: World) -> None:
    with world.app.test_request_context(
        "/r", method="POST", data={"a": "x\x00", "file": (io.BytesIO(b"\x00\x01"), "x.bin")}
    ):
        world.app.preprocess_request()
        assert request.files["file"].read() == b"\x00\x01"
