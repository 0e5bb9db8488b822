"""What a policy says, how two versions differ, and what that does to past returns, in words for its pages."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from portal.core.money import Minor
from portal.core.policy.changes import Change
from portal.core.policy.terms import Terms
from portal.core.rejudging import Rejudged, Totals
from portal.services.rules import policies
from portal.web.words import gettext as _
from portal.web.words import words
from portal.words import policies as told
from portal.words.refunds import RULES

EXAMPLES: dict[str, str] = {
    "windows": '{"windows": [{"days": 60, "reason": "defective"}, {"days": 7, "category": "food"}]}',
    "restocking_fee.tiers": (
        '{"restocking_fee": {"tiers": [{"percent_bp": 0, "up_to_days": 14}, '
        '{"percent_bp": 1500, "conditions": ["used"]}, {"percent_bp": 500}]}}'
    ),
    "depreciation": '{"depreciation": [{"by": "age", "over": 730, "free": 30, "most_bp": 8000}]}',
    "accessory_deductions": '{"accessory_deductions": {"charger": 1500, "manual": 200}}',
    "deals": (
        '{"promotions": "re_evaluate", "deals": [{"code": "SPEND50", "kind": "spend", '
        '"steps": [{"reach": 5000, "percent_bp": 1000}]}, '
        '{"code": "3FOR2", "kind": "buy_get", "buy": 2, "get": 1}]}'
    ),
}
"""Term -> how it can look, for terms that are tables."""


@dataclass(frozen=True, kw_only=True)
class ChangeRow:
    """One term that differs, in words."""

    name: str
    path: str
    before: str
    after: str


@dataclass(frozen=True, kw_only=True)
class MoneyRow:
    """Refunds of one currency under both terms, and the rules that make the difference."""

    currency: str
    before: Minor
    after: Minor
    difference: Minor
    rules: tuple[tuple[str, Minor], ...]


@dataclass(frozen=True, kw_only=True)
class Effect:
    """What a changed policy would have done, added up."""

    looked_at: int
    differing: int
    without_order: int
    outcomes: tuple[tuple[str, int, int], ...]
    money: tuple[MoneyRow, ...]


@dataclass(frozen=True, kw_only=True)
class ReturnRow:
    """One return that would have gone another way."""

    id: UUID
    number: str
    currency: str
    verdicts: tuple[tuple[str, str], ...]
    """(words, tone), one where it stays the same, else before and after."""
    before: Minor | None
    after: Minor | None
    why: tuple[str, ...]


def effect_of(totals: Totals) -> Effect:
    return Effect(
        looked_at=totals.looked_at,
        differing=totals.differing,
        without_order=totals.without_order,
        outcomes=tuple(
            (_outcome(name)[0], before, after) for name, (before, after) in totals.outcomes.items()
        ),
        money=tuple(
            MoneyRow(
                currency=currency,
                before=sums.before,
                after=sums.after,
                difference=sums.difference,
                rules=tuple((_rule(rule), amount) for rule, amount in sums.rules.items() if amount),
            )
            for currency, sums in sorted(totals.sums.items())
        ),
    )


def _outcome(outcome: str) -> tuple[str, str]:
    """The words of a verdict, and their tone."""
    return {
        "allowed": (_("Allowed"), "good"),
        "review": (_("Looked at by a person"), "wait"),
        "refused": (_("Refused"), "bad"),
    }[outcome]


def _rule(rule: str) -> str:
    """A rule in words: of a refund's row, else the term that an objection comes from."""
    return words().gettext(RULES[rule]) if rule in RULES else told.name(words(), rule)


def return_row(one: Rejudged) -> ReturnRow:
    currency = one.past.currency
    outcomes = dict.fromkeys((one.before.outcome, one.after.outcome))
    was = {(finding.code, finding.line_id) for finding in one.before.findings}
    why = [
        words().finding(finding, currency)
        for finding in one.after.findings
        if (finding.code, finding.line_id) not in was
    ]
    if len(outcomes) == 1:
        why += [f"{row.label}: {row.formatted}" for row in words().changes(one.rows, currency)]
    return ReturnRow(
        id=one.past.id,
        number=one.past.number,
        currency=currency,
        verdicts=tuple(_outcome(outcome) for outcome in outcomes),
        before=one.before.amount,
        after=one.after.amount,
        why=tuple(dict.fromkeys(why)),
    )


def worded(changed: Iterable[Change], currency: str) -> tuple[ChangeRow, ...]:
    return tuple(
        ChangeRow(
            name=told.name(words(), one.path),
            path=one.path,
            before=told.value(words(), one.path, one.before, currency),
            after=told.value(words(), one.path, one.after, currency),
        )
        for one in changed
    )


def all_terms(terms: Terms, currency: str) -> tuple[tuple[str, str], ...]:
    """(name, value) of every term, as they are read."""
    plain = policies.as_plain(terms)
    return tuple(
        (told.name(words(), path), told.value(words(), path, _at(plain, path), currency))
        for path in told.TERMS
    )


def _at(plain: dict[str, Any], path: str) -> Any:
    found: Any = plain
    for key in path.split("."):
        found = found[key]
    return found
