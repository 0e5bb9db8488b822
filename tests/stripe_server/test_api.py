"""The server answers as Stripe documents that Stripe does."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.shared import data
from tests.stripe_server import StripeServer, running


@pytest.fixture
def server() -> Iterator[StripeServer]:
    with running() as started:
        yield started


Answer = tuple[int, dict[str, Any], dict[str, str]]


def ask(server: StripeServer, path: str, body: str | None = None, *, key: str = "") -> Answer:
    """GET, or POST where there is a body in form encoding."""
    headers = {"Authorization": f"Bearer {server.key}", **({"Idempotency-Key": key} if key else {})}
    if body is not None:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    answer = requests.request(
        "GET" if body is None else "POST", server.url + path, data=body, headers=headers, timeout=20
    )
    return answer.status_code, answer.json(), dict(answer.headers)


def refund(server: StripeServer, capture: str, amount: int, *, key: str = "") -> Answer:
    return ask(server, "/v1/refunds", f"payment_intent={capture}&amount={amount}", key=key)


def error(answer: Answer) -> tuple[int, str, str]:
    status, said, _ = answer
    return status, said["error"]["type"], said["error"].get("code", said["error"].get("param", ""))


@pytest.mark.parametrize(("kind", "path"), [("refund", "refunds"), ("charge", "charges")])
def test_objects_have_the_fields_of_stripes_own_examples(server: StripeServer, kind: str, path: str) -> None:
    known = json.loads(data(f"stripe/{kind}.json").read_text())
    capture = server.payment(10_000)
    server.refund_outside(capture, 100)
    _, listed, _ = ask(server, f"/v1/{path}")
    (ours,) = listed["data"]
    # What a shop's payment page leaves there; nothing of it is asked for when money goes back.
    beside = {
        "application", "application_fee", "application_fee_amount", "billing_details", "fraud_details", "outcome",
        "calculated_statement_descriptor", "description", "failure_balance_transaction", "on_behalf_of", "review",
        "receipt_email", "receipt_number", "receipt_url", "refunds", "shipping", "source_transfer", "source",
        "statement_descriptor", "statement_descriptor_suffix", "transfer_data", "transfer_group",
    }  # fmt: skip
    assert set(known) - set(ours) <= (beside if kind == "charge" else set())
    assert ours["object"] == known["object"]
    assert {name: type(ours[name]) for name in ("id", "amount", "created", "currency")} == {
        name: type(known[name]) for name in ("id", "amount", "created", "currency")
    }


def test_events_have_the_fields_of_stripes_own_example(server: StripeServer) -> None:
    known = json.loads(data("stripe/event.json").read_text())
    capture = server.payment(10_000)
    server.refund_outside(capture, 100)
    _, listed, _ = ask(server, "/v1/events?type=refund.created")
    assert set(listed["data"][0]) == set(known)
    assert listed["data"][0]["data"]["object"]["amount"] == 100


def test_a_refund_is_made_read_described_and_listed(server: StripeServer) -> None:
    capture = server.payment(10_000)
    body = f"payment_intent={capture}&amount=2500&reason=requested_by_customer&metadata[payout]=k%201&metadata[b]=x"
    status, made, _ = ask(server, "/v1/refunds", body)
    assert (status, made["status"], made["amount"], made["currency"]) == (200, "succeeded", 2_500, "eur")
    assert made["metadata"] == {"payout": "k 1", "b": "x"}
    assert ask(server, f"/v1/refunds/{made['id']}")[1] == made
    _, described, _ = ask(server, f"/v1/refunds/{made['id']}", "metadata[b]=")
    assert described["metadata"] == {"payout": "k 1"}
    _, listed, _ = ask(server, f"/v1/refunds?charge={made['charge']}")
    assert [one["id"] for one in listed["data"]] == [made["id"]] and listed["has_more"] is False


def test_without_an_amount_all_that_is_left_goes_back(server: StripeServer) -> None:
    capture = server.payment(10_000)
    refund(server, capture, 2_500)
    assert ask(server, "/v1/refunds", f"payment_intent={capture}")[1]["amount"] == 7_500
    _, charge, _ = ask(server, f"/v1/charges/{server.charge_of(capture)}")
    assert (charge["amount_refunded"], charge["refunded"]) == (10_000, True)


def test_more_than_is_left_is_refused(server: StripeServer) -> None:
    capture = server.payment(10_000)
    refund(server, capture, 6_000)
    status, said, _ = refund(server, capture, 4_001)
    assert status == 400 and said["error"]["param"] == "amount"
    assert said["error"]["message"] == (
        "Refund amount (40.01 EUR) is greater than unrefunded amount on charge (40.00 EUR)"
    )
    assert refund(server, capture, 4_000)[0] == 200
    assert error(refund(server, capture, 1)) == (400, "invalid_request_error", "charge_already_refunded")
    assert sum(one["amount"] for one in server.refunds(capture)) == 10_000


def test_what_failed_or_was_canceled_may_be_refunded_again(server: StripeServer) -> None:
    capture = server.payment(10_000, card="action")
    first = refund(server, capture, 10_000)[1]
    assert first["status"] == "requires_action"
    assert ask(server, f"/v1/refunds/{first['id']}/cancel", "")[1]["status"] == "canceled"
    assert error(ask(server, f"/v1/refunds/{first['id']}/cancel", ""))[0] == 400
    second = refund(server, capture, 10_000)[1]
    server.fail(second["id"])
    assert refund(server, capture, 10_000)[0] == 200


def test_a_charged_back_payment_cannot_be_refunded_until_the_shop_wins(server: StripeServer) -> None:
    capture = server.payment(10_000)
    dispute = server.dispute(capture)
    assert error(refund(server, capture, 1)) == (400, "invalid_request_error", "charge_disputed")
    server.win(dispute)
    assert refund(server, capture, 1)[0] == 200
    types = [event["type"] for event in server.events(about=dispute)]
    assert types == [
        "charge.dispute.created",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.funds_reinstated",
        "charge.dispute.closed",
    ]
    _, listed, _ = ask(server, f"/v1/disputes?payment_intent={capture}")
    moved = [one["amount"] for one in listed["data"][0]["balance_transactions"]]
    assert listed["data"][0]["status"] == "won" and moved == [-10_000, 10_000]


def test_an_inquiry_leaves_the_money_and_may_be_refunded(server: StripeServer) -> None:
    capture = server.payment(10_000)
    server.dispute(capture, status="warning_needs_response")
    assert refund(server, capture, 10_000)[0] == 200


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("amount=1", "parameter_missing"),
        ("payment_intent={c}&amount=x", "parameter_invalid_integer"),
        ("payment_intent={c}&amount=0", "parameter_invalid_integer"),
        ("payment_intent={c}&amount=1.5", "parameter_invalid_integer"),
        ("payment_intent={c}&amount=-1", "parameter_invalid_integer"),
        ("payment_intent={c}&colour=red", "parameter_unknown"),
        ("payment_intent={c}&reason=mood", "reason"),
        ("payment_intent={c}&metadata=x", "metadata"),
        ("payment_intent={c}&metadata[" + "k" * 41 + "]=x", "metadata"),
        ("payment_intent={c}&[x]=1", "[x]"),
        ("payment_intent={c}&charge=ch_other&amount=1", "charge"),
        ("payment_intent={c}&expand[]=colour", "expand"),
    ],
)
def test_what_is_wrong_with_a_request_is_said(server: StripeServer, body: str, code: str) -> None:
    capture = server.payment(10_000)
    assert error(ask(server, "/v1/refunds", body.format(c=capture))) == (400, "invalid_request_error", code)


@pytest.mark.parametrize(
    ("path", "body"),
    [("/v1/refunds/re_none", None), ("/v1/charges/ch_none", None), ("/v1/payment_intents/pi_none", None),
     ("/v1/refunds", "payment_intent=pi_none"), ("/v1/refunds", "charge=ch_none")],
)  # fmt: skip
def test_what_is_not_there_is_missing(server: StripeServer, path: str, body: str | None) -> None:
    assert error(ask(server, path, body)) == (404, "invalid_request_error", "resource_missing")


@pytest.mark.parametrize("path", ["/v1/nothing", "/v1/refunds/a/b/c", "/v2/refunds"])
def test_an_address_that_is_not_served_is_said(server: StripeServer, path: str) -> None:
    assert ask(server, path)[0] == ask(server, path, "")[0] == 404


def test_only_the_accounts_key_is_let_in(server: StripeServer) -> None:
    for headers in ({}, {"Authorization": "Bearer sk_test_other"}):
        answer = requests.get(f"{server.url}/v1/refunds", headers=headers, timeout=5)
        assert answer.status_code == 401 and "sk_test_other" not in answer.text
    assert requests.get(f"{server.url}/v1/refunds", auth=(server.key, ""), timeout=5).status_code == 200


def test_a_payment_is_made_by_a_test_payment_method(server: StripeServer) -> None:
    body = "amount=500&currency=eur&confirm=true&payment_method=pm_card_{}"
    _, made, _ = ask(server, "/v1/payment_intents?", body.format("visa") + "&expand[]=latest_charge")
    assert (made["status"], made["amount_received"]) == ("succeeded", 500)
    assert made["latest_charge"]["payment_intent"] == made["id"]
    _, pending, _ = ask(server, "/v1/payment_intents", body.format("pendingRefund"))
    assert refund(server, pending["id"], 500)[1]["status"] == "pending"
    _, disputed, _ = ask(server, "/v1/payment_intents", body.format("createDispute"))
    assert [one["amount"] for one in server.disputes(disputed["id"])] == [500]
    assert error(refund(server, disputed["id"], 1))[2] == "charge_disputed"
    assert error(ask(server, "/v1/payment_intents", body.format("of_nobody")))[0] == 404
    assert error(ask(server, "/v1/payment_intents", "amount=5&confirm=true"))[0] == 400


# ------------------------------------------------------------------------------------------ lists and search


def test_lists_have_the_newest_first_and_are_read_page_by_page(server: StripeServer) -> None:
    capture = server.payment(10_000)
    made = [server.refund_outside(capture, 1) for _ in range(25)]
    assert len(ask(server, "/v1/refunds")[1]["data"]) == 10, "ten, where nobody says how many"
    _, first, _ = ask(server, "/v1/refunds?limit=20")
    assert [one["id"] for one in first["data"]] == made[:4:-1] and first["has_more"] is True
    _, rest, _ = ask(server, f"/v1/refunds?limit=20&starting_after={first['data'][-1]['id']}")
    assert [one["id"] for one in rest["data"]] == made[4::-1] and rest["has_more"] is False
    _, before, _ = ask(server, f"/v1/refunds?limit=3&ending_before={made[20]}")
    assert [one["id"] for one in before["data"]] == [made[23], made[22], made[21]] and before[
        "has_more"
    ] is True
    for wrong in ("limit=0", "limit=101", "starting_after=re_none"):
        assert ask(server, f"/v1/refunds?{wrong}")[0] == 400


def test_lists_are_narrowed_by_capture_and_by_time(server: StripeServer) -> None:
    one, other = server.payment(10_000), server.payment(10_000)
    first = server.refund_outside(one, 1)
    server.advance(100)
    second = server.refund_outside(other, 1)
    moment = server.refunds(other)[0]["created"]
    for query, found in (
        (f"payment_intent={one}", [first]),
        (f"charge={server.charge_of(other)}", [second]),
        (f"created[gte]={moment}", [second]),
        (f"created[gt]={moment}", []),
        (f"created[lt]={moment}", [first]),
        (f"created[lte]={moment}&created[gt]={moment - 1}", [second]),
        (f"created={moment}", [second]),
    ):
        assert [thing["id"] for thing in ask(server, f"/v1/refunds?{query}")[1]["data"]] == found, query


def test_a_list_that_lags_shows_later_what_reading_shows_at_once(server: StripeServer) -> None:
    server.lag(listing=30)
    made = server.refund_outside(server.payment(10_000), 1)
    assert ask(server, "/v1/refunds")[1]["data"] == []
    assert ask(server, f"/v1/refunds/{made}")[0] == 200
    server.advance(30)
    assert [one["id"] for one in ask(server, "/v1/refunds")[1]["data"]] == [made]


def test_payments_are_found_by_their_metadata_when_the_search_has_caught_up(server: StripeServer) -> None:
    server.lag(search=60)
    wanted = server.payment(10_000, metadata={"order": "1001"})
    server.payment(500, metadata={"order": "1002"})
    path = "/v1/payment_intents/search?query=metadata['order']:'1001' AND status:'succeeded' AND amount>9999"
    assert ask(server, path)[1]["data"] == []
    assert [one["id"] for one in ask(server, "/v1/payment_intents")[1]["data"]][1] == wanted, (
        "lists are ahead"
    )
    server.advance(60)
    _, found, _ = ask(server, path)
    assert ([one["id"] for one in found["data"]], found["object"]) == ([wanted], "search_result")
    assert ask(server, "/v1/charges/search?query=amount<501")[1]["data"][0]["amount"] == 500
    _, page, _ = ask(server, "/v1/payment_intents/search?query=currency:'eur'&limit=1")
    assert page["has_more"] is True
    _, rest, _ = ask(
        server, f"/v1/payment_intents/search?query=currency:'eur'&limit=1&page={page['next_page']}"
    )
    assert rest["data"][0]["id"] == wanted and rest["next_page"] is None
    for wrong in ("", "order is 1001", "metadata['order']:'1' OR amount>1"):
        assert ask(server, f"/v1/charges/search?query={wrong}")[0] == 400


# ------------------------------------------------------------------------------------------------------ keys


def test_a_key_replays_the_same_answer_and_says_so(server: StripeServer) -> None:
    capture = server.payment(10_000)
    first = refund(server, capture, 2_500, key="k")
    server.settle(first[1]["id"])
    server.fail(first[1]["id"])
    again = refund(server, capture, 2_500, key="k")
    assert again[1] == first[1], "as it was then, not as it is now"
    assert "Idempotent-Replayed" not in first[2] and again[2]["Idempotent-Replayed"] == "true"
    assert len(server.refunds()) == 1
    assert [seen.replayed for seen in server.requests()] == [False, True]


def test_a_key_refuses_other_parameters_and_other_endpoints(server: StripeServer) -> None:
    capture = server.payment(10_000)
    made = refund(server, capture, 2_500, key="k")[1]
    assert error(refund(server, capture, 2_501, key="k"))[:2] == (400, "idempotency_error")
    elsewhere = ask(server, f"/v1/refunds/{made['id']}", f"payment_intent={capture}&amount=2500", key="k")
    assert elsewhere[0] == 400
    assert refund(server, capture, 2_500, key="k")[1]["id"] == made["id"], "the first is kept"


def test_a_refusal_during_execution_is_kept_and_one_before_it_is_not(server: StripeServer) -> None:
    capture = server.payment(10_000)
    assert refund(server, capture, 10_001, key="executed")[0] == 400
    assert ask(server, "/v1/refunds", f"payment_intent={capture}&amount=x", key="invalid")[0] == 400
    again = refund(server, capture, 10_001, key="executed")
    assert again[0] == 400 and again[2]["Idempotent-Replayed"] == "true"
    assert error(refund(server, capture, 1, key="executed"))[1] == "idempotency_error"
    assert refund(server, capture, 1, key="invalid")[0] == 200, (
        "a key that nothing was executed under is free"
    )


def test_a_failure_during_execution_is_kept_for_a_day(server: StripeServer) -> None:
    capture = server.payment(10_000)
    server.fault("error", status=500, stored=True)
    assert [refund(server, capture, 1, key="k")[0] for _ in range(3)] == [500, 500, 500]
    server.advance(24 * 60 * 60 - 60)
    assert refund(server, capture, 1, key="k")[0] == 500
    server.advance(60)
    assert refund(server, capture, 1, key="k")[0] == 200


def test_a_failure_and_a_429_before_execution_are_not_kept(server: StripeServer) -> None:
    capture = server.payment(10_000)
    for status in (500, 429):
        server.fault("error", status=status)
        assert refund(server, capture, 1, key=f"k{status}")[0] == status
        assert refund(server, capture, 1, key=f"k{status}")[0] == 200


def test_a_key_that_is_a_day_old_is_forgotten_and_pays_again(server: StripeServer) -> None:
    capture = server.payment(10_000)
    first = refund(server, capture, 1, key="k")[1]
    server.advance(24 * 60 * 60)
    assert refund(server, capture, 1, key="k")[1]["id"] != first["id"]
    assert len(server.refunds()) == 2


# ------------------------------------------------------------------------------------------------ currencies


@pytest.mark.parametrize(
    ("currency", "amount", "status"),
    [("kwd", 5_120, 200), ("kwd", 5_124, 400), ("isk", 500, 200), ("isk", 550, 400), ("ugx", 550, 400),
     ("jpy", 1, 200), ("huf", 1_045, 200)],
)  # fmt: skip
def test_amounts_follow_the_rules_of_their_currency(
    server: StripeServer, currency: str, amount: int, status: int
) -> None:
    assert refund(server, server.payment(10_000, currency), amount)[0] == status


# ------------------------------------------------------------------------------------------ authorizations


def post(server: StripeServer, what: str, body: str = "", **more: str) -> Any:
    return ask(server, f"/v1/payment_intents/{what}", body, **more)


def test_an_authorization_is_captured_once_for_as_much_as_is_named_and_the_rest_is_freed(
    server: StripeServer,
) -> None:
    held = server.authorization(10_000)
    status, intent, _ = post(server, f"{held}/capture", "amount_to_capture=7500")
    assert (status, intent["status"], intent["amount_received"], intent["amount_capturable"]) == (
        200, "succeeded", 7_500, 0,
    )  # fmt: skip
    assert [one["amount"] for one in server.refunds(held)] == [2_500]
    assert post(server, f"{held}/capture", "amount_to_capture=1")[0] == 400
    assert post(server, f"{held}/cancel")[0] == 400
    assert refund(server, held, 7_501)[0] == 400 and refund(server, held, 7_500)[0] == 200


def test_no_more_than_was_authorized_is_captured(server: StripeServer) -> None:
    held = server.authorization(10_000)
    assert post(server, f"{held}/capture", "amount_to_capture=10001")[0] == 400
    assert post(server, f"{held}/capture")[1]["amount_received"] == 10_000
    assert server.refunds(held) == []


def test_what_is_canceled_can_be_neither_captured_nor_refunded(server: StripeServer) -> None:
    held = server.authorization(10_000)
    assert post(server, f"{held}/cancel", key="k")[1]["status"] == "canceled"
    assert post(server, f"{held}/cancel", key="k")[1]["status"] == "canceled", "the first answer is kept"
    assert error(post(server, f"{held}/cancel"))[0] == 400
    assert post(server, f"{held}/capture")[0] == 400 and refund(server, held, 1)[0] == 400
    assert [event["type"] for event in server.events(about=held)][-1] == "payment_intent.canceled"


def test_what_is_only_authorized_is_not_refunded(server: StripeServer) -> None:
    held, bare = server.authorization(10_000), server.authorization(10_000, kind="charge")
    assert refund(server, held, 10_000)[0] == 400
    assert ask(server, "/v1/refunds", f"charge={bare}&amount=1")[0] == 400
    assert ask(server, "/v1/refunds", f"charge={bare}")[0] == 200, "a charge alone is let go so, as a whole"
    assert ask(server, f"/v1/charges/{bare}/capture", "")[0] == 400


def test_metadata_is_merged_taken_back_and_limited(server: StripeServer) -> None:
    held = server.authorization(10_000)
    post(server, held, "metadata[a]=1&metadata[b]=2")
    assert post(server, held, "metadata[a]=&metadata[c]=3")[1]["metadata"] == {"b": "2", "c": "3"}
    more = "&".join(f"metadata[n{number}]=1" for number in range(49))
    assert post(server, held, more)[0] == 400
    assert post(server, held, f"metadata[{'x' * 41}]=1")[0] == 400
