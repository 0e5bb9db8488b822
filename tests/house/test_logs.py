"""What the log says, and what it must never say."""

import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog
from flask import Flask, request
from sqlalchemy import create_engine, exc, text

from portal import logs
from portal.settings import Settings
from tests.databases import Database

TOKEN = "q7Zr0Xv2Lk9Tn4Bw8Hs1Dc6"


@pytest.fixture
def listen(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[], Callable[[], list[dict[str, Any]]]]]:
    """Sets the log up when called; what that returns gives the lines so far."""
    root = logging.getLogger()
    before, level = root.handlers, root.level

    def begin() -> Callable[[], list[dict[str, Any]]]:
        logs.configure(Settings.from_env({"LOG_FORMAT": "json"}))
        return lambda: [json.loads(line) for line in capsys.readouterr().err.splitlines()]

    yield begin
    root.handlers = before
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def small() -> Flask:
    app = Flask("small")
    logs.init_request_logging(app)

    @app.get("/l/<string:token>")
    def link(token: str) -> str:
        logging.getLogger("portal.small").info(
            "opened", extra={"path": request.path, "email": "demo@example.com"}
        )
        return "ok"

    @app.get("/fails")
    def fails() -> str:
        raise ValueError("cannot write to demo.customer@example.com")

    return app


def test_a_request_is_one_line_with_its_id(listen: Any, small: Flask) -> None:
    lines = listen()
    answer = small.test_client().get("/l/" + TOKEN, headers={"X-Request-Id": "from-the-proxy-1"})
    assert answer.headers["X-Request-Id"] == "from-the-proxy-1"
    said = lines()
    assert {line["request_id"] for line in said} == {"from-the-proxy-1"}
    last = said[-1]
    assert (last["event"], last["route"], last["status"], last["method"]) == (
        "request",
        "/l/[token]",
        200,
        "GET",
    )
    assert {"ts", "level", "ms"} <= set(last)


@pytest.mark.parametrize("given", ["", "short", "has space in it", "x" * 65, "new\tline-aaaa"])
def test_an_id_that_is_not_decent_is_replaced(small: Flask, given: str) -> None:
    answer = small.test_client().get("/l/x", headers={"X-Request-Id": given})
    assert answer.headers["X-Request-Id"] != given
    assert len(answer.headers["X-Request-Id"]) == 16


def test_two_requests_have_two_ids(small: Flask) -> None:
    client = small.test_client()
    assert client.get("/l/x").headers["X-Request-Id"] != client.get("/l/x").headers["X-Request-Id"]


def test_nothing_personal_is_logged(listen: Any, small: Flask) -> None:
    lines = listen()
    client = small.test_client()
    client.get("/l/" + TOKEN)
    client.get("/fails")
    log = structlog.get_logger("portal.test")
    log.warning(
        "sent to demo@example.com",
        customer={"name": "Demo Customer"},
        link=f"https://x.example/l/{TOKEN}?a=1",
    )
    log.error(
        "refused",
        form={"street": "Demo Street 1"},
        tried=["demo@example.com"],
        first_name="Demo",
        token=TOKEN,
    )
    whole = json.dumps(lines())
    for secret in (TOKEN, "example.com", "Demo Customer", "Demo Street", '"Demo"'):
        assert secret not in whole
    assert "cannot write to [email]" in whole


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("postgresql://user:pw@db.example/x", "postgresql://[hidden]@db.example/x"),
        ("/l/abc/next", "/l/[token]/next"),
        ("GET /api?token=abc&x=1", "GET /api?token=[hidden]&x=1"),
        ("return 019aa2b5-7e6f-7c3a-b0e5-7ab06ff80f10", "return 019aa2b5-7e6f-7c3a-b0e5-7ab06ff80f10"),
        ("portal.services.confirmation took 12 ms", "portal.services.confirmation took 12 ms"),
    ],
)
def test_what_is_covered_and_what_stays(said: str, kept: str) -> None:
    assert logs.covered(said) == kept


def test_a_database_error_does_not_quote_the_row(database: Database, listen: Any) -> None:
    lines = listen()
    engine = create_engine(database.url)
    with engine.connect() as connection:
        connection.execute(text("CREATE TABLE demo (email varchar(99) UNIQUE)"))
        insert = text("INSERT INTO demo VALUES (:email)")
        row = {"email": "Demo Customer of Demo Street"}
        connection.execute(insert, row)
        try:
            connection.execute(insert, row)  # the traceback quotes this line
        except exc.IntegrityError:
            logging.getLogger("portal.test").exception("not stored")
    engine.dispose()
    (line,) = lines()
    assert "IntegrityError" in line["exception"]
    assert "Demo Customer" not in json.dumps(line)
