"""E-mail: messages rendered from templates/email in the reader's language, and the ways to send them.

May import: core, ports, words, flask_mail, jinja2.
"""

from flask import Flask

from portal.adapters.mail.sandbox import SandboxMailer
from portal.adapters.mail.smtp import SmtpMailer
from portal.ports import Mailer
from portal.settings import Settings


def build(settings: Settings, app: Flask) -> Mailer:
    """The mailer that the settings ask for."""
    if settings.mailer == "sandbox":
        return SandboxMailer()
    return SmtpMailer(
        app,
        host=settings.smtp_host,
        port=settings.smtp_port,
        user=settings.smtp_user,
        password=settings.smtp_password,
        starttls=settings.smtp_starttls,
        sender=settings.mail_from,
    )
