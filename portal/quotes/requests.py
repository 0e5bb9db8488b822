"""A request file and a policy file: read, and checked for what no schema can say."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from portal.core.cancellations import Constraint
from portal.core.facts import OrderFacts, ReturnRequest
from portal.core.policy import terms as policies
from portal.core.policy.rules import needs_photo
from portal.core.policy.terms import BadTerms, Terms
from portal.core.reasons import REASONS
from portal.quotes import schema
from portal.quotes.faults import BadInput, Fault, below
from portal.quotes.forms import Names, made


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request with the moment it is worked out at, and the zone in which its days are counted."""

    request: ReturnRequest
    now: datetime
    zone: tzinfo
    by_customer: bool = True
    constraints: tuple[Constraint, ...] = ()


def read(value: Any, terms: Terms, names: Names) -> Asked:
    """The request that the file states. Raises ``BadInput`` with every fault."""
    found = list(schema.faults("request", value))
    if found:
        raise BadInput(found)
    wanted = [_evident(one, terms) for one in value["wanted"]]
    try:
        request = made(ReturnRequest, {**value, "wanted": wanted}, names)
        now = datetime.fromisoformat(value.get("now", value["requested_at"]))
    except ValueError as problem:
        raise BadInput([Fault(path="request", message=f"has a moment that is none ({problem})")]) from None
    try:
        zone: tzinfo = ZoneInfo(value["zone"]) if "zone" in value else UTC
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadInput([Fault(path="request.zone", message=f"{value['zone']!r} is no time zone")]) from None
    constraints = tuple(made(Constraint, one, names) for one in value.get("constraints", ()))
    by_customer = value.get("by_customer", True)
    return Asked(request=request, now=now, zone=zone, by_customer=by_customer, constraints=constraints)


def _evident(wanted: Mapping[str, Any], terms: Terms) -> Mapping[str, Any]:
    """Photos and a note count as given where the file says nothing of them: it states a case of money."""
    reason = REASONS.get(wanted.get("reason") or "")
    evidence = {
        "photos": 1 if needs_photo(wanted.get("reason"), terms) else 0,
        "note": "-" if reason is not None and reason.note_required else "",
    }
    return {**evidence, **wanted}


def unknown(value: Any, order: OrderFacts, names: Names) -> Iterator[Fault]:
    """Lines and payments that the request names and the order does not have; other faults do not hide them."""
    if not isinstance(value, Mapping):
        return
    lines, payments = {line.id for line in order.lines}, {payment.id for payment in order.payments}
    for key in ("wanted", "constraints"):
        for i, one in _listed(value.get(key)):
            text = one.get("line_id") if isinstance(one, Mapping) else None
            if isinstance(text, str) and names.id(text) not in lines:
                path = below("request", key, i, "line_id")
                yield Fault(path=path, message=f"the order has no line {text!r}")
    tenders = value.get("tenders")
    pairs = tenders.items() if isinstance(tenders, Mapping) else (one for _, one in _listed(tenders))
    for pair in pairs:
        text = pair[0] if isinstance(pair, list | tuple) and pair else None
        if isinstance(text, str) and names.id(text) not in payments:
            yield Fault(path=below("request", "tenders", text), message="the order has no such payment")


def _listed(value: Any) -> Iterator[tuple[int, Any]]:
    yield from enumerate(value if isinstance(value, list) else ())


def policy(value: Any) -> Terms:
    """The terms that the file states: bare, or in a table ``policy`` as ``flask create-merchant`` takes them.

    Raises ``BadInput`` with every fault.
    """
    if isinstance(value, Mapping) and isinstance(value.get("policy"), Mapping):
        value = value["policy"]
    found = list(schema.faults("policy", value))
    if found:
        raise BadInput(found)
    try:
        return policies.from_json(value)
    except BadTerms as problem:
        told = [one.partition(": ") for one in problem.faults]
        raise BadInput(Fault(path=path, message=message) for path, _, message in told) from None
