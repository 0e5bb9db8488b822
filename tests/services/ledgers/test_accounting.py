"""The journal of a period: balanced, in the merchant's accounts and days, the same bytes each time, safe to open."""

import csv
import io
import json
from collections import defaultdict
from datetime import date
from decimal import Decimal

import pytest

from portal.core.access import Conflict, NotAllowed, NotFound
from portal.core.accounting import COLUMNS, BadAccounts, account_map
from portal.services.ledgers import accounting
from portal.services.paying import payouts
from portal.services.refunding import refunds
from portal.words import Words
from tests.builders import NOW, a_merchant, a_person, an_item, an_order, came_back

DAY = date(2026, 6, 15)


@pytest.fixture
def shop(session):
    return a_merchant(slug="journal")


@pytest.fixture
def finance(shop):
    return a_person(shop, "finance")


@pytest.fixture
def refunded(shop, finance, gateways, session):
    def make(*, now=NOW, **order):
        items = order.pop("items", [an_item("MUG", 2, "9.99", tax="3.19")])
        made = an_order(gateways, shop, items, **order)
        refund_id = refunds.propose(finance, came_back(gateways, shop, made), now=now)
        payouts.send(refund_id, gateways=gateways, now=now)
        session.rollback()
        return refunds.one(finance, refund_id)

    return make


def read(told):
    return list(csv.DictReader(io.StringIO(told.decode(), newline="")))


def journal(actor, shop, since=DAY, until=DAY, **more):
    return accounting.journal(actor, shop, since=since, until=until, **more)


def test_a_refund_is_two_balanced_entries(shop, finance, refunded):
    refund = refunded()
    rows = read(journal(finance, shop, words=Words("en")))
    assert tuple(rows[0]) == COLUMNS
    assert [(row["account"].partition(":")[0], row["debit"], row["credit"]) for row in rows] == [
        ("goods", "16.79", ""),
        ("tax", "3.19", ""),
        ("refunds_payable", "", "19.98"),
        ("refunds_payable", "19.98", ""),
        ("clearing", "", "19.98"),
    ]
    assert {(row["date"], row["doc_no"], row["currency"]) for row in rows} == {
        ("2026-06-15", refund.number, "EUR")
    }
    assert rows[0]["memo"].startswith("Refund decided RMA-") and rows[-1]["memo"].startswith("Refund paid")
    assert rows[-1]["ref"] == refund.payouts[0].reference


def test_it_balances_per_document_and_currency(shop, finance, refunded):
    refunded()
    refunded(items=[an_item("TEA", 3, "400")], currency="JPY")
    sums = defaultdict(Decimal)
    for row in read(journal(finance, shop)):
        sums[row["doc_no"], row["currency"]] += Decimal(row["debit"] or 0) - Decimal(row["credit"] or 0)
    assert len(sums) == 2 and set(sums.values()) == {Decimal(0)}


def test_a_period_is_days_of_the_shop_and_the_dates_too(shop, finance, refunded):
    refunded(now=NOW.replace(hour=22, minute=30))  # the 16th in Hamburg
    assert read(journal(finance, shop)) == []
    rows = read(journal(finance, shop, since=date(2026, 6, 16), until=date(2026, 6, 16)))
    assert {row["date"] for row in rows} == {"2026-06-16"}


def test_one_period_after_another_is_the_whole_journal(shop, finance, refunded):
    for day in (13, 14, 15):
        refunded(now=NOW.replace(day=day))
    days = [date(2026, 6, day) for day in (13, 14, 15)]
    parts = [row for day in days for row in read(journal(finance, shop, since=day, until=day))]
    assert parts == read(journal(finance, shop, since=days[0], until=days[-1]))


def test_the_same_period_gives_the_same_bytes(shop, finance, refunded):
    refunded()
    first = journal(finance, shop)
    refunded(now=NOW.replace(day=20))
    assert journal(finance, shop) == first


def test_the_plan_of_the_shop_is_used_and_one_given_takes_its_place(shop, finance, refunded):
    refunded()
    value = {"journal": "RET", "accounts": {"goods": "8120", "clearing:*": "1360", "tax:*": "1776"}}
    accounting.set_accounts(finance, shop, value, now=NOW)
    rows = read(journal(finance, shop))
    assert {row["account"] for row in rows} == {"8120", "1360", "1776", "refunds_payable"}
    assert {row["journal"] for row in rows} == {"RET"}
    other = account_map({"accounts": {"goods": "4000"}})
    assert "4000" in {row["account"] for row in read(journal(finance, shop, accounts=other))}
    assert accounting.accounts(finance, shop) == value


def test_a_plan_with_faults_is_not_kept(shop, finance):
    with pytest.raises(BadAccounts) as problem:
        accounting.set_accounts(finance, shop, {"accounts": {"gods": "1"}}, now=NOW)
    assert problem.value.faults == (("accounts.gods", "unknown_account"),)
    assert accounting.accounts(finance, shop) == {}


def test_what_a_customer_or_channel_wrote_is_no_formula(shop, finance, refunded):
    refunded(number='=HYPERLINK("http://x")')
    for row in read(journal(finance, shop)):
        assert all(not row[name].startswith(("=", "+", "-", "@")) for name in COLUMNS)
        assert row["party"].startswith("'=")


def test_labels_and_providers_that_were_posted_to_are_offered(shop, finance, refunded):
    refunded()
    kinds = [account.partition(":")[0] for account in accounting.used(finance, shop)]
    assert kinds == ["clearing", "tax"]


def test_a_period_that_ends_before_it_begins_is_refused(shop, finance):
    with pytest.raises(Conflict, match="period"):
        journal(finance, shop, since=DAY, until=date(2026, 6, 14))


def test_others_neither_read_nor_edit(shop, finance):
    supervisor, strange = a_person(shop, "supervisor"), a_person(a_merchant(), "admin")
    assert journal(supervisor, shop).startswith(b"date,")
    with pytest.raises(NotAllowed):
        accounting.set_accounts(supervisor, shop, {}, now=NOW)
    with pytest.raises(NotAllowed):
        journal(a_person(shop, "csr"), shop)
    for ask in (journal, lambda actor, shop: accounting.accounts(actor, shop)):
        with pytest.raises(NotFound):
            ask(strange, shop)


# ------------------------------------------------------------------------------------------------ commands


@pytest.fixture
def run(app):
    return lambda *args: app.test_cli_runner().invoke(args=list(args))


PERIOD = ("--from", "2026-06-15", "--to", "2026-06-15")


def test_the_command_writes_the_journal(shop, finance, refunded, run, tmp_path):
    refunded()
    printed = run("journal", "--merchant", "journal", *PERIOD)
    assert printed.exit_code == 0, printed.output
    assert printed.stdout_bytes == journal(finance, shop, words=Words("en"))
    out = tmp_path / "june.csv"
    assert run("journal", "--merchant", "journal", *PERIOD, "--out", str(out)).exit_code == 0
    assert out.read_bytes() == printed.stdout_bytes and list(tmp_path.iterdir()) == [out]


def test_the_command_takes_a_plan_and_tells_each_fault_of_it(shop, refunded, run, tmp_path):
    refunded()
    plan = tmp_path / "accounts.json"
    plan.write_text(json.dumps({"accounts": {"goods": "8120"}}))
    assert ",8120," in run("journal", "--merchant", "journal", *PERIOD, "--accounts", str(plan)).output
    plan.write_text(json.dumps({"accounts": {"gods": 1}, "colour": "red"}))
    wrong = run("journal", "--merchant", "journal", *PERIOD, "--accounts", str(plan))
    assert wrong.exit_code == 2
    for told in ("accounts.gods: unknown_account", "accounts.gods: not_text", "colour: unknown_field"):
        assert told in wrong.output
    plan.write_text("[]")
    assert (
        "no JSON object" in run("journal", "--merchant", "journal", *PERIOD, "--accounts", str(plan)).output
    )


def test_a_wrong_merchant_or_period_ends_the_command_with_a_sentence(shop, run):
    assert "there is no merchant 'x'" in run("journal", "--merchant", "x", *PERIOD).output
    backwards = run("journal", "--merchant", "journal", "--from", "2026-06-15", "--to", "2026-06-14")
    assert backwards.exit_code == 2 and "before it begins" in backwards.output


def test_the_command_prints_balances(shop, refunded, run):
    refund = refunded()
    rows = json.loads(run("balance", "--merchant", "journal", "--json").output)
    assert sum(row["balance"] for row in rows) == 0
    assert {row["account"]: row["credit"] for row in rows}["clearing:sandbox"] == refund.amount
    plain = run("balance", "--merchant", "journal", *PERIOD).output
    assert "goods\tEUR\t16.79\t0.00\t16.79" in plain
    assert run("balance", "--merchant", "journal", "--order", "no-such-order").exit_code == 1
