"""What a person may overrule, and who: a rule of the shop yields to a reason, a fact does not."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from uuid import UUID

from portal.core.access import PERMISSIONS, NotAllowed
from portal.core.policy.verdict import Finding, Verdict

OVERRULED_BY: dict[str, str] = {
    "picture_requested": "returns.approve",
    "more_information": "returns.approve",
    "approval_by_reason": "returns.approve",
    "approval_by_condition": "returns.approve",
    "approval_always": "returns.approve",
    "no_record_of_sale": "returns.approve",
    "approval_by_value": "returns.override",
    "approval_by_rule": "returns.override",
    "window_expired": "returns.override",
    "final_sale": "returns.override",
    "not_eligible_category": "returns.override",
}
"""Finding -> permission. What is missing here (units that are not there, an unknown line) stays."""


@dataclass(frozen=True, kw_only=True)
class Override:
    """One objection set aside: which, on which line (None: the whole return), and why."""

    code: str
    reason: str
    line_id: UUID | None = None


class NotOverrulable(ValueError):
    """That objection states a fact, or no reason was given; ``code`` says which finding."""

    def __init__(self, code: str, why: str) -> None:
        super().__init__(f"{code}: {why}")
        self.code = code


def may_overrule(finding: Finding, role: str) -> bool:
    """Whether that role may set the finding aside."""
    permission = OVERRULED_BY.get(finding.code)
    return permission is not None and role in PERMISSIONS[permission]


def overrule(verdict: Verdict, overrides: Iterable[Override], *, role: str) -> Verdict:
    """``verdict`` without the findings that are set aside; they are kept as ``overruled``.

    Raises ``NotOverrulable`` for a fact or without a reason, ``NotAllowed`` when the role may not.
    """
    chosen = {}
    for override in overrides:
        permission = OVERRULED_BY.get(override.code)
        if permission is None:
            raise NotOverrulable(override.code, "states a fact")
        if not override.reason.strip():
            raise NotOverrulable(override.code, "a reason is needed")
        if role not in PERMISSIONS[permission]:
            raise NotAllowed(permission)
        chosen[override.code, override.line_id] = override
    gone = tuple(finding for finding in verdict.findings if (finding.code, finding.line_id) in chosen)
    kept = tuple(finding for finding in verdict.findings if (finding.code, finding.line_id) not in chosen)
    explained = tuple(
        replace(f, details={**f.details, "overruled_because": chosen[f.code, f.line_id].reason}) for f in gone
    )
    return replace(verdict, findings=kept, overruled=(*verdict.overruled, *explained))
