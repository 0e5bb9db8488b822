"""What a second look at cancellations found: refunds without a yes, orders that stay canceled, links that are off."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from portal.core.access import Conflict
from portal.core.refunds.overrides import Overrides
from portal.db.base import transaction
from portal.db.mails import Mail
from portal.db.orders import Order
from portal.db.refunds import Refund
from portal.db.returns import Return
from portal.services import cancellations, links
from portal.services.cancellations import ending
from portal.services.handling import confirmation
from portal.services.refunding import refunds
from portal.web.customer import order as web
from tests.builders import (
    SITE,
    a_customer,
    a_merchant,
    a_person,
    a_return,
    as_it_is,
    fill,
    inspect,
    receive,
    shipping_cost,
)
from tests.services.cancelling import (
    NOW,
    canceled,
    choose,
    finish_link,
    goods,
    line,
    own_draft,
    page,
    propose,
    proven,
    service,
    unshipped,
)


@pytest.fixture
def app(make_app):
    return make_app(WAREHOUSE="sandbox")


@pytest.fixture
def shop(session):
    return a_merchant()


def state_of(session, order):
    session.rollback()
    return session.scalar(sa.select(Order.state).where(Order.id == order.id))


# ---------------------------------------------------------------------------------- no refund without a yes


def a_draft_of_their_own(gateways, shop, order):
    return choose(gateways, shop, own_draft(shop, order), order, {"MUG": 1})


def a_proposal(gateways, shop, order):
    return propose(gateways, shop, order, {"MUG": 1})


def declined(gateways, shop, order):
    made = a_proposal(gateways, shop, order)
    cancellations.decline(a_customer(made, shop), made, now=NOW)
    return made


def expired(gateways, shop, order):
    made = a_proposal(gateways, shop, order)
    assert cancellations.expire(now=NOW + timedelta(days=5)) == 1
    return made


def withdrawn(gateways, shop, order):
    made = a_proposal(gateways, shop, order)
    cancellations.withdraw(a_person(shop, "csr"), made, reason="Asked by mistake", now=NOW)
    return made


def refused(gateways, shop, order):
    made = canceled(gateways, shop, order, {"MUG": 1})
    with transaction():
        ending.refuse(made, code="picking", now=NOW)
    return made


@pytest.mark.parametrize(
    "made_so",
    [a_draft_of_their_own, a_proposal, declined, expired, withdrawn, refused],
    ids=lambda one: one.__name__,
)
def test_nobody_refunds_what_the_customer_did_not_confirm_or_what_was_undone(
    shop, gateways, session, made_so
):
    order = unshipped(gateways, shop, goods("MUG", 3, "9.33"))
    made, boss = made_so(gateways, shop, order), a_person(shop, "supervisor")
    before = session.scalar(sa.select(sa.func.count()).select_from(Refund).where(Refund.state != "canceled"))
    for asked in (Overrides(), Overrides(goodwill=100, reason="Sorry")):
        for step in (refunds.proposal, refunds.propose):
            with pytest.raises(Conflict) as problem:
                step(boss, made, overrides=asked, now=NOW)
            assert problem.value.code == "nothing_to_refund"
    assert before == 0 and as_it_is(order).refunded == 0 and proven() == []


def test_a_service_that_runs_out_has_no_refund_by_hand_either(shop, gateways, session):
    order = unshipped(gateways, shop, service("PLAN", "30.00", days_had=10), goods("MUG"))
    made = canceled(gateways, shop, order, {"PLAN": (1, "next_period")})
    with pytest.raises(Conflict, match="nothing_to_refund"):
        refunds.propose(a_person(shop, "supervisor"), made, now=NOW)
    assert session.scalars(sa.select(Refund)).all() == [] and proven() == []


# ------------------------------------------------------------------------- an order that was emptied by several


@pytest.mark.parametrize("first", [0, 1])
def test_an_order_emptied_by_two_is_confirmed_again_whichever_is_undone(shop, gateways, session, first):
    order = unshipped(gateways, shop, goods("MUG", 1, "9.33"), goods("LAMP", 1, "20.00"), shipping_cost())
    both = [canceled(gateways, shop, as_it_is(order), {sku: 1}) for sku in ("MUG", "LAMP")]
    assert state_of(session, order) == "canceled"
    with transaction():
        ending.refuse(both[first], code="picking", now=NOW)
    assert state_of(session, order) == "confirmed" and proven() == []
    with transaction():
        ending.refuse(both[1 - first], code="picking", now=NOW)
    assert state_of(session, order) == "confirmed" and as_it_is(order).refunded == 0 and proven() == []


def test_what_was_undone_goes_again_and_all_is_paid_back_once(shop, gateways, session):
    order = unshipped(gateways, shop, goods("MUG", 1, "9.33"), goods("LAMP", 1, "20.00"), shipping_cost())
    first, last = (canceled(gateways, shop, as_it_is(order), {sku: 1}) for sku in ("MUG", "LAMP"))
    with transaction():
        ending.refuse(first, code="picking", now=NOW)
    assert line(order).cancelable_units == 1
    again = canceled(gateways, shop, as_it_is(order), {"MUG": 1})
    for made in (last, again):
        with transaction():
            ending.released(made, now=NOW)
    assert state_of(session, order) == "canceled" and as_it_is(order).refunded == order.paid
    assert proven() == []


def test_an_order_that_the_shop_canceled_stays_canceled_when_a_cancellation_is_undone(
    shop, gateways, session
):
    order = unshipped(gateways, shop, goods("MUG", 2, "9.33"))
    made = canceled(gateways, shop, order, {"MUG": 1})
    with transaction() as writing:
        writing.execute(sa.update(Order).where(Order.id == order.id).values(state="canceled"))
    with transaction():
        ending.refuse(made, code="picking", now=NOW)
    assert page(shop, made).state == "refused" and state_of(session, order) == "canceled"


# -------------------------------------------------------------------------------------------- a link that is off


def test_a_reminder_never_carries_a_link_that_was_revoked(shop, gateways, session):
    made, agent = propose(gateways, shop, unshipped(gateways, shop), {"MUG": 1}), a_person(shop, "csr")
    links.revoke(agent, finish_link(made).id, now=NOW)
    cancellations.remind(agent, made, now=NOW)
    told = [one for one in session.scalars(sa.select(Mail)) if one.event == "cancellation_reminder"]
    (mail,) = told
    carried = [one for one in links.of_return(made) if str(one.id) in str(mail.values)]
    assert [(one.purpose, one.standing(NOW)) for one in carried] == [("status", "open")]


def test_whoever_starts_again_chooses_from_the_order_and_not_from_a_choice_left_over(shop, gateways, session):
    """The agent confirmed the return on the phone; what the customer had chosen to cancel beside it is still open."""
    order = unshipped(gateways, shop, goods("MUG", 3, "9.33", shipped=1), goods("LAMP", 2))
    draft, boss = own_draft(shop, order), a_person(shop, "supervisor")
    left_over = choose(gateways, shop, draft, order, {"LAMP": 1})
    fill(boss, draft, gateways, order=order, units={"MUG": 1}, now=NOW)
    confirmation.confirm(boss, draft, site=SITE, now=NOW)
    links.start_by_customer(
        merchant_id=shop, order_number=order.number, proof=order.email, language="en", site=SITE, now=NOW
    )
    session.rollback()
    opened = session.scalars(
        sa.select(Mail).where(Mail.event == "start_link").order_by(Mail.id.desc())
    ).first()
    row = session.get(Return, opened.return_id)
    assert (row.kind, row.state) == ("return", "draft") and row.id not in (draft, left_over)


# ------------------------------------------------------------------------------------------- what is said to stay


def test_what_came_back_before_is_not_said_to_stay(shop, gateways, session):
    """Of three mugs two were sent, came back and were refunded: one stays beside the lamp that is canceled."""
    order = unshipped(gateways, shop, goods("MUG", 3, "9.33", shipped=2), goods("LAMP", 1, "50.00"))
    back = a_return(gateways, shop, order, {"MUG": 2}, now=NOW)
    receive(shop, back, now=NOW)
    inspect(shop, back, now=NOW)
    refunds.propose(a_person(shop, "finance"), back, now=NOW)
    made = propose(gateways, shop, as_it_is(order), {"LAMP": 1})
    assert page(shop, made).after.units == 1
    told = session.scalars(sa.select(Mail).where(Mail.return_id == made)).one().values["cancellation"]
    assert [one["units"] for one in told["stays"]] == [1] and told["after"]["units"] == 1
    assert [one["units"] for one in web.stays(page(shop, made))] == [1]


def test_the_name_of_a_bundle_is_in_no_list_of_a_message(shop, gateways, session):
    """Its parts are what was bought: the message lists them once, as the page does."""
    order = unshipped(
        gateways, shop,
        goods("SET", 1, "0.00"), goods("CAMERA", 1, "80.00", parent="1"), goods("BAG", 1, "20.00", parent="1"),
        goods("MUG", 1),
    )  # fmt: skip
    part = propose(gateways, shop, order, {"BAG": 1})
    assert names_of(session, part, order) == (["BAG"], ["CAMERA", "MUG"])
    cancellations.decline(a_customer(part, shop), part, now=NOW)
    whole = propose(gateways, shop, as_it_is(order), {"SET": 1})
    assert names_of(session, whole, order) == (["BAG", "CAMERA"], ["MUG"])


def names_of(session, made, order):
    """SKUs of what leaves and of what stays, as the first message has them."""
    skus = {line.name: line.sku for line in order.items}
    assert len(skus) == len(order.items), "each line has a name of its own"
    mails = session.scalars(sa.select(Mail).where(Mail.return_id == made).order_by(Mail.id))
    told = next(iter(mails)).values["cancellation"]
    return tuple(sorted(skus[one["name"]] for one in told[which]) for which in ("lines", "stays"))


def test_the_order_tells_what_a_return_gave_back_and_not_what_was_estimated(shop, gateways, session):
    order = unshipped(gateways, shop, goods("MUG", 3, "9.33", shipped=1), goods("LAMP", 1, "50.00"))
    back = a_return(gateways, shop, order, {"MUG": 1}, now=NOW)
    draft = own_draft(shop, order)

    def told():
        seen = cancellations.around(a_customer(draft, shop), draft, gateways=gateways, now=NOW)
        return {row.id: row.amount for row in seen.past}[back]

    assert told() == 933
    receive(shop, back, now=NOW)
    inspect(shop, back, now=NOW)
    boss = a_person(shop, "supervisor")
    agreed = Overrides(amounts=((line(order).id, 800),), reason="A scratch")
    refunds.propose(boss, back, overrides=agreed, now=NOW)
    session.rollback()
    assert as_it_is(order).refunded == 800 == told()
