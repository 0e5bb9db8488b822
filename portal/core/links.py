"""Pre-authorized links: how a token is made, checked and kept; what a link still permits."""

import hashlib
import hmac
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

FINISH, STATUS = "finish", "status"
"""What a link is for: to finish a return, or to follow one."""


def token(secret: str, nonce: str) -> str:
    """The token of a link: 192 bits that only somebody with the server's secret and the random ``nonce`` has.

    It is worked out again whenever a mail or an agent's page must show it, and stored nowhere.
    """
    code = hmac.new(secret.encode(), b"link:" + nonce.encode(), hashlib.sha256).digest()
    return urlsafe_b64encode(code[:24]).decode()


def digest(token: str) -> str:
    """What is stored of a token, and what it is looked up by."""
    return hashlib.sha256(token.encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Site:
    """Where the portal is reached, and the secret that its tokens are worked out with."""

    base_url: str
    secret: str = field(repr=False)


def url(site: Site, nonce: str) -> str:
    """The address to send or show; whoever has it may finish, or follow, the one return."""
    return f"{site.base_url}/l/{token(site.secret, nonce)}"


@dataclass(frozen=True, kw_only=True)
class LinkFacts:
    """A link as its holder, or an agent, may know it."""

    id: UUID
    merchant_id: UUID
    return_id: UUID
    purpose: str
    state: str
    expires_at: datetime
    created_at: datetime
    opened_at: datetime | None = None
    finished_at: datetime | None = None

    def standing(self, now: datetime) -> str:
        """``open``, ``finished``, ``revoked``, or ``expired``: what to tell whoever holds it."""
        if self.state == "open" and now >= self.expires_at:
            return "expired"
        return self.state
