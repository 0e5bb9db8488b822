"""The sandbox warehouse's own books: a SQLite file that any number of processes may share."""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from portal.adapters import signatures
from portal.core.logistics import LeaveOut, LeaveOutAnswer, WarehouseOrder

_VERSION = 1
_TABLES = """
CREATE TABLE IF NOT EXISTS orders (
    merchant TEXT NOT NULL, ref TEXT NOT NULL, number TEXT NOT NULL, PRIMARY KEY (merchant, ref)
);
CREATE TABLE IF NOT EXISTS lines (
    merchant TEXT NOT NULL, ref TEXT NOT NULL, line TEXT NOT NULL, sku TEXT NOT NULL, location TEXT NOT NULL,
    units INTEGER NOT NULL, left_out INTEGER NOT NULL DEFAULT 0,
    picked INTEGER NOT NULL DEFAULT 0 CHECK (picked >= 0),
    shipped INTEGER NOT NULL DEFAULT 0 CHECK (shipped >= 0),
    wave INTEGER NOT NULL DEFAULT 0 CHECK (wave >= 0),
    code TEXT NOT NULL DEFAULT '', cut_off REAL,
    PRIMARY KEY (merchant, ref, line),
    FOREIGN KEY (merchant, ref) REFERENCES orders (merchant, ref),
    CHECK (left_out >= 0 AND left_out + picked + shipped + wave <= units)
);
CREATE TABLE IF NOT EXISTS requests (
    key TEXT PRIMARY KEY, merchant TEXT NOT NULL, ref TEXT NOT NULL, body TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('released', 'pending', 'refused', 'shipped')),
    code TEXT NOT NULL DEFAULT '', message TEXT NOT NULL DEFAULT '', about TEXT NOT NULL DEFAULT '[]',
    ends TEXT NOT NULL DEFAULT '', at REAL NOT NULL, lost INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS events (
    number INTEGER PRIMARY KEY, type TEXT NOT NULL, merchant TEXT NOT NULL, ref TEXT NOT NULL,
    data TEXT NOT NULL, at REAL NOT NULL, told_at REAL
);
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


@dataclass(frozen=True, kw_only=True)
class Kept:
    """One line as this warehouse has it. ``wave`` are units that are being picked just now."""

    merchant: str
    ref: str
    line: str
    sku: str
    location: str
    units: int
    left_out: int
    picked: int
    shipped: int
    wave: int
    code: str
    cut_off: float | None

    @property
    def free(self) -> int:
        """Units on the shelf that nobody has touched."""
        return self.units - self.left_out - self.picked - self.shipped - self.wave


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request to leave units out, and what became of it. ``ends``: how a pending one is to end."""

    key: str
    merchant: str
    ref: str
    body: dict[str, Any]
    state: str
    code: str
    message: str
    about: tuple[str, ...]
    ends: str
    at: float

    @property
    def answer(self) -> LeaveOutAnswer:
        return LeaveOutAnswer(state=self.state, code=self.code, message=self.message, lines=self.about)


@dataclass(frozen=True, kw_only=True)
class Event:
    """One event as it is told to the portal; ``told_at`` None: not yet."""

    number: int
    type: str
    merchant: str
    ref: str
    data: dict[str, Any]
    at: float
    told_at: float | None


class Books:
    """Transactions on the file; every one of them is alone."""

    def __init__(self, path: Path) -> None:
        self._path, self._ready = path, False

    @contextmanager
    def open(self) -> Iterator[sqlite3.Connection]:
        if not self._ready:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(self._path, timeout=30, isolation_level=None)) as db:
            if not self._ready:
                db.execute("PRAGMA journal_mode=WAL")
            db.execute("BEGIN IMMEDIATE")
            try:
                if not self._ready:
                    _set_up(db)
                yield db
            except BaseException:
                db.execute("ROLLBACK")
                raise
            db.execute("COMMIT")
            self._ready = True


def _set_up(db: sqlite3.Connection) -> None:
    if db.execute("PRAGMA user_version").fetchone()[0] >= _VERSION:
        return
    for statement in _TABLES.split(";\n"):
        db.execute(statement)
    db.execute("INSERT INTO settings VALUES ('secret', ?)", (signatures.new_secret(),))
    db.execute(f"PRAGMA user_version = {_VERSION}")


# ------------------------------------------------------------------------------------------------- orders and lines


def learn(db: sqlite3.Connection, told: WarehouseOrder) -> None:
    """Take an order in, or what is new about it; what was done with its goods here stays as it is."""
    _learn_head(db, told.merchant, told.order, told.number)
    _learn_lines(
        db,
        told.merchant,
        told.order,
        [(one.line, one.sku, one.location, one.units, one.shipped) for one in told.lines],
    )


def learn_request(db: sqlite3.Connection, request: LeaveOut) -> None:
    """An order that was never told of is what shall be left out and what is still to be sent."""
    if db.execute(
        "SELECT 1 FROM orders WHERE merchant = ? AND ref = ?", (request.merchant, request.order)
    ).fetchone():
        return
    _learn_head(db, request.merchant, request.order, request.number)
    found: dict[str, tuple[str, str, int]] = {}
    for one in (*request.lines, *(line for shipment in request.shipments for line in shipment.lines)):
        _, _, before = found.get(one.line, ("", "", 0))
        found[one.line] = one.sku, one.location, before + one.units
    _learn_lines(
        db,
        request.merchant,
        request.order,
        [(line, sku, place, units, 0) for line, (sku, place, units) in found.items()],
    )


def _learn_head(db: sqlite3.Connection, merchant: str, ref: str, number: str) -> None:
    db.execute("INSERT INTO orders VALUES (?, ?, ?) ON CONFLICT DO NOTHING", (merchant, ref, number))


def _learn_lines(
    db: sqlite3.Connection, merchant: str, ref: str, lines: Iterable[tuple[str, str, str, int, int]]
) -> None:
    db.executemany(
        "INSERT INTO lines (merchant, ref, line, sku, location, units, shipped) VALUES (?, ?, ?, ?, ?, ?, ?) "
        "ON CONFLICT DO NOTHING",
        [
            (merchant, ref, line, sku, place, units, min(shipped, units))
            for line, sku, place, units, shipped in lines
        ],
    )


def find(db: sqlite3.Connection, merchant: str, order: str) -> str:
    """The channel's id of an order, by it or by the number. Raises ``LookupError``."""
    found = db.execute(
        "SELECT ref FROM orders WHERE merchant = ? AND (ref = ? OR number = ?) ORDER BY ref = ? DESC",
        (merchant, order, order, order),
    ).fetchone()
    if found is None:
        raise LookupError(f"the sandbox knows no order {order} of {merchant}")
    return str(found[0])


def lines(db: sqlite3.Connection, merchant: str, ref: str) -> dict[str, Kept]:
    """Line id -> the line, in the order they were told."""
    rows = db.execute(
        "SELECT line, sku, location, units, left_out, picked, shipped, wave, code, cut_off FROM lines "
        "WHERE merchant = ? AND ref = ? ORDER BY rowid",
        (merchant, ref),
    ).fetchall()
    names = ("line", "sku", "location", "units", "left_out", "picked", "shipped", "wave", "code", "cut_off")
    return {row[0]: Kept(merchant=merchant, ref=ref, **dict(zip(names, row, strict=True))) for row in rows}


def change(db: sqlite3.Connection, kept: Kept, **by: int) -> None:
    """Add to counters of a line (``picked=2, wave=-2``)."""
    for name in by:
        if name not in ("left_out", "picked", "shipped", "wave", "units"):
            raise ValueError(name)
    sets = ", ".join(f"{name} = {name} + ?" for name in by)
    db.execute(
        f"UPDATE lines SET {sets} WHERE merchant = ? AND ref = ? AND line = ?",  # noqa: S608  names are checked
        (*by.values(), kept.merchant, kept.ref, kept.line),
    )


# ---------------------------------------------------------------------------------------------------- requests


def request(db: sqlite3.Connection, key: str) -> Request | None:
    return next(iter(_requests(db, "WHERE key = ?", key)), None)


def pending(db: sqlite3.Connection, before: float) -> list[Request]:
    """Requests whose answer is still to come, of those asked until then, oldest first."""
    return _requests(db, "WHERE state = 'pending' AND at <= ?", before)


def every_request(db: sqlite3.Connection) -> list[Request]:
    return _requests(db, "")


def _requests(db: sqlite3.Connection, where: str, *values: object) -> list[Request]:
    rows = db.execute(
        "SELECT key, merchant, ref, body, state, code, message, about, ends, at FROM requests "  # noqa: S608  ours
        f"{where} ORDER BY rowid",
        values,
    )
    return [
        Request(key=key, merchant=merchant, ref=ref, body=json.loads(body), state=state, code=code,
                message=message, about=tuple(json.loads(about)), ends=ends, at=at)
        for key, merchant, ref, body, state, code, message, about, ends, at in rows.fetchall()
    ]  # fmt: skip


def keep_request(db: sqlite3.Connection, one: Request) -> None:
    db.execute(
        "INSERT INTO requests (key, merchant, ref, body, state, code, message, about, ends, at) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET "
        "state = excluded.state, code = excluded.code, message = excluded.message, about = excluded.about",
        (one.key, one.merchant, one.ref, json.dumps(one.body), one.state, one.code, one.message,
         json.dumps(one.about), one.ends, one.at),
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------------ events


def tell(
    db: sqlite3.Connection, type: str, merchant: str, ref: str, data: dict[str, Any], *, at: float
) -> int:
    """Write down what the portal is to be told; answers its number."""
    made = db.execute(
        "INSERT INTO events (type, merchant, ref, data, at) VALUES (?, ?, ?, ?, ?)",
        (type, merchant, ref, json.dumps(data), at),
    )
    return made.lastrowid or 0


def untold(db: sqlite3.Connection) -> list[Event]:
    return _events(db, "WHERE told_at IS NULL")


def every_event(db: sqlite3.Connection) -> list[Event]:
    return _events(db, "")


def _events(db: sqlite3.Connection, where: str) -> list[Event]:
    rows = db.execute(
        f"SELECT number, type, merchant, ref, data, at, told_at FROM events {where} ORDER BY number"  # noqa: S608
    )
    return [
        Event(
            number=number, type=type, merchant=merchant, ref=ref, data=json.loads(data), at=at, told_at=told
        )
        for number, type, merchant, ref, data, at, told in rows.fetchall()
    ]


def told(db: sqlite3.Connection, number: int, at: float) -> None:
    db.execute("UPDATE events SET told_at = ? WHERE number = ?", (at, number))


def setting(db: sqlite3.Connection, name: str, default: str = "") -> str:
    found = db.execute("SELECT value FROM settings WHERE name = ?", (name,)).fetchone()
    return str(found[0]) if found else default


def set_to(db: sqlite3.Connection, name: str, value: str) -> None:
    db.execute(
        "INSERT INTO settings VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        (name, value),
    )
