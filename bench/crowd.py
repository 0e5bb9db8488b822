"""A shop with any number of returns, written past the portal: what lists, searches and counters have to stand.

Two shops of one agent, nine tenths of the returns at the first, spread over two years; the newest two months are
under way, the rest is over but for a few stragglers. A customer returns three times. Everything follows from the
number of a return, so the first ten thousand are the same among a million.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache, cached_property
from itertools import count
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from flask import Flask

from portal.core.intake import number_key
from portal.core.keys import phone_key
from portal.core.numbers import authorization_code, dispute_number, refund_number, rma_number
from portal.core.refunds.breakdown import Breakdown, to_json
from portal.db.base import Base, db
from portal.db.merchants import Policy
from portal.db.people import Person

SPAN, UNDER_WAY = timedelta(days=730), timedelta(days=60)
BATCH = 20_000
SHARE = 10
"""Every so many returns one is the second shop's."""

OPEN = (
    "requested", "approved", "approved", "in_transit", "received", "inspected", "requested", "needs_info",
    "partially_received", "draft",
)  # fmt: skip
OVER = ("closed",) * 17 + ("declined", "canceled", "expired")
CHANNELS = ("self_service",) * 5 + ("preauthorized_link", "phone", "phone", "email", "chat")
REASONS = ("too_small", "too_large", "changed_mind", "defective", "not_as_described", "other", "arrived_late")
KINDS = ("return",) * 8 + ("warranty", "withdrawal")
SYLLABLES = ("ba", "do", "ke", "li", "mo", "na", "pu", "ra", "se", "to", "vi", "zu")

NOTHING = to_json(Breakdown(currency="EUR", rows=(), lines=(), shares=(), policy_version=1))

WRITTEN = (
    "orders", "order_lines", "returns", "return_lines", "search_words", "return_tags", "shipments", "refunds",
    "disputes", "links", "stock_movements",
)  # fmt: skip


def scattered(number: int, modulus: int) -> int:
    """The same for the same number, and as if by chance for the next."""
    mixed = number * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF
    mixed = (mixed ^ mixed >> 31) * 0x94D049BB133111EB & 0xFFFFFFFFFFFFFFFF
    return (mixed >> 17) % modulus


@cache
def word(number: int) -> str:
    """One of some thousand made-up words."""
    parts = []
    for _ in range(4):
        number, part = divmod(number, len(SYLLABLES))
        parts.append(SYLLABLES[part])
    return "".join(parts)


@dataclass(kw_only=True)
class Known:
    """What the return of that number is found by."""

    n: int

    @property
    def customer(self) -> int:
        return self.n % 1000 + 1000 * (self.n // 3000)

    @cached_property
    def name(self) -> str:
        return f"Demo {word(self.customer % 5000).title()} {word(self.customer * 7 % 20_000).title()}"

    @property
    def email(self) -> str:
        return f"buyer{self.customer}@bench.example"

    @cached_property
    def phone(self) -> str:
        return f"+49 40 {5_550_000 + self.customer:08}"

    @property
    def order(self) -> str:
        return f"B-{self.n:07}"

    @property
    def sku(self) -> str:
        return f"BENCH-{self.n % 20_000:05}"

    @property
    def tracking(self) -> str:
        return f"BT{self.n:010}"

    @cached_property
    def number(self) -> str:
        return rma_number(_bytes(self.n))

    @property
    def refund(self) -> str:
        return refund_number(_bytes(self.n))

    @property
    def dispute(self) -> str:
        return dispute_number(_bytes(self.n))

    @property
    def disputed(self) -> bool:
        return scattered(self.n, 200) == 3


def _bytes(number: int) -> bytes:
    """35 bits that no other number below 2 ** 35 has."""
    return ((number * 0x2545F4914F) % 2**35 << 5).to_bytes(5)


@dataclass(frozen=True, kw_only=True)
class Crowd:
    """Where the returns go: shops with their policies, and the person who looks after some of them."""

    app: Flask
    shops: tuple[tuple[UUID, UUID], ...]
    """(merchant, policy) of both."""
    person: UUID
    at: datetime

    def grow(self, before: int, after: int, *, quickly: bool = True) -> None:
        """From so many returns to so many. ``quickly`` builds indexes and trusts references when all are written."""
        with self.app.app_context():
            kind = db.engine.dialect.name
            with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                driver: Any = connection.connection.driver_connection
                with _without_indexes(driver, kind) if quickly else nullcontext():
                    for first in range(before, after, BATCH):
                        last = min(first + BATCH, after)
                        rows = self._rows(range(first, last), before, after)
                        for table in WRITTEN:
                            _write(driver, kind, Base.metadata.tables[table], rows[table])
                if kind == "postgresql":
                    driver.execute("VACUUM (ANALYZE)")
                else:
                    driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _rows(self, numbers: range, before: int, after: int) -> Mapping[str, list[dict[str, Any]]]:
        rows: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        for n in numbers:
            begun = self.at - SPAN * ((after - n - 0.5) / (after - before))
            for table, row in self._of(Known(n=n), begun):
                rows[table].append(row)
        return rows

    def _of(self, one: Known, begun: datetime) -> Iterator[tuple[str, dict[str, Any]]]:
        """One return with everything that belongs to it."""
        n, new = one.n, _ids_of(one.n, begun)
        merchant, policy = self.shops[1 if n % SHARE == 3 else 0]
        mine = {"merchant_id": merchant}
        open_ = begun > self.at - UNDER_WAY or scattered(n, 100) == 7
        state = OPEN[scattered(n, 10)] if open_ else OVER[scattered(n, 20)]
        arrived = state in ("partially_received", "received", "inspected", "closed")
        refunded = state == "closed" and scattered(n, 10) > 0
        scored = refunded and scattered(n + 9, 4) == 0
        order, line, returned, return_line = new(), new(), new(), new()
        digits, key = phone_key(one.phone), number_key(one.order)
        yield (
            "orders",
            mine
            | {
                "id": order, "source": "bench", "external_id": one.order, "number": one.order,
                "number_key": key, "currency": "EUR", "placed_at": begun - timedelta(days=9),
                "email": one.email, "name": one.name, "phone": one.phone, "phone_key": digits,
                "language": "en", "country": "DE", "imported_at": begun,
            },
        )  # fmt: skip
        yield (
            "order_lines",
            mine
            | {
                "id": line, "order_id": order, "external_id": "1", "number": 1, "sku": one.sku,
                "name": f"Sample item {n % 20_000}", "units": 2, "unit_price": "24.90", "goods_minor": 4980,
                "paid_minor": 4980, "shipped_units": 2, "delivered_units": 2, "claimed_units": 1,
                "claimed_spans": [[0, 1]],
            },
        )  # fmt: skip
        yield (
            "returns",
            mine
            | {
                "id": returned, "order_id": order, "policy_id": policy,
                "number": None if state == "draft" else one.number, "state": state,
                "kind": KINDS[scattered(n + 1, 10)], "channel": CHANNELS[scattered(n + 2, 10)],
                "currency": "EUR", "name": one.name, "name_key": one.name.lower(), "email": one.email,
                "phone": one.phone, "phone_key": digits, "order_number": one.order,
                "order_number_key": key, "estimate_minor": 100 + scattered(n + 3, 40_000),
                "refund_state": "refunded" if refunded else "none",
                "ship_by": (begun + timedelta(days=20)).date() if state == "approved" else None,
                "assignee_id": self.person if open_ and scattered(n + 4, 40) == 0 else None,
                "dispute_state": ("open" if open_ else "resolved_customer") if one.disputed else "none",
                "unread": 1 if open_ and scattered(n + 5, 50) == 0 else 0,
                "info_due_at": begun + timedelta(days=9) if state == "needs_info" else None,
                "begun_at": begun - timedelta(seconds=90), "created_at": begun,
                "submitted_at": None if state == "draft" else begun + timedelta(seconds=40),
                "received_at": begun + timedelta(days=6) if arrived else None,
                "closed_at": begun + timedelta(days=8) if state in OVER else None,
                "closed_reason": "completed" if state == "closed" else "",
                "score": 1 + scattered(n + 10, 5) if scored else None,
                "scored_at": begun + timedelta(days=9) if scored else None,
            },
        )  # fmt: skip
        yield (
            "return_lines",
            mine
            | {
                "id": return_line, "return_id": returned, "order_line_id": line, "position": 1, "sku": one.sku,
                "name": f"Sample item {n % 20_000}", "units": 1, "reason": REASONS[scattered(n + 6, 7)],
                "condition": "unused", "spans": [[0, 1]], "authorized_units": 1, "received_units": int(arrived),
                "accepted_units": int(state == "closed"),
                "code": None if state == "draft" or n % 10 else authorization_code(_bytes(n)),
            },
        )  # fmt: skip
        for said in set(one.name.lower().split()):
            yield "search_words", mine | {"word": said, "return_id": returned}
        for often, tag in ((20, "gift"), (1000, "check")):
            if scattered(n + 8, often) == 0:
                yield (
                    "return_tags",
                    mine | {"id": new(), "return_id": returned, "tag": tag, "at": begun, "by_name": ""},
                )
        if state not in ("draft", "requested", "declined"):
            yield (
                "shipments",
                mine
                | {
                    "id": new(), "return_id": returned, "carrier": "house", "method": "label",
                    "state": "label_created", "tracking_number": one.tracking, "created_at": begun,
                },
            )  # fmt: skip
        if refunded:
            yield (
                "refunds",
                mine
                | {
                    "id": new(), "order_id": order, "return_id": returned, "number": one.refund,
                    "state": "succeeded", "currency": "EUR", "amount_minor": 2490, "breakdown": NOTHING,
                    "created_at": begun + timedelta(days=7), "succeeded_at": begun + timedelta(days=8),
                },
            )  # fmt: skip
        if one.disputed:
            yield (
                "disputes",
                mine
                | {
                    "id": new(), "return_id": returned, "number": one.dispute, "ground": "amount",
                    "state": "open" if open_ else "resolved_customer", "opened_at": begun + timedelta(days=9),
                    "due_at": begun + timedelta(days=12),
                    "closed_at": None if open_ else begun + timedelta(days=11),
                },
            )  # fmt: skip
        by_link = CHANNELS[scattered(n + 2, 10)] == "preauthorized_link"
        for purpose in () if state == "draft" else ("finish", "status") if by_link else ("status",):
            finish = purpose == "finish"
            yield (
                "links",
                mine
                | {
                    "id": new(), "return_id": returned, "purpose": purpose, "nonce": f"{purpose}{n}",
                    "digest": f"{purpose}{n}", "state": "finished" if finish else "open",
                    "expires_at": begun + timedelta(days=90), "created_at": begun,
                    "opened_at": begun + timedelta(seconds=10) if finish else None,
                    "finished_at": begun + timedelta(seconds=40) if finish else None,
                },
            )  # fmt: skip
        if arrived:
            yield (
                "stock_movements",
                mine
                | {
                    "id": new(), "sku": one.sku, "bucket": "quarantine", "delta": 1, "why": "return_received",
                    "return_line_id": return_line, "order_line_id": line, "number": one.number,
                    "at": begun + timedelta(days=6),
                },
            )  # fmt: skip


def _ids_of(n: int, begun: datetime) -> Callable[[], UUID]:
    """Ids as they would have been made then: the moment first, so that they sort by it."""
    first = int(begun.timestamp() * 1000) << 80 | 0x7 << 76 | 0x2 << 62 | n << 16
    made = count(first)
    return lambda: UUID(int=next(made))


def crowd(app: Flask, shops: tuple[UUID, UUID], email: str) -> Crowd:
    """A crowd for these two shops, some of whose returns that person looks after."""
    with app.app_context():
        found = db.session.execute(sa.select(Policy.merchant_id, Policy.id))
        policies = {row.merchant_id: row.id for row in found}
        person = db.session.scalars(sa.select(Person.id).where(Person.email == email)).one()
        db.session.rollback()
    return Crowd(
        app=app,
        shops=tuple((shop, policies[shop]) for shop in shops),
        person=person,
        at=datetime.now(UTC),
    )


# ------------------------------------------------------------------------------------------------ past the portal


@contextmanager
def _without_indexes(driver: Any, kind: str) -> Iterator[None]:
    """Foreign keys are not looked at meanwhile either: what is written fits together."""
    if kind == "sqlite":
        before, after = "PRAGMA foreign_keys=OFF", "PRAGMA foreign_keys=ON"
        wanted = "SELECT name, sql, tbl_name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
        driver.execute("PRAGMA cache_size=-1500000")
    else:
        before, after = "SET session_replication_role = replica", "SET session_replication_role = DEFAULT"
        wanted = (
            "SELECT i.relname, pg_get_indexdef(i.oid), t.relname FROM pg_index x"
            " JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid WHERE NOT EXISTS"
            " (SELECT 1 FROM pg_constraint c WHERE c.conindid = i.oid) AND NOT x.indisprimary"
        )
        driver.execute("SET maintenance_work_mem = '512MB'")
    driver.execute(before)
    indexes = [(name, sql) for name, sql, table in driver.execute(wanted).fetchall() if table in WRITTEN]
    for name, _ in indexes:
        driver.execute(f"DROP INDEX {name}")
    try:
        yield
    finally:
        for _, sql in indexes:
            driver.execute(sql)
        driver.execute(after)


def _write(driver: Any, kind: str, table: sa.Table, rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    usual = {
        column.name: _usual(column)
        for column in table.columns
        if column.name not in rows[0]
        and not column.nullable
        and column.server_default is None
        and column.default is not None
    }
    names = [*rows[0], *usual]
    columns = ", ".join(names)
    full = ([*row.values(), *usual.values()] for row in rows)
    if kind == "sqlite":
        values = ([_FOR_SQLITE.get(type(cell), _same)(cell) for cell in row] for row in full)
        driver.execute("BEGIN")
        driver.executemany(
            f"INSERT INTO {table.name} ({columns}) VALUES ({', '.join('?' * len(names))})", values
        )
        driver.execute("COMMIT")
        return
    with (
        driver.cursor() as cursor,
        cursor.copy(f"COPY {table.name} ({columns}) FROM STDIN".encode()) as copy,
    ):
        for row in full:
            copy.write_row([json.dumps(cell) if isinstance(cell, list | dict) else cell for cell in row])


def _usual(column: sa.Column[Any]) -> Any:
    default: Any = column.default
    return default.arg(None) if default.is_callable else default.arg


def _same(cell: Any) -> Any:
    return cell


_FOR_SQLITE: Mapping[type, Callable[[Any], Any]] = {
    UUID: lambda cell: cell.hex,
    datetime: lambda cell: cell.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f"),
    date: date.isoformat,
    list: json.dumps,
    dict: json.dumps,
}
