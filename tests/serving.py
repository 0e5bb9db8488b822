"""The app as it runs in the world: behind an address, with worker processes."""

from __future__ import annotations

import contextvars
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server

from tests import databases
from tests.databases import Database
from tests.mail import free_port

ROOT = Path(__file__).resolve().parent.parent


def drain(app: Flask) -> None:
    """Do all durable work that is due, in this process, by the worker's own command."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with databases.no_loop():
            done = contextvars.Context().run(app.test_cli_runner().invoke, args=["work", "--drain"])
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    assert done.exit_code == 0, done.output
    if done.exception:
        raise done.exception


class Server:
    """A running app: its address, the app itself, and workers on request."""

    def __init__(self, *, url: str, app: Flask, environ: dict[str, str]) -> None:
        self.url, self.app, self._environ = url, app, environ
        self._workers: list[subprocess.Popen[bytes]] = []

    def worker(self) -> subprocess.Popen[bytes]:
        """A worker process of its own, as `flask work` starts it. Ended with the server."""
        env = {"PATH": os.environ.get("PATH", ""), "FLASK_APP": "wsgi", **self._environ}
        command = [sys.executable, "-m", "flask", "work"]
        log = (Path(self._environ["DATA_DIR"]) / f"worker-{len(self._workers)}.log").open("wb")
        with log:
            started = subprocess.Popen(
                command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self._workers.append(started)
        return started

    def drain(self) -> None:
        drain(self.app)

    def stop_workers(self) -> None:
        for worker in self._workers:
            worker.terminate()
        for worker in self._workers:
            try:
                worker.wait(15)
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()


class _Quiet(WSGIRequestHandler):
    def log(self, *_anything: object) -> None:
        """The app logs its own requests."""


@contextmanager
def serving(database: Database, make_app: Callable[..., Flask], **environ: str) -> Iterator[Server]:
    """The app on a free port of this machine, with as many threads as there are requests."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    more = {"BASE_URL": url, **environ}
    app = make_app(**more)
    http = make_server("127.0.0.1", port, app, threaded=True, request_handler=_Quiet)
    http.daemon_threads = True  # type: ignore[attr-defined]
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    server = Server(url=url, app=app, environ=database.environ(**more))
    try:
        yield server
    finally:
        server.stop_workers()
        http.shutdown()
        http.server_close()
        thread.join(10)
