"""Every refund worked out a second time from what was paid: right ones are right, a wrong posting is found."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from portal.core.policy.terms import RestockingFee, Terms
from portal.core.refunds.overrides import Overrides
from portal.services.paying import payouts
from portal.services.proofs import recounting
from portal.services.refunding import allowances, refunds
from portal.services.refunding.allowances import Allowance, Wish
from tests.builders import NOW, SITE, a_merchant, a_person, an_item, an_order, came_back

DAY = timedelta(days=1)


def all_of(shop):
    return list(recounting.recounted([shop], since=NOW - DAY, until=NOW + DAY))


@pytest.fixture
def shop(session):
    terms = Terms(restocking_fee=RestockingFee(percent_bp=1000), goodwill_cap=5000)
    return a_merchant(slug="recounted", terms=terms)


def test_refunds_of_every_kind_are_worked_out_to_the_same_cent(shop, session, gateways):
    finance = a_person(shop, "finance")
    plain = an_order(gateways, shop, [an_item("MUG", 3, "9.33", tax="4.47"), an_item("TEA", 7, "0.99")])
    for units in ({"MUG": 1}, {"MUG": 1, "TEA": 5}, {"MUG": 1, "TEA": 2}):
        made = refunds.propose(finance, came_back(gateways, shop, plain, units), now=NOW)
        payouts.send(made, gateways=gateways, now=NOW)
    kept = an_order(gateways, shop, [an_item("LAMP", 2, "20.00", tax="6.39")])
    lamp = next(line.id for line in kept.items)
    wish = Wish(lines=(Allowance(line_id=lamp, units=2, amount=701),), reason="defective", note="a scratch")
    allowances.create(finance, kept.id, wish, site=SITE, now=NOW)
    made = refunds.propose(
        finance,
        came_back(gateways, shop, kept, {"LAMP": 1}),
        overrides=Overrides(goodwill=150, waived=("restocking_fee",), reason="a regular"),
        now=NOW + timedelta(hours=1),
    )
    payouts.send(made, gateways=gateways, now=NOW)
    found = all_of(shop)
    assert len(found) == 5
    assert [(one.number, one.found.faults) for one in found if not one.found.is_accurate] == []
    assert all(one.found.expected == one.found.posted for one in found)


def test_a_posting_of_a_cent_too_much_is_found(shop, session, gateways):
    finance = a_person(shop, "finance")
    order = an_order(gateways, shop, [an_item("MUG", 1, "9.99", tax="1.60")])
    made = refunds.propose(finance, came_back(gateways, shop, order), now=NOW)
    assert [one.found.is_accurate for one in all_of(shop)] == [True]
    if session.get_bind().dialect.name == "postgresql":
        session.execute(sa.text("ALTER TABLE ledger_transfers DISABLE TRIGGER USER"))
    else:
        session.execute(sa.text("DROP TRIGGER ledger_transfers_no_update"))
    session.execute(
        sa.text("UPDATE ledger_transfers SET amount_minor = amount_minor + 1 WHERE debit = 'goods'")
    )
    (found,) = all_of(shop)
    session.rollback()
    assert found.refund_id == made and {"units", "decided"} <= set(found.found.faults)
    assert found.found.posted == found.found.expected + 1
