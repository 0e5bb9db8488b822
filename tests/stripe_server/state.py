"""What the server remembers: objects by kind in the order they were made, in memory and, if wanted, in a file."""

import json
import secrets
import threading
import time
from pathlib import Path
from typing import Any

Thing = dict[str, Any]
KINDS = ("payment_intents", "charges", "refunds", "disputes", "events")


class State:
    """Every object, with a lock around it and a clock of its own."""

    def __init__(self, file: Path | None = None) -> None:
        self.lock = threading.RLock()
        self.things: dict[str, dict[str, Thing]] = {kind: {} for kind in KINDS}
        self.keys: dict[str, Thing] = {}
        self._born: dict[str, float] = {}
        self._shift = 0.0
        self._journal = None
        if file is not None:
            self._load(file)
            self._journal = file.open("a", encoding="utf-8")

    def now(self) -> float:
        """The server's clock, in seconds."""
        return time.time() + self._shift

    def advance(self, seconds: float) -> None:
        """Move the clock on."""
        with self.lock:
            self._shift += seconds
            self._write("shift", "", self._shift)

    def make(self, kind: str, prefix: str, thing: Thing, *, id: str = "") -> Thing:
        """Keep a new object under an id of its own."""
        with self.lock:
            made = {"id": id or f"{prefix}_{secrets.token_hex(12)}", **thing, "created": int(self.now())}
            self._born[made["id"]] = self.now()
            return self.save(kind, made)

    def save(self, kind: str, thing: Thing) -> Thing:
        """Keep an object as it is now."""
        with self.lock:
            self.things[kind][thing["id"]] = thing
            self._write(kind, thing["id"], thing)
            return thing

    def age(self, id: str) -> float:
        """For how many seconds an object exists."""
        return self.now() - self._born.get(id, 0.0)

    def keep_key(self, key: str, entry: Thing) -> None:
        """Keep what was answered under an idempotency key."""
        self.keys[key] = entry
        self._write("keys", key, entry)

    def close(self) -> None:
        """Let the file go."""
        with self.lock:
            if self._journal is not None:
                self._journal.close()
                self._journal = None

    def _write(self, kind: str, name: str, value: Any) -> None:
        if self._journal is not None:
            self._journal.write(json.dumps([kind, name, value, self._born.get(name)]) + "\n")
            self._journal.flush()

    def _load(self, file: Path) -> None:
        """Read what was written; a last line that a power cut left half written is left out."""
        if not file.exists():
            return
        whole = file.read_bytes()
        kept = whole[: whole.rfind(b"\n") + 1]
        file.write_bytes(kept)
        for line in kept.decode().splitlines():
            kind, name, value, born = json.loads(line)
            if kind == "shift":
                self._shift = value
            elif kind == "keys":
                self.keys[name] = value
            else:
                self.things[kind][name] = value
                self._born[name] = born
