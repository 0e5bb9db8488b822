"""Mail to the people who look after the money: one per case, with nothing of the customer in it but a number."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from portal.core.access import NotFound
from portal.core.links import Site
from portal.db import merchants
from portal.db.base import db, uuid7
from portal.db.mails import Mail
from portal.db.people import Membership, Person
from portal.ports import Gateways, Message
from portal.services import work

EVENT, CANCELLATION = "finance_alert", "finance_cancellation"
EVENTS = (EVENT, CANCELLATION)
"""Messages to people of the shop, which tell of no customer."""

ALERTED = (
    "refund_failed",
    "refund_waits",
    "wrong_answer",
    "not_authorized",
    "drift",
    "chargeback",
    "credit_note_failed",
    "shipped_after_release",
)
"""Kinds of task that finance is told of at once; the others wait on the finance page."""


def tell(kind: str, *, merchant_id: UUID, subject_id: UUID | None = None, number: str, now: datetime) -> int:
    """Promise one message to each finance person of the merchant, in the caller's transaction.

    The caller sees to it that a case is told once (a task is opened once). ``number`` names it: a refund's,
    or the gateway's reference. Where nobody has the role, the merchant's own address gets it. Answers how many.
    """
    if kind not in ALERTED:
        return 0
    values = {"kind": kind, "number": number, "subject": str(subject_id or "")}
    return _queue(EVENT, values, merchant_id=merchant_id, now=now)


def tell_of_cancellation(
    *,
    merchant_id: UUID,
    return_id: UUID,
    number: str,
    order_number: str,
    refund: Mapping[str, Any] | None,
    now: datetime,
) -> int:
    """The same of a confirmed cancellation; ``refund`` is what goes back, is let go or is owed no more."""
    values = {"number": number, "order_number": order_number, "refund": refund, "subject": str(return_id)}
    return _queue(CANCELLATION, values, merchant_id=merchant_id, now=now)


def _queue(event: str, values: Mapping[str, Any], *, merchant_id: UUID, now: datetime) -> int:
    people = db.session.execute(
        sa.select(Person.email, Person.language)
        .join(Membership, Membership.person_id == Person.id)
        .where(Membership.merchant_id == merchant_id, Membership.role == "finance", Person.active)
        .order_by(Person.email)
    ).all()
    if not people:
        shop = merchants.by_id(merchant_id)
        told = [(shop.support_email, shop.language)] if shop is not None else []
    else:
        told = [(person.email, person.language) for person in people]
    for email, language in told:
        mail_id = uuid7()
        db.session.execute(
            sa.insert(Mail).values(
                id=mail_id,
                merchant_id=merchant_id,
                return_id=None,
                refund_id=None,
                event=event,
                language=language,
                recipient=email,
                values=dict(values),
                message_id=f"<{mail_id}@returns>",
                created_at=now,
            )
        )
        work.enqueue("mail", mail_id)
    return len(told)


def written(mail: Mail, *, gateways: Gateways, site: Site) -> tuple[Any, Message]:
    """The message as it is kept, and as it is sent."""
    shop = merchants.by_id(mail.merchant_id)
    if shop is None:
        raise NotFound
    merchant = merchants.facts(shop)
    rendered = gateways.mailer.render(
        mail.event,
        language=mail.language,
        zone=merchant.zone,
        merchant=merchant,
        values={key: value for key, value in mail.values.items() if key not in ("kind", "subject")}
        | {"alert": mail.values.get("kind", "")},
        links={"admin": f"{site.base_url}/admin/finance"},
    )
    return rendered, Message(
        to=mail.recipient,
        from_name=merchant.name,
        reply_to=merchant.support_email,
        subject=rendered.subject,
        text=rendered.text,
        html=rendered.html,
        message_id=mail.message_id,
        references=f"<{mail.values['subject'] or mail.id}@returns>",
        attachments=(),
    )
