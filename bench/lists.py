"""W5: what lists, searches, counters and files take among ten thousand returns, and among a million."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import sqlalchemy as sa
from flask import Flask

from bench import flow, plans, shop
from bench.crowd import SHARE, Crowd, Known, crowd
from bench.ground import KINDS, Ground, Processes, ground, web
from bench.inside import InsideVisitor, counting
from bench.shop import PASSWORD
from bench.tables import Result, p50
from bench.visitor import HttpVisitor
from portal.core.listing import TABS
from portal.core.policy.terms import Terms
from portal.db.base import db
from portal.db.returns import Return
from portal.services import merchants
from portal.services.lists import list_counts, listing
from portal.services.lists.list_filters import asked
from portal.services.persons import people

SIZES = (10_000, 100_000, 1_000_000)
EMAIL = "lists@bench.example"
DEEP = 20_000
"""Rows before the deep page, its 400th; of a shorter list, half of them."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """A list with a thing in it that is there at every size."""

    app: Flask
    crowd: Crowd
    size: int

    @property
    def known(self) -> Known:
        """A return that is over, has been refunded and contested."""
        return next(
            one
            for one in (Known(n=n) for n in range(self.size))
            if one.disputed and one.n % SHARE != 3 and self._there(one)
        )

    def _there(self, one: Known) -> bool:
        with self.app.app_context():
            wanted = sa.select(Return.refund_state).where(Return.number == one.number)
            return db.session.scalar(wanted) == "refunded"

    def deep(self) -> str:
        """Where the deep page begins, as its address says it."""
        with self.app.app_context():
            wanted = (
                sa.select(Return.created_at, Return.id)
                .order_by(Return.created_at.desc(), Return.id.desc())
                .offset(min(DEEP, self.size // 2))
                .limit(1)
            )
            at, last = db.session.execute(wanted).one()
        return str(listing.Cursor(rank=0, value=at.isoformat(), id=last))

    def asked(self) -> Mapping[str, Mapping[str, str | list[str]]]:
        """What is measured -> the address of the list."""
        one, today = self.known, datetime.now(UTC).date()
        second = str(self.crowd.shops[1][0])
        return {
            "first page": {},
            "the 400th page": {"after": self.deep()},
            "oldest first": {"sort": "oldest"},
            "by amount": {"sort": "value"},
            "by what is due": {"sort": "due"},
            "state, few": {"state": "needs_info"},
            "state, most of all": {"state": "closed"},
            "two that seldom meet, oldest first": {"state": "needs_info", "channel": "chat", "sort": "oldest"},
            "state, by what is due": {"state": ["requested", "approved"], "sort": "due"},
            "refund state": {"refund": "refunded"},
            "channel": {"channel": "chat"},
            "kind": {"kind": "warranty"},
            "reason": {"reason": "too_small"},
            "one shop of two": {"merchant": second},
            "assigned to me": {"assignee": "me"},
            "assigned to nobody": {"assignee": "nobody"},
            "tag, frequent": {"tag": "gift"},
            "tag, rare": {"tag": "check"},
            "disputed": {"disputed": "1"},
            "unread": {"unread": "1"},
            "overdue": {"overdue": "1"},
            "expiring": {"expiring": "1"},
            "a week, a year ago": {
                "from": str(today - timedelta(days=372)),
                "to": str(today - timedelta(days=365)),
            },
            "submitted in a week": {
                "submitted_from": str(today - timedelta(days=372)),
                "submitted_to": str(today - timedelta(days=365)),
            },
            "five filters, by amount": {
                "state": ["closed", "received"], "channel": ["chat", "email"], "kind": "return",
                "reason": "too_small", "tag": "gift", "sort": "value",
            },
            "search: return number": {"q": one.number},
            "search: order number": {"q": one.order},
            "search: refund number": {"q": one.refund},
            "search: dispute number": {"q": one.dispute},
            "search: tracking number": {"q": one.tracking},
            "search: e-mail": {"q": one.email},
            "search: phone": {"q": one.phone},
            "search: name": {"q": one.name},
            "search: a word of everybody's name": {"q": "demo"},
            "search: how an e-mail begins": {"q": "buyer1"},
            "search: how an order number begins": {"q": "B-00"},
            "search: end of a phone number": {"q": one.phone[-6:]},
            "search: SKU": {"q": one.sku},
            "search and a filter": {"q": one.name.split()[1], "state": "closed"},
            "search: nothing fits": {"q": "nobody has this"},
        }  # fmt: skip


def paths(place: Place) -> dict[str, str]:
    """What is measured -> its address."""
    found = {
        name: "/admin/returns" + (f"?{urlencode(query, doseq=True)}" if query else "")
        for name, query in place.asked().items()
    }
    with place.app.app_context():
        one = db.session.scalars(sa.select(Return.id).where(Return.number == place.known.number)).one()
    return found | {
        "one return": f"/admin/returns/{one}",
        "its customer": f"/admin/customers/{one}",
        "inbox": "/admin/",
        "numbers of 30 days": f"/admin/numbers?merchant={place.crowd.shops[0][0]}&"
        + urlencode({"from": datetime.now(UTC).date() - timedelta(days=30), "to": datetime.now(UTC).date()}),
    }


def settle(app: Flask) -> Crowd:
    """Two shops, and one person who works for both."""
    now = datetime.now(UTC)
    first = shop.open_shop(app)
    with app.app_context():
        second = merchants.create(
            slug="second", name="Bench Two", support_email="two@bench.example", address={}, terms=Terms(), now=now
        )  # fmt: skip
        people.create_user(
            email=EMAIL,
            name="Bench Lister",
            password=PASSWORD,
            roles={"bench": "admin", "second": "admin"},
            now=now,
        )
    return crowd(app, (first, second), EMAIL)


def w5(sizes: Sequence[int] = SIZES, repeats: int = 25) -> Result:
    """Every page over HTTP to one web process, one client; the same database grown from size to size."""
    rows: list[tuple[object, ...]] = []
    notes = [
        "p50 in milliseconds, whole pages of 50 rows as a browser gets them, then the quickest among the most and how",
        "many times the quickest among the fewest that is: what else runs on the machine moves the quickest least.",
        "Searches for a whole number, address or name lead straight to a page; they are answered by where to go.",
    ]
    for kind in KINDS:
        found: dict[str, list[list[float]]] = {}
        with ground(kind) as on:
            app = on.app()
            everybody, before = settle(app), 0
            for size in sizes:
                began = time.perf_counter()
                everybody.grow(before, size)
                grown, before = time.perf_counter() - began, size
                place = Place(app=app, crowd=everybody, size=size)
                for name, times in _measured(on, place, repeats):
                    found.setdefault(name, []).append(times)
                scans = _scans(place)
                notes.append(f"{kind}, {size}: written in {grown:.0f} s; whole tables read: {len(scans)}")
                notes += [f"  {scan[:300]}" for scan in scans[:10]]
                notes.append(f"  CSV of the whole list: {_export(on, size)}")
        for name, measured in found.items():
            least = [1000 * min(times) for times in measured]
            rows.append((kind, name, *map(p50, measured), least[-1], least[-1] / least[0]))
    return Result(
        name="W5",
        title="lists, searches, counters: p50 ms among so many returns",
        columns=("database", "what", *(f"{size}" for size in sizes), f"quickest of {sizes[-1]}", "times"),
        rows=rows,
        notes=notes,
    )


def _measured(on: Ground, place: Place, repeats: int) -> Iterator[tuple[str, list[float]]]:
    with web(on, processes=1):
        visitor = HttpVisitor(on.url)
        _sign_in(visitor)
        for name, path in paths(place).items():
            for step, times in (("warm", 2), (name, repeats)):
                visitor.step = step
                for _ in range(times):
                    came = visitor.get(path)
                    if came.status not in (200, 302, 303):
                        raise RuntimeError(f"{came.status} at {path}")
            yield name, visitor.times[name]
    yield "counters of the seven lists", list(_counters(place, repeats))


def _sign_in(visitor: flow.Visitor) -> None:
    visitor.get("/admin/sign-in")
    came = visitor.post("/admin/sign-in", {"email": EMAIL, "password": PASSWORD, "next": ""})
    if came.status != 303:
        raise RuntimeError(f"nobody was signed in: {came.status}")


def _counters(place: Place, repeats: int) -> Iterator[float]:
    with place.app.app_context():
        actor = people.named(EMAIL)
        assert actor is not None
        for _ in range(repeats):
            db.session.rollback()
            now = datetime.now(UTC)
            lists = [asked(actor, one, now=now, zone=UTC) for one in TABS.values()]
            began = time.perf_counter()
            list_counts.counts(lists)
            yield time.perf_counter() - began


def _scans(place: Place) -> list[str]:
    """What reads a whole table while all these pages are made, but for the numbers of a period."""
    with counting() as statements:
        visitor = InsideVisitor(place.app.test_client(), statements)
        _sign_in(visitor)
        wanted = {name: path for name, path in paths(place).items() if "numbers" not in name}
        return scans_of(place.app, visitor.get, wanted)


def scans_of(
    app: Flask, get: Callable[[str], object], wanted: Mapping[str, str], *, forced: bool = False
) -> list[str]:
    """The same of these pages, each step with the name of its page."""
    found = []
    for name, path in wanted.items():
        with plans.watching() as sent:
            get(path)
        with app.app_context():
            found += [f"{name}: {scan}" for scan in plans.full_scans(db.engine, sent, forced=forced)]
    return found


def _export(on: Ground, size: int) -> str:
    """The whole list as a file, read as it comes, while the web's memory is watched."""
    with web(on, processes=1) as served:
        visitor = HttpVisitor(on.url)
        _sign_in(visitor)
        visitor.get("/admin/returns")
        visitor.get("/admin/returns.csv?state=needs_info")
        before = served.unshared()
        most, done = [before], threading.Event()
        watcher = threading.Thread(target=_watch, args=(served, most, done))
        watcher.start()
        began = time.perf_counter()
        read, lines = _streamed(visitor, "/admin/returns.csv")
        took = time.perf_counter() - began
        done.set()
        watcher.join()
    if lines != size + 1:
        raise RuntimeError(f"{lines} lines of {size + 1}")
    return (
        f"{lines} lines, {read / 2**20:.0f} MiB in {took:.1f} s, {lines / took:,.0f} lines/s; "
        f"web {before:.0f} MiB before, {max(most):.0f} MiB at most"
    )


def _watch(served: Processes, most: list[float], done: threading.Event) -> None:
    while not done.wait(0.2):
        most.append(served.unshared())


def _streamed(visitor: HttpVisitor, path: str) -> tuple[int, int]:
    """Bytes and lines of an answer that is kept nowhere."""
    connection = http.client.HTTPConnection(visitor.host, timeout=600)
    connection.request("GET", path, headers={"Cookie": visitor.cookie, "X-Forwarded-For": visitor.address})
    answer = connection.getresponse()
    read = lines = 0
    while piece := answer.read(65_536):
        read, lines = read + len(piece), lines + piece.count(b"\n")
    connection.close()
    return read, lines
