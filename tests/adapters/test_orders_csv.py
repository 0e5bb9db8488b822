"""Any shop's CSV export: a mapping says what its columns mean; scattered, broken and odd files."""

import gzip
import io
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from portal.adapters.orders import BadMapping, build
from portal.adapters.orders.csv_file import CsvFile
from portal.adapters.orders.mapping import load, parse
from portal.core.intake import Fault, Incoming, IncomingAdjustment, IncomingCancellation, IncomingOrder
from portal.core.paid import PaidOrder, paid

SMALL = {"order": "No", "placed_at": "Date", "units": "Qty", "unit_price": "Price", "sku": "SKU"}
HEAD = "No,Date,Qty,Price,SKU\n"


def read(folder: Path, text: str, encoding: str = "utf-8", **sections: object) -> list[Incoming]:
    file = folder / "orders.csv"
    file.write_bytes(text.encode(encoding))
    mapping = parse({"columns": SMALL, "format": {"currency": "EUR", "date": "iso"}, **sections})
    return list(CsvFile([str(file)], mapping).read())


def orders_of(found: list[Incoming]) -> dict[str, int]:
    return {one.number: len(one.lines) for one in found if isinstance(one, IncomingOrder)}


def faults_of(found: list[Incoming]) -> list[tuple[int, str]]:
    return [(one.row, one.reason) for one in found if isinstance(one, Fault)]


def test_rows_of_one_order_become_its_lines(tmp_path: Path) -> None:
    found = read(tmp_path, HEAD + "A,2026-03-01,2,9.99,X\nA,2026-03-01,1,0.001,Y\nB,2026-03-02,1,5,X\n")
    assert orders_of(found) == {"A": 2, "B": 1}
    first = found[0]
    assert isinstance(first, IncomingOrder)
    assert [line.unit_price for line in first.lines] == [Decimal("9.99"), Decimal("0.001")]
    assert first.placed_at == datetime(2026, 3, 1, tzinfo=UTC)
    record = paid(first)
    assert isinstance(record, PaidOrder)
    assert (record.paid, record.captured, record.differs) == (1998, 1998, 0)


def test_an_order_whose_rows_are_scattered_is_still_one_order(tmp_path: Path) -> None:
    text = (
        HEAD
        + "A,2026-03-01,1,1,X\nB,2026-03-01,1,1,X\nA,2026-03-01,2,1,Y\nC,2026-03-01,1,1,X\nB,2026-03-01,1,1,Z\n"
    )
    found = read(tmp_path, text)
    assert orders_of(found) == {"A": 2, "B": 2, "C": 1}
    assert [one.number for one in found if isinstance(one, IncomingOrder)] == ["C", "A", "B"]


def test_equal_rows_are_two_lines(tmp_path: Path) -> None:
    assert orders_of(read(tmp_path, HEAD + "A,2026-03-01,1,1,X\nA,2026-03-01,1,1,X\n")) == {"A": 2}


def test_a_row_that_cannot_be_read_refuses_its_order_and_no_other(tmp_path: Path) -> None:
    text = HEAD + "A,2026-03-01,1,1,X\nA,2026-03-01,two,1,Y\nB,2026-03-01,1,1,X\n"
    found = read(tmp_path, text)
    assert orders_of(found) == {"B": 1}
    assert faults_of(found) == [
        (3, "'two' is no number"),
        (2, "order A is not taken, since a row of it cannot be read"),
    ]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("A,2026-03-01,1,1", "4 fields where the heading has 5"),
        (",2026-03-01,1,1,X", "it has no order number"),
        ("A,soon,1,1,X", "Invalid isoformat string: 'soon'"),
        ("A,2026-03-01,-1,1,X", "-1 units: less than none"),
        ("A,2026-03-01,1,NaN,X", "'NaN' is no number"),
        ("A,2026-03-01,1,1e99,X", "'1e99' is no number"),
    ],
)
def test_a_bad_row_is_told_with_its_line_and_reason(tmp_path: Path, row: str, reason: str) -> None:
    found = read(tmp_path, HEAD + row + "\nB,2026-03-01,1,1,X\n")
    assert (2, reason) in faults_of(found)
    assert orders_of(found) == {"B": 1}


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    assert faults_of(read(tmp_path, "No,Date,Qty\nA,2026-03-01,1\n")) == [(1, "no such columns: Price, SKU")]


def test_bytes_of_another_encoding_are_refused_and_what_came_before_is_not(tmp_path: Path) -> None:
    padding = "".join(f"P{n},2026-03-01,1,1,X\n" for n in range(3000))
    found = read(tmp_path, HEAD + padding + "A,2026-03-01,1,1,Käse\n", encoding="latin-1")
    assert any("cannot be read as utf-8-sig CSV" in reason for _, reason in faults_of(found))


def test_the_mapping_says_what_an_odd_row_is(tmp_path: Path) -> None:
    rows = [
        {"order_prefix": ["C"], "is": "cancellation"},
        {"units": "negative", "is": "stock"},
        {"price": "negative", "is": "finance"},
        {"sku": ["POST"], "kind": "shipping"},
    ]
    text = HEAD + "C1,2026-03-01,-2,3,X\n7,2026-03-01,-4,0,X\n8,2026-03-01,1,-9.5,B\n9,2026-03-01,1,4,POST\n"
    cancellation, stock, finance, order = read(tmp_path, text, rows=rows)
    assert isinstance(cancellation, IncomingCancellation)
    assert (cancellation.units, cancellation.row) == (2, 2)
    assert isinstance(stock, IncomingAdjustment)
    assert (stock.kind, stock.units, stock.external_id) == ("stock", -4, "7:1")
    assert isinstance(finance, IncomingAdjustment)
    assert (finance.kind, finance.amount) == ("finance", Decimal("-9.5"))
    assert isinstance(order, IncomingOrder)
    assert order.lines[0].kind == "shipping"


def test_numbers_and_dates_are_read_as_the_file_writes_them(tmp_path: Path) -> None:
    how = {
        "currency": "EUR", "date": "%d.%m.%Y %H:%M", "zone": "Europe/Berlin",
        "decimal": ",", "thousands": ".", "delimiter": ";",
    }  # fmt: skip
    text = HEAD.replace(",", ";") + "A;01.07.2026 14:30;1.000;1.234,56;X\n"
    order = read(tmp_path, text, format=how)[0]
    assert isinstance(order, IncomingOrder)
    assert (order.lines[0].units, order.lines[0].unit_price) == (1000, Decimal("1234.56"))
    assert order.placed_at == datetime(2026, 7, 1, 12, 30, tzinfo=UTC)


PLAIN = """\
Order,Date,Quantity,Price,SKU,Product,Variant,Category,Line discount,Tax,Tax name,Shipped,Customer,Name,Email,Phone,\
Street,Postcode,City,Country,Currency,Order discount,Shipping,Paid,Payment,Paid with
#7,2026-03-01T10:00:00Z,2,20.00,MUG,Mug,blue,kitchen,1.00,6.23,VAT 19%,1,c9,Demo Customer,Demo@Example.com,,\
Demo Street 1,10115,Berlin,Germany,EUR,3.00,4.90,40.90,ch_1,card
#7,2026-03-01T10:00:00Z,1,0,GIFT,Sticker,,,,,,1,,,,,,,,,,,,,,
"""


def test_the_example_mapping_reads_a_plain_export(tmp_path: Path) -> None:
    file = tmp_path / "plain.csv"
    file.write_text(PLAIN)
    (incoming,) = build("csv", [str(file)], mapping="plain.toml").read()
    assert isinstance(incoming, IncomingOrder)
    order = paid(incoming)
    assert isinstance(order, PaidOrder), order
    assert (order.paid, order.captured, order.differs) == (4090, 4090, 0)
    assert [(line.sku, line.discount, line.paid, line.shipped) for line in order.lines] == [
        ("MUG", 400, 3600, 1),
        ("GIFT", 0, 0, 1),
        ("", 0, 490, 1),
    ]
    assert (order.email, order.country, order.postcode) == ("demo@example.com", "DE", "10115")
    assert order.address["street"] == ["Demo Street 1"]
    assert order.payments[0].reference == "ch_1"


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({"columns": {"order": "No"}}, "units, unit_price, placed_at"),
        ({"columns": SMALL | {"colour": "C"}}, "does not know 'colour'"),
        ({"columns": SMALL, "format": {"zone": "Mars/Olympus"}}, "zone 'Mars/Olympus' is unknown"),
        ({"columns": SMALL, "format": {"tender": "shells"}}, "tender should be one of"),
        (
            {"columns": SMALL, "format": {"prices_include_tax": "yes"}},
            "prices_include_tax has the wrong type",
        ),
        ({"columns": SMALL, "rows": [{"units": "some"}]}, "negative, zero or positive"),
        ({"columns": SMALL, "rows": [{"is": "order"}]}, "line | cancellation"),
        ({"columns": SMALL, "colums": {}}, "unknown tables: colums"),
    ],
)
def test_a_mapping_that_cannot_be_used_says_why(document: dict[str, object], reason: str) -> None:
    with pytest.raises(BadMapping) as refused:
        parse(document)
    assert reason in str(refused.value)


def test_a_mapping_file_that_is_no_toml_says_so(tmp_path: Path) -> None:
    (tmp_path / "m.toml").write_text("columns = [")
    with pytest.raises(BadMapping, match="is not valid TOML"):
        load(tmp_path / "m.toml")
    with pytest.raises(BadMapping, match="No such file"):
        load("nowhere.toml")


def test_gzipped_files_and_standard_input_are_read_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mapping = parse({"columns": SMALL, "format": {"currency": "EUR", "date": "iso"}})
    packed = gzip.compress((HEAD + "A,2026-03-01,1,1,X\n").encode())
    (tmp_path / "a.csv.gz").write_bytes(packed)
    assert orders_of(list(CsvFile([str(tmp_path / "a.csv.gz")], mapping).read())) == {"A": 1}
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(packed)))
    assert orders_of(list(CsvFile(["-"], mapping).read())) == {"A": 1}


def test_a_file_that_is_not_there_is_a_fault_and_the_next_one_is_read(tmp_path: Path) -> None:
    mapping = parse({"columns": SMALL, "format": {"currency": "EUR", "date": "iso"}})
    (tmp_path / "b.csv").write_text(HEAD + "B,2026-03-01,1,1,X\n")
    found = list(CsvFile([str(tmp_path / "a.csv"), str(tmp_path / "b.csv")], mapping).read())
    assert faults_of(found) == [(0, "cannot be opened: No such file or directory")]
    assert orders_of(found) == {"B": 1}


def _rows(orders: int) -> Iterator[str]:
    yield HEAD
    for order in range(orders):
        for line in range(5):
            yield f"{order},2026-03-01,{line + 1},9.99,SKU-{line}\n"


def test_memory_stays_flat_however_long_the_file_is(tmp_path: Path) -> None:
    mapping = parse({"columns": SMALL, "format": {"currency": "EUR", "date": "iso"}})

    def peak(orders: int) -> int:
        file = tmp_path / f"{orders}.csv"
        with file.open("w") as out:
            out.writelines(_rows(orders))
        tracemalloc.start()
        read = sum(1 for _ in CsvFile([str(file)], mapping).read())
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert read == orders
        return most

    small, large = peak(500), peak(10_000)
    assert large - small < 2_000_000, "20 times the rows, and memory grows with them"


def test_how_far_a_file_is_read_is_known(tmp_path: Path) -> None:
    mapping = parse({"columns": SMALL, "format": {"currency": "EUR", "date": "iso"}})
    (tmp_path / "a.csv").write_text("".join(_rows(2000)))
    source = CsvFile([str(tmp_path / "a.csv")], mapping)
    seen = []
    for _ in source.read():
        seen.append(source.files.done)
    assert seen == sorted(seen)
    assert 0 < seen[0] < source.files.total == source.files.done
