"""What the policy has against a return, and who sets it aside: by approving, or by role and with a reason."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from portal.core.access import Actor, Conflict, NotAllowed
from portal.core.policy.overrides import OVERRULED_BY, Override, overrule
from portal.core.policy.verdict import REFUSED, Finding, Refused, Verdict, judge, to_json
from portal.core.returns import DraftLine
from portal.core.workflows import SUPERVISOR
from portal.db.returns import Return
from portal.services import scope
from portal.services.filing.returns import Page, as_request, read

BY_APPROVING = "returns.approve"
"""Objections that this permission may set aside are set aside by approving; others need a reason each."""

BY_OVERRIDING = "returns.override"


def objections(row: Return, page: Page, *, now: datetime) -> tuple[Finding, ...]:
    """What stands against what is asked for and was not refused, as of the day it was submitted."""
    at = row.submitted_at or now
    request = as_request(page.draft, now=at)
    return judge(page.order, request, page.terms, now=at, zone=ZoneInfo(page.zone)).findings


def of_return(
    actor: Actor, return_id: UUID, *, lines: Sequence[DraftLine] = (), now: datetime
) -> tuple[tuple[Finding, ...], bool]:
    """The objections that need a reason each, and whether they, or a rule, need somebody who may override.

    With ``lines`` (as they would be decided) also what would stand against those: another reason of the customer
    has other terms. Raises ``NotFound``, ``NotAllowed``.
    """
    row = scope.return_row(actor, return_id, BY_APPROVING)
    page = read(row, now=now)
    found = also = objections(row, page, now=now)
    if lines:
        also = objections(row, replace(page, draft=replace(page.draft, lines=tuple(lines))), now=now)
    needed = {(one.code, one.line_id): one for one in (*found, *also) if needs_reason(one)}
    return tuple(needed.values()), needs_supervisor(row, found)


def needs_reason(finding: Finding) -> bool:
    """Whether approving is not enough: somebody with more rights says why it is set aside."""
    return OVERRULED_BY.get(finding.code) == BY_OVERRIDING


def with_reason(row: Return, page: Page, reason: str, *, now: datetime) -> list[Override]:
    """The same reason for everything that needs one; nothing without a reason."""
    if not reason.strip():
        return []
    return [
        Override(code=finding.code, reason=reason.strip(), line_id=finding.line_id)
        for finding in objections(row, page, now=now)
        if needs_reason(finding)
    ]


def needs_supervisor(row: Return, findings: Iterable[Finding]) -> bool:
    """Whether the policy, or a rule of the merchant, leaves it to somebody who may override."""
    by_rule = (row.decision or {}).get("outcome") == SUPERVISOR
    return by_rule or any(needs_reason(finding) for finding in findings)


def set_aside(actor: Actor, row: Return, page: Page, overrides: Sequence[Override], *, now: datetime) -> None:
    """Decide every objection; what needed a reason is kept with the verdict, with the reason that was given.

    Raises ``Refused`` for what states a fact, ``NotAllowed`` where a supervisor must, and
    ``Conflict("override_needed")`` with the findings that nobody gave a reason for.
    """
    found = objections(row, page, now=now)
    facts = tuple(one for one in found if one.code not in OVERRULED_BY and one.weight == REFUSED)
    if facts:
        raise Refused(Verdict(findings=facts, policy_version=page.terms.version))
    if needs_supervisor(row, found) and not actor.may(BY_OVERRIDING, row.merchant_id):
        raise NotAllowed(BY_OVERRIDING)
    given = [one for one in overrides if one.reason.strip() and one.code in OVERRULED_BY]
    said = {(one.code, one.line_id) for one in given}
    missing = [one for one in found if needs_reason(one) and (one.code, one.line_id) not in said]
    if missing:
        raise Conflict("override_needed", findings=missing)
    role = "admin" if actor.kind == "system" else actor.roles[row.merchant_id]
    judged = overrule(Verdict(findings=found, policy_version=page.terms.version), given, role=role)
    _keep(row, to_json(judged)["overruled"])


def _keep(row: Return, overruled: list[dict[str, Any]]) -> None:
    """Move what was set aside out of the findings that count."""
    before = row.verdict or {"outcome": "allowed", "policy_version": 0, "findings": [], "overruled": []}
    gone = {(one["code"], one["line_id"]) for one in overruled}
    left = [one for one in before["findings"] if (one["code"], one["line_id"]) not in gone]
    row.verdict = {**before, "findings": left, "overruled": [*before.get("overruled", []), *overruled]}


def put_back(row: Return) -> None:
    """A decision is taken back: what it set aside counts again."""
    before = row.verdict
    if before is None or not before.get("overruled"):
        return
    again = [
        {**one, "details": {k: v for k, v in one["details"].items() if k != "overruled_because"}}
        for one in before["overruled"]
    ]
    row.verdict = {**before, "findings": [*before["findings"], *again], "overruled": []}
