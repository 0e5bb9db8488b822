"""Every message of a person's shops: found by recipient, number or subject, newest first, page by page."""

from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from portal.core.access import Actor, NotFound
from portal.core.intake import number_key
from portal.core.lifecycles import MAIL
from portal.core.numbers import normalize
from portal.db.base import db
from portal.db.mails import Mail
from portal.db.merchants import Merchant
from portal.db.returns import Return
from portal.ports import Attachment
from portal.services import scope
from portal.services.talking import notices
from portal.services.talking.notices import MailFacts

PAGE = 50
MOST_COUNTED = 999


@dataclass(frozen=True, kw_only=True)
class MailRow:
    """One message with the return it is about, where it is about one."""

    mail: MailFacts
    number: str
    customer: str
    merchant: str


@dataclass(frozen=True, kw_only=True)
class MailPage:
    """One page of the log. ``next`` continues it; ``waiting`` counts what is not sent, by state, to a limit."""

    rows: tuple[MailRow, ...]
    next: UUID | None
    waiting: dict[str, int]


def listing(
    actor: Actor,
    *,
    query: str = "",
    state: str = "",
    merchant_id: UUID | None = None,
    after: UUID | None = None,
    limit: int = PAGE,
) -> MailPage:
    """The newest messages first. ``query`` is the start of a recipient, a number, or a part of a subject.

    Raises ``NotFound`` for a merchant that is not the actor's.
    """
    ids = [one for one in actor.merchant_ids if actor.may("returns.read", one)]
    if merchant_id is not None:
        if merchant_id not in ids:
            raise NotFound
        ids = [merchant_id]
    wanted = (
        sa.select(Mail, Return.number, Return.name, Merchant.name)
        .join(Merchant, Merchant.id == Mail.merchant_id)
        .outerjoin(Return, Return.id == Mail.return_id)
        .where(Mail.merchant_id.in_(ids))
        .order_by(Mail.id.desc())
        .limit(limit + 1)
        .execution_options(populate_existing=True)
    )
    if state in MAIL.states:
        wanted = wanted.where(Mail.state == state)
    if query.strip():
        wanted = wanted.where(_matches(query.strip(), ids))
    if after is not None:
        wanted = wanted.where(Mail.id < after)
    found = db.session.execute(wanted).all()
    rows = tuple(
        MailRow(mail=notices.facts(mail), number=number or "", customer=name or "", merchant=shop)
        for mail, number, name, shop in found[:limit]
    )
    return MailPage(
        rows=rows,
        next=rows[-1].mail.id if len(found) > limit else None,
        waiting={one: _count(one, ids) for one in ("queued", "failed")},
    )


def _matches(query: str, ids: list[UUID]) -> sa.ColumnElement[bool]:
    """What was typed is an address, a return's or an order's number, or words of a subject."""
    text = query.lower()
    named = [Return.number == normalize(query)]
    if key := number_key(query):  # without one it would be every return that is of no order
        named.append(Return.order_number_key == key)
    about = sa.select(Return.id).where(Return.merchant_id.in_(ids), sa.or_(*named))
    tests = [
        Mail.recipient.istartswith(text, autoescape=True),
        Mail.return_id.in_(about),
        Mail.subject.icontains(query, autoescape=True),
    ]
    return sa.or_(*tests)


def _count(state: str, ids: list[UUID]) -> int:
    some = sa.select(Mail.id).where(Mail.merchant_id.in_(ids), Mail.state == state).limit(MOST_COUNTED)
    return db.session.scalar(sa.select(sa.func.count()).select_from(some.subquery())) or 0


def attachment(actor: Actor, mail_id: UUID, name: str) -> Attachment:
    """A paper that went with a message. Raises ``NotFound``, ``NotAllowed``."""
    mail = notices.read(actor, mail_id)
    if mail.return_id is not None:
        scope.return_row(actor, mail.return_id, "returns.read")
    for one in notices.attachments(mail_id):
        if one.name == name:
            return one
    raise NotFound
