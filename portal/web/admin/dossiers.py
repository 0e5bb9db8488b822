"""A return as its page shows it: lines in every count, what may be done next, refunds, history in words."""

from dataclasses import dataclass
from uuid import UUID

from flask import url_for

from portal.core.access import Actor
from portal.core.lifecycles import REFUND
from portal.core.refunds.breakdown import Breakdown
from portal.core.returns import DraftLine
from portal.services.dossiers import Dossier, InspectionFacts
from portal.services.refunds import RefundFacts
from portal.web.admin.amounts import Explained, explained
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
class RefundRow:
    """One refund with its breakdown in words and the steps this person may take."""

    refund: RefundFacts
    explained: Explained
    may_approve: bool
    may_retry: bool
    may_cancel: bool
    may_settle: bool


@dataclass(frozen=True, kw_only=True)
class Paper:
    """A document to open: its format and size, and where it is."""

    name: str
    url: str


PRIMARY = {
    "requested": ("approve",),
    "approved": ("receive",),
    "in_transit": ("receive",),
    "partially_received": ("inspect", "refund", "receive"),
    "received": ("inspect", "refund"),
    "inspected": ("refund", "close"),
    "declined": ("undo",),
    "draft": ("prepare",),
}
"""The next step of each state, the most likely first; only one is shown as such."""

DANGER = ("decline", "cancel")


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
    return steps + [step for step in ("undo", "ship", "close", "reopen", "cancel") if step in allowed]


def _action(step: str, return_id: UUID, *, primary: bool) -> Action:
    pages = {
        "prepare": ("admin.prepare.show", _("Go on with the draft")),
        "decline": ("admin.steps.decline", words().button("decline")),
        "receive": ("admin.steps.receive", words().button("receive")),
        "inspect": ("admin.steps.inspect", words().button("inspect")),
        "refund": ("admin.refunds.new", _("Refund")),
        "close": ("admin.steps.close", words().button("close")),
        "reopen": ("admin.steps.reopen", words().button("reopen")),
    }
    posts = {
        "approve": ("admin.steps.approve", words().button("approve")),
        "undo": ("admin.steps.undo", words().button("undo")),
        "ship": ("admin.steps.ship", words().button("ship")),
        "cancel": ("admin.steps.cancel", words().button("cancel")),
    }
    endpoint, name = {**pages, **posts}[step]
    url = url_for(endpoint, return_id=return_id)
    return Action(
        step=step,
        name=name,
        url=url if step in pages else None,
        post=url if step in posts else None,
        primary=primary,
        danger=step in DANGER,
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
            if page.draft.state in ("draft", "requested")
            else (),
            quarantined=found.stock.get(line.sku, {}).get("quarantine", 0),
        )
        for line in page.draft.lines
    )


def verdict(found: Dossier) -> tuple[str, ...]:
    """Why a person has to decide, while it waits for that."""
    if found.page.draft.state != "requested":
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
    merchant_id = found.page.draft.merchant_id
    if not actor.may("refunds.read", merchant_id):
        return ()
    return tuple(refund_row(refund, actor) for refund in reversed(found.refunds))


def refund_row(refund: RefundFacts, actor: Actor) -> RefundRow:
    """One refund with what this person may do about it."""
    approves = actor.may("refunds.approve", refund.merchant_id)
    paid = any(payout.state not in ("planned", "failed", "canceled") for payout in refund.payouts)
    return RefundRow(
        refund=refund,
        explained=explained(refund.breakdown),
        may_approve=approves and refund.state == "pending_approval",
        may_retry=approves and REFUND.can(refund.state, "retry"),
        may_cancel=actor.may("refunds.propose", refund.merchant_id)
        and REFUND.can(refund.state, "cancel")
        and not paid,
        may_settle=approves and any(payout.state == "requires_action" for payout in refund.payouts),
    )


def history(found: Dossier) -> tuple[Happening, ...]:
    """What happened, newest first; saves of a draft one after the other by the same person are one entry."""
    shown: list[Happening] = []
    for one in reversed(found.history):
        said = words().event(one.what, one.details, found.page.draft.currency)
        entry = Happening(
            what=said,
            who=_who(one.actor_kind, one.actor_name),
            when=words().moment(one.at),
            text=_text(one.details),
        )
        if shown and (shown[-1].what, shown[-1].who, shown[-1].text) == (entry.what, entry.who, entry.text):
            continue
        shown.append(entry)
    return tuple(shown)


def _who(kind: str, name: str) -> str:
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
    for key in ("note", "message"):
        if details.get(key):
            parts.append(str(details[key]))
    return "\n".join(parts) or None


def _counted(counts: object) -> str:
    """Units by name as one text; empty where nothing was counted."""
    if not isinstance(counts, dict):
        return ""
    return words().join(f"{units} × {name}" for name, units in counts.items())
