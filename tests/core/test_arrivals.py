"""The day by which money is there: working days, counted from the day after it was sent."""

from datetime import date

import pytest

from portal.core.arrivals import arrives_on

FRIDAY = date(2026, 12, 18)


def weekends(day: date) -> bool:
    return day.weekday() >= 5


def with_christmas(day: date) -> bool:
    return weekends(day) or day in (date(2026, 12, 25), date(2026, 12, 26))


@pytest.mark.parametrize(
    ("tender", "provider", "there"),
    [
        ("card", "stripe", date(2026, 12, 25)),
        ("wallet", "sandbox", date(2026, 12, 23)),
        ("bank_transfer", "bank_transfer", date(2026, 12, 22)),
        ("store_credit", "store_credit", FRIDAY),
        ("gift_card", "gift_card", FRIDAY),
    ],
)
def test_each_tender_has_its_working_days(tender: str, provider: str, there: date) -> None:
    assert arrives_on(tender, provider, FRIDAY, is_free=weekends) == there


def test_a_holiday_is_no_working_day() -> None:
    assert arrives_on("card", "stripe", FRIDAY, is_free=with_christmas) == date(2026, 12, 28)


def test_money_sent_another_way_takes_as_long_as_that_way() -> None:
    assert arrives_on("card", "bank_transfer", FRIDAY, is_free=weekends) == date(2026, 12, 22)
    assert arrives_on("card", "store_credit", FRIDAY, is_free=weekends) == FRIDAY


@pytest.mark.parametrize(
    ("tender", "provider"), [("cash", "manual"), ("card", "manual"), ("other", "sandbox")]
)
def test_nobody_says_when_a_person_pays(tender: str, provider: str) -> None:
    assert arrives_on(tender, provider, FRIDAY, is_free=weekends) is None
