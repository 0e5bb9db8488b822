"""Bundles that were sold as one price: the price goes to their parts, so that each has its own for ever."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from portal.core.money import Minor, allocate, major
from portal.core.records import PaidLine, PaidTax

PLACES = Decimal("0.000001")


@dataclass(frozen=True, kw_only=True)
class PricedOut:
    """The lines of an order after it, in their order, and what was done, for people."""

    lines: tuple[PaidLine, ...]
    discounts: dict[str, tuple[tuple[str, Minor], ...]]
    """Bundle -> (part, what it has of the bundle's discount), by external ids."""
    notes: tuple[str, ...]


def priced_out(lines: Sequence[PaidLine], currency: str, *, tax_inside: bool) -> PricedOut:
    """Goods, discount and taxes of each bundle on those of its parts that bear no price (money.md 2).

    Goods go by what the parts cost alone, the discount by those goods, taxes by what is left of them; each by
    largest remainder, ties to the first, so that the sums are exact and no part has more discount than price.
    Parts with a price keep it. Without list prices the bundle stays as it is, and a note says so.
    """
    found = {line.external_id: line for line in lines}
    discounts: dict[str, tuple[tuple[str, Minor], ...]] = {}
    notes: list[str] = []
    for name in _outermost_first(found):
        bundle = found[name]
        parts = [one for one in found.values() if one.parent == name and not (one.goods or one.tax)]
        if not parts or not bundle.goods:
            continue
        price = f"{major(bundle.goods, currency)} {currency}"
        weights = [_weight(part) for part in parts]
        if None in weights or not any(weights):
            notes.append(
                f"Bundle {name}: its parts have no list prices; its price of {price} stays on its line."
            )
            continue
        priced = _parts(bundle, parts, [weight or 0 for weight in weights], currency, tax_inside)
        found.update((part.external_id, part) for part in priced)
        found[name] = replace(
            bundle, unit_price=Decimal(0), goods=0, discount=0, taxes=(), tax=0, paid=0
        )  # fmt: skip
        discounts[name] = tuple((part.external_id, part.discount) for part in priced)
        notes.append(f"Bundle {name}: its price of {price} is shared by its parts, by their list prices.")
    return PricedOut(lines=tuple(found.values()), discounts=discounts, notes=tuple(notes))


def _outermost_first(lines: dict[str, PaidLine]) -> list[str]:
    """The bundles, each before the bundles in it; lines that are parts of each other in a ring are none."""
    depths: dict[str, int] = {}
    for name in dict.fromkeys(line.parent for line in lines.values() if line.parent in lines):
        above, seen = name, {name}
        while (above := lines[above].parent) in lines and above not in seen:
            seen.add(above)
        if above not in seen:
            depths[name] = len(seen)
    return sorted(depths, key=lambda name: depths[name])


def _weight(part: PaidLine) -> int | None:
    """What all its units cost alone, in millionths of a unit of the currency; None where nobody says."""
    price = part.special.list_price
    return None if price is None else int(price * part.units / PLACES)


def _parts(
    bundle: PaidLine, parts: Sequence[PaidLine], weights: Sequence[int], currency: str, tax_inside: bool
) -> list[PaidLine]:
    goods = allocate(bundle.goods, weights)
    discounts = allocate(bundle.discount, goods)
    net = [one - less for one, less in zip(goods, discounts, strict=True)]
    taxes = _taxes(bundle, net)
    return [
        replace(
            part,
            unit_price=_unit_price(goods[i], part.units, currency),
            goods=goods[i],
            discount=discounts[i],
            taxes=taxes[i],
            tax=sum(tax.amount for tax in taxes[i]),
            paid=net[i] if tax_inside else net[i] + sum(tax.amount for tax in taxes[i]),
        )
        for i, part in enumerate(parts)
    ]


def _taxes(bundle: PaidLine, net: Sequence[Minor]) -> list[tuple[PaidTax, ...]]:
    """The labels one after another, each within what is left of a part's whole tax: never more tax than price."""
    left = allocate(bundle.tax, net)
    found: list[tuple[PaidTax, ...]] = [() for _ in net]
    for tax in bundle.taxes:
        shares = allocate(tax.amount, left)
        left = [one - share for one, share in zip(left, shares, strict=True)]
        found = [
            (*before, replace(tax, amount=share)) if share else before
            for before, share in zip(found, shares, strict=True)
        ]
    return found


def _unit_price(goods: Minor, units: int, currency: str) -> Decimal:
    return (major(goods, currency) / units).quantize(PLACES).normalize() if units else Decimal(0)
