"""The session has ended while a page was open: nothing that was typed is lost, and one comes back to the page."""

from typing import Any

import pytest
from flask import Flask

from tests.web.admin_world import PASSWORD, World, a_world

HERE = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def world(app: Flask) -> World:
    return a_world(app)


def sign_out_elsewhere(world: World, email: str) -> None:
    """That person signs in in another browser, and ends all other sessions there."""
    other = world.app.test_client()
    other.submit(other.get("/admin/sign-in"), {"email": email, "password": PASSWORD})
    assert other.submit(other.get("/admin/sessions"), {}, button="End all others").status_code == 303


def test_what_was_typed_is_kept_until_one_has_signed_in_again(world: World) -> None:
    return_id = world.confirmed()
    csr = world.signed_in("csr")
    csr.get(f"/admin/returns/{return_id}")
    sign_out_elsewhere(world, "csr-0@people.example")
    typed = {"message": "First line\r\nand a second one", "kind": "note"}
    kept = csr.post(f"/admin/returns/{return_id}/messages", data=typed, headers=HERE)
    assert kept.status_code == 403 and kept.page.h1 == "You were signed out"
    assert kept.page.link("Sign in in a new tab") == "/admin/sign-in"
    typed = {"email": "csr-0@people.example", "password": PASSWORD}
    csr.submit(csr.get("/admin/sign-in"), typed, follow_redirects=True)
    again = csr.submit(kept, {}, button="Send it again", headers=HERE)
    if again.status_code == 403:  # the form was of the session before: once more, with a token of this one
        again = csr.submit(again, {}, button="Send it again")
    assert again.status_code == 303
    assert "and a second one" in csr.get(f"/admin/returns/{return_id}").page.text


def test_a_password_is_never_written_back_into_a_page(world: World) -> None:
    csr = world.signed_in("csr")
    csr.get("/admin/sessions")
    sign_out_elsewhere(world, "csr-0@people.example")
    secret = {"old_password": PASSWORD, "new_password": "quite another one"}
    answer = csr.post("/admin/sessions/password", data=secret, headers=HERE)
    assert answer.status_code == 303
    answer = csr.post(
        "/admin/sessions/password", data=secret | {"csrf_token": "old"}, headers=HERE, csrf=False
    )
    assert answer.status_code == 403
    assert PASSWORD not in answer.get_data(as_text=True) and "quite another" not in answer.get_data(
        as_text=True
    )


def test_a_page_that_asks_by_itself_takes_nobody_away_from_what_they_write(world: World) -> None:
    return_id = world.confirmed()
    csr = world.signed_in("csr")
    asked = f"/admin/returns/{return_id}/presence"
    assert csr.get(asked, htmx="presence").status_code == 200
    sign_out_elsewhere(world, "csr-0@people.example")
    answer = csr.get(asked, htmx="presence")
    assert answer.status_code == 204 and "HX-Redirect" not in answer.headers


def test_what_is_sent_by_a_part_of_a_page_leaves_the_page_as_it_is(world: World) -> None:
    return_id = world.confirmed()
    csr = world.signed_in("csr")
    csr.get(f"/admin/returns/{return_id}")
    sign_out_elsewhere(world, "csr-0@people.example")
    answer = csr.post(f"/admin/returns/{return_id}/messages", data={"message": "half a line"}, htmx="thread")
    assert answer.status_code == 403 and answer.headers["HX-Retarget"] == "#flash"
    assert "You were signed out" in answer.page.text and "HX-Redirect" not in answer.headers


@pytest.mark.parametrize(
    ("around", "back"),
    [
        (
            "http://localhost/admin/returns?q=a%26b&state=received",
            "/admin/returns?q%3Da%2526b%26state%3Dreceived",
        ),
        ("http://[", None),
        ("", None),
    ],
)
def test_after_signing_in_one_is_on_the_page_and_not_on_a_part_of_it(
    app: Flask, around: str, back: str
) -> None:
    a_world(app)
    answer: Any = app.test_client().get("/admin/customers", htmx="rows", headers={"HX-Current-URL": around})
    wanted = "/admin/sign-in" + (f"?next={back}" if back else "")
    assert (answer.status_code, answer.headers["HX-Redirect"]) == (204, wanted)
