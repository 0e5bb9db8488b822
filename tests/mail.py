"""A real SMTP server for tests: keeps what it is sent, and can refuse."""

from __future__ import annotations

import email
import email.policy
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Mailbox:
    """What arrived. ``refuse`` holds the replies to give instead of taking mail, one for each."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.messages: list[EmailMessage] = []
        self.refuse: list[str] = []
        self._arrived = threading.Condition()

    def environ(self) -> dict[str, str]:
        return {"MAILER": "smtp", "SMTP_HOST": "127.0.0.1", "SMTP_PORT": str(self.port)}

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        if self.refuse:
            return self.refuse.pop(0)
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        with self._arrived:
            self.messages.append(message)
            self._arrived.notify_all()
        return "250 kept"

    def wait_for(self, count: int, seconds: float = 15) -> list[EmailMessage]:
        """The messages, once there are ``count`` of them."""
        until = time.monotonic() + seconds
        with self._arrived:
            while len(self.messages) < count and time.monotonic() < until:
                self._arrived.wait(0.1)
        assert len(self.messages) >= count, f"{len(self.messages)} of {count} mails arrived in {seconds} s"
        return list(self.messages)


@contextmanager
def receiving() -> Iterator[Mailbox]:
    mailbox = Mailbox(free_port())
    controller = Controller(mailbox, hostname="127.0.0.1", port=mailbox.port)
    controller.start()
    try:
        yield mailbox
    finally:
        controller.stop()
