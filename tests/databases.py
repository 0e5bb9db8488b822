"""A fresh, migrated database for each test, on SQLite and on PostgreSQL, in a few milliseconds."""

from __future__ import annotations

import asyncio
import itertools
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from sqlalchemy.engine import make_url

from portal import create_app
from portal.settings import Settings

KINDS = ("sqlite", "postgresql")
SECRET = "only the tests sign with this key, nobody else"


@dataclass(frozen=True, kw_only=True)
class Database:
    """Where one test keeps its data."""

    kind: str
    url: str
    folder: Path

    def environ(self, **more: str) -> dict[str, str]:
        """The variables of an app on this database; ``more`` overrides them by their names."""
        return {
            "APP_ENV": "test",
            "SECRET_KEY": SECRET,
            "DATABASE_URL": self.url,
            "DATA_DIR": str(self.folder),
            "BASE_URL": "http://localhost",
            "LOG_LEVEL": "warning",
            **more,
        }

    def settings(self, **more: str) -> Settings:
        return Settings.from_env(self.environ(**more))


@contextmanager
def no_loop() -> Iterator[None]:
    """As in a process of its own: Playwright keeps an event loop open in this very thread."""
    loop = asyncio._get_running_loop()
    asyncio._set_running_loop(None)
    try:
        yield
    finally:
        asyncio._set_running_loop(loop)


def migrate(database: Database) -> None:
    """Bring it from empty to the newest tables, by the command that an operator runs."""
    app = create_app(database.settings())
    with no_loop():
        done = app.test_cli_runner().invoke(args=["upgrade"])
    close(app)
    if done.exit_code:
        raise RuntimeError(f"flask upgrade failed on {database.kind}: {done.output}") from done.exception


def close(app: object) -> None:
    """Let go of every connection an app holds, so that its database can be copied or dropped."""
    from portal.db.base import db
    from portal.services import work

    with app.app_context():  # type: ignore[attr-defined]
        db.session.remove()
        db.engine.dispose()
        work.disconnect()


class SqliteTemplate:
    """A migrated file; each test gets a copy."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.numbers = itertools.count(1)
        self.file = folder / "template.sqlite"
        migrate(Database(kind="sqlite", url=f"sqlite:///{self.file}", folder=folder))
        with sqlite3.connect(self.file) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()

    @contextmanager
    def fresh(self, source: Database | None = None) -> Iterator[Database]:
        """A copy of the template, or of ``source`` with all its files, which nobody may have open."""
        folder = self.folder / f"sqlite-{next(self.numbers)}"
        file = folder / "portal.sqlite"
        if source is not None:
            shutil.copytree(source.folder, folder)
        else:
            folder.mkdir()
            shutil.copyfile(self.file, file)
        try:
            yield Database(kind="sqlite", url=f"sqlite:///{file}", folder=folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


class PostgresTemplate:
    """A migrated database of this worker; each test gets a copy made by the server."""

    def __init__(self, server: str, folder: Path, worker: str) -> None:
        self.server = make_url(server)
        self.folder = folder
        self.name = f"template_{worker}"
        self.numbers = itertools.count(1)
        plain = self.server.set(drivername="postgresql").render_as_string(hide_password=False)
        self.admin = psycopg.connect(plain, autocommit=True)
        try:
            self._say(f'DROP DATABASE IF EXISTS "{self.name}" WITH (FORCE)', f'CREATE DATABASE "{self.name}"')
            migrate(Database(kind="postgresql", url=self._url(self.name), folder=folder))
        except BaseException:
            self.admin.close()
            raise

    def _url(self, name: str) -> str:
        return self.server.set(database=name).render_as_string(hide_password=False)

    def _say(self, *statements: str) -> None:
        for statement in statements:
            self.admin.execute(statement.encode())

    @contextmanager
    def fresh(self, source: Database | None = None) -> Iterator[Database]:
        """A copy of the template, or of ``source`` with all its files, which nobody may have open."""
        name = f"{self.name}_{next(self.numbers)}"
        folder = self.folder / name
        if source is not None:
            shutil.copytree(source.folder, folder)
        else:
            folder.mkdir()
        template = make_url(source.url).database if source is not None else self.name
        # Copying files beats writing the copy to the log by far while fsync is off (measured: 11 ms, not 94).
        drop = f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'
        self._say(drop, f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY')
        try:
            yield Database(kind="postgresql", url=self._url(name), folder=folder)
        finally:
            self._say(drop)
            shutil.rmtree(folder, ignore_errors=True)

    def close(self) -> None:
        self._say(f'DROP DATABASE IF EXISTS "{self.name}" WITH (FORCE)')
        self.admin.close()
