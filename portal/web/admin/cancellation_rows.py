"""A cancellation as its page shows it: how far it is, what happens now, and what this person may do."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from portal.core.access import Actor
from portal.core.lifecycles import CANCELLATION
from portal.services.cancellations import CancellationPage, Choice
from portal.services.cancellations.cancellation_dossiers import CancellationDossier
from portal.services.filing.closing import OPEN_REFUNDS
from portal.web.admin.proposal_rows import ShareRow, is_money, stays, total_label
from portal.web.words import gettext as _
from portal.web.words import words
from portal.words import calls

UNDONE = ("declined", "expired", "overtaken", "refused", "canceled")
"""Nothing of it stands: the order is as it was."""


@dataclass(frozen=True, kw_only=True)
class StepRow:
    """One step of the way: ``done``, ``now``, ``next`` or ``bad``."""

    name: str
    state: str
    when: str | None = None
    text: str | None = None


def is_live(page: CancellationPage) -> bool:
    """Whether anything about it can still change by itself: its answer, its warehouse, its money."""
    return not CANCELLATION.final(page.state) or any(one.state in OPEN_REFUNDS for one in page.refunds)


def stamp(found: CancellationDossier) -> str:
    """Changes whenever what the page shows of it does: then a page that is open is brought up to date."""
    page = found.page
    seen = (
        page.state,
        page.draft.version,
        page.facts,
        [(one.digest, one.state, one.payouts, one.approvals) for one in page.refunds],
        [(mail.id, mail.state) for mail in found.mails],
        [(link.id, link.state, link.opened_at) for link in found.links],
        len(found.history),
        time_left(page),
    )
    return hashlib.sha256(repr(seen).encode()).hexdigest()[:32]


def time_left(page: CancellationPage) -> str:
    """How long the customer still has, in words; empty when nobody waits for them."""
    if page.hold_until is None:
        return ""
    return _left(page.hold_until, page.now)


def _left(until: datetime, now: datetime) -> str:
    left = until - now
    if left <= timedelta(0):
        return _("the time is over")
    if left >= timedelta(hours=2):
        return words().ngettext("%(n)s hour left", "%(n)s hours left", int(left / timedelta(hours=1)))
    return words().ngettext(
        "%(n)s minute left", "%(n)s minutes left", max(1, int(left / timedelta(minutes=1)))
    )


def steps(page: CancellationPage, shares: Sequence[ShareRow]) -> tuple[StepRow, ...]:
    """Asked, answered, warehouse, money: as far as it came."""
    found = [_asked(page), _answered(page)]
    if page.facts.warehouse_state != "none":
        found.append(_warehouse(page))
    if page.state not in ("declined", "expired", "canceled"):
        found.append(_money(page, shares))
    return tuple(found)


def _asked(page: CancellationPage) -> StepRow:
    name = _("Chosen by the customer") if page.facts.asked_by == "customer" else _("Proposed to the customer")
    return StepRow(
        name=name,
        state="now" if page.state == "draft" else "done",
        when=words().moment(page.facts.requested_at),
        text=words().channel(page.draft.channel),
    )


def _answered(page: CancellationPage) -> StepRow:
    facts, state = page.facts, page.state
    when = words().moment(facts.answered_at) if facts.answered_at else None
    if state == "draft":
        return StepRow(name=_("The customer confirms"), state="next")
    if state == "proposed":
        until = words().moment(page.hold_until) if page.hold_until else None
        text = _("Until %(at)s", at=until) if until else None
        return StepRow(name=_("Waiting for the customer"), state="now", when=time_left(page), text=text)
    if state in ("declined", "expired", "canceled") or (state == "overtaken" and not facts.answered_at):
        told = words().state("cancellation", state)
        return StepRow(name=told.name, state="bad", when=when, text=told.help)
    return StepRow(name=_("Confirmed by the customer"), state="done", when=when)


def _warehouse(page: CancellationPage) -> StepRow:
    state = page.facts.warehouse_state
    told = words().state("warehouse", state)
    standing = {"released": "done", "refused": "bad", "shipped": "bad"}.get(state, "now")
    when = words().moment(page.facts.asked_at) if page.facts.asked_at else None
    return StepRow(
        name=_("Warehouse: %(state)s", state=told.name), state=standing, when=when, text=warehouse_said(page)
    )


def warehouse_said(page: CancellationPage) -> str:
    """What the warehouse answered, or who recorded it."""
    answer = page.facts.answer
    parts = [str(answer.get(key)) for key in ("message", "note") if answer.get(key)]
    if answer.get("by") == "person" and answer.get("name"):
        parts.append(_("recorded by %(name)s", name=answer["name"]))
    return " · ".join(parts) or words().state("warehouse", page.facts.warehouse_state).help


def _money(page: CancellationPage, shares: Sequence[ShareRow]) -> StepRow:
    if page.state in ("overtaken", "refused"):
        return StepRow(name=_("Nothing is refunded"), state="bad", text=_("The refund is canceled."))
    live = [one for one in page.refunds if one.state != "canceled"]
    if not live:
        name = _("Money settled") if page.state == "closed" else _("Money follows")
        return StepRow(name=name, state="done" if page.state == "closed" else "next")
    told = words().state("refund", live[-1].state)
    standing = {"succeeded": "done", "failed": "bad"}.get(live[-1].state, "now")
    at = live[-1].succeeded_at
    if page.facts.warehouse_state in ("waiting", "pending") and standing == "now":
        return StepRow(name=_("Money follows"), state="next", text=_("It waits for the warehouse."))
    when = words().moment(at) if at else None
    if standing == "done" and not is_money(shares):
        return StepRow(name=total_label(shares), state=standing, when=when)
    return StepRow(name=told.name, state=standing, when=when, text=told.help)


def next_words(page: CancellationPage, *, silent: bool, shares: Sequence[ShareRow]) -> tuple[str, str]:
    """(tone, sentence): what happens now, or why it ended."""
    state, facts = page.state, page.facts
    if state == "confirmed" and silent:
        return "bad", _("The warehouse does not answer. Ask there, and write down what they say.")
    if state == "confirmed" and facts.warehouse_state in ("waiting", "pending"):
        return "wait", _("The warehouse is asked to leave the units out. The money follows by itself.")
    if state == "confirmed" and page.refunds and page.refunds[-1].state == "failed":
        return "bad", _("The money could not be sent. See below what can be done.")
    if state == "confirmed" and not is_money(shares):
        return "info", _("What was reserved or owed becomes less. Nothing is left to do.")
    if state == "confirmed":
        return "info", _("The money is on its way. Nothing is left to do.")
    if state in ("overtaken", "refused"):
        code = str(facts.ended.get("code") or "")
        return "bad", " ".join((words().ended(code), words().state("cancellation", state).help))
    tone = {"closed": "good", "proposed": "wait", "expired": "wait"}.get(state, "info")
    return tone, words().state("cancellation", state).help


def is_silent(page: CancellationPage) -> bool:
    """Whether people were told that the warehouse does not answer, and it still has not."""
    facts = page.facts
    return bool(
        page.state == "confirmed" and facts.silent_at and facts.warehouse_state in ("waiting", "pending")
    )


def what_stays(page: CancellationPage) -> tuple[calls.Leaving, ...]:
    """What the order still has once this is out; all of it where it came to nothing."""
    out = () if page.state in UNDONE else page.lines
    return stays(
        page.order,
        [
            Choice(line_id=line.order_line_id, units=line.units, ending=line.ending)
            for line in out
            if line.order_line_id
        ],
    )


@dataclass(frozen=True, kw_only=True)
class May:
    """What this person may do with it now."""

    withdraw: bool
    remind: bool
    resend: bool
    link: bool
    answer: bool
    money: bool
    refund: bool
    """The refund was given up, and is owed all the same."""


def may(found: CancellationDossier, actor: Actor) -> May:
    """The steps that stand open to ``actor``."""
    page, merchant_id = found.page, found.page.draft.merchant_id
    proposes = actor.may("cancellations.propose", merchant_id)
    waits = page.state == "proposed"
    mail = found.invitation
    return May(
        withdraw=proposes and CANCELLATION.can(page.state, "cancel") and page.facts.asked_by == "agent",
        remind=proposes and waits,
        resend=bool(waits and mail and mail.state != "queued" and actor.may("returns.create", merchant_id)),
        link=waits and found.proposal is not None and actor.may("links.manage", merchant_id),
        answer=actor.may("stock.edit", merchant_id)
        and page.state == "confirmed"
        and page.facts.warehouse_state in ("waiting", "pending"),
        money=actor.may("refunds.read", merchant_id),
        refund=page.state in ("confirmed", "closed")
        and bool(page.refunds)
        and all(one.state == "canceled" for one in page.refunds)
        and actor.may("refunds.propose", merchant_id),
    )
