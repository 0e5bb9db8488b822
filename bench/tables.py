"""Results as a table to read, and as plain values for ``--json``."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Result:
    """What one workload found: a title, names of columns, rows, and what has to be said about them."""

    name: str
    title: str
    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    notes: list[str] = field(default_factory=list)

    def plain(self) -> dict[str, Any]:
        rows = [dict(zip(self.columns, row, strict=True)) for row in self.rows]
        return {"workload": self.name, "title": self.title, "rows": rows, "notes": self.notes}

    def __str__(self) -> str:
        shown = [tuple(map(_cell, row)) for row in self.rows]
        widths = [max(map(len, column)) for column in zip(self.columns, *shown, strict=True)]
        lines = [f"## {self.name}: {self.title}", "", _line(self.columns, widths)]
        lines += ["|" + "|".join("-" * (width + 2) for width in widths) + "|"]
        lines += [_line(row, widths) for row in shown]
        return "\n".join([*lines, *(["", *self.notes] if self.notes else []), ""])


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"


def _cell(value: Any) -> str:
    return f"{value:.1f}" if isinstance(value, float) else str(value)


def p50(seconds: Sequence[float]) -> float:
    """The middle, in milliseconds."""
    return 1000 * statistics.median(seconds)


def p95(seconds: Sequence[float]) -> float:
    return 1000 * sorted(seconds)[int(len(seconds) * 0.95)] if seconds else 0.0
