"""Real orders and real cancellations: imported whole, replayed as returns, every figure to the penny."""

import csv
import gzip
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from portal import create_app
from portal.adapters.orders import build
from portal.core.access import SYSTEM
from portal.core.policy.terms import Terms
from portal.core.refunds import ledger
from portal.db.base import db
from portal.db.orders import Adjustment, Order, OrderLine, OrderPayment, Payment
from portal.db.refunds import Payout, Refund, RefundLine, Transfer
from portal.db.returns import Return, ReturnLine
from portal.services import intake, merchants
from portal.services.past import replay
from portal.services.past.replay import Outcome
from portal.services.proofs import verifying
from portal.services.stockroom import stock
from tests import databases
from tests.shared import RETAIL, VERDICTS, data

NOW = datetime(2026, 3, 20, 12, 0, tzinfo=UTC)
D = Decimal

# verdict: rows, units, pounds
A2 = {
    "ACCEPT": (4264, 125_026, "192362.42"),
    "OVER_QTY": (43, 446, "1130.09"),
    "PRICE_MISMATCH": (160, 1102, "2659.75"),
    "NO_ORIGINAL": (861, 17_010, "20017.50"),
    "NO_CUSTOMER": (126, 1633, "2380.28"),
    "NOT_MERCHANDISE": (393, 4185, "302220.52"),
}
# month: rows, claimed; then rows and pounds by verdict, in the order of A2
MONTHS = """
2010-12 728 74789.12 288 8013.72 6 237.15 10 146.76 371 8968.01 23 242.22 30 57181.26
2011-01 701 131364.30 471 87366.27 10 304.35 13 383.79 173 3199.41 12 272.48 22 39838.00
2011-02 475 25569.24 300 7030.20 2 35.13 17 256.22 95 994.22 4 60.10 57 17193.37
2011-03 699 34372.28 522 8968.57 5 163.70 17 247.80 65 656.33 33 638.90 57 23696.98
2011-04 559 44601.50 472 29316.50 3 56.31 17 168.68 38 3772.47 1 2.95 28 11284.59
2011-05 621 47202.51 500 8329.82 4 101.90 26 334.67 22 161.86 6 19.98 63 38254.28
2011-06 711 70616.78 582 12154.86 5 85.50 17 184.48 25 227.87 40 1108.13 42 56855.94
2011-07 685 37921.08 558 9053.07 6 126.70 21 406.77 53 1804.47 4 18.20 43 26511.87
2011-08 668 54333.75 571 22129.41 2 19.35 22 530.58 19 232.86 3 17.32 51 31404.23
"""
# order: customer, lines, merchandise, refunded; and what each cancellation gave back of it (pounds, units)
A4: dict[str, tuple[str, int, str, str, dict[str, tuple[str, int]]]] = {
    "541431": ("12346", 1, "77183.60", "77183.60", {"C541433": ("77183.60", 74_215)}),
    "555591": ("15073", 22, "430.98", "430.98", {"C555636": ("430.98", 214)}),
    "560366": (
        "16859", 34, "487.97", "274.67",
        {"C560877": ("49.95", 1), "C560987": ("4.25", 1), "C564488": ("220.47", 169)},
    ),
    "536390": (
        "17511", 24, "1825.74", "23.92",
        {"C537602": ("8.77", 4), "C540250": ("11.40", 3), "C546854": ("3.75", 1)},
    ),
    "540176": (
        "17511", 34, "3862.14", "17.30",
        {"C540250": ("7.55", 3), "C542910": ("7.65", 1), "C551948": ("2.10", 1)},
    ),
    "542106": (
        "12709", 11, "1116.90", "100.47",
        {
            "C542346": ("47.19", 5), "C543469": ("36.33", 5), "C552406": ("6.78", 2),
            "C558727": ("6.78", 2), "C561703": ("3.39", 1),
        },
    ),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Real:
    """One database with real data in it: all of them, or those of some customers."""

    shop: UUID
    file: str
    lines: dict[int, int]
    """Line of the file -> line of the shared file."""
    counts: intake.Counts
    faults: list[Any]
    outcomes: list[Outcome]

    @property
    def march(self) -> list[Outcome]:
        return [one for one in self.outcomes if f"{one.row.at:%Y-%m}" == "2011-03"]


def imported(shop: UUID, file: str) -> tuple[intake.Counts, list[Any]]:
    faults: list[Any] = []
    stream = build("csv", [file], mapping="online-retail.toml").read()
    counts = intake.import_orders(SYSTEM, shop, stream, source="csv", now=NOW, refuse=faults.append)
    return counts, faults


def replayed(shop: UUID, file: str) -> list[Outcome]:
    outcomes: list[Outcome] = []
    stream = build("csv", [file], mapping="online-retail.toml").read()
    replay.replay(SYSTEM, shop, stream, report=outcomes.append)
    return outcomes


def all_of_it(folder: Path) -> tuple[str, dict[int, int]]:
    with gzip.open(data(RETAIL), "rt") as file:
        return str(data(RETAIL)), {line: line for line, _ in enumerate(file, 1)}


def some_customers(folder: Path) -> tuple[str, dict[int, int]]:
    """Every row of the customers of March's cancellations and of the named orders, and all of March's."""
    with gzip.open(data(RETAIL), "rt", newline="") as file:
        rows = list(csv.reader(file))
    in_march = [row for row in rows if row[0].startswith("C") and row[4].startswith("2011-03")]
    named = {
        *A4,
        *(back for order in A4.values() for back in order[4]),
        "C540250",
        "C537406",
        "C542413",
        "C538341",
    }
    customers = {row[6] for row in [*in_march, *(row for row in rows if row[0] in named)]} - {""}
    kept = {
        number: row
        for number, row in enumerate(rows, 1)
        if number == 1 or row[6] in customers or (row[0].startswith("C") and row[4].startswith("2011-03"))
    }
    with (folder / "some.csv").open("w", newline="") as out:
        csv.writer(out).writerows(kept.values())
    return str(folder / "some.csv"), dict(enumerate(kept, 1))


@contextmanager
def real(template: Any, file: str, lines: dict[int, int]) -> Iterator[Real]:
    """The data in ``file``, imported and replayed once."""
    with template.fresh() as database:
        app = create_app(database.settings())
        with app.app_context():
            shop = merchants.create(
                slug="retail", name="Retail", support_email="retail@example.com", address={"country": "GB"},
                terms=Terms(), currency="GBP", now=NOW,
            )  # fmt: skip
            counts, faults = imported(shop, file)
            outcomes = replayed(shop, file)
            yield Real(shop=shop, file=file, lines=lines, counts=counts, faults=faults, outcomes=outcomes)
        databases.close(app)


def one(statement: Any) -> Any:
    return db.session.scalar(statement)


def count_of(table: Any, *where: Any) -> int:
    return int(one(sa.select(sa.func.count()).select_from(table).where(*where)))


def pounds(pence: int) -> Decimal:
    return D(pence).scaleb(-2)


def test_the_real_data_come_out_to_the_penny_and_twice_the_same(sqlite_template: Any, tmp_path: Path) -> None:
    """One test, since its database takes a while to fill; each step is a claim of its own."""
    with real(sqlite_template, *all_of_it(tmp_path)) as done:
        nothing_is_lost_at_import(done)
        every_row_gets_the_expected_verdict(done)
        assert len(done.outcomes) == 5_847
        every_verdict_sums_up(done)
        every_month_sums_up(done)
        march_comes_out(done)
        named_orders_keep_the_rest(done)
        what_was_given_back_is_not_given_back_again(done)
        equal_rows_are_different_units(done)
        postage_has_a_cap_of_its_own(done)
        the_window_is_judged_by_the_latest_purchase(done)
        no_cap_is_broken_and_the_ledger_balances(done)
        what_came_back_lies_in_stock(done)
        a_second_time_changes_nothing(done)


def test_the_same_on_postgresql_for_march_and_the_named_orders(
    postgresql_template: Any, tmp_path: Path
) -> None:
    with real(postgresql_template, *some_customers(tmp_path)) as done:
        assert done.faults == []
        every_row_gets_the_expected_verdict(done)
        march_comes_out(done)
        named_orders_keep_the_rest(done)
        what_was_given_back_is_not_given_back_again(done)
        equal_rows_are_different_units(done)
        no_cap_is_broken_and_the_ledger_balances(done)
        assert verifying.run().problems == []
        a_second_time_changes_nothing(done)


def nothing_is_lost_at_import(real: Real) -> None:
    counts = real.counts
    assert real.faults == []
    assert (counts.imported, counts.adjustments, counts.cancellations) == (12_977, 925 + 3, 5_847)
    assert counts.lines + counts.adjustments + counts.cancellations == 320_705
    assert count_of(Order) == 12_977
    assert count_of(OrderLine) == counts.lines
    assert count_of(Order, Order.customer_ref != "") == 11_415
    assert count_of(Adjustment, Adjustment.kind == "stock") == 925
    assert one(sa.select(sa.func.sum(Adjustment.units)).where(Adjustment.kind == "stock")) == -131_286
    assert (
        one(sa.select(sa.func.sum(Adjustment.amount_minor)).where(Adjustment.kind == "finance")) == -1_106_206
    )
    rows = db.session.execute(
        sa.select(OrderLine.unit_price, sa.func.sum(OrderLine.units)).group_by(OrderLine.unit_price)
    )
    sold = [(D(price), int(units)) for price, units in rows]
    gross = sum((price * units for price, units in sold), D(0))
    assert gross == D("6293764.002")
    back = sum(outcome.row.units for outcome in real.outcomes)
    claimed = sum((outcome.row.units * outcome.row.unit_price for outcome in real.outcomes), D(0))
    assert (back, claimed) == (149_402, D("520770.56"))
    assert sum(units for _, units in sold) - 131_286 + finance_units() - back == 3_089_482
    assert gross - claimed + D("-11062.06") == D("5761931.382")


def finance_units() -> int:
    return int(one(sa.select(sa.func.sum(Adjustment.units)).where(Adjustment.kind == "finance")))


def every_row_gets_the_expected_verdict(real: Real) -> None:
    with gzip.open(data(VERDICTS), "rt") as file:
        expected = {int(row["csv_line"]): row for row in csv.DictReader(file)}
    for outcome in real.outcomes:
        row = expected.pop(real.lines[outcome.row.row])
        assert (outcome.verdict, pounds(outcome.refunded), pounds(outcome.claimed)) == (
            row["verdict"],
            D(row["refund_gbp"]),
            D(row["claimed_gbp"]),
        ), row
    assert not set(expected) & set(real.lines.values()), "a row was not replayed"


def sums(outcomes: list[Outcome]) -> dict[str, tuple[int, int, Decimal]]:
    found: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for outcome in outcomes:
        amount = outcome.refunded if outcome.verdict == "ACCEPT" else outcome.claimed
        for place, more in enumerate((1, outcome.row.units, amount)):
            found[outcome.verdict][place] += more
    return {verdict: (rows, units, pounds(pence)) for verdict, (rows, units, pence) in found.items()}


def every_verdict_sums_up(real: Real) -> None:
    assert sums(real.outcomes) == {
        verdict: (rows, units, D(gbp)) for verdict, (rows, units, gbp) in A2.items()
    }
    assert one(sa.select(sa.func.sum(Refund.amount_minor))) == 19_236_242
    assert one(sa.select(sa.func.sum(OrderLine.refunded_minor))) == 19_236_242
    assert one(sa.select(sa.func.sum(Payment.refunded_minor))) == 19_236_242
    assert one(sa.select(sa.func.sum(OrderPayment.refunded_minor))) == 19_236_242
    assert one(sa.select(sa.func.sum(OrderLine.claimed_units))) == 125_026


def every_month_sums_up(real: Real) -> None:
    by_month: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in real.outcomes:
        by_month[f"{outcome.row.at:%Y-%m}"].append(outcome)
    for line in MONTHS.split("\n"):
        if not line:
            continue
        month, rows, claimed, *parts = line.split()
        found = by_month[month]
        assert (len(found), pounds(sum(one.claimed for one in found))) == (int(rows), D(claimed))
        expected = {verdict: (int(parts[2 * at]), D(parts[2 * at + 1])) for at, verdict in enumerate(A2)}
        assert {verdict: (count, gbp) for verdict, (count, _, gbp) in sums(found).items()} == expected


def march_comes_out(real: Real) -> None:
    march = real.march
    assert len(march) == 699
    assert pounds(sum(one.refunded for one in march)) == D("8968.57")
    assert pounds(sum(one.claimed for one in march)) == D("34372.28")
    assert len({one.row.number for one in march}) == 318
    assert sum(one.row.units for one in march if one.verdict == "ACCEPT") == 3_214
    refused = {one.row.number for one in march if one.verdict != "ACCEPT"}
    assert len({one.row.number for one in march} - refused) == 222
    fees: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for outcome in march:
        if outcome.verdict == "NOT_MERCHANDISE":
            fees[outcome.row.sku][0] += 1
            fees[outcome.row.sku][1] += outcome.claimed
    assert fees == {
        "M": [33, 1163292], "AMAZONFEE": [3, 1113784], "BANK CHARGES": [2, 38361],
        "D": [5, 22421], "POST": [12, 20156], "S": [2, 11684],
    }  # fmt: skip


def named_orders_keep_the_rest(real: Real) -> None:
    for number, (customer, lines, total, refunded, returns) in A4.items():
        order = db.session.scalars(sa.select(Order).where(Order.number == number)).one()
        assert order.customer_ref == customer
        mine = OrderLine.order_id == order.id
        goods = db.session.execute(
            sa.select(
                sa.func.count(), sa.func.sum(OrderLine.paid_minor), sa.func.sum(OrderLine.refunded_minor)
            ).where(mine, OrderLine.kind == "merchandise")
        ).one()
        assert (goods[0], pounds(goods[1]), pounds(goods[2])) == (lines, D(total), D(refunded)), number
        given: dict[str, list[Any]] = defaultdict(lambda: [0, 0])
        for outcome in real.outcomes:
            for order_number, units, amount in outcome.orders:
                if order_number == number:
                    given[outcome.row.number][0] += amount
                    given[outcome.row.number][1] += units
        assert {name: (pounds(gbp), units) for name, (gbp, units) in given.items()} == {
            name: (D(gbp), units) for name, (gbp, units) in returns.items()
        }, number
    credit = [one for one in real.outcomes if one.row.number == "C540250"]
    assert Counter(one.verdict for one in credit) == {"ACCEPT": 6, "NO_ORIGINAL": 2}
    assert pounds(sum(one.refunded for one in credit)) == D("20.60")
    assert pounds(sum(one.claimed for one in credit)) == D("37.60")
    returns_of_it = {order for one in credit for order, _, _ in one.orders}
    assert len(returns_of_it) > 1, "one credit over several orders is several returns"


def what_was_given_back_is_not_given_back_again(real: Real) -> None:
    again = [one for one in real.outcomes if one.row.number == "C537406"]
    assert [one.verdict for one in again] == ["OVER_QTY"] * 4
    assert (pounds(sum(one.claimed for one in again)), sum(one.refunded for one in again)) == (D("167.20"), 0)
    mixed = [one for one in real.outcomes if one.row.number == "C542413"]
    assert Counter(one.verdict for one in mixed) == {"ACCEPT": 2, "OVER_QTY": 6, "NO_ORIGINAL": 7}
    assert pounds(sum(one.refunded for one in mixed)) == D("35.60")
    assert pounds(sum(one.claimed for one in mixed)) == D("350.50")


def equal_rows_are_different_units(real: Real) -> None:
    rows = [one for one in real.outcomes if one.row.number == "C538341"]
    assert (len(rows), {one.verdict for one in rows}) == (39, {"ACCEPT"})
    assert pounds(sum(one.refunded for one in rows)) == D("1136.32")


def postage_has_a_cap_of_its_own(real: Real) -> None:
    found: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for outcome, within in replay.postage(real.shop, [one for one in real.outcomes if one.row.sku == "POST"]):
        found[within][0] += 1
        found[within][1] += outcome.claimed
    assert found == {"within": [19, 63_600], "over": [40, 916_488], "no_customer": [16, 35_712]}


def the_window_is_judged_by_the_latest_purchase(real: Real) -> None:
    found: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for outcome in real.outcomes:
        if outcome.verdict == "ACCEPT":
            found[outcome.window][0] += 1
            found[outcome.window][1] += outcome.refunded
    assert found == {
        "inside": [3_484, 15_332_460],
        "outside": [771, 3_666_521],
        "partly": [9, 237_261],
    }


def no_cap_is_broken_and_the_ledger_balances(real: Real) -> None:
    refunded, claimed = OrderLine.refunded_minor, OrderLine.claimed_units
    assert count_of(OrderLine, sa.or_(refunded > OrderLine.paid_minor, claimed > OrderLine.units)) == 0
    assert count_of(Payment, Payment.refunded_minor > Payment.captured_minor) == 0
    total = sum(outcome.refunded for outcome in real.outcomes)
    assert one(sa.select(sa.func.sum(RefundLine.amount_minor))) == total
    assert one(sa.select(sa.func.sum(Payout.amount_minor)).where(Payout.state == "succeeded")) == total
    rows = db.session.execute(
        sa.select(Transfer.debit, Transfer.credit, Transfer.amount_minor, Transfer.currency)
    )
    posted = [
        ledger.Transfer(debit=d, credit=c, amount=amount, currency=currency)
        for d, c, amount, currency in rows
    ]
    assert ledger.balance(posted) == {
        ("goods", "GBP"): total,
        ("clearing:manual", "GBP"): -total,
        (ledger.PAYABLE, "GBP"): 0,
    }
    assert count_of(Return, Return.state != "closed") == 0


def what_came_back_lies_in_stock(real: Real) -> None:
    levels = stock.levels(real.shop, ["23166", "21108", "85123A", "21175", "22920"])
    assert {sku: buckets["available"] for sku, buckets in levels.items()} == {
        "23166": 74_478, "21108": 3_114, "85123A": 2_541, "21175": 2_016, "22920": 1_527,
    }  # fmt: skip
    assert one(sa.select(sa.func.sum(ReturnLine.accepted_units))) == 125_026
    assert verifying.run().problems == []


def a_second_time_changes_nothing(real: Real) -> None:
    before = everything()
    counts, faults = imported(real.shop, real.file)
    first = real.counts
    assert (counts.imported, counts.changed, counts.unchanged, faults) == (0, 0, first.imported, [])
    assert (counts.adjustments, counts.adjustments_unchanged) == (0, first.adjustments)
    again = replayed(real.shop, real.file)
    assert [(one.verdict, one.refunded, one.window) for one in again] == [
        (one.verdict, one.refunded, one.window) for one in real.outcomes
    ]
    assert {one.again for one in again if one.verdict == "ACCEPT"} == {True}
    assert everything() == before


def everything() -> dict[str, Any]:
    """How many rows there are of everything, and what they sum to."""
    db.session.rollback()
    found: dict[str, Any] = {}
    for name, table in Order.metadata.tables.items():
        amounts = [
            sa.func.sum(column) for column in table.c if column.name.endswith(("_minor", "units", "version"))
        ]
        row = db.session.execute(sa.select(sa.func.count(), *amounts).select_from(table)).one()
        found[name] = [str(value) for value in row]
    db.session.rollback()
    return found
