"""What a person decides differently from what the engine works out; every bit of it needs a reason."""

from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from portal.core.money import Minor

WAIVABLE = (
    "restocking_fee",
    "return_postage",
    "condition_deductions",
    "accessory_deductions",
    "depreciation",
)
"""Rules whose deductions a person may leave out."""

WAYS = ("refund", "store_credit", "bank_transfer", "manual")
"""How the money goes back: to the tenders it came from, as store credit, to a bank account, by a person."""


@dataclass(frozen=True, kw_only=True)
class Overrides:
    """What is asked for in place of what was worked out. Amounts are minor units of the order's currency."""

    goodwill: Minor = 0
    amounts: tuple[tuple[UUID, Minor], ...] = ()
    """Order line -> what is agreed for its units in place of what they are worth."""
    missing: tuple[tuple[UUID, tuple[str, ...]], ...] = ()
    """Order line -> accessories that are missing, in place of what the inspection found."""
    waived: tuple[str, ...] = ()
    way: str = "refund"
    tenders: tuple[tuple[UUID, Minor], ...] = ()
    """Payment -> its part; empty leaves it to the policy."""
    reason: str = ""

    @property
    def is_any(self) -> bool:
        """Whether anything is decided differently; a reason alone is not."""
        return bool(
            self.goodwill
            or self.amounts
            or self.missing
            or self.waived
            or self.tenders
            or self.way != "refund"
        )


def to_json(overrides: Overrides) -> dict[str, Any]:
    """``overrides`` as plain JSON values."""
    plain = asdict(overrides)
    plain["amounts"] = [[str(line), amount] for line, amount in overrides.amounts]
    plain["missing"] = [[str(line), list(codes)] for line, codes in overrides.missing]
    plain["tenders"] = [[str(payment), amount] for payment, amount in overrides.tenders]
    plain["waived"] = list(overrides.waived)
    return plain


def from_json(value: dict[str, Any]) -> Overrides:
    """What ``to_json`` wrote; an empty record decides nothing differently."""
    return Overrides(
        goodwill=value.get("goodwill", 0),
        amounts=tuple((UUID(line), amount) for line, amount in value.get("amounts", ())),
        missing=tuple((UUID(line), tuple(codes)) for line, codes in value.get("missing", ())),
        waived=tuple(value.get("waived", ())),
        way=value.get("way", "refund"),
        tenders=tuple((UUID(payment), amount) for payment, amount in value.get("tenders", ())),
        reason=value.get("reason", ""),
    )
