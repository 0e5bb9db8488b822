"""Which units of a line: half-open spans of unit positions, so that each unit has one price for ever.

A line of three units that cost 27.98 is 9.33 + 9.32 + 9.33. Returns, cancellations and refunds made
elsewhere take positions, lowest first; a withdrawn return gives its positions back. However they are
taken, all positions together are worth exactly what was paid (money.md 5).
"""

from collections.abc import Iterable

from portal.core.money import Minor, share

Span = tuple[int, int]
"""Unit positions ``first`` up to, but not including, ``end``."""


def count(spans: Iterable[Span]) -> int:
    """How many units the spans hold."""
    return sum(end - first for first, end in spans)


def merge(spans: Iterable[Span]) -> tuple[Span, ...]:
    """The same positions, sorted, with touching spans joined. Raises ``ValueError`` where two overlap."""
    held = [span for span in spans if span[0] != span[1]]
    if len(held) < 2:
        return tuple(held)
    merged: list[Span] = []
    for first, end in sorted(held):
        if merged and first < merged[-1][1]:
            raise ValueError(f"unit {first} is taken twice")
        if merged and first == merged[-1][1]:
            merged[-1] = (merged[-1][0], end)
        else:
            merged.append((first, end))
    return tuple(merged)


def free(taken: Iterable[Span], units: int) -> tuple[Span, ...]:
    """The positions of a line of ``units`` that nobody has taken."""
    gaps: list[Span] = []
    position = 0
    for first, end in merge(taken):
        if first > position:
            gaps.append((position, first))
        position = end
    if position < units:
        gaps.append((position, units))
    return tuple(gaps)


def lowest(spans: Iterable[Span], units: int) -> tuple[Span, ...]:
    """The first ``units`` positions among ``spans``. Raises ``ValueError`` when there are fewer."""
    picked: list[Span] = []
    for first, end in merge(spans):
        if units <= 0:
            break
        take = min(units, end - first)
        picked.append((first, first + take))
        units -= take
    if units > 0:
        raise ValueError(f"{units} units too many")
    return tuple(picked)


def without(spans: Iterable[Span], gone: Iterable[Span]) -> tuple[Span, ...]:
    """``spans`` less the positions in ``gone``."""
    left = merge(spans)
    for first, end in gone:
        left = tuple(
            piece for a, b in left for piece in ((a, min(b, first)), (max(a, end), b)) if piece[0] < piece[1]
        )
    return left


def overlap(spans: Iterable[Span], others: Iterable[Span]) -> bool:
    """Whether a position is in both."""
    held, gone = tuple(spans), tuple(others)
    return bool(held and gone) and count(without(held, gone)) != count(held)


def worth(amount: Minor, spans: Iterable[Span], of: int) -> Minor:
    """What the positions in ``spans`` are worth of a line of ``of`` units that cost ``amount``."""
    return sum(share(amount, first, end, of) for first, end in spans)
