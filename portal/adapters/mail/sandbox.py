"""A mailer that sends nothing: what it was given can be looked at. Nothing leaves the process."""

from collections import deque
from dataclasses import dataclass, field

from portal.adapters.mail.render import Rendering
from portal.ports import Message

KEPT = 200


@dataclass(frozen=True)
class SandboxMailer(Rendering):
    """Implements ``ports.Mailer``; the last messages stay in ``sent``, newest last."""

    sent: deque[Message] = field(default_factory=lambda: deque(maxlen=KEPT))

    def send(self, message: Message) -> None:
        self.sent.append(message)
