"""A part of the price goes back and the goods stay: a return that nothing comes back for, and its refund at once."""

import secrets
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.exc import IntegrityError

from portal import faults
from portal.core import approvals as approving
from portal.core import numbers
from portal.core.access import Actor, Conflict, NotFound
from portal.core.facts import KEEP, LineFacts, OrderFacts
from portal.core.lifecycles import RETURN
from portal.core.links import STATUS, Site
from portal.core.money import Minor, portion
from portal.core.reasons import REASONS
from portal.core.refunds import breakdown as breakdowns
from portal.core.refunds.breakdown import Breakdown
from portal.core.refunds.overrides import Overrides
from portal.core.refunds.values import paid_for
from portal.core.spans import free, lowest, merge
from portal.db import history, merchants, orders, returns
from portal.db.base import db, transaction, uuid7
from portal.db.orders import Order
from portal.db.returns import Return, ReturnLine
from portal.services import links, scope
from portal.services.filing.returns import Page, read
from portal.services.refunding import decisions, owed, refunds
from portal.services.refunding.refunds import Proposal


@dataclass(frozen=True, kw_only=True)
class Allowance:
    """What goes back for ``units`` of one order line that stay: an amount for all of them, or a part of the price."""

    line_id: UUID
    units: int
    amount: Minor | None = None
    percent_bp: int | None = None


@dataclass(frozen=True, kw_only=True)
class Wish:
    """A refund without a return as somebody asks for it."""

    lines: tuple[Allowance, ...]
    reason: str
    """Why, as a code of the vocabulary."""
    note: str
    """Why, for colleagues: what is given is a person's decision."""
    message: str = ""
    """What the customer reads."""
    channel: str = "email"


def proposal(actor: Actor, order_id: UUID, wish: Wish, *, now: datetime) -> Proposal:
    """What would go back, and who would have to approve it; nothing is kept.

    Raises ``Conflict``: ``nothing_chosen``, ``too_much`` with the maximum and ``line``, ``negative_amount``.
    """

    def worked_out() -> Proposal:
        row, page, due = _begun(actor, order_id, wish, nonce=None, now=now)
        return refunds.proposed(actor, page, due, plain=due, overrides=_overrides(wish), now=now)

    return decisions.rehearsed(worked_out)


def create(
    actor: Actor,
    order_id: UUID,
    wish: Wish,
    *,
    shown: str | None = None,
    nonce: str | None = None,
    site: Site,
    now: datetime,
) -> UUID:
    """Make it: a return that is approved and expects nothing, with its refund; answers the return's id.

    The same ``nonce`` again answers the same return. Raises ``Conflict("amount_changed")`` where it is no
    longer what was ``shown``, ``reason_missing``, ``unknown_reason``, and what ``proposal`` raises.
    """
    _sold(actor, order_id)
    if not wish.note.strip():
        raise Conflict("reason_missing")
    if wish.reason not in REASONS:
        raise Conflict("unknown_reason", reason=wish.reason)
    try:
        made = _made(actor, order_id, wish, shown=shown, nonce=nonce, site=site, now=now)
    except IntegrityError:
        if not nonce or (twin := returns.by_nonce(nonce)) is None:
            raise
        return twin.id  # the same form arrived twice at once; the other one was faster
    faults.point("after_intent_commit")
    return made


def _made(
    actor: Actor,
    order_id: UUID,
    wish: Wish,
    *,
    shown: str | None,
    nonce: str | None,
    site: Site,
    now: datetime,
) -> UUID:
    with transaction():
        if nonce and (made := returns.by_nonce(nonce)) is not None:
            scope.require(actor, "refunds.propose", made.merchant_id)
            return made.id
        row, page, due = _begun(actor, order_id, wish, nonce=nonce, now=now)
        if shown is not None and shown != approving.shown(due, _overrides(wish)):
            raise Conflict("amount_changed", amount=due.amount, currency=due.currency)
        row.breakdown, row.estimate_minor = breakdowns.to_json(due), due.amount
        history.record(
            actor,
            "return.created",
            merchant_id=row.merchant_id,
            subject_id=row.id,
            now=now,
            channel=row.channel,
        )
        links.create(actor, row, STATUS, site=site, days=links.STATUS_DAYS, now=now)
        decisions.make(actor, row, page, due, overrides=_overrides(wish), plain=due, now=now)
        faults.point("before_intent_commit")
    return row.id


def _overrides(wish: Wish) -> Overrides:
    """Nothing is decided otherwise: what is given is itself what a person decided, with their reason."""
    return Overrides(reason=wish.note)


def _begun(
    actor: Actor, order_id: UUID, wish: Wish, *, nonce: str | None, now: datetime
) -> tuple[Return, Page, Breakdown]:
    """The return with its lines, and what it gives back, in the caller's transaction."""
    head = _sold(actor, order_id)
    order = orders.facts(order_id, lock=True)
    chosen = [one for one in wish.lines if one.units]
    if not chosen:
        raise Conflict("nothing_chosen")
    merchant, policy_id, _ = merchants.with_terms(head.merchant_id)
    row = _return(actor, head, policy_id, wish, nonce=nonce, now=now)
    row.language = row.language or merchant.language
    db.session.add(row)
    db.session.flush()
    known = {line.id: line for line in order.items}
    for position, one in enumerate(chosen):
        if one.line_id not in known:
            raise NotFound
        db.session.add(_line(row, known[one.line_id], one, order, wish, position))
    db.session.flush()
    page = read(row, now=now, lock=True)
    return row, page, owed.work_out(actor, page, now=now)


def _sold(actor: Actor, order_id: UUID) -> Order:
    """The order, for whoever may give money back for it. Raises ``NotFound``, ``NotAllowed``."""
    head = orders.head(order_id)
    if head is None:
        raise NotFound
    scope.require(actor, "refunds.propose", head.merchant_id)
    return head


def _return(
    actor: Actor, head: Order, policy_id: UUID, wish: Wish, *, nonce: str | None, now: datetime
) -> Return:
    return Return(
        id=uuid7(),
        merchant_id=head.merchant_id,
        order_id=head.id,
        policy_id=policy_id,
        number=numbers.rma_number(secrets.token_bytes(numbers.BYTES_NEEDED)),
        state=RETURN.after(RETURN.start, "authorize"),
        kind=KEEP,
        channel=wish.channel,
        language=head.language,
        currency=head.currency,
        name=head.name,
        name_key=head.name.lower(),
        email=head.email,
        phone=head.phone,
        order_number=head.number,
        order_number_key=head.number_key,
        answered=[],
        note=wish.message.strip(),
        nonce=nonce or None,
        created_by=actor.id,
        created_at=now,
        submitted_at=now,
        approved_at=now,
        refund_state="calculated",
    )


def _line(
    row: Return, bought: LineFacts, one: Allowance, order: OrderFacts, wish: Wish, position: int
) -> ReturnLine:
    return ReturnLine(
        id=uuid7(),
        merchant_id=row.merchant_id,
        return_id=row.id,
        order_line_id=bought.id,
        position=position,
        sku=bought.sku,
        name=bought.name,
        variant=bought.variant,
        picture=bought.picture,
        weight_g=bought.weight_g,
        units=_units(bought, one),
        reason=wish.reason,
        by_agent=True,
        allowance_minor=_amount(bought, one, order),
    )


def _units(bought: LineFacts, one: Allowance) -> int:
    """Raises ``Conflict``: ``negative_units``, ``more_than_kept`` with how many there are."""
    if one.units < 0:
        raise Conflict("negative_units", units=one.units)
    if one.units > bought.returnable_units:
        raise Conflict(
            "more_than_kept", line=str(bought.id), name=bought.name, maximum=bought.returnable_units
        )
    return one.units


def _amount(bought: LineFacts, one: Allowance, order: OrderFacts) -> Minor:
    """Raises ``Conflict("amount_missing")``, ``negative_amount``, ``too_much`` with what the units cost."""
    paid = price_of(bought, one.units)
    amount = one.amount if one.amount is not None else portion(paid, one.percent_bp or 0)
    if amount < 0:
        raise Conflict("negative_amount", line=str(bought.id))
    if amount > paid:
        raise Conflict("too_much", maximum=paid, currency=order.currency, line=str(bought.id))
    if not amount:
        raise Conflict("amount_missing", line=str(bought.id), name=bought.name)
    return amount


def price_of(bought: LineFacts, units: int) -> Minor:
    """What was paid for the first ``units`` that are still with the customer, tax included."""
    here = free(merge((*bought.canceled, *bought.claimed, *bought.held)), bought.units)
    return paid_for(bought, lowest(here, units))[0]
