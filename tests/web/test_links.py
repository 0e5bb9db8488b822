"""Pre-authorized links: reading one changes nothing, its token goes nowhere, a dead one explains itself."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask

from portal.services import links
from tests.web.shops import (
    Prepared,
    Shop,
    add_order,
    draft_of,
    everything,
    nothing_changes,
    now,
    open_shop,
    prepare,
)


@pytest.fixture
def shop(app: Flask) -> Shop:
    made = open_shop(app)
    add_order(made)
    return made


@pytest.fixture
def prepared(shop: Shop) -> Prepared:
    return prepare(shop, units={"SHT": 1}, note="Please choose how you send it.")


def test_fetching_a_link_a_hundred_times_by_any_safe_method_changes_nothing(
    app: Flask, prepared: Prepared
) -> None:
    with nothing_changes(app):
        for number in range(34):
            for method in ("GET", "HEAD", "OPTIONS"):
                client = app.test_client()
                client.open(
                    prepared.path,
                    method=method,
                    check=False,
                    follow_redirects=method != "OPTIONS",
                    environ_overrides={"REMOTE_ADDR": f"192.0.2.{number % 20}"},
                )


def test_a_scanner_that_reads_every_page_of_an_open_return_changes_nothing(
    client: Any, app: Flask, prepared: Prepared
) -> None:
    client.get(prepared.path)
    with nothing_changes(app):
        for path in ("", "/items", "/reasons", "/address", "/sending", "/check", "/status", "/new-link"):
            for method in ("GET", "HEAD", "OPTIONS"):
                client.open(prepared.home + path, method=method, check=False)


def test_a_scanner_that_submits_without_the_token_of_the_page_changes_nothing(
    client: Any, app: Flask, prepared: Prepared
) -> None:
    client.get(prepared.path)
    with nothing_changes(app):
        for path in (
            "",
            "/items",
            "/reasons",
            "/address",
            "/sending",
            "/confirmation",
            "/cancellation",
            "/mail",
        ):
            assert client.post(prepared.home + path, csrf=False).status_code == 403


def test_the_token_leaves_the_address_at_once(client: Any, prepared: Prepared) -> None:
    answer = client.get(prepared.path)
    assert answer.status_code == 303
    assert answer.headers["Location"].endswith(prepared.home)
    assert prepared.token not in answer.headers["Location"]


def test_the_token_is_on_no_page_in_no_header_and_in_no_cookie(client: Any, prepared: Prepared) -> None:
    first = client.get(prepared.path)
    landing = client.get(prepared.home)
    for answer in (first, landing):
        told = answer.get_data(as_text=True) + str(answer.headers)
        assert prepared.token not in told
        assert prepared.token[:12] not in told


def test_the_token_is_in_no_log(make_app: Callable[..., Flask], capsys: Any) -> None:
    app = make_app(LOG_LEVEL="debug", LOG_FORMAT="json")
    shop = open_shop(app)
    add_order(shop)
    prepared = prepare(shop)
    capsys.readouterr()
    app.test_client().get(prepared.path, follow_redirects=True)
    app.test_client().get(prepared.path[:-1] + "x")
    told = capsys.readouterr()
    written = told.out + told.err
    assert "customer.link.open" in written
    assert prepared.token not in written
    assert prepared.token[:-1] not in written
    logging.getLogger().handlers.clear()


def test_the_token_is_in_no_table(app: Flask, prepared: Prepared) -> None:
    assert prepared.token not in str(everything(app))


def test_pages_of_a_return_are_kept_by_no_cache_and_sent_to_nobody(client: Any, prepared: Prepared) -> None:
    for answer in (client.get(prepared.path), client.get(prepared.home)):
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Referrer-Policy"] == "no-referrer"


def test_a_token_has_128_bits_or_more_and_no_two_are_alike(shop: Shop) -> None:
    tokens = {prepare(shop).token for _ in range(5)}
    assert len(tokens) == 5
    assert all(len(token) * 6 >= 128 for token in tokens)


def test_an_unknown_link_is_answered_alike_to_the_byte_whatever_is_wrong_with_it(
    app: Flask, prepared: Prepared
) -> None:
    token = prepared.token
    flipped = [
        token[:i] + ("A" if token[i] != "A" else "B") + token[i + 1 :] for i in (0, 10, len(token) - 1)
    ]
    bodies = set()
    for wrong in (*flipped, token[:-1], token + "A", "x", "a" * 5000, token.upper(), "%00", "..%2f..%2fetc"):
        answer = app.test_client().get(f"/l/{wrong}", check=False)
        assert answer.status_code == 404, wrong
        bodies.add(answer.get_data())
    assert len(bodies) == 1


def test_guessing_links_is_slowed_down_and_a_real_link_still_opens_elsewhere(
    app: Flask, prepared: Prepared
) -> None:
    guesses = [app.test_client().get(f"/l/guess{number}").status_code for number in range(40)]
    assert guesses[0] == 404
    assert guesses[-1] == 429
    elsewhere = {"REMOTE_ADDR": "192.0.2.99"}
    assert app.test_client().get(prepared.path, environ_overrides=elsewhere).status_code == 303


def test_opening_a_real_link_often_is_no_guessing(app: Flask, prepared: Prepared) -> None:
    assert {app.test_client().get(prepared.path).status_code for _ in range(45)} == {303}


def test_only_pressing_continue_marks_the_link_as_opened(client: Any, shop: Shop, prepared: Prepared) -> None:
    landing = client.get(prepared.path, follow_redirects=True)
    assert opened_at(shop, prepared) is None
    client.submit(landing, button="Continue")
    assert opened_at(shop, prepared) is not None


def opened_at(shop: Shop, prepared: Prepared) -> datetime | None:
    with shop.app.app_context():
        found = links.holder(prepared.link_id, now=now())
        assert found is not None
        return found[1].opened_at


def test_the_landing_tells_who_prepared_what_and_what_is_left(client: Any, prepared: Prepared) -> None:
    landing = client.get(prepared.path, follow_redirects=True)
    text = landing.page.text
    assert "Nordhaus Demo prepared a return for you" in landing.page.h1
    assert "Please choose how you send it." in text
    assert "Linen shirt" in text
    assert "open until" in text


@pytest.mark.parametrize("after", ["expired", "revoked"])
def test_a_dead_link_explains_itself_and_a_new_one_can_be_asked_for(
    app: Flask, client: Any, shop: Shop, prepared: Prepared, after: str
) -> None:
    if after == "expired":
        app.config["CLOCK"] = lambda: datetime.now(UTC) + timedelta(days=31)
    else:
        with app.app_context():
            links.revoke(shop.agent, prepared.link_id, now=now())
    page = client.get(prepared.path)
    assert page.status_code == 410
    assert after in page.page.text or "withdrawn" in page.page.text
    asked = client.submit(page, button="Ask for a new link", follow_redirects=True)
    assert asked.status_code == 200
    with app.app_context():
        from portal.services.talking import notices

        assert [mail.event for mail in notices.of_return(prepared.id)].count("new_link_requested") == 1
    client.submit(client.get(prepared.path), button="Ask for a new link")
    with app.app_context():
        assert [mail.event for mail in notices.of_return(prepared.id)].count("new_link_requested") == 1


def test_reading_a_dead_link_changes_nothing(app: Flask, client: Any, prepared: Prepared) -> None:
    app.config["CLOCK"] = lambda: datetime.now(UTC) + timedelta(days=31)
    with nothing_changes(app):
        client.get(prepared.path)
        client.get(prepared.home, check=False)


def test_a_link_that_expires_while_it_is_used_lets_nothing_more_be_saved(
    app: Flask, client: Any, shop: Shop, prepared: Prepared
) -> None:
    client.get(prepared.path)
    items = client.get(prepared.home + "/items")
    app.config["CLOCK"] = lambda: datetime.now(UTC) + timedelta(days=31)
    before = draft_of(shop, prepared)
    assert client.submit(items, {f"units-{prepared.lines['MUG']}": "2"}, button="Continue").status_code == 410
    assert draft_of(shop, prepared) == before


def test_the_old_link_is_dead_once_a_new_one_was_made(
    app: Flask, client: Any, shop: Shop, prepared: Prepared
) -> None:
    with app.app_context():
        links.reissue(shop.agent, prepared.link_id, email=False, site=shop.site, now=now())
    assert client.get(prepared.path).status_code == 410


def test_a_return_is_open_only_to_a_browser_that_has_its_link(
    app: Flask, client: Any, shop: Shop, prepared: Prepared
) -> None:
    other = prepare(shop, units={"MUG": 1})
    client.get(prepared.path, follow_redirects=True)
    pages = (
        "",
        "/items",
        "/reasons",
        "/address",
        "/sending",
        "/check",
        "/status",
        "/papers/label.pdf",
        "/new-link",
    )
    for path in pages:
        assert client.get(other.home + path, check=False).status_code == 404
    for path in (
        "",
        "/items",
        "/reasons",
        "/address",
        "/sending",
        "/confirmation",
        "/cancellation",
        "/mail",
        "/new-link",
    ):
        assert client.post(other.home + path, check=False).status_code == 404
    assert app.test_client().get(prepared.home).status_code == 404


def test_two_returns_in_two_tabs_do_not_mix(client: Any, shop: Shop, prepared: Prepared) -> None:
    other = prepare(shop)
    client.get(prepared.path)
    first = client.get(prepared.home + "/items")
    client.get(other.path)
    second = client.get(other.home + "/items")
    client.submit(second, {f"units-{other.lines['MUG']}": "3"}, button="Continue")
    client.submit(first, {f"units-{prepared.lines['MUG']}": "2"}, button="Continue")
    assert {line.sku: line.units for line in draft_of(shop, prepared).lines} == {"SHT": 1, "MUG": 2}
    assert {line.sku: line.units for line in draft_of(shop, other).lines} == {"MUG": 3}


def test_a_post_from_another_site_does_nothing(client: Any, app: Flask, prepared: Prepared) -> None:
    client.get(prepared.path)
    client.get(prepared.home)
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://elsewhere.example"}):
        with nothing_changes(app):
            assert client.post(prepared.home, headers=headers).status_code == 403
