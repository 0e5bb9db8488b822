"""Messages to customers: queued with the change that causes them, sent by durable work, kept as sent."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from email.utils import formataddr
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from portal import faults
from portal.core.access import Actor, Conflict, NotFound
from portal.core.links import Site, url
from portal.core.returns import BY_CUSTOMER, Draft, steps_left
from portal.core.shipping import Method
from portal.db import credits, history, merchants, refunds, returns, shipments
from portal.db.base import db, transaction, uuid7
from portal.db.mails import Mail
from portal.db.orders import Payment
from portal.ports import Attachment, Declined, Gateways, Message, Unavailable
from portal.services import scope, work
from portal.services.talking import alerts

TO_MERCHANT = frozenset({"new_link_requested"})
ATTACHED = {"approved": (("label", "pdf"), ("receipt", "pdf"))}
"""Which papers go with which message."""

CHANGED_BY_STATUS = frozenset(
    {
        "approved",
        "requested",
        "declined",
        "reconsidered",
        "message",
        "needs_info",
        "info_reminder",
        "info_withdrawn",
        "info_expired",
        "received",
        "missing",
        "inspected_changed",
        "refund_granted",
        "refunded",
        "store_credit",
        "account_needed",
        "cancellation_confirmed",
        "cancellation_expired",
        "cancellation_overtaken",
        "cancellation_sent_anyway",
        "dispute_opened",
        "dispute_offer",
        "dispute_answered",
    }
)
"""Messages that bring the link to the status page."""


CONVERSATION = ("message", "needs_info", "info_reminder", "info_withdrawn", "info_expired")
"""Messages of the thread."""

STANDING = CHANGED_BY_STATUS - set(CONVERSATION)
"""Messages that tell how a return stands."""


def queue(
    event: str,
    draft: Draft,
    *,
    now: datetime,
    links: Mapping[str, UUID] | None = None,
    refund_id: UUID | None = None,
    delay: int = 0,
    **values: object,
) -> UUID:
    """Promise a message, in the caller's transaction; it is sent in ``delay`` seconds at the earliest."""
    mail_id = uuid7()
    db.session.execute(
        sa.insert(Mail).values(
            id=mail_id,
            merchant_id=draft.merchant_id,
            return_id=draft.id,
            refund_id=refund_id,
            event=event,
            language=draft.language,
            recipient="" if event in TO_MERCHANT else draft.email,
            values={"links": {name: str(link) for name, link in (links or {}).items()}} | values,
            message_id=f"<{mail_id}@returns>",
            created_at=now,
        )
    )
    work.enqueue("mail", mail_id, delay=delay)
    return mail_id


WITHDRAWABLE = frozenset({"approved", "declined"})
"""Messages that are taken back with the decision they tell of, until somebody begins to send them."""


def withdraw(return_id: UUID, events: Iterable[str], *, since: datetime) -> bool:
    """Take back messages queued since, in the caller's transaction; whether one may have reached its reader."""
    queued = sa.select(Mail).where(
        Mail.return_id == return_id, Mail.event.in_(list(events)), Mail.created_at >= since
    )
    told = False
    for mail in db.session.scalars(queued.with_for_update().execution_options(populate_existing=True)):
        if mail.state == "queued" and not mail.values.get("begun"):
            db.session.delete(mail)
        else:
            told = True
    return told


def _begin(mail_id: UUID) -> bool:
    """From now on this message cannot be taken back; False when it was."""
    with transaction():
        wanted = sa.select(Mail).where(Mail.id == mail_id).with_for_update()
        mail = db.session.scalar(wanted.execution_options(populate_existing=True))
        if mail is not None and not mail.values.get("begun"):
            mail.values = {**mail.values, "begun": True}
        return mail is not None


def deliver(mail_id: UUID, *, gateways: Gateways, site: Site, now: datetime) -> None:
    """Render and send one message under its own Message-ID. Raises ``Unavailable`` for another try.

    The addresses of links are put in for sending alone; what is kept shows their place.
    """
    mail = db.session.get(Mail, mail_id, populate_existing=True)
    if mail is None or mail.state == "sent":
        return
    if mail.event in WITHDRAWABLE and not _begin(mail_id):
        return
    if mail.event in alerts.EVENTS:
        kept, message = alerts.written(mail, gateways=gateways, site=site)
    elif mail.return_id is not None:
        kept, message = _written(mail, gateways=gateways, site=site)
    else:
        return
    db.session.commit()  # nothing is read while the mail server is waited for
    try:
        gateways.mailer.send(message)
        faults.point("after_smtp_250")
    except Declined as problem:
        _record(mail_id, "failed", now, kept, message, gateways=gateways, error=str(problem))
        return
    except Unavailable as problem:
        _record(mail_id, "queued", now, kept, message, gateways=gateways, error=str(problem))
        raise
    _record(mail_id, "sent", now, kept, message, gateways=gateways)


def _written(mail: Mail, *, gateways: Gateways, site: Site) -> tuple[Any, Message]:
    """A message about a return: as it is kept, and as it is sent."""
    row = returns.get(mail.return_id) if mail.return_id else None
    if row is None:
        raise NotFound
    merchant, _, terms = merchants.with_terms(row.merchant_id, row.policy_id)
    draft = returns.draft(row)
    left = [step.value for step in steps_left(draft, terms, steps=BY_CUSTOMER)]
    values = values_of(mail, row, draft, left, zone=merchant.zone)
    code = _counter_code(mail, row)
    values["has_qr"] = bool(code)
    real, marked = _addresses(mail, row, site)
    language = merchant.language if mail.event in TO_MERCHANT else mail.language
    credit = _credit(mail, site)
    page = {"credit": f"{site.base_url}/credit/{merchant.slug}"} if credit else {}

    def rendered(addresses: dict[str, str], shown: str):  # type: ignore[no-untyped-def]
        return gateways.mailer.render(
            mail.event,
            language=language,
            zone=merchant.zone,
            merchant=merchant,
            values=values | ({"credit": _told(credit, shown)} if credit else {}),
            links=addresses | page,
        )

    hidden = credit.hidden if credit else ""
    kept = rendered(marked, hidden)
    sent = rendered(real, credit.code or hidden if credit else "")
    return kept, Message(
        to=mail.recipient or merchant.support_email,
        from_name=merchant.name,
        reply_to=merchant.support_email,
        subject=sent.subject,
        text=sent.text,
        html=sent.html,
        message_id=mail.message_id,
        references=_references(mail, row),
        attachments=(*_attachments(mail, row), *_picture(code, gateways)),
    )


def _references(mail: Mail, row: returns.Return) -> str:
    """All mail about a return is one conversation; a message of the thread also names those before it."""
    root = f"<{row.id}@returns>"
    if mail.event not in CONVERSATION:
        return root
    before = db.session.scalars(
        sa.select(Mail.message_id)
        .where(
            Mail.return_id == row.id, Mail.event.in_(CONVERSATION), Mail.state == "sent", Mail.id < mail.id
        )
        .order_by(Mail.id.desc())
        .limit(10)
    ).all()
    return " ".join((root, *reversed(before)))


def _credit(mail: Mail, site: Site) -> credits.Told | None:
    """The credit that a message is about, with its code, which stands in the message that is sent alone."""
    return (
        credits.told(UUID(mail.values["credit"]), secret=site.secret) if mail.values.get("credit") else None
    )


def _told(credit: credits.Told, code: str) -> dict[str, Any]:
    return {
        "code": code,
        "kind": credit.kind,
        "card": credit.card,
        "balance": credit.balance,
        "currency": credit.currency,
        "expires_on": credit.expires_on.isoformat() if credit.expires_on else "",
    }


def _record(
    mail_id: UUID,
    state: str,
    now: datetime,
    kept: Any,
    message: Message,
    *,
    gateways: Gateways,
    error: str = "",
) -> None:
    """What became of it, with the message as it was handed over; where a link was, its place is kept."""
    with transaction() as session:
        session.execute(
            sa.update(Mail)
            .where(Mail.id == mail_id, Mail.state != "sent")
            .values(
                state=state,
                subject=kept.subject[:300],
                text=kept.text,
                html=kept.html,
                envelope=_envelope(message, sender=gateways.mailer.sender),
                error=error[:500],
                sent_at=now if state == "sent" else None,
            )
        )


def _envelope(message: Message, *, sender: str) -> dict[str, Any]:
    """Headers by name, and what was attached, as plain values."""
    headers = {
        "From": formataddr((message.from_name, sender)) if sender else message.from_name,
        "To": message.to,
        "Reply-To": message.reply_to,
        "Message-ID": message.message_id,
        "References": message.references,
        "In-Reply-To": message.references.split()[-1] if message.references else "",
    }
    return {
        "headers": {name: value for name, value in headers.items() if value},
        "attachments": [
            {
                "name": one.name,
                "media_type": one.media_type,
                "size": len(one.content),
                "inline": bool(one.cid),
            }
            for one in message.attachments
        ],
    }


def values_of(mail: Mail, row: returns.Return, draft: Draft, left: list[str], *, zone: str) -> dict[str, Any]:
    """What the templates may tell, as plain values; a day is one of the shop's calendar, in ``zone``."""
    refund = db.session.get(refunds.Refund, mail.refund_id) if mail.refund_id else None
    link_id = mail.values.get("links", {}).get("link")
    link = db.session.get(returns.Link, UUID(link_id)) if link_id else None
    return {
        "name": draft.name,
        "number": draft.number or "",
        "order_number": draft.order_number,
        "state": draft.state,
        "kind": draft.kind,
        "handling": draft.handling,
        "note": draft.note,
        "currency": draft.currency,
        "lines": [
            {
                "name": line.name,
                "variant": line.variant,
                "sku": line.sku,
                "units": line.authorized or line.open_units or line.units,
                "code": line.code or "",
            }
            for line in draft.lines
            if line.open_units or draft.state == "declined"
        ],
        "refused": [
            {
                "name": line.name,
                "variant": line.variant,
                "units": line.declined,
                "reason": line.decline_reason,
                "message": line.decline_message,
            }
            for line in draft.declined
        ],
        "left": left,
        "expires_on": link.expires_at.astimezone(ZoneInfo(zone)).date().isoformat() if link else "",
        "ship_by": row.ship_by.isoformat() if row.ship_by else "",
        "sending": asdict(draft.sending) if draft.sending else None,
        "breakdown": refund.breakdown if refund else row.breakdown,
        "before": mail.values.get("before"),
        "missing": mail.values.get("missing", {}),
        "decline_reason": row.decline_reason,
        "decline_message": row.decline_message,
        "refund": _refund(refund) if refund else None,
        "reply_days": 2,
        "cancellation": mail.values.get("cancellation"),
        "dispute": mail.values.get("dispute"),
        "thread": mail.values.get("thread"),
    }


def _refund(refund: refunds.Refund) -> dict[str, Any]:
    """The refund with where it goes: as it was sent, or, before that, as it was decided."""
    return {
        "number": refund.number,
        "amount": refund.amount_minor,
        "currency": refund.currency,
        "shares": _sent(refund.id) or _decided(refund.breakdown.get("shares", [])),
    }


def _decided(shares: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The parts of a refund that is not sent yet, each with whether its payment was charged at all."""
    ids = [UUID(share["origin_id"]) for share in shares if share.get("origin_id")]
    found = db.session.execute(sa.select(Payment.id, Payment.mode).where(Payment.id.in_(ids))) if ids else ()
    modes = {str(row.id): row.mode for row in found}
    return [{**share, "mode": modes.get(str(share.get("origin_id")), "captured")} for share in shares]


def _sent(refund_id: UUID) -> list[dict[str, Any]]:
    """Every transfer that counts: where it goes, by which day it is there, how the bank finds it."""
    payout = refunds.Payout
    wanted = (
        sa.select(payout, Payment.tender, Payment.label)
        .outerjoin(Payment, Payment.id == payout.payment_id)
        .where(payout.refund_id == refund_id, payout.state.not_in(("failed", "canceled")))
        .order_by(payout.created_at, payout.id)
    )
    return [
        {
            "tender": tender or sent.provider,
            "label": label or "",
            "provider": sent.provider,
            "mode": sent.mode,
            "amount": sent.amount_minor,
            "arrives_on": sent.arrives_on.isoformat() if sent.arrives_on else "",
            "bank_reference": sent.bank_reference,
        }
        for sent, tender, label in db.session.execute(wanted)
    ]


def _addresses(mail: Mail, row: returns.Return, site: Site) -> tuple[dict[str, str], dict[str, str]]:
    """The addresses in a message as sent, and as kept (a link's place, without its token)."""
    wanted = {name: UUID(link_id) for name, link_id in mail.values.get("links", {}).items()}
    if mail.event in CHANGED_BY_STATUS and "status" not in wanted:
        status = db.session.scalar(
            sa.select(returns.Link.id).where(
                returns.Link.return_id == row.id,
                returns.Link.purpose == "status",
                returns.Link.state == "open",
            )
        )
        if status is not None:
            wanted["status"] = status
    real, marked = {}, {}
    for name, link_id in wanted.items():
        link = db.session.get(returns.Link, link_id)
        if link is not None:
            real[name] = url(site, link.nonce)
            marked[name] = _place(site, name)
    if mail.event in TO_MERCHANT:
        real["admin"] = marked["admin"] = f"{site.base_url}/admin/returns/{row.id}"
    return real, marked


def _place(site: Site, name: str) -> str:
    """What stands in a kept message where the address of a link was."""
    return f"{site.base_url}/l/_{name}_"


def _attachments(mail: Mail, row: returns.Return) -> tuple[Attachment, ...]:
    paper = shipments.Document
    wanted = ATTACHED.get(mail.event, ())
    if not wanted:
        return ()
    papers = db.session.scalars(sa.select(paper).where(paper.return_id == row.id).order_by(paper.id)).all()
    found: dict[tuple[str, str], shipments.Document] = {}
    for one in papers:
        found.setdefault((one.kind, one.format), one)
    return tuple(
        Attachment(
            name=f"{row.number or 'return'}-{kind}.{format}",
            media_type="application/pdf",
            content=found[kind, format].content,
        )
        for kind, format in wanted
        if (kind, format) in found
    )


def _counter_code(mail: Mail, row: returns.Return) -> str:
    """What the customer shows at the counter; empty for other messages and other ways of sending."""
    if mail.event != "approved" or (row.sending or {}).get("method") != Method.QR_DROPOFF:
        return ""
    shipment = shipments.Shipment
    wanted = sa.select(shipment.handoff_code).where(
        shipment.return_id == row.id, shipment.state != "canceled"
    )
    return db.session.scalar(wanted.order_by(shipment.id.desc()).limit(1)) or ""


def _picture(code: str, gateways: Gateways) -> tuple[Attachment, ...]:
    """The code as a picture that the message itself shows."""
    if not code:
        return ()
    content = gateways.documents.qr_png(code)
    return (Attachment(name="qr.png", media_type="image/png", content=content, cid="qr"),)


def resend(actor: Actor, mail_id: UUID, *, nonce: str = "", now: datetime) -> None:
    """Send a message once more, as a new one, to the customer's address as it is now.

    The same ``nonce`` sends once. Raises ``NotFound``, ``NotAllowed``, ``Conflict("mail_queued")``.
    """
    with transaction():
        mail = db.session.get(Mail, mail_id, populate_existing=True)
        if mail is None or mail.return_id is None:
            raise NotFound
        row = scope.return_row(actor, mail.return_id, "returns.create", lock=True)
        sent = db.session.scalars(sa.select(Mail.values).where(Mail.return_id == row.id)) if nonce else ()
        if any(values.get("nonce") == nonce for values in sent):
            return
        _again(actor, mail, row, nonce=nonce, now=now)


def resend_last(actor: Actor, return_id: UUID, *, now: datetime) -> None:
    """Send once more what the customer was told last of how the return stands: with the label, if that was it.

    Raises ``Conflict``: ``nothing_sent``, ``mail_queued`` while it waits, ``nowhere_to_send``.
    """
    with transaction():
        row = scope.return_row(actor, return_id, "returns.create", lock=True)
        told = sa.select(Mail).where(Mail.return_id == row.id, Mail.event.in_(STANDING))
        last = db.session.scalar(
            told.order_by(Mail.id.desc()).limit(1).execution_options(populate_existing=True)
        )
        if last is None:
            raise Conflict("nothing_sent")
        if not row.email:
            raise Conflict("nowhere_to_send")
        _again(actor, last, row, now=now)


def _again(actor: Actor, mail: Mail, row: returns.Return, *, nonce: str = "", now: datetime) -> None:
    if mail.state == "queued":
        raise Conflict("mail_queued")
    values = {key: value for key, value in mail.values.items() if key not in ("links", "begun", "nonce")}
    values |= {"nonce": nonce} if nonce else {}
    links = {name: UUID(link) for name, link in mail.values.get("links", {}).items()}
    queue(mail.event, returns.draft(row), now=now, links=links, refund_id=mail.refund_id, **values)
    history.record(
        actor,
        "return.mail.resent",
        merchant_id=row.merchant_id,
        subject_id=row.id,
        now=now,
        event=mail.event,
    )


def mail_again(actor: Actor, return_id: UUID, *, now: datetime) -> None:
    """The customer asks for label and receipt once more. Raises ``Conflict`` before there are any."""
    with transaction():
        row = scope.return_row(actor, return_id, "returns.create")
        last = db.session.scalar(
            sa.select(Mail)
            .where(Mail.return_id == row.id, Mail.event == "approved")
            .order_by(Mail.id.desc())
            .limit(1)
        )
        if last is None:
            raise Conflict("no_label")
        if last.state != "queued":
            queue("approved", returns.draft(row), now=now)


@dataclass(frozen=True, kw_only=True)
class MailFacts:
    """One message as the log shows it."""

    id: UUID
    merchant_id: UUID
    return_id: UUID | None
    event: str
    language: str
    recipient: str
    subject: str
    text: str
    html: str
    state: str
    error: str
    created_at: datetime
    sent_at: datetime | None
    envelope: dict[str, Any] = field(default_factory=dict)


def facts(mail: Mail) -> MailFacts:
    return MailFacts(**{name: getattr(mail, name) for name in MailFacts.__dataclass_fields__})


def of_return(return_id: UUID) -> list[MailFacts]:
    """The messages about a return, oldest first; the caller has passed the gate."""
    found = db.session.scalars(sa.select(Mail).where(Mail.return_id == return_id).order_by(Mail.id))
    return [facts(mail) for mail in found]


def read(actor: Actor, mail_id: UUID) -> MailFacts:
    """One message, for people of its merchant. Raises ``NotFound``, ``NotAllowed``."""
    mail = db.session.get(Mail, mail_id)
    if mail is None:
        raise NotFound
    scope.require(actor, "returns.read", mail.merchant_id)
    return facts(mail)


def outbox(*, limit: int = 100) -> list[MailFacts]:
    """The newest messages of everyone: for the demo alone, whose people are nobody."""
    return [facts(mail) for mail in db.session.scalars(sa.select(Mail).order_by(Mail.id.desc()).limit(limit))]


def as_sent(mail_id: UUID, *, site: Site) -> MailFacts:
    """A message with its links as the customer got it: for the demo alone."""
    mail = db.session.get(Mail, mail_id)
    row = returns.get(mail.return_id) if mail and mail.return_id else None
    if mail is None:
        raise NotFound
    shown = facts(mail)
    real, _ = _addresses(mail, row, site) if row is not None else ({}, {})
    text, html = shown.text, shown.html
    for name, address in real.items():
        text, html = text.replace(_place(site, name), address), html.replace(_place(site, name), address)
    if credit := _credit(mail, site):
        code = credit.code or credit.hidden
        text, html = text.replace(credit.hidden, code), html.replace(credit.hidden, code)
    return MailFacts(**{**vars(shown), "text": text, "html": html})


def attachments(mail_id: UUID) -> tuple[Attachment, ...]:
    """The papers of a message: for the demo alone."""
    mail = db.session.get(Mail, mail_id)
    row = returns.get(mail.return_id) if mail and mail.return_id else None
    if mail is None:
        raise NotFound
    return _attachments(mail, row) if row is not None else ()


def preview(
    actor: Actor, return_id: UUID, *, event: str, gateways: Gateways, site: Site, now: datetime
) -> MailFacts:
    """The message as it would be sent now, with the place of its link marked; nothing is queued."""
    row = scope.return_row(actor, return_id, "returns.read")
    draft = returns.draft(row)
    merchant, _, terms = merchants.with_terms(row.merchant_id, row.policy_id)
    left = [step.value for step in steps_left(draft, terms, steps=BY_CUSTOMER)]
    mail = Mail(
        id=uuid7(),
        merchant_id=row.merchant_id,
        return_id=row.id,
        event=event,
        values={},
        language=draft.language,
    )
    rendered = gateways.mailer.render(
        event,
        language=draft.language,
        zone=merchant.zone,
        merchant=merchant,
        values=values_of(mail, row, draft, left, zone=merchant.zone),
        links={"link": _place(site, "link"), "status": _place(site, "status")},
    )
    return MailFacts(
        id=mail.id,
        merchant_id=row.merchant_id,
        return_id=row.id,
        event=event,
        language=draft.language,
        recipient=draft.email,
        subject=rendered.subject,
        text=rendered.text,
        html=rendered.html,
        state="queued",
        error="",
        created_at=now,
        sent_at=None,
    )
