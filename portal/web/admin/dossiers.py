"""A return as its page shows it: lines in every count, what may be done next, refunds, history in words."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from flask import url_for

from portal.core.access import Actor
from portal.core.facts import STAYS
from portal.core.refunds.breakdown import Breakdown, Row
from portal.core.returns import DraftLine
from portal.services.filing.closing import OPEN_REFUNDS
from portal.services.handling.dossiers import Dossier, HappeningFacts, InspectionFacts
from portal.services.ledgers import credit_notes
from portal.services.paying import approvals
from portal.services.refunding.refunds import RefundFacts
from portal.web.admin.refund_rows import RefundRow, refund_row
from portal.web.admin.shapes import Action, Happening
from portal.web.words import gettext as _
from portal.web.words import words


@dataclass(frozen=True, kw_only=True)
class LineRow:
    """One line with what was found of it, and why it was allowed."""

    line: DraftLine
    inspections: tuple[InspectionFacts, ...]
    why: tuple[str, ...]
    quarantined: int


@dataclass(frozen=True, kw_only=True)
class Paper:
    """A document to open: its format and size, and where it is."""

    name: str
    url: str


PRIMARY = {
    "requested": ("approve",),
    "needs_info": ("approve",),
    "approved": ("receive",),
    "in_transit": ("receive",),
    "partially_received": ("inspect", "refund", "receive"),
    "received": ("inspect", "refund"),
    "inspected": ("refund", "close"),
    "draft": ("prepare",),
}
"""The next step of each state, the most likely first; only one is shown as such."""

DANGER = ("decline",)
LATE = ("ship", "close", "reopen", "cancel")
"""Steps that are seldom taken: they stand last, and quietly unless they are the next one."""


def actions(found: Dossier, actor: Actor, *, due: Breakdown | None) -> tuple[Action, ...]:
    """What this person may do now: the primary one first, then the rest."""
    draft = found.page.draft
    possible = _possible(found, actor, due)
    wanted = next((step for step in PRIMARY.get(draft.state, ()) if step in possible), None)
    order = ([wanted] if wanted else []) + [step for step in possible if step != wanted]
    return tuple(_action(step, draft.id, primary=step == wanted) for step in order)


def _possible(found: Dossier, actor: Actor, due: Breakdown | None) -> list[str]:
    draft, allowed = found.page.draft, set(found.allowed)
    steps: list[str] = []
    if draft.state == "draft" and actor.may("returns.create", draft.merchant_id):
        steps.append("prepare")
    if "approve" in allowed:
        steps += ["approve", "decline"]
    if {"receive", "receive_some"} & allowed and any(line.received < line.authorized for line in draft.lines):
        steps.append("receive")
    if "inspect" in allowed and any(line.received > line.accepted + line.rejected for line in draft.lines):
        steps.append("inspect")
    if due is not None and due.amount > 0 and actor.may("refunds.propose", draft.merchant_id):
        steps.append("refund")
    if draft.kind in STAYS:  # nothing is sent, and it ends with its refund
        return [step for step in steps if step == "refund"]
    if any(refund.state in OPEN_REFUNDS for refund in found.refunds):
        allowed.discard("close")  # its money has to be decided first
    return steps + [step for step in ("ship", "close", "reopen", "cancel") if step in allowed]


def _action(step: str, return_id: UUID, *, primary: bool) -> Action:
    pages = {
        "prepare": ("admin.prepare.show", _("Go on with the draft")),
        "decline": ("admin.steps.decline", words().button("decline")),
        "receive": ("admin.dock.open_return", words().button("receive")),
        "inspect": ("admin.dock.open_return", words().button("inspect")),
        "refund": ("admin.refunds.new", _("Refund")),
        "close": ("admin.steps.close", words().button("close")),
        "reopen": ("admin.steps.reopen", words().button("reopen")),
    }
    posts = {
        "approve": ("admin.steps.approve", words().button("approve")),
        "ship": ("admin.steps.ship", words().button("ship")),
        "cancel": ("admin.steps.cancel", words().button("cancel")),
    }
    endpoint, name = {**pages, **posts}[step]
    mode = {"inspect": "grade"}.get(step)  # the dock takes in, or grades what is there
    url = url_for(endpoint, return_id=return_id, mode=mode)
    return Action(
        step=step,
        name=name,
        url=url if step in pages else None,
        post=url if step in posts else None,
        primary=primary,
        danger=step in DANGER,
        late=step in LATE and not primary,
    )


def lines(found: Dossier) -> tuple[LineRow, ...]:
    """The lines in their order, each with its inspections and the findings of its verdict."""
    page = found.page
    return tuple(
        LineRow(
            line=line,
            inspections=tuple(one for one in found.inspections if one.line_id == line.id),
            why=tuple(
                dict.fromkeys(
                    words().finding(finding, page.draft.currency)
                    for finding in page.verdict.of(line.order_line_id or line.id)
                )
            )
            if page.draft.state in ("draft", "requested", "needs_info")
            else (),
            quarantined=found.stock.get(line.sku, {}).get("quarantine", 0),
        )
        for line in page.draft.lines
    )


def verdict(found: Dossier) -> tuple[str, ...]:
    """Why a person has to decide, while it waits for that."""
    if found.page.draft.state not in ("requested", "needs_info"):
        return ()
    return tuple(
        dict.fromkeys(
            words().finding(finding, found.page.draft.currency) for finding in found.page.verdict.findings
        )
    )


def papers(found: Dossier) -> dict[str, list[Paper]]:
    """kind -> its papers, the printable ones first."""
    shown: dict[str, list[Paper]] = {}
    order = ("pdf", "png", "svg", "zpl")
    for one in sorted(found.documents, key=lambda one: (order.index(one["format"]), one["size"])):
        size = "A4" if one["size"] == "a4" else one["size"]
        url = url_for(
            "admin.returns.paper",
            return_id=found.page.draft.id,
            kind=one["kind"],
            format=one["format"],
            size=one["size"] or None,
        )
        shown.setdefault(one["kind"], []).append(
            Paper(name=f"{one['format'].upper()} {size}".strip(), url=url)
        )
    return shown


def refunds(found: Dossier, actor: Actor) -> tuple[RefundRow, ...]:
    """The refunds, newest first, for whoever may see money; else none."""
    return refund_rows(found.refunds, actor, found.page.draft.merchant_id, now=found.page.now)


def refund_rows(
    made: Sequence[RefundFacts], actor: Actor, merchant_id: UUID, *, now: datetime
) -> tuple[RefundRow, ...]:
    """Refunds of one return, newest first, for whoever may see money of its merchant; else none."""
    if not actor.may("refunds.read", merchant_id):
        return ()
    standings = approvals.standings_of([refund.id for refund in made], now=now)
    notes = credit_notes.of_refunds([refund.id for refund in made])
    return tuple(
        replace(refund_row(refund, actor, standings[refund.id]), notes=notes.get(refund.id, ()))
        for refund in reversed(made)
    )


def history(found: Dossier, *, with_money: bool = True) -> tuple[Happening, ...]:
    """What happened, newest first; saves of a draft one after the other by the same person are one entry.

    Without ``with_money`` no amount that was changed is told.
    """
    happened = found.history
    if not with_money:
        happened = tuple(
            replace(one, changed={field: pair for field, pair in one.changed.items() if not _is_money(field)})
            for one in happened
        )
    return told(happened, found.page.draft.currency)


def _is_money(field: str) -> bool:
    """Whether a field of the history holds an amount: they are named so."""
    return "_minor" in field or "amount" in field


def told(happened: Sequence[HappeningFacts], currency: str) -> tuple[Happening, ...]:
    """A history in words, newest first; what is the same as the entry before it is told once."""
    shown: list[Happening] = []
    for one in reversed(happened):
        entry = Happening(
            what=words().event(one.what, one.details, currency),
            who=who(one.actor_kind, one.actor_name),
            when=words().moment(one.at),
            text=_about_units(one.details) if one.what.startswith("order_line.") else _text(one.details),
            changes=changes(one.changed, currency),
        )
        if shown and _same(shown[-1], entry):
            continue
        shown.append(entry)
    return tuple(shown)


def _same(newer: Happening, older: Happening) -> bool:
    """Whether the newer entry says all that the older one does."""
    if (newer.what, newer.who, newer.text) != (older.what, older.who, older.text):
        return False
    return not older.changes or older.changes == newer.changes


def changes(changed: Mapping[str, Any], currency: str) -> tuple[tuple[str, str, str], ...]:
    """(what, before, after) of everything that was changed, in words."""
    said = words()
    return tuple(
        (
            said.field(name),
            said.changed_value(name, pair[0], currency) or "–",
            said.changed_value(name, pair[1], currency) or "–",
        )
        for name, pair in changed.items()
    )


def who(kind: str, name: str) -> str:
    """Who did something, as a history names them."""
    if kind == "system":
        return _("Portal")
    if kind == "link":
        return _("%(name)s (customer)", name=name) if name else _("Customer")
    return name or kind


def _text(details: dict[str, object]) -> str | None:
    """What somebody wrote with it, and what was counted."""
    parts = []
    if counts := _counted(details.get("counts")):
        parts.append(counts)
    if damaged := _counted(details.get("damaged")):
        parts.append(_("Damaged: %(what)s", what=damaged))
    if other := _counted(details.get("other")):
        parts.append(_("Something else: %(what)s", what=other))
    parts += _decided(details)
    for key in ("note", "message", "reason_given", "proof"):
        if details.get(key):
            parts.append(str(details[key]))
    return "\n".join(parts) or None


def _about_units(details: dict[str, Any]) -> str | None:
    """Of a cancellation: which units, the order before and after, why, and what was written with it."""
    said, currency = words(), str(details.get("currency") or "")
    before, after = (details.get(side) for side in ("before", "after"))
    parts = [said.join(f"{one.get('units')} × {one.get('name')}" for one in _listed(details.get("lines")))]
    if isinstance(before, dict) and isinstance(after, dict) and before.get("total") != after.get("total"):
        was, is_now = (said.money(side["total"], currency) for side in (before, after))
        parts.append(_("Total of the order: %(before)s before, %(after)s now.", before=was, after=is_now))
    if details.get("reason_given"):
        parts.append(said.cancel_reason(str(details["reason_given"])))
    if details.get("code") not in (None, "", "withdrawn", "expired", "declined"):
        parts.append(said.ended(str(details["code"])))
    parts += [str(details[key]) for key in ("note", "message") if details.get(key)]
    return "\n".join(part for part in parts if part) or None


def _decided(details: dict[str, object]) -> list[str]:
    """What a person decided differently, each with before and after."""
    said, currency = words(), str(details.get("currency") or "")
    parts = [f"{row.label}: {row.basis}" for row in said.changes(_rows(details.get("changes")), currency)]
    for one in _listed(details.get("tenders")):
        name = one.get("label") or said.tender(str(one.get("tender")))
        was, is_now = said.money(one["before"], currency), said.money(one["after"], currency)
        parts.append(f"{name}: " + _("%(before)s before, %(after)s now.", before=was, after=is_now))
    if details.get("way"):
        parts.append(_("Goes back: %(way)s", way=said.way(str(details["way"]))))
    waived: Any = details.get("waived") or ()
    if waived:
        parts.append(_("Left out: %(what)s", what=said.join(said.deduction(str(rule)) for rule in waived)))
    for one in _listed(details.get("missing")):
        codes = [said.accessory(str(code)) for code in one.get("codes", ())]
        parts.append(
            _("Missing of %(name)s: %(what)s", name=one.get("label"), what=said.join(codes) or _("nothing"))
        )
    return parts


def _rows(changes: object) -> Iterable[Row]:
    """The changes of a history as rows of a breakdown, to be said in the same words."""
    return [
        Row(
            code=one["code"],
            amount=one["basis"]["after"] - one["basis"]["before"],
            rule=one["rule"],
            label=one["label"],
            basis=one["basis"],
        )
        for one in _listed(changes)
    ]


def _listed(value: object) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _counted(counts: object) -> str:
    """Units by name as one text; empty where nothing was counted."""
    if not isinstance(counts, dict):
        return ""
    return words().join(f"{units} × {name}" for name, units in counts.items())
