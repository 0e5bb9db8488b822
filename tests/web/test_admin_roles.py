"""Denied by default: every page of the admin area asks for its permission, whoever comes."""

import re
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from werkzeug.routing import Rule

from portal.core.access import PERMISSIONS, ROLES
from portal.services.persons import people, sessions
from tests.web.admin_world import World, a_world, now
from tests.web.test_admin_merchants import fill

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def world(app: Flask) -> World:
    return a_world(app)


def routes(app: Flask) -> Iterator[tuple[Rule, str, str]]:
    """(rule, method, permission) of everything below /admin but signing in and out."""
    for rule in app.url_map.iter_rules():
        if not rule.rule.startswith("/admin") or rule.endpoint.startswith("admin.sign_in."):
            continue
        permission = app.view_functions[rule.endpoint].needs  # type: ignore[attr-defined]
        for method in sorted(rule.methods & {"GET", "POST"}):
            yield rule, method, permission


def path_of(app: Flask, rule: Rule) -> str:
    values = {
        name: "label" if name == "kind" else "pdf" if name == "format" else uuid4() for name in rule.arguments
    }
    with app.test_request_context():
        return str(app.url_map.bind("localhost").build(rule.endpoint, values))


def test_every_permission_a_view_asks_for_exists(app: Flask) -> None:
    asked = {permission for _, _, permission in routes(app)}
    assert asked <= set(PERMISSIONS)
    assert len(asked) >= 10


@pytest.mark.parametrize("role", ROLES)
def test_a_role_gets_exactly_the_pages_of_its_permissions(world: World, app: Flask, role: str) -> None:
    client = world.signed_in(role)
    client.get("/admin/")
    wrong = []
    for rule, method, permission in routes(app):
        status = client.open(path_of(app, rule), method=method).status_code
        if (status == 403) == (role in PERMISSIONS[permission]):
            wrong.append(f"{method} {rule.rule} ({permission}): {status}")
    assert not wrong


OF_PERSONS = {"person_id", "session_id", "view_id"}
"""What belongs to people, not to a shop: who may do nothing there does not find it."""


def of_own(app: Flask, rule: Rule, filled: dict[str, Any]) -> str:
    """The address of ``rule`` with the ids of what the own shop has."""
    number = 1 if "<int:number>" in rule.rule else "CN-000001"
    fixed = {"kind": "label", "format": "pdf", "bucket": "available", "number": number, "name": "label.pdf"}
    values = {name: fixed.get(name) or filled[name] for name in rule.arguments}
    return str(app.url_map.bind("localhost").build(rule.endpoint, values))


@pytest.mark.parametrize("role", ROLES)
def test_a_role_at_another_shop_opens_no_page_and_does_nothing_here(
    world: World, app: Flask, role: str
) -> None:
    """Whoever may do everything at another shop may do here what their role here may, and no more."""
    filled = fill(world, world.own, "own.customer@customer.example", "Own Customer")
    with app.app_context():
        person = people.create_user(
            email="both@people.example", name="Demo both", password="a password for tests",
            roles={"own": role, "other": "admin"}, now=now(),
        )  # fmt: skip
        token = sessions.begin(person, way="password", browser="a test", now=now())
    client = app.test_client()
    with client.session_transaction() as session:
        session["person"] = token
    client.get("/admin/")
    tried, wrong = 0, []
    for rule, method, permission in routes(app):
        named = {name for name in rule.arguments if name.endswith("_id")}
        if role in PERMISSIONS[permission] or not named:
            continue
        tried += 1
        status = client.open(of_own(app, rule, filled), method=method).status_code
        if status != (404 if named <= OF_PERSONS else 403):
            wrong.append(f"{method} {rule.rule} ({permission}): {status}")
    assert not wrong, "\n".join(wrong)
    assert tried > 20 or role == "admin"


def test_nobody_gets_anything(world: World, app: Flask) -> None:
    client = app.test_client()
    client.get("/admin/sign-in")
    wrong = []
    for rule, method, _ in routes(app):
        answer = client.open(path_of(app, rule), method=method)
        if answer.status_code != 303 or "/admin/sign-in" not in answer.location:
            wrong.append(f"{method} {rule.rule}: {answer.status_code}")
    assert not wrong


def test_every_view_names_what_it_needs(app: Flask) -> None:
    """Signing in and out apart: a page that names nothing is a fault, not a choice."""
    free = [
        rule.rule
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/admin") and not hasattr(app.view_functions[rule.endpoint], "needs")
    ]
    assert sorted(set(free)) == [
        "/admin/sign-in",
        "/admin/sign-in/oidc",
        "/admin/sign-in/oidc/back",
        "/admin/sign-in/oidc/signed-out",
        "/admin/sign-out",
        "/admin/welcome/<string:token>",
    ]


def test_the_holder_of_a_link_gets_nothing_of_the_desk(world: World, app: Flask) -> None:
    client = app.test_client()
    client.get("/admin/sign-in")
    with client.session_transaction() as session:
        session["links"] = {str(uuid4()): str(uuid4())}
    wrong = [
        f"{method} {rule.rule}"
        for rule, method, _ in routes(app)
        if client.open(path_of(app, rule), method=method).status_code != 303
    ]
    assert not wrong


def test_a_person_without_any_shop_gets_nothing(world: World, app: Flask) -> None:
    client = world.signed_in("admin")
    from portal.db.base import db, transaction
    from portal.db.people import Membership

    with app.app_context(), transaction():
        db.session.query(Membership).delete()
    assert client.get("/admin/").status_code == 403


@pytest.mark.parametrize(
    ("role", "missing"),
    [("csr", set()), ("warehouse", {"g f", "n"}), ("finance", {"g d", "n"})],
)
def test_every_key_leads_to_a_page_that_this_role_may_open(
    world: World, role: str, missing: set[str]
) -> None:
    client = world.signed_in(role)
    sheet = client.get("/admin/").get_data(as_text=True)
    goes = dict(re.findall(r'data-keys="([^"]+)"[^>]* data-goes="([^"]+)"', sheet))
    assert set(goes) == {"n", "g i", "g r", "g o", "g c", "g f", "g d"} - missing
    assert {keys: client.get(url).status_code for keys, url in goes.items()} == dict.fromkeys(goes, 200)
