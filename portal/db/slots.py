"""Numbered slots: each is held by one living process, and free again the moment that process is gone."""

import fcntl
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, ResourceClosedError

from portal.db.base import db

MOST = 1000


class Slots(ABC):
    """Slots that this process holds, and may take."""

    @abstractmethod
    def take(self, number: int) -> bool:
        """Hold a slot; False when another process has it."""

    @abstractmethod
    def free(self, number: int) -> None:
        """Let go of a slot that is held."""

    @abstractmethod
    def has(self, number: int) -> bool:
        """Whether this process holds it."""

    @abstractmethod
    def still(self, number: int) -> bool:
        """Make sure that it is held; False when another process has it by now."""

    @abstractmethod
    def close(self) -> None:
        """Let go of all."""

    def take_any(self) -> int:
        """Hold the lowest slot that nobody has, and answer its number."""
        for number in range(MOST):
            if self.take(number):
                return number
        raise RuntimeError(f"{MOST} workers are enough")


@contextmanager
def slots(folder: Path) -> Iterator[Slots]:
    """Slots among all processes that share the database; all that are held are free at the end."""
    held = AdvisoryLocks(db.engine) if db.engine.dialect.name == "postgresql" else FileLocks(folder)
    try:
        yield held
    finally:
        held.close()


class FileLocks(Slots):
    """On SQLite all processes share a machine: locks of files, which the system drops when a process dies."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._held: dict[int, IO[str]] = {}

    def take(self, number: int) -> bool:
        handle = (self._folder / f"worker-{number}.lock").open("w")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            handle.close()
            return False
        self._held[number] = handle
        return True

    def free(self, number: int) -> None:
        self._held.pop(number).close()

    def has(self, number: int) -> bool:
        return number in self._held

    def still(self, number: int) -> bool:
        return number in self._held

    def close(self) -> None:
        for number in list(self._held):
            self.free(number)


class AdvisoryLocks(Slots):
    """On PostgreSQL processes may be anywhere: locks of a session, which the server drops with the connection."""

    CLASS = 0x72_65_74_73
    """So that nobody else's advisory locks in the same database are ours."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._held: set[int] = set()
        self._connection = self._connect()

    def _connect(self) -> sa.Connection:
        connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        connection.detach()
        return connection

    def _ask(self, function: str, number: int) -> bool:
        wanted = sa.select(getattr(sa.func, function)(self.CLASS, number))
        return bool(self._connection.scalar(wanted))

    def take(self, number: int) -> bool:
        if number in self._held or not self._ask("pg_try_advisory_lock", number):
            return False
        self._held.add(number)
        return True

    def free(self, number: int) -> None:
        self._held.discard(number)
        self._ask("pg_advisory_unlock", number)

    def has(self, number: int) -> bool:
        return number in self._held

    def still(self, number: int) -> bool:
        """The lock went with the connection; where that broke the slot is taken again, if nobody was faster."""
        try:
            self._connection.scalar(sa.text("SELECT 1"))
        except (DBAPIError, ResourceClosedError):
            self._connection.close()
            self._held.clear()
            self._connection = self._connect()
            return self.take(number)
        return True

    def close(self) -> None:
        self._connection.close()
