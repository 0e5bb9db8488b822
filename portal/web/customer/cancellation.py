"""A cancellation and its one question: what leaves, what stays, what comes of it; and how it stands afterwards."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import Blueprint, g, request, url_for
from werkzeug.wrappers import Response

from portal.core.access import Actor, Conflict
from portal.core.facts import MERCHANDISE
from portal.core.lifecycles import IllegalStep
from portal.core.links import LinkFacts
from portal.core.policy.verdict import REFUSED, Finding, Refused
from portal.services import cancellations, links
from portal.services.cancellations import CancellationPage
from portal.services.filing import progress as following
from portal.web.actor import holder
from portal.web.customer import after_cancellation, dispute
from portal.web.customer.opened import notices
from portal.web.customer.order import objection, outcome, past_rows, units_out
from portal.web.extensions import limiter
from portal.web.forms.returns import Problem
from portal.web.page import gateways, now, page, redirect_to, site, tell
from portal.web.words import gettext as _
from portal.web.words import speak, words

bp = Blueprint("cancellation", __name__, url_prefix="/r/<uuid:return_id>")

ASKED = ("draft", "proposed")
"""Its question is not answered yet."""

OTHERWISE = ("amount_changed", "changed_meanwhile", "units_gone", "units_taken", "stale")
"""It is not what the customer was shown: shown anew, with what is different."""


@dataclass(frozen=True, kw_only=True)
class OpenedCancellation:
    """One cancellation, open in this browser by its link or by that of a return of the same order."""

    actor: Actor
    link: LinkFacts
    view: CancellationPage

    @property
    def id(self) -> UUID:
        return self.view.draft.id

    @property
    def is_asked(self) -> bool:
        """Whether the question can still be answered: also not where the time for it is over."""
        return self.view.draft.state in ASKED and not self.is_late

    @property
    def is_late(self) -> bool:
        until = self.view.hold_until
        return self.view.draft.state == "proposed" and until is not None and until <= now()

    @property
    def has_goods(self) -> bool:
        """Whether something would arrive, and could be sent back then; a service cannot."""
        chosen = {line.order_line_id for line in self.view.lines}
        return any(line.id in chosen and line.kind == MERCHANDISE for line in self.view.order.lines)

    def url(self, endpoint: str, **values: Any) -> str:
        return url_for(endpoint, return_id=self.id, **values)

    def context(self, **more: Any) -> dict[str, Any]:
        """What every page of a cancellation is given."""
        return {
            "merchant": self.view.merchant,
            "draft": self.view.draft,
            "opened": self,
            "out": outcome(self.view),
            "proposals": notices(self.actor, self.id),
            **more,
        }


def open_cancellation(return_id: UUID) -> OpenedCancellation:
    """The cancellation, in the language of its reader. Raises ``NotFound``, ``LinkDead``."""
    actor, link = holder(return_id)
    view = cancellations.page(actor, return_id, now=now())
    speak(view.draft.language, view.merchant.zone)
    g.merchant = view.merchant
    return OpenedCancellation(actor=actor, link=link, view=view)


@bp.get("/cancellation")
def show(return_id: UUID) -> Response:
    """The question. Looking at it changes nothing."""
    opened = open_cancellation(return_id)
    if not opened.is_asked:
        return redirect_to(opened.url("customer.status.show"))
    if there := _nothing_chosen(opened):
        return there
    return _page(opened, problems=_against(opened))


@bp.post("/cancellation")
@limiter.limit("30/minute")
def answer(return_id: UUID) -> Response:
    """Yes or no, said once; said again it finds the answer that was given first."""
    opened = open_cancellation(return_id)
    if not opened.is_asked:
        return redirect_to(opened.url("customer.status.show"))
    if there := _nothing_chosen(opened):
        return there
    said = request.form.get("answer", "")
    if said not in ("confirm", "keep"):
        told = _("Choose whether these items are taken out of your order or stay in it.")
        return _page(opened, problems=[Problem(field="answer", text=told)], status=422)
    links.mark_opened(opened.actor, opened.link.id, now=now())
    try:
        return _confirm(opened) if said == "confirm" else _keep(opened)
    except IllegalStep:
        return redirect_to(opened.url("customer.status.show"))


def _nothing_chosen(opened: OpenedCancellation) -> Response | None:
    """To the selection, where it was emptied in another tab."""
    if opened.view.lines or opened.view.together_with is None:
        return None
    return redirect_to(url_for("customer.items.show", return_id=opened.view.together_with))


def _confirm(opened: OpenedCancellation) -> Response:
    seen = request.form.get("seen", "")
    try:
        cancellations.confirm(opened.actor, opened.id, seen=seen, gateways=gateways(), site=site(), now=now())
    except Refused as error:
        problems = _told(opened, error.verdict.findings)
        return _page(open_cancellation(opened.id), problems=problems, status=422)
    except Conflict as error:
        if error.code not in OTHERWISE:
            raise
        opened = open_cancellation(opened.id)
        if not opened.is_asked:
            return redirect_to(opened.url("customer.status.show"))
        return _page(opened, changed=changes(opened), problems=_against(opened), status=409)
    return redirect_to(opened.url("customer.status.show"))


def _keep(opened: OpenedCancellation) -> Response:
    """Nothing leaves the order. Of the customer's own selection nothing remains but their other choices."""
    reason = request.form.get("reason", "").strip()[:2000]
    cancellations.decline(opened.actor, opened.id, reason=reason, now=now())
    tell(_("Nothing is canceled. Your order stays as it is."), "info")
    if (before := opened.view.together_with) is not None and opened.view.draft.state == "draft":
        return redirect_to(url_for("customer.items.show", return_id=before))
    return redirect_to(opened.url("customer.status.show"))


def _against(opened: OpenedCancellation) -> list[Problem]:
    """What stands against it now."""
    return _told(opened, opened.view.verdict.findings)


def _told(opened: OpenedCancellation, findings: Iterable[Finding]) -> list[Problem]:
    """Each objection once, with the item it is about."""
    names = {line.id: line.name for line in opened.view.order.lines}
    found = []
    for finding in findings:
        if finding.weight == REFUSED:
            told = objection(finding, opened.view.draft.currency)
            name = names.get(finding.line_id) if finding.line_id else None
            found.append(f"{name}: {told}" if name else told)
    return [Problem(field="leaves", text=text) for text in dict.fromkeys(found)]


def shown(opened: OpenedCancellation) -> str:
    """The figures of the page as its form sends them back, to say later what has changed of them."""
    view = opened.view
    return f"{view.breakdown.amount}:{view.after.total}:{units_out(view)}"


def changes(opened: OpenedCancellation) -> list[str]:
    """What is different from the page that was answered, sentence by sentence."""
    try:
        amount, total, units = (int(part) for part in request.form.get("was", "").split(":"))
    except ValueError:
        return []
    view, said = opened.view, words()
    currency = view.draft.currency
    pairs = [
        (_("What you get"), amount, view.breakdown.amount, True),
        (_("New order total"), total, view.after.total, True),
        (_("Items taken out"), units, units_out(view), False),
    ]
    return [
        _(
            "%(what)s: %(before)s before, %(after)s now.",
            what=what,
            before=said.money(before, currency) if money else before,
            after=said.money(after, currency) if money else after,
        )
        for what, before, after, money in pairs
        if before != after
    ]


def _page(
    opened: OpenedCancellation,
    *,
    problems: list[Problem] | None = None,
    changed: list[str] | None = None,
    status: int = 200,
) -> Response:
    """The question; ``changed`` None: nobody answered an older one."""
    view = opened.view
    return page(
        "customer/cancellation.html",
        status=status,
        **opened.context(
            problems=problems or [],
            changed=changed,
            by_agent=view.facts.asked_by == "agent",
            seen=view.seen,
            was=shown(opened),
            until=view.hold_until,
            possible=not any(f.weight == REFUSED for f in view.verdict.findings),
            back=url_for("customer.items.show", return_id=view.together_with)
            if view.together_with and view.draft.state == "draft"
            else None,
        ),
    )


def status(return_id: UUID) -> Response:
    """How it stands, from the answer to the money; nothing here changes it."""
    opened = open_cancellation(return_id)
    if opened.is_asked:
        return redirect_to(opened.url("customer.cancellation.show"))
    found = following.progress(opened.actor, return_id, now=now())
    around = cancellations.around(opened.actor, return_id, gateways=gateways(), now=now())
    return page(
        "customer/canceled.html",
        fragments=("standing",),
        also=("money",),
        **opened.context(
            **after_cancellation.context(opened.actor, opened.view, found, late=opened.is_late),
            **dispute.context(opened.actor, opened.id),
            past=past_rows(return_id, around.past),
            totals=around.totals,
        ),
    )
