"""What the messages about a cancellation say: units, totals, money and days of the queue, written out."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from portal.words import Words, cancelling

AMOUNTS = {"back": cancelling.BACK, "released": cancelling.RELEASED, "due_less": cancelling.LESS}


def cancellation(words: Words, told: Mapping[str, Any], currency: str) -> dict[str, Any]:
    """``told`` in words. Raises ``KeyError`` for what every such message needs: its lines and the totals."""
    expires_at = datetime.fromisoformat(told["expires_at"]) if told.get("expires_at") else None
    amounts = {mode: told.get(key, 0) for key, mode in AMOUNTS.items()}
    return {
        "by_agent": told.get("asked_by") == "agent",
        "message": told.get("message", ""),
        "expires": words.moment(expires_at) if expires_at else "",
        "lines": [_line(words, line) for line in told["lines"]],
        "stays": [_line(words, line) for line in told.get("stays", ())],
        "before": words.money(told["before"]["total"], currency),
        "after": words.money(told["after"]["total"], currency),
        "outcome": cancelling.headline(words, amounts, currency),
        "label": cancelling.label(words, amounts),
        "moves": bool(told.get("back")),
        "because": words.ended(told["ended"].get("code", "")) if told.get("ended") else "",
        "scores": [(value, words.score(value)) for value in sorted(cancelling.SCORES, reverse=True)],
    }


def _line(words: Words, line: Mapping[str, Any]) -> dict[str, Any]:
    ends_on = date.fromisoformat(line["ends_on"][:10]) if line.get("ends_on") else None
    return {
        "name": line["name"],
        "variant": line.get("variant", ""),
        "units": line["units"],
        "code": "",
        "note": words.ending(line.get("ending", ""), ends_on),
    }
