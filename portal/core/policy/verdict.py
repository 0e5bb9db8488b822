"""Every rule asked, every objection told: allowed, review, or refused."""

from dataclasses import dataclass, field
from uuid import UUID

REFUSED, REVIEW = "refused", "review"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One objection of one rule. ``weight`` is ``refused`` or ``review`` (a person decides).

    ``code`` is the vocabulary's; ``rule`` names the term it comes from; ``details`` holds what the
    sentence needs (``last_day``, ``maximum`` ...). ``line_id`` is None for the whole return.
    """

    code: str
    weight: str
    rule: str
    line_id: UUID | None = None
    details: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """All findings at once, with the version of the terms they were made with."""

    findings: tuple[Finding, ...]
    policy_version: int

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
