"""An order is found by anything a customer can say, on both databases."""

from typing import Any
from uuid import UUID

import pytest

from portal.services.lists import orders
from tests import builders


@pytest.fixture
def shop(session: Any) -> UUID:
    return builders.a_merchant(slug="found")


@pytest.fixture
def placed(shop: UUID, gateways: Any) -> Any:
    return builders.an_order(
        gateways,
        shop,
        number="N-20429",
        email="zoe@customer.example",
        name="Zoë Demo-Müller",
        phone="+49 (40) 555 0134-7",
    )


def found(shop: UUID, query: str) -> list[UUID]:
    return [hit.id for hit in orders.find_orders(builders.a_person(shop), query=query, merchant_id=shop)]


@pytest.mark.parametrize(
    "said",
    [
        "N-20429", "n20429", "#N-20429", "20429", "204",
        "zoe@customer.example", "ZOE@customer", "20359", "203 59", "MUG", "mug",
        "Zoë", "zoe", "müller", "muller demo", "Demo-Mü",
        "+49 40 5550134-7", "0049 40 55501347", "040 555 01347", "(040) 555-01347", "01347",
    ],
)  # fmt: skip
def test_an_order_is_found_by(shop: UUID, placed: Any, said: str) -> None:
    assert found(shop, said) == [placed.id]


@pytest.mark.parametrize(
    "said", ["N-20428", "zo@customer", "20358", "MUGS", "Demo Somebody", "040 555 01348", "%", "_"]
)
def test_what_does_not_fit_finds_nothing(shop: UUID, placed: Any, said: str) -> None:
    assert found(shop, said) == []


def test_the_order_whose_number_it_is_comes_first(shop: UUID, placed: Any, gateways: Any) -> None:
    later = builders.an_order(gateways, shop, number="N-204291", email="b@customer.example")
    hits = orders.find_orders(builders.a_person(shop), query="20429", merchant_id=shop)
    assert [(hit.id, hit.exact) for hit in hits] == [(placed.id, True), (later.id, False)]


def test_the_order_of_a_whole_number_is_found_however_many_newer_ones_fit_too(
    shop: UUID, gateways: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its number is also a postcode, and the beginning of later numbers."""
    monkeypatch.setattr(orders, "MOST", 2)
    old = builders.an_order(gateways, shop, number="20359", days_ago=30)
    for number in ("203591", "203592", "203593", "A-1", "A-2"):
        builders.an_order(gateways, shop, number=number, days_ago=3)
    hits = orders.find_orders(builders.a_person(shop), query="20359", merchant_id=shop, limit=2)
    assert [(hit.id, hit.exact) for hit in hits][:1] == [(old.id, True)]
    assert len(hits) == 2


def test_another_shops_order_is_not_found(shop: UUID, placed: Any) -> None:
    other = builders.a_merchant(slug="stranger")
    assert found(other, "zoe@customer.example") == []
