"""A complete payment gateway that moves no money: a database of its own, keys, caps, delays and failures.

It stands apart from the portal's database as a real gateway would, so that both can be compared. How a
refund ends is told by the capture's reference: ``..-pending`` is pending for a while, ``..-fails`` fails at
once, ``..-fails-late`` is pending and then fails, ``..-unavailable`` takes effect and loses its first answer.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

from portal.core.money import Minor
from portal.ports import Capture, Declined, RefundResult, Unavailable

_TABLES = """
CREATE TABLE IF NOT EXISTS captures (
    reference TEXT PRIMARY KEY, currency TEXT NOT NULL, captured INTEGER NOT NULL CHECK (captured > 0)
);
CREATE TABLE IF NOT EXISTS refunds (
    key TEXT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    capture TEXT NOT NULL REFERENCES captures (reference),
    amount INTEGER NOT NULL CHECK (amount > 0),
    state TEXT NOT NULL CHECK (state IN ('pending', 'requires_action', 'succeeded', 'failed')),
    error TEXT NOT NULL DEFAULT '',
    at REAL NOT NULL
);
"""


_SETTLE = """
UPDATE refunds SET
    state = CASE WHEN capture LIKE '%-fails-late' THEN 'failed' ELSE 'succeeded' END,
    error = CASE WHEN capture LIKE '%-fails-late' THEN 'the card is closed' ELSE '' END
WHERE state = 'pending' AND at <= :before
"""


class SandboxPayments:
    """``ports.Payments`` on a SQLite file; any number of processes may share it."""

    code = "sandbox"

    def __init__(
        self, path: Path, *, settles_after: timedelta | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        """``settles_after`` is how long a refund stays pending; None: until ``settle`` is called."""
        self._path, self._settles_after, self._clock = path, settles_after, clock
        self._ready = False

    def learn(self, reference: str, *, captured: Minor, currency: str) -> None:
        with self._transaction() as db:
            db.execute(
                "INSERT INTO captures VALUES (?, ?, ?) ON CONFLICT (reference) DO NOTHING",
                (reference, currency, captured),
            )

    def capture(self, reference: str) -> Capture | None:
        with self._transaction() as db:
            row = db.execute(
                "SELECT currency, captured FROM captures WHERE reference = ?", (reference,)
            ).fetchone()
            if row is None:
                return None
            return Capture(
                reference=reference, currency=row[0], captured=row[1], refunded=_refunded(db, reference)
            )

    def refund(self, *, key: str, reference: str, amount: Minor, currency: str) -> RefundResult:
        with self._transaction() as db:
            known = _by_key(db, key)
            if known is not None:
                if known[1:3] != (reference, amount):
                    raise Declined("key_reused", "that key was used for another refund")
            else:
                self._execute(db, key, reference, amount, currency)
        result = self.look_up(key=key)
        if reference.endswith("-unavailable") and known is None:
            raise Unavailable("the connection was lost before the answer came")
        if result is None:
            raise Unavailable("the refund is nowhere to be found")
        return result

    def look_up(self, *, key: str, capture: str = "", reference: str = "") -> RefundResult | None:
        if self._settles_after is not None:
            self.settle(before=self._clock() - self._settles_after.total_seconds())
        with self._transaction() as db:
            row = _by_key(db, key)
            return _result(db, row) if row is not None else None

    def settle(self, *, before: float | None = None) -> int:
        """Let what is pending (since ``before``, if given) come to its end; answers how many refunds did."""
        with self._transaction() as db:
            done = db.execute(_SETTLE, {"before": self._clock() + 1 if before is None else before})
            return done.rowcount

    def refunds(self) -> list[tuple[str, str, Minor, str]]:
        """(key, capture, amount, state) of every refund, oldest first: the gateway's own list."""
        with self._transaction() as db:
            return list(db.execute("SELECT key, capture, amount, state FROM refunds ORDER BY rowid"))

    def _execute(
        self, db: sqlite3.Connection, key: str, reference: str, amount: Minor, currency: str
    ) -> None:
        capture = db.execute(
            "SELECT currency, captured FROM captures WHERE reference = ?", (reference,)
        ).fetchone()
        if capture is None:
            raise Declined("unknown_capture", "there is no such capture")
        if capture[0] != currency:
            raise Declined("wrong_currency", f"the capture is in {capture[0]}")
        left = capture[1] - _refunded(db, reference)
        if amount <= 0 or amount > left:
            raise Declined("too_much", f"at most {left} can be refunded")
        state, error = "succeeded", ""
        if reference.endswith("-fails"):
            state, error = "failed", "the card is closed"
        elif reference.endswith(("-pending", "-fails-late")):
            state = "pending"
        count = db.execute("SELECT count(*) FROM refunds").fetchone()[0]
        db.execute(
            "INSERT INTO refunds (key, id, capture, amount, state, error, at) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (key, f"sandbox-{count + 1:08d}", reference, amount, state, error, self._clock()),
        )

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        if not self._ready:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(self._path, timeout=30, isolation_level=None)) as db:
            if not self._ready:
                db.execute("PRAGMA journal_mode=WAL")
                db.executescript(_TABLES)
                self._ready = True
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
            except BaseException:
                db.execute("ROLLBACK")
                raise
            db.execute("COMMIT")


def _by_key(db: sqlite3.Connection, key: str) -> tuple[str, str, int, str, str] | None:
    found: tuple[str, str, int, str, str] | None = db.execute(
        "SELECT id, capture, amount, state, error FROM refunds WHERE key = ?", (key,)
    ).fetchone()
    return found


def _result(db: sqlite3.Connection, row: tuple[str, str, int, str, str]) -> RefundResult:
    refund_id, reference, amount, state, error = row
    currency = db.execute("SELECT currency FROM captures WHERE reference = ?", (reference,)).fetchone()[0]
    return RefundResult(state=state, reference=refund_id, amount=amount, currency=currency, error=error)


def _refunded(db: sqlite3.Connection, reference: str) -> int:
    found: int = db.execute(
        "SELECT coalesce(sum(amount), 0) FROM refunds WHERE capture = ? AND state <> 'failed'", (reference,)
    ).fetchone()[0]
    return found
