"""What each channel tells of an order that was not sent yet: how it is paid, what is picked, what runs."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from portal.adapters.orders import BadMapping, build
from portal.adapters.orders.csv_file import CsvFile
from portal.adapters.orders.mapping import parse
from portal.core.intake import ORDINARY, Fault, Incoming, IncomingLine, IncomingOrder, Special
from portal.core.paid import PaidOrder, paid
from tests.shared import data

D = Decimal


def found(folder: Path, source: str, document: Any) -> list[Incoming]:
    file = folder / "orders.json"
    file.write_text(json.dumps(document))
    return list(build(source, [str(file)]).read())


def only(folder: Path, source: str, document: Any) -> IncomingOrder:
    [order] = found(folder, source, document)
    assert isinstance(order, IncomingOrder), order
    assert isinstance(paid(order), PaidOrder)
    return order


def payments(order: IncomingOrder) -> list[tuple[str, str, str, str]]:
    """(reference, tender, mode, amount)"""
    return [(one.reference, one.tender, one.mode, str(one.captured)) for one in order.payments]


# ---------------------------------------------------------------------------------------------------- Shopify


def shopify(**given: Any) -> dict[str, Any]:
    item = {"id": 1, "quantity": 3, "price": "10.00", "title": "Mug"}
    return {
        "id": 7, "name": "#7", "currency": "EUR", "created_at": "2026-03-01T10:00:00Z",
        "financial_status": "paid", "total_price": "30.00", "line_items": [item | given.pop("item", {})],
    } | given  # fmt: skip


def transaction(number: int, kind: str, amount: str = "30.00", **given: Any) -> dict[str, Any]:
    return {
        "id": number,
        "kind": kind,
        "status": "success",
        "gateway": "shopify_payments",
        "amount": amount,
    } | given


@pytest.mark.parametrize(
    ("given", "state", "expected"),
    [
        ({"financial_status": "authorized", "payment_gateway_names": ["bogus"]}, "confirmed",
         [("shopify:7", "card", "authorized", "30.00")]),
        ({"financial_status": "pending"}, "pending", []),
        ({"financial_status": "pending", "payment_gateway_names": ["Cash on Delivery (COD)"]}, "confirmed",
         [("shopify:7", "cash_on_delivery", "due", "30.00")]),
        ({"financial_status": "pending", "payment_gateway_names": ["Bank Deposit"]}, "confirmed",
         [("shopify:7", "bank_transfer", "due", "30.00")]),
        ({"financial_status": "pending", "payment_gateway_names": ["shopify_payments"],
          "payment_terms": {"payment_terms_name": "Net 30"}}, "confirmed",
         [("shopify:7", "invoice", "due", "30.00")]),
        ({"financial_status": "partially_paid", "total_outstanding": "20.00", "payment_gateway_names": ["bogus"],
          "payment_terms": {"payment_terms_name": "Net 30"}}, "confirmed",
         [("shopify:7", "card", "captured", "10.00"), ("shopify:7:rest", "invoice", "due", "20.00")]),
        ({"financial_status": "voided"}, "pending", []),
        ({"financial_status": "expired"}, "pending", []),
        ({"financial_status": "paid", "payment_gateway_names": ["Cash on Delivery (COD)"]}, "confirmed",
         [("shopify:7", "cash_on_delivery", "captured", "30.00")]),
        ({"financial_status": "authorized", "cancelled_at": "2026-03-02T10:00:00Z"}, "canceled",
         [("shopify:7", "card", "authorized", "30.00")]),
    ],
    ids=["authorized", "pending", "on delivery", "bank deposit", "terms", "part paid", "voided", "expired",
         "paid on delivery", "canceled"],
)  # fmt: skip
def test_shopify_says_how_an_order_is_paid_by_its_financial_status(
    tmp_path: Path, given: dict[str, Any], state: str, expected: list[tuple[str, str, str, str]]
) -> None:
    order = only(tmp_path, "shopify", shopify(**given))
    assert (order.state, payments(order)) == (state, expected)


def test_shopify_an_authorization_is_open_until_it_is_captured(tmp_path: Path) -> None:
    held = transaction(11, "authorization")
    opened = only(tmp_path, "shopify", shopify(financial_status="authorized", transactions=[held]))
    assert payments(opened) == [("shopify:11", "card", "authorized", "30.00")]
    capture = transaction(12, "capture", "20.00", parent_id=11)
    taken = only(tmp_path, "shopify", shopify(transactions=[held, capture]))
    assert payments(taken) == [("shopify:12", "card", "captured", "20.00")]
    assert taken.payments[0].authorization == "shopify:11"


def test_shopify_an_authorization_that_was_voided_or_has_expired_pays_nothing(tmp_path: Path) -> None:
    held = transaction(11, "authorization")
    void = transaction(12, "void", parent_id=11)
    voided = shopify(financial_status="voided", transactions=[held, void])
    expired = shopify(financial_status="expired", transactions=[held])
    for document in (voided, expired):
        assert only(tmp_path, "shopify", document).payments == ()


def test_shopify_the_gateways_own_id_stays_the_name_of_an_authorization(tmp_path: Path) -> None:
    held = transaction(11, "authorization", authorization="pi_demo_1")
    capture = transaction(12, "capture", authorization="pi_demo_1", parent_id=11)
    opened = only(tmp_path, "shopify", shopify(financial_status="authorized", transactions=[held]))
    taken = only(tmp_path, "shopify", shopify(transactions=[held, capture]))
    assert payments(opened) == [("pi_demo_1", "card", "authorized", "30.00")]
    assert payments(taken) == [("pi_demo_1", "card", "captured", "30.00")]


def test_shopify_a_sale_that_waits_is_owed_beside_what_a_gift_card_paid(tmp_path: Path) -> None:
    card = transaction(11, "sale", "10.00", gateway="gift_card")
    waits = transaction(12, "sale", "20.00", gateway="Cash on Delivery (COD)", status="pending")
    document = shopify(financial_status="partially_paid", transactions=[card, waits])
    order = only(tmp_path, "shopify", document)
    assert payments(order) == [
        ("shopify:11", "gift_card", "captured", "10.00"),
        ("shopify:12", "cash_on_delivery", "due", "20.00"),
    ]
    there = transaction(13, "sale", "20.00", gateway="Cash on Delivery (COD)", parent_id=12)
    arrived = only(tmp_path, "shopify", document | {"transactions": [card, waits, there]})
    assert [(one.reference, one.mode, one.authorization) for one in arrived.payments] == [
        ("shopify:11", "captured", ""),
        ("shopify:13", "captured", "shopify:12"),
    ]


@pytest.mark.parametrize(
    ("item", "shipped"),
    [
        ({}, 0),
        ({"fulfillment_status": "fulfilled", "fulfillable_quantity": 0}, 3),
        ({"fulfillment_status": "partial", "fulfillable_quantity": 1}, 2),
        ({"fulfillment_status": "partial"}, 0),
    ],
    ids=["nothing", "all", "some", "nobody says how many"],
)
def test_shopify_what_is_no_longer_to_be_sent_was_sent(
    tmp_path: Path, item: dict[str, Any], shipped: int
) -> None:
    assert only(tmp_path, "shopify", shopify(item=item)).lines[0].shipped == shipped


def test_shopify_what_was_canceled_was_not_sent(tmp_path: Path) -> None:
    lines = [{"line_item_id": 1, "quantity": 1, "subtotal": "10.00", "restock_type": "cancel"}]
    refund = {"id": 5, "created_at": "2026-03-02T10:00:00Z", "refund_line_items": lines}
    item = {"fulfillment_status": "partial", "fulfillable_quantity": 1}
    order = only(tmp_path, "shopify", shopify(item=item, refunds=[refund]))
    assert order.lines[0].shipped == 1


def a_fulfillment_order(**given: Any) -> dict[str, Any]:
    return {
        "status": "open", "request_status": "unsubmitted", "assigned_location_id": 5,
        "assigned_location": {"name": "Demo Warehouse"},
        "line_items": [{"line_item_id": 1, "quantity": 3, "fulfillable_quantity": 3}],
    } | given  # fmt: skip


@pytest.mark.parametrize(
    ("given", "special"),
    [
        ({}, Special(location="Demo Warehouse")),
        ({"assigned_location": None}, Special(location="5")),
        ({"status": "in_progress"}, Special(location="Demo Warehouse", picked=3)),
        ({"request_status": "accepted"}, Special(location="Demo Warehouse", logistics=("third_party",))),
        ({"status": "closed"}, ORDINARY),
        ({"status": "cancelled"}, ORDINARY),
    ],
    ids=["open", "no name", "in progress", "handed over", "closed", "canceled"],
)
def test_shopify_a_fulfillment_order_says_where_a_line_lies_and_who_has_it(
    tmp_path: Path, given: dict[str, Any], special: Special
) -> None:
    document = shopify(fulfillment_orders=[a_fulfillment_order(**given)])
    assert only(tmp_path, "shopify", document).lines[0].special == special


def test_shopify_a_real_fulfillment_order_belongs_to_its_real_order(tmp_path: Path) -> None:
    order = json.loads(data("shopify/order_450789469_partially_refunded.json").read_text())["order"]
    held = json.loads(data("shopify/fulfillment_orders_list.json").read_text())["fulfillment_orders"]
    told = only(tmp_path, "shopify", order | {"fulfillment_orders": held})
    assert {line.external_id: line.special for line in told.lines if line.special is not ORDINARY} == {
        "518995019": Special(location="Apple Api Shipwire", logistics=("third_party",))
    }


# ------------------------------------------------------------------------------------------------ WooCommerce


def woocommerce(**given: Any) -> dict[str, Any]:
    return {
        "id": 9, "status": "processing", "currency": "EUR", "total": "30.00", "payment_method": "stripe",
        "date_created_gmt": "2026-03-01T10:00:00",
        "line_items": [{"id": 1, "quantity": 3, "total": "30.00", "name": "Mug"} | given.pop("item", {})],
    } | given  # fmt: skip


PAID_AT = {"date_paid_gmt": "2026-03-01T10:05:00"}


@pytest.mark.parametrize(
    ("given", "state", "expected"),
    [
        (PAID_AT, "confirmed", [("card", "captured")]),
        ({"payment_method": "cod"}, "confirmed", [("cash_on_delivery", "due")]),
        ({"payment_method": "cod", "status": "completed", **PAID_AT}, "confirmed",
         [("cash_on_delivery", "captured")]),
        ({"payment_method": "bacs", "status": "on-hold"}, "confirmed", [("bank_transfer", "due")]),
        ({"payment_method": "cheque", "status": "on-hold"}, "confirmed", [("bank_transfer", "due")]),
        ({"payment_method": "igfw_invoice_gateway"}, "confirmed", [("invoice", "due")]),
        ({"payment_method": "invoice", "status": "pending"}, "pending", [("invoice", "due")]),
        ({"status": "pending"}, "pending", []),
        ({"status": "on-hold"}, "pending", []),
        ({"status": "on-hold", "meta_data": [{"key": "_stripe_charge_captured", "value": "no"}]}, "confirmed",
         [("card", "authorized")]),
        ({"payment_method": "woocommerce_payments", "status": "on-hold", **PAID_AT,
          "meta_data": [{"key": "_intention_status", "value": "requires_capture"}]}, "confirmed",
         [("card", "authorized")]),
        ({"payment_method": "cod", "status": "cancelled"}, "canceled", []),
        ({"status": "failed"}, "canceled", []),
    ],
    ids=["paid", "on delivery", "delivered and paid", "bank transfer", "check", "invoice", "unfinished",
         "left behind", "held", "stripe reserved", "woopayments reserved", "canceled", "failed"],
)  # fmt: skip
def test_woocommerce_says_how_an_order_is_paid_by_status_and_method(
    tmp_path: Path, given: dict[str, Any], state: str, expected: list[tuple[str, str]]
) -> None:
    order = only(tmp_path, "woocommerce", woocommerce(**given))
    assert (order.state, [(one.tender, one.mode) for one in order.payments]) == (state, expected)


def test_woocommerce_a_transfer_that_arrives_later_is_the_payment_that_was_owed(tmp_path: Path) -> None:
    owed = only(tmp_path, "woocommerce", woocommerce(payment_method="bacs", status="on-hold"))
    there = only(tmp_path, "woocommerce", woocommerce(payment_method="bacs", transaction_id="T-1", **PAID_AT))
    assert owed.payments[0].reference == there.payments[0].authorization == "woocommerce:9"
    assert (there.payments[0].reference, there.payments[0].mode) == ("T-1", "captured")


@pytest.mark.parametrize(("value", "gift"), [("Yes", True), ("No", False), ("", False)])
def test_woocommerce_a_gift_is_what_the_customer_said_is_one(tmp_path: Path, value: str, gift: bool) -> None:
    item = {"meta_data": [{"key": "As a Gift", "value": value}]}
    order = only(tmp_path, "woocommerce", woocommerce(item=item, **PAID_AT))
    assert order.lines[0].special.gift is gift


@pytest.mark.parametrize(
    "name",
    ["order-with-attribution-info.json", "order-with-subscription-renewal.json", "order-with-charge.json"],
)
def test_woocommerce_real_orders_that_wait_to_be_sent_are_confirmed_and_captured(name: str) -> None:
    [order] = build("woocommerce", [str(data(f"woocommerce/{name}"))]).read()
    assert isinstance(order, IncomingOrder)
    assert (order.state, {one.mode for one in order.payments} - {""}) == ("confirmed", {"captured"})
    assert all(line.shipped == 0 for line in order.lines if line.kind == "merchandise")
    assert not any(line.special.gift for line in order.lines)


# ------------------------------------------------------------------------------------------------ our own JSON


def in_our_words(*lines: dict[str, Any], **given: Any) -> dict[str, Any]:
    line = {"id": "a", "units": 3, "unit_price": "10.00", "sku": "MUG"}
    return {
        "id": "o1", "currency": "EUR", "placed_at": "2026-03-01T10:00:00Z", "lines": list(lines or [line]),
    } | given  # fmt: skip


def test_json_everything_that_can_be_told_is_read(tmp_path: Path) -> None:
    service = {
        "id": "tv", "units": 1, "unit_price": 30, "kind": "service", "interval": "month",
        "period_start": "2026-03-01", "period_end": "2026-03-31",
        "taxes": [{"label": "VAT", "amount": "4.79", "rate": "0.19"}],
    }  # fmt: skip
    goods = {
        "id": "mug", "units": 4, "unit_price": "9.99", "discount": "1.00", "shipped": 1, "picked": 1,
        "location": "north", "logistics": ["custom_made"], "cut_off_at": "2026-03-02T18:00:00+01:00",
        "gift": True, "parent": "set", "part_required": True, "list_price": "12.00", "weight_g": 300,
        "shipped_at": "2026-03-01T12:00:00Z", "final_sale": False,
    }  # fmt: skip
    document = in_our_words(
        service,
        goods,
        {"id": "set", "units": 1, "unit_price": "20.00"},
        number="#1001",
        state="confirmed",
        prices_include_tax=True,
        email="demo@example.com",
        discounts=[{"code": "SAVE", "shares": {"mug": "1.00"}}],
        payments=[
            {"reference": "pi_demo_1", "tender": "card", "captured": "50.00", "mode": "authorized"},
            {"tender": "invoice", "captured": "38.96", "label": "Invoice 14"},
        ],
        refunds=[
            {"id": "r1", "at": "2026-03-03T10:00:00Z", "amount": "9.74",
             "lines": [{"line": "mug", "units": 1, "amount": "9.74", "canceled": True}]}
        ],
        address={"name": "Demo Customer", "street": ["Demo Street 1"], "postcode": "10115", "city": "Berlin",
                 "country": "de"},
    )  # fmt: skip
    order = only(tmp_path, "json", {"orders": [document]})
    tv, mug, _ = order.lines
    assert tv.special == Special(
        interval="month", period_start=date(2026, 3, 1), period_end=date(2026, 3, 31)
    )
    assert (tv.kind, tv.unit_price, tv.taxes[0].rate) == ("service", D(30), D("0.19"))
    assert mug.special == Special(
        picked=1, location="north", logistics=("custom_made",), gift=True, part_required=True,
        list_price=D("12.00"), cut_off_at=datetime(2026, 3, 2, 17, 0, tzinfo=UTC),
    )  # fmt: skip
    assert (mug.shipped, mug.parent, mug.discount, mug.weight_g) == (1, "set", D("1.00"), 300)
    assert payments(order) == [
        ("pi_demo_1", "card", "authorized", "50.00"),
        ("json:o1:invoice", "invoice", "", "38.96"),
    ]
    assert (order.number, order.address["street"], order.address["country"]) == (
        "#1001",
        ["Demo Street 1"],
        "DE",
    )
    assert (order.refunds[0].lines[0].canceled, order.discounts[0].shares) == (True, {"mug": D("1.00")})


def test_json_an_order_without_payments_was_paid_as_its_lines_sum(tmp_path: Path) -> None:
    record = paid(only(tmp_path, "json", in_our_words()))
    assert isinstance(record, PaidOrder)
    assert (record.captured, record.differs, record.lines[0].special is ORDINARY) == (3000, 0, True)
    nothing = only(tmp_path, "json", in_our_words(payments=[]))
    assert nothing.payments == ()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"colour": "red"}, "order: colour is not known"),
        ({"lines": [{"id": "a", "units": 1, "unit_price": "1", "pikced": 1}]}, "line a: pikced is not known"),
        ({"lines": [{"id": "a", "units": 1}]}, "unit_price missing"),
        ({"lines": [{"units": 1, "unit_price": "1", "gift": "yes"}]}, "gift: true or false is needed"),
        ({"lines": [{"units": 1, "unit_price": "1", "picked": 0.5}]}, "picked: 0.5 is not a whole number"),
        (
            {"lines": [{"units": 1, "unit_price": "1", "logistics": "drop_ship"}]},
            "logistics is no list of texts",
        ),
        ({"lines": [{"units": 1, "unit_price": "1", "period_end": "soon"}]}, "period_end: 'soon' is no day"),
        ({"lines": [{"units": 1, "unit_price": "x"}]}, "unit_price: 'x' is no amount"),
        ({"payments": [{"captured": "1"}]}, "tender missing"),
        ({"payments": [{"tender": "card", "when": "now"}]}, "payment: when is not known"),
        ({"placed_at": None}, "placed_at missing"),
    ],
    ids=lambda value: "" if isinstance(value, dict) else value.split(":")[0],
)
def test_json_what_it_does_not_know_it_refuses_by_its_name(
    tmp_path: Path, change: dict[str, Any], reason: str
) -> None:
    [fault] = found(tmp_path, "json", in_our_words() | change)
    assert isinstance(fault, Fault)
    assert reason in fault.reason


# ----------------------------------------------------------------------------------------------------- CSV


COLUMNS = {
    "order": "No", "placed_at": "Date", "units": "Qty", "unit_price": "Price", "sku": "SKU", "line_id": "Line",
    "shipped": "Sent", "kind": "Kind", "parent": "In", "picked": "Picked", "location": "Place",
    "logistics": "Logistics", "cut_off": "Cut-off", "gift": "Gift", "part_required": "Needed",
    "list_price": "Alone", "period_start": "From", "period_end": "To", "interval": "Every", "state": "State",
    "payment_mode": "Mode", "tender": "Paid with",
}  # fmt: skip
FORMAT = {"currency": "EUR", "date": "%d.%m.%Y", "decimal": ",", "delimiter": ";"}


def csv(
    folder: Path, *rows: dict[str, str], columns: dict[str, str] = COLUMNS, **sections: Any
) -> list[Incoming]:
    told = [{"No": "A", "Date": "01.03.2026", "Qty": "1", "Price": "10,00"} | row for row in rows]
    names = list(columns.values())
    text = "\n".join(
        ";".join(row.get(name, "") for name in names) for row in [dict(zip(names, names, strict=True)), *told]
    )
    file = folder / "orders.csv"
    file.write_text(text + "\n")
    mapping = parse({"columns": columns, "format": FORMAT | sections.pop("format", {}), **sections})
    return list(CsvFile([str(file)], mapping).read())


def lines_of(incoming: list[Incoming]) -> tuple[IncomingLine, ...]:
    [order] = incoming
    assert isinstance(order, IncomingOrder), order
    return order.lines


def test_csv_columns_tell_what_is_not_sent_yet(tmp_path: Path) -> None:
    goods = {
        "Line": "mug", "Qty": "4", "Sent": "1", "Picked": "2", "Place": "north", "Logistics": "custom_made, drop_ship",
        "Cut-off": "02.03.2026", "Gift": "yes", "In": "set", "Needed": "x", "Alone": "12,50",
    }  # fmt: skip
    service = {
        "Line": "tv",
        "Kind": "service",
        "Sent": "0",
        "From": "2026-03-01",
        "To": "31.03.2026",
        "Every": "Month",
    }
    mug, tv, plain = lines_of(csv(tmp_path, goods, service, {"Line": "set", "Sent": "0"}))
    assert mug.special == Special(
        picked=2, location="north", logistics=("custom_made", "drop_ship"), gift=True, part_required=True,
        cut_off_at=datetime(2026, 3, 2, tzinfo=UTC), list_price=D("12.50"),
    )  # fmt: skip
    assert (mug.parent, mug.shipped) == ("set", 1)
    assert (tv.kind, tv.special) == (
        "service",
        Special(period_start=date(2026, 3, 1), period_end=date(2026, 3, 31), interval="month"),
    )
    assert plain.special is ORDINARY


def test_csv_a_file_without_these_columns_carries_nothing_special(tmp_path: Path) -> None:
    columns = {key: COLUMNS[key] for key in ("order", "placed_at", "units", "unit_price")}
    [line] = lines_of(csv(tmp_path, {}, columns=columns))
    assert (line.special is ORDINARY, line.shipped) == (True, 1)


@pytest.mark.parametrize(
    ("row", "format_", "state", "mode"),
    [
        ({}, {}, "confirmed", ""),
        ({}, {"state": "pending", "payment_mode": "authorized"}, "pending", "authorized"),
        ({"State": "Canceled", "Mode": "Due"}, {}, "canceled", "due"),
        ({"State": "cancelled"}, {}, "canceled", ""),
        ({"State": "bezahlt"}, {}, "confirmed", ""),
    ],
    ids=["untold", "of the format", "of the order", "spelled otherwise", "in the shop's word"],
)
def test_csv_the_state_of_an_order_and_of_its_payment(
    tmp_path: Path, row: dict[str, str], format_: dict[str, str], state: str, mode: str
) -> None:
    [order] = csv(tmp_path, row, format=format_, states={"Bezahlt": "confirmed"})
    assert isinstance(order, IncomingOrder)
    assert (order.state, order.payments[0].mode) == (state, mode)


def test_csv_a_tender_that_is_paid_later_is_owed(tmp_path: Path) -> None:
    [order] = csv(tmp_path, {"Paid with": "invoice"})
    assert isinstance(order, IncomingOrder)
    record = paid(order)
    assert isinstance(record, PaidOrder)
    assert [(one.tender, one.mode) for one in record.payments] == [("invoice", "due")]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"Gift": "perhaps"}, "'perhaps' is neither yes nor no"),
        ({"Kind": "animal"}, "its kind 'animal' is unknown"),
        ({"From": "soon"}, "time data 'soon' does not match"),
        ({"Picked": "two"}, "'two' is no number"),
        ({"State": "lost"}, "its state 'lost' is unknown; name it in [states]"),
        ({"Mode": "later"}, "its payment mode 'later' is unknown"),
    ],
    ids=["gift", "kind", "day", "picked", "state", "mode"],
)
def test_csv_what_cannot_be_read_refuses_its_order(tmp_path: Path, row: dict[str, str], reason: str) -> None:
    first, *_ = csv(tmp_path, row)
    assert isinstance(first, Fault)
    assert reason in first.reason


@pytest.mark.parametrize(
    "sections",
    [
        {"format": {"payment_mode": "later"}},
        {"format": {"state": "lost"}},
        {"states": {"open": "opened"}},
    ],
    ids=["mode", "state", "states"],
)
def test_csv_a_mapping_that_means_nothing_is_refused(tmp_path: Path, sections: dict[str, Any]) -> None:
    with pytest.raises(BadMapping):
        csv(tmp_path, {}, **sections)
