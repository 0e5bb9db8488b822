"""What was sent goes back and what was not is canceled: one selection, one yes, both in one transaction."""

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy.exc import IntegrityError

from portal import faults
from portal.core.access import Actor, Conflict, NotFound
from portal.core.links import Site
from portal.core.logistics import Constraint
from portal.core.refunds.after import after
from portal.db import cancellations as stored
from portal.db import orders, returns
from portal.db.base import transaction
from portal.db.returns import Return
from portal.ports import Gateways
from portal.services import scope
from portal.services.cancellations import confirming, reading
from portal.services.cancellations.choosing import is_buyer
from portal.services.cancellations.reading import CancellationPage
from portal.services.filing.returns import Page, as_request, estimate
from portal.services.filing.returns import page as return_page
from portal.services.handling import confirmation

TRIES = 3
"""Numbers are random: one that is taken is drawn again."""


@dataclass(frozen=True, kw_only=True)
class Together:
    """Both outcomes of one selection, worked out as they would be confirmed: the cancellation first."""

    page: Page
    """The draft of the return; its estimate is that of an order without what is canceled."""
    cancellation: CancellationPage | None
    """None where nothing was chosen to be taken out."""


@dataclass(frozen=True, kw_only=True)
class Confirmed:
    """The states that both have by now; empty for what there is none of."""

    return_state: str
    cancellation_id: UUID | None = None
    cancellation_state: str = ""


def together(actor: Actor, return_id: UUID, *, now: datetime) -> Together:
    """A draft return with what was chosen beside it. Raises ``NotFound``, ``NotAllowed``."""
    page = return_page(actor, return_id, now=now)
    row = stored.beside(return_id) if page.draft.state == "draft" else None
    beside = stored.of(row.id) if row is not None else None
    if row is None or beside is None:
        return Together(page=page, cancellation=None)
    chosen = reading.read(row, beside, now=now)
    if not chosen.lines or page.order is None:
        return Together(page=page, cancellation=None)
    order = after(page.order, chosen.breakdown, kind=row.kind)
    request = as_request(page.draft, now=now)
    left = estimate(order, request, page.terms, currency=page.draft.currency, now=now)
    return Together(page=replace(page, breakdown=left), cancellation=chosen)


def confirm_both(
    actor: Actor, return_id: UUID, *, seen: str | None = None, wish: str = "", gateways: Gateways, site: Site,
    now: datetime,
) -> Confirmed:  # fmt: skip
    """Confirm a draft return and what was chosen beside it, both or none; answered again it changes nothing.

    ``seen`` is of the cancellation's page, ``wish`` the return's (``confirmation.confirm``). Raises what
    ``confirmation.confirm`` and ``confirm`` raise,
    ``Conflict("not_the_buyer")``.
    """
    row = scope.return_row(actor, return_id, "returns.create")
    companion = stored.beside(return_id)
    told: tuple[Constraint, ...] = ()
    if companion is not None:
        reading.only_customer(actor)
        mine = _of(actor, companion)
        told = confirming.told_of(mine, companion.id, gateways=gateways, now=now)
    for attempt in range(TRIES):
        try:
            with transaction():
                done = _confirmed(
                    actor,
                    row,
                    companion,
                    seen=seen,
                    wish=wish,
                    told=told,
                    gateways=gateways,
                    site=site,
                    now=now,
                )
                faults.point("before_intent_commit")
            break
        except IntegrityError as problem:
            said = str(problem.orig)
            if "number" not in said and "code" not in said or attempt == TRIES - 1:
                raise
    faults.point("after_intent_commit")
    return done


def _of(actor: Actor, companion: Return) -> Actor:
    """Whoever holds the link to the return, as one who asks for what was chosen beside it."""
    return replace(actor, return_id=companion.id) if actor.kind == "link" else actor


def _confirmed(
    actor: Actor,
    row: Return,
    companion: Return | None,
    *,
    seen: str | None,
    wish: str,
    told: tuple[Constraint, ...],
    gateways: Gateways,
    site: Site,
    now: datetime,
) -> Confirmed:
    if row.order_id is not None:
        stored.hold_order(row.order_id)
    held = returns.get(row.id, lock=True)
    if held is None:
        raise NotFound
    state = ""
    if companion is not None and held.state == "draft" and returns.lines_of(companion.id):
        head = orders.head(companion.order_id) if companion.order_id else None
        if head is None or not is_buyer(held, head):
            raise Conflict("not_the_buyer")
        state = confirming.confirmed(
            _of(actor, companion),
            companion.id,
            seen=seen,
            told=told,
            gateways=gateways,
            site=site,
            now=now,
        )
    done = confirmation.confirmed(actor, row.id, wish=wish, site=site, now=now)
    return Confirmed(
        return_state=done, cancellation_id=companion.id if companion else None, cancellation_state=state
    )
