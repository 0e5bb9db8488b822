"""Working days by the country of the merchant."""

from dataclasses import replace
from datetime import UTC, date, datetime

from portal.core.addresses import Address
from portal.core.merchants import MerchantFacts
from portal.db.base import uuid7
from portal.services.paying.arrivals import arrives_on, is_bank_holiday

GERMAN = MerchantFacts(
    id=uuid7(), slug="demo", name="Demo", accent="green", language="en", country="DE", currency="EUR",
    zone="Europe/Berlin", support_email="help@demo.example", address=Address(country="DE"),
)  # fmt: skip


def test_the_holidays_are_those_of_the_country() -> None:
    unity = date(2026, 10, 3)
    assert is_bank_holiday(date(2025, 10, 3), "DE") and not is_bank_holiday(date(2025, 10, 3), "FR")
    assert is_bank_holiday(unity, "ZZ"), "a Saturday, wherever it is"
    assert not is_bank_holiday(date(2025, 10, 3), "ZZ"), "of an unknown country only weekends are known"


def test_the_day_begins_where_the_merchant_is() -> None:
    """Half past eleven in the evening of Thursday in London is Friday in Berlin."""
    late = datetime(2025, 10, 1, 22, 30, tzinfo=UTC)
    assert arrives_on("bank_transfer", "bank_transfer", late, GERMAN) == date(2025, 10, 7)
    assert arrives_on("bank_transfer", "bank_transfer", late, replace(GERMAN, zone="Europe/London")) == date(
        2025, 10, 6
    )
