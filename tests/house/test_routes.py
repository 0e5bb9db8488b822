"""Every address of the app: its methods, its parameters, its name, and who may call it."""

import re
from collections.abc import Iterator

import pytest
from flask import Flask
from werkzeug.routing import Rule

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

# Reachable by anybody: how one comes in, what machines ask, what the pages are made of.
OPEN = re.compile(
    r"^(static|assets?\.|health\.|errors?\.|customer\.|start\.|demo\.|mails?\.|public\.|admin\.sign_in\b|admin\.session\b)"
)


def rules(app: Flask) -> Iterator[Rule]:
    return (rule for rule in app.url_map.iter_rules() if rule.endpoint != "static")


def test_there_are_routes(app: Flask) -> None:
    assert len(list(rules(app))) > 10


def test_a_route_can_be_used_by_a_form(app: Flask) -> None:
    allowed = {"GET", "HEAD", "OPTIONS", "POST"}
    assert not [f"{rule.endpoint}: {rule.methods}" for rule in rules(app) if not rule.methods <= allowed]


def test_every_parameter_says_its_type(app: Flask) -> None:
    assert not [rule.rule for rule in rules(app) if re.search(r"<[^:>]+>", rule.rule)]


def test_every_id_in_an_address_is_a_uuid(app: Flask) -> None:
    wrong = [rule.rule for rule in rules(app) if re.search(r"<(?!uuid)\w+(\([^)]*\))?:(\w+_)?id>", rule.rule)]
    assert not wrong


def test_every_admin_page_names_its_permission(app: Flask) -> None:
    missing = []
    for rule in rules(app):
        view = app.view_functions[rule.endpoint]
        if not rule.endpoint.startswith("admin.") or OPEN.match(rule.endpoint):
            continue
        if not getattr(view, "needs", None):
            missing.append(f"{rule.endpoint} ({rule.rule})")
    assert not missing, "no permission is named by: " + ", ".join(sorted(missing))


def test_an_address_has_one_meaning(app: Flask) -> None:
    seen: dict[tuple[str, str], str] = {}
    twice = []
    for rule in rules(app):
        for method in rule.methods & {"GET", "POST"}:
            shape = re.sub(r"<[^>]+>", "<>", rule.rule)
            if (method, shape) in seen:
                twice.append(f"{method} {rule.rule}: {rule.endpoint} and {seen[method, shape]}")
            seen[method, shape] = rule.endpoint
    assert not twice


@pytest.mark.parametrize("path", ["/nowhere", "/admin/nowhere", "/l/"])
def test_an_address_that_leads_nowhere_gets_a_whole_page(app: Flask, path: str) -> None:
    assert app.test_client().get(path).status_code == 404


def test_livez_and_readyz_answer(app: Flask) -> None:
    client = app.test_client()
    assert client.get("/livez").status_code == 200
    assert client.get("/readyz").status_code == 200
