"""Whether this process can do its work."""

import os
import shutil
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from portal.db import health
from portal.db.base import db
from portal.db.cancellations import GATED, Cancellation

LEAST_FREE = 100 * 1024 * 1024
"""Bytes that must be left on the disk."""


def faults(*, migrations: str, folders: tuple[Path, ...]) -> tuple[str, ...]:
    """What keeps the portal from working, as codes; empty when it is ready.

    ``database`` does not answer, ``migrations`` are missing, ``disk`` is full or cannot be written.
    """
    found = []
    try:
        if health.version() != health.newest(migrations):
            found.append("migrations")
    except SQLAlchemyError:
        found.append("database")
    if not all(_writable(folder) for folder in folders):
        found.append("disk")
    return tuple(found)


def notices() -> tuple[str, ...]:
    """What is no reason to stop working, and for somebody to look at, as codes.

    ``warehouse_silent``: a warehouse has not answered for a quarter of an hour. Our own books tell; nobody
    outside is asked for a page that is asked every few seconds.
    """
    silent = sa.select(Cancellation.id).where(
        Cancellation.next_ask_at.is_not(None),
        Cancellation.silent_at.is_not(None),
        Cancellation.warehouse_state.in_(GATED),
    )
    return ("warehouse_silent",) if db.session.scalar(silent.limit(1)) is not None else ()


def _writable(folder: Path) -> bool:
    """Whether files can be put there; a folder that is not made yet is judged by the nearest that is."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return os.access(folder, os.W_OK) and shutil.disk_usage(folder).free > LEAST_FREE
