"""A channel that tells nobody: what a shop's system would have received lies in a folder, to be read."""

import os
from dataclasses import dataclass
from pathlib import Path

from portal.adapters.channels.notices import body
from portal.ports import ChannelNotice, Declined


@dataclass(frozen=True, kw_only=True)
class SandboxChannel:
    """Implements ``ports.Channel``. One file per notice, named by its key: told twice, it is there once."""

    folder: Path

    @property
    def code(self) -> str:
        return "sandbox"

    def notify(self, notice: ChannelNotice, *, key: str) -> None:
        """Keep it. Raises ``Declined("not_taken")`` where the same key brings other words."""
        self.folder.mkdir(parents=True, exist_ok=True)
        told, place = body(notice, key=key), self.folder / f"{key}.json"
        half = place.with_suffix(f".{os.getpid()}")
        half.write_bytes(told)
        try:
            os.link(half, place)
        except FileExistsError:
            if place.read_bytes() != told:
                raise Declined("not_taken", "this key was used for another notice") from None
        finally:
            half.unlink()

    def received(self) -> tuple[tuple[str, bytes], ...]:
        """(key, body) of everything that was told, the oldest first: keys begin with their moment."""
        found = sorted(self.folder.glob("*.json"))
        return tuple((place.stem, place.read_bytes()) for place in found)
