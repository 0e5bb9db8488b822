"""What a load balancer is told."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from flask import Flask

from portal.db.base import db
from portal.services import health
from portal.services.warehousing import warehouse
from tests.builders import a_merchant
from tests.checking import CheckingClient
from tests.databases import Database
from tests.services.cancelling import NOW, canceled, unshipped


def test_a_process_that_answers_is_alive_even_without_its_database(
    app: Flask, client: CheckingClient
) -> None:
    with app.app_context(), db.engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE alembic_version"))
    assert client.get("/livez").status_code == 200
    answer = client.get("/readyz")
    assert (answer.status_code, answer.get_data(as_text=True)) == (503, "database\n")


def test_a_migrated_database_and_a_writable_disk_are_ready(client: CheckingClient) -> None:
    answer = client.get("/readyz")
    assert (answer.status_code, answer.get_data(as_text=True)) == (200, "ready\n")
    assert client.get("/healthz").status_code == 200


def test_tables_of_another_version_are_not_ready(app: Flask, client: CheckingClient) -> None:
    with app.app_context(), db.engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = 'older'"))
    answer = client.get("/readyz")
    assert (answer.status_code, answer.get_data(as_text=True)) == (503, "migrations\n")


def test_a_full_disk_is_not_ready(session: object, app: Flask, database: Database) -> None:
    full = Path("/proc")  # a file system without a free byte
    found = health.faults(migrations=f"{app.root_path}/migrations", folders=(database.folder, full))
    assert found == ("disk",)


def test_asking_changes_nothing_and_sets_no_cookie(client: CheckingClient) -> None:
    for path in ("/livez", "/readyz"):
        assert "Set-Cookie" not in client.get(path).headers


def test_a_silent_warehouse_is_told_and_no_reason_to_stop(
    client: CheckingClient, session: object, gateways: Any, make_app: Any
) -> None:
    gateways = make_app(WAREHOUSE="sandbox").extensions["gateways"]
    order = unshipped(gateways, a_merchant())
    canceled(gateways, order.merchant_id, order, {"MUG": 1})
    assert client.get("/readyz").get_data(as_text=True) == "ready\n"
    warehouse.tell_of_silent(now=NOW + timedelta(minutes=15))
    answer = client.get("/readyz")
    assert (answer.status_code, answer.get_data(as_text=True)) == (200, "ready\nwarehouse_silent\n")
