"""Things that were sold together: what may be taken out of a bundle, and what must go with it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from uuid import UUID

from portal.core.facts import LineFacts, OrderFacts
from portal.core.spans import count

Asked = Mapping[UUID, int]
"""Line id -> how many more of its units would be canceled."""


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """One bundle as a line of the order, and the lines of its parts. A header without a price is only a name."""

    header: LineFacts
    parts: tuple[LineFacts, ...]

    @property
    def is_name(self) -> bool:
        return self.header.paid == 0 and self.header.goods == 0

    @property
    def carried(self) -> tuple[LineFacts, ...]:
        """The parts that would be kept for nothing without the header, which bears their price or their name."""
        return self.parts if self.is_name else tuple(part for part in self.parts if not part.goods)

    @property
    def lines(self) -> tuple[LineFacts, ...]:
        return (self.header, *self.parts)


@dataclass(frozen=True, kw_only=True)
class Broken:
    """One rule of a bundle that a wish breaks on one line: ``whole_only``, ``part_required``, ``nothing_left``."""

    rule: str
    line_id: UUID
    bundle: Bundle


def bundles(order: OrderFacts) -> tuple[Bundle, ...]:
    """Every bundle of the order, in the order of the receipt."""
    parts: dict[UUID, list[LineFacts]] = {}
    for line in order.items:
        if line.parent_id is not None and line.units:
            parts.setdefault(line.parent_id, []).append(line)
    return tuple(Bundle(header=line, parts=tuple(parts[line.id])) for line in order.items if line.id in parts)


def broken(order: OrderFacts, asked: Asked, *, whole: bool) -> Iterator[Broken]:
    """The rules that taking ``asked`` out of the order would break; ``whole``: bundles are never split.

    What stays of each line is compared as a part of what was bought of it, so that one bundle of three can
    go, with all that belongs to it.
    """
    for bundle in bundles(order):
        if any(asked.get(line.id) for line in bundle.lines):
            yield from _broken(bundle, asked, whole)


def along(order: OrderFacts, asked: Asked) -> dict[UUID, int]:
    """Units that go along with ``asked``, beyond it: line id -> how many more.

    A bundle that is only a name goes when nothing of it stays, and all of it goes when the name alone is
    asked for.
    """
    more: dict[UUID, int] = {}
    for bundle in bundles(order):
        if not bundle.is_name:
            continue
        if asked.get(bundle.header.id) and not any(asked.get(part.id) for part in bundle.parts):
            stays = _stays(bundle.header, asked)
            more |= {part.id: _beyond(part, asked, stays) for part in bundle.parts}
        elif any(asked.get(part.id) for part in bundle.parts):
            stays = max(_stays(part, asked) for part in bundle.parts)
            more[bundle.header.id] = _beyond(bundle.header, asked, stays)
    return {line_id: units for line_id, units in more.items() if units}


def _beyond(line: LineFacts, asked: Asked, stays: Fraction) -> int:
    """How many more of its units go, so that no greater part of it stays; a bundle that is begun is kept."""
    there = line.units - count(line.canceled) - asked.get(line.id, 0)
    return max(0, there - ceil(stays * line.units))


def _broken(bundle: Bundle, asked: Asked, whole: bool) -> Iterator[Broken]:
    stays = {line.id: _stays(line, asked) for line in bundle.lines}
    of_parts = max(stays[part.id] for part in bundle.parts)
    most = max(of_parts, stays[bundle.header.id])
    for line in bundle.lines:
        if not asked.get(line.id):
            continue
        is_header = line is bundle.header
        carried = max((stays[part.id] for part in bundle.carried), default=Fraction(0))
        if whole and stays[line.id] < most:
            yield Broken(rule="whole_only", line_id=line.id, bundle=bundle)
        elif (line.part_required and stays[line.id] < most) or (is_header and stays[line.id] < carried):
            yield Broken(rule="part_required", line_id=line.id, bundle=bundle)
        elif not is_header and bundle.is_name and _beyond(bundle.header, asked, of_parts):
            yield Broken(rule="nothing_left", line_id=line.id, bundle=bundle)


def _stays(line: LineFacts, asked: Asked) -> Fraction:
    """The part of what was bought of the line that would stay; nothing stays of a service that ends."""
    if line.ends_on is not None or not line.units:
        return Fraction(0)
    return Fraction(max(0, line.units - count(line.canceled) - asked.get(line.id, 0)), line.units)
