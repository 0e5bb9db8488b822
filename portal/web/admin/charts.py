"""Where the parts of a chart lie: plain numbers for the macros of ``parts/charts.html``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, NAME, BAR, GAP = 640, 30, 18, 10
HEIGHT, FOOT, HEAD = 240, 34, 30
NAMED = 8
"""So many columns at most have their name and sum written; a phone has no room for more."""


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One bar that lies, with its words and its value above it."""

    name: str
    value: str
    text_y: int
    y: int
    width: int
    line_x: int
    line_y: int


@dataclass(frozen=True, kw_only=True)
class Bars:
    """Bars from the largest down, and the line of what they make together."""

    width: int
    height: int
    thick: int
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


def bars(rows: Sequence[tuple[str, int, str, int]]) -> Bars:
    """``rows`` are (name, count, its words, the part that they make together in basis points)."""
    most = max((count for _, count, *_ in rows), default=0) or 1
    found, points = [], []
    for place, (name, count, told, together) in enumerate(rows):
        top = place * (NAME + BAR + GAP)
        x, middle = (WIDTH - 12) * together // 10_000, top + NAME + BAR // 2
        found.append(
            Bar(
                name=name,
                value=told,
                text_y=top + NAME - 8,
                y=top + NAME,
                width=max(2, (WIDTH - 2) * count // most),
                line_x=x,
                line_y=middle,
            )
        )
        points.append(f"{x},{middle}")
    return Bars(
        width=WIDTH,
        height=max(1, len(rows)) * (NAME + BAR + GAP),
        thick=BAR,
        bars=tuple(found),
        line=" ".join(points),
    )


def stacks(
    columns: Sequence[tuple[str, Sequence[int]]], told: Sequence[Sequence[str]], sums: Sequence[str]
) -> Stacks:
    """``columns`` are (name, counts from the bottom up); ``told`` and ``sums`` are the same in words.

    Of more than ``NAMED`` columns some have neither name nor sum, so that none lies over another.
    """
    every = -(-len(columns) // NAMED) or 1
    most = max((sum(counts) for _, counts in columns), default=0) or 1
    step = WIDTH // max(len(columns), 1)
    wide = min(64, max(4, step * 2 // 3))
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
                name=name if place % every == 0 else "",
                x=x,
                width=wide,
                middle=x + wide // 2,
                total=sums[place] if len(columns) <= NAMED else "",
                total_y=below - 6,
                pieces=tuple(pieces),
            )
        )
    return Stacks(width=WIDTH, height=HEIGHT, foot=HEIGHT - 8, stacks=tuple(found))
