"""What the shop's rule decided for a return, in words for its page and for the entry."""

from __future__ import annotations

from dataclasses import dataclass

from portal.core.workflows import Decision
from portal.web.words import gettext as _
from portal.web.words import words
from portal.words import workflows as told


@dataclass(frozen=True, kw_only=True)
class Ruling:
    """One decision as people read it."""

    name: str
    """The rule's, as it was when it decided."""
    outcome: str
    tone: str
    about: str
    why: tuple[tuple[str, str], ...]
    version: int
    wish: str
    outcome_code: str


def worded(decision: Decision | None, currency: str) -> Ruling | None:
    """None where no rule decided and the policy did."""
    if decision is None or not decision.by_rule:
        return None
    outcome, tone = told.outcome(words(), decision.outcome)
    return Ruling(
        name=decision.rule,
        outcome=outcome,
        tone=tone,
        about=_(told.ABOUT[decision.outcome]) if decision.outcome in told.ABOUT else "",
        why=told.why(words(), decision, currency),
        version=decision.version,
        wish=_(told.WISHES[decision.wish]) if decision.wish else "",
        outcome_code=decision.outcome,
    )
