"""Somebody at a browser over real HTTP: one connection kept open, cookies, the token of the last page."""

from __future__ import annotations

import gzip
import http.client
import re
import time
from collections import defaultdict
from dataclasses import dataclass
from http.cookies import SimpleCookie
from urllib.parse import urlencode, urlsplit

from bench.flow import Fields


@dataclass(frozen=True)
class Came:
    """What came back, unpacked; ``size`` is in bytes as sent."""

    status: int
    location: str
    text: str
    size: int


class HttpVisitor:
    """``times`` holds the seconds of every request by its step: sent, answered, read to the end.

    What the visitor itself does with a page (finding a form's token) is not counted.
    """

    def __init__(self, url: str, *, address: str = "198.51.100.1") -> None:
        self.step = ""
        self.address = address
        self.times: dict[str, list[float]] = defaultdict(list)
        self.host = urlsplit(url).netloc
        self._connection = http.client.HTTPConnection(self.host, timeout=60)
        self._cookies: dict[str, str] = {}
        self._token = ""

    def get(self, path: str) -> Came:
        return self._ask("GET", path, None)

    def post(self, path: str, data: Fields) -> Came:
        return self._ask("POST", path, urlencode({"csrf_token": self._token, **data}, doseq=True).encode())

    def total(self) -> float:
        return sum(sum(times) for times in self.times.values())

    @property
    def cookie(self) -> str:
        """What the browser is known by, as its requests say it; empty before the first answer."""
        return "; ".join(f"{name}={value}" for name, value in self._cookies.items())

    def _ask(self, method: str, path: str, body: bytes | None) -> Came:
        parts = urlsplit(path)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        headers = {"Accept-Encoding": "gzip", "X-Forwarded-For": self.address}
        if self.cookie:
            headers["Cookie"] = self.cookie
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        began = time.perf_counter()
        self._connection.request(method, target, body, headers)
        answer = self._connection.getresponse()
        raw = answer.read()
        self.times[self.step].append(time.perf_counter() - began)
        for cookie in answer.headers.get_all("Set-Cookie", []):
            self._cookies |= {name: morsel.value for name, morsel in SimpleCookie(cookie).items()}
        packed = answer.headers.get("Content-Encoding") == "gzip"
        text = (gzip.decompress(raw) if packed else raw).decode("utf-8", "replace")
        if token := re.search(r'name="csrf_token"[^>]*?value="([^"]+)"', text):
            self._token = token[1]
        return Came(answer.status, answer.headers.get("Location", ""), text, len(raw))

    def close(self) -> None:
        self._connection.close()
