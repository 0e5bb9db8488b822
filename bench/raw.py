"""What there is to beat: one bare transaction of a return and its refund, and one bare page."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from flask import Flask, render_template_string
from sqlalchemy.engine import make_url

from bench.ground import Ground

TABLES = """
CREATE TABLE raw_lines (id INTEGER PRIMARY KEY, order_id INTEGER, units INTEGER, claimed INTEGER, refunded INTEGER);
CREATE TABLE raw_payments (id INTEGER PRIMARY KEY, captured INTEGER, refunded INTEGER);
CREATE TABLE raw_returns (id INTEGER PRIMARY KEY, order_id INTEGER, state TEXT);
CREATE TABLE raw_return_lines (return_id INTEGER, line_id INTEGER, units INTEGER);
CREATE TABLE raw_refunds (id INTEGER PRIMARY KEY, return_id INTEGER, amount INTEGER, breakdown TEXT);
CREATE TABLE raw_ledger (refund_id INTEGER, debit TEXT, credit TEXT, amount INTEGER);
CREATE TABLE raw_history (return_id INTEGER, what TEXT, details TEXT);
CREATE INDEX raw_lines_order ON raw_lines (order_id)
"""
LINES, UNITS = 5, 3


@contextmanager
def connected(ground: Ground) -> Iterator[Any]:
    """A plain connection, as durable as the portal's own."""
    url = make_url(ground.database.url)
    if ground.kind == "sqlite":
        connection: Any = sqlite3.connect(str(url.database), isolation_level=None)
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=30000"):
            connection.execute(f"PRAGMA {pragma}")
    else:
        plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
        connection = psycopg.connect(plain, autocommit=True)
    try:
        yield connection
    finally:
        connection.close()


def transactions(ground: Ground, count: int) -> list[float]:
    """Seconds of each of ``count`` transactions of 11 statements and one commit, by one client."""
    with connected(ground) as connection:
        for statement in TABLES.split(";"):
            connection.execute(statement)
        mark = "?" if ground.kind == "sqlite" else "%s"
        cursor = connection.cursor()
        cursor.execute("BEGIN")
        for number in range(count):
            cursor.execute(f"INSERT INTO raw_payments VALUES ({mark}, 100000, 0)", (number,))
            for line in range(LINES):
                row = (number * LINES + line, number, UNITS)
                cursor.execute(f"INSERT INTO raw_lines VALUES ({mark}, {mark}, {mark}, 0, 0)", row)
        cursor.execute("COMMIT")
        return [_one(cursor, number, mark, ground.kind) for number in range(count)]


def _one(cursor: Any, number: int, mark: str, kind: str) -> float:
    lock = "" if kind == "sqlite" else " FOR UPDATE"
    lines = (number * LINES, number * LINES + 1)
    began = time.perf_counter()
    cursor.execute("BEGIN IMMEDIATE" if kind == "sqlite" else "BEGIN")
    cursor.execute(f"SELECT * FROM raw_lines WHERE order_id = {mark} ORDER BY id{lock}", (number,)).fetchall()
    cursor.execute(f"SELECT * FROM raw_payments WHERE id = {mark}{lock}", (number,)).fetchall()
    for line in lines:
        cursor.execute(
            "UPDATE raw_lines SET claimed = claimed + 1, refunded = refunded + 2490 "
            f"WHERE id = {mark} AND claimed < units",
            (line,),
        )
    cursor.execute(f"INSERT INTO raw_returns VALUES ({mark}, {mark}, 'approved')", (number, number))
    for line in lines:
        cursor.execute(f"INSERT INTO raw_return_lines VALUES ({mark}, {mark}, 1)", (number, line))
    cursor.execute(
        f"UPDATE raw_payments SET refunded = refunded + 4980 WHERE id = {mark} AND refunded + 4980 <= captured",
        (number,),
    )
    cursor.execute(
        f"INSERT INTO raw_refunds VALUES ({mark}, {mark}, 4980, {mark})", (number, number, "x" * 400)
    )
    cursor.execute(f"INSERT INTO raw_ledger VALUES ({mark}, 'returns', 'payable', 4980)", (number,))
    cursor.execute(f"INSERT INTO raw_history VALUES ({mark}, 'return.approved', '{{}}')", (number,))
    cursor.execute("COMMIT")
    return time.perf_counter() - began


PAGE = """<!doctype html><html lang="en"><head><title>{{ title }}</title></head><body><h1>{{ title }}</h1><ul>
{% for row in rows %}<li id="row-{{ row.id }}">
<strong>{{ row.name }}</strong> <span>{{ row.text }}</span>
<input name="units-{{ row.id }}" value="{{ row.units }}"></li>
{% endfor %}</ul></body></html>"""
ROW = 170
"""Bytes of one row of it, about."""


def bare() -> Flask:
    """A page of Flask and Jinja and nothing else, as large as BARE_BYTES says; for gunicorn."""
    app = Flask("bare")
    count = max(1, int(os.environ.get("BARE_BYTES", "20000")) // ROW)

    @app.get("/readyz")
    @app.get("/")
    def page() -> str:
        rows = [
            {"id": i, "name": f"Sample item {i}", "text": "one size " * 8, "units": i % 3}
            for i in range(count)
        ]
        return render_template_string(PAGE, title="A bare page", rows=rows)

    return app
