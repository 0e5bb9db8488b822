"""Whether this process can do its work."""

import os
import shutil
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from portal.db import health

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


def _writable(folder: Path) -> bool:
    """Whether files can be put there; a folder that is not made yet is judged by the nearest that is."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return os.access(folder, os.W_OK) and shutil.disk_usage(folder).free > LEAST_FREE
