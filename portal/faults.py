"""Places where a test may let the process die, as a power cut would. Outside of tests each is nothing.

``FAULT_POINT=after_http_response`` kills at the first passage of that place, ``after_http_response:3`` at
the third. It is heard only where ``APP_ENV=test``.
"""

import itertools
import os
import signal
from collections import defaultdict
from collections.abc import Iterator

_passages: dict[str, Iterator[int]] = defaultdict(lambda: itertools.count(1))


def point(name: str) -> None:
    """Die here if this place was chosen; nothing is cleaned up, nothing is said."""
    chosen, _, passage = os.environ.get("FAULT_POINT", "").partition(":")
    if chosen != name or os.environ.get("APP_ENV") != "test":
        return
    if next(_passages[name]) == int(passage or 1):
        os.kill(os.getpid(), signal.SIGKILL)
