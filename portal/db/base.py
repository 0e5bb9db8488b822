"""What every table shares: the session, column types, ids, and the one way to write."""

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, ClassVar, TypeVar
from uuid import UUID

import sqlalchemy as sa
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import event
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Engine
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from portal.core.access import Stale
from portal.core.lifecycles import Lifecycle

naming = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """Declarative base with named constraints, so that migrations can speak of them."""

    metadata = sa.MetaData(naming_convention=naming)
    __table__: ClassVar[sa.Table]


db = SQLAlchemy(model_class=Base, session_options={"expire_on_commit": False})


class UtcTime(sa.types.TypeDecorator[datetime]):
    """An aware moment, kept in UTC on both databases. A naive one is refused."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


Read = TypeVar("Read")
Json = sa.JSON().with_variant(JSONB(), "postgresql")


def uuid7() -> UUID:
    """A new id: a clock of a quarter of a microsecond, then randomness; sorts by creation (RFC 9562)."""
    return UUID(int=uuid7_number())


def uuid7_number() -> int:
    """A new id as its 128 bits, for whoever makes hundreds of thousands.

    What one process makes one after the other stays in that order: lines and payments of an order do.
    """
    milliseconds, rest = divmod(time.time_ns(), 1_000_000)
    fraction = (rest << 12) // 1_000_000
    return milliseconds << 80 | 0x7 << 76 | fraction << 64 | 0x2 << 62 | secrets.randbits(62)


def key() -> Mapped[UUID]:
    return mapped_column(sa.Uuid, primary_key=True, default=uuid7)


def merchant_key() -> Mapped[UUID]:
    return mapped_column(sa.ForeignKey("merchants.id"))


def amount(default: int | None = 0) -> Mapped[int]:
    """A column of minor units; the currency stands on the order."""
    return mapped_column(sa.BigInteger, default=default)


def whole() -> Mapped[int]:
    return mapped_column(sa.Integer, default=0)


def within_merchant(table: str, column: str) -> sa.ForeignKeyConstraint:
    """A reference that cannot leave the merchant: both ids must match the same row."""
    return sa.ForeignKeyConstraint(["merchant_id", column], [f"{table}.merchant_id", f"{table}.id"])


def state_of(*lifecycles: Lifecycle, column: str = "state") -> sa.CheckConstraint:
    """The database knows the same states as the tables of the lifecycles."""
    known = dict.fromkeys(state for lifecycle in lifecycles for state in lifecycle.states)
    states = ", ".join(f"'{state}'" for state in known)
    return sa.CheckConstraint(f"{column} IN ({states})", name=f"{column}_known")


@contextmanager
def transaction() -> Iterator[Session]:
    """One use case, one transaction: committed at the end, rolled back by any error.

    On SQLite the write lock is taken at once, so that a transaction that reads first and writes then
    can never meet a newer snapshot. An open read is ended first; unsaved changes outside are an error.
    Raises ``Stale`` where PostgreSQL ended it in favor of another; the same again will do.
    """
    session = db.session()
    if session.in_transaction():
        if session.new or session.dirty or session.deleted:
            raise RuntimeError("changes were made outside of transaction()")
        session.commit()
    session.connection(execution_options={"writes": True, **_as_of_each_statement()})
    session.info["writing"] = True
    try:
        yield session
        session.commit()
    except OperationalError as problem:
        session.rollback()
        if getattr(problem.orig, "sqlstate", None) in GAVE_WAY:
            raise Stale from problem
        raise
    except BaseException:
        session.rollback()
        raise
    finally:
        session.info["writing"] = False


def _as_of_each_statement() -> dict[str, str]:
    """Who holds locks must see what was committed while it waited for them; on SQLite there is one writer."""
    return {"isolation_level": "READ COMMITTED"} if dialect() == "postgresql" else {}


def already_read() -> dict[Any, Any] | None:
    """Where a reading can be kept for the rest of its database transaction; None inside ``transaction()``.

    What one transaction has read it need not read again: a request that only looks asks once, and every
    change begins a transaction of its own, after which this is empty.
    """
    session = db.session()
    current = session.get_transaction()
    if current is None or session.info.get("writing"):
        return None
    if session.info.get("read_in") is not current:
        session.info.update(read_in=current, read={})
    kept: dict[Any, Any] = session.info["read"]
    return kept


def read_once(key: Any, read: Callable[[], Read]) -> Read:
    """What ``read`` gives, asked for once in a database transaction that only reads; see ``already_read``."""
    kept = already_read()
    if kept is None:
        return read()
    if key not in kept:
        kept[key] = read()
    return kept[key]  # type: ignore[no-any-return]


GAVE_WAY = frozenset({"40001", "40P01"})
"""How PostgreSQL says that a transaction was given up for another: serialization, deadlock."""


def dialect() -> str:
    return db.engine.dialect.name


def whole_seconds(first: Any, last: Any) -> sa.ColumnElement[int]:
    """Whole seconds from one moment to another that does not lie before it, as the database reckons them: exactly."""
    if dialect() == "postgresql":
        return sa.cast(sa.func.floor(sa.extract("epoch", last - first)), sa.BigInteger)
    # Text down to the microsecond: whole seconds and the rest apart, since SQLite's own times round to thousandths.
    begun, ended = (
        sa.cast(sa.func.strftime("%s", sa.func.substr(at, 1, 19)), sa.Integer) for at in (first, last)
    )
    short = sa.func.substr(last, 20) < sa.func.substr(first, 20)
    return ended - begun - sa.case((short, 1), else_=0)


def insert_ignore(table: Any) -> Any:
    """``INSERT ... ON CONFLICT DO NOTHING`` on both databases."""
    if dialect() == "postgresql":
        from sqlalchemy.dialects.postgresql import insert
    else:
        from sqlalchemy.dialects.sqlite import insert  # type: ignore[assignment]
    return insert(table).on_conflict_do_nothing()


def engine_options(url: str) -> dict[str, Any]:
    """What both databases need: SQLite waits for its one writer, PostgreSQL gives up on a dead peer.

    Whoever only reads sees one moment, as on SQLite: a page is never made of halves of two states.
    """
    if url.startswith("sqlite"):
        return {"connect_args": {"timeout": 30, "check_same_thread": False}}
    return {"pool_pre_ping": True, "pool_size": 10, "max_overflow": 10, "isolation_level": "REPEATABLE READ"}


def prepare(engine: Engine) -> None:
    """Make ``engine`` behave: on SQLite a write-ahead log, durable commits, and one BEGIN that we say."""
    if engine.dialect.name != "sqlite":
        return
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin)


def _set_up_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=30000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: sa.Connection) -> None:
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
