"""Orders for properties: any lines, taxes, charges, deals, currencies; and the ways they can come back."""

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from portal.core.facts import LineFacts, OrderFacts, Promotion, PromotionStep, TaxFacts
from tests.core.made import a_line, a_payment, an_order, shipping

amount = st.one_of(st.integers(0, 30), st.integers(0, 10**6))

Move = tuple[str, dict[int, int]]
"""The kind of a request, and line number -> units."""


@st.composite
def lines(draw: st.DrawFn, number: int = 1) -> LineFacts:
    units = draw(st.integers(1, 8))
    goods = draw(amount)
    discount = draw(st.integers(0, goods))
    on_top = draw(st.booleans())
    return a_line(
        number,
        units=units,
        goods=goods,
        discount=discount,
        taxes=draw(taxes(goods - discount, on_top)),
        prices_include_tax=not on_top,
    )


@st.composite
def taxes(draw: st.DrawFn, room: int, on_top: bool) -> tuple[TaxFacts, ...]:
    found = []
    for n, tax in enumerate(draw(st.lists(st.integers(0, max(0, room)), max_size=3))):
        tax = tax if on_top else min(tax, room)
        room -= 0 if on_top else tax
        found.append(TaxFacts(label=f"T{n}", amount=tax))
    return tuple(found)


@st.composite
def charges(draw: st.DrawFn, number: int, kind: str) -> LineFacts:
    fee = draw(amount)
    on_top = draw(st.booleans())
    line = shipping(
        fee,
        number,
        discount=draw(st.integers(0, fee)) if kind == "shipping" else 0,
        prices_include_tax=not on_top,
    )
    return replace(line, kind=kind, taxes=draw(taxes(line.goods - line.discount, on_top)))


@st.composite
def orders(draw: st.DrawFn, deals: bool = False) -> OrderFacts:
    bought = [draw(lines(n)) for n in range(1, draw(st.integers(1, 4)) + 1)]
    for number, kind in ((90, "shipping"), (91, "duty"), (92, "fee"), (93, "shipping")):
        if draw(st.booleans()):
            bought.append(draw(charges(number, kind)))
    paid = sum(line.paid for line in bought)
    cut = draw(st.integers(0, paid))
    payments = (a_payment(cut, 70), a_payment(paid - cut, 71, tender="gift_card"))
    order = an_order(*bought, payments=payments, currency=draw(st.sampled_from(["EUR", "JPY", "KWD"])))
    if not deals:
        return order
    return replace(order, promotions=tuple(draw(st.lists(promotions(order), min_size=1, max_size=2))))


@st.composite
def promotions(draw: st.DrawFn, order: OrderFacts) -> Promotion:
    kind = draw(st.sampled_from(["spend", "quantity", "buy_get", "bundle", "free_shipping"]))
    of = order.charges if kind == "free_shipping" else order.items
    given: dict[str, Any] = {}
    if kind == "bundle":
        given["parts"] = tuple((line.id, draw(st.integers(1, line.units))) for line in of)
    elif kind == "buy_get":
        given |= {"buy": draw(st.integers(1, 3)), "get": draw(st.integers(1, 2))}
        given["percent_bp"] = draw(st.sampled_from([5000, 10_000]))
    else:
        total = sum(line.units if kind == "quantity" else line.goods for line in order.items)
        reach = draw(st.lists(st.integers(0, max(1, total)), min_size=1, max_size=3))
        given["steps"] = tuple(
            PromotionStep(reach=one, percent_bp=draw(st.sampled_from([0, 1000, 3333])), amount=draw(amount))
            for one in reach
        )
    return Promotion(
        code="deal",
        kind=kind,
        shares=tuple((line.id, draw(st.integers(0, line.discount))) for line in of),
        **given,
    )


@st.composite
def partitions(draw: st.DrawFn, order: OrderFacts) -> list[list[tuple[int, int]]]:
    """Returns, each a list of (line number, units), that together send everything back."""
    units = draw(st.permutations([line.number for line in order.items for _ in range(line.units)]))
    returns: list[list[tuple[int, int]]] = []
    while units:
        size = draw(st.integers(1, len(units)))
        taken, units = units[:size], units[size:]
        returns.append([(number, taken.count(number)) for number in dict.fromkeys(taken)])
    return returns


@st.composite
def fates(draw: st.DrawFn, order: OrderFacts) -> dict[tuple[int, int], str]:
    """What becomes of each unit: it comes back, is canceled, or stays."""
    fate = st.sampled_from(["return", "partial_cancellation", "stays"])
    return {(line.number, unit): draw(fate) for line in order.items for unit in range(line.units)}
