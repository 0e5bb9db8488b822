"""What an SQLite before 3.42 lacks, and the work engine expects of it from Python 3.12 on.

The version of SQLite is the system's, not Python's: Debian 12 and Ubuntu 22.04 have an older one.
"""

import sqlite3
import time
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine

LACKS_FRACTIONS = sqlite3.sqlite_version_info < (3, 42)


def unixepoch(asked: str) -> float | int:
    """SQLite's own function of one argument, as far as it tells the present time."""
    if asked in ("subsec", "subsecond"):
        return time.time_ns() / 1_000_000_000
    if asked == "now":
        return int(time.time())
    raise ValueError(f"unixepoch({asked!r}) is not known here")


def teach(connection: Any, _record: Any) -> None:
    if LACKS_FRACTIONS and isinstance(connection, sqlite3.Connection):
        connection.create_function("unixepoch", 1, unixepoch)


# Every engine of the process: the work engine makes its own.
event.listen(Engine, "connect", teach)
