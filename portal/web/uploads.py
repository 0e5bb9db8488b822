"""Files that visitors send: read within limits, believed in nothing. What they are is decided by decoding them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from werkzeug.datastructures import FileStorage

from portal.core.access import Conflict

MOST_FILES = 10
MOST_BYTES = 10 * 1024 * 1024


class TooLarge(Exception):
    """One file is beyond the limit; nothing of it was kept."""


class TooMany(Exception):
    """More files in one go than are read."""


def contents(files: Iterable[FileStorage]) -> Iterator[bytes]:
    """The bytes of each file that was really chosen. Raises ``TooLarge``, ``TooMany``. Names are never looked at."""
    chosen = [file for file in files if file.filename]
    if len(chosen) > MOST_FILES:
        raise TooMany
    for file in chosen:
        content = file.stream.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise TooLarge
        if content:
            yield content


def some(files: Iterable[FileStorage], *, most: int) -> list[bytes]:
    """The same for a field that takes ``most``. Raises ``Conflict``: ``photo_too_large``, ``photos_full``."""
    try:
        found = list(contents(files))
    except TooLarge:
        raise Conflict("photo_too_large", megabytes=MOST_BYTES // 1024 // 1024) from None
    except TooMany:
        raise Conflict("photos_full", maximum=most) from None
    if len(found) > most:
        raise Conflict("photos_full", maximum=most)
    return found
