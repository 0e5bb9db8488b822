"""The dock, decided: what a scan may mean, and how what was scanned is counted and graded until it is saved.

A scanner types what it read and presses Enter; so does a person. One field takes everything: numbers, labels,
products, and the few words that a keyboard would press (``A`` grades, ``3`` counts, ``SAVE`` saves).
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from portal.core.numbers import AUTHORIZATION_PREFIX, PREFIXES, RETURN_PREFIX, is_valid, normalize
from portal.core.reasons import GRADES
from portal.core.shipping import tidy_tracking_number

LONGEST: Final = 200
"""Characters of a scan that are looked at."""

MOST: Final = 999
"""Units that are counted of one thing in one go."""

COMMANDS: Final = {"SAVE": "save", "UNDO": "undo", "CLEAR": "clear"}
REFUSED: Final = ("W", "M")
"""Grades whose units are not accepted unless somebody says so."""

_SYMBOLOGY: Final = re.compile(r"^\][A-Za-z][0-9A-Za-z]")
"""What a scanner may put before the content to say which kind of code it read."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One thing that a scan may mean. ``kind``: ``line``, ``grade``, ``count``, ``command``, ``return``, ``code``,
    ``mistyped``, ``parcel``, ``article``.
    """

    kind: str
    value: str


def tidy(text: str) -> str:
    """What was scanned without what scanners add: control characters, blanks, the mark of the kind of code."""
    bare = "".join(c for c in text if c.isprintable()).strip()
    return _SYMBOLOGY.sub("", bare).strip()[:LONGEST]


def readings(text: str, *, skus: Collection[str] = (), codes: Collection[str] = ()) -> tuple[Reading, ...]:
    """What ``text`` may mean, the likeliest first; nothing for an empty scan.

    ``skus`` and ``codes`` are those of the return that is open: they come first, then the words of the desk, then
    what the shape and the check character say, then what only a look at the shop's own lists can tell.
    """
    bare = tidy(text)
    if not bare:
        return ()
    if bare.upper() in {sku.upper() for sku in skus if sku}:
        return (Reading(kind="line", value=bare.upper()),)
    number = normalize(bare)
    found: list[Reading] = []
    if is_valid(bare):
        prefix = number.partition("-")[0]
        if number in codes or (AUTHORIZATION_PREFIX + number[len(prefix) :]) in codes:
            return (Reading(kind="line", value=number if number in codes else f"AC{number[len(prefix) :]}"),)
        found.append(Reading(kind="code" if prefix == AUTHORIZATION_PREFIX else "return", value=number))
    elif _looks_like_a_number(bare):
        found.append(Reading(kind="mistyped", value=number))
    elif (codes or skus) and (word := _word(bare)) is not None:
        return (word,)
    found.append(Reading(kind="parcel", value=tidy_tracking_number(bare)))
    found.append(Reading(kind="article", value=bare))
    return tuple(found)


def _word(bare: str) -> Reading | None:
    """A word of the desk; ``WORD`` of a printed card and a key pressed are the same."""
    upper = bare.upper()
    if upper in GRADES:
        return Reading(kind="grade", value=upper)
    if upper in COMMANDS:
        return Reading(kind="command", value=COMMANDS[upper])
    if re.fullmatch(r"\d{1,3}", bare, re.ASCII) and 0 < int(bare) <= MOST:
        return Reading(kind="count", value=str(int(bare)))
    return None


def _looks_like_a_number(bare: str) -> bool:
    """Written like one of ours, prefix and all, but its check character says otherwise."""
    return (
        re.fullmatch(rf"({'|'.join(PREFIXES)})[\s-]?\w{{4}}[\s-]?\w{{4}}", bare, re.I | re.ASCII) is not None
    )


def parcels(code: str) -> tuple[str, ...]:
    """The tracking numbers that the bars of a label may mean: some carriers print where it goes before the number."""
    bare = re.fullmatch(r"420\d{5}(?:\d{4})?(9[1-5]\d{20})|00(\d{18})", code, re.ASCII)
    return (code, bare[1] or bare[2]) if bare else (code,)


def may_be_return(reading: Reading) -> bool:
    """Whether the reading names a return by its number."""
    return reading.kind == "return" and reading.value.startswith(RETURN_PREFIX)


# ---------------------------------------------------------------------------------- counted, and not saved yet


@dataclass(frozen=True, kw_only=True)
class Heap:
    """Units of one line that are alike: counted together, and graded together once somebody graded them."""

    key: int
    line: str
    units: int
    grade: str = ""
    disposition: str = ""
    """What somebody chose; empty for what the rules propose."""
    refused: bool = False
    checks: Mapping[str, bool] = field(default_factory=dict)
    lacks: tuple[str, ...] = ()
    used: int | None = None
    note: str = ""
    broken: int = 0
    """Of these units, those that whoever may not grade them saw to be damaged."""
    wrong: int = 0
    """And those that are something else than was announced."""


@dataclass(frozen=True, kw_only=True)
class Foreign:
    """Units of a product that the open return does not have."""

    sku: str
    name: str
    units: int = 1


@dataclass(frozen=True, kw_only=True)
class Count:
    """Everything that was counted of one return since it was opened. Nothing of it is written down yet."""

    heaps: tuple[Heap, ...] = ()
    foreign: tuple[Foreign, ...] = ()
    missing: frozenset[str] = frozenset()
    """Lines whose rest is declared not to come."""
    active: str = ""
    """The line that was scanned last: what a grade or a number is about."""

    @property
    def units(self) -> int:
        return sum(heap.units for heap in self.heaps) + sum(one.units for one in self.foreign)

    @property
    def is_empty(self) -> bool:
        return not self.units and not self.missing

    def of(self, line: str) -> int:
        return sum(heap.units for heap in self.heaps if heap.line == line)


def scanned(count: Count, line: str) -> Count:
    """One unit more of ``line``, among those that nobody has graded yet."""
    return _put(count, line, 1)


def _put(count: Count, line: str, units: int) -> Count:
    open_heap = _ungraded(count, line)
    if open_heap is not None:
        more = replace(open_heap, units=min(MOST, open_heap.units + units))
        heaps = tuple(more if heap.key == open_heap.key else heap for heap in count.heaps)
    else:
        key = max((heap.key for heap in count.heaps), default=-1) + 1
        heaps = (*count.heaps, Heap(key=key, line=line, units=units))
    return replace(count, heaps=heaps, active=line, missing=count.missing - {line})


def _ungraded(count: Count, line: str) -> Heap | None:
    return next((heap for heap in count.heaps if heap.line == line and not heap.grade), None)


def graded(count: Count, grade: str) -> Count:
    """The units of the active line that nobody graded have that grade; ``M`` says that its rest is missing.

    Where all of them are graded the last of them get another grade. Nothing happens without an active line.
    """
    if not count.active:
        return count
    if grade == "M":
        return replace(count, missing=count.missing | {count.active})
    mine = [heap for heap in count.heaps if heap.line == count.active]
    chosen = _ungraded(count, count.active) or (mine[-1] if mine else None)
    if chosen is None:
        return count
    changed = replace(chosen, grade=grade, refused=grade in REFUSED, disposition="")
    return replace(count, heaps=tuple(changed if heap.key == chosen.key else heap for heap in count.heaps))


def counted(count: Count, units: int) -> Count:
    """The units scanned last are so many."""
    mine = [heap for heap in count.heaps if heap.line == count.active]
    if not count.active:
        return count
    if not mine:
        return _put(count, count.active, units)
    last = _ungraded(count, count.active) or mine[-1]
    return replace(
        count,
        heaps=tuple(replace(heap, units=units) if heap.key == last.key else heap for heap in count.heaps),
    )


def undone(count: Count) -> Count:
    """One unit less of what was scanned last; an empty heap is gone."""
    mine = [heap for heap in count.heaps if heap.line == count.active]
    if not mine:
        return replace(count, missing=count.missing - {count.active})
    last = _ungraded(count, count.active) or mine[-1]
    heaps = tuple(
        replace(heap, units=heap.units - 1) if heap.key == last.key else heap for heap in count.heaps
    )
    return replace(count, heaps=tuple(heap for heap in heaps if heap.units > 0))


def another(count: Count, sku: str, name: str) -> Count:
    """One unit more of a product that the return does not have; no line is what a grade or a number is about."""
    known = [one for one in count.foreign if one.sku == sku]
    if known:
        foreign = tuple(
            replace(one, units=min(MOST, one.units + 1)) if one.sku == sku else one for one in count.foreign
        )
    else:
        foreign = (*count.foreign, Foreign(sku=sku, name=name))
    return replace(count, foreign=foreign, active="")


def _part(heap: Heap, units: int) -> Heap:
    """So many of its units, the ones that were seen to be damaged or something else among them."""
    if units == heap.units:
        return heap
    broken = min(heap.broken, units)
    return replace(heap, units=units, broken=broken, wrong=min(heap.wrong, units - broken))


def split(heaps: Sequence[Heap], left: int) -> tuple[tuple[Heap, ...], tuple[Heap, ...]]:
    """(what the line still expects, what is beyond it): the units counted last are the surplus.

    Both together are all units, and the first are at most ``left``.
    """
    kept: list[Heap] = []
    beyond: list[Heap] = []
    for heap in heaps:
        fits = max(0, min(heap.units, left))
        left -= fits
        if fits:
            kept.append(_part(heap, fits))
        if heap.units > fits:
            beyond.append(replace(heap, units=heap.units - fits))
    return tuple(kept), tuple(beyond)
