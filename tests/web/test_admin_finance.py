"""The books for people: what waits, what failed, what a period came to; files to take away; accounts to set."""

import csv
import io
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from flask import Flask

from portal.core.policy.terms import Terms
from portal.db import returns as stored
from portal.db.base import db
from portal.db.refunds import Refund
from portal.services.ledgers import credit_notes
from portal.services.paying import payouts
from portal.services.refunding import refunds
from tests import builders
from tests.checking import CheckingClient
from tests.web.admin_world import World, a_world, now

PAGES = (
    "/admin/finance",
    "/admin/finance/journal",
    "/admin/finance/balances",
    "/admin/finance/credit-notes",
    "/admin/finance/accounts",
)
FILES = ("/admin/finance/journal.csv", "/admin/finance/balances.csv", "/admin/finance/pending.csv")
pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def world(app: Flask) -> World:
    return a_world(app, Terms(return_postage="merchant"))


@pytest.fixture
def client(world: World) -> CheckingClient:
    return world.signed_in("finance")


def refunded(
    world: World, *, ending: str = "", send: bool = True, merchant: UUID | None = None, **order: Any
) -> str:
    """A refund of one shirt for 50.00; answers its number."""
    owner = merchant or world.own
    with world.app.app_context():
        made = builders.an_order(
            world.gateways,
            owner,
            [builders.an_item("SHIRT", 1, "50.00", tax="7.98")],
            paid=(builders.a_payment(ending=ending),),
            now=now(),
            **order,
        )
        finance = builders.a_person(owner, "finance")
        return_id = builders.came_back(
            world.gateways, owner, made, now=now(), site=world.app.extensions["site"]
        )
        refund_id = refunds.propose(finance, return_id, now=now())
        if send:
            payouts.send(refund_id, gateways=world.gateways, now=now())
        return refunds.one(finance, refund_id).number


def rows(answer: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(answer.get_data(as_text=True), newline="")))


def test_without_anything_the_pages_say_so_and_what_to_do(client: CheckingClient) -> None:
    told = " ".join(client.get(page).page.text for page in PAGES[:4])
    for empty in (
        "Nothing waits",
        "No refund has failed",
        "Nothing was posted",
        "No credit notes in this period",
    ):
        assert empty in told


def test_the_way_there_is_in_the_navigation(client: CheckingClient) -> None:
    page = client.get("/admin/finance").page
    assert page.link("Finance") == "/admin/finance"
    for name in ("Overview", "Journal", "Balances", "Credit notes", "Accounts"):
        assert page.link(name)


def test_what_waits_stands_with_its_reason_and_the_way_to_it(world: World, client: CheckingClient) -> None:
    waits = refunded(world, send=False)
    paid = refunded(world)
    page = client.get("/admin/finance").page
    assert waits in page.text and "Is sent in a moment" in page.text and "€50.00" in page.text
    assert "#refund" in page.link(waits)
    section = page.by_id("pending")
    assert section is not None and paid not in page.text


def test_what_failed_is_told_apart_with_the_error(world: World, client: CheckingClient) -> None:
    failed = refunded(world, ending="-fails")
    page = client.get("/admin/finance").page
    assert failed in page.text and "No refund has failed" not in page.text
    assert "Somebody has to try again or pay otherwise" in page.text
    assert "A refund could not be paid" in page.text  # the open task
    assert "Nothing waits" in page.text


def test_what_waits_too_long_says_for_how_long(world: World, client: CheckingClient) -> None:
    refunded(world, send=False)
    world.app.config["CLOCK"] = lambda: now() + timedelta(days=3)
    assert "waits for 3 days" in world.signed_in("finance").get("/admin/finance").page.text


def test_a_period_is_totalled_per_currency(world: World, client: CheckingClient) -> None:
    refunded(world)
    refunded(world, ending="-fails")
    text = client.get("/admin/finance").page.text
    assert "EUR" in text and "€100.00" in text and "€50.00" in text  # approved; paid, and failed
    last_year = client.get("/admin/finance?from=2020-01-01&to=2020-12-31").page.text
    assert "€50.00" in last_year  # what is open now, whatever the period


@pytest.mark.parametrize(
    ("query", "told"),
    [("from=2026-13-45", "Enter days as"), ("from=2026-02-02&to=2026-02-01", "ends before it begins")],
)
def test_a_period_that_cannot_be_read_is_named_and_the_month_is_shown(
    client: CheckingClient, query: str, told: str
) -> None:
    for page in PAGES[:4]:
        answer = client.get(f"{page}?{query}")
        assert answer.status_code == 200 and told in answer.page.text


def test_the_journal_is_shown_and_taken_away(world: World, client: CheckingClient) -> None:
    number = refunded(world)
    page = client.get("/admin/finance/journal").page
    assert number in page.text and "5 lines" in page.text
    answer = client.get("/admin/finance/journal.csv")
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="journal-')
    assert answer.headers["Cache-Control"] == "no-store"
    told = rows(answer)
    assert len(told) == 5 and {row["doc_no"] for row in told} == {number}


def test_an_order_has_its_balance(world: World, client: CheckingClient) -> None:
    refunded(world, number="DEMO-77")
    refunded(world)
    page = client.get("/admin/finance/balances?order=DEMO-77").page
    assert "Goods taken back" in page.text and "€42.02" in page.text and "Tax refunded" in page.text
    told = rows(client.get("/admin/finance/balances.csv?order=DEMO-77"))
    assert sum(int(row["balance"].replace(".", "")) for row in told) == 0
    assert "-50.00" in {row["balance"] for row in told}
    missing = client.get("/admin/finance/balances?order=NONE")
    assert missing.status_code == 200 and "There is no order NONE" in missing.page.text
    assert "There is no payment x" in client.get("/admin/finance/balances?payment=x").page.text


def test_what_waits_can_be_taken_away_and_is_no_formula(world: World, client: CheckingClient) -> None:
    number = refunded(world, send=False)
    (row,) = rows(client.get("/admin/finance/pending.csv"))
    assert (row["refund"], row["amount"], row["currency"], row["waits_for"]) == (
        number,
        "50.00",
        "EUR",
        "planned",
    )
    assert not any(value.startswith(("=", "+", "@")) for value in row.values())


def test_a_credit_note_is_listed_and_opens_as_paper_and_as_file(world: World, client: CheckingClient) -> None:
    number = refunded(world)
    page = client.get("/admin/finance/credit-notes").page
    assert "CN-000001" in page.text and number in page.text
    paper, file = client.get(page.link("PDF CN-000001")), client.get(page.link("XML CN-000001"))
    assert paper.data.startswith(b"%PDF") and paper.headers["Content-Disposition"].startswith("inline")
    assert b"381" in file.data and file.mimetype == "application/xml"
    assert file.headers["Content-Disposition"] == 'attachment; filename="CN-000001.xml"'
    csr = world.signed_in("csr")
    assert csr.get(page.link("PDF CN-000001")).data == paper.data
    assert client.get(page.link("PDF CN-000001").replace("000001", "000002")).status_code == 404


def test_accounts_are_set_and_used_by_the_next_journal(world: World, client: CheckingClient) -> None:
    refunded(world)
    answer = client.get("/admin/finance/accounts")
    fields, _ = answer.page.fields(answer.page.form(button="Save the accounts"))
    codes = {value: name.removesuffix("code") for name, value in fields.items() if name.endswith("-code")}
    tax = next(code for code in codes if code.startswith("tax:") and code != "tax:*")
    client.submit(
        answer,
        {
            "journal": "RET",
            "company": "Demo shop GmbH",
            "tax_number": "DE123456789",
            f"{codes['goods']}account": "8120",
            f"{codes[tax]}account": "1776",
            f"{codes[tax]}tax_code": "V19",
        },
        button="Save the accounts",
        follow_redirects=True,
    )
    told = rows(client.get("/admin/finance/journal.csv"))
    assert {(row["account"], row["tax_code"]) for row in told} >= {("8120", ""), ("1776", "V19")}
    assert {row["journal"] for row in told} == {"RET"}
    refunded(world)
    with world.app.app_context():
        found = credit_notes.document(
            world.actor("finance"), "CN-000002", merchant_id=world.own, format="xml", gateways=world.gateways
        )
    assert b"Demo shop GmbH" in found.content and b"DE123456789" in found.content


def test_a_wrong_account_is_told_at_its_field_and_nothing_is_kept(client: CheckingClient) -> None:
    answer = client.get("/admin/finance/accounts")
    form = answer.page.form(button="Save the accounts")
    code = next(name for name, value in answer.page.fields(form)[0].items() if value == "goods")
    wrong = client.submit(answer, {code.replace("code", "account"): "x" * 41}, button="Save the accounts")
    assert wrong.status_code == 422 and "At most 40 characters" in wrong.page.text
    assert "x" * 41 not in client.get("/admin/finance/accounts").get_data(as_text=True)


def test_who_may_only_look_sees_no_form(world: World) -> None:
    supervisor = world.signed_in("supervisor")
    page = supervisor.get("/admin/finance/accounts").page
    assert "Finance people and admins" in page.text
    assert supervisor.post("/admin/finance/accounts", data={"journal": "X"}).status_code == 403


@pytest.mark.parametrize("role", ["csr", "warehouse"])
def test_others_see_no_books(world: World, role: str) -> None:
    other = world.signed_in(role)
    for page in (*PAGES, *FILES):
        assert other.get(page).status_code == 403, page
    assert "/admin/finance" not in other.get("/admin/").get_data(as_text=True)


def test_another_shop_is_not_there(world: World, client: CheckingClient) -> None:
    refunded(world, merchant=world.other)
    for page in (*PAGES, *FILES):
        assert client.get(f"{page}?merchant={world.other}").status_code == 404, page
    assert client.get(f"/admin/finance/{world.other}/credit-notes/CN-000001.pdf").status_code == 404


def test_who_works_for_two_shops_chooses_one(world: World) -> None:
    both = world.signed_in("finance", merchants=(world.own, world.other))
    refunded(world, merchant=world.other, send=False)
    own = both.get(f"/admin/finance?merchant={world.own}").page
    other = both.get(f"/admin/finance?merchant={world.other}").page
    assert "Nothing waits" in own.text and "Nothing waits" not in other.text
    first = both.get("/admin/finance").page  # opens where something waits, and says where how much
    assert "Nothing waits" not in first.text and "(1)" in first.text


def test_the_note_stands_on_the_refund_for_people_and_on_the_status_page_for_the_customer(
    world: World,
) -> None:
    number = refunded(world)
    with world.app.app_context():
        row = db.session.scalar(sa.select(Refund).where(Refund.number == number))
        assert row is not None
        return_id = row.return_id
        link_id = db.session.scalar(
            sa.select(stored.Link.id).where(
                stored.Link.return_id == return_id, stored.Link.purpose == "status"
            )
        )
    desk = world.signed_in("csr").get(f"/admin/returns/{return_id}").page
    assert desk.link("PDF CN-000001") and desk.link("XML CN-000001")
    customer = world.app.test_client()
    assert isinstance(customer, CheckingClient)
    with customer.session_transaction() as session:
        session["links"] = {str(return_id): str(link_id)}
    page = customer.get(f"/r/{return_id}/status").page
    paper = customer.get(page.link("Credit note CN-000001 (PDF)"))
    assert paper.data.startswith(b"%PDF") and paper.headers["Cache-Control"] == "no-store"
    stranger = world.app.test_client()
    assert stranger.get(page.link("Credit note CN-000001 (PDF)")).status_code == 404
