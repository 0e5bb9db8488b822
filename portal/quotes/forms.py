"""Between plain JSON values and the core's own types: which form is which type, read field by field.

The forms name their fields as the core does; a test holds schema and types together.
"""

import types
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints
from uuid import NAMESPACE_OID, UUID, uuid5

from portal.core.cancellations import CancelOffer, Constraint, Totals
from portal.core.facts import (
    Addition,
    ExchangeItem,
    LineFacts,
    OrderFacts,
    PaymentFacts,
    Promotion,
    PromotionStep,
    ReturnRequest,
    TaxFacts,
    Wanted,
)
from portal.core.policy.terms import (
    Deal,
    Depreciation,
    FeeTier,
    RestockingFee,
    ShippingTier,
    Terms,
    Window,
)
from portal.core.refunds.breakdown import Breakdown, LineRefund, Row, Share


@dataclass(frozen=True, kw_only=True)
class Form:
    """A definition of the schema and the type it states, less what is not told, and more that only it has."""

    shape: type
    less: tuple[str, ...] = ()
    more: tuple[str, ...] = ()


FORMS: dict[str, Form] = {
    "order": Form(shape=OrderFacts, less=("merchant_id", "differs"), more=("prices_include_tax", "discount")),
    "line": Form(shape=LineFacts, more=("list_price",)),
    "tax": Form(shape=TaxFacts),
    "payment": Form(shape=PaymentFacts),
    "promotion": Form(shape=Promotion),
    "promotion_step": Form(shape=PromotionStep),
    "request": Form(shape=ReturnRequest, more=("now", "zone", "by_customer", "constraints")),
    "wanted": Form(shape=Wanted),
    "constraint": Form(shape=Constraint),
    "addition": Form(shape=Addition),
    "exchange_item": Form(shape=ExchangeItem),
    "policy": Form(shape=Terms),
    "window": Form(shape=Window),
    "deal": Form(shape=Deal),
    "shipping_tier": Form(shape=ShippingTier),
    "restocking_fee": Form(shape=RestockingFee),
    "fee_tier": Form(shape=FeeTier),
    "depreciation": Form(shape=Depreciation),
    "breakdown": Form(shape=Breakdown, more=("total", "owed", "added", "exchanged", "tax")),
    "row": Form(shape=Row),
    "line_refund": Form(shape=LineRefund),
    "share": Form(shape=Share),
    "totals": Form(shape=Totals),
    "offer": Form(shape=CancelOffer),
}


class Names:
    """The texts that a file uses as ids, and the ids inside; the same text is the same id in every file."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}

    def id(self, text: str) -> UUID:
        """The id that stands for ``text``; an id stands for itself."""
        try:
            found = UUID(text)
        except ValueError:
            found = uuid5(NAMESPACE_OID, text)
        self._texts[str(found)] = text
        return found

    def text(self, found: UUID | str | None) -> str | None:
        """The text that the file used."""
        return None if found is None else self._texts.get(str(found), str(found))

    def told(self, value: Any) -> Any:
        """``value`` (plain JSON) with every id as the text that the file used."""
        if isinstance(value, Mapping):
            return {self._texts.get(key, key): self.told(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.told(item) for item in value]
        return self._texts.get(value, value) if isinstance(value, str) else value


def made(shape: type, value: Mapping[str, Any], names: Names, **given: Any) -> Any:
    """``value``, which fits the schema, as ``shape``; ``given`` goes before, what is not told takes its default.

    Raises ``ValueError`` where a text is no moment.
    """
    hints = _hints(shape)
    told = {
        key: _read(hints[key], item, names)
        for key, item in value.items()
        if key in hints and key not in given
    }
    return shape(**told, **given)


@cache
def _hints(shape: type) -> dict[str, Any]:
    hints = get_type_hints(shape)
    return {field.name: hints[field.name] for field in fields(shape)}


def _read(hint: Any, value: Any, names: Names) -> Any:
    """``value`` as the type that ``hint`` says."""
    if value is None:
        return None
    origin, inside = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _read(next(one for one in inside if one is not type(None)), value, names)
    if origin is tuple:
        if len(inside) == 2 and inside[1] is Ellipsis:
            items = value.items() if isinstance(value, Mapping) else value
            return tuple(_read(inside[0], item, names) for item in items)
        return tuple(_read(one, item, names) for one, item in zip(inside, value, strict=True))
    if hint is UUID:
        return names.id(value)
    if hint is Decimal:
        return Decimal(value)
    if hint in (date, datetime):
        return hint.fromisoformat(value)
    return made(hint, value, names) if is_dataclass(hint) and isinstance(hint, type) else value
