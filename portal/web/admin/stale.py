"""A write that came too late: what was sent and what is there now, side by side, and two ways on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from flask import request, url_for
from werkzeug.wrappers import Response

from portal.services.handling import dossiers
from portal.web.actor import person
from portal.web.admin.dossiers import who
from portal.web.admin.shapes import Column
from portal.web.page import now, page
from portal.web.words import gettext as _
from portal.web.words import speak, words

NEVER_AGAIN = ("csrf_token", "version", "password")
"""Fields that a form that is sent again does not bring from the one before."""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One thing in both versions, each as a person reads it."""

    label: str
    mine: str
    theirs: str

    @property
    def differs(self) -> bool:
        return self.mine != self.theirs


@dataclass(frozen=True, kw_only=True)
class Change:
    """Who was faster: what was done, by whom, when."""

    what: str
    who: str
    at: datetime | None


def refused(
    *,
    shown: Iterable[tuple[str, str, str]],
    version: object,
    instead: str,
    subject_id: UUID | None = None,
    change: Change | None = None,
    again: bool = True,
    why_not: str = "",
    currency: str = "",
    field: str = "version",
) -> Response:
    """The page of a refused write (409): nothing was written, and nothing that was typed is lost.

    ``shown`` is (label, what was sent, what is there now); ``version`` the one that is there now, with which
    the same form is sent again in its ``field``; ``instead`` the page that shows what is there. Who was faster
    stands in the history of ``subject_id``, whose gate the caller has passed, or is told as ``change``.
    ``again`` is False where the same cannot be done any more; ``why_not`` says so.
    """
    rows = [Shown(label=label, mine=mine, theirs=theirs) for label, mine, theirs in shown]
    return page(
        "admin/steps/stale.html",
        rows=rows,
        columns=columns(),
        change=change or (latest(subject_id, currency) if subject_id else None),
        again=again,
        why_not=why_not,
        action=request.full_path.rstrip("?"),
        typed=_typed(field),
        version_field=field,
        version=str(version),
        files=any(upload.filename for upload in request.files.values()),
        instead=instead,
        status=409,
    )


def refused_step(
    return_id: UUID, *, mine: str, again: bool = False, rows: Iterable[tuple[str, str, str]] = ()
) -> Response:
    """The same for a step of a return: ``mine`` is what the step would have made of it, beside its state now.

    ``rows`` are further things in both versions. Raises ``NotFound``, ``NotAllowed``.
    """
    found = dossiers.dossier(person(), return_id, now=now())
    speak(zone=found.page.merchant.zone)
    draft = found.page.draft
    state = words().state("return", draft.state).name
    return refused(
        shown=[(_("State"), mine, state), *rows],
        version=draft.version,
        instead=url_for("admin.returns.show", return_id=return_id),
        subject_id=return_id,
        again=again,
        why_not="" if again else _("That is not possible any more: it is now “%(state)s”.", state=state),
        currency=draft.currency,
    )


def columns() -> tuple[Column, ...]:
    """Of a table with both versions."""
    return (
        Column(name=_("What")),
        Column(name=_("What you sent")),
        Column(name=_("What is there now")),
    )


def _typed(field: str) -> Sequence[tuple[str, str]]:
    """Every field of the form as it was sent, to be sent again."""
    left_out = {*NEVER_AGAIN, field}
    return [(name, value) for name, value in request.form.items(multi=True) if name not in left_out]


def latest(subject_id: UUID, currency: str = "") -> Change | None:
    """Who changed that last, whose gate the caller has passed."""
    last = dossiers.latest(subject_id)
    if last is None:
        return None
    return Change(
        what=words().event(last.what, last.details, currency),
        who=who(last.actor_kind, last.actor_name),
        at=last.at,
    )
