"""Bank transfers on pages: two people for a batch, a file once it is released; the customer's own account."""

from typing import Any
from uuid import UUID

import pytest
from flask import Flask

from portal.core.policy.terms import Terms
from portal.services.paying import bank, bank_accounts, payouts
from portal.services.refunding import refunds
from tests import builders
from tests.web.admin_world import World, a_world, now
from tests.web.opening import opened

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

IBAN = "NL91 ABNA 0417 1643 00"
WRONG = "NL91 ABNA 0417 1643 01"


@pytest.fixture
def world(app: Flask) -> World:
    made = a_world(app, Terms(return_postage="merchant"))
    for shop in (made.own, made.other):
        with app.app_context():
            bank_accounts.set_of_merchant(
                builders.a_person(shop, "admin"),
                shop,
                holder="Demo Shop",
                iban="DE89370400440532013000",
                gateways=made.gateways,
                now=now(),
            )
    return made


def waiting(world: World, merchant_id: UUID | None = None, *, account: str = IBAN) -> UUID:
    """A return whose refund waits for the bank."""
    shop = merchant_id or world.own
    with world.app.app_context():
        items = (builders.an_item("SHIRT", 1, "50.00"),)
        paid = (builders.a_payment("bank_transfer"),)
        order = builders.an_order(world.gateways, shop, items, paid=paid, now=now())
        return_id = builders.came_back(
            world.gateways, shop, order, now=now(), site=world.app.extensions["site"]
        )
        refund_id = refunds.propose(builders.a_person(shop, "finance"), return_id, now=now())
        payouts.send(refund_id, gateways=world.gateways, now=now())
        if account:
            customer = builders.a_customer(return_id, shop)
            given = {"holder": "Demo Customer", "iban": account, "gateways": world.gateways, "now": now()}
            bank_accounts.give(customer, return_id, **given)
    return return_id


def collected(world: World, client: Any) -> str:
    answer = client.submit(client.get("/admin/bank"), button="Collect a batch")
    assert answer.status_code == 303
    return str(answer.location)


# ------------------------------------------------------------------------------------------------- at the desk


def test_nothing_waits_and_the_page_says_so(world: World) -> None:
    page = world.signed_in("finance").get("/admin/bank").page
    assert "0 transfers" in page.text and "No batches yet" in page.text
    assert "DE•• •••• 3000" in page.text and "Collect a batch" not in page.text


def test_one_person_collects_and_another_releases_then_there_is_a_file(world: World) -> None:
    waiting(world)
    waiting(world)
    ana, ben = world.signed_in("finance"), world.signed_in("supervisor")
    path = collected(world, ana)
    mine = ana.get(path).page
    assert "somebody else has to release it" in mine.text and "Release €100.00" not in mine.text
    assert "NL•• •••• 4300" in mine.text and "NL91" not in ana.get(path).text
    assert ana.get(path + "/file").status_code == 409
    assert ana.post(path + "/release").status_code == 303
    assert "you have collected it yourself" in ana.get(path).page.text
    released = ben.submit(ben.get(path), button="Release €100.00")
    assert released.location == path
    file = ben.get(path + "/file", check=False)
    assert file.status_code == 200 and file.content_type.startswith("application/xml")
    assert "attachment" in file.headers["Content-Disposition"]
    assert file.data == ana.get(path + "/file", check=False).data
    assert file.text.count("<CdtTrfTxInf>") == 2
    executed = ana.submit(ana.get(path), button="The bank has paid it")
    assert executed.location == path
    shown = ben.get(path).page.text
    assert "Executed" in shown and "Fingerprint of the file" in shown
    assert ben.get(path + "/file", check=False).data == file.data


def test_what_lies_in_a_batch_is_sent_no_other_way_until_the_batch_is_given_up(world: World) -> None:
    return_id = waiting(world)
    ana = world.signed_in("supervisor")

    def ways() -> list[bool]:
        text = ana.get(f"/admin/returns/{return_id}").page.text
        return [words in text for words in ("Send another way", "Record payment by hand")]

    assert ways() == [True, True]
    path = collected(world, ana)
    assert ways() == [False, False], "they could only be refused"
    ana.submit(ana.get(path + "/cancellation"), {"reason": "Tomorrow."}, button="Give it up")
    assert ways() == [True, True]


def test_a_transfer_that_came_back_is_recorded_with_what_the_bank_says(world: World) -> None:
    return_id = waiting(world)
    ana, ben = world.signed_in("finance"), world.signed_in("supervisor")
    path = collected(world, ana)
    ben.submit(ben.get(path), button="Release €50.00")
    (back,) = [url for words, url in ana.get(path).page.links().items() if words.startswith("Came back")]
    page = ana.get(back)
    assert ana.submit(page, {"reason": ""}, button="It came back").status_code == 422
    assert ana.submit(page, {"reason": "Account closed"}, button="It came back").location == path
    assert "Account closed" in ana.get(path).page.text
    assert world.dossier(return_id).refunds[0].state == "failed"


def test_a_batch_is_given_up_with_a_reason_and_its_transfers_wait_again(world: World) -> None:
    waiting(world)
    client = world.signed_in("finance")
    path = collected(world, client)
    page = client.get(path + "/cancellation")
    assert client.submit(page, {"reason": ""}, button="Give it up").status_code == 422
    assert client.submit(page, {"reason": "Wrong day"}, button="Give it up").location == path
    assert "Nothing is in this batch any more" in client.get(path).page.text
    assert "1 transfer" in client.get("/admin/bank").page.text


def test_collecting_twice_makes_one_batch_and_says_why(world: World) -> None:
    waiting(world)
    client = world.signed_in("finance")
    page = client.get("/admin/bank")
    assert client.submit(page, button="Collect a batch").status_code == 303
    assert client.submit(page, button="Collect a batch").location == "/admin/bank"
    assert "No transfer waits" in client.get("/admin/bank").page.text


def test_a_shop_names_its_account_and_a_wrong_one_is_told_at_its_field(world: World) -> None:
    client, path = world.signed_in("admin"), f"/admin/bank/{world.own}/account"
    page = client.get(path)
    for sent, told in (
        ({"holder": "Demo Shop", "iban": WRONG}, "This IBAN cannot be right"),
        (
            {"holder": "Demo Shop", "iban": "TR330006100519786457841326"},
            "cannot pay to a bank account in this",
        ),
        ({"holder": "", "iban": IBAN}, "Enter the name of the account holder"),
        ({"holder": "Demo Shop", "iban": IBAN, "bic": "X"}, "This BIC cannot be right"),
    ):
        answer = client.submit(page, sent, button="Save account")
        assert answer.status_code == 422 and told in answer.page.text, told
    assert (
        client.submit(page, {"holder": "Demo Shop", "iban": IBAN}, button="Save account").status_code == 303
    )
    assert "NL•• •••• 4300" in client.get("/admin/bank").page.text


def test_an_agent_types_what_the_customer_says_on_the_phone(world: World) -> None:
    return_id = waiting(world, account="")
    finance = world.signed_in("finance")
    number = world.dossier(return_id).refunds[0].number
    path = finance.get("/admin/bank").page.links()[number]
    assert path == f"/admin/bank/returns/{return_id}/account"
    client = world.signed_in("csr")
    page = client.get(path)
    assert client.submit(page, {"iban": WRONG}, button="Save account").status_code == 422
    answer = client.submit(page, {"iban": IBAN}, button="Save account")
    assert answer.location == f"/admin/returns/{return_id}#refund"
    assert "The account is known: NL•• •••• 4300." in client.get(path).page.text
    assert client.post(path, data={"holder": "X", "iban": IBAN}, check=False).status_code == 422
    strangers = waiting(world, world.other, account="")
    assert client.get(f"/admin/bank/returns/{strangers}/account").status_code == 404


@pytest.mark.parametrize("role", ["csr", "warehouse"])
def test_who_approves_no_refunds_sees_no_batches(world: World, role: str) -> None:
    client = world.signed_in(role)
    assert client.get("/admin/bank").status_code == 403
    assert "Bank transfers" not in client.get("/admin/").page.text


def test_another_shops_batch_is_not_found(world: World) -> None:
    waiting(world, world.other)
    with world.app.app_context():
        actor = builders.a_person(world.other, "finance")
        batch_id = bank.collect(actor, world.other, gateways=world.gateways, now=now())
        number = bank.one(actor, batch_id).number
    client = world.signed_in("admin")
    assert number not in client.get("/admin/bank").page.text
    path = f"/admin/bank/batches/{batch_id}"
    for more in ("", "/file", "/cancellation"):
        assert client.get(path + more).status_code == 404
    for more in ("/release", "/execution", "/cancellation"):
        assert client.post(path + more).status_code == 404
    assert client.post(f"/admin/bank/{world.other}/batches").status_code == 404
    assert client.get(f"/admin/bank/{world.other}/account").status_code == 404


# ------------------------------------------------------------------------------------------------ for customers


def test_a_customer_says_where_the_money_shall_go(world: World) -> None:
    return_id = waiting(world, account="")
    client, path = opened(world, return_id), f"/r/{return_id}/account"
    page = client.get(path)
    assert page.page.by_id("holder").get("value") == "Demo Customer"
    assert not page.page.by_id("iban").get("value")
    answer = client.submit(page, {"iban": WRONG}, button="Send it to this account")
    assert answer.status_code == 422 and "This IBAN cannot be right" in answer.page.text
    answer = client.submit(page, {"iban": IBAN.lower()}, button="Send it to this account")
    assert answer.location == f"/r/{return_id}/status"
    shown = client.get(answer.location)
    assert "NL•• •••• 4300" in shown.page.text and "ABNA" not in shown.text
    again = client.get(path)
    assert again.location == f"/r/{return_id}/status"


def test_an_account_that_is_not_asked_for_is_not_taken(world: World) -> None:
    return_id = waiting(world)
    client = opened(world, return_id)
    client.get("/credit/own")  # a page with a token
    sent = {"holder": "Somebody Else", "iban": "FR14 2004 1010 0505 0001 3M02 606"}
    assert client.post(f"/r/{return_id}/account", data=sent).location == f"/r/{return_id}/status"
    with world.app.app_context():
        assert bank_accounts.given(return_id) == "NL•• •••• 4300"


def test_without_the_link_there_is_no_such_page(world: World, client: Any) -> None:
    return_id = waiting(world, account="")
    assert client.get(f"/r/{return_id}/account").status_code == 404
    client.get("/credit/own")  # a page with a token
    assert client.post(f"/r/{return_id}/account", data={"holder": "X", "iban": IBAN}).status_code == 404


def test_the_status_page_asks_for_the_account_and_shows_it_covered_afterwards(world: World) -> None:
    return_id = waiting(world, account="")
    client = opened(world, return_id)
    asked = client.get(f"/r/{return_id}/status").page
    assert asked.links()["Enter my bank account"] == f"/r/{return_id}/account"
    with world.app.app_context():
        given = {"holder": "Demo Customer", "iban": IBAN, "gateways": world.gateways, "now": now()}
        bank_accounts.give(builders.a_customer(return_id, world.own), return_id, **given)
    shown = client.get(f"/r/{return_id}/status").page
    assert (
        "To your bank account NL•• •••• 4300" in shown.text and "Enter my bank account" not in shown.links()
    )
