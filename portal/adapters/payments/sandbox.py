"""A complete payment gateway that moves no money: a database of its own, keys, caps, delays, failures, events.

It stands apart from the portal's database as a real gateway would, so that both can be compared. How a
refund ends is told by the capture's reference: ``..-pending`` is pending for a while, ``..-fails`` fails at
once, ``..-fails-late`` is pending and then fails, ``..-returned`` succeeds and fails later, ``..-asks`` needs
something of the customer first, ``..-declines`` is refused, ``..-unavailable`` takes effect and loses its
first answer; half of what ``..-disputed`` captured is asked back by the customer's bank. What was only authorized
is let go under the same endings, and ``..-auth-captured`` is captured by the shop, ``..-auth-expired`` has expired,
just before it is asked for. What people do on a gateway's own pages are methods too: ``refund_outside``,
``dispute``, ``end``, and for authorizations ``take`` (the shop captures), ``void`` and ``expire``.
"""

import hashlib
import hmac
import json
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from portal import faults
from portal.adapters.payments import sandbox_books as books
from portal.core.money import Minor
from portal.ports import (
    Capture,
    Declined,
    Forged,
    GatewayDispute,
    GatewayEvent,
    GatewayRefund,
    RefundResult,
    Unavailable,
)

TOLERANCE_SECONDS = 300
"""An event whose signature is older, or from the future by as much, is not believed."""


class SandboxPayments:
    """``ports.Payments`` on a SQLite file; any number of processes may share it."""

    code = "sandbox"

    def __init__(
        self, path: Path, *, settles_after: timedelta | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        """``settles_after`` is how long a refund stays pending; None: until ``settle`` is called."""
        self._path, self._settles_after, self._clock = path, settles_after, clock
        self._ready = False

    # -------------------------------------------------------------------------------- what the portal asks for

    def learn(self, reference: str, *, captured: Minor, currency: str, authorized: bool = False) -> None:
        with self._transaction() as db:
            made = db.execute(
                "INSERT INTO captures (reference, currency, captured, state, reserved) VALUES (?, ?, ?, ?, ?) "
                "ON CONFLICT (reference) DO NOTHING",
                (
                    reference,
                    currency,
                    captured,
                    "authorized" if authorized else "captured",
                    captured if authorized else 0,
                ),
            )
        if made.rowcount and reference.endswith("-disputed"):
            self.dispute(reference, captured // 2)

    def capture(self, reference: str) -> Capture | None:
        with self._transaction() as db:
            row = db.execute(
                "SELECT currency, captured, state, reserved FROM captures WHERE reference = ?", (reference,)
            ).fetchone()
            if row is None:
                return None
            currency, captured, state, reserved = row
            released = books.released(db, reference)
            return Capture(
                reference=reference,
                currency=currency,
                captured=captured if state == "captured" else 0,
                refunded=books.refunded(db, reference),
                disputed=books.disputed(db, reference),
                authorized=reserved - released if state == "authorized" else 0,
                released=released,
            )

    def refund(self, *, key: str, reference: str, amount: Minor, currency: str) -> RefundResult:
        with self._transaction() as db:
            known = db.execute("SELECT capture, amount FROM made WHERE key = ?", (key,)).fetchone()
            if known is None:
                if reference.endswith("-declines"):
                    raise Declined("refused", "this card takes nothing back")
                books.check(db, reference, amount, currency)
                self._make(db, key, reference, amount)
            elif known != (reference, amount):
                raise Declined("key_reused", "that key was used for another refund")
        faults.point("after_http_sent")
        result = self.look_up(key=key, capture=reference)
        if reference.endswith("-unavailable") and known is None:
            raise Unavailable("the connection was lost before the answer came")
        if result is None:
            raise Unavailable("the refund is nowhere to be found")
        return result

    def release(
        self, *, key: str, reference: str, amount: Minor, remaining: Minor, currency: str
    ) -> RefundResult:
        with self._transaction() as db:
            self._overtaken(db, reference)
        with self._transaction() as db:
            known = db.execute("SELECT capture, amount FROM made WHERE key = ?", (key,)).fetchone()
            if known is None:
                if reference.endswith("-declines"):
                    raise Declined("refused", "this card lets nothing go")
                left = books.reserved(db, reference, amount, currency)
                self._make(db, key, reference, amount, kind="release")
                if not min(left - amount, remaining):
                    db.execute("UPDATE captures SET state = 'void' WHERE reference = ?", (reference,))
            elif known != (reference, amount):
                raise Declined("key_reused", "that key was used for another release")
        faults.point("after_http_sent")
        result = self.look_up(key=key, capture=reference)
        if reference.endswith("-unavailable") and known is None:
            raise Unavailable("the connection was lost before the answer came")
        if result is None:
            raise Unavailable("the release is nowhere to be found")
        return result

    def look_up(self, *, key: str, capture: str, reference: str = "") -> RefundResult | None:
        found = next(self._list("WHERE made.key = ? AND made.capture = ?", key, capture), None)
        if found is None or (reference and found.reference != reference):
            return None
        return RefundResult(
            state=found.state,
            reference=found.reference,
            amount=found.amount,
            currency=found.currency,
            error=found.error,
            bank_reference=found.bank_reference,
        )

    def refunds_since(self, moment: datetime) -> Iterator[GatewayRefund]:
        return self._list("WHERE made.at >= ?", moment.timestamp())

    def disputes_since(self, moment: datetime) -> Iterator[GatewayDispute]:
        with self._transaction() as db:
            rows = db.execute(
                "SELECT number, capture, amount, currency, disputes.state, at FROM disputes "
                "JOIN captures ON reference = capture WHERE at >= ? ORDER BY number",
                (moment.timestamp(),),
            ).fetchall()
        for number, capture, amount, currency, state, at in rows:
            yield GatewayDispute(
                reference=books.dispute_id(number), capture=capture, amount=amount, currency=currency, state=state,
                at=_moment(at),
            )  # fmt: skip

    def read_event(self, headers: Mapping[str, str], body: bytes, *, now: datetime) -> GatewayEvent:
        told = {name.lower(): value for name, value in headers.items()}.get("sandbox-signature", "")
        stamp, _, signature = told.partition(",")
        stamp = stamp if stamp.isascii() and stamp.isdecimal() and len(stamp) <= 12 else "0"
        if not hmac.compare_digest(signature.encode(), self._sign(stamp, body).encode()):
            raise Forged("the signature is missing or wrong")
        if abs(now.timestamp() - int(stamp)) > TOLERANCE_SECONDS:
            raise Forged("the signature is too old")
        return _event(json.loads(body))

    # ------------------------------------------------------------------------ what people and time do over there

    def settle(self, *, before: float | None = None) -> int:
        """Let what is pending (since ``before``, if given) come to its end; answers how many refunds did."""
        with self._transaction() as db:
            done = db.execute(books.SETTLE, {"before": self._clock() + 1 if before is None else before})
            return done.rowcount

    def refunds(self) -> list[tuple[str, str, Minor, str]]:
        """(key, capture, amount, state) of every refund, oldest first."""
        return self._made("refund")

    def releases(self) -> list[tuple[str, str, Minor, str]]:
        """The same of everything that was let go of an authorization."""
        return self._made("release")

    def take(self, reference: str, amount: Minor | None = None) -> None:
        """The shop captures ``amount`` of an authorization, or what is left of it; the rest of it is free.

        A shop that takes what was let go can: then what was let go last was not. Raises ``Declined``.
        """
        with self._transaction() as db:
            self._take(db, reference, amount)

    def void(self, reference: str) -> None:
        """The shop lets go all that is reserved."""
        with self._transaction() as db:
            db.execute(
                "UPDATE captures SET state = 'void' WHERE reference = ? AND state = 'authorized'",
                (reference,),
            )

    expire = void
    """The customer's bank reserves it no longer: to the gateway that is the same."""

    def refund_outside(self, reference: str, amount: Minor, *, state: str = "succeeded") -> str:
        """Somebody refunds on the gateway's own pages; answers the gateway's id of it."""
        with self._transaction() as db:
            currency = db.execute(
                "SELECT currency FROM captures WHERE reference = ?", (reference,)
            ).fetchone()
            books.check(db, reference, amount, currency[0] if currency else "")
            return self._make(db, "", reference, amount, state=state)

    def end(self, refund_id: str, state: str, *, error: str = "", amount: Minor | None = None) -> None:
        """A refund comes to ``state``, whatever it was; ``amount`` makes the books differ, as a test wants."""
        with self._transaction() as db:
            db.execute(
                "UPDATE made SET state = ?, error = ?, amount = coalesce(?, amount) WHERE number = ?",
                (state, error, amount, books.number(refund_id)),
            )

    def dispute(self, reference: str, amount: Minor) -> str:
        """The customer's bank asks for the money back; answers the gateway's id of it."""
        with self._transaction() as db:
            made = db.execute(
                "INSERT INTO disputes (capture, amount, state, at) VALUES (?, ?, 'open', ?)",
                (reference, amount, self._clock()),
            )
            return books.dispute_id(made.lastrowid or 0)

    def decide(self, dispute_id: str, state: str) -> None:
        """A dispute is ``won`` or ``lost`` by the merchant."""
        with self._transaction() as db:
            db.execute("UPDATE disputes SET state = ? WHERE number = ?", (state, books.number(dispute_id)))

    def announce(self, reference: str, *, now: datetime, number: int = 1) -> tuple[dict[str, str], bytes]:
        """The signed delivery (headers, raw body) of the ``number``-th event of a refund or a dispute, by its id."""
        found: Any = next(self._list("WHERE made.number = ?", books.number(reference)), None)
        if reference.startswith("dispute"):
            found = next((one for one in self.disputes_since(datetime.fromtimestamp(0, UTC))
                          if one.reference == reference), None)  # fmt: skip
        body = json.dumps(
            {
                "id": f"event-{reference}-{number}",
                "kind": "dispute" if reference.startswith("dispute") else "refund",
                "at": now.timestamp(),
                "reference": reference,
                "key": getattr(found, "key", ""),
                "capture": found.capture,
                "amount": found.amount,
                "currency": found.currency,
                "state": found.state,
            }
        ).encode()
        stamp = str(int(now.timestamp()))
        return {"Sandbox-Signature": f"{stamp},{self._sign(stamp, body)}"}, body

    # ---------------------------------------------------------------------------------------------- its own books

    def _sign(self, stamp: str, body: bytes) -> str:
        with self._transaction() as db:
            secret: str = db.execute("SELECT value FROM secret").fetchone()[0]
        return hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()

    def _made(self, kind: str) -> list[tuple[str, str, Minor, str]]:
        with self._transaction() as db:
            wanted = "SELECT key, capture, amount, state FROM made WHERE kind = ? ORDER BY number"
            return list(db.execute(wanted, (kind,)))

    def _overtaken(self, db: sqlite3.Connection, reference: str) -> None:
        """What happens to some authorizations just before they are asked for."""
        state = db.execute("SELECT state FROM captures WHERE reference = ?", (reference,)).fetchone()
        if state != ("authorized",):
            return
        if reference.endswith("-auth-captured"):
            self._take(db, reference, None)
        if reference.endswith("-auth-expired"):
            db.execute("UPDATE captures SET state = 'void' WHERE reference = ?", (reference,))

    def _take(self, db: sqlite3.Connection, reference: str, amount: Minor | None) -> None:
        row = db.execute("SELECT state, reserved FROM captures WHERE reference = ?", (reference,)).fetchone()
        if row is None:
            raise Declined("unknown_capture", "there is no such authorization")
        if row[0] != "authorized":
            raise Declined("already_captured", f"it is {row[0]}")
        wanted = row[1] - books.released(db, reference) if amount is None else amount
        if not 0 < wanted <= row[1]:
            raise Declined("too_much", f"at most {row[1]} can be captured")
        db.execute(
            "UPDATE captures SET state = 'captured', captured = ? WHERE reference = ?", (wanted, reference)
        )
        newest = "SELECT number FROM made WHERE capture = ? AND kind = 'release' ORDER BY number DESC"
        for (number,) in db.execute(newest, (reference,)).fetchall():
            if wanted <= row[1] - books.released(db, reference):
                return
            db.execute(
                "UPDATE made SET state = 'failed', error = 'captured_anyway: the shop has captured it'"
                " WHERE number = ?",
                (number,),
            )

    def _make(
        self,
        db: sqlite3.Connection,
        key: str,
        reference: str,
        amount: Minor,
        *,
        state: str = "",
        kind: str = "refund",
    ) -> str:
        begins = next(
            (begin for end, begin in books.STARTS.items() if reference.endswith(end)), ("succeeded", "")
        )
        made = db.execute(
            "INSERT INTO made (key, capture, amount, state, error, at, kind) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (key, reference, amount, state or begins[0], "" if state else begins[1], self._clock(), kind),
        )
        return books.refund_id(made.lastrowid or 0)

    def _list(self, where: str, *values: object) -> Iterator[GatewayRefund]:
        if self._settles_after is not None:
            self.settle(before=self._clock() - self._settles_after.total_seconds())
        with self._transaction() as db:
            rows = db.execute(
                "SELECT number, key, capture, amount, currency, made.state, at, error, kind FROM made "  # noqa: S608
                f"JOIN captures ON reference = capture {where} ORDER BY number",
                values,
            ).fetchall()
        for number, key, capture, amount, currency, state, at, error, kind in rows:
            yield GatewayRefund(
                reference=books.refund_id(number), key=key, capture=capture, amount=amount, currency=currency,
                state=state, at=_moment(at), error=error,
                bank_reference=f"SANDBOX{number:08d}" if (state, kind) == ("succeeded", "refund") else "",
                released=kind == "release",
            )  # fmt: skip

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        if not self._ready:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(self._path, timeout=30, isolation_level=None)) as db:
            if not self._ready:
                db.execute("PRAGMA journal_mode=WAL")
            db.execute("BEGIN IMMEDIATE")
            try:
                if not self._ready:
                    books.set_up(db)
                yield db
            except BaseException:
                db.execute("ROLLBACK")
                raise
            db.execute("COMMIT")
            self._ready = True


def _event(told: Any) -> GatewayEvent:
    """Raises ``ValueError`` for a body that makes no sense, however well it is signed."""
    try:
        return GatewayEvent(
            id=str(told["id"]),
            kind=str(told["kind"]),
            at=_moment(float(told["at"])),
            reference=str(told["reference"]),
            key=str(told["key"]),
            capture=str(told["capture"]),
            amount=int(told["amount"]),
            currency=str(told["currency"]),
            state=str(told["state"]),
        )
    except (KeyError, TypeError) as problem:
        raise ValueError(f"an event without {problem}") from None


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
