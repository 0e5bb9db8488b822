"""How a database goes about what a page asks: which of its statements read a whole table."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

from bench.crowd import WRITTEN


@contextmanager
def watching() -> Iterator[list[tuple[str, Any]]]:
    """Every statement that is sent meanwhile, with its parameters."""
    sent: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_more: Any) -> None:
        if statement.lstrip("( ").startswith(("SELECT", "WITH")):
            sent.append((statement, parameters))

    event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(sa.Engine, "before_cursor_execute", note)


def full_scans(
    engine: sa.Engine,
    sent: Sequence[tuple[str, Any]],
    tables: Sequence[str] = WRITTEN,
    *,
    forced: bool = False,
) -> list[str]:
    """The steps that read all of one of ``tables``, or all of an index of it, each with its statement.

    ``forced`` forbids PostgreSQL what is quicker only among a few rows, where there is any other way.
    """
    found = []
    with engine.connect() as connection:
        if forced and engine.dialect.name == "postgresql":
            for way in ("seqscan", "hashjoin", "mergejoin"):
                connection.exec_driver_sql(f"SET LOCAL enable_{way} = off")
        for statement, parameters in dict(sent).items():
            steps = _sqlite if engine.dialect.name == "sqlite" else _postgresql
            found += [f"{step} IN {statement}" for step in steps(connection, statement, parameters, tables)]
        connection.rollback()
    return found


def _sqlite(connection: Any, statement: str, parameters: Any, tables: Sequence[str]) -> Iterator[str]:
    for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters):
        hit = re.match(r"SCAN (\w+)", row[3])
        if hit and _table_of(hit[1], statement) in tables:
            yield row[3]


def _table_of(name: str, statement: str) -> str:
    """The table that a statement calls so."""
    renamed = re.search(rf"(\w+) AS {re.escape(name)}\b", statement)
    return renamed[1] if renamed else name


PARTIAL = "SELECT indexrelid::regclass::text FROM pg_index WHERE indpred IS NOT NULL"


def _postgresql(connection: Any, statement: str, parameters: Any, tables: Sequence[str]) -> Iterator[str]:
    answer = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", parameters).scalar()
    plan = json.loads(answer) if isinstance(answer, str) else answer
    partial = set(connection.exec_driver_sql(PARTIAL).scalars())  # holds no more than what is asked for
    waiting = [plan[0]["Plan"]]
    while waiting:
        node = waiting.pop()
        waiting += node.get("Plans", [])
        read = node["Node Type"]
        if node.get("Relation Name") in tables and (
            read == "Seq Scan"
            or (
                read.startswith("Index")
                and "Index Cond" not in node
                and node.get("Index Name") not in partial
            )
        ):
            yield f"{read} on {node['Relation Name']} {node.get('Index Name', '')}"
