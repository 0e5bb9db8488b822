"""One address, two answers; errors as pages and as notices; forms that only our own pages can send."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event

from portal.core.access import Conflict, NotAllowed, NotFound, Stale
from portal.core.lifecycles import IllegalStep
from portal.db.base import db
from portal.services.outside import Declined, Unavailable
from portal.web.extensions import CONTENT_SECURITY_POLICY
from tests.web.shops import Prepared, Shop, add_order, line, nothing_changes, open_shop, prepare, walk_in

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def shop(app: Flask) -> Shop:
    made = open_shop(app)
    add_order(made)
    return made


@pytest.fixture
def prepared(shop: Shop) -> Prepared:
    return prepare(shop, units={"SHT": 1})


def saved(client: Any, prepared: Prepared, target: str, **more: Any) -> Any:
    data = {f"units-{prepared.lines['MUG']}": "1"}
    return client.post(prepared.home + "/items/saved", data=data, htmx=target, **more)


def test_htmx_gets_the_fragment_it_asks_for_and_others_get_the_page(client: Any, prepared: Prepared) -> None:
    walk_in(client, prepared)
    part = saved(client, prepared, "estimate")
    assert part.get_data(as_text=True).lstrip().startswith('<section id="estimate"')
    assert "<html" not in part.get_data(as_text=True)
    whole = client.post(prepared.home + "/items/saved", data={})
    assert whole.page.h1


def test_a_target_that_the_page_does_not_know_gets_the_whole_page_for_the_whole_window(
    client: Any, prepared: Prepared
) -> None:
    walk_in(client, prepared)
    answer = saved(client, prepared, "elsewhere")
    assert "<html" in answer.get_data(as_text=True)
    assert answer.headers["HX-Retarget"] == "body"


@pytest.mark.parametrize("header", ["HX-History-Restore-Request", "HX-Boosted"])
def test_a_restored_or_boosted_page_is_never_a_fragment(client: Any, prepared: Prepared, header: str) -> None:
    walk_in(client, prepared)
    headers = {"HX-Request": "true", "HX-Target": "estimate", header: "true"}
    answer = client.get(prepared.home + "/items", headers=headers)
    assert "<html" in answer.get_data(as_text=True)
    assert "HX-Retarget" not in answer.headers


def test_caches_are_told_that_page_and_fragment_share_an_address(client: Any, prepared: Prepared) -> None:
    answer = walk_in(client, prepared)
    vary = {name.strip() for name in answer.headers["Vary"].split(",")}
    assert {"HX-Request", "HX-Target", "HX-History-Restore-Request"} <= vary


def test_every_answer_carries_the_headers_of_the_house(client: Any, prepared: Prepared) -> None:
    for answer in (
        walk_in(client, prepared),
        client.get("/"),
        client.get("/nowhere"),
        client.post("/", check=False),
    ):
        assert answer.headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
        assert "unsafe" not in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "camera=()" in answer.headers["Permissions-Policy"]
        assert answer.headers["Cache-Control"] == "no-store"


def test_the_cookie_of_a_visitor_is_out_of_reach_of_scripts_and_other_sites(
    client: Any, prepared: Prepared
) -> None:
    cookie = client.get(prepared.path).headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie


def test_behind_https_cookies_are_secure_and_pinned_to_this_host(make_app: Any) -> None:
    app = make_app(BASE_URL="https://returns.example.com", APP_ENV="production", LOG_LEVEL="error")
    answer = app.test_client().get("/", base_url="https://returns.example.com")
    assert "max-age=" in answer.headers["Strict-Transport-Security"]
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("__Host-session=")
    assert "Secure" in cookie


def test_a_form_that_is_too_old_does_nothing_and_offers_what_was_typed_again(
    client: Any, app: Flask, prepared: Prepared
) -> None:
    walk_in(client, prepared)
    data = {f"units-{prepared.lines['MUG']}": "2", "csrf_token": "of yesterday", "password": "hunter2"}
    with nothing_changes(app):
        answer = client.post(
            prepared.home + "/items", data=data, csrf=False, headers={"Sec-Fetch-Site": "same-origin"}
        )
    assert answer.status_code == 403
    assert "hunter2" not in answer.get_data(as_text=True)
    again = client.submit(answer, button="Send it again")
    assert again.status_code == 303


def test_a_form_that_did_not_come_from_our_page_is_not_offered_again(client: Any, prepared: Prepared) -> None:
    walk_in(client, prepared)
    answer = client.post(prepared.home + "/items", data={"csrf_token": "x"}, csrf=False)
    assert answer.status_code == 403
    assert "Send it again" not in answer.page.text


def test_an_old_form_asked_by_htmx_gets_a_notice_and_the_page_stays(client: Any, prepared: Prepared) -> None:
    walk_in(client, prepared)
    answer = client.post(
        prepared.home + "/items/saved", data={"csrf_token": "x"}, csrf=False, htmx="estimate"
    )
    assert answer.status_code == 403
    assert answer.headers["HX-Retarget"] == "#flash"
    assert "<html" not in answer.get_data(as_text=True)


ERRORS = {
    "NotFound": (NotFound(), 404),
    "NotAllowed": (NotAllowed("refunds.approve"), 403),
    "Stale": (Stale(), 409),
    "Conflict": (Conflict("rate_gone"), 409),
    "IllegalStep": (IllegalStep("return", "closed", "cancel", ()), 409),
    "Unavailable": (Unavailable("no route"), 503),
    "Declined": (Declined("not_served"), 409),
}


@pytest.mark.parametrize("name", ERRORS)
def test_every_error_of_the_house_is_a_page_and_a_notice(app: Flask, client: Any, name: str) -> None:
    error, status = ERRORS[name]

    def fail() -> str:
        raise error

    app.view_functions["customer.start.home"] = fail
    whole = client.get("/")
    assert whole.status_code == status
    assert whole.page.h1
    part = client.get("/", htmx="estimate", check=False)
    assert part.status_code == status
    assert part.headers["HX-Retarget"] == "#flash"
    assert "<html" not in part.get_data(as_text=True)


def test_a_fault_of_ours_says_a_number_to_quote_and_nothing_else(make_app: Any) -> None:
    app = make_app(APP_ENV="demo", LOG_LEVEL="error")
    secret = "what went wrong inside"

    def fail() -> str:
        raise RuntimeError(secret)

    app.view_functions["customer.start.home"] = fail
    answer = app.test_client().get("/", headers={"X-Request-Id": "abcdef123456"})
    assert answer.status_code == 500
    assert "abcdef123456" in answer.page.text
    assert secret not in answer.get_data(as_text=True)


def test_more_than_the_server_takes_is_said_as_a_page(app: Flask, client: Any, prepared: Prepared) -> None:
    walk_in(client, prepared)
    app.config["MAX_CONTENT_LENGTH"] = 2_000
    answer = client.post(prepared.home + "/items", data={"x": "y" * 5_000})
    assert answer.status_code == 413
    assert answer.page.h1


def test_the_language_is_the_readers_choice_then_the_returns_then_the_browsers(
    app: Flask, shop: Shop, prepared: Prepared
) -> None:
    german = {"Accept-Language": "de-AT,de;q=0.9,en;q=0.5"}
    visitor = app.test_client()
    assert 'lang="de"' in visitor.get(f"/start/{shop.slug}", headers=german).get_data(as_text=True)
    visitor.get(prepared.path)
    assert 'lang="en"' in visitor.get(prepared.home, headers=german).get_data(as_text=True)
    visitor.get("/?lang=fr")
    assert '<html lang="fr"' in visitor.get(prepared.home, headers=german).get_data(as_text=True)


def test_the_language_switch_keeps_the_rest_of_the_address(client: Any) -> None:
    answer = client.get("/start/x?a=1&lang=de&b=2")
    assert answer.status_code == 303
    assert answer.headers["Location"] == "/start/x?a=1&b=2"


def test_a_refused_page_can_be_reloaded_and_read_in_another_language(
    client: Any, shop: Shop, prepared: Prepared
) -> None:
    walk_in(client, prepared)
    for path, leads in (
        (prepared.home + "/confirmation", prepared.home + "/check"),
        (f"/start/{shop.slug}/track", f"/start/{shop.slug}"),
    ):
        assert client.get(path).headers["Location"] == leads
        assert client.get(path + "?lang=de").status_code == 303


def test_an_error_page_of_a_return_says_whom_to_write_to(client: Any, app: Flask, prepared: Prepared) -> None:
    walk_in(client, prepared)

    def fail(return_id: object) -> None:
        from portal.web.customer.opened import open_return

        open_return(prepared.id)
        raise Conflict("rate_gone")

    app.view_functions["customer.items.show"] = fail
    page = client.get(prepared.home + "/items")
    assert page.status_code == 409
    assert "help@nordhaus.example.com" in page.page.text
    assert "/start/nordhaus" in page.page.links().values()


def test_the_address_on_a_label_tells_how_to_follow_the_parcel_and_nothing_about_it(client: Any) -> None:
    known, unknown = (
        client.get(f"/track/{number}").page.text for number in ("HC123456785DE", "XX000000000XX")
    )
    assert known.replace("HC123456785DE", "") == unknown.replace("XX000000000XX", "")


STATEMENTS = {"": 11, "/items": 14, "/reasons": 11, "/address": 11, "/sending": 12, "/check": 11}
"""The most statements that a page of a return takes, whatever the number of its lines; on every page one of them
looks for a question that waits for the buyer and one reads the rules of the shop, and the items page tells the whole
order."""


def test_a_page_takes_few_statements_however_many_lines_there_are(
    client: Any, app: Flask, shop: Shop
) -> None:
    add_order(shop, "N-40", tuple(line(f"S{n}", f"Thing {n}", "5.00") for n in range(40)))
    prepared = prepare(shop, "N-40", {f"S{n}": 1 for n in range(40)}, why=("too_small", "unopened"))
    walk_in(client, prepared)
    asked: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        asked.append(statement)

    with app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", note)
    print(dict.fromkeys(STATEMENTS, 0))
    for path, most in STATEMENTS.items():
        asked.clear()
        client.get(prepared.home + path)
        assert 0 < len(asked) <= most, (path, asked)
