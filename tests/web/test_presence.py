"""Two people on one return see each other, for as long as their pages say so."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from portal.core.access import Actor, NotFound
from portal.services.handling import presence
from portal.services.persons import people
from tests.builders import a_person
from tests.web.admin_world import PASSWORD, World, a_world, now


@pytest.fixture
def world(app: Flask) -> World:
    return a_world(app)


def someone(world: World, role: str) -> Actor:
    """An actor who is a person that was created."""
    person_id = people.create_user(
        email=f"{role}@people.example", name=f"Demo {role}", password=PASSWORD, roles={"own": role}, now=now()
    )
    return replace(a_person(world.own, role), id=person_id)


def test_whoever_has_it_open_is_named_with_what_they_do(world: World) -> None:
    asked, agent, boss = world.requested(), world.signed_in("csr"), world.signed_in("supervisor")
    assert "Nobody else" in agent.get(f"/admin/returns/{asked}/presence?doing=decide").page.text
    seen = boss.get(f"/admin/returns/{asked}/presence", htmx="presence")
    assert "Demo csr is deciding this." in seen.text
    assert "Demo supervisor is looking at this." in agent.get(f"/admin/returns/{asked}/presence").page.text


def test_who_was_not_heard_of_for_25_seconds_is_gone(world: World) -> None:
    asked, at = world.requested(), now()
    with world.app.app_context():
        one, another = someone(world, "csr"), someone(world, "supervisor")
        presence.here(one, asked, "decide", at)
        presence.here(one, asked, "no such thing", at)
        assert [who.doing for who in presence.others(another, asked, at + timedelta(seconds=24))] == [""]
        assert presence.others(another, asked, at + timedelta(seconds=26)) == ()
        assert presence.others(one, asked, at) == ()


def test_a_stranger_sees_nobody_and_is_seen_by_nobody(world: World) -> None:
    asked = world.requested()
    with world.app.app_context():
        stranger = a_person(world.other, "admin")
        with pytest.raises(NotFound):
            presence.here(stranger, asked, "", now())
        with pytest.raises(NotFound):
            presence.others(stranger, asked, now())
    assert (
        world.signed_in("admin", merchants=(world.other,)).get(f"/admin/returns/{asked}/presence").status_code
        == 404
    )


def test_pages_of_a_return_ask_every_ten_seconds(world: World) -> None:
    asked: Any = world.requested()
    client = world.signed_in("supervisor")
    for path, doing in (("", None), ("/decision", "decide"), ("/decline", None)):
        part = client.get(f"/admin/returns/{asked}{path}").page.by_id("presence")
        assert part.get("hx-trigger") == "load, every 10s"
        assert (f"doing={doing}" in part.get("hx-get")) == (doing is not None)
