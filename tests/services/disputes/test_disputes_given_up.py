"""A settlement that is given up takes nothing with it: the return stands as its other refunds have it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from portal.services import disputes
from portal.services.refunding import allowances, refunds
from portal.services.refunding.allowances import Allowance, Wish
from tests import builders
from tests.builders import an_item
from tests.services.dispute_world import Place, a_place
from tests.services.disputes.test_disputes import mails, offered, sound


@pytest.fixture
def place(app: Any) -> Iterator[Place]:
    with app.app_context():
        yield a_place(app)


def kept(place: Place) -> UUID:
    """30.00 of 100.00 go back for a lamp that its customer keeps."""
    order = builders.an_order(place.gateways, place.merchant, (an_item("LAMP", 1, "100.00"),), now=place.now)
    line = Allowance(line_id=order.items[0].id, units=1, amount=3000)
    wish = Wish(lines=(line,), reason="arrived_damaged", note="A scratch")
    site = place.app.extensions["site"]
    return allowances.create(place.person(), order.id, wish, site=site, now=place.now)


def settled(place: Place, dispute: UUID) -> UUID:
    """Five of it, without asking; the refund of it."""
    return disputes.settle(place.person(), dispute, 500, message="For your trouble.", now=place.now)


def stands(place: Place, return_id: UUID) -> tuple[str, str]:
    row = place.row(return_id)
    return row.state, row.refund_state


def test_a_refund_of_goods_that_stay_goes_on_when_what_was_agreed_on_top_is_given_up(
    place: Place, drain: Any
) -> None:
    made = kept(place)
    settlement = settled(place, place.contested(made, "amount"))
    refunds.cancel(place.person(), settlement, reason="Agreed otherwise.", now=place.now)
    assert stands(place, made) == ("approved", "pending")
    drain()
    assert stands(place, made) == ("closed", "refunded")
    assert [one.state for one in place.refunds(made)] == ["succeeded", "canceled"]
    sound(place)


def test_what_is_agreed_about_goods_that_stay_is_told_once(place: Place, drain: Any) -> None:
    dispute = place.contested(kept(place), "amount")
    settled(place, dispute)
    drain()
    assert [one.values["dispute"]["what"] for one in mails("dispute_answered")] == ["settled"]
    assert len(mails("refund_granted")) == 1, "of the refund that was granted first"


def test_a_refunded_return_stays_refunded_when_what_was_agreed_on_top_is_given_up(
    place: Place, drain: Any
) -> None:
    made = place.refunded()
    drain()
    settlement = settled(place, place.contested(made))
    assert stands(place, made) == ("closed", "pending")
    refunds.cancel(place.person(), settlement, reason="Agreed otherwise.", now=place.now)
    assert stands(place, made) == ("closed", "refunded")


def test_a_return_is_closed_when_the_last_refund_it_waited_for_is_given_up(place: Place, drain: Any) -> None:
    made = place.refunded()
    dispute = place.contested(made)
    offer = offered(place, dispute, 1500, role="csr")
    waiting = disputes.accept(place.customer(made), dispute, offer, now=place.now)
    drain()
    assert stands(place, made) == ("inspected", "partially_refunded")
    refunds.cancel(place.person(), waiting, reason="Agreed otherwise.", now=place.now)
    assert stands(place, made) == ("closed", "refunded")
    sound(place)


def test_a_return_of_which_every_refund_is_given_up_is_owed_still(place: Place) -> None:
    made = place.refunded()
    refunds.cancel(place.person(), place.refunds(made)[0].id, reason="Otherwise.", now=place.now)
    assert stands(place, made) == ("inspected", "canceled")
