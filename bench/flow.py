"""The way of one return through the pages, as a browser without JavaScript walks it.

``bench`` times it over real HTTP; tests/web/test_statements.py counts its SQL statements. Both walk this one.
"""

from __future__ import annotations

import html
import itertools
import re
from collections.abc import Mapping
from typing import Protocol
from uuid import UUID

from bench.shop import ACCOUNTS, PASSWORD, Sample

Fields = Mapping[str, str | list[str]]


class Answer(Protocol):
    """What came back. ``location`` is empty where it leads nowhere."""

    @property
    def status(self) -> int: ...

    @property
    def location(self) -> str: ...

    @property
    def text(self) -> str: ...


class Visitor(Protocol):
    """Somebody at a browser. The token of the last page goes along with every post.

    ``step`` names what the requests from now on belong to.
    """

    step: str

    def get(self, path: str) -> Answer: ...

    def post(self, path: str, data: Fields) -> Answer: ...


class Lost(AssertionError):
    """A page did not answer as it should."""


BY_CUSTOMER = (
    "landing", "items GET", "items POST", "reasons GET", "reasons POST", "address GET", "address POST",
    "sending GET", "sending POST", "check", "confirm", "status",
)  # fmt: skip
AT_THE_DESK = (
    "return",
    "receive GET",
    "receive POST",
    "inspect GET",
    "inspect POST",
    "refund GET",
    "refund POST",
)


_turns = itertools.cycle(ACCOUNTS)


def sign_in(staff: Visitor) -> None:
    staff.step = "sign in"
    staff.get("/admin/sign-in")
    done = staff.post("/admin/sign-in", {"email": next(_turns), "password": PASSWORD, "next": ""})
    _led(done)
    _shown(staff.get("/admin/returns"))  # a page of the new session, with its token


def send_link(staff: Visitor, order: Sample) -> tuple[UUID, str]:
    """The agent starts a return for an order and gives the rest to the customer: its id, the link's path."""
    return_id = start(staff, order)
    staff.step = "link POST"
    made = _led(
        staff.post(f"/admin/returns/{return_id}/link", {"note": "", "days": "30", "open": ["address"]})
    )
    staff.step = "link"
    page = _shown(staff.get(made))
    return return_id, found(r"(/l/[\w-]+)", page)


def start(staff: Visitor, order: Sample) -> UUID:
    staff.step = "start GET"
    path = f"/admin/returns/new?merchant={order.merchant_id}"
    page = _shown(staff.get(f"{path}&order={order.id}&with_order=1"))
    nonce = found(r'name="nonce"[^>]*value="([^"]+)"', page)
    staff.step = "start POST"
    answers = {
        "nonce": nonce, "order_id": str(order.id), "kind": "return", "channel": "phone", "name": "Bench Customer",
        "email": "customer@bench.example", "phone": "", "language": "en",
    }  # fmt: skip
    made = _led(staff.post(path, answers))
    return UUID(found(r"/admin/returns/([\w-]+)/", made))


def by_customer(visitor: Visitor, link: str, order: Sample, *, lines: int = 2, units: int = 1) -> str:
    """From the link to the status page; answers the path of the return. ``units`` of the first ``lines``."""
    base = to_the_check(visitor, link, order, lines=lines, units=units)
    visitor.step = "confirm"
    confirm(visitor, base)
    visitor.step = "status"
    _shown(visitor.get(f"{base}/status"))
    return base


def to_the_check(visitor: Visitor, link: str, order: Sample, *, lines: int = 2, units: int = 1) -> str:
    """Everything answered; answers the path of the return."""
    visitor.step = "landing"
    base = _led(visitor.get(link))
    _shown(visitor.get(base))
    visitor.post(base, {})
    visitor.step = "items GET"
    page = _shown(visitor.get(f"{base}/items"))
    visitor.step = "items POST"
    chosen = {f"units-{line}": "0" for line in order.lines} | {f"was-{line}": "0" for line in order.lines}
    chosen |= {f"units-{line}": str(units) for line in order.lines[:lines]}
    _led(visitor.post(f"{base}/items", {**chosen, "go": "on"}))
    visitor.step = "reasons GET"
    page = _shown(visitor.get(f"{base}/reasons"))
    rows = list(dict.fromkeys(re.findall(r'name="reason-([\w-]+)"', page)))
    if len(rows) != lines:
        raise Lost(f"{len(rows)} lines on the page of reasons, {lines} chosen")
    visitor.step = "reasons POST"
    _led(visitor.post(f"{base}/reasons", survey(rows)))
    visitor.step = "address GET"
    page = _shown(visitor.get(f"{base}/address"))
    visitor.step = "address POST"
    _led(visitor.post(f"{base}/address", {**ADDRESS, "country": "DE", "shown": "DE"}))
    visitor.step = "sending GET"
    _shown(visitor.get(f"{base}/sending"))
    visitor.step = "sending POST"
    _led(visitor.post(f"{base}/sending", {"rate": RATE}))
    visitor.step = "check"
    _shown(visitor.get(f"{base}/check"))
    return base


RATE = "house.parcel.print_at_home"
ADDRESS = {
    "name": "Bench Customer",
    "street": "Beispielweg 12",
    "postcode": "20359",
    "city": "Hamburg",
    "phone": "",
}


def survey(rows: list[str]) -> dict[str, str]:
    answers: dict[str, str] = {}
    for row in rows:
        answers |= {f"reason-{row}": "does_not_fit", f"condition-{row}": "opened_unused", f"note-{row}": ""}
    return answers


def confirm(visitor: Visitor, base: str) -> str:
    to = _led(visitor.post(f"{base}/confirmation", {}))
    if not to.endswith("/status"):
        raise Lost(f"confirming led to {to}")
    return to


def at_the_desk(staff: Visitor, return_id: UUID, *, inspect: bool = True) -> None:
    """The parcel comes back and the money goes: received, inspected, refunded."""
    base = f"/admin/returns/{return_id}"
    staff.step = "return"
    _shown(staff.get(base))
    receive(staff, return_id)
    if inspect:
        staff.step = "inspect GET"
        page = _shown(staff.get(f"/admin/dock/returns/{return_id}?mode=grade"))
        staff.step = "inspect POST"
        _led(staff.post(f"/admin/dock/returns/{return_id}", counted(page, grade="A")))
    refund(staff, return_id)


def posts_alone(staff: Visitor, order: Sample, *, lines: int = 2) -> UUID:
    """The least that a program would send for a return that an agent makes and refunds: no page is looked at.

    What a page would tell (which rows there are, the sum) has to be read from one page each.
    """
    staff.step = "start POST"
    path = f"/admin/returns/new?merchant={order.merchant_id}"
    answers = {
        "nonce": "", "order_id": str(order.id), "kind": "return", "channel": "phone", "name": "Bench Customer",
        "email": "customer@bench.example", "phone": "", "language": "en",
    }  # fmt: skip
    made = _led(staff.post(path, answers))
    return_id = UUID(found(r"/admin/returns/([\w-]+)/", made))
    base = f"/admin/returns/{return_id}"
    staff.step = "lines POST"
    _led(staff.post(f"{base}/prepare/lines", {f"units-{line}": "1" for line in order.lines[:lines]}))
    staff.step = "workspace"
    page = _shown(staff.get(f"{base}/prepare"))
    rows = list(dict.fromkeys(re.findall(r'name="reason-([\w-]+)"', page)))
    staff.step = "survey POST"
    _led(staff.post(f"{base}/prepare/survey", survey(rows)))
    staff.step = "address POST"
    _led(staff.post(f"{base}/prepare/address", {**ADDRESS, "country": "DE"}))
    staff.step = "sending POST"
    _led(staff.post(f"{base}/prepare/sending", {"rate": RATE}))
    staff.step = "confirm"
    _led(staff.post(f"{base}/prepare/confirmation", {}))
    receive(staff, return_id)
    refund(staff, return_id)
    return return_id


def receive(staff: Visitor, return_id: UUID) -> None:
    """All of it arrived."""
    path = f"/admin/dock/returns/{return_id}"
    staff.step = "receive GET"
    page = _shown(staff.get(path))
    staff.step = "receive POST"
    _led(staff.post(path, counted(page)))


def counted(page: str, *, grade: str = "") -> dict[str, str]:
    """The sheet of the dock with all that it waits for counted, and graded alike where a grade is given."""
    sheet = hidden(page)
    waiting = re.findall(r'name="add" value="([\w-]+)".*?', page)
    most = re.findall(r'<p class="dock-number[^"]*">.*?<span>\D*(\d+)', page)
    for key, (line, units) in enumerate(zip(waiting, most, strict=True)):
        if units != "0":
            sheet |= {
                f"h-{key}-line": line,
                f"h-{key}-units": units,
                f"h-{key}-grade": grade,
                f"h-{key}-was": grade,
            }
    return sheet


def refund(staff: Visitor, return_id: UUID) -> None:
    """As the page shows it."""
    path = f"/admin/returns/{return_id}/refund"
    staff.step = "refund GET"
    page = _shown(staff.get(path))
    staff.step = "refund POST"
    _led(staff.post(path, {**hidden(page), "goodwill": "", "reason": ""}))


def hidden(page: str) -> dict[str, str]:
    """The hidden fields of a page but the token, which the visitor adds."""
    fields = re.findall(r'<input[^>]*type="hidden"[^>]*>', page)
    pairs = [(re.search(r'name="([^"]+)"', one), re.search(r'value="([^"]*)"', one)) for one in fields]
    return {n[1]: html.unescape(v[1]) for n, v in pairs if n and v and n[1] != "csrf_token"}


def found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    if match is None:
        raise Lost(f"{pattern} is not in {text[:2000]}")
    return html.unescape(match[1])


def _shown(answer: Answer) -> str:
    if answer.status != 200:
        raise Lost(f"{answer.status} -> {answer.location} {answer.text[:1500]}")
    return answer.text


def _led(answer: Answer) -> str:
    if answer.status not in (302, 303):
        raise Lost(f"{answer.status} {_worries(answer.text)}")
    return answer.location


def _worries(text: str) -> str:
    """What a page objects to, for the message."""
    told = re.findall(r'role="alert".*?</(?:div|p)>', text, re.S) or [text[:1500]]
    return " ".join(re.sub(r"<[^>]+>", " ", told[0]).split())
