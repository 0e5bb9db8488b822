"""The history as it is looked through: a day is that of the shop whose hours the page tells."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from portal.db import history
from portal.db.base import transaction
from portal.services.lists import audit_log
from portal.services.lists.audit_log import Wanted
from tests.builders import a_merchant, a_person


def test_of_several_shops_a_day_is_that_of_the_first_by_name_or_of_the_one_asked_for(session: Any) -> None:
    older = a_merchant(slug="zz", zone="America/New_York")
    first = a_merchant(slug="aa", zone="Europe/Berlin")
    boss = a_person([older, first])
    with transaction():
        for shop in (older, first):
            at = datetime(2026, 6, 15, 23, tzinfo=UTC)
            history.record(
                boss, "view.saved", merchant_id=shop, subject_id=shop, now=at, name="x", changed={}
            )

    def found(day: int, **more: Any) -> int:
        return len(
            audit_log.entries(boss, Wanted(day=date(2026, 6, day), what="view.saved", **more), limit=9)
        )

    assert (found(15), found(16)) == (0, 2)
    assert (found(15, merchant_id=older), found(16, merchant_id=older)) == (1, 0)
