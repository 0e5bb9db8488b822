"""Tells a shop's system by a signed POST, as Standard Webhooks describes it: id, timestamp, signature.

The body is the same at every try, so a receiver that keeps ``webhook-id`` does each thing once. Redirections
are never followed: a message that names customers' orders goes to the configured address or nowhere, and no
answer can send it into the network of the portal.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import requests

from portal.adapters.channels.notices import body
from portal.adapters.signatures import signed
from portal.ports import ChannelNotice, Declined, Unavailable

CONNECT_SECONDS, READ_SECONDS = 5, 15
MOST_READ = 2000
"""Bytes of an answer that are looked at: it is for the log, and may be anything."""

LATER = frozenset({408, 409, 423, 425, 429})
"""Answers below 500 after which the same message may be taken."""


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class WebhookChannel:
    """Implements ``ports.Channel``."""

    url: str
    secret: str = field(repr=False)
    clock: Callable[[], datetime] = _now
    _own: threading.local = field(default_factory=threading.local, repr=False)

    @property
    def code(self) -> str:
        return "webhook"

    def notify(self, notice: ChannelNotice, *, key: str) -> None:
        """Post it once. Raises ``Unavailable`` (no answer, 5xx, "later"), or ``Declined``: ``redirected``,
        ``not_wanted`` (410: no more of them), ``not_taken`` (any other answer that is no 2xx).
        """
        told = body(notice, key=key)
        headers = {
            "content-type": "application/json; charset=utf-8",
            "user-agent": "returns-portal",
            **signed(key, told, secret=self.secret, at=self.clock()),
        }
        try:
            with self._session().post(
                self.url,
                data=told,
                headers=headers,
                timeout=(CONNECT_SECONDS, READ_SECONDS),
                allow_redirects=False,
                stream=True,
            ) as answer:
                self._judge(answer)
        except requests.RequestException as problem:
            raise Unavailable(f"channel: {_in_words(problem)} ({type(problem).__name__})") from problem

    def _judge(self, answer: requests.Response) -> None:
        status = answer.status_code
        if 200 <= status < 300:
            return
        said = next(answer.iter_content(MOST_READ), b"").decode("utf-8", "replace").strip()
        words = f"HTTP {status}" + (f": {said[:200]}" if said else "")
        if status >= 500 or status in LATER:
            wait = _seconds(answer.headers.get("retry-after", ""), self.clock())
            raise Unavailable(f"channel: {words}", retry_after=wait)
        if 300 <= status < 400:
            raise Declined("redirected", f"HTTP {status}: the address answers that it is elsewhere")
        raise Declined("not_wanted" if status == 410 else "not_taken", words)

    def _session(self) -> requests.Session:
        if (session := getattr(self._own, "session", None)) is None:
            session = requests.Session()
            session.trust_env = False
            self._own.session = session
        return session


def _seconds(told: str, now: datetime) -> int | None:
    """How long ``Retry-After`` asks to wait, in either of its forms; None where it says nothing readable."""
    if told.isascii() and told.isdecimal():
        return min(int(told), 10**6)
    try:
        at = parsedate_to_datetime(told)
    except (TypeError, ValueError):
        return None
    return max(0, int(((at if at.tzinfo else at.replace(tzinfo=UTC)) - now).total_seconds()))


def _in_words(problem: requests.RequestException) -> str:
    known: tuple[tuple[type[Exception], str], ...] = (
        (requests.exceptions.SSLError, "the connection is not safe: the certificate was not accepted"),
        (requests.exceptions.ConnectTimeout, f"no connection within {CONNECT_SECONDS} s"),
        (requests.exceptions.ReadTimeout, f"no answer within {READ_SECONDS} s"),
        (requests.exceptions.ConnectionError, "the connection was refused or lost"),
    )
    return next((text for kind, text in known if isinstance(problem, kind)), "the request could not be made")
