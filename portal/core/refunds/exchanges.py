"""What the customer gets instead: set off against what came back, and only the difference is refunded."""

from collections.abc import Sequence

from portal.core.facts import ExchangeItem
from portal.core.money import Minor
from portal.core.refunds.breakdown import EXCHANGED, Negative, Row


def set_off(items: Sequence[ExchangeItem], worth: Minor) -> tuple[tuple[Row, ...], Minor]:
    """The row that takes the new goods' price off ``worth``, and what the customer still owes above it.

    Raises ``Negative`` for a price or a quantity below zero.
    """
    for item in items:
        if item.amount < 0 or item.units < 0:
            raise Negative(f"{item.units} x {item.name} for {item.amount}")
    price = sum(item.amount for item in items)
    taken = min(price, worth)
    if not taken:
        return (), price
    basis = {
        "price": price,
        "worth": worth,
        "items": [[item.units, item.name, item.amount] for item in items],
    }
    return (Row(code=EXCHANGED, amount=-taken, rule="exchange", basis=basis),), price - taken
