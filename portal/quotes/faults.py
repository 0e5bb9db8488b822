"""What is wrong with a file: every fault with its path, in sentences for whoever wrote it."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One thing that is wrong, and where: ``order.lines[0].units``."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


class BadInput(ValueError):
    """It cannot be read; ``faults`` are all that was found."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(str(fault) for fault in self.faults))


def below(path: str, *steps: str | int) -> str:
    """The path of something inside ``path``."""
    for step in steps:
        path += f"[{step}]" if isinstance(step, int) else f".{step}"
    return path
