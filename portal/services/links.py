"""Pre-authorized links: made, opened, extended, revoked, and asked for anew. A GET changes nothing."""

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import aliased

from portal.core import links
from portal.core.access import SYSTEM, Actor, Conflict, NotFound
from portal.core.facts import CANCELLATIONS
from portal.core.intake import number_key, postcode_key
from portal.core.lifecycles import LINK
from portal.core.links import FINISH, STATUS, LinkFacts, Site, url
from portal.core.numbers import is_valid, normalize
from portal.db import history, merchants, orders, returns
from portal.db.base import db, transaction, uuid7
from portal.db.returns import Link, Return
from portal.services import scope
from portal.services.talking import notices


def create(actor: Actor, row: Return, purpose: str, *, site: Site, days: int, now: datetime) -> Link:
    """A new link, in the caller's transaction; a link of the same purpose that is still open is revoked."""
    _close(row.id, purpose, "revoke")
    nonce = secrets.token_urlsafe(24)
    link = Link(
        id=uuid7(),
        merchant_id=row.merchant_id,
        return_id=row.id,
        purpose=purpose,
        nonce=nonce,
        digest=links.digest(links.token(site.secret, nonce)),
        state=LINK.start,
        expires_at=now + timedelta(days=days),
        created_at=now,
        created_by=actor.id,
    )
    db.session.add(link)
    db.session.flush()
    history.record(
        actor,
        "return.link.created",
        merchant_id=row.merchant_id,
        subject_id=row.id,
        now=now,
        purpose=purpose,
        days=days,
    )
    return link


def send_link(
    actor: Actor, return_id: UUID, *, days: int | None = None, email: bool = True, site: Site, now: datetime
) -> LinkFacts:
    """Give the rest of a draft to the customer. Raises ``Conflict`` where the policy has no links."""
    with transaction():
        row = scope.return_row(actor, return_id, "links.manage", lock=True)
        _, _, terms = merchants.with_terms(row.merchant_id, row.policy_id)
        if not terms.by_link:
            raise Conflict("links_off")
        if row.state != "draft":
            raise Conflict("not_a_draft", state=row.state)
        if not row.name or not row.email:
            raise Conflict("customer_missing")
        row.channel = "preauthorized_link" if row.channel == "self_service" else row.channel
        link = create(actor, row, FINISH, site=site, days=days or terms.link_days, now=now)
        if email:
            notices.queue("link", returns.draft(row), now=now, links={"link": link.id})
        return facts(link)


def facts(link: Link) -> LinkFacts:
    return LinkFacts(
        id=link.id,
        merchant_id=link.merchant_id,
        return_id=link.return_id,
        purpose=link.purpose,
        state=link.state,
        expires_at=link.expires_at,
        created_at=link.created_at,
        opened_at=link.opened_at,
        finished_at=link.finished_at,
    )


def shown_url(actor: Actor, link_id: UUID, *, site: Site) -> str | None:
    """The address of a link, for the agent to copy; None when the server's secret has changed since."""
    link = _managed(actor, link_id)
    same = links.digest(links.token(site.secret, link.nonce)) == link.digest
    return url(site, link.nonce) if same else None


def open_token(token: str) -> LinkFacts | None:
    """The link with that token, whatever its standing; changes nothing, however often it is asked."""
    link = db.session.scalar(sa.select(Link).where(Link.digest == links.digest(token)))
    return facts(link) if link else None


def holder(link_id: UUID, *, now: datetime) -> tuple[Actor, LinkFacts] | None:
    """Whoever holds the link, as one who asks; None when there is no such link any more.

    Whether it is still open is for the caller to look at (``standing``): a finished link may still be read.
    """
    link = db.session.get(Link, link_id)
    row = returns.get(link.return_id) if link is not None else None
    if link is None or row is None:
        return None
    actor = Actor(kind="link", id=link.id, name=row.name, return_id=row.id, merchant_id=link.merchant_id)
    return actor, facts(link)


def beside(link_ids: Sequence[UUID], return_id: UUID, *, now: datetime) -> tuple[Actor, LinkFacts] | None:
    """Whoever holds one of the links, as one who asks for a cancellation in the same order.

    Only for the buyer: both are in the name of the order's own e-mail address. Other returns are opened by
    their own links alone. Whether the link is still open is for the caller to look at; an open one is preferred.
    """
    own, wanted = aliased(Return), aliased(Return)
    found = db.session.execute(
        sa.select(Link, wanted.name)
        .join(own, own.id == Link.return_id)
        .join(orders.Order, orders.Order.id == own.order_id)
        .join(wanted, wanted.order_id == own.order_id)
        .where(
            Link.id.in_(link_ids),
            wanted.id == return_id,
            wanted.kind.in_(CANCELLATIONS),
            own.email != "",
            own.email == sa.func.lower(orders.Order.email),
            wanted.email == own.email,
        )
        .order_by(Link.id.desc())
    ).all()
    if not found:
        return None
    link, name = min(found, key=lambda row: facts(row[0]).standing(now) in ("expired", "revoked"))
    actor = Actor(kind="link", id=link.id, name=name, return_id=return_id, merchant_id=link.merchant_id)
    return actor, facts(link)


def mark_opened(actor: Actor, link_id: UUID, *, now: datetime) -> None:
    """The customer pressed Continue. The first time counts. Raises ``NotFound`` for a link that is another's."""
    if actor.kind != "link" or actor.id != link_id:
        raise NotFound
    with transaction():
        done = db.session.execute(
            sa.update(Link).where(Link.id == link_id, Link.opened_at.is_(None)).values(opened_at=now)
        )
        if done.rowcount and actor.return_id and actor.merchant_id:  # type: ignore[attr-defined]
            history.record(
                actor,
                "return.link.opened",
                merchant_id=actor.merchant_id,
                subject_id=actor.return_id,
                now=now,
            )


def finish(return_id: UUID, *, now: datetime) -> None:
    """Close the links to a return that is confirmed, in the caller's transaction."""
    _close(return_id, FINISH, "finish", finished_at=now)


def _close(return_id: UUID, purpose: str, step: str, **values: object) -> None:
    """Take ``step`` with every open link of that purpose."""
    db.session.execute(
        sa.update(Link)
        .where(Link.return_id == return_id, Link.purpose == purpose, Link.state == LINK.start)
        .values(state=LINK.after(LINK.start, step), **values)
    )


def revoke(actor: Actor, link_id: UUID, *, now: datetime) -> None:
    """The link is dead at once. Revoking it again is no error."""
    with transaction():
        link = _managed(actor, link_id)
        if LINK.can(link.state, "revoke"):
            link.state = LINK.after(link.state, "revoke")
            _tell(actor, "return.link.revoked", link, now)


def extend(actor: Actor, link_id: UUID, *, days: int, now: datetime) -> LinkFacts:
    """Open for so many days from now. Raises ``Conflict`` for a link that is finished or revoked."""
    with transaction():
        link = _managed(actor, link_id)
        if link.state != "open":
            raise Conflict("link_closed", state=link.state)
        link.expires_at = now + timedelta(days=days)
        _tell(actor, "return.link.extended", link, now, days=days)
        return facts(link)


def reissue(actor: Actor, link_id: UUID, *, email: bool = True, site: Site, now: datetime) -> LinkFacts:
    """A new token for the same return; the old one is dead. The customer gets it by e-mail."""
    with transaction():
        old = _managed(actor, link_id)
        row = returns.get(old.return_id, lock=True)
        if row is None:
            raise NotFound
        if old.purpose == FINISH and row.state != "draft":
            raise Conflict("not_a_draft", state=row.state)
        return facts(_renewed(actor, row, old.purpose, site=site, email=email, now=now))


def _renewed(actor: Actor, row: Return, purpose: str, *, site: Site, email: bool, now: datetime) -> Link:
    _, _, terms = merchants.with_terms(row.merchant_id, row.policy_id)
    link = create(
        actor, row, purpose, site=site, days=terms.link_days if purpose == FINISH else STATUS_DAYS, now=now
    )
    if email:
        name = "link" if purpose == FINISH else "status"
        event = "link_reissued" if purpose == FINISH else "status_link"
        notices.queue(event, returns.draft(row), now=now, links={name: link.id})
    return link


STATUS_DAYS = 365
"""How long a status page may be read."""


def ask_for_new(link_id: UUID, *, now: datetime) -> None:
    """The holder of a dead link asks for another: the people of the merchant are told, once a day."""
    with transaction():
        link = db.session.get(Link, link_id)
        row = returns.get(link.return_id, lock=True) if link else None
        if link is None or row is None:
            raise NotFound
        if facts(link).standing(now) == "open":
            return
        recently = sa.select(history.Happening.id).where(
            history.Happening.subject_id == row.id,
            history.Happening.what == "return.link.requested",
            history.Happening.at > now - timedelta(days=1),
        )
        if db.session.scalar(recently.limit(1)) is None:
            _tell(SYSTEM, "return.link.requested", link, now)
            notices.queue("new_link_requested", returns.draft(row), now=now)


def _managed(actor: Actor, link_id: UUID) -> Link:
    link = db.session.get(Link, link_id)
    if link is None:
        raise NotFound
    scope.return_row(actor, link.return_id, "links.manage")
    return link


def of_return(return_id: UUID) -> list[LinkFacts]:
    """Every link to a return, newest first; the caller has passed the gate."""
    found = db.session.scalars(sa.select(Link).where(Link.return_id == return_id).order_by(Link.id.desc()))
    return [facts(link) for link in found]


def start_by_customer(
    *, merchant_id: UUID, order_number: str, proof: str, language: str, site: Site, now: datetime
) -> None:
    """Order number (or return number) and e-mail or postcode: if they fit, the link goes to the address on file.

    Says nothing either way; the answer of the page is the same.
    """
    with transaction():
        merchant, policy_id, terms = merchants.with_terms(merchant_id)
        if is_valid(order_number):
            _mail_status(merchant_id, normalize(order_number), proof, site=site, now=now)
            return
        if not terms.by_customer:
            return
        found = orders.for_customer(
            merchant_id,
            number_key=number_key(order_number),
            email=proof.strip().lower(),
            postcode=postcode_key(proof),
        )
        if found is None or not found.email:
            return
        row = _self_service_draft(found, merchant.id) or Return(
            id=uuid7(),
            merchant_id=merchant.id,
            policy_id=policy_id,
            order_id=found.id,
            order_number=found.number,
            order_number_key=found.number_key,
            kind="return",
            channel="self_service",
            language=found.language or language,
            currency=found.currency,
            name=found.name or found.email,
            name_key=(found.name or found.email).lower(),
            email=found.email,
            phone=found.phone,
            answered=["order"],
            created_at=now,
        )
        db.session.add(row)
        db.session.flush()
        link = create(SYSTEM, row, FINISH, site=site, days=terms.link_days, now=now)
        notices.queue("start_link", returns.draft(row), now=now, links={"link": link.id})


def _self_service_draft(order: orders.Order, merchant_id: UUID) -> Return | None:
    """A draft the customer started for this order and did not finish: it goes on where it was left."""
    return db.session.scalar(
        sa.select(Return)
        .where(
            Return.merchant_id == merchant_id,
            Return.order_id == order.id,
            Return.kind == "return",  # not what was chosen to be taken out beside one
            Return.state == "draft",
            Return.channel == "self_service",
        )
        .limit(1)
    )


def _mail_status(merchant_id: UUID, number: str, proof: str, *, site: Site, now: datetime) -> None:
    row = db.session.scalar(
        sa.select(Return).where(Return.merchant_id == merchant_id, Return.number == number).with_for_update()
    )
    if row is None:
        return
    postcode = (row.address or {}).get("postcode", "")
    if (
        row.kind in CANCELLATIONS and row.order_id is not None
    ):  # nothing is sent back: there is no other address
        postcode = (orders.address_of(row.order_id) or {}).get("postcode", "")
    if proof.strip().lower() == row.email or (postcode and postcode_key(proof) == postcode_key(postcode)):
        _renewed(SYSTEM, row, STATUS, site=site, email=True, now=now)


def _tell(actor: Actor, what: str, link: Link, now: datetime, **details: object) -> None:
    history.record(actor, what, merchant_id=link.merchant_id, subject_id=link.return_id, now=now, **details)
