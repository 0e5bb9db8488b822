"""The 532 real rows that took units back within a day of their purchase, as cancellations before shipment."""

from __future__ import annotations

import csv
import gzip
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from portal import create_app
from portal.adapters.orders import build
from portal.core.access import SYSTEM
from portal.core.policy.terms import Terms
from portal.db.base import db
from portal.db.cancellations import Cancellation
from portal.db.orders import OrderLine
from portal.db.refunds import Payout, Refund
from portal.db.returns import Return, ReturnLine
from portal.db.stock import StockMovement
from portal.services import intake, merchants
from portal.services.past import replay
from portal.services.proofs import audit, recounting, verifying
from tests import databases, serving
from tests.shared import RETAIL, VERDICTS, data

NOW = datetime(2026, 3, 20, 12, 0, tzinfo=UTC)
DAY = timedelta(hours=24)
ROWS, UNITS, PENCE = 532, 85_702, 9_928_975
"""As the description of the data tells the rows; units and money summed over them."""


def of_their_customers(folder: Path) -> str:
    """Every row of the customers who took something back within the day, and of nobody else."""
    with gzip.open(data(RETAIL), "rt", newline="") as file:
        rows = list(csv.reader(file))
    bought: dict[tuple[str, str], list[datetime]] = {}
    soon: set[str] = set()
    for row in rows[1:]:
        at, key = datetime.fromisoformat(row[4]), (row[6], row[1])
        if not row[0].startswith("C"):
            bought.setdefault(key, []).append(at)
    for row in rows[1:]:
        at = datetime.fromisoformat(row[4])
        earlier = bought.get((row[6], row[1]), ()) if row[0].startswith("C") and row[6] else ()
        if any(timedelta(0) <= at - one <= DAY for one in earlier):
            soon.add(row[6])
    with (folder / "soon.csv").open("w", newline="") as out:
        csv.writer(out).writerows([rows[0], *(row for row in rows[1:] if row[6] in soon)])
    return str(folder / "soon.csv")


def expected() -> Counter[tuple[str, str, str, str]]:
    """(invoice, SKU, units, pounds) of every row that is accepted, as the shared file has them."""
    found: Counter[tuple[str, str, str, str]] = Counter()
    with gzip.open(data(VERDICTS), "rt", newline="") as file:
        for row in csv.DictReader(file):
            if row["verdict"] == "ACCEPT":
                found[row["InvoiceNo"], row["StockCode"], row["Quantity"].lstrip("-"), row["refund_gbp"]] += 1
    return found


def scalar(statement: Any) -> Any:
    return db.session.scalar(statement)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_what_was_taken_back_within_a_day_is_canceled_before_shipment_to_the_penny(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    with request.getfixturevalue(f"{kind}_template").fresh() as database:
        app = create_app(database.settings())
        with app.app_context():
            shop = merchants.create(
                slug="retail", name="Retail", support_email="retail@example.com", address={"country": "GB"},
                terms=Terms(), currency="GBP", now=NOW,
            )  # fmt: skip
            file = of_their_customers(tmp_path)
            _replay(app, shop, file)
            _every_row_is_a_cancellation_of_the_expected_amount(shop)
            serving.drain(app)
            db.session.expire_all()
            _every_refund_was_sent_and_everything_agrees(shop)
            before = scalar(sa.select(sa.func.count()).select_from(Return))
            _replay(app, shop, file, again=True)
            assert scalar(sa.select(sa.func.count()).select_from(Return)) == before
        databases.close(app)


def _replay(app: Any, shop: Any, file: str, *, again: bool = False) -> None:
    faults: list[Any] = []
    stream = build("csv", [file], mapping="online-retail.toml")
    intake.import_orders(SYSTEM, shop, stream.read(), source="csv", now=NOW, refuse=faults.append)
    assert faults == []
    outcomes: list[replay.Outcome] = []
    replay.replay(
        SYSTEM,
        shop,
        build("csv", [file], mapping="online-retail.toml").read(),
        report=outcomes.append,
        unsent=replay.Unsent(within=DAY, gateways=app.extensions["gateways"], site=app.extensions["site"]),
    )
    accepted = [one for one in outcomes if one.verdict == "ACCEPT"]
    assert all(one.again for one in accepted) is again
    told = Counter(
        (one.row.number, one.row.sku, str(one.row.units), f"{Decimal(one.refunded).scaleb(-2):.2f}")
        for one in accepted
    )
    assert not told - expected()


def _every_row_is_a_cancellation_of_the_expected_amount(shop: Any) -> None:
    made = db.session.scalars(sa.select(Return).where(Return.kind == "partial_cancellation")).all()
    rows: set[tuple[str, str, int]] = set()
    from portal.db import history

    pence = 0
    for happening in history.of([row.id for row in made]):
        for position, _units, amount, _window in happening.details.get("replayed", ()):
            rows.add((happening.details["cancellation"], happening.at.isoformat(), position))
            pence += amount
    assert (len(rows), pence) == (ROWS, PENCE)
    lines = sa.select(sa.func.sum(ReturnLine.units)).where(ReturnLine.return_id.in_([row.id for row in made]))
    assert scalar(lines) == UNITS == scalar(sa.select(sa.func.sum(OrderLine.canceled_units)))
    refunds = db.session.scalars(
        sa.select(Refund).where(Refund.return_id.in_([row.id for row in made]))
    ).all()
    assert len(refunds) == len(made)
    charges = sum(
        row["amount"] for one in refunds for row in one.breakdown["rows"] if row["code"] == "shipping_refund"
    )
    assert sum(one.amount_minor for one in refunds) - charges == PENCE
    whole = sum(1 for one in refunds if any(r["code"] == "shipping_refund" for r in one.breakdown["rows"]))
    assert whole <= scalar(
        sa.select(sa.func.count())
        .select_from(Cancellation)
        .where(Cancellation.totals["order_canceled"].as_boolean())
    )


def _every_refund_was_sent_and_everything_agrees(shop: Any) -> None:
    made = sa.select(Return.id).where(Return.kind == "partial_cancellation")
    states = Counter(db.session.scalars(sa.select(Return.state).where(Return.id.in_(made))))
    assert set(states) == {"closed"}
    sent = Counter(
        db.session.scalars(
            sa.select(Payout.state)
            .join(Refund, Refund.id == Payout.refund_id)
            .where(Refund.return_id.in_(made))
        )
    )
    assert set(sent) == {"succeeded"}
    assert audit.verify().problems == []
    released = sa.select(sa.func.sum(StockMovement.delta)).where(
        StockMovement.why == "canceled", StockMovement.bucket == "available"
    )
    assert scalar(released) == UNITS and verifying.run().problems == []
    recounted = list(
        recounting.recounted(
            [shop], since=datetime(2010, 1, 1, tzinfo=UTC), until=datetime(2030, 1, 1, tzinfo=UTC)
        )
    )
    assert [one.number for one in recounted if not one.found.is_accurate] == [] and recounted
