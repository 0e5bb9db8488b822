"""Files of orders: plain or gzipped, or standard input, with how far they have been read."""

import gzip
import io
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO, cast

GZIP = b"\x1f\x8b"
BOM = b"\xef\xbb\xbf"


class Files:
    """The files of one import. ``done`` of ``total`` bytes tells how far they have been read."""

    def __init__(self, paths: Sequence[str]) -> None:
        self.paths = tuple(paths)
        self.total = sum(os.path.getsize(path) for path in self.paths if path != "-" and os.path.isfile(path))
        self._finished = 0
        self._open: BinaryIO | None = None

    @property
    def done(self) -> int:
        return self._finished + (self._open.tell() if self._open is not None else 0)

    @contextmanager
    def opened(self, path: str) -> Iterator[BinaryIO]:
        """The bytes of ``path``, unpacked, from the start; ``seek(0)`` starts again. Raises ``OSError``.

        Standard input is spooled to a temporary file, so that it too can be read twice.
        """
        with _raw(path) as raw:
            self._open = raw
            try:
                packed = raw.read(2) == GZIP
                raw.seek(0)
                yield cast(BinaryIO, gzip.GzipFile(fileobj=raw) if packed else raw)
            finally:
                self._finished += raw.tell()
                self._open = None


def _raw(path: str) -> BinaryIO:
    if path != "-":
        return open(path, "rb")
    spool = tempfile.TemporaryFile()  # noqa: SIM115
    shutil.copyfileobj(sys.stdin.buffer, spool)
    spool.seek(0)
    return cast(BinaryIO, spool)


def start(stream: BinaryIO) -> None:
    """Put ``stream`` at its first byte after a byte order mark."""
    stream.seek(0)
    if stream.read(3) != BOM:
        stream.seek(0)


def as_text(stream: BinaryIO, encoding: str) -> io.TextIOWrapper:
    """``stream`` as text for the csv module; closing it leaves ``stream`` open with ``detach``."""
    stream.seek(0)
    return io.TextIOWrapper(stream, encoding=encoding, newline="")
