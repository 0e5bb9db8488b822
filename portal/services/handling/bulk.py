"""The same step for many returns: each in a transaction of its own, with a result of its own."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from portal.core.access import Actor, Conflict, NotAllowed, NotFound, Stale
from portal.core.lifecycles import IllegalStep
from portal.core.policy.verdict import Finding, Refused
from portal.core.reasons import DECLINE_REASONS
from portal.core.shipping import Document
from portal.db.base import transaction
from portal.ports import Gateways
from portal.services import scope
from portal.services.filing import objecting, shipping
from portal.services.handling import assigning, deciding, tags
from portal.services.talking import notices

MOST = 200
"""Returns of one go."""

NEEDED = {
    "approve": objecting.BY_APPROVING,
    "decline": objecting.BY_APPROVING,
    "undo": objecting.BY_APPROVING,
    "assign": "returns.assign",
    "tag": "returns.assign",
    "labels": "returns.read",
    "resend": "returns.create",
}
"""action -> the permission that each row of it asks for; what nobody could do to any return is not offered."""
ACTIONS = tuple(NEEDED)
UNDONE = ("approve", "decline")
"""What can be taken back for all of them at once."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What became of one return; ``code`` is empty where it was done, else says why not."""

    return_id: UUID
    number: str = ""
    """Empty where whoever asks may not know of it."""
    code: str = ""
    details: dict[str, Any] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    version: int | None = None
    """Of a return that was decided: what it is at since, to be named by whoever takes that back."""

    @property
    def done(self) -> bool:
        return not self.code


def offered(actor: Actor) -> tuple[str, ...]:
    """The actions that this actor may do to a return of at least one shop."""
    return tuple(action for action, permission in NEEDED.items() if actor.may_somewhere(permission))


def run(
    actor: Actor,
    action: str,
    return_ids: Sequence[UUID],
    *,
    now: datetime,
    reason: str = "",
    message: str = "",
    person_id: UUID | None = None,
    tag: str = "",
    versions: Mapping[UUID, int] | None = None,
    grace: int = 0,
) -> list[Result]:
    """Do ``action`` (of ``ACTIONS``) to every return, each once, in the order given; answers what became of each.

    A row that fails leaves the others alone; one that is not the actor's is ``not_found``, one that is at another
    of the ``versions`` by now than a decision that is taken back is ``stale``. Raises ``Conflict``:
    ``too_many_returns`` beyond ``MOST``, ``unknown_reason`` for a decline without one, ``tag_empty``.
    """
    ids = _each(return_ids)
    if action == "decline" and reason not in DECLINE_REASONS:
        raise Conflict("unknown_reason", reason=reason)
    if action == "tag" and not tags.tidy(tag):
        raise Conflict("tag_empty")
    steps: dict[str, Callable[[UUID], object]] = {
        "approve": lambda one: deciding.approve(actor, one, now=now, grace=grace),
        "decline": lambda one: deciding.decline(
            actor, one, reason=reason, message=message, now=now, grace=grace
        ),
        "undo": lambda one: deciding.undo(actor, one, now=now, version=(versions or {}).get(one)),
        "assign": lambda one: assigning.assign(actor, one, person_id, now=now),
        "tag": lambda one: tags.add(actor, one, tag, now=now),
        "labels": lambda one: shipping.label_picture(actor, one),
        "resend": lambda one: notices.resend_last(actor, one, now=now),
    }
    if action not in steps:
        raise ValueError(f"no such action: {action}")
    return [_one(actor, one, steps[action], decides=action in UNDONE) for one in ids]


def labels(actor: Actor, return_ids: Sequence[UUID], *, gateways: Gateways, language: str) -> Document:
    """One PDF of the labels of these returns, in this order; what has none is left out.

    Raises ``Conflict``: ``too_many_returns`` beyond ``MOST``, ``no_label`` where none has one.
    """
    found = []
    for one in _each(return_ids):
        with suppress(NotFound, NotAllowed, Conflict):
            found.append(shipping.label_picture(actor, one))
    if not found:
        raise Conflict("no_label")
    return gateways.documents.labels(found, language=language)


def _each(return_ids: Sequence[UUID]) -> list[UUID]:
    ids = list(dict.fromkeys(return_ids))
    if len(ids) > MOST:
        raise Conflict("too_many_returns", maximum=MOST)
    return ids


def _one(actor: Actor, return_id: UUID, step: Callable[[UUID], object], *, decides: bool) -> Result:
    """One return, with whatever stood against it as its result."""
    try:
        with transaction():
            row = scope.return_row(actor, return_id, "returns.read")
            number, state = row.number or "", row.state
    except (NotFound, NotAllowed):
        return Result(return_id=return_id, code="not_found")
    if decides and state in deciding.DECIDED:
        return Result(return_id=return_id, number=number, code="decided_already", details={"state": state})
    try:
        step(return_id)
    except NotFound:
        return Result(return_id=return_id, code="not_found")
    except NotAllowed:
        return Result(return_id=return_id, number=number, code="not_allowed")
    except Stale:
        return Result(return_id=return_id, number=number, code="stale")
    except IllegalStep as problem:
        details = {"state": problem.state, "lifecycle": problem.lifecycle}
        return Result(return_id=return_id, number=number, code="illegal_step", details=details)
    except Refused as problem:
        found = problem.verdict.findings
        return Result(return_id=return_id, number=number, code="refused", findings=found)
    except Conflict as problem:
        objections: Any = problem.details.get("findings", ())
        findings = tuple(objections) if problem.code == "override_needed" else ()
        plain = {key: value for key, value in problem.details.items() if key != "findings"}
        return Result(return_id=return_id, number=number, code=problem.code, details=plain, findings=findings)
    version = deciding.version_of(actor, return_id) if decides else None
    return Result(return_id=return_id, number=number, version=version)
