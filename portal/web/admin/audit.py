"""Who did what: the history of the merchants, looked through, taken away, and proved to be what was written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import Blueprint, request, url_for
from werkzeug.wrappers import Response

from portal.core.access import PERMISSIONS, ROLES
from portal.core.listing import day_from
from portal.services.lists import audit_log
from portal.services.lists.audit_log import EntryFacts, Wanted
from portal.services.proofs import verifying_history
from portal.web.actor import needs, person
from portal.web.admin import list_file
from portal.web.admin.dossiers import changes, who
from portal.web.admin.returns import as_id
from portal.web.admin.shapes import Column
from portal.web.page import page
from portal.web.words import gettext as _
from portal.web.words import words

bp = Blueprint("audit", __name__)

PER_PAGE = 50


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One row of history in words."""

    facts: EntryFacts
    what: str
    who: str
    when: str
    changes: tuple[tuple[str, str, str], ...]
    """(what, before, after)"""


@bp.get("/audit")
@needs("audit.read")
def index() -> Response:
    """What happened, the newest first."""
    wanted, day_is_wrong = _wanted()
    found = audit_log.entries(
        person(), wanted, after=as_id(request.args.get("after", "")), limit=PER_PAGE + 1
    )
    shown = found[:PER_PAGE]
    query = _query(wanted)
    return page(
        "admin/audit/index.html",
        columns=[
            Column(name=name) for name in (_("When"), _("Who"), _("What"), _("Before and after"), _("Return"))
        ],
        rows=[entry(one) for one in shown],
        wanted=wanted,
        day_is_wrong=day_is_wrong,
        query=query,
        several=len(person().merchant_ids) > 1,
        next_url=url_for("admin.audit.index", after=shown[-1].id, **query) if len(found) > PER_PAGE else None,
        first_url=url_for("admin.audit.index", **query) if request.args.get("after") else None,
    )


@bp.get("/audit.csv")
@needs("audit.read")
def file() -> Response:
    """Exactly this list, as it was written."""
    wanted, _day_is_wrong = _wanted()
    head = ("at", "merchant", "number", "what", "who", "kind", "return", "details", "before", "after")

    def told(one: EntryFacts) -> list_file.Row:
        return (
            one.at.isoformat(),
            one.merchant,
            str(one.sequence),
            one.what,
            one.actor_name,
            one.actor_kind,
            one.number,
            _flat(one.details),
            _flat({name: pair[0] for name, pair in one.changed.items()}),
            _flat({name: pair[1] for name, pair in one.changed.items()}),
        )

    def read(after: UUID | None) -> tuple[Sequence[EntryFacts], UUID | None]:
        return list_file.by_id(audit_log.entries(person(), wanted, after=after, limit=list_file.AT_ONCE))

    return list_file.streamed(head, told, read, "history.csv")


@bp.get("/audit/proof")
@needs("audit.read")
def proof() -> Response:
    """Whether every row is as it was written, worked out now."""
    return page("admin/audit/proof.html", chains=verifying_history.of_actor(person()), told=faults())


@bp.get("/roles")
@needs("returns.read")
def roles() -> Response:
    """Which role may do what: the table that every page and every use case asks."""
    rows = [(words().permission(name), [role in PERMISSIONS[name] for role in ROLES]) for name in PERMISSIONS]
    columns = [Column(name=_("Permission")), *(Column(name=words().role(role)) for role in ROLES)]
    return page("admin/audit/roles.html", columns=columns, rows=rows)


def entry(one: EntryFacts) -> Entry:
    currency = str(one.details.get("currency") or one.currency)
    return Entry(
        facts=one,
        what=words().event(one.what, one.details, currency),
        who=who(one.actor_kind, one.actor_name),
        when=words().moment(one.at),
        changes=changes(one.changed, currency),
    )


def faults() -> dict[str, str]:
    """What is wrong with a row of history, in words."""
    return {
        "edited": _("What it says is not what was written."),
        "removed": _("It is not there."),
        "inserted": _("It was put in between."),
        "reordered": _("It stands in another place than it was written in."),
        "broken": _("It does not follow the one before: either was changed or taken out."),
        "rewritten": _("The chain was written anew from here or before."),
        "cut_off": _("The end of the chain is missing."),
        "added": _("It stands after the end of the chain."),
    }


def _plain(value: Any) -> str:
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return _("Yes") if value else _("No")
    if isinstance(value, dict):
        return _flat(value)
    if isinstance(value, list):
        return ", ".join(_plain(one) for one in value)
    return str(value)


def _flat(value: Mapping[str, Any]) -> str:
    return "; ".join(f"{name}: {_plain(one)}" for name, one in value.items())


def _wanted() -> tuple[Wanted, bool]:
    """What the address looks for, and whether its day is none."""
    day, is_wrong = None, False
    if typed := request.args.get("day", "").strip():
        try:
            day = day_from(typed)
        except ValueError:
            is_wrong = True
    said = {name: request.args.get(name, "").strip()[:60] for name in ("who", "what", "number")}
    return Wanted(day=day, merchant_id=as_id(request.args.get("merchant", "")), **said), is_wrong


def _query(wanted: Wanted) -> dict[str, str]:
    told = {"who": wanted.who, "what": wanted.what, "number": wanted.number}
    told["day"] = wanted.day.isoformat() if wanted.day else ""
    told["merchant"] = str(wanted.merchant_id or "")
    return {name: value for name, value in told.items() if value}
