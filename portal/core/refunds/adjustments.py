"""Price adjustments: what was given back for units while they were kept, unit by unit, and what that leaves."""

from collections.abc import Iterable, Iterator

from portal.core.facts import Adjusted, LineFacts
from portal.core.money import Minor, rounded, share
from portal.core.refunds.values import Taxes, add_to, paid_for, tax_within
from portal.core.spans import Span, free, lowest, merge, without


def per_unit(adjusted: Iterable[Adjusted]) -> dict[int, Minor]:
    """Unit position -> what was given back for it while it was kept."""
    found: dict[int, Minor] = {}
    for first, end, amount in adjusted:
        for n in range(end - first):
            found[first + n] = found.get(first + n, 0) + share(amount, n, n + 1, end - first)
    return found


def joined(adjusted: Iterable[Adjusted], more: Iterable[Adjusted], sign: int = 1) -> tuple[Adjusted, ...]:
    """Both together (or without ``more``, with ``sign`` -1), as short as can be; unit by unit exact."""
    found = per_unit(adjusted)
    for unit, amount in per_unit(more).items():
        found[unit] = found.get(unit, 0) + sign * amount
    return _runs(found)


def _runs(units: dict[int, Minor]) -> tuple[Adjusted, ...]:
    """Neighbours with the same amount as one entry, so that its parts are whole amounts again."""
    runs: list[tuple[int, int, Minor]] = []
    for unit, amount in sorted(units.items()):
        if amount <= 0:
            continue
        if runs and runs[-1][1] == unit and runs[-1][2] == amount:
            runs[-1] = (runs[-1][0], unit + 1, amount)
        else:
            runs.append((unit, unit + 1, amount))
    return tuple((first, end, (end - first) * amount) for first, end, amount in runs)


def given(line: LineFacts, spans: Iterable[Span]) -> tuple[Minor, Taxes]:
    """What was given back for those positions while they were kept, and the tax that was in it."""
    amount, taxes = 0, Taxes()
    for _, value, tax, before in _units(line, spans):
        amount += before
        add_to(taxes, tax_within(tax, value, 0, before))
    return amount, taxes


def _units(line: LineFacts, spans: Iterable[Span]) -> Iterator[tuple[int, Minor, Taxes, Minor]]:
    """Of the positions in ``spans`` those that were adjusted: (unit, value, tax in it, given back of it)."""
    if not line.adjusted:
        return
    held = per_unit(line.adjusted)
    for first, end in spans:
        for unit in range(first, end):
            if unit in held:
                value, taxes = paid_for(line, ((unit, unit + 1),))
                yield unit, value, taxes, min(value, held[unit])


def kept(line: LineFacts, units: int, taken: Iterable[Span]) -> tuple[Span, ...]:
    """The positions an adjustment of ``units`` is for: the lowest that nobody has taken.

    First those that were not adjusted before. Raises ``ValueError`` where there are fewer.
    """
    room = free(taken, line.units)
    before = merge((unit, unit + 1) for unit in per_unit(line.adjusted))
    fresh = without(room, before)
    first = lowest(fresh, min(units, sum(end - start for start, end in fresh)))
    rest = units - sum(end - start for start, end in first)
    return merge((*first, *lowest(without(room, first), rest)))


def spread(line: LineFacts, spans: tuple[Span, ...], allowance: Minor) -> tuple[tuple[Adjusted, ...], Taxes]:
    """``allowance`` over the units in ``spans`` in proportion to what each has left, and the tax in it.

    Never more for a unit than it has left; ``allowance`` is at most what all of them have left.
    """
    held = per_unit(line.adjusted)
    values = [
        (unit, *paid_for(line, ((unit, unit + 1),))) for first, end in spans for unit in range(first, end)
    ]
    rooms = [max(0, value - held.get(unit, 0)) for unit, value, _ in values]
    total, upto, done = sum(rooms), 0, 0
    taxes: Taxes = {}
    found: dict[int, Minor] = {}
    for (unit, value, tax), room in zip(values, rooms, strict=True):
        upto += room
        part = rounded(allowance * upto, total) - done if total else 0
        done += part
        before = min(value, held.get(unit, 0))
        found[unit] = part
        add_to(taxes, tax_within(tax, value, before, before + part))
    return _runs(found), taxes
