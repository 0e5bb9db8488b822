"""Every rule asked, every objection told: allowed, review, or refused."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo
from typing import Any
from uuid import UUID

from portal.core.facts import LineFacts, OrderFacts, ReturnRequest, Wanted
from portal.core.policy import rules
from portal.core.policy.cases import REFUSED, REVIEW, Case, Finding
from portal.core.policy.terms import Terms
from portal.core.policy.windows import returnable_until
from portal.core.reasons import REASONS

__all__ = ["REFUSED", "REVIEW", "Finding", "LineOffer", "Refused", "Verdict", "judge", "offers", "to_json"]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """All findings at once, with the version of the terms they were made with."""

    findings: tuple[Finding, ...]
    policy_version: int
    overruled: tuple[Finding, ...] = ()
    """What a person set aside, with a reason; it no longer counts."""

    @property
    def outcome(self) -> str:
        """``refused`` before ``review`` before ``allowed``."""
        weights = {finding.weight for finding in self.findings}
        return REFUSED if REFUSED in weights else REVIEW if REVIEW in weights else "allowed"

    @property
    def allowed(self) -> bool:
        return self.outcome == "allowed"

    def of(self, line_id: UUID | None) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.line_id == line_id)


class Refused(Exception):
    """The policy refuses; ``verdict`` holds every reason."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(", ".join(finding.code for finding in verdict.findings))
        self.verdict = verdict


@dataclass(frozen=True, kw_only=True)
class LineOffer:
    """What the items page says beside one line: how many may come back, until when, or why not."""

    line_id: UUID
    units: int
    """Shipped units that are in nobody's return."""
    unshipped: int
    """Units that were not sent, so that nothing of them can come back; they may be canceled instead."""
    until: date | None
    """Last day, inclusive, where the reason has no window of its own; None where nothing was shipped yet."""
    until_at_best: date | None
    """Last day, inclusive, for the reason with the longest window."""
    findings: tuple[Finding, ...]
    """What stands against one unit without any reason given."""
    choosable: bool
    """Whether there is a reason with which a unit may come back (a final sale item that arrived broken)."""


def judge(
    order: OrderFacts | None, request: ReturnRequest, terms: Terms, *, now: datetime, zone: tzinfo = UTC
) -> Verdict:
    """All that stands against ``request``, at once, each with its rule.

    Windows are judged by the day ``request.requested_at`` fell on in the merchant's ``zone``: for a draft
    give ``now``. Without an order only the shape is judged, and a person decides.
    """
    case = Case(order=order, request=request, terms=terms, at=min(request.requested_at, now), zone=zone)
    return Verdict(findings=_once(rules.ask(case)), policy_version=terms.version)


def offers(order: OrderFacts, terms: Terms, *, now: datetime, zone: tzinfo = UTC) -> tuple[LineOffer, ...]:
    """Per thing bought, in the order of the receipt, whether and until when it may come back."""
    reasons = _telling_reasons(terms)
    return tuple(_offer(order, line, terms, reasons, now=now, zone=zone) for line in order.items)


def to_json(verdict: Verdict) -> dict[str, Any]:
    """``verdict`` as plain JSON values; days as ``YYYY-MM-DD``."""
    return {
        "outcome": verdict.outcome,
        "policy_version": verdict.policy_version,
        "findings": [_finding_json(finding) for finding in verdict.findings],
        "overruled": [_finding_json(finding) for finding in verdict.overruled],
    }


def _finding_json(finding: Finding) -> dict[str, Any]:
    return {
        "code": finding.code,
        "weight": finding.weight,
        "rule": finding.rule,
        "line_id": None if finding.line_id is None else str(finding.line_id),
        "details": {
            key: item.isoformat() if isinstance(item, date) else item for key, item in finding.details.items()
        },
    }


def _once(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Each objection once, also where a line was asked for twice."""
    return tuple({(f.code, f.rule, f.line_id, str(f.details)): f for f in findings}.values())


def _offer(
    order: OrderFacts,
    line: LineFacts,
    terms: Terms,
    reasons: tuple[str | None, ...],
    *,
    now: datetime,
    zone: tzinfo,
) -> LineOffer:
    def against(reason: str | None) -> tuple[Finding, ...]:
        wanted = Wanted(line_id=line.id, units=1, reason=reason)
        request = ReturnRequest(wanted=(wanted,), requested_at=now)
        case = Case(order=order, request=request, terms=terms, at=now, zone=zone)
        return _once(rules.ask_line(case, wanted, line, rules.ELIGIBILITY))

    findings = against(None)
    days = [returnable_until(line, terms, order, reason=reason, zone=zone) for reason in reasons]
    known = [day for day in days if day is not None]
    return LineOffer(
        line_id=line.id,
        units=line.returnable_units,
        unshipped=line.unshipped_units,
        until=days[0],
        until_at_best=max(known, default=None),
        findings=findings,
        choosable=terms.active
        and any(all(f.weight != REFUSED for f in against(reason)) for reason in reasons),
    )


def _telling_reasons(terms: Terms) -> tuple[str | None, ...]:
    """No reason, and of the customer's reasons one per fault and every one with a window of its own."""
    windows = {window.reason for window in terms.windows}
    chosen = {reason.fault: code for code, reason in reversed(REASONS.items()) if reason.by_customer}
    return (None, *dict.fromkeys((*chosen.values(), *(code for code in REASONS if code in windows))))
