"""What people and time do in the sandbox warehouse, and what it tells the portal of it by signed events."""

import json
import secrets
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from portal.adapters import signatures
from portal.adapters.warehouse import behavior, books, wire
from portal.adapters.warehouse.books import Books, Event, Kept, Request
from portal.core.logistics import CANNOT, RELEASED, SHIPPED, WarehouseOrder

Post = Callable[[Mapping[str, str], bytes], Mapping[str, Any]]
"""Delivers an event (headers, raw body) and gives the portal's answer, as JSON."""


class Floor:
    """The side of the sandbox where goods are. Every method is one transaction on its books."""

    def __init__(self, kept: Books, clock: Callable[[], float]) -> None:
        self._books, self._clock = kept, clock

    # ---------------------------------------------------------------------------------------- how it is set up

    def learn(self, order: WarehouseOrder) -> None:
        """Take an order in before anybody asks about it."""
        with self._books.open() as db:
            books.learn(db, order)

    def mark(self, merchant: str, order: str, line: str, code: str) -> None:
        """Say of a line that it is ``drop_ship``, ``custom_made`` ...; empty takes it back."""
        self._set_line(merchant, order, line, "code", code)

    def cut_off(self, merchant: str, order: str, at: datetime) -> None:
        """Nothing of the order is left out from that moment on."""
        with self._books.open() as db:
            ref = books.find(db, merchant, order)
            db.execute(
                "UPDATE lines SET cut_off = ? WHERE merchant = ? AND ref = ?", (at.timestamp(), merchant, ref)
            )

    def away(self, yes: bool) -> None:
        """Be out of reach, or back."""
        with self._books.open() as db:
            books.set_to(db, "away", "yes" if yes else "")

    def _set_line(self, merchant: str, order: str, line: str, column: str, value: str) -> None:
        with self._books.open() as db:
            ref = books.find(db, merchant, order)
            _of(books.lines(db, merchant, ref), {line: 1})
            db.execute(
                f"UPDATE lines SET {column} = ? WHERE merchant = ? AND ref = ? AND (line = ? OR sku = ?)",  # noqa: S608
                (value, merchant, ref, line, line),
            )

    # --------------------------------------------------------------------------------------------- picking

    def open_wave(
        self, merchant: str, order: str, units: Mapping[str, int] | None = None, *, post: Post
    ) -> dict[str, int]:
        """Ask the portal what may be picked of an order (of ``units``, by line or SKU; else of all that is free),
        and begin to pick so much; answers it by line.

        Where the portal's answer is lost the question stays open, and ``deliver`` asks it again.
        """
        with self._books.open() as db:
            ref = books.find(db, merchant, order)
            kept = books.lines(db, merchant, ref)
            wanted = _of(kept, units) if units is not None else {one.line: one.free for one in kept.values()}
            asked = [
                {"line": line, "sku": kept[line].sku, "units": number}
                for line, number in wanted.items()
                if number > 0
            ]
            if not asked:
                return {}
            number = self._tell(db, "pick.asked", merchant, ref, {"lines": asked})
        return self._deliver(number, post)

    def close_wave(self, merchant: str = "", order: str = "") -> int:
        """What is being picked lies in its box; answers how many units."""
        with self._books.open() as db:
            ref = books.find(db, merchant, order) if order else ""
            where, values = ("WHERE merchant = ? AND ref = ?", (merchant, ref)) if order else ("", ())
            units = db.execute(f"SELECT coalesce(sum(wave), 0) FROM lines {where}", values).fetchone()[0]  # noqa: S608
            db.execute(f"UPDATE lines SET picked = picked + wave, wave = 0 {where}", values)  # noqa: S608
            return int(units)

    def pick(
        self, merchant: str, order: str, units: Mapping[str, int] | None = None, *, post: Post
    ) -> dict[str, int]:
        """A wave of one order, opened and closed."""
        found = self.open_wave(merchant, order, units, post=post)
        self.close_wave(merchant, order)
        return found

    def put_back(self, merchant: str, order: str, units: Mapping[str, int]) -> None:
        """What was picked goes back on the shelf."""
        with self._books.open() as db:
            ref = books.find(db, merchant, order)
            kept = books.lines(db, merchant, ref)
            lines = []
            for line, number in _of(kept, units).items():
                books.change(db, kept[line], picked=-number)
                lines.append({"line": line, "sku": kept[line].sku, "units": number})
            self._tell(db, "put_back", merchant, ref, {"lines": lines})

    # -------------------------------------------------------------------------------------------- shipping

    def ship(self, merchant: str, order: str, units: Mapping[str, int] | None = None) -> dict[str, int]:
        """Send what is picked; or ``units``, whatever became of them: from the box, the shelf, even what it was
        told to leave out. Answers what left, by line; the portal is told when events are delivered.
        """
        with self._books.open() as db:
            ref = books.find(db, merchant, order)
            kept = books.lines(db, merchant, ref)
            wanted = (
                _of(kept, units) if units is not None else {one.line: one.picked for one in kept.values()}
            )
            return self._ship(db, merchant, ref, {line: number for line, number in wanted.items() if number})

    def _ship(
        self, db: sqlite3.Connection, merchant: str, ref: str, wanted: Mapping[str, int]
    ) -> dict[str, int]:
        kept = books.lines(db, merchant, ref)
        lines = []
        for line, number in wanted.items():
            books.change(db, kept[line], **_taken(kept[line], number), shipped=number)
            lines.append({"line": line, "sku": kept[line].sku, "units": number})
        if lines:
            parcel = f"SANDBOX{secrets.randbelow(10**10):010d}"
            self._tell(db, "shipped", merchant, ref, {"lines": lines, "tracking_number": parcel})
        return dict(wanted)

    # --------------------------------------------------------------------------------------------- answering

    def answer(self, key: str, state: str, *, code: str = "", message: str = "") -> None:
        """A person there answers a request, also one that was answered otherwise before."""
        with self._books.open() as db:
            found = books.request(db, key)
            if found is None:
                raise LookupError(f"the sandbox has no request {key}")
            self._answered(db, found, state, code=code, message=message)

    def settle(self, *, before: float | None = None) -> int:
        """Let what is pending (since ``before``, if given) come to its end, and promises be broken that are to
        be; answers how many requests that were.
        """
        until = self._clock() + 1 if before is None else before
        with self._books.open() as db:
            late = books.pending(db, until)
            for one in late:
                ends = one.ends or RELEASED
                self._answered(db, one, ends, code="picking" if ends == CANNOT else "")
            broken = [
                one
                for one in books.every_request(db)
                if one.state == RELEASED and one.ends == SHIPPED and one.at <= until
            ]
            for one in broken:
                self.set_aside(db, one, back=True)
                self._ship(db, one.merchant, one.ref, _wanted(one))
                books.keep_request(db, replace(one, state=SHIPPED, code="shipped"))
            return len(late) + len(broken)

    def _answered(
        self, db: sqlite3.Connection, found: Request, state: str, *, code: str = "", message: str = ""
    ) -> None:
        done = replace(found, state=state, code=code, message=message, about=tuple(_wanted(found)))
        if state == RELEASED and found.state != RELEASED:
            done = self.hindrance(db, done) or replace(done, about=())
        if done.state == RELEASED and found.state != RELEASED:
            self.set_aside(db, done)
        elif found.state == RELEASED and done.state != RELEASED:
            self.set_aside(db, found, back=True)
        books.keep_request(db, done)
        data = {"key": done.key, "state": done.state, "code": done.code, "message": done.message}
        self._tell(db, "leave_out.answered", done.merchant, done.ref, data | {"lines": list(done.about)})

    def hindrance(self, db: sqlite3.Connection, asked: Request) -> Request | None:
        """The request as it must be refused, where the goods are gone, picked or not to be touched; else None."""
        kept = books.lines(db, asked.merchant, asked.ref)
        wanted = _wanted(asked)
        gone = [
            line
            for line, units in wanted.items()
            if units > kept[line].units - kept[line].left_out - kept[line].shipped
        ]
        if gone:
            return replace(asked, state=SHIPPED, code="shipped", about=tuple(gone), message="it left before")
        for line, units in wanted.items():
            one = kept[line]
            code = one.code or behavior.code_of(one.sku)
            if not code and one.cut_off is not None and one.cut_off <= self._clock():
                code = "cut_off"
            if not code and units > one.free:
                code = "picking"
            if code:
                return replace(asked, state=CANNOT, code=code, about=(line,), message=f"{units} of {one.sku}")
        return None

    def set_aside(self, db: sqlite3.Connection, asked: Request, *, back: bool = False) -> None:
        """Leave the units of a request out of the order, or take them in again."""
        kept = books.lines(db, asked.merchant, asked.ref)
        for line, units in _wanted(asked).items():
            books.change(db, kept[line], left_out=-min(units, kept[line].left_out) if back else units)

    # ------------------------------------------------------------------------------------------------ telling

    def _tell(self, db: sqlite3.Connection, type: str, merchant: str, ref: str, data: dict[str, Any]) -> int:
        return books.tell(db, type, merchant, ref, data, at=self._clock())

    def announce(self, number: int, *, now: datetime | None = None) -> tuple[dict[str, str], bytes]:
        """The signed delivery (headers, raw body) of an event, as it is made now."""
        with self._books.open() as db:
            event = next(one for one in books.every_event(db) if one.number == number)
            secret, name = books.setting(db, "secret"), books.setting(db, "name")
            if not name:
                name = secrets.token_hex(4)
                books.set_to(db, "name", name)
        at = now or datetime.fromtimestamp(self._clock(), UTC)
        body = wire.dumped(_body(event))
        return signatures.signed(f"{name}-{number}", body, secret=secret, at=at), body

    def signed(self, event_id: str, body: bytes, *, at: datetime) -> dict[str, str]:
        """The headers with which this warehouse would send ``body``."""
        with self._books.open() as db:
            return signatures.signed(event_id, body, secret=books.setting(db, "secret"), at=at)

    def untold(self) -> list[Event]:
        """Events that the portal has not taken yet, oldest first."""
        with self._books.open() as db:
            return books.untold(db)

    def deliver(self, post: Post) -> int:
        """Tell the portal everything that it was not told yet; answers how many events. What ``post`` raises
        ends it: the rest is told the next time.
        """
        waiting = self.untold()
        for event in waiting:
            self._deliver(event.number, post)
        return len(waiting)

    def _deliver(self, number: int, post: Post) -> dict[str, int]:
        headers, body = self.announce(number)
        answer = post(headers, body)
        granted: dict[str, int] = {}
        with self._books.open() as db:
            event = next(one for one in books.every_event(db) if one.number == number)
            if event.told_at is not None:
                return granted
            books.told(db, number, self._clock())
            if event.type == "pick.asked":
                kept = books.lines(db, event.merchant, event.ref)
                for one in answer["lines"] if answer.get("known") else ():
                    granted[one["line"]] = min(int(one["units"]), kept[one["line"]].free)
                    books.change(db, kept[one["line"]], wave=granted[one["line"]])
        return {line: units for line, units in granted.items() if units}

    # ----------------------------------------------------------------------------------------------- its books

    def order(self, merchant: str, order: str) -> dict[str, Kept]:
        """Line id -> the line as it stands here."""
        with self._books.open() as db:
            return books.lines(db, merchant, books.find(db, merchant, order))

    def requests(self) -> list[Request]:
        """Every request to leave units out, oldest first."""
        with self._books.open() as db:
            return books.every_request(db)

    def orders(self) -> list[tuple[str, str, str]]:
        """(merchant, id, number) of every order it knows."""
        with self._books.open() as db:
            return list(db.execute("SELECT merchant, ref, number FROM orders ORDER BY merchant, number"))


def _body(event: Event) -> dict[str, Any]:
    return {
        "version": wire.VERSION,
        "type": event.type,
        "timestamp": datetime.fromtimestamp(event.at, UTC).isoformat(timespec="seconds"),
        "data": {"merchant": event.merchant, "order": event.ref, **json.loads(json.dumps(event.data))},
    }


def _wanted(one: Request) -> dict[str, int]:
    return {line["line"]: line["units"] for line in one.body["lines"]}


def _of(kept: Mapping[str, Kept], units: Mapping[str, int]) -> dict[str, int]:
    """``units`` by line id, where they were told by line or by SKU. Raises ``LookupError``."""
    found: dict[str, int] = {}
    for name, number in units.items():
        line = name if name in kept else next((one.line for one in kept.values() if one.sku == name), None)
        if line is None:
            raise LookupError(f"the order has no line {name}")
        found[line] = number
    return found


def _taken(one: Kept, units: int) -> dict[str, int]:
    """From where ``units`` that leave are taken: the box, the wave, the shelf, what was set aside."""
    picked = min(units, one.picked)
    wave = min(units - picked, one.wave)
    free = min(units - picked - wave, one.free)
    left_out = units - picked - wave - free
    if left_out > one.left_out:
        raise ValueError(f"there are no {units} of {one.sku}")
    return {"picked": -picked, "wave": -wave, "left_out": -left_out}
