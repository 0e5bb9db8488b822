"""Where the parts of a chart lie: plain numbers for the macros of ``parts/charts.html``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, ROW, GAP, LABEL, END = 640, 26, 8, 200, 90
HEIGHT, FOOT, HEAD = 220, 24, 16


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One bar that lies, with its words before it and its value behind it."""

    name: str
    value: str
    url: str | None
    y: int
    width: int
    text_y: int
    line_x: int
    line_y: int
    together: str


@dataclass(frozen=True, kw_only=True)
class Bars:
    """Bars from the largest down, and the line of what they make together."""

    width: int
    height: int
    label: int
    bars: tuple[Bar, ...]
    line: str


@dataclass(frozen=True, kw_only=True)
class Piece:
    """One part of a column."""

    series: int
    y: int
    height: int
    value: str


@dataclass(frozen=True, kw_only=True)
class Stack:
    """One column of parts, with its name under it and its sum above it."""

    name: str
    x: int
    width: int
    middle: int
    total: str
    total_y: int
    pieces: tuple[Piece, ...]


@dataclass(frozen=True, kw_only=True)
class Stacks:
    width: int
    height: int
    foot: int
    stacks: tuple[Stack, ...]


def bars(rows: Sequence[tuple[str, int, str, int, str, str | None]]) -> Bars:
    """``rows`` are (name, count, its words, the part together in basis points, its words, address or None)."""
    most = max((count for _, count, *_ in rows), default=0) or 1
    room = WIDTH - LABEL - END
    found, points = [], []
    for place, (name, count, told, together, said, url) in enumerate(rows):
        y = place * (ROW + GAP)
        x = LABEL + room * together // 10_000
        found.append(
            Bar(
                name=name,
                value=told,
                url=url,
                y=y,
                width=max(2, room * count // most),
                text_y=y + ROW * 2 // 3,
                line_x=x,
                line_y=y + ROW // 2,
                together=said,
            )
        )
        points.append(f"{x},{y + ROW // 2}")
    return Bars(
        width=WIDTH,
        height=max(ROW, len(rows) * (ROW + GAP)),
        label=LABEL,
        bars=tuple(found),
        line=" ".join(points),
    )


def stacks(
    columns: Sequence[tuple[str, Sequence[int]]], told: Sequence[Sequence[str]], sums: Sequence[str]
) -> Stacks:
    """``columns`` are (name, counts from the bottom up); ``told`` and ``sums`` are the same in words."""
    most = max((sum(counts) for _, counts in columns), default=0) or 1
    step = WIDTH // max(len(columns), 1)
    wide = min(64, max(6, step * 2 // 3))
    room = HEIGHT - FOOT - HEAD
    found = []
    for place, (name, counts) in enumerate(columns):
        x, below, pieces = place * step + (step - wide) // 2, HEIGHT - FOOT, []
        for series, count in enumerate(counts):
            tall = room * count // most
            below -= tall
            if tall:
                pieces.append(Piece(series=series, y=below, height=tall, value=told[place][series]))
        found.append(
            Stack(
                name=name,
                x=x,
                width=wide,
                middle=x + wide // 2,
                total=sums[place],
                total_y=below - 4,
                pieces=tuple(pieces),
            )
        )
    return Stacks(width=WIDTH, height=HEIGHT, foot=HEIGHT - 6, stacks=tuple(found))
