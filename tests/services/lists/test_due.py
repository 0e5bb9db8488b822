"""When what waits is due: by the calendar of its shop, in lists and in their order, and nothing is left out of it."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from portal.db.base import db
from portal.services.lists import list_rows, listing
from tests.builders import NOW, a_merchant
from tests.services.lists.test_listing import again, of, put

LAST = date(2026, 3, 4)
ENDS = {
    "Europe/Berlin": datetime(2026, 3, 4, 23, tzinfo=UTC),
    "America/New_York": datetime(2026, 3, 5, 5, tzinfo=UTC),
    "Pacific/Auckland": datetime(2026, 3, 4, 11, tzinfo=UTC),
}


@pytest.fixture
def shops(session: Any) -> dict[str, UUID]:
    return {zone: a_merchant(zone=zone) for zone in ENDS}


def to_be_sent(shop: UUID, on: date = LAST) -> UUID:
    return put(shop, state="approved", ship_by=on).id


def test_the_last_day_to_send_ends_at_midnight_of_the_shop_and_is_told_as_that_day(
    shops: dict[str, UUID],
) -> None:
    made = {zone: to_be_sent(shop) for zone, shop in shops.items()}
    db.session.commit()
    rows = {row.id: row for row in list_rows.rows(list(made.values()))}
    assert {zone: rows[one].due_at for zone, one in made.items()} == ENDS
    assert {rows[one].due_on for one in made.values()} == {LAST}


@pytest.mark.parametrize("zone", ENDS)
def test_it_is_overdue_from_then_on_and_not_before(shops: dict[str, UUID], zone: str) -> None:
    shop = shops[zone]
    late = to_be_sent(shop)
    to_be_sent(shop, LAST + timedelta(days=1))
    db.session.commit()
    wanted = of((shop,), overdue=True)
    for moment, found in ((ENDS[zone] - timedelta(seconds=1), ()), (ENDS[zone], (late,))):
        asked = type(wanted)(**vars(wanted) | {"now": moment})
        assert listing.find(asked).ids == found


def test_days_of_several_zones_stand_in_order_among_moments_forth_and_back(shops: dict[str, UUID]) -> None:
    due: dict[UUID, datetime] = {}
    for zone, shop in shops.items():
        for on in range(3):
            due[to_be_sent(shop, LAST + timedelta(days=on))] = datetime.combine(
                LAST + timedelta(days=on + 1), datetime.min.time(), ZoneInfo(zone)
            )
            asked_at = ENDS["Europe/Berlin"] + timedelta(hours=9 * on - 24)
            due[put(shop, state="requested", submitted_at=asked_at).id] = asked_at + timedelta(hours=24)
    db.session.commit()
    wanted = of(tuple(shops.values()), sort="due")
    whole = listing.find(wanted, limit=100).ids
    assert [due[one] for one in whole] == sorted(due.values())
    found = listing.find(wanted, limit=2)
    seen = list(found.ids)
    while found.next is not None:
        found = listing.find(wanted, cursor=again(found.next), limit=2)
        seen += found.ids
    assert tuple(seen) == whole
    back = list(found.ids)
    while found.previous is not None:
        found = listing.find(wanted, cursor=again(found.previous), limit=2)
        back = [*found.ids, *back]
    assert tuple(back) == whole


def test_the_last_day_to_answer_is_told_as_that_day(shops: dict[str, UUID]) -> None:
    row = put(shops["Europe/Berlin"], state="needs_info", info_due_at=ENDS["Europe/Berlin"])
    db.session.commit()
    (told,) = list_rows.rows([row.id])
    assert isinstance(told.due_on, datetime)
    assert told.due_on.astimezone(ZoneInfo("Europe/Berlin")).date() == LAST


@pytest.mark.parametrize("states", [(), ("inspected", "closed")])
@pytest.mark.parametrize("refund_state", ["none", "calculated", "refunded"])
def test_a_lost_return_that_was_taken_up_again_is_in_the_list_whatever_its_order(
    shops: dict[str, UUID], states: tuple[str, ...], refund_state: str
) -> None:
    shop = shops["Europe/Berlin"]
    came = put(shop, state="inspected", received_at=NOW).id
    lost = put(shop, state="inspected", received_at=None, refund_state=refund_state).id
    db.session.commit()
    for sort in ("due", "newest", "value"):
        assert sorted(listing.find(of((shop,), sort=sort, states=states)).ids) == sorted((came, lost)), sort
