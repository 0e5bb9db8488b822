"""The same form fifty times at once, over two processes: one of what it asks for, and the same answer to all."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from flask import Flask, current_app
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from portal.core.links import url
from portal.db.base import db
from portal.db.orders import OrderLine
from portal.db.refunds import Refund
from portal.db.returns import Return
from portal.services import links
from portal.services.filing import returns
from portal.services.persons import people, sessions
from portal.services.proofs import audit
from tests.databases import Database
from tests.services import racing_shop as shop
from tests.services.racing import race

CLIENTS = 50
HIDDEN = re.compile(r'<input[^>]*type="hidden"[^>]*>')
Form = dict[str, str]


def hidden(html: str) -> Form:
    """The hidden fields of a page, by name."""
    found = {}
    for field in HIDDEN.findall(html):
        name, value = re.search(r'name="([^"]+)"', field), re.search(r'value="([^"]*)"', field)
        if name:
            found[name.group(1)] = value.group(1) if value else ""
    return found


# ------------------------------------------------------------------------------------------ what one client does


def visitor(number: int) -> FlaskClient:
    """A browser of its own, at an address of its own."""
    client = current_app.test_client()
    client.environ_base["REMOTE_ADDR"] = f"192.0.2.{number}"
    return client


def customer_at_the_check(_gateways: Any, number: int, link: str, home: str) -> tuple[FlaskClient, str, Form]:
    client = visitor(number)
    landing = client.get(link, follow_redirects=True)
    client.post(landing.request.path, data=hidden(landing.text), follow_redirects=True)
    check = client.get(f"{home}/check")
    return client, f"{home}/confirmation", {"csrf_token": hidden(check.text)["csrf_token"]}


def agent_at_the_form(
    _gateways: Any, number: int, person: str, path: str, typed: Form
) -> tuple[FlaskClient, str, Form]:
    client = visitor(number)
    with client.session_transaction() as session:
        session["person"] = person
    shown = hidden(client.get(path).text)
    return client, path, {**shown, **typed}


def press(_gateways: Any, client: FlaskClient, path: str, form: Form) -> tuple[int, str]:
    answer = client.post(path, data=form)
    return answer.status_code, answer.headers.get("Location", "")


def press_without_guard(gateways: Any, client: FlaskClient, path: str, form: Form) -> tuple[int, str]:
    """The guard replaced from here: what the form says of itself is thrown away before anything is made."""
    returns.start_draft = lambda *who, nonce=None, **asked: START_DRAFT(*who, **asked)
    return press(gateways, client, path, form)


START_DRAFT = returns.start_draft
SAME_FORM = {
    "nonce": "the same nonce for all of them", "kind": "return", "channel": "phone", "name": "Race Customer",
    "email": "race@customer.example", "language": "en",
}  # fmt: skip

# ----------------------------------------------------------------------------------------------------- the tests


@pytest.fixture
def merchant(session: Session) -> UUID:
    return shop.open_shop()


@pytest.fixture
def signed_in(merchant: UUID) -> str:
    """What the session of a supervisor holds."""
    now = datetime.now(UTC)
    person_id = people.create_user(
        email="race@people.example", name="Race Agent", password="a password for tests",
        roles={"race": "supervisor"}, now=now,
    )  # fmt: skip
    return sessions.begin(person_id, way="password", browser="a test", now=now)


def test_fifty_identical_confirmations_are_one_return_and_one_answer(
    database: Database, app: Flask, merchant: UUID, gateways: Any
) -> None:
    person = shop.agent(merchant)
    order = shop.take_order(merchant, "W-1", {"TWO": (2, "10.00")}, gateways)
    made = shop.draft(person, merchant, order, {"TWO": 1}, gateways)
    link = links.send_link(person, made, email=False, site=shop.SITE, now=shop.NOW)
    nonce = db.session.scalar(sa.select(links.Link.nonce).where(links.Link.id == link.id))
    path = url(app.extensions["site"], nonce).removeprefix("http://localhost")
    racers = [(number, path, f"/r/{made}") for number in range(CLIENTS)]
    outcome = race(database, press, racers, ready=customer_at_the_check, processes=2)
    assert outcome.errors == []
    assert Counter(outcome.answers) == {(303, f"/r/{made}/status"): CLIENTS}
    db.session.rollback()
    assert db.session.scalars(sa.select(OrderLine.claimed_units)).all() == [1]
    assert db.session.scalars(sa.select(Return.state)).all() == ["approved"]
    happened = sa.text("SELECT count(*) FROM history WHERE what = 'return.submitted'")
    assert db.session.scalar(happened) == 1


def test_fifty_identical_refund_forms_are_one_refund(
    database: Database, merchant: UUID, signed_in: str, gateways: Any
) -> None:
    person = shop.agent(merchant)
    order = shop.take_order(merchant, "W-2", {"MUG": (3, "14.50")}, gateways)
    back = shop.draft(person, merchant, order, {"MUG": 2}, gateways)
    shop.came_back(person, back)
    form = {"goodwill": "", "reason": ""}
    racers = [(number, signed_in, f"/admin/returns/{back}/refund", form) for number in range(CLIENTS)]
    outcome = race(database, press, racers, ready=agent_at_the_form, processes=2)
    assert outcome.errors == []
    assert Counter(status for status, _ in outcome.answers) == {303: 1, 409: CLIENTS - 1}
    db.session.rollback()
    assert db.session.scalars(sa.select(Refund.amount_minor)).all() == [2900]
    assert audit.verify().problems == []


def test_the_same_new_return_sent_fifty_times_is_one_draft_and_one_answer(
    database: Database, merchant: UUID, signed_in: str
) -> None:
    """The nonce of the form names what is meant: htmx that fires twice, a resend after Back, a lost answer."""
    racers = [(n, signed_in, f"/admin/returns/new?merchant={merchant}", SAME_FORM) for n in range(CLIENTS)]
    outcome = race(database, press, racers, ready=agent_at_the_form, processes=2)
    assert outcome.errors == []
    ((answer, times),) = Counter(outcome.answers).items()
    db.session.rollback()
    (made,) = db.session.scalars(sa.select(Return.id)).all()
    assert (answer, times) == ((303, f"/admin/returns/{made}/prepare?at=next"), CLIENTS)


def test_without_the_guard_the_same_form_makes_many(
    database: Database, merchant: UUID, signed_in: str
) -> None:
    """The control: were there no race, fifty equal answers would prove nothing."""
    racers = [(n, signed_in, f"/admin/returns/new?merchant={merchant}", SAME_FORM) for n in range(8)]
    outcome = race(database, press_without_guard, racers, ready=agent_at_the_form, processes=2)
    assert outcome.errors == []
    db.session.rollback()
    assert len(set(outcome.answers)) == len(db.session.scalars(sa.select(Return.id)).all()) == 8
