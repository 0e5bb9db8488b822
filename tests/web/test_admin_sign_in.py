"""Signing in and out: nothing is told about accounts, nobody is led away, a session ends when it shall."""

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from portal.db.base import db, transaction
from portal.db.people import Person
from portal.services.persons import people
from tests.web.admin_world import PASSWORD, World, a_world, now

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def world(app: Flask) -> World:
    made = a_world(app)
    with app.app_context():
        people.create_user(
            email="agent@people.example",
            name="Demo Agent",
            password=PASSWORD,
            roles={"own": "csr"},
            language="de",
            now=now(),
        )
    return made


def sign_in(
    client: Any, email: str = "agent@people.example", password: str = PASSWORD, next: str = ""
) -> Any:
    page = client.get("/admin/sign-in", query_string={"next": next} if next else None)
    return client.submit(page, {"email": email, "password": password})


def test_the_right_password_opens_the_desk_in_the_language_of_the_person(world: World, client: Any) -> None:
    answer = sign_in(client)
    assert (answer.status_code, answer.location) == (303, "/admin/")
    desk = client.get("/admin/")
    assert desk.status_code == 200
    assert 'lang="de"' in desk.get_data(as_text=True)


@pytest.mark.parametrize(
    ("email", "password"),
    [
        ("agent@people.example", "wrong password"),
        ("nobody@people.example", PASSWORD),
        ("nobody@people.example", "x"),
    ],
)
def test_a_wrong_password_and_an_unknown_address_get_the_same_answer(
    world: World, client: Any, email: str, password: str
) -> None:
    answer = sign_in(client, email, password)
    assert answer.status_code == 422
    assert "E-mail and password do not fit together." in answer.page.text
    assert client.get("/admin/").status_code == 303


def test_the_password_is_never_written_back(world: World, client: Any) -> None:
    answer = sign_in(client, password="not the right one")
    assert "not the right one" not in answer.get_data(as_text=True)


def test_an_empty_form_names_both_fields(world: World, client: Any) -> None:
    answer = sign_in(client, "", "")
    assert answer.status_code == 422
    assert "Enter your e-mail address" in answer.page.text
    assert "Enter your password" in answer.page.text


def test_whoever_was_sent_to_sign_in_comes_back_to_where_they_were(world: World, client: Any) -> None:
    sent = client.get("/admin/returns?state=draft")
    assert sent.status_code == 303
    page = client.get(sent.location)
    answer = client.submit(page, {"email": "agent@people.example", "password": PASSWORD})
    assert answer.location == "/admin/returns?state=draft"


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example/admin/",
        "//evil.example/admin/",
        "/\\evil.example",
        "/admin/\\\\evil.example",
        "/outbox",
        "javascript:alert(1)",
        "/admin/\nSet-Cookie: x",
    ],
)
def test_nobody_is_led_to_another_place(world: World, client: Any, elsewhere: str) -> None:
    assert sign_in(client, next=elsewhere).location == "/admin/"


def test_htmx_is_told_to_go_to_the_sign_in_page(world: World, client: Any) -> None:
    answer = client.get("/admin/returns", htmx="rows")
    assert answer.status_code == 204
    assert answer.headers["HX-Redirect"].startswith("/admin/sign-in")


def test_signing_in_gives_the_session_a_new_content_and_keeps_nothing_held_before(
    world: World, client: Any
) -> None:
    with client.session_transaction() as session:
        session["links"] = {"a": "b"}
    sign_in(client)
    with client.session_transaction() as session:
        assert "links" not in session
        assert "person" in session


def test_signing_out_closes_the_session(world: World, client: Any) -> None:
    sign_in(client)
    client.get("/admin/")
    answer = client.post("/admin/sign-out")
    assert answer.location == "/admin/sign-in"
    assert client.get("/admin/").status_code == 303


def test_signing_out_is_never_a_link(world: World, client: Any) -> None:
    sign_in(client)
    assert client.get("/admin/sign-out").status_code == 405
    assert client.get("/admin/").status_code == 200


@pytest.mark.parametrize("change", [{"active": False}, {"session_epoch": Person.session_epoch + 1}])
def test_a_session_ends_at_once_when_the_person_is_deactivated_or_signed_out_everywhere(
    world: World, client: Any, app: Flask, change: dict[str, Any]
) -> None:
    sign_in(client)
    assert client.get("/admin/").status_code == 200
    with app.app_context(), transaction():
        db.session.execute(sa.update(Person).values(**change))
    assert client.get("/admin/").status_code == 303


def test_a_session_ends_after_half_a_day(world: World, client: Any, app: Flask) -> None:
    sign_in(client)
    app.config["CLOCK"] = lambda: now() + timedelta(hours=13)
    assert client.get("/admin/").status_code == 303


def test_a_deactivated_person_cannot_sign_in(world: World, client: Any, app: Flask) -> None:
    with app.app_context(), transaction():
        db.session.execute(sa.update(Person).values(active=False))
    assert sign_in(client).status_code == 422


def test_guessing_passwords_of_one_account_is_slowed_down(world: World, client: Any) -> None:
    answers = [sign_in(client, password=f"guess number {n}").status_code for n in range(12)]
    assert answers[:10] == [422] * 10
    assert answers[10:] == [429, 429]


def test_a_form_from_another_site_signs_nobody_in(world: World, client: Any) -> None:
    page = client.get("/admin/sign-in")
    answer = client.submit(
        page,
        {"email": "agent@people.example", "password": PASSWORD},
        headers={"Origin": "https://evil.example"},
    )
    assert answer.status_code == 403
    assert client.get("/admin/").status_code == 303


def test_whoever_is_signed_in_needs_no_form(world: World, client: Any) -> None:
    sign_in(client)
    assert client.get("/admin/sign-in?next=/admin/orders").location == "/admin/orders"
