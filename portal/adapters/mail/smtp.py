"""E-mail over SMTP, with the messages built by Flask-Mail."""

import smtplib
import ssl
from contextlib import nullcontext
from email.utils import formataddr, parseaddr
from types import TracebackType

import flask_mail
from flask import Flask, has_app_context

from portal.adapters.mail.render import Rendering
from portal.ports import Declined, Message, Unavailable

PATIENCE = 20
"""Seconds one answer of the mail server may take."""


class SmtpMailer(Rendering):
    """Implements ``ports.Mailer`` with one connection per message, so that no worker holds one open."""

    def __init__(
        self, app: Flask, *, host: str, port: int, user: str, password: str, starttls: bool, sender: str
    ) -> None:
        app.config.update(
            MAIL_SERVER=host,
            MAIL_PORT=port,
            MAIL_USERNAME=user or None,
            MAIL_PASSWORD=password or None,
            MAIL_USE_TLS=starttls,
            MAIL_DEFAULT_SENDER=sender,
            MAIL_SUPPRESS_SEND=False,
        )
        self._app = app
        flask_mail.Mail(app)
        self._mail = app.extensions["mail"]
        self._sender_name, self._sender = parseaddr(sender)

    @property
    def sender(self) -> str:
        return self._sender

    def send(self, message: Message) -> None:
        with nullcontext() if has_app_context() else self._app.app_context():
            try:
                with _Connection(self._mail) as connection:
                    connection.send(self._built(message), envelope_from=self._sender)
            except smtplib.SMTPRecipientsRefused as refusal:
                code, _ = next(iter(refusal.recipients.values()))
                raise _answer(code, "recipient_refused") from None
            except smtplib.SMTPAuthenticationError as refusal:
                raise Unavailable(f"mail server: sign-in refused ({refusal.smtp_code})") from None
            except smtplib.SMTPResponseException as refusal:
                raise _answer(refusal.smtp_code, "message_refused") from None
            except (smtplib.SMTPException, OSError) as problem:
                raise Unavailable(f"mail server: {type(problem).__name__}") from problem
            except (flask_mail.BadHeaderError, UnicodeError):
                raise Declined("recipient_refused", "an address or header that cannot be sent") from None

    def _built(self, message: Message) -> flask_mail.Message:
        """The message as Flask-Mail knows it; an automatic one, so that no absence note answers it."""
        built = flask_mail.Message(
            subject=" ".join(message.subject.split()),
            recipients=[message.to],
            body=message.text,
            html=message.html or None,
            sender=formataddr((message.from_name or self._sender_name, self._sender)),
            reply_to=message.reply_to or None,
            extra_headers={
                "Auto-Submitted": "auto-generated",
                "X-Auto-Response-Suppress": "All",
                **(
                    {"References": message.references, "In-Reply-To": message.references.split()[-1]}
                    if message.references
                    else {}
                ),
            },
            attachments=[
                flask_mail.Attachment(
                    filename=attached.name,
                    content_type=attached.media_type.split(";")[0],
                    data=attached.content,
                    disposition="inline" if attached.cid else "attachment",
                    headers={"Content-ID": f"<{attached.cid}>"} if attached.cid else None,
                )
                for attached in message.attachments
            ],
        )
        built.msgId = message.message_id
        return built


class _Connection(flask_mail.Connection):
    """Flask-Mail's, with limited patience, checked certificates, and a goodbye that fails no sent message."""

    def configure_host(self) -> smtplib.SMTP:
        host = smtplib.SMTP(self.mail.server, self.mail.port, timeout=PATIENCE)
        try:
            if self.mail.use_tls:
                host.starttls(context=ssl.create_default_context())
            if self.mail.username and self.mail.password:
                host.login(self.mail.username, self.mail.password)
        except (smtplib.SMTPException, OSError):
            host.close()
            raise
        return host

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            super().__exit__(kind, problem, trace)  # type: ignore[arg-type]
        except (smtplib.SMTPException, OSError):
            if self.host is not None:
                self.host.close()


def _answer(code: int, refused: str) -> Exception:
    """A 4xx answer is for later, a 5xx one for good. Its text is left out: it may quote addresses."""
    if 400 <= code < 500:
        return Unavailable(f"mail server: {code}")
    return Declined(refused, str(code))
