"""Postings of money decided and money moved; every transfer names both sides, so each one balances."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from portal.core.facts import CHARGES, OrderFacts
from portal.core.money import Minor
from portal.core.refunds.breakdown import ADDITIONS, Breakdown, Share

PAYABLE = "refunds_payable"
"""What was decided and is not yet paid out."""

UNPAID = "refunds_unpaid"
"""Owed after a transfer failed, until another try takes it up or the refund is given up."""

RECEIVABLE = "receivable"
"""What customers owe for what they get in exchange: goods that came back are set off against it."""

DUE = "due"
"""What customers owe for what they ordered and did not pay yet (an invoice, cash on delivery, instalments): of
what is canceled before it was paid they owe nothing more. Also the provider of such a transfer: the own books.
"""

FEES = "fees"
"""Fees and deductions that were kept back."""

TAX = "tax:"
CLEARING = "clearing:"
AUTHORIZED = "authorized:"
"""What a provider holds reserved for the shop and has not captured: what is let go is never captured."""
OWN_CREDIT = ("store_credit", "gift_card")
"""Providers that are accounts of our own: what is paid to them is still owed, as credit to be spent."""

SET_OFF = "exchange_value"
"""The row of a breakdown that says what goes into an exchange instead of back to a payment."""

_ADDED = {"goodwill": "goodwill", "bonus_credit": "bonus"}

ACCOUNTS = (
    RECEIVABLE,
    DUE,
    "goods",
    *CHARGES,
    FEES,
    PAYABLE,
    UNPAID,
    *OWN_CREDIT,
    *_ADDED.values(),
)
"""Every account with a name of its own; beside them one per tax label, and per provider its clearing and what it
holds reserved.
"""


@dataclass(frozen=True, kw_only=True)
class Transfer:
    """``amount`` of ``currency`` from ``credit`` to ``debit``. Raises ``ValueError`` unless above zero."""

    debit: str
    credit: str
    amount: Minor
    currency: str
    line_id: UUID | None = None

    def __post_init__(self) -> None:
        if self.amount <= 0:
            raise ValueError(f"a transfer of {self.amount}")
        if self.debit == self.credit:
            raise ValueError(f"a transfer from {self.credit} to itself")


def decided(breakdown: Breakdown, order: OrderFacts) -> tuple[Transfer, ...]:
    """What a decided refund owes: goods, tax per label, shipping and additions, less the fees kept back.

    What is given in exchange is set off against what the customer owes for it. What the transfers bring
    into ``refunds_payable`` is exactly ``breakdown.amount``.
    """
    return decided_of(breakdown, {line.id: line.kind for line in order.lines})


def decided_of(breakdown: Breakdown, kinds: Mapping[UUID, str]) -> tuple[Transfer, ...]:
    """The same from the kinds of the lines alone: charges have accounts of their own, all else is goods."""
    found: list[Transfer] = []

    def post(debit: str, credit: str, amount: Minor, line_id: UUID | None = None) -> None:
        if amount < 0:
            debit, credit, amount = credit, debit, -amount
        if amount:
            found.append(
                Transfer(
                    debit=debit, credit=credit, amount=amount, currency=breakdown.currency, line_id=line_id
                )
            )

    for line in breakdown.lines:
        kind = kinds[line.line_id]
        account = kind if kind in CHARGES else "goods"
        post(account, PAYABLE, line.amount + line.withheld - line.tax, line.line_id)
        for label, tax in line.taxes:
            post(TAX + label, PAYABLE, tax, line.line_id)
        post(PAYABLE, FEES, line.withheld, line.line_id)
    for row in breakdown.rows:
        if row.code in ADDITIONS:
            post(_ADDED[row.code], PAYABLE, row.amount)
        elif row.code == SET_OFF:
            post(PAYABLE, RECEIVABLE, -row.amount)
    return tuple(found)


def paid_out(share: Share, provider: str, *, currency: str, mode: str = "captured") -> Transfer:
    """What one transfer moves: from what is payable to the provider's clearing account, or to own credit.

    What was never paid moves nothing out: what is ``authorized`` is let go where it is held, and of what is
    ``due`` the customer owes less.
    """
    account = settles_on(provider, mode)
    return Transfer(debit=PAYABLE, credit=account, amount=share.amount, currency=currency)


def settles_on(provider: str, mode: str = "captured") -> str:
    """The account that a transfer of that kind is posted to when it has taken effect."""
    if mode == "due":
        return DUE
    if mode == "authorized":
        return AUTHORIZED + provider
    return provider if provider in OWN_CREDIT else CLEARING + provider


def unpaid(amount: Minor, currency: str) -> Transfer:
    """A transfer that did not arrive: still owed, and nothing of it is on its way."""
    return Transfer(debit=PAYABLE, credit=UNPAID, amount=amount, currency=currency)


def reversed(transfers: Iterable[Transfer]) -> tuple[Transfer, ...]:
    """The correcting entries, both sides exchanged: nothing posted is ever changed."""
    return tuple(
        Transfer(
            debit=transfer.credit,
            credit=transfer.debit,
            amount=transfer.amount,
            currency=transfer.currency,
            line_id=transfer.line_id,
        )
        for transfer in transfers
    )


def balance(transfers: Iterable[Transfer]) -> dict[tuple[str, str], Minor]:
    """(account, currency) -> debits less credits; over all accounts of a currency they sum to zero."""
    found: dict[tuple[str, str], Minor] = {}
    for transfer in transfers:
        for account, signed in ((transfer.debit, transfer.amount), (transfer.credit, -transfer.amount)):
            key = account, transfer.currency
            found[key] = found.get(key, 0) + signed
    return found


def payable(transfers: Iterable[Transfer], currency: str) -> Minor:
    """What is decided and not yet paid out."""
    return -balance(transfers).get((PAYABLE, currency), 0)
