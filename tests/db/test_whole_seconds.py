"""Seconds between two moments as the databases reckon them: exactly as Python does."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from portal.db.base import UtcTime, whole_seconds

BEGUN = datetime(2026, 3, 28, 23, 59, 59, 999_999, tzinfo=UTC)


def test_whole_seconds_are_those_of_python_to_the_microsecond(session: Any) -> None:
    dice = random.Random(7)
    spans = [timedelta(microseconds=one) for one in (0, 1, 999_999, 1_000_000, 1_000_001, 59_999_999)]
    spans += [timedelta(microseconds=dice.randrange(10**15)) for _ in range(60)]
    firsts = [BEGUN, *(BEGUN + timedelta(microseconds=dice.randrange(10**13)) for _ in range(3))]
    pairs = [(first, first + span) for first in firsts for span in spans]
    parts = [
        sa.select(
            sa.literal(n).label("n"),
            whole_seconds(sa.literal(first, UtcTime()), sa.literal(last, UtcTime())).label("seconds"),
        )
        for n, (first, last) in enumerate(pairs)
    ]
    found = {row.n: row.seconds for row in session.execute(sa.union_all(*parts))}
    assert [found[n] for n in range(len(pairs))] == [
        (last - first) // timedelta(seconds=1) for first, last in pairs
    ]
