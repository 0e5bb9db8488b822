"""OpenID providers for tests: a real one (canaille, in an environment of its own) and one that misbehaves."""

from __future__ import annotations

import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.browsing import environ

CLIENT_ID, CLIENT_SECRET = "returns-portal", "a client secret for tests alone"
PASSWORD = "a password for tests alone"
PATIENCE = 60
"""Seconds until the provider must have started; it takes a few."""


def python() -> Path:
    """The Python that has the provider: as `dev.py test` set it up, or beside this environment."""
    found = Path(environ("TEST_OIDC_PYTHON") or Path(sys.prefix).parent / ".venv-oidc" / "bin" / "python")
    if not found.exists():
        raise RuntimeError("the OpenID provider is missing: run `python3 dev.py test`, which sets it up")
    return found


@contextmanager
def running(portal: str, *, port: int) -> Iterator[str]:
    """A provider on that port that knows the portal at that address; gives its issuer. Ended at the end."""
    command = [python(), Path(__file__).with_name("serve.py"), str(port), CLIENT_ID, CLIENT_SECRET, portal]
    server = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        _wait(server)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(20)
        if server.stdout is not None:
            server.stdout.close()


def _wait(server: subprocess.Popen[str]) -> None:
    said = []
    until = time.monotonic() + PATIENCE
    assert server.stdout is not None
    while server.poll() is None and time.monotonic() < until:
        if select.select([server.stdout], [], [], 1)[0]:
            line = server.stdout.readline()
            if line.startswith("ready"):
                return
            said.append(line)
    raise RuntimeError(f"the OpenID provider did not start:\n{''.join(said[-30:])}")
