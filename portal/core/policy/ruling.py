"""What a rule of the shop's workflow does to the policy's verdict: it sets wishes aside, or adds its own."""

from dataclasses import replace

from portal.core.policy.cases import REFUSED, REVIEW, Finding
from portal.core.policy.terms import Terms
from portal.core.policy.verdict import Verdict
from portal.core.returns import Draft
from portal.core.workflows import ASK_PHOTOS, AT_ONCE, SUPERVISOR, Decision

WISHES = ("approval_always", "approval_by_reason", "approval_by_condition", "approval_by_value")
"""What the policy wants a person to look at; a rule that approves at once says otherwise. A refusal, and that
there is no order to look at, stay."""

RULE = "workflow"


def ruled(verdict: Verdict, decision: Decision | None, draft: Draft, terms: Terms) -> Verdict:
    """``verdict`` with what ``decision`` says of ``draft``."""
    if decision is None:
        return verdict
    if decision.outcome in AT_ONCE:
        return _set_aside(verdict, decision)
    if decision.outcome == SUPERVISOR:
        asks = Finding(
            code="approval_by_rule",
            weight=REVIEW,
            rule=RULE,
            details={"role": "supervisor", "name": decision.rule},
        )
        return replace(verdict, findings=(*verdict.findings, asks))
    if decision.outcome == ASK_PHOTOS:
        return replace(verdict, findings=(*verdict.findings, *_pictures(verdict, draft, terms)))
    return verdict


def _set_aside(verdict: Verdict, decision: Decision) -> Verdict:
    gone = tuple(
        replace(finding, details={**finding.details, "overruled_because": decision.rule})
        for finding in verdict.findings
        if finding.code in WISHES
    )
    kept = tuple(finding for finding in verdict.findings if finding.code not in WISHES)
    return replace(verdict, findings=kept, overruled=(*verdict.overruled, *gone))


def _pictures(verdict: Verdict, draft: Draft, terms: Terms) -> tuple[Finding, ...]:
    """One objection for each line that a photo is asked of and that has none, where the policy has not made it."""
    told = {finding.line_id for finding in verdict.findings if finding.code == "picture_requested"}
    return tuple(
        Finding(
            code="picture_requested",
            weight=REFUSED,
            rule=RULE,
            line_id=line.order_line_id or line.id,
            details={"reason": line.reason, "maximum": terms.max_photos},
        )
        for line in draft.lines
        if line.photo_asked and not line.photos and (line.order_line_id or line.id) not in told
    )
