"""Bank accounts and orders to pay from them, as the files of a bank name them."""

from dataclasses import dataclass
from datetime import date, datetime

from portal.core.money import Minor


@dataclass(frozen=True, kw_only=True)
class BankAccount:
    """Whose account, and where: ``iban`` without blanks, ``bic`` empty where it is not known."""

    holder: str
    iban: str
    bic: str = ""

    def record(self) -> dict[str, str]:
        """As plain JSON, to be kept with a transfer or a merchant."""
        return {"holder": self.holder, "iban": self.iban, "bic": self.bic}

    @property
    def masked(self) -> str:
        return masked(self.iban)


def account_from(record: dict[str, str]) -> BankAccount | None:
    """The account that ``record`` wrote down; None where there is none."""
    if not record.get("iban") or not record.get("holder"):
        return None
    return BankAccount(holder=record["holder"], iban=record["iban"], bic=record.get("bic", ""))


def masked(iban: str) -> str:
    """The country and the last four characters, ``DE•• •••• 1234``: enough to know one's own account."""
    return f"{iban[:2]}•• •••• {iban[-4:]}" if len(iban) > 8 else "••••"


@dataclass(frozen=True, kw_only=True)
class BankTransfer:
    """One payment of a file. ``end_to_end_id`` goes with it to the receiver's statement, and is unique."""

    end_to_end_id: str
    amount: Minor
    to: BankAccount
    text: str


@dataclass(frozen=True, kw_only=True)
class TransferOrder:
    """What a bank is told to pay, at once or not at all: one file."""

    message_id: str
    """Unique at the bank: the same file sent twice is paid once."""
    made_at: datetime
    execute_on: date
    currency: str
    payer: BankAccount
    transfers: tuple[BankTransfer, ...]

    @property
    def amount(self) -> Minor:
        return sum(transfer.amount for transfer in self.transfers)
