"""The return that a customer has open: who asks, what it says, and which page comes next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import g, url_for
from werkzeug.wrappers import Response

from portal.core.access import Actor, Conflict
from portal.core.facts import CANCELLATIONS
from portal.core.links import LinkFacts
from portal.core.returns import BY_CUSTOMER, Step, is_done, may_change, next_step
from portal.services import cancellations
from portal.services.filing import returns
from portal.web.actor import holder
from portal.web.page import gateways, now, redirect_to, tell
from portal.web.words import explained, speak, words
from portal.web.words import gettext as _

PAGES = {
    Step.LINES: "customer.items.show",
    Step.SURVEY: "customer.reasons.show",
    Step.ADDRESS: "customer.address.show",
    Step.SENDING: "customer.sending.show",
    Step.CONFIRM: "customer.check.show",
}


@dataclass(frozen=True, kw_only=True)
class Opened:
    """One return, open in this browser by its link."""

    actor: Actor
    link: LinkFacts
    view: returns.Page

    @property
    def id(self) -> UUID:
        return self.view.draft.id

    @property
    def is_draft(self) -> bool:
        return self.view.draft.state == "draft"

    @property
    def is_cancellation(self) -> bool:
        """Whether it is about units that never left: it has a page of its own."""
        return self.view.draft.kind in CANCELLATIONS

    @property
    def may_cancel(self) -> bool:
        """Whether the customer came for the order itself, and something of it can still be stopped."""
        view = self.view
        if view.order is None or view.draft.channel != "self_service" or not view.terms.cancellations:
            return False
        return any(line.cancelable_units for line in view.order.items)

    def may(self, step: Step) -> bool:
        """Whether the customer may answer that step; of locked items there may be none to choose yet."""
        return may_change(step, self.view.draft)

    def url(self, endpoint: str, **values: Any) -> str:
        return url_for(endpoint, return_id=self.id, **values)

    def context(self, now_at: Step | None = None, **more: Any) -> dict[str, Any]:
        """What every page of a return is given."""
        view = self.view
        return {
            "merchant": view.merchant,
            "view": view,
            "draft": view.draft,
            "opened": self,
            "steps": self.progress(now_at) if now_at else (),
            "refund": explained(view.breakdown, estimate=True),
            "proposals": notices(self.actor, self.id),
            **more,
        }

    def progress(self, now_at: Step) -> list[dict[str, Any]]:
        """The steps that this customer is asked, as the progress bar shows them; what was settled is left out."""
        names = {
            Step.LINES: _("Items"),
            Step.SURVEY: _("Reason"),
            Step.SENDING: _("Sending"),
            Step.CONFIRM: _("Check"),
        }
        at = Step.SENDING if now_at == Step.ADDRESS else now_at
        shown = []
        for step, name in names.items():
            if not self.may(step):
                continue
            done = step != Step.CONFIRM and is_done(step, self.view.draft, self.view.terms)
            state = "now" if step == at else "done" if done else "next"
            shown.append({"name": name, "state": state, "url": self.url(PAGES[step]) if done else None})
        return shown


def open_return(return_id: UUID) -> Opened:
    """The return, in the language of its reader. Raises ``NotFound``, ``LinkDead``."""
    actor, link = holder(return_id)
    view = returns.page(actor, return_id, now=now())
    speak(view.draft.language, view.merchant.zone)
    g.merchant = view.merchant
    return Opened(actor=actor, link=link, view=view)


def notices(actor: Actor, return_id: UUID) -> list[dict[str, Any]]:
    """What waits for the customer's answer in the order of this return: told on every page of it."""
    return [
        {
            "url": url_for("customer.cancellation.show", return_id=one.id),
            "units": one.units,
            "until": words().moment(one.expires_at) if one.expires_at else "",
        }
        for one in cancellations.proposals(actor, return_id, now=now())
        if one.mine
    ]


def elsewhere(opened: Opened, step: Step) -> Response | None:
    """Where to go instead, when ``step`` is not (or no longer) for this customer to answer."""
    if opened.is_cancellation:
        return redirect_to(opened.url("customer.cancellation.show"))
    if not opened.is_draft:
        return redirect_to(opened.url("customer.status.show"))
    if not opened.may(step):
        return redirect_to(next_url(opened))
    if step == Step.SURVEY and not opened.view.draft.lines:
        return redirect_to(opened.url("customer.items.show"))
    if step == Step.SENDING and not is_done(Step.ADDRESS, opened.view.draft, opened.view.terms):
        return redirect_to(opened.url("customer.address.show"))
    return None


def go_on(return_id: UUID) -> Response:
    """To the first thing left. An address that the order knows, and that is complete, is not asked again."""
    opened = open_return(return_id)
    if opened.is_cancellation:
        return redirect_to(opened.url("customer.cancellation.show"))
    if not opened.is_draft:
        return redirect_to(opened.url("customer.status.show"))
    if next_step(opened.view.draft, opened.view.terms) == Step.ADDRESS and opened.may(Step.ADDRESS):
        known = returns.proposed_address(opened.view)
        if opened.view.draft.order_id and not gateways().addresses.check(known):
            returns.set_address(opened.actor, return_id, known, now=now())
            opened = open_return(return_id)
    return redirect_to(next_url(opened))


def next_url(opened: Opened) -> str:
    step = next_step(opened.view.draft, opened.view.terms, steps=BY_CUSTOMER)
    return opened.url(PAGES[step])


def settled_meanwhile(error: Conflict, opened: Opened) -> Response:
    """Another tab, device or person confirmed or fixed it: look at what it is now. Raises other conflicts on."""
    if error.code == "locked":
        tell(_("This answer was fixed by our support, so it stays as it is."), "info")
        return go_on(opened.id)
    if error.code != "not_a_draft":
        raise error
    tell(_("This return is already confirmed. Here is how it stands."), "info")
    return redirect_to(opened.url("customer.status.show"))
