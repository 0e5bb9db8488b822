"""What is measured on: databases that keep what they are told, web and worker processes as in earnest."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import psycopg
from flask import Flask
from sqlalchemy.engine import make_url

from portal import create_app
from portal.settings import Settings
from tests import postgres
from tests.databases import Database, migrate
from tests.mail import free_port

ROOT = Path(__file__).resolve().parent.parent
KINDS = ("sqlite", "postgresql")


@dataclass(frozen=True, kw_only=True)
class Ground:
    """A migrated database on disk, and how its processes are told of it."""

    database: Database
    url: str
    """Where the web processes answer."""
    more: Mapping[str, str] = field(default_factory=dict)
    """Further settings of all its processes."""

    @property
    def kind(self) -> str:
        return self.database.kind

    def environ(self) -> dict[str, str]:
        # Behind one proxy, so that each visitor has an address, and limits per address work as in earnest.
        return self.database.environ(
            **{"BASE_URL": self.url, "TRUSTED_PROXIES": "1", "LOG_LEVEL": "error", **self.more}
        )

    def app(self) -> Flask:
        """The app in this process, to fill the shop and to look at what became of it."""
        return create_app(Settings.from_env(self.environ()))


@contextmanager
def ground(kind: str) -> Iterator[Ground]:
    """A fresh database of that kind. PostgreSQL is the tests' own, or that of TEST_DATABASE_URL, durable."""
    with (
        tempfile.TemporaryDirectory(prefix="returns-bench-") as name,
        _database(kind, Path(name)) as database,
    ):
        migrate(database)
        yield Ground(database=database, url=f"http://127.0.0.1:{free_port()}")


@contextmanager
def _database(kind: str, folder: Path) -> Iterator[Database]:
    if kind == "sqlite":
        yield Database(kind=kind, url=f"sqlite:///{folder / 'portal.sqlite'}", folder=folder)
        return
    given = os.environ.get("TEST_DATABASE_URL")
    if given is None:
        with postgres.running(durable=True) as url:
            yield Database(kind=kind, url=url, folder=folder)
        return
    server, own = make_url(given), f"bench_{os.getpid()}"
    plain = server.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{own}"'.encode())
        try:
            fresh = server.set(database=own).render_as_string(hide_password=False)
            yield Database(kind=kind, url=fresh, folder=folder)
        finally:
            admin.execute(f'DROP DATABASE "{own}" WITH (FORCE)'.encode())


class Processes:
    """Started processes with all their children: what they use, and their end."""

    def __init__(self, command: Sequence[str], ground: Ground) -> None:
        env = {"PATH": os.environ.get("PATH", ""), "FLASK_APP": "wsgi", **ground.environ()}
        self.log = ground.database.folder / f"{command[-1].replace(':', '-')}.log"
        self.began = time.monotonic()
        with self.log.open("ab") as out:
            self._first = subprocess.Popen(
                [sys.executable, "-m", *command],
                cwd=ROOT,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )

    def all(self) -> list[psutil.Process]:
        first = psutil.Process(self._first.pid)
        return [first, *first.children(recursive=True)]

    def cpu_seconds(self) -> float:
        return sum(one.cpu_times().user + one.cpu_times().system for one in self.all())

    def resident(self) -> list[float]:
        """MiB that each process holds, the first one included."""
        return [one.memory_info().rss / 2**20 for one in self.all()]

    def unshared(self) -> float:
        """MiB that all of them hold together, each shared page counted once (Linux), else the plain sum."""
        with suppress(AttributeError, psutil.AccessDenied):
            return sum(one.memory_full_info().pss for one in self.all()) / 2**20
        return sum(self.resident())

    def kill(self) -> None:
        """As a power cut would: nothing is finished, nothing is said."""
        self._first.kill()
        self._first.wait()

    def stop(self) -> None:
        self._first.terminate()
        try:
            self._first.wait(20)
        except subprocess.TimeoutExpired:
            self._first.kill()
            self._first.wait()


@contextmanager
def web(ground: Ground, *, processes: int, threads: int = 4) -> Iterator[Processes]:
    """The portal behind gunicorn; ready when this returns. ``seconds`` is how long that took."""
    bind = ground.url.removeprefix("http://")
    command = ["gunicorn", "-k", "gthread", "-w", str(processes), "--threads", str(threads), "-b", bind]
    served = Processes([*command, "--keep-alive", "75", "wsgi:app"], ground)
    try:
        wait(served, f"{ground.url}/readyz")
        yield served
    finally:
        served.stop()


def wait(served: Processes, url: str) -> float:
    """Seconds from its start until it answers."""
    while time.monotonic() - served.began < 60:
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310  our own server
                return time.monotonic() - served.began
        except (urllib.error.URLError, OSError):
            time.sleep(0.02)
    raise RuntimeError(f"no answer at {url}: {served.log.read_text()[-2000:]}")


@contextmanager
def worker(ground: Ground, *options: str) -> Iterator[Processes]:
    started = Processes(["flask", "work", *options], ground)
    try:
        yield started
    finally:
        started.stop()
