"""OpenID providers for tests: a real one (canaille, in an environment of its own) and one that misbehaves."""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.browsing import environ

CLIENT_ID, CLIENT_SECRET = "returns-portal", "a client secret for tests alone"
PASSWORD = "a password for tests alone"
PATIENCE = 180
"""Seconds until the provider must have started; it takes five, and more on a busy machine."""


def python() -> Path:
    """The Python that has the provider: as `dev.py test` set it up, or beside this environment."""
    found = Path(environ("TEST_OIDC_PYTHON") or Path(sys.prefix).parent / ".venv-oidc" / "bin" / "python")
    if not found.exists():
        raise RuntimeError(
            "The OpenID provider is missing: `python3 dev.py test` sets it up (requirements-oidc.txt in"
            " .venv-oidc) and says what went wrong where it cannot"
        )
    return found


@contextmanager
def running(portal: str, *, door: socket.socket) -> Iterator[str]:
    """A provider behind that door that knows the portal at that address; gives its issuer. Ended at the end."""
    here = Path(__file__).with_name("serve.py")
    command = [python(), here, str(door.fileno()), CLIENT_ID, CLIENT_SECRET, portal]
    server = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        pass_fds=[door.fileno()],
    )  # fmt: skip
    try:
        _wait(server)
        yield issuer(door)
    finally:
        server.kill()  # it keeps nothing
        server.wait()
        if server.stdout is not None:
            server.stdout.close()


@contextmanager
def door() -> Iterator[socket.socket]:
    """A free port of this machine, held from now on: nobody else gets it before the provider is there."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen(64)
        yield held


def issuer(door: socket.socket) -> str:
    return f"http://127.0.0.1:{door.getsockname()[1]}"


def _wait(server: subprocess.Popen[str]) -> None:
    """Until it says that it is ready; read as it comes, so that a line behind another is not waited for in vain."""
    said = b""
    until = time.monotonic() + PATIENCE
    assert server.stdout is not None
    while time.monotonic() < until:
        if select.select([server.stdout], [], [], 1)[0]:
            more = os.read(server.stdout.fileno(), 65536)
            said += more
            if b"ready" in said.splitlines():
                return
            if not more:
                break
    lines = said.decode(errors="replace").splitlines()
    raise RuntimeError("the OpenID provider did not start:\n" + "\n".join(lines[-30:]))
