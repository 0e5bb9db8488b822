from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from portal.core.deadlines import next_days, refund_due, ship_by
from portal.core.policy.terms import Terms

LATE = datetime(2026, 3, 10, 23, 30, tzinfo=UTC)


def test_days_are_counted_from_the_merchants_day() -> None:
    assert ship_by(LATE, Terms(ship_by_days=14), UTC) == date(2026, 3, 24)
    assert ship_by(LATE, Terms(ship_by_days=14), ZoneInfo("Europe/Berlin")) == date(2026, 3, 25)


def test_the_refund_is_due_in_14_days_but_not_before_the_goods_are_back() -> None:
    assert refund_due(LATE, None, UTC) == date(2026, 3, 24)
    assert refund_due(LATE, datetime(2026, 3, 12, tzinfo=UTC), UTC) == date(2026, 3, 24)
    assert refund_due(LATE, datetime(2026, 4, 2, tzinfo=UTC), UTC) == date(2026, 4, 2)


def test_the_dates_that_lie_ahead_come_in_their_order() -> None:
    terms = Terms(ship_by_days=20)
    ahead = next_days(terms, UTC, requested_at=LATE, approved_at=LATE, received_at=None)
    assert [(day.code, day.on) for day in ahead] == [
        ("refund_due", date(2026, 3, 24)),
        ("ship_by", date(2026, 3, 30)),
    ]
    back = next_days(terms, UTC, requested_at=LATE, approved_at=LATE, received_at=LATE)
    assert [day.code for day in back] == ["refund_due"]
