"""Units that were refused before anything was sent are contested, and settled; and claims of more than one line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from portal.core.access import SYSTEM, Conflict
from portal.core.facts import OrderFacts
from portal.db.base import db
from portal.db.orders import OrderLine
from portal.services import disputes
from portal.services.disputes import Claim, LineClaim
from portal.services.handling import confirmation, deciding
from portal.services.handling.deciding import LineDecision
from portal.services.proofs import audit, recounting
from portal.services.refunding import refunds
from tests import builders
from tests.builders import an_item
from tests.services.dispute_world import NOW, Place, a_place


@pytest.fixture
def place(app: Any) -> Iterator[Place]:
    """A shop where a person looks at every return, and the restocking fee is a fifth."""
    with app.app_context():
        yield a_place(app, auto_approve=False)


def an_order(place: Place) -> OrderFacts:
    """A lamp of 100.00 and three bulbs of 10.00 each."""
    items = (an_item("LAMP", 1, "100.00"), an_item("BULB", 3, "10.00"))
    return builders.an_order(place.gateways, place.merchant, items, now=place.now)


def asked(place: Place, order: OrderFacts, units: dict[str, int] | None = None) -> UUID:
    """A return of it that its customer began, and that waits for a decision."""
    made = builders.a_draft(SYSTEM, place.merchant, order, channel="self_service", now=place.now)
    builders.fill(SYSTEM, made, place.gateways, order=order, units=units, now=place.now)
    site = place.app.extensions["site"]
    assert confirmation.confirm(place.customer(made), made, site=site, now=place.now) == "requested"
    return made


def decided(place: Place, return_id: UUID, **approved: int) -> None:
    """So many of each approved, the others refused as worn."""
    ids = builders.line_ids(return_id)
    lines = {
        one.line.id: one.line for one in disputes.sheet(place.customer(return_id), return_id, now=NOW).choices
    }
    entries = [
        LineDecision(
            line_id=ids[sku], approved=units, declined=lines[ids[sku]].units - units, reason="excessive_wear",
            message="It was worn.",
        )
        for sku, units in approved.items()
    ]  # fmt: skip
    deciding.decide(place.person(), return_id, entries, now=place.now)


def claimed(place: Place, return_id: UUID, *lines: LineClaim, **more: Any) -> UUID:
    claim = Claim(lines=lines, wanted="full_refund", body="It was never worn.", **more)
    return disputes.open_dispute(
        place.customer(return_id), return_id, claim, nonce=f"{return_id}{len(lines)}", now=place.now
    )


def came_back(place: Place, return_id: UUID) -> None:
    builders.receive(place.merchant, return_id, now=place.now)
    builders.inspect(place.merchant, return_id, now=place.now)
    refunds.propose(place.person(), return_id, now=place.now)


def refunded(sku: str) -> int:
    db.session.rollback()
    return db.session.scalars(sa.select(OrderLine).where(OrderLine.sku == sku)).one().refunded_minor


def sound(place: Place) -> None:
    """The books balance, every cap holds, and every refund is what other arithmetic makes of it."""
    db.session.rollback()
    assert not audit.verify().problems
    years = {"since": NOW.replace(year=2000), "until": NOW.replace(year=2100)}
    for one in recounting.recounted([place.merchant], **years):
        assert one.found.is_accurate, one.found.faults


# ------------------------------------------------------------------------------------------- one refused line


def test_a_refused_line_is_contested_and_settled_while_the_other_is_on_its_way(
    place: Place, drain: Any
) -> None:
    made = asked(place, an_order(place))
    decided(place, made, LAMP=0, BULB=3)
    ids = builders.line_ids(made)
    lamp = LineClaim(line_id=ids["LAMP"], ground="refusal", claimed=10000)
    dispute = claimed(place, made, lamp)
    assert place.one(dispute).ground == "refusal" and place.row(made).state == "approved"
    assert place.refunds(made) == []
    shown = disputes.workspace(place.person(), dispute, now=place.now)
    assert [(one.line.sku, one.declined, one.decline_reason, one.most) for one in shown.choices] == [
        ("LAMP", 1, "excessive_wear", 10000)
    ]
    offer = disputes.offer(place.person(), dispute, 4321, body="We meet you.", now=place.now)
    disputes.accept(place.customer(made), dispute, offer, now=place.now)
    assert (refunded("LAMP"), refunded("BULB")) == (4321, 0)
    sound(place)
    came_back(place, made)
    drain()
    assert [(one.state, one.amount_minor) for one in place.refunds(made)] == [
        ("succeeded", 4321),
        ("succeeded", 2400),
    ]
    assert (refunded("LAMP"), refunded("BULB")) == (4321, 2400)
    sound(place)


def test_of_a_refused_line_no_more_is_given_than_it_cost(place: Place) -> None:
    made = asked(place, an_order(place))
    decided(place, made, LAMP=0, BULB=3)
    lamp = builders.line_ids(made)["LAMP"]
    with pytest.raises(Conflict, match="too_much") as refused:
        claimed(place, made, LineClaim(line_id=lamp, ground="refusal", claimed=10001))
    assert refused.value.details["maximum"] == 10000
    dispute = claimed(place, made, LineClaim(line_id=lamp, ground="refusal"))
    with pytest.raises(Conflict, match="too_much"):
        disputes.settle(place.person(), dispute, 10001, message="All of it and more.", now=place.now)
    disputes.settle(place.person(), dispute, 10000, message="All of it.", now=place.now)
    assert refunded("LAMP") == 10000
    sound(place)


def test_what_was_approved_and_not_sent_yet_is_no_refusal(place: Place) -> None:
    made = asked(place, an_order(place))
    decided(place, made, LAMP=0, BULB=3)
    with pytest.raises(Conflict, match="unknown_ground"):
        claimed(place, made, LineClaim(line_id=builders.line_ids(made)["BULB"], ground="refusal"))


# ---------------------------------------------------------------------------------------- the whole return refused


def test_a_declined_return_is_contested_and_its_settlement_comes_off_a_later_return(
    place: Place, drain: Any
) -> None:
    order = an_order(place)
    made = asked(place, order, {"LAMP": 1})
    decided(place, made, LAMP=0)
    assert place.row(made).state == "declined"
    dispute = claimed(place, made, LineClaim(line_id=builders.line_ids(made)["LAMP"], ground="refusal"))
    disputes.settle(place.person(), dispute, 2500, message="For the scratch.", now=place.now)
    drain()
    assert place.row(made).state == "declined"
    assert [(one.state, one.amount_minor) for one in place.refunds(made)] == [("succeeded", 2500)]
    sound(place)
    again = asked(place, order, {"LAMP": 1})
    decided(place, again, LAMP=1)
    came_back(place, again)
    drain()
    assert [one.state for one in place.refunds(again)] == ["succeeded"]
    # 75.00 are left of what was paid, less the fee of a fifth of them
    assert [one.amount_minor for one in place.refunds(again)] == [6000]
    assert refunded("LAMP") == 8500
    sound(place)


def test_a_declined_return_whose_dispute_is_upheld_pays_nothing(place: Place) -> None:
    made = asked(place, an_order(place), {"LAMP": 1})
    decided(place, made, LAMP=0)
    dispute = claimed(place, made, LineClaim(line_id=builders.line_ids(made)["LAMP"], ground="refusal"))
    disputes.reject(place.person(), dispute, message="It was worn.", now=place.now)
    assert place.refunds(made) == [] and refunded("LAMP") == 0
    assert (place.row(made).state, place.row(made).dispute_state) == ("declined", "resolved_merchant")
    sound(place)


# -------------------------------------------------------------------------------------------------- two lines


def test_claims_of_two_lines_are_judged_one_by_one_and_together(place: Place) -> None:
    made = asked(place, an_order(place))
    decided(place, made, LAMP=1, BULB=3)
    came_back(place, made)
    ids = builders.line_ids(made)
    sheet = disputes.sheet(place.customer(made), made, now=place.now)
    assert {one.line.sku: one.most for one in sheet.choices} == {"LAMP": 2000, "BULB": 600}

    def both(lamp: int, bulb: int, **more: Any) -> tuple[LineClaim, ...]:
        return (
            LineClaim(line_id=ids["LAMP"], ground="deduction", claimed=lamp),
            LineClaim(line_id=ids["BULB"], ground="deduction", claimed=bulb),
        )

    for lines, at in ((both(2001, 0), "LAMP"), (both(2000, 601), "BULB")):
        with pytest.raises(Conflict, match="too_much") as refused:
            claimed(place, made, *lines)
        assert refused.value.details["line"] == str(ids[at])
    with pytest.raises(Conflict, match="too_much") as refused:
        claimed(place, made, *both(2000, 600), claimed=2601)
    assert refused.value.details["maximum"] == 2600 and "line" not in refused.value.details
    dispute = claimed(place, made, *both(2000, 600))
    assert [(one.claimed, one.ground) for one in place.one(dispute).lines] == [
        (2000, "deduction"),
        (600, "deduction"),
    ]
    disputes.settle(place.person(), dispute, 1300, message="Half of it.", now=place.now)
    assert (refunded("LAMP"), refunded("BULB")) == (8000 + 1000, 2400 + 300)
    sound(place)
