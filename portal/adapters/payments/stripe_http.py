"""How the SDK speaks HTTP: with time limits, without repeating anything, telling nothing about this machine."""

import threading
from collections.abc import Mapping
from typing import Any

import requests
import stripe as sdk
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from portal import faults

CONNECT_SECONDS = 5
_ABOUT_THIS_MACHINE = ("x-stripe-client-user-agent", "x-stripe-client-telemetry")

sdk.enable_telemetry = False


class Transport(sdk.HTTPClient):
    """One connection pool per thread; every fault of the line is an ``APIConnectionError`` in plain words."""

    name = "requests"

    def __init__(self, *, read_seconds: int) -> None:
        super().__init__()
        self._seconds = read_seconds
        self._own = threading.local()

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        post_data: Any = None,
        *,
        _usage: list[str] | None = None,
    ) -> tuple[Any, int, Mapping[str, str]]:
        """Ask once. Redirections are answers: a payment follows nobody."""
        shown = {name: v for name, v in (headers or {}).items() if name.lower() not in _ABOUT_THIS_MACHINE}
        shown["User-Agent"] = f"Stripe/v1 PythonBindings/{sdk.VERSION} returns-portal"
        try:
            answer = self._session().request(
                method,
                url,
                headers=shown,
                data=post_data,
                timeout=(CONNECT_SECONDS, self._seconds),
                allow_redirects=False,
            )
        except requests.RequestException as problem:
            raise sdk.APIConnectionError(_in_words(problem, self._seconds)) from problem
        return answer.content, answer.status_code, answer.headers

    def close(self) -> None:
        """Let this thread's connections go."""
        if (session := getattr(self._own, "session", None)) is not None:
            session.close()

    def _session(self) -> requests.Session:
        if (session := getattr(self._own, "session", None)) is None:
            session = requests.Session()
            session.auth = _leave_as_it_is
            session.mount("http://", _Adapter())
            session.mount("https://", _Adapter())
            self._own.session = session
        return session


def _in_words(problem: requests.RequestException, seconds: int) -> str:
    known: tuple[tuple[type[Exception], str], ...] = (
        (requests.exceptions.SSLError, "the connection is not safe: the certificate was not accepted"),
        (requests.exceptions.ConnectTimeout, f"no connection within {CONNECT_SECONDS} s"),
        (requests.exceptions.ReadTimeout, f"no answer within {seconds} s"),
        (requests.exceptions.ChunkedEncodingError, "the answer was cut off"),
        (requests.exceptions.ConnectionError, "the connection was refused or lost"),
    )
    words = next((text for kind, text in known if isinstance(problem, kind)), "the request could not be made")
    return f"Stripe: {words} ({type(problem).__name__})"


def _leave_as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Without this, an entry for the host in a .netrc file would take the place of the API key."""
    return request


class _Marked:
    """A connection on which a test may let the process die when a payment was sent and nothing read yet."""

    def request(self, method: str, *args: Any, **more: Any) -> None:
        super().request(method, *args, **more)  # type: ignore[misc]
        if method == "POST":
            faults.point("after_http_sent")


class _Http(_Marked, HTTPConnection):
    pass


class _Https(_Marked, HTTPSConnection):
    pass


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _Http  # type: ignore[assignment]


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _Https  # type: ignore[assignment]


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **more: Any) -> None:
        super().init_poolmanager(*args, **more)
        self.poolmanager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}

    def proxy_manager_for(self, *args: Any, **more: Any) -> Any:
        manager = super().proxy_manager_for(*args, **more)
        manager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}
        return manager
