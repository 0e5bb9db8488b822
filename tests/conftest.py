"""What tests are given: a fresh database of each kind, the app on it, a critical client, mail, a browser."""

from __future__ import annotations

import gc
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher, profiles
from flask import Flask
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket
from sqlalchemy.orm import Session

from portal import create_app
from tests import browsing, databases, mail, postgres, serving
from tests.checking import CheckingClient
from tests.databases import Database

# ------------------------------------------------------------------------------------------------- PostgreSQL

_server = pytest.StashKey[tuple[str, ExitStack]]()


def _postgres(config: pytest.Config) -> str:
    """The address of the one server of this run, started when first asked for."""
    if hasattr(config, "workerinput"):
        return str(config.workerinput["postgres"])
    if _server not in config.stash:
        stack = ExitStack()
        given = browsing.environ("TEST_DATABASE_URL")
        config.stash[_server] = (given or stack.enter_context(postgres.running()), stack)
    return config.stash[_server][0]


class _SharedServer:
    """With xdist the first process starts the server; the workers are told where it is."""

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        node.workerinput["postgres"] = _postgres(node.config)


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(_SharedServer())


def pytest_unconfigure(config: pytest.Config) -> None:
    if _server in config.stash:
        config.stash[_server][1].close()


# -------------------------------------------------------------------------------------------------- databases


@pytest.fixture(scope="session")
def scratch() -> Iterator[Path]:
    """A folder for this run, in memory where possible."""
    folder = postgres.fast_folder("returns-tests-")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def worker_name(request: pytest.FixtureRequest) -> str:
    return str(getattr(request.config, "workerinput", {}).get("workerid", "alone"))


@pytest.fixture(scope="session")
def sqlite_template(scratch: Path) -> databases.SqliteTemplate:
    return databases.SqliteTemplate(scratch)


@pytest.fixture(scope="session")
def postgresql_template(
    request: pytest.FixtureRequest, scratch: Path, worker_name: str
) -> Iterator[databases.PostgresTemplate]:
    template = databases.PostgresTemplate(_postgres(request.config), scratch, worker_name)
    yield template
    template.close()


@pytest.fixture(params=databases.KINDS)
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    """A fresh, migrated database. A test that has it runs on SQLite and on PostgreSQL.

    One kind only: ``@pytest.mark.parametrize("database", ["sqlite"], indirect=True)``.
    """
    with request.getfixturevalue(f"{request.param}_template").fresh() as fresh:
        yield fresh


# ---------------------------------------------------------------------------------------------------- the app


class _Compiled(BytecodeCache):
    """Templates compiled by an earlier app of this process; a changed source is compiled anew."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if bucket.key in self.kept:
            bucket.bytecode_from_string(self.kept[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        self.kept[bucket.key] = bucket.bytecode_to_string()


_compiled = _Compiled()


@pytest.fixture(scope="session", autouse=True)
def quick_process() -> None:
    """What costs time at every test and changes no answer: dear password hashes, sweeping what stays anyway."""
    from portal.services.persons import people

    people._hasher = PasswordHasher.from_parameters(profiles.CHEAPEST)
    people._NOBODY = people._hasher.hash("nobody has this password")
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


@pytest.fixture
def make_app(database: Database) -> Iterator[Callable[..., Flask]]:
    """Makes apps on the test's database; variables of the environment can be given by name."""
    made: list[Flask] = []

    def make(**environ: str) -> Flask:
        app = create_app(database.settings(**environ))
        app.test_client_class = CheckingClient
        app.config["GRACE"] = 0  # what is decided is told at once
        app.jinja_env.bytecode_cache = _compiled
        made.append(app)
        return app

    yield make
    for app in made:
        databases.close(app)


@pytest.fixture
def app(make_app: Callable[..., Flask]) -> Flask:
    return make_app()


@pytest.fixture
def gateways(app: Flask) -> Any:
    """The adapters of the app: sandboxes, which are complete implementations."""
    return app.extensions["gateways"]


@pytest.fixture
def client(app: Flask) -> CheckingClient:
    """One visitor. Another: ``app.test_client()``."""
    made = app.test_client()
    assert isinstance(made, CheckingClient)
    return made


@pytest.fixture
def session(app: Flask) -> Iterator[Session]:
    """The session of an open app context, for tests that call services or read rows."""
    from portal.db.base import db

    with app.app_context():
        yield db.session()
        db.session.rollback()


@pytest.fixture
def drain(app: Flask) -> Callable[[], None]:
    """Does all durable work that is due, by the command that a worker runs, and returns when none is left."""
    return lambda: serving.drain(app)


# ------------------------------------------------------------------------------------------- mail and browser


@pytest.fixture
def smtp() -> Iterator[mail.Mailbox]:
    """A real SMTP server; the settings that point at it are ``smtp.environ()``."""
    with mail.receiving() as mailbox:
        yield mailbox


@pytest.fixture
def live_server(database: Database, make_app: Callable[..., Flask]) -> Iterator[serving.Server]:
    """The app behind a real address; ``.worker()`` starts a real worker process beside it."""
    with serving.serving(database, make_app) as server:
        yield server


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A Chromium for this worker. Where there is none the tests fail."""
    with browsing.chromium() as started:
        yield started


@pytest.fixture(params=[True, False], ids=["js", "nojs"])
def javascript(request: pytest.FixtureRequest) -> bool:
    """Journeys run with and without. One only: ``@pytest.mark.parametrize("javascript", [True])``."""
    return bool(request.param)


@pytest.fixture
def visit(request: pytest.FixtureRequest, browser: Any, javascript: bool) -> Iterator[Callable[..., Any]]:
    """Opens further visitors, each with cookies of their own; faults in any of their pages fail the test."""
    # What was made later ends earlier: a page that shows itself anew must be closed before its server is.
    if "live_server" in request.fixturenames:
        request.getfixturevalue("live_server")
    with browsing.visitors(browser, javascript=javascript) as visit:
        yield visit


@pytest.fixture
def page(visit: Callable[..., Any], live_server: serving.Server) -> Any:
    """A visitor's tab, with ``live_server`` as its base address: ``page.goto("/admin/")``."""
    return visit(base_url=live_server.url)
