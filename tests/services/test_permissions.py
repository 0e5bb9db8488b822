"""Denied by default, use case by use case: permission is judged before anything is looked at or written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from portal.core.access import PERMISSIONS, ROLES, Actor, NotAllowed, NotFound
from portal.db.base import Base, db, transaction, uuid7
from portal.services import work
from portal.services.handling import bulk
from tests.builders import a_person
from tests.services import use_cases
from tests.services.use_cases import NEEDS, OF_ONESELF, OF_PEOPLE, Case
from tests.web.admin_world import World, a_world, now
from tests.web.test_admin_merchants import fill


@pytest.fixture
def world(app: Flask) -> World:
    return a_world(app)


@pytest.fixture
def there(world: World) -> dict[str, Any]:
    """What the own shop has, by the names that use cases have for it."""
    found = fill(world, world.own, "own.customer@customer.example", "Own Customer")
    app = world.app
    given = {
        name: value for name, value in found.items() if name.endswith("_id") or name in ("back", "canceled")
    }
    with app.app_context(), transaction():
        work.enqueue("mail", given["mail_id"], run=7, delay=3600)
    return given | {
        "item_id": f"mail-{given['mail_id']}-run7",
        "request_id": found["entry_id"], "a role": {world.own: "csr"}, "now": now(), "gateways": world.gateways,
        "site": app.extensions["site"], "folder": app.config["SETTINGS"].upload_dir,
    }  # fmt: skip


def everything() -> dict[str, list[str]]:
    """Every row of every table, the history and the end of its chain with them; and the state of all durable work."""
    db.session.rollback()
    tables = Base.metadata.sorted_tables
    found = {one.name: sorted(str(row) for row in db.session.execute(sa.select(one))) for one in tables}
    return found | {"durable work": sorted(f"{one.id} {one.status}" for one in work.listing(limit=1000))}


@contextmanager
def nothing_written(wrong: list[str]) -> Iterator[list[str]]:
    """No statement that writes is sent, not even one that is undone; in the end every row is as it was."""
    sent: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        if statement.lstrip().upper().startswith(("INSERT", "UPDATE", "DELETE")):
            sent.append(statement.split("\n")[0][:60])

    before = everything()
    sa.event.listen(db.engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        sa.event.remove(db.engine, "before_cursor_execute", note)
    after = everything()
    assert not wrong, "\n".join(wrong)
    assert after == before


def answer_to(actor: Actor, case: Case, there: dict[str, Any], sent: list[str]) -> str:
    """What becomes of it: ``NotAllowed`` and for want of which permission, ``NotFound``, or what should not be."""
    sent.clear()
    try:
        case.call(actor, **use_cases.arguments(case, there))
        said = "it was done"
    except NotAllowed as refused:
        said = f"NotAllowed {refused.permission}"
    except NotFound:
        said = "NotFound"
    except Exception as problem:
        said = f"it looked at what was given: {problem!r}"
    finally:
        db.session.rollback()
    return said if not sent else f"{said}, having written: {sent}"


def test_a_role_without_the_permission_is_refused_before_anything_else(
    world: World, there: dict[str, Any]
) -> None:
    """Also where the same person may do it at another shop."""
    wrong: list[str] = []
    tried = 0
    with world.app.app_context(), nothing_written(wrong) as sent:
        for case in use_cases.cases():
            for role in set(ROLES) - PERMISSIONS[case.needs]:
                person = a_person(world.own, role)
                elsewhere = Actor(
                    kind="person", id=uuid7(), name="Demo both", roles={world.own: role, world.other: "admin"}
                )
                for actor in (person, elsewhere) if use_cases.names_something(case, there) else (person,):
                    tried += 1
                    said = answer_to(actor, case, there, sent)
                    hidden = actor is elsewhere and case.call in OF_PEOPLE and said == "NotFound"
                    if said.removeprefix("NotAllowed ") not in case.refusals(role) and not hidden:
                        wrong.append(f"{case.name}, {role} (needs {case.needs}): {said}")
    assert tried > 200


@pytest.mark.parametrize("who", ["an admin of another shop", "somebody of no shop"])
def test_for_somebody_of_another_shop_it_is_not_there(world: World, there: dict[str, Any], who: str) -> None:
    wrong: list[str] = []
    roles = {world.other: "admin"} if who.startswith("an admin") else {}
    stranger = Actor(kind="person", id=uuid7(), name="Demo stranger", roles=roles)
    with world.app.app_context(), nothing_written(wrong) as sent:
        for case in use_cases.cases():
            if not use_cases.names_something(case, there):
                continue
            said = answer_to(stranger, case, there, sent)
            hidden = case.call in OF_PEOPLE and not roles and said == "NotAllowed people.edit"
            if said != "NotFound" and not hidden:
                wrong.append(f"{case.name}: {said}")


def test_the_holder_of_a_link_to_another_return_does_nothing_with_this_one(
    world: World, there: dict[str, Any]
) -> None:
    wrong: list[str] = []
    holder = Actor(
        kind="link", id=uuid7(), name="Demo Customer", return_id=uuid7(), merchant_id=there["merchant_id"]
    )
    with world.app.app_context(), nothing_written(wrong) as sent:
        for case in (*use_cases.cases(), *use_cases.of_customers()):
            said = answer_to(holder, case, there, sent)
            if said != "NotFound" and not said.startswith("NotAllowed ") or sent:
                wrong.append(f"{case.name}: {said}")


def test_nobody_of_a_shop_answers_for_a_customer(world: World, there: dict[str, Any]) -> None:
    wrong: list[str] = []
    with world.app.app_context(), nothing_written(wrong) as sent:
        for case, role, shop in product(use_cases.of_customers(), ROLES, (world.own, world.other)):
            said = answer_to(a_person(shop, role), case, there, sent)
            if said != "NotFound" and not said.startswith("NotAllowed ") or sent:
                wrong.append(f"{case.name}, {role}: {said}")


def test_what_is_a_persons_own_is_not_there_for_a_colleague(world: World, there: dict[str, Any]) -> None:
    wrong: list[str] = []
    with world.app.app_context(), nothing_written(wrong) as sent:
        for call, role in product(OF_ONESELF, ROLES):
            said = answer_to(a_person(world.own, role), Case(call=call, needs=""), there, sent)
            if not said.startswith("NotFound"):  # an UPDATE may have looked for it among one's own rows
                wrong.append(f"{use_cases.name_of(call)}, {role}: {said}")


def test_many_at_once_are_refused_one_by_one(world: World, there: dict[str, Any]) -> None:
    wrong: list[str] = []
    with world.app.app_context(), nothing_written(wrong) as sent:
        refusals = ((world.own, "finance", "not_allowed"), (world.other, "admin", "not_found"))
        for action, (shop, role, code) in product(set(bulk.ACTIONS) - {"labels"}, refusals):
            given = {"reason": "final_sale", "tag": "demo"}
            found = bulk.run(a_person(shop, role), action, [there["return_id"]], now=now(), **given)
            if [one.code for one in found] != [code] or sent:
                wrong.append(f"{action}, {role}: {found}")


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_every_use_case_that_writes_is_in_the_table(app: Flask) -> None:
    """A new one fails this until it is listed with the permission that it asks for, or with why it is not."""
    tested: list[Callable[..., Any]] = [case.call for case in (*use_cases.cases(), *use_cases.of_customers())]
    listed = {use_cases.name_of(call) for call in (*tested, *OF_ONESELF)} | set(use_cases.ELSEWHERE)
    written = use_cases.writing()
    assert sorted(set(written) - listed) == []
    assert sorted(set(use_cases.ELSEWHERE) - set(written)) == []
    assert len(written) > 110
    assert set(NEEDS) <= set(PERMISSIONS)
