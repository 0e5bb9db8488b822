"""Deals an order had: what they asked for, and how much of each line's discount came from them."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from portal.core.money import Minor

SPEND, QUANTITY, BUY_GET, FREE_SHIPPING, BUNDLE = "spend", "quantity", "buy_get", "free_shipping", "bundle"
KINDS = (SPEND, QUANTITY, BUY_GET, FREE_SHIPPING, BUNDLE)


@dataclass(frozen=True, kw_only=True)
class PromotionStep:
    """From ``reach`` on (an amount, or units where the kind is ``quantity``): a percentage, or an amount off."""

    reach: int
    percent_bp: int = 0
    amount: Minor = 0


@dataclass(frozen=True, kw_only=True)
class Promotion:
    """One deal. ``shares`` is what each line's ``discount`` holds of it; for free shipping, the charge's.

    What counts toward it are prices before this deal, with every other discount taken off.

    - ``spend``, ``quantity``: ``steps``, the highest that is reached counts (spend 50 get 10 % off).
    - ``free_shipping``: the same steps, off the shipping charges named in ``shares``.
    - ``buy_get``: of every ``buy`` + ``get`` units the cheapest ``get`` are ``percent_bp`` cheaper
      (3 for 2: buy 2, get 1; buy one get one: 1 and 1).
    - ``bundle``: ``parts`` bought together, so many units of each line per bundle.
    """

    code: str
    kind: str
    name: str = ""
    shares: tuple[tuple[UUID, Minor], ...]
    counts: tuple[UUID, ...] = ()
    """Lines that count toward it; empty: all merchandise."""
    steps: tuple[PromotionStep, ...] = ()
    buy: int = 0
    get: int = 0
    percent_bp: int = 10_000
    parts: tuple[tuple[UUID, int], ...] = ()


def to_json(promotion: Promotion) -> dict[str, Any]:
    """``promotion`` as plain JSON values, complete."""
    return {
        "code": promotion.code,
        "kind": promotion.kind,
        "name": promotion.name,
        "shares": [[str(line_id), amount] for line_id, amount in promotion.shares],
        "counts": [str(line_id) for line_id in promotion.counts],
        "steps": [
            {"reach": step.reach, "percent_bp": step.percent_bp, "amount": step.amount}
            for step in promotion.steps
        ],
        "buy": promotion.buy,
        "get": promotion.get,
        "percent_bp": promotion.percent_bp,
        "parts": [[str(line_id), units] for line_id, units in promotion.parts],
    }


def from_json(value: dict[str, Any]) -> Promotion:
    """The promotion that ``to_json`` wrote, equal to it in every part."""
    return Promotion(
        code=value["code"],
        kind=value["kind"],
        name=value["name"],
        shares=tuple((UUID(line_id), amount) for line_id, amount in value["shares"]),
        counts=tuple(UUID(line_id) for line_id in value["counts"]),
        steps=tuple(PromotionStep(**step) for step in value["steps"]),
        buy=value["buy"],
        get=value["get"],
        percent_bp=value["percent_bp"],
        parts=tuple((UUID(line_id), units) for line_id, units in value["parts"]),
    )
