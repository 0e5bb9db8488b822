"""A deal that what goes back was part of: the customer sees the effect before anything is confirmed (money.md 9)."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from flask import Flask

from portal.core.access import SYSTEM
from portal.core.intake import IncomingDiscount, IncomingOrder, IncomingPayment
from portal.core.policy.terms import Deal, Terms
from portal.core.promotions import PromotionStep
from portal.services import intake
from tests.web.shops import EMAIL, PLACE, Prepared, Shop, line, now, open_shop, prepare, walk_in

TEN = Deal(code="TEN", kind="spend", name="Ten off", steps=(PromotionStep(reach=5000, percent_bp=1000),))


@pytest.fixture
def shop(app: Flask) -> Shop:
    made = open_shop(app, terms=Terms(promotions="re_evaluate", deals=(TEN,)))
    lamp = replace(line("LAMP", "Lamp", "30.00"), discount=Decimal("3.00"))
    shade = replace(line("SHADE", "Shade", "30.00"), discount=Decimal("3.00"))
    order = IncomingOrder(
        external_id="N-1",
        number="N-1",
        currency="EUR",
        placed_at=now(),
        lines=(lamp, shade),
        payments=(IncomingPayment(reference="card-1", tender="card", captured=Decimal("54.00")),),
        discounts=(IncomingDiscount(code="ten"),),
        email=EMAIL,
        name=PLACE.name,
        language="en",
        country="DE",
        postcode=PLACE.postcode,
        address=PLACE.record(),
    )
    with app.app_context():
        intake.import_orders(SYSTEM, made.id, [order], source="test", now=now())
    return made


@pytest.fixture
def prepared(shop: Shop) -> Prepared:
    return prepare(shop)


def chosen(client: Any, prepared: Prepared, *skus: str) -> str:
    page = walk_in(client, prepared)
    wanted = {f"units-{prepared.lines[sku]}": "1" for sku in skus}
    return client.submit(page, wanted, button="Update", follow_redirects=True).page.text  # type: ignore[no-any-return]


def test_the_items_page_says_what_a_discount_of_the_rest_costs(client: Any, prepared: Prepared) -> None:
    text = chosen(client, prepared, "LAMP")
    assert "Discount that no longer applies" in text
    assert "these discounts no longer hold for what you keep: Ten off €3.00." in text
    assert "€24.00" in text


def test_who_returns_everything_loses_nothing(client: Any, prepared: Prepared) -> None:
    text = chosen(client, prepared, "LAMP", "SHADE")
    assert "Discount that no longer applies" not in text
    assert "€54.00" in text
