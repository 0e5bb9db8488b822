"""Every payload of Shopify and WooCommerce, and what becomes of it: taken, or refused for a reason."""

import json
from collections.abc import Iterator
from decimal import Decimal

import pytest

from portal.adapters import orders
from portal.core.elsewhere import with_refunds
from portal.core.intake import Fault, IncomingOrder
from portal.core.money import major
from portal.core.paid import PaidOrder, paid
from tests.shared import data

NO_ORDER = "no order: id, line_items, currency, created_at, financial_status missing"

SHOPIFY: dict[str, list[str]] = {
    "cancellation_request_accepted.json": [NO_ORDER],
    "cancellation_request_sent.json": [NO_ORDER],
    "disputes_list.json": [NO_ORDER],
    "fulfillment_255858046.json": [NO_ORDER],
    "fulfillment_cancel.json": [NO_ORDER],
    "fulfillment_create.json": [NO_ORDER],
    "fulfillment_events_in_transit.json": [NO_ORDER],
    "fulfillment_order_cancel_with_replacement.json": [NO_ORDER],
    "fulfillment_order_hold.json": [NO_ORDER],
    "fulfillment_orders_list.json": [NO_ORDER],
    "fulfillment_request_partial.json": [NO_ORDER],
    "fulfillments_list.json": [NO_ORDER],
    "gift_card_adjustment_remote.json": [NO_ORDER],
    "gift_card_adjustments_list.json": [NO_ORDER],
    "order_450789469_partially_refunded.json": ["#1001"],
    "order_cancel_no_refund.json": ["#1001"],
    "order_close_response.json": ["#1001"],
    "order_create_addresses_discount.json": ["#1002"],
    "order_create_fulfilled.json": ["#1002"],
    "order_create_fulfilled_2.json": ["#1002"],
    "order_create_paid_total_tax.json": ["#1002"],
    "order_create_pending.json": ["#1002"],
    "order_create_simple.json": ["#1002"],
    "order_events.json": [NO_ORDER],
    "order_fields_subset.json": ["no order: currency, created_at, financial_status missing"],
    "orders_list_since_id.json": ["#1002"],
    "refund_509562969.json": [NO_ORDER],
    "refund_calculate_shipping_partial.json": [NO_ORDER],
    "refund_create_line_zero_subtotal.json": [NO_ORDER],
    "refunds_list.json": [NO_ORDER],
    "tender_transactions_list.json": [NO_ORDER],
    "transaction_389404469.json": [NO_ORDER],
    "transaction_capture_partial.json": [NO_ORDER],
    "transactions_list.json": [NO_ORDER],
}

CLIENT: dict[str, list[str]] = {
    "fulfillment.json": [NO_ORDER],
    "fulfillment_accept.json": [NO_ORDER],
    "fulfillment_event.json": [NO_ORDER],
    "fulfillment_order.json": [NO_ORDER],
    "gift_card__get.json": [NO_ORDER],
    "order.json": ["#9999"],
    "orderlineitems__properties_empty_object.json": [NO_ORDER],
    "orderlineitems__properties_invalid1.json": [NO_ORDER],
    "orderlineitems__properties_ommited.json": [NO_ORDER],
    "orderlineitems__valid.json": ["no order: line_items, currency, created_at, financial_status missing"],
    "orders.json": ["#9999"],
    "payments_transactions.json": [NO_ORDER],
    "shippinglines__valid.json": ["no order: line_items, currency, created_at, financial_status missing"],
    "transactions.json": [NO_ORDER],
}

A_REFUND = "no order: status, currency, total missing (it holds id, date_created"
A_NOTE = "no order: status, currency, total, line_items missing (it holds id, date_created"
NOTHING = "no order: id, status, currency, total, line_items missing"
HALVES = "line 891: 1.5 units is not a whole number"

WOOCOMMERCE: dict[str, list[str]] = {
    "broken-order.json": ["its status is draft; date_created_gmt missing; it has no lines"],
    "order-560-all-refunds.json": [A_REFUND] * 4,
    "order-auto-draft-status.json": ["no order yet: its status is auto-draft"],
    "order-details-partially-refunded.json": ["324"],
    "order-notes.json": [A_NOTE] * 19,
    "order-shipping-labels.json": ["not valid JSON: parse error: invalid object key"],
    "order-statuses.json": ["no order: id, status, currency, line_items missing (it holds slug"] * 8,
    "order-with-attribution-info.json": ["459"],
    "order-with-bundled-line-items.json": ["357"],
    "order-with-charge.json": ["211"],
    "order-with-faulty-attributes.json": ["656"],
    "order-with-special-character-currency.json": [HALVES],
    "order-with-subscription-renewal.json": ["526"],
    "order-without-data.json": ["963"],
    "order.json": [HALVES],
    "orders-load-all-without-data.json": ["963"],
    "orders-load-all.json": [HALVES, "961", "960", "560"],
    "refund-single.json": [A_REFUND],
    "refunds-all.json": [A_REFUND] * 2,
    "shipment_tracking_empty.json": [],
    "shipment_tracking_multiple.json": [NOTHING] * 4,
    "shipping-label-purchase-success.json": [NOTHING],
    "shipping-label-refund-success.json": [NOTHING],
    "shipping-label-status-success.json": [NOTHING],
}

TABLES = {"shopify": SHOPIFY, "shopify-goclient": CLIENT, "woocommerce": WOOCOMMERCE}
ALL = [(folder, name) for folder, table in TABLES.items() for name in table]


def read(source: str, name: str, refunds: tuple[str, ...] = ()) -> Iterator[PaidOrder | str]:
    """Every order in the file as it was paid, or why not."""
    given = [str(data(refund)) for refund in refunds]
    for incoming in orders.build(source, [str(data(name))], refunds=given).read():
        if isinstance(incoming, IncomingOrder):
            record = paid(incoming)
            yield (
                with_refunds(record, incoming.refunds) if isinstance(record, PaidOrder) else "; ".join(record)
            )
        else:
            assert isinstance(incoming, Fault)
            assert incoming.row >= 1
            yield incoming.reason


@pytest.mark.parametrize("folder", TABLES)
def test_the_table_names_every_payload(folder: str) -> None:
    assert sorted(path.name for path in data(folder).glob("*.json")) == sorted(TABLES[folder])


@pytest.mark.parametrize(("folder", "name"), ALL, ids=[f"{folder}/{name}" for folder, name in ALL])
def test_each_payload_is_taken_or_refused_for_its_reason(folder: str, name: str) -> None:
    found = list(read(folder.removesuffix("-goclient"), f"{folder}/{name}"))
    expected = TABLES[folder][name]
    assert len(found) == len(expected)
    for one, wanted in zip(found, expected, strict=True):
        if isinstance(one, str):
            assert wanted in one
        else:
            assert one.number == wanted


HOW = {
    "shopify/order_450789469_partially_refunded.json": ("confirmed", ["captured"]),
    "shopify/order_cancel_no_refund.json": ("confirmed", ["captured"]),
    "shopify/order_close_response.json": ("confirmed", ["captured"]),
    "shopify/order_create_addresses_discount.json": ("confirmed", ["captured"]),
    "shopify/order_create_fulfilled.json": ("confirmed", []),
    "shopify/order_create_fulfilled_2.json": ("confirmed", []),
    "shopify/order_create_paid_total_tax.json": ("confirmed", ["captured"]),
    "shopify/order_create_pending.json": ("pending", []),
    "shopify/order_create_simple.json": ("confirmed", []),
    "shopify/orders_list_since_id.json": ("confirmed", []),
    "shopify-goclient/order.json": ("canceled", []),
    "shopify-goclient/orders.json": ("canceled", []),
    "woocommerce/order-details-partially-refunded.json": ("confirmed", ["captured"]),
    "woocommerce/order-with-attribution-info.json": ("confirmed", ["captured"] * 3),
    "woocommerce/order-with-bundled-line-items.json": ("confirmed", ["captured"]),
    "woocommerce/order-with-charge.json": ("confirmed", ["captured"]),
    "woocommerce/order-with-faulty-attributes.json": ("confirmed", ["due"]),
    "woocommerce/order-with-subscription-renewal.json": ("confirmed", ["captured"]),
    "woocommerce/order-without-data.json": ("confirmed", ["captured"]),
    "woocommerce/orders-load-all-without-data.json": ("confirmed", ["captured"]),
    "woocommerce/orders-load-all.json": ("confirmed", ["captured"]),
}
"""Every payload that holds orders which are taken: their state, and how they are paid."""


def test_every_order_that_is_taken_has_its_state_and_its_kind_of_payment() -> None:
    found = {
        f"{folder}/{name}": (one.state, [payment.mode for payment in one.payments])
        for folder, name in ALL
        for one in read(folder.removesuffix("-goclient"), f"{folder}/{name}")
        if isinstance(one, PaidOrder)
    }
    assert found == HOW


def only(source: str, name: str, refunds: tuple[str, ...] = ()) -> PaidOrder:
    found = [one for one in read(source, name, refunds) if isinstance(one, PaidOrder)]
    assert found
    return found[-1]


def whole(amount: int, order: PaidOrder) -> Decimal:
    return major(amount, order.currency)


def test_shopify_a_refund_whose_goods_and_money_differ_is_flagged() -> None:
    order = only("shopify", "shopify/order_450789469_partially_refunded.json")
    assert whole(order.captured, order) == whole(order.paid, order) == Decimal("598.94")
    assert [line.discount for line in order.lines if line.discount] == [334, 333, 333]
    assert sum(line.tax for line in order.lines) == 1194
    refund = order.refunds[0]
    assert (whole(refund.goods, order), whole(refund.amount, order)) == (Decimal("399.29"), Decimal("209.00"))
    assert order.payments[0].refunded == 20900
    assert any("399.29 USD, the money sent back is 209.00 USD" in note for note in order.notes)


def test_shopify_a_penny_beyond_a_lines_own_allocation_is_capped() -> None:
    order = only("shopify", "shopify/order_450789469_partially_refunded.json")
    assert {line.external_id: line.refunded for line in order.lines if line.refunded} == {
        "466157049": 19964,
        "703073504": 19964,
    }
    assert any("0.01 USD more than is left" in note for note in order.notes)


def test_shopify_what_is_outstanding_was_not_captured() -> None:
    order = only("shopify", "shopify/order_create_addresses_discount.json")
    assert (order.paid, order.captured, order.differs) == (18109, 5000, -13109)
    assert (order.postcode, order.country, order.email) == ("K2P1L4", "CA", "jane@example.com")


def test_shopify_a_pending_payment_captured_nothing() -> None:
    order = only("shopify", "shopify/order_create_pending.json")
    assert (order.state, order.captured, order.differs) == ("pending", 0, -19900)


def test_shopify_only_a_fulfilment_that_succeeded_ships() -> None:
    sent = only("shopify", "shopify/order_create_fulfilled.json")
    failed = only("shopify", "shopify/order_450789469_partially_refunded.json")
    assert [line.shipped for line in sent.lines] == [1]
    assert sent.lines[0].shipped_at is not None
    assert sum(line.shipped for line in failed.lines if line.kind == "merchandise") == 0


def test_shopify_a_canceled_order_has_nothing_left_to_ship() -> None:
    order = only("shopify", "shopify-goclient/order.json")
    assert order.state == "canceled"
    assert all(line.canceled for line in order.lines if line.kind == "merchandise")
    assert order.captured == 0


def test_woocommerce_refunds_without_lines_count_for_the_order() -> None:
    order = only("woocommerce", "woocommerce/order-details-partially-refunded.json")
    shipping = sum(line.paid for line in order.lines if line.kind == "shipping")
    assert (order.captured, order.paid, shipping, order.differs) == (30445, 30445, 5425, 0)
    assert sum(refund.amount for refund in order.refunds) == 2430
    assert order.captured - sum(payment.refunded for payment in order.payments) == 28015


def test_woocommerce_documents_of_refunds_tell_which_lines_they_are_about() -> None:
    order = only(
        "woocommerce", "woocommerce/orders-load-all.json", ("woocommerce/order-560-all-refunds.json",)
    )
    assert (order.captured, order.paid, order.differs) == (119850, 119850, 0)
    assert sum(line.paid for line in order.lines if line.kind == "merchandise") == 90810
    assert sum(refund.amount for refund in order.refunds) == 22500
    assert sum(line.refunded for line in order.lines) == 22500
    assert order.captured - sum(payment.refunded for payment in order.payments) == 97350
    assert [refund.amount for refund in order.refunds] == [2700, 1800, 11700, 6300]


def test_woocommerce_a_refund_whose_header_and_rows_disagree_is_flagged() -> None:
    order = only("woocommerce", "woocommerce/orders-load-all.json", ("woocommerce/refund-single.json",))
    refund = next(refund for refund in order.refunds if refund.external_id == "562")
    assert (refund.amount, refund.goods) == (2700, 3462)
    assert "Refund 562: its lines say 34.62 USD, the money sent back is 27.00 USD." in order.notes


def test_woocommerce_a_refund_of_no_order_of_the_import_is_told() -> None:
    found = list(
        read("woocommerce", "woocommerce/order-with-charge.json", ("woocommerce/refund-single.json",))
    )
    assert "refund 562 belongs to no order of this import" in found


def test_woocommerce_gift_cards_are_tenders() -> None:
    order = only("woocommerce", "woocommerce/order-with-attribution-info.json")
    assert [(payment.tender, payment.captured) for payment in order.payments] == [
        ("gift_card", 2000),
        ("gift_card", 400),
        ("card", 400),
    ]
    assert (order.paid, order.differs) == (2800, 0)
    assert all("SU9F" not in payment.label for payment in order.payments)


def test_woocommerce_tax_is_what_was_charged_under_its_label() -> None:
    order = only("woocommerce", "woocommerce/order-with-charge.json")
    taxes = [(line.kind, tax.label, tax.amount, tax.rate_ppm) for line in order.lines for tax in line.taxes]
    assert taxes == [("merchandise", "Tax", 35, 20000), ("shipping", "Tax", 30, 20000)]
    assert (order.paid, order.differs) == (3330, 0)


def test_woocommerce_a_total_that_the_lines_do_not_reach_is_flagged() -> None:
    order = only("woocommerce", "woocommerce/order-with-faulty-attributes.json")
    assert (order.paid, order.captured, order.differs) == (37061, 37823, 762)
    [payment] = order.payments
    assert (order.state, payment.tender, payment.mode) == ("confirmed", "cash_on_delivery", "due")


def test_woocommerce_the_lines_of_a_bundle_know_it() -> None:
    order = only("woocommerce", "woocommerce/order-with-bundled-line-items.json")
    assert {line.external_id: line.parent for line in order.lines if line.parent} == {"753": "752"}
    assert (order.paid, order.captured, order.differs) == (7520, 12020, 4500)


def test_a_discount_code_is_told_with_what_it_took_off_each_line() -> None:
    source = orders.build("shopify", [str(data("shopify/order_450789469_partially_refunded.json"))])
    [order] = [one for one in source.read() if isinstance(one, IncomingOrder)]
    [discount] = order.discounts
    assert discount.code == "TENOFF"
    assert discount.shares is not None
    lines = {line.external_id: line.discount for line in order.lines}
    assert {line: lines[line] for line in discount.shares} == discount.shares
    assert sum(discount.shares.values()) == Decimal("10.00")


def test_a_payment_is_known_by_the_gateways_own_id_where_the_shop_tells_it(tmp_path) -> None:
    transactions = [
        {"id": 1, "kind": "sale", "status": "success", "gateway": "stripe", "amount": "6.00",
         "authorization": "ch_demo_1"},
        {"id": 2, "kind": "sale", "status": "success", "gateway": "gift_card", "amount": "4.00",
         "authorization": "shop-internal"},
    ]  # fmt: skip
    record = {
        "id": 7, "name": "#7", "currency": "EUR", "created_at": "2026-03-01T10:00:00Z",
        "financial_status": "paid", "total_price": "10.00", "transactions": transactions,
        "line_items": [{"id": 1, "quantity": 1, "price": "10.00", "title": "Mug"}],
    }  # fmt: skip
    file = tmp_path / "order.json"
    file.write_text(json.dumps({"order": record}))
    [order] = [one for one in orders.build("shopify", [str(file)]).read() if isinstance(one, IncomingOrder)]
    assert [(one.reference, one.tender) for one in order.payments] == [
        ("ch_demo_1", "card"),
        ("shopify:2", "gift_card"),
    ]
