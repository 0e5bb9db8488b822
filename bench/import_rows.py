"""How long the import takes beside plain ``csv`` reading and ``executemany`` of the same rows.

``python -m bench.import_rows [LINES]`` prints one line per database: seconds, rows a second, and the ratio.
The plain side reads the same file and writes the very rows that the import wrote, into the same tables with
the same checks and keys, in as many transactions, by the driver alone; making those rows is not counted.
"""

import csv
import io
import json
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy.engine import make_url

from portal import create_app
from portal.adapters.orders import build
from portal.core.access import SYSTEM
from portal.core.policy.terms import Terms
from portal.services import intake, merchants
from tests import databases, postgres

TABLES = ("merchants", "policies", "orders", "order_lines", "payments", "order_payments")
NOW = datetime(2026, 3, 20, 12, 0, tzinfo=UTC)
HEADING = (
    "InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country",
)  # fmt: skip


def a_file(folder: Path, lines: int) -> Path:
    """An export of a made-up shop: orders of 1 to 40 lines, each line with eight values."""
    out = io.StringIO()
    rows = csv.writer(out)
    rows.writerow(HEADING)
    written = order = 0
    while written < lines:
        order += 1
        for line in range(min(1 + order * 7 % 40, lines - written)):
            sku = (order * 31 + line * 17) % 4000
            day = f"2026-{1 + order % 12:02}-{1 + order % 28:02} {order % 24:02}:{order % 60:02}:00"
            name = f"DEMO ARTICLE NUMBER {sku}"
            rows.writerow(
                [500_000 + order, f"{sku:05}", name, 1 + line % 12, day, f"{sku % 2000 / 100:.2f}",
                 f"{10_000 + order % 3000}.0", "United Kingdom"]
            )  # fmt: skip
            written += 1
    file = folder / "orders.csv"
    file.write_text(out.getvalue())
    return file


def imported(database: databases.Database, file: Path) -> float:
    """Seconds that the import takes."""
    app = create_app(database.settings())
    with app.app_context():
        shop = merchants.create(
            slug="bench", name="Bench", support_email="bench@example.com", address={}, terms=Terms(), now=NOW
        )
        source = build("csv", [str(file)], mapping="online-retail.toml")
        before = time.perf_counter()
        counts = intake.import_orders(SYSTEM, shop, source.read(), source="csv", now=NOW)
        took = time.perf_counter() - before
    if counts.refused or not counts.imported:
        raise RuntimeError(f"the import went wrong: {counts}")
    databases.close(app)
    return took


@contextmanager
def driver(database: databases.Database) -> Iterator[Any]:
    if database.kind == "sqlite":
        connection: Any = sqlite3.connect(make_url(database.url).database or "", isolation_level=None)
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")
    else:
        address = make_url(database.url).set(drivername="postgresql")
        connection = psycopg.connect(address.render_as_string(hide_password=False), autocommit=True)
    try:
        yield connection
    finally:
        connection.close()


def rows_of(database: databases.Database) -> dict[str, tuple[list[str], list[tuple[Any, ...]]]]:
    """What the import wrote, as the driver takes it."""
    found = {}
    with driver(database) as connection:
        for table in TABLES:
            cursor = connection.execute(f"SELECT * FROM {table} ORDER BY id")
            names = [column[0] for column in cursor.description]
            plain = [
                tuple(json.dumps(value) if isinstance(value, list | dict) else value for value in row)
                for row in cursor
            ]
            found[table] = names, plain
    return found


def plain(
    database: databases.Database, file: Path, rows: dict[str, tuple[list[str], list[tuple[Any, ...]]]]
) -> float:
    """Seconds that reading the file and writing these rows takes."""
    mark = "?" if database.kind == "sqlite" else "%s"
    batches = max(1, len(rows["orders"][1]) // intake.BATCH)
    with driver(database) as connection:
        cursor = connection.cursor()
        before = time.perf_counter()
        with file.open(newline="") as text:
            read = sum(1 for _ in csv.reader(text))
        for table, (names, values) in rows.items():
            columns, marks = ", ".join(names), ", ".join([mark] * len(names))
            step = max(1, -(-len(values) // batches))
            for start in range(0, len(values), step):
                cursor.execute("BEGIN")
                statement = f"INSERT INTO {table} ({columns}) VALUES ({marks})"
                cursor.executemany(statement, values[start : start + step])
                cursor.execute("COMMIT")
                if database.kind == "postgresql" and (start // step).bit_count() <= 1:
                    cursor.execute(f"ANALYZE {table}")
        took = time.perf_counter() - before
    if read <= 1:
        raise RuntimeError("nothing was read")
    return took


def compare(template: Any, folder: Path, lines: int, times: int = 3) -> tuple[float, float]:
    """Seconds of the import, and of the plain way, on fresh databases: each the best of ``times``."""
    file = a_file(folder, lines)
    ours, bare = [], []
    for _ in range(times):
        with template.fresh() as database:
            ours.append(imported(database, file))
            rows = rows_of(database)
        with template.fresh() as database:
            bare.append(plain(database, file, rows))
    return min(ours), min(bare)


def main(lines: int = 100_000) -> None:
    folder = postgres.fast_folder("returns-bench-")
    with postgres.running() as server:
        for template in (
            databases.SqliteTemplate(folder),
            databases.PostgresTemplate(server, folder, "bench"),
        ):
            took, bare = compare(template, folder, lines)
            kind = "SQLite" if isinstance(template, databases.SqliteTemplate) else "PostgreSQL"
            print(
                f"import, {kind}: {lines} rows in {took:.1f} s, {lines / took:,.0f} rows/s; "
                f"csv + executemany {bare:.1f} s, {lines / bare:,.0f} rows/s; ratio {took / bare:.2f}"
            )
            if isinstance(template, databases.PostgresTemplate):
                template.close()


if __name__ == "__main__":
    main(*(int(number) for number in sys.argv[1:2]))
