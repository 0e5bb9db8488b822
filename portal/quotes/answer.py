"""What the engine and the policy say to a request, as the JSON that the schema calls ``answer``."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeVar

from portal.core.facts import CANCELLATIONS, OrderFacts
from portal.core.policy import verdict as verdicts
from portal.core.policy.terms import Terms
from portal.core.policy.verdict import REFUSED, Finding, Verdict, judge
from portal.core.refunds import breakdown as breakdowns
from portal.core.refunds.breakdown import Breakdown, Negative, NotGranted, NotTheSum, TooMuch
from portal.core.refunds.engine import quote
from portal.quotes import canceled, orders, prior, requests, schema
from portal.quotes.faults import BadInput, Fault
from portal.quotes.forms import Names
from portal.quotes.requests import Asked

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A quote: the refund (None where the engine refuses), every objection, and ``plain``, all of it as JSON."""

    order: OrderFacts
    breakdown: Breakdown | None
    verdict: Verdict
    plain: dict[str, Any]

    @property
    def refused(self) -> bool:
        return bool(self.plain["refused"])


def answer(order: Any, request: Any, policy: Any = None, priors: Sequence[tuple[str, Any]] = ()) -> Answer:
    """The answer to plain JSON values, read by ``texts``; ``priors`` with the path that their faults are told by.

    Raises ``BadInput`` with every fault of all of them.
    """
    names, faults = Names(), list[Fault]()
    terms = _kept(faults, lambda: Terms() if policy is None else requests.policy(policy))
    kind = request.get("kind") if isinstance(request, Mapping) else None
    facts = _kept(faults, lambda: orders.read(order, names, sent=kind not in CANCELLATIONS))
    asked = _kept(faults, lambda: requests.read(request, terms or Terms(), names))
    if facts is not None:
        faults += requests.unknown(request, facts, names)
    notes: list[str] = []
    for path, value in priors:
        if facts is None:
            faults += schema.faults("prior", value, path)
            continue
        applied = _kept(faults, _applying(facts, value, names, path))
        if applied is not None:
            facts, odd = applied
            notes += odd
    if faults or terms is None or facts is None or asked is None:
        raise BadInput(faults)
    return _answer(facts, asked, terms, names, notes)


def _kept(faults: list[Fault], read: Callable[[], T]) -> T | None:
    """What ``read`` gives; what it finds wrong goes to ``faults``, so that the next file is read too."""
    try:
        return read()
    except BadInput as problem:
        faults += problem.faults
        return None


def _applying(
    order: OrderFacts, value: Any, names: Names, path: str
) -> Callable[[], tuple[OrderFacts, tuple[str, ...]]]:
    return lambda: prior.applied(order, value, names, path)


def _answer(order: OrderFacts, asked: Asked, terms: Terms, names: Names, notes: list[str]) -> Answer:
    cancels = asked.request.kind in CANCELLATIONS
    request = canceled.whole(order, asked) if cancels else asked.request
    refusals = list[dict[str, Any]]()
    breakdown = None
    try:
        breakdown = quote(order, request, terms, now=asked.now)
    except (TooMuch, Negative, NotGranted, NotTheSum) as problem:
        refusals.append(_by_the_engine(problem, names))
    if cancels:
        verdict = canceled.verdict(order, request, terms, asked)
    else:
        verdict = judge(order, request, terms, now=asked.now, zone=asked.zone)
    refusals += [_by_the_policy(finding, names) for finding in verdict.findings if finding.weight == REFUSED]
    plain = {
        "kind": request.kind,
        "currency": order.currency,
        "policy_version": terms.version,
        "differs": order.differs,
        "notes": notes,
        "refused": bool(refusals),
        "refusals": refusals,
        "verdict": names.told(verdicts.to_json(verdict)),
        "breakdown": None if breakdown is None else names.told(told(breakdown)),
    }
    if cancels:
        plain |= names.told(canceled.told(order, request, terms, asked, breakdown))
    return Answer(order=order, breakdown=breakdown, verdict=verdict, plain=plain)


def told(breakdown: Breakdown) -> dict[str, Any]:
    """The breakdown as it is stored, with its sums."""
    return {
        "total": breakdown.amount if breakdown.assessed else None,
        "owed": breakdown.owed,
        "added": breakdown.added,
        "exchanged": breakdown.exchanged,
        "tax": breakdown.tax,
        **breakdowns.to_json(breakdown),
    }


def _by_the_engine(problem: TooMuch | Negative | NotGranted | NotTheSum, names: Names) -> dict[str, Any]:
    told: dict[str, Any] = {"code": "negative", "what": "", "maximum": None}
    if isinstance(problem, TooMuch):
        told = {"code": "too_much", "what": problem.what, "maximum": problem.maximum}
    elif isinstance(problem, NotGranted):
        told = {"code": "not_granted", "what": problem.missing, "maximum": None}
    elif isinstance(problem, NotTheSum):
        told = {"code": "not_the_sum", "what": "tenders", "maximum": problem.due}
    return {
        **told,
        "line_id": names.text(getattr(problem, "line_id", None)),
        "payment_id": names.text(getattr(problem, "payment_id", None)),
        "message": str(problem),
    }


def _by_the_policy(finding: Finding, names: Names) -> dict[str, Any]:
    maximum = finding.details.get("maximum")
    details = (
        f"{key} {item.isoformat() if isinstance(item, date) else item}"
        for key, item in finding.details.items()
        if not isinstance(item, list)
    )
    return {
        "code": finding.code,
        "what": finding.rule,
        "maximum": maximum if isinstance(maximum, int) else None,
        "line_id": names.text(finding.line_id),
        "message": f"{finding.code.replace('_', ' ')}: {', '.join(details)}".removesuffix(": "),
    }
