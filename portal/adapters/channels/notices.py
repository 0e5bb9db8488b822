"""A notice as bytes: the same notice, the same bytes, at every try; ``schema.json`` beside it says their form."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from portal.ports import ChannelNotice

SCHEMA = Path(__file__).with_name("schema.json")


def body(notice: ChannelNotice, *, key: str) -> bytes:
    """The message: its id, what it is about, since when, and the data; JSON in one fixed form."""
    told = {
        "id": key,
        "type": notice.topic,
        "timestamp": notice.at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "merchant": notice.merchant,
        "order": notice.order,
        "data": notice.payload,
    }
    return json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


@cache
def schema() -> dict[str, Any]:
    """What a receiver may rely on (JSON Schema, draft 2020-12)."""
    found: dict[str, Any] = json.loads(SCHEMA.read_text(encoding="utf-8"))
    return found
