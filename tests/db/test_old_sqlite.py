"""The work engine's clock on SQLite, whatever version the system has."""

import time

import pytest
from sqlalchemy import create_engine, text

from portal.db import old_sqlite


@pytest.mark.parametrize("asked", ["subsec", "now"])
def test_the_present_time_is_told_in_seconds(asked: str) -> None:
    with create_engine("sqlite://").connect() as connection:
        told = connection.execute(text("SELECT unixepoch(:asked)"), {"asked": asked}).scalar()
    assert abs(float(told or 0) - time.time()) < 5


def test_a_column_can_have_it_as_its_default() -> None:
    with create_engine("sqlite://").connect() as connection:
        made = "CREATE TABLE t (a INTEGER, at INTEGER NOT NULL DEFAULT (unixepoch('subsec') * 1000))"
        connection.execute(text(made))
        connection.execute(text("INSERT INTO t (a) VALUES (1)"))
        at = connection.execute(text("SELECT at FROM t")).scalar()
    assert abs(float(at or 0) - time.time() * 1000) < 5000


def test_fractions_are_told_apart() -> None:
    assert len({old_sqlite.unixepoch("subsec") for _ in range(50)}) > 1


def test_what_is_not_known_is_an_error_not_a_wrong_time() -> None:
    with pytest.raises(ValueError, match="not known"):
        old_sqlite.unixepoch("2001-01-01")
