"""A refund as lists and pages show it: who stands behind it, how far its money is, what this person may do."""

from dataclasses import dataclass
from datetime import date

from portal.core.access import Actor
from portal.core.approvals import Standing, may_approve
from portal.core.lifecycles import REFUND
from portal.core.refunds.settlements import is_settlement
from portal.services.ledgers.credit_notes import NoteFacts
from portal.services.refunding.refund_facts import PayoutFacts
from portal.services.refunding.refunds import RefundFacts
from portal.web.admin.amounts import Explained, explained
from portal.web.words import gettext as _
from portal.web.words import words


@dataclass(frozen=True, kw_only=True)
class RefundRow:
    """One refund with its breakdown in words and the steps this person may take."""

    refund: RefundFacts
    explained: Explained
    standing: tuple[str, ...]
    """Who stands behind it, and who must still, in sentences."""
    payouts: tuple["PayoutRow", ...]
    why: str
    """Why it failed or does not move, in plain words."""
    may_approve: bool
    may_revise: bool
    may_retry: bool
    may_cancel: bool
    notes: tuple[NoteFacts, ...] = ()
    """Its credit note, and the reversal of it, where the page shows them."""


@dataclass(frozen=True, kw_only=True)
class PayoutRow:
    """One transfer with where it goes, what is known of it, and the steps this person may take."""

    payout: PayoutFacts
    to: str
    told: tuple[str, ...]
    error: str
    may_settle: bool
    may_redirect: bool


def refund_row(refund: RefundFacts, actor: Actor, standing: Standing) -> RefundRow:
    """One refund with what this person may do about it."""
    own = standing.limits.needs_two(refund.amount) and actor.id in standing.requesters
    able = actor.may("refunds.approve", refund.merchant_id)
    waits = refund.state == "pending_approval"
    proposes = actor.may("refunds.propose", refund.merchant_id)
    paid = any(payout.state not in ("planned", "failed", "canceled") for payout in refund.payouts)
    rows = tuple(payout_row(payout, refund, able=able and not own) for payout in refund.payouts)
    return RefundRow(
        refund=refund,
        explained=explained(refund.breakdown),
        standing=stands(refund, standing),
        payouts=rows,
        why=" ".join(dict.fromkeys(row.error for row in rows if row.error and row.payout.is_current)),
        may_approve=waits
        and may_approve(actor, refund.merchant_id, standing.limits, standing.total)
        and not standing.bars(actor.id),
        may_revise=waits
        and proposes
        and refund.return_id is not None
        and not is_settlement(refund.breakdown),
        may_retry=able and REFUND.can(refund.state, "retry"),
        may_cancel=proposes and REFUND.can(refund.state, "cancel") and not paid,
    )


def stands(refund: RefundFacts, standing: Standing) -> tuple[str, ...]:
    """Who approved it, when, and in which role; and who must still."""
    told = [
        _(
            "Approved by %(who)s, %(role)s, %(when)s",
            who=one.person,
            role=words().role(one.role),
            when=words().moment(one.at),
        )
        + (" · " + _("void: it was changed afterwards") if one.void else "")
        for one in refund.approvals
    ]
    if refund.state != "pending_approval":
        return tuple(told)
    if standing.needs_two:
        told.append(_("Needs somebody else than whoever asked for it, or changed it."))
    if standing.counting:
        told.append(_("One more person has to approve."))
    elif standing.total > refund.amount:
        sum_of_day = words().money(standing.total, refund.currency)
        told.append(_("Counted with what went back within a day: %(sum)s.", sum=sum_of_day))
    return tuple(told) or (_("Waits for somebody who may approve it."),)


def payout_row(payout: PayoutFacts, refund: RefundFacts, *, able: bool) -> PayoutRow:
    """One transfer in words."""
    said, told = words(), []
    if payout.state == "planned" and payout.provider == "bank_transfer" and refund.state != "canceled":
        told.append(
            _("Waits for the next bank batch.")
            if payout.destination.get("iban")
            else _("Waits for the customer's bank account.")
        )
    if payout.state in ("planned", "requires_action") and payout.provider == "manual":
        told.append(_("Waits for somebody to pay it outside."))
    if payout.mode != "captured" and payout.state == "succeeded":
        told.append(said.transfer_mode(payout.mode))
    if payout.bank_reference:
        told.append(_("Reference for the bank: %(reference)s", reference=payout.bank_reference))
    if payout.arrives_on and payout.state in ("succeeded", "pending"):
        told.append(said.there_by(payout.arrives_on, payout.tender, payout.provider))
    if payout.next_check_at and payout.state in ("unknown", "pending", "submitting"):
        told.append(_("Asked again at %(when)s", when=said.moment(payout.next_check_at)))
    hand = payout.destination.get("by_hand") if payout.destination else None
    if isinstance(hand, dict):
        names = dict(said.by_hand())
        method = names.get(str(hand.get("method")), "")
        on = str(hand.get("on") or "")
        told.append(
            " · ".join(part for part in (method, said.day(date.fromisoformat(on)) if on else "") if part)
        )
    open_here = able and payout.is_current and refund.state in ("approved", "pending", "failed", "succeeded")
    open_here = open_here and not payout.in_batch
    ended = payout.state in ("failed", "canceled", "requires_action")
    unasked = payout.state == "planned" and payout.provider in ("manual", "bank_transfer")
    return PayoutRow(
        payout=payout,
        to=said.goes_to(payout.tender, payout.label, payout.provider, payout.mode),
        told=tuple(told),
        error=said.refusal(payout.error) if payout.error and payout.state != "succeeded" else "",
        may_settle=open_here and (ended or unasked),
        may_redirect=open_here and (ended or payout.state == "planned") and bool(ways_of(payout)),
    )


def ways_of(payout: PayoutFacts) -> tuple[str, ...]:
    """Where the money of a transfer can go in place of where it goes now; to a bank also by another account.

    What was never charged can only be let go by a person where it is reserved.
    """
    if payout.mode != "captured":
        return ("manual",) if payout.mode == "authorized" and payout.provider != "manual" else ()
    return ("bank_transfer", *(way for way in ("store_credit", "manual") if way != payout.provider))
