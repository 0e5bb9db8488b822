"""A merchant's rules: which reason, condition, value or customer decides what happens with a return.

The first rule that fits decides; where none fits, the policy does. A rule never refuses, and never stands
between a customer and a statutory withdrawal.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any
from uuid import UUID

from portal.core.money import Minor
from portal.core.policy.reading import record
from portal.core.reasons import CHANNELS, CONDITIONS, DISPOSITIONS, GRADES, REASONS, disposition_for

APPROVE, ASK_PHOTOS, SUPERVISOR = "approve", "ask_photos", "supervisor"
NO_RETURN, EXCHANGE_FIRST = "refund_without_return", "exchange_first"
INSPECT_FIRST, RECALL = "inspect_first", "recall"
OUTCOMES = (APPROVE, ASK_PHOTOS, SUPERVISOR, NO_RETURN, EXCHANGE_FIRST, INSPECT_FIRST, RECALL)
"""What a rule can decide, as its page offers it."""
POLICY = "policy"
"""The outcome where no rule fits."""

HANDLINGS = (NO_RETURN, EXCHANGE_FIRST, INSPECT_FIRST, RECALL)
"""Outcomes that steer the rest of a return's way; the others are over once it is submitted."""

DELAYING = (ASK_PHOTOS, SUPERVISOR, EXCHANGE_FIRST, INSPECT_FIRST)
"""Outcomes that put something between the customer and the money: never for a withdrawal by law."""

AT_ONCE = (APPROVE, NO_RETURN, RECALL)
"""Outcomes that approve without anybody having looked."""

STATUTORY = "statutory_withdrawal"
WISHES = ("exchange", "refund")
"""What a customer chooses who is offered an exchange first."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Conditions and an outcome. What is left empty asks nothing; amounts are minor units of the order's currency."""

    id: str
    name: str
    outcome: str
    on: bool = True
    reasons: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()
    """Declared conditions."""
    categories: tuple[str, ...] = ()
    """Product categories, in any case."""
    skus: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    value_from: Minor | None = None
    value_to: Minor | None = None
    """The worth of all units asked for, both ends inclusive; an order must be known."""
    rate_from_bp: int | None = None
    """So many of the customer's orders, in basis points, had a return."""
    rate_orders: int = 5
    """Of so many newest orders; with fewer the rate says nothing."""
    returns_from: int | None = None
    """At least so many earlier returns ..."""
    returns_days: int = 90
    """... within so many days."""

    @property
    def asks_history(self) -> bool:
        return self.rate_from_bp is not None or self.returns_from is not None


@dataclass(frozen=True, kw_only=True)
class DispositionRule:
    """What is proposed at the dock for units of these grades, reasons, conditions and categories."""

    id: str
    name: str
    disposition: str
    on: bool = True
    grades: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()
    """As the customer declared them."""
    categories: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Rules:
    """All rules of a merchant, in the order in which they are asked."""

    rules: tuple[Rule, ...] = ()
    dispositions: tuple[DispositionRule, ...] = ()


NO_RULES = Rules()


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One line of a return as the rules look at it."""

    id: UUID
    reason: str | None
    condition: str | None
    sku: str = ""
    category: str = ""


@dataclass(frozen=True, kw_only=True)
class History:
    """What is known of a customer from before this return."""

    orders: tuple[bool, ...] = ()
    """Their orders, the newest first: whether anything of it was asked back."""
    returns: tuple[int, ...] = ()
    """How many whole days ago each earlier return was submitted."""

    def rate_bp(self, orders: int) -> int | None:
        """The part of the newest ``orders`` that had a return, in basis points; None where there are fewer."""
        if orders < 1 or len(self.orders) < orders:
            return None
        return sum(self.orders[:orders]) * 10_000 // orders

    def within(self, days: int) -> int:
        return sum(1 for age in self.returns if age < days)


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Everything that the rules look at."""

    lines: tuple[Asked, ...]
    channel: str
    kind: str = "return"
    value: Minor | None = None
    """What was paid for the units asked for; None where no order is known."""
    history: History = History()

    @property
    def is_statutory(self) -> bool:
        """Whether the law gives the customer this return: then nothing may be put in its way."""
        return self.kind == "withdrawal" or any(line.reason == STATUTORY for line in self.lines)


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What was decided, by which rule of which version, and what made the rule fit."""

    version: int
    outcome: str
    rule_id: str = ""
    rule: str = ""
    """Its name as it was then."""
    why: tuple[tuple[str, str | int], ...] = ()
    """(what was looked at, what was found): ``reason``, ``condition``, ``category``, ``sku``, ``channel``,
    ``value``, ``rate_bp``, ``returns``."""
    lines: tuple[UUID, ...] = ()
    """The lines that made it fit."""
    wish: str = ""
    """Of an exchange that was offered first: what the customer chose (``WISHES``)."""
    asked_as: str = ""
    """Of goods that stay: the kind of the return that was asked for, by which its refund is worked out."""

    @property
    def by_rule(self) -> bool:
        return self.outcome != POLICY

    @property
    def handling(self) -> str:
        """What the rest of the return's way is steered by; empty for the ordinary one."""
        return self.outcome if self.outcome in HANDLINGS else ""


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """What is proposed for units at the dock; ``rule`` is empty where no rule of the merchant says it."""

    disposition: str
    rule: str = ""


def decide(rules: Rules, facts: Facts, *, version: int = 0) -> Decision:
    """What the first rule that fits says, else that the policy decides."""
    for rule in rules.rules:
        found = _fit(rule, facts)
        if found is not None:
            return Decision(
                version=version,
                outcome=rule.outcome,
                rule_id=rule.id,
                rule=rule.name,
                why=tuple(_why(rule, facts, found)),
                lines=tuple(line.id for line in found),
            )
    return Decision(version=version, outcome=POLICY)


def _fit(rule: Rule, facts: Facts) -> tuple[Asked, ...] | None:
    """The lines that make the rule fit; None where it does not."""
    if not rule.on or (facts.is_statutory and rule.outcome in DELAYING):
        return None
    if rule.outcome == NO_RETURN and (not facts.value or facts.kind == "warranty"):
        return None  # nothing is known that could be given back, or it is to be repaired
    if rule.channels and facts.channel not in rule.channels:
        return None
    if not _worth(rule, facts) or not _known_customer(rule, facts.history):
        return None
    found = tuple(line for line in facts.lines if _fits_line(rule, line))
    if rule.outcome == NO_RETURN and len(found) < len(facts.lines):
        return None  # what does not come back is decided for all of it, or a parcel is sent anyway
    return found or None


def _fits_line(rule: Rule, line: Asked) -> bool:
    """All that is asked of a line is asked of the same one."""
    return (
        (not rule.reasons or line.reason in rule.reasons)
        and (not rule.conditions or line.condition in rule.conditions)
        and (not rule.categories or _in(line.category, rule.categories))
        and (not rule.skus or _in(line.sku, rule.skus))
    )


def _in(word: str, words: Iterable[str]) -> bool:
    return word.strip().lower() in {one.strip().lower() for one in words} if word.strip() else False


def _worth(rule: Rule, facts: Facts) -> bool:
    if rule.value_from is None and rule.value_to is None:
        return True
    if facts.value is None:
        return False
    least = rule.value_from if rule.value_from is not None else facts.value
    most = rule.value_to if rule.value_to is not None else facts.value
    return least <= facts.value <= most


def _known_customer(rule: Rule, history: History) -> bool:
    if rule.rate_from_bp is not None:
        rate = history.rate_bp(rule.rate_orders)
        if rate is None or rate < rule.rate_from_bp:
            return False
    return rule.returns_from is None or history.within(rule.returns_days) >= rule.returns_from


def _why(rule: Rule, facts: Facts, found: tuple[Asked, ...]) -> Iterator[tuple[str, str | int]]:
    """What the rule asked for, as it was found; each fact once."""
    for name, wanted in (
        ("reason", rule.reasons),
        ("condition", rule.conditions),
        ("category", rule.categories),
        ("sku", rule.skus),
    ):
        if wanted:
            yield from ((name, said) for said in dict.fromkeys(str(getattr(line, name)) for line in found))
    if rule.channels:
        yield "channel", facts.channel
    if facts.value is not None and (rule.value_from is not None or rule.value_to is not None):
        yield "value", facts.value
    rate = facts.history.rate_bp(rule.rate_orders)
    if rule.rate_from_bp is not None and rate is not None:
        yield "rate_bp", rate
    if rule.returns_from is not None:
        yield "returns", facts.history.within(rule.returns_days)


def propose_disposition(
    rules: Rules,
    *,
    grade: str,
    reason: str | None = None,
    category: str = "",
    handling: str = "",
    condition: str | None = None,
) -> Proposal:
    """What the first rule that fits proposes for units of ``grade``, else what the house proposes for it.

    Units of a recall are kept apart whatever a rule says, as far as there are any. Raises ``KeyError`` for an
    unknown grade.
    """
    if handling == RECALL and grade != "M":
        return Proposal(disposition="quarantine")
    for rule in rules.dispositions:
        if (
            rule.on
            and (not rule.grades or grade in rule.grades)
            and (not rule.reasons or reason in rule.reasons)
            and (not rule.conditions or condition in rule.conditions)
            and (not rule.categories or _in(category, rule.categories))
        ):
            return Proposal(disposition=rule.disposition, rule=rule.name)
    return Proposal(disposition=disposition_for(grade))


# ------------------------------------------------------------------------------------------------- as data


class BadRules(ValueError):
    """Rules that cannot be; ``faults`` are all of them, each with its path."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = tuple(faults)


def to_json(rules: Rules) -> dict[str, Any]:
    """``rules`` as plain JSON values, complete."""
    return {
        "rules": [_plain(one) for one in rules.rules],
        "dispositions": [_plain(one) for one in rules.dispositions],
    }


def _plain(one: Rule | DispositionRule) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(one).items()}


def from_json(value: Mapping[str, Any]) -> Rules:
    """Rules from JSON. Raises ``BadRules`` with every fault and its path."""
    faults: list[str] = []
    rules: Rules | None = record(Rules, value, "rules", faults)
    if rules is not None:
        faults = list(_faults(rules))
    if rules is None or faults:
        raise BadRules(faults)
    return rules


def _faults(rules: Rules) -> Iterator[str]:
    every: tuple[Rule | DispositionRule, ...] = (*rules.rules, *rules.dispositions)
    ids = [one.id for one in every]
    if len(ids) != len(set(ids)):
        yield "rules: two have the same id"
    for i, rule in enumerate(rules.rules):
        yield from judged(rule, f"rules[{i}]")
    for i, proposal in enumerate(rules.dispositions):
        yield from judged(proposal, f"dispositions[{i}]")


def judged(rule: Rule | DispositionRule, path: str = "rule") -> Iterator[str]:
    """All that is wrong with one rule: unknown codes, ranges that hold nothing, amounts below nothing."""
    if not rule.id or not rule.name.strip():
        yield f"{path}.name: missing"
    yield from _unknown(f"{path}.reasons", rule.reasons, REASONS)
    yield from _unknown(f"{path}.conditions", rule.conditions, CONDITIONS)
    if isinstance(rule, DispositionRule):
        yield from _unknown(f"{path}.grades", rule.grades, GRADES)
        yield from _unknown(f"{path}.disposition", (rule.disposition,), DISPOSITIONS)
        return
    yield from _unknown(f"{path}.outcome", (rule.outcome,), OUTCOMES)
    yield from _unknown(f"{path}.channels", rule.channels, CHANNELS)
    if rule.value_from is not None and rule.value_to is not None and rule.value_from > rule.value_to:
        yield f"{path}.value_to: less than value_from"
    if rule.rate_from_bp is not None and rule.rate_from_bp > 10_000:
        yield f"{path}.rate_from_bp: at most 10000 (100 %)"
    if rule.rate_orders < 1 or rule.returns_days < 1:
        yield (
            f"{path}.rate_orders: at least 1" if rule.rate_orders < 1 else f"{path}.returns_days: at least 1"
        )


def _unknown(path: str, codes: Iterable[str], known: Iterable[str]) -> Iterator[str]:
    yield from (f"{path}: {code!r} is unknown" for code in codes if code not in known)


def decision_json(decision: Decision) -> dict[str, Any]:
    """``decision`` as plain JSON values."""
    plain = asdict(decision)
    return plain | {
        "why": [list(fact) for fact in decision.why],
        "lines": [str(line) for line in decision.lines],
    }


def decision_from(value: Mapping[str, Any]) -> Decision:
    """What ``decision_json`` wrote."""
    return Decision(
        version=value["version"],
        outcome=value["outcome"],
        rule_id=value.get("rule_id", ""),
        rule=value.get("rule", ""),
        why=tuple((name, found) for name, found in value.get("why", ())),
        lines=tuple(UUID(line) for line in value.get("lines", ())),
        wish=value.get("wish", ""),
        asked_as=value.get("asked_as", ""),
    )


# ------------------------------------------------------------------------------------- two versions compared


@dataclass(frozen=True, kw_only=True)
class Change:
    """How one rule differs between two versions: ``added``, ``removed``, ``moved`` or ``changed`` in ``fields``."""

    what: str
    rule: Rule | DispositionRule
    """As it is after; of a removed one as it was."""
    before: Rule | DispositionRule | None = None
    fields: tuple[str, ...] = ()
    place: int = 0
    """Where it is now, from 1; of a removed one where it was."""
    was: int = 0


def changes(before: Rules, after: Rules) -> tuple[Change, ...]:
    """Every rule in which the two differ, in the order of the newer; what was removed comes last."""
    return (*_differing(before.rules, after.rules), *_differing(before.dispositions, after.dispositions))


def _differing(
    before: Sequence[Rule | DispositionRule], after: Sequence[Rule | DispositionRule]
) -> Iterator[Change]:
    was: dict[str, Rule | DispositionRule] = {one.id: one for one in before}
    there = {one.id for one in after}
    kept_before = [one.id for one in before if one.id in there]
    kept_after = [one.id for one in after if one.id in was]
    for place, rule in enumerate(after, start=1):
        old = was.get(rule.id)
        if old is None:
            yield Change(what="added", rule=rule, place=place)
            continue
        differing = tuple(f.name for f in fields(rule) if getattr(rule, f.name) != getattr(old, f.name))
        since = [one.id for one in before].index(rule.id) + 1
        if differing:
            yield Change(what="changed", rule=rule, before=old, fields=differing, place=place, was=since)
        elif kept_before.index(rule.id) != kept_after.index(rule.id):
            yield Change(what="moved", rule=rule, before=old, place=place, was=since)
    for place, one in enumerate(before, start=1):
        if one.id not in there:
            yield Change(what="removed", rule=one, place=place, was=place)


def moved(rules: tuple[Any, ...], rule_id: str, to: str | int) -> tuple[Any, ...]:
    """``rules`` with one of them ``up``, ``down``, at the ``top``, the ``bottom``, or at a place from 0.

    Raises ``KeyError`` where there is no such rule.
    """
    places = {one.id: place for place, one in enumerate(rules)}
    here = places[rule_id]
    last = len(rules) - 1
    words = {"up": here - 1, "down": here + 1, "top": 0, "bottom": last}
    place = words[to] if isinstance(to, str) else to
    rest = [one for one in rules if one.id != rule_id]
    rest.insert(max(0, min(place, last)), rules[here])
    return tuple(rest)
