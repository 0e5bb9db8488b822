"""The sandbox gateway's own books: tables, what may be given back or let go of a capture, and how it is named."""

import secrets
import sqlite3
from typing import Any

from portal.core.money import Minor
from portal.ports import Declined

_VERSION = 3
_TABLES = """
CREATE TABLE IF NOT EXISTS captures (
    reference TEXT PRIMARY KEY, currency TEXT NOT NULL, captured INTEGER NOT NULL CHECK (captured > 0),
    state TEXT NOT NULL DEFAULT 'captured' CHECK (state IN ('captured', 'authorized', 'void')),
    reserved INTEGER NOT NULL DEFAULT 0 CHECK (reserved >= 0)
);
CREATE TABLE IF NOT EXISTS made (
    number INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    capture TEXT NOT NULL REFERENCES captures (reference),
    amount INTEGER NOT NULL CHECK (amount > 0),
    state TEXT NOT NULL CHECK (state IN ('pending', 'requires_action', 'succeeded', 'failed', 'canceled')),
    error TEXT NOT NULL DEFAULT '',
    at REAL NOT NULL,
    kind TEXT NOT NULL DEFAULT 'refund' CHECK (kind IN ('refund', 'release'))
);
CREATE UNIQUE INDEX IF NOT EXISTS made_key ON made (key) WHERE key <> '';
CREATE TABLE IF NOT EXISTS disputes (
    number INTEGER PRIMARY KEY,
    capture TEXT NOT NULL REFERENCES captures (reference),
    amount INTEGER NOT NULL CHECK (amount > 0),
    state TEXT NOT NULL CHECK (state IN ('open', 'won', 'lost')),
    at REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS secret (value TEXT NOT NULL);
"""

_ADDED = (
    ("captures", "state", "TEXT NOT NULL DEFAULT 'captured'"),
    ("captures", "reserved", "INTEGER NOT NULL DEFAULT 0"),
    ("made", "kind", "TEXT NOT NULL DEFAULT 'refund'"),
)
"""What the first two versions of the books lacked."""

SETTLE = """
UPDATE made SET
    state = CASE WHEN capture LIKE '%-fails-late' OR state = 'succeeded' THEN 'failed' ELSE 'succeeded' END,
    error = CASE WHEN capture LIKE '%-fails-late' THEN 'the card is closed'
                 WHEN state = 'succeeded' THEN 'the bank sent it back' ELSE '' END
WHERE at <= :before
  AND (state IN ('pending', 'requires_action')
       OR state = 'succeeded' AND capture LIKE '%-returned' AND kind = 'refund')
"""

STARTS = {
    "-pending": ("pending", ""),
    "-fails-late": ("pending", ""),
    "-asks": ("requires_action", ""),
    "-fails": ("failed", "the card is closed"),
}


def set_up(db: sqlite3.Connection) -> None:
    """Make the tables, and take over the books of the sandbox's earlier versions."""
    before = db.execute("PRAGMA user_version").fetchone()[0]
    if before >= _VERSION:
        return
    for statement in _TABLES.split(";\n"):
        db.execute(statement)
    for table, column, kind in _ADDED:
        known = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
        if column not in known:
            db.execute(f"ALTER TABLE {table} ADD COLUMN {column} {kind}")
    if db.execute("SELECT 1 FROM sqlite_master WHERE name = 'refunds'").fetchone():
        db.execute(
            "INSERT INTO made (key, capture, amount, state, error, at) "
            "SELECT key, capture, amount, state, error, at FROM refunds ORDER BY rowid"
        )
        db.execute("DROP TABLE refunds")
    if before < 2:
        db.execute("INSERT INTO secret VALUES (?)", (secrets.token_hex(32),))
    db.execute(f"PRAGMA user_version = {_VERSION}")


def check(db: sqlite3.Connection, reference: str, amount: Minor, currency: str) -> None:
    capture = _known(db, reference, currency)
    if capture[2] != "captured":
        raise Declined("not_captured", f"it is {capture[2]}")
    left = capture[1] - refunded(db, reference) - disputed(db, reference)
    if amount <= 0 or amount > left:
        raise Declined("too_much", f"at most {left} can be refunded")


def reserved(db: sqlite3.Connection, reference: str, amount: Minor, currency: str) -> Minor:
    """What is still reserved, of which ``amount`` may be let go. Raises ``Declined``."""
    capture = _known(db, reference, currency)
    if capture[2] == "captured":
        raise Declined("already_captured", "the shop has captured it")
    left: Minor = capture[3] - released(db, reference)
    if amount <= 0 or amount > left:
        raise Declined("too_much", f"at most {left} can be let go")
    return left


def _known(db: sqlite3.Connection, reference: str, currency: str) -> Any:
    """Currency, captured, state and reserved. Raises ``Declined``."""
    found = db.execute(
        "SELECT currency, captured, state, reserved FROM captures WHERE reference = ?", (reference,)
    ).fetchone()
    if found is None:
        raise Declined("unknown_capture", "there is no such capture")
    if found[0] != currency:
        raise Declined("wrong_currency", f"the capture is in {found[0]}")
    return found


def refunded(db: sqlite3.Connection, reference: str) -> Minor:
    return _sum(db, "made", "kind = 'refund' AND state NOT IN ('failed', 'canceled')", reference)


def released(db: sqlite3.Connection, reference: str) -> Minor:
    return _sum(db, "made", "kind = 'release' AND state NOT IN ('failed', 'canceled')", reference)


def disputed(db: sqlite3.Connection, reference: str) -> Minor:
    return _sum(db, "disputes", "state <> 'won'", reference)


def _sum(db: sqlite3.Connection, table: str, where: str, reference: str) -> Minor:
    found = db.execute(
        f"SELECT coalesce(sum(amount), 0) FROM {table} WHERE capture = ? AND {where}",  # noqa: S608  ours
        (reference,),
    ).fetchone()
    return int(found[0])


def refund_id(number: int) -> str:
    return f"sandbox-{number:08d}"


def dispute_id(number: int) -> str:
    return f"dispute-{number:08d}"


def number(reference: str) -> int:
    return int(reference.rpartition("-")[2])
