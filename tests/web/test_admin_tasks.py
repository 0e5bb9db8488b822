"""Tasks lead to what they are about."""

import pytest
from flask import Flask

from portal.db.base import transaction
from portal.services import tasks
from tests.web.admin_world import World, a_world, now

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def world(app: Flask) -> World:
    return a_world(app)


@pytest.mark.parametrize("kind", ["exchange_wanted", "safety_recall", "warehouse_silent"])
def test_a_task_about_a_return_leads_to_it(world: World, kind: str) -> None:
    back = world.confirmed()
    told = {"number": "RMA-1", "return_id": str(back), "rule": "A rule"}
    with world.app.app_context(), transaction():
        tasks.open(kind, str(back), merchant_id=world.own, subject_id=back, details=told, now=now())
    assert f"/admin/returns/{back}" in world.signed_in("supervisor").get("/admin/tasks").page.links().values()
