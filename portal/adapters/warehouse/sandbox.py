"""A complete warehouse that moves nothing: orders, reservations, waves, cut-offs, refusals, late answers, events.

It stands apart from the portal's database, as a real one would. It learns of an order when it is first asked
about it. How it behaves is told by the ending of an order's number or of a SKU, in any case:

``..-drop-ship``, ``..-custom-made``, ``..-pre-picked``, ``..-third-party``, ``..-cut-off``: it says so of the line;
``..-refuses``: it cannot leave it out; ``..-shipped``: it had sent it already; ``..-late``: it answers later, by an
event, ``..-late-refuses`` and ``..-late-shipped`` likewise; ``..-contradicts``: it says yes, and sends it all the
same; ``..-lost``: it takes effect and loses its first answer; ``..-outage``: it never answers.

What people do there are methods of ``Floor``, which it is too: pick, ship, answer, close a wave, be away.
"""

import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from portal import faults
from portal.adapters import signatures
from portal.adapters.warehouse import behavior, books, wire
from portal.adapters.warehouse.books import Kept, Request
from portal.adapters.warehouse.floor import Floor
from portal.core.logistics import (
    CANNOT,
    RELEASED,
    SHIPPED,
    Constraint,
    LeaveOut,
    LeaveOutAnswer,
    WarehouseEvent,
    WarehouseOrder,
)
from portal.ports import Declined, Unavailable


class SandboxWarehouse(Floor):
    """``ports.Warehouse`` on a SQLite file; any number of processes may share it."""

    code = "sandbox"

    def __init__(
        self, path: Path, *, settles_after: timedelta | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        """``settles_after`` is how long an answer stays pending; None: until ``settle`` or ``answer`` is called."""
        super().__init__(books.Books(path), clock)
        self._settles_after = settles_after

    # ------------------------------------------------------------------------------- what the portal asks for

    def constraints(self, order: WarehouseOrder, *, now: datetime) -> tuple[Constraint, ...]:
        with self._books.open() as db:
            self._need_open(db, order.number, *(line.sku for line in order.lines))
            books.learn(db, order)
            kept = books.lines(db, order.merchant, order.order)
        return tuple(found for line in order.lines for found in _against(line.line_id, kept[line.line], now))

    def leave_out(self, request: LeaveOut, *, key: str) -> LeaveOutAnswer:
        body = wire.leave_out(request)
        with self._books.open() as db:
            names = (request.number, request.order, *(line.sku for line in request.lines))
            self._need_open(db, *names)
            known = books.request(db, key)
            if known is None:
                books.learn_request(db, request)
                books.keep_request(db, self._judged(db, request, key, body))
            elif known.body != body:
                raise Declined("key_reused", "that key was used for another request")
        faults.point("after_http_sent")
        if known is None and behavior.ending(names, (behavior.LOST,)):
            raise Unavailable("the connection was lost before the answer came")
        answer = self.look_up(key)
        if answer is None:
            raise Unavailable("the request is nowhere to be found")
        return answer

    def look_up(self, key: str) -> LeaveOutAnswer | None:
        if self._settles_after is not None:
            self.settle(before=self._clock() - self._settles_after.total_seconds())
        with self._books.open() as db:
            found = books.request(db, key)
            if found is not None:
                self._need_open(db, found.body["number"], *(line["sku"] for line in found.body["lines"]))
            else:
                self._need_open(db)
        return found.answer if found is not None else None

    def read_event(self, headers: Mapping[str, str], body: bytes, *, now: datetime) -> WarehouseEvent:
        with self._books.open() as db:
            secret = books.setting(db, "secret")
        event_id = signatures.proved(headers, body, secrets=(secret,), now=now)
        return wire.event(event_id, wire.read("event", body))

    def health(self) -> None:
        with self._books.open() as db:
            self._need_open(db)

    # --------------------------------------------------------------------------------------- how it decides

    def _need_open(self, db: sqlite3.Connection, *names: str) -> None:
        if books.setting(db, "away") or behavior.ending(names, (behavior.OUTAGE,)):
            raise Unavailable("the sandbox warehouse does not answer")

    def _judged(
        self, db: sqlite3.Connection, request: LeaveOut, key: str, body: dict[str, object]
    ) -> Request:
        """What becomes of a new request; what is released is left out from now on."""
        kept = books.lines(db, request.merchant, request.order)
        wanted = {line.line: line.units for line in request.lines}
        if not set(wanted) <= set(kept):
            raise Declined("unknown_order", "there is no such line")
        names = (request.number, request.order, *(line.sku for line in request.lines))
        told = behavior.ending(names, behavior.ENDINGS)
        begins, ends = behavior.ENDINGS[told] if told else (RELEASED, "")
        new = Request(
            key=key, merchant=request.merchant, ref=request.order, body=body, state=begins,
            code="", message="", about=(), ends=ends, at=self._clock(),
        )  # fmt: skip
        hindered = self.hindrance(db, new)
        if begins == SHIPPED and hindered is None:
            self._gone(db, kept, wanted)
            return replace(new, about=tuple(wanted), code="shipped", message="it left before")
        if begins == CANNOT and hindered is None:
            return replace(new, about=tuple(wanted), code="picking", message="it is being picked")
        if hindered is not None:
            return hindered
        if begins == RELEASED:
            self.set_aside(db, new)
        return new

    def _gone(self, db: sqlite3.Connection, kept: Mapping[str, Kept], wanted: Mapping[str, int]) -> None:
        for line, units in wanted.items():
            books.change(db, kept[line], shipped=min(units, kept[line].free))


def _against(line_id: UUID, kept: Kept, now: datetime) -> Iterable[Constraint]:
    """What this warehouse has against leaving units of a line out; ``units`` are all that were picked or sent."""
    by = SandboxWarehouse.code
    if code := kept.code or behavior.code_of(kept.sku):
        yield Constraint(line_id=line_id, code=code, by=by)
    if kept.cut_off is not None:
        last = datetime.fromtimestamp(kept.cut_off, UTC)
        yield Constraint(line_id=line_id, code="cut_off", until=last if last > now else None, by=by)
    if kept.wave + kept.picked:
        yield Constraint(line_id=line_id, code="picking", units=kept.wave + kept.picked, by=by)
    if kept.shipped:
        yield Constraint(line_id=line_id, code="shipped", units=kept.shipped, by=by)
