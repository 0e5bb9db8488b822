"""The ledger as an accountant's journal: accounts of the merchant's own plan, one balanced entry after another."""

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from portal.core.money import Minor, major
from portal.core.refunds.ledger import ACCOUNTS, AUTHORIZED, CLEARING, TAX

COLUMNS = (
    "date",
    "journal",
    "doc_no",
    "account",
    "debit",
    "credit",
    "currency",
    "tax_code",
    "party",
    "ref",
    "memo",
)
ANY_TAX, ANY_CLEARING, ANY_AUTHORIZED = TAX + "*", CLEARING + "*", AUTHORIZED + "*"
"""Keys for every tax label, and every provider, that has no line of its own in the map."""
KINDS = (TAX, CLEARING, AUTHORIZED)
"""How accounts begin of which there are many: one per tax label, or per provider."""

DEFAULTS: Mapping[str, str] = {
    **{code: code for code in ACCOUNTS},
    ANY_TAX: "tax",
    ANY_CLEARING: "clearing",
    ANY_AUTHORIZED: "authorized",
}
"""Without a map of its own, a merchant's journal names the ledger's accounts."""

LONGEST = 40
_PLAIN = re.compile(r"[^\x00-\x1f\x7f]*")


class BadAccounts(ValueError):
    """What is wrong with an account map; ``faults`` is (path, code) for each."""

    def __init__(self, faults: Sequence[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{path}: {code}" for path, code in faults))
        self.faults = tuple(faults)


@dataclass(frozen=True, kw_only=True)
class AccountMap:
    """Which account of the merchant's plan each account of the ledger is, and what its journal is called."""

    journal: str = "REFUNDS"
    accounts: Mapping[str, str] = field(default_factory=dict)
    """Account of the ledger -> number or name in the merchant's plan; what is missing has its default."""
    tax_codes: Mapping[str, str] = field(default_factory=dict)
    """Tax label -> the code that the accounting system knows it by; the label itself where there is none."""

    def account(self, code: str) -> str:
        """The merchant's account for ``code``, as given for it, for all of its kind, or by default."""
        for key in (code, _any(code)):
            if key and self.accounts.get(key):
                return self.accounts[key]
        return DEFAULTS.get(code) or (
            f"{DEFAULTS[_any(code)]}:{code.partition(':')[2]}" if _any(code) else code
        )

    def tax_code(self, code: str) -> str:
        """The tax code of an account, empty where it is no tax."""
        if not code.startswith(TAX):
            return ""
        label = code.removeprefix(TAX)
        return self.tax_codes.get(label) or label


def _any(code: str) -> str:
    return next((f"{start}*" for start in KINDS if code.startswith(start)), "")


def account_map(value: Mapping[str, Any]) -> AccountMap:
    """The map in ``value`` (``journal``, ``accounts``, ``tax_codes``; all optional, ``company`` beside them).

    Raises ``BadAccounts`` with everything that is wrong: ``unknown_account``, ``unknown_field``,
    ``not_text``, ``too_long``, ``control_character``, ``empty``.
    """
    faults: list[tuple[str, str]] = []
    unknown = set(value) - {"journal", "accounts", "tax_codes", "company"}
    faults += [(name, "unknown_field") for name in sorted(unknown)]
    journal = value.get("journal", AccountMap.journal)
    faults += [("journal", code) for code in _wrong(journal, may_be_empty=False)]
    tables: dict[str, dict[str, str]] = {}
    for name in ("accounts", "tax_codes"):
        told = value.get(name, {})
        if not isinstance(told, Mapping):
            faults.append((name, "not_a_table"))
            continue
        for key, one in told.items():
            faults += [(f"{name}.{key}", code) for code in _wrong(one)]
            if name == "accounts" and not _is_account(str(key)):
                faults.append((f"{name}.{key}", "unknown_account"))
        tables[name] = {str(key): one.strip() for key, one in told.items() if isinstance(one, str)}
    company = value.get("company", {})
    if not isinstance(company, Mapping) or set(company) - {"name", "tax_number"}:
        faults.append(("company", "unknown_field"))
    else:
        faults += [
            (f"company.{key}", code) for key, one in company.items() for code in _wrong(one, longest=100)
        ]
    if faults:
        raise BadAccounts(faults)
    return AccountMap(journal=journal.strip(), **tables)


def _is_account(key: str) -> bool:
    return key in DEFAULTS or any(key.startswith(start) and key != start for start in KINDS)


def _wrong(value: Any, *, may_be_empty: bool = True, longest: int = LONGEST) -> list[str]:
    if not isinstance(value, str):
        return ["not_text"]
    if not value.strip() and not may_be_empty:
        return ["empty"]
    if len(value.strip()) > longest:
        return ["too_long"]
    return [] if _PLAIN.fullmatch(value) else ["control_character"]


@dataclass(frozen=True, kw_only=True)
class Posting:
    """One transfer of the ledger with what the journal says about it."""

    entry: str
    """Transfers that were posted together."""
    on: date
    debit: str
    credit: str
    amount: Minor
    currency: str
    doc_no: str = ""
    party: str = ""
    ref: str = ""
    memo: str = ""


@dataclass(frozen=True, kw_only=True)
class JournalLine:
    """One line of the journal: one side of an entry, in minor units."""

    on: date
    doc_no: str
    account: str
    debit: Minor
    credit: Minor
    currency: str
    tax_code: str
    party: str
    ref: str
    memo: str


def journal(postings: Iterable[Posting], accounts: AccountMap) -> tuple[JournalLine, ...]:
    """The journal of ``postings``, which arrive in their order, entry by entry.

    Within an entry each account stands once per currency, with what is left of its debits and credits, debits
    first; accounts that cancel out are left out. So every entry balances per currency, and the whole journal does.
    """
    entries: dict[tuple[str, str], list[Posting]] = {}
    for posting in postings:
        entries.setdefault((posting.entry, posting.currency), []).append(posting)
    lines: list[JournalLine] = []
    for told in entries.values():
        sums: dict[str, Minor] = {}
        for posting in told:
            sums[posting.debit] = sums.get(posting.debit, 0) + posting.amount
            sums[posting.credit] = sums.get(posting.credit, 0) - posting.amount
        first = told[0]
        lines += [
            JournalLine(
                on=first.on,
                doc_no=first.doc_no,
                account=accounts.account(code),
                debit=max(0, amount),
                credit=max(0, -amount),
                currency=first.currency,
                tax_code=accounts.tax_code(code),
                party=first.party,
                ref=first.ref,
                memo=first.memo,
            )
            for code, amount in sorted(sums.items(), key=lambda held: (held[1] < 0, held[0]))
            if amount
        ]
    return tuple(lines)


def to_csv(lines: Iterable[JournalLine], accounts: AccountMap) -> str:
    """The journal as CSV (RFC 4180) with a head; amounts with the decimals of their currency.

    A text that a spreadsheet would take for a formula is preceded by an apostrophe.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for line in lines:
        writer.writerow(
            [
                line.on.isoformat(),
                harmless(accounts.journal),
                harmless(line.doc_no),
                harmless(line.account),
                f"{major(line.debit, line.currency):f}" if line.debit else "",
                f"{major(line.credit, line.currency):f}" if line.credit else "",
                line.currency,
                *map(harmless, (line.tax_code, line.party, line.ref, line.memo)),
            ]
        )
    return out.getvalue()


def harmless(text: str) -> str:
    """``text`` for a cell of a spreadsheet: on one line, and never a formula."""
    flat = "".join(c if c >= " " else " " for c in text)
    return f"'{flat}" if flat.lstrip()[:1] in ("=", "+", "-", "@") or text[:1] in ("\t", "\r") else flat
