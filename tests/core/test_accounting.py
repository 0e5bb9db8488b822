"""The journal balances entry by entry and currency by currency, whatever is posted, and is safe to open."""

import csv
import io
from collections import defaultdict
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.core.accounting import (
    COLUMNS,
    DEFAULTS,
    AccountMap,
    BadAccounts,
    Posting,
    account_map,
    harmless,
    journal,
    to_csv,
)
from portal.core.money import exponent
from portal.core.refunds.ledger import ACCOUNTS

ON = date(2026, 6, 15)
CODES = (*ACCOUNTS, "tax:VAT 19", "tax:VAT 7", "clearing:stripe", "clearing:bank_transfer")


def posting(
    debit: str, credit: str, amount: int, *, entry: str = "1", currency: str = "EUR", **more: str
) -> Posting:
    return Posting(entry=entry, on=ON, debit=debit, credit=credit, amount=amount, currency=currency, **more)


@st.composite
def postings(draw: st.DrawFn) -> list[Posting]:
    found = []
    for _ in range(draw(st.integers(0, 25))):
        debit, credit = draw(st.lists(st.sampled_from(CODES), min_size=2, max_size=2, unique=True))
        found.append(
            posting(
                debit,
                credit,
                draw(st.integers(1, 10**15)),
                entry=str(draw(st.integers(1, 6))),
                currency=draw(st.sampled_from(["EUR", "JPY", "KWD"])),
                doc_no=draw(st.text(max_size=8)),
                memo=draw(st.text(max_size=8)),
            )
        )
    return found


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


@given(
    postings(),
    st.dictionaries(st.sampled_from(sorted(DEFAULTS)), st.text("0123456789", min_size=1, max_size=6)),
)
def test_every_journal_balances_per_currency_and_per_entry(
    drawn: list[Posting], plan: dict[str, str]
) -> None:
    accounts = AccountMap(accounts=plan)
    for entry in {one.entry for one in drawn}:
        sums: dict[str, Decimal] = defaultdict(Decimal)
        for row in read(to_csv(journal([one for one in drawn if one.entry == entry], accounts), accounts)):
            sums[row["currency"]] += Decimal(row["debit"] or 0) - Decimal(row["credit"] or 0)
        assert set(sums.values()) <= {Decimal(0)}
    whole = journal(drawn, accounts)
    for currency in {one.currency for one in drawn}:
        same = [line for line in whole if line.currency == currency]
        assert sum(line.debit for line in same) == sum(line.credit for line in same)


@given(postings())
def test_amounts_have_the_decimals_of_their_currency_and_no_sign(drawn: list[Posting]) -> None:
    for row in read(to_csv(journal(drawn, AccountMap()), AccountMap())):
        (told,) = [row[side] for side in ("debit", "credit") if row[side]]
        assert -Decimal(told).as_tuple().exponent == exponent(row["currency"])  # type: ignore[operator]
        assert Decimal(told) > 0


@given(st.text(max_size=30))
def test_no_text_becomes_a_formula_or_another_line(text: str) -> None:
    safe = harmless(text)
    assert safe.lstrip()[:1] not in ("=", "+", "-", "@") or not safe
    assert not set(safe) & set("\r\n\t\x00")


def test_an_account_stands_once_per_entry_with_what_is_left_of_it() -> None:
    lines = journal(
        [
            posting("goods", "refunds_payable", 8403),
            posting("tax:VAT 19", "refunds_payable", 1597),
            posting("refunds_payable", "fees", 1000),
        ],
        AccountMap(accounts={"goods": "8120", "refunds_payable": "1790", "fees": "8900", "tax:*": "1776"}),
    )
    assert [(line.account, line.debit, line.credit, line.tax_code) for line in lines] == [
        ("8120", 8403, 0, ""),
        ("1776", 1597, 0, "VAT 19"),
        ("8900", 0, 1000, ""),
        ("1790", 0, 9000, ""),
    ]


def test_a_label_or_a_provider_with_a_line_of_its_own_has_its_own_account_and_code() -> None:
    plan = account_map(
        {
            "accounts": {
                "tax:*": "1770",
                "tax:VAT 7": "1771",
                "clearing:*": "1360",
                "clearing:stripe": "1361",
            },
            "tax_codes": {"VAT 7": "2"},
        }
    )
    assert [plan.account(code) for code in ("tax:VAT 19", "tax:VAT 7", "clearing:manual", "clearing:stripe")] == [
        "1770", "1771", "1360", "1361",
    ]  # fmt: skip
    assert (plan.tax_code("tax:VAT 7"), plan.tax_code("tax:VAT 19"), plan.tax_code("goods")) == (
        "2",
        "VAT 19",
        "",
    )


def test_without_a_map_every_account_has_a_name() -> None:
    plan = account_map({})
    assert plan.journal == "REFUNDS"
    assert [plan.account(code) for code in ("goods", "tax:VAT 19", "clearing:stripe")] == [
        "goods", "tax:VAT 19", "clearing:stripe",
    ]  # fmt: skip


def test_everything_wrong_with_a_map_is_told_at_once_with_its_path() -> None:
    with pytest.raises(BadAccounts) as problem:
        account_map(
            {
                "journal": " ",
                "account": {},
                "accounts": {"gods": "1", "goods": 8120, "shipping": "x" * 41, "fees": "a\nb"},
                "tax_codes": [],
            }
        )
    assert set(problem.value.faults) == {
        ("journal", "empty"),
        ("account", "unknown_field"),
        ("accounts.gods", "unknown_account"),
        ("accounts.goods", "not_text"),
        ("accounts.shipping", "too_long"),
        ("accounts.fees", "control_character"),
        ("tax_codes", "not_a_table"),
    }


def test_the_head_names_the_columns_an_accountant_imports() -> None:
    assert to_csv((), AccountMap()) == ",".join(COLUMNS) + "\r\n"
