"""A past that is told afterwards: every story of the demo in turn, each step at its own moment, through the services."""

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, time, timedelta
from heapq import heapify, heappop, heappush
from itertools import count
from pathlib import Path
from uuid import UUID
from zoneinfo import ZoneInfo

from PIL import Image, ImageDraw

from portal.core.access import Actor
from portal.core.links import FINISH, Site
from portal.core.refunds.overrides import Overrides
from portal.demo.wares import PLACES, DemoOrder
from portal.ports import Gateways
from portal.services import jobs, links, photos, pictures, work
from portal.services.docking import receiving
from portal.services.filing import returns, shipping
from portal.services.handling import confirmation, entry
from portal.services.lists import orders
from portal.services.refunding import refunds

Story = Iterator[datetime]
"""What happens to one return; before each step it says when that is."""

LEFT_TO_WORKERS = timedelta(minutes=30)
"""What was promised so lately is still to be done when the demo opens: whoever starts a worker sees it work."""


@dataclass(kw_only=True)
class Desk:
    """One shop of the demo, who works there, and the moment at which the story stands."""

    shop: UUID
    people: dict[str, Actor]
    """By role."""
    gateways: Gateways
    site: Site
    folder: Path
    """Where pictures are kept."""
    now: datetime
    """When the demo opens."""
    at: datetime = field(init=False)

    def __post_init__(self) -> None:
        self.at = self.now

    def ago(self, *, days: int = 0, hours: float = 0) -> datetime:
        return self.now - timedelta(days=days, hours=hours)

    def on(self, days: int, hour: int, minute: int = 0) -> datetime:
        """A time of a day that was so many days ago."""
        day = (self.now - timedelta(days=days)).date()
        return datetime.combine(day, time(hour, minute), ZoneInfo("UTC"))

    # ------------------------------------------------------------------------------------------ a return

    def start(self, bought: DemoOrder, units: dict[str, int], why: tuple[str, str], *, channel: str) -> UUID:
        """A draft that the agent has taken up, with reason and condition; two minutes and more of work."""
        agent = self.people["csr"]
        order = orders.find_orders(agent, query=bought.number, merchant_id=self.shop)[0]
        draft = entry.begin(
            agent, kind="return", channel=channel, order_id=order.id, gateways=self.gateways, now=self.at,
            begun_at=self.at - timedelta(seconds=70 + 13 * (len(bought.name) + int(bought.number[-2:])) % 170),
        )  # fmt: skip
        self._fill(agent, draft, units, why)
        return draft

    def start_online(
        self,
        slug: str,
        bought: DemoOrder,
        units: dict[str, int],
        why: tuple[str, str],
        *,
        photo: bool = False,
    ) -> UUID:
        """A draft that its customer has started alone, by order number and postcode."""
        links.start_by_customer(
            merchant_id=self.shop, order_number=bought.number, proof=PLACES[bought.country].postcode,
            language=bought.language, site=self.site, now=self.at,
        )  # fmt: skip
        found = orders.find_orders(self.people["csr"], query=bought.number, merchant_id=self.shop)[0]
        draft = orders.order(self.people["csr"], found.id).returns[0].id
        customer = self.customer(draft, bought.name)
        link = next(one for one in links.of_return(draft) if one.purpose == FINISH)
        opener = replace(customer, id=link.id)
        links.mark_opened(opener, link.id, now=self.at - timedelta(seconds=95 + 7 * len(bought.name)))
        self._fill(customer, draft, units, why)
        if photo:
            self.photograph(draft, bought.name)
        return draft

    def customer(self, return_id: UUID, name: str = "") -> Actor:
        return Actor(kind="link", name=name, return_id=return_id, merchant_id=self.shop)

    def _fill(self, actor: Actor, draft: UUID, units: dict[str, int], why: tuple[str, str]) -> None:
        bought = returns.page(actor, draft, now=self.at).order
        chosen = [
            returns.LineChoice(order_line_id=line.id, units=units[line.sku])
            for line in (bought.items if bought else ())
            if line.sku in units
        ]
        returns.choose_lines(actor, draft, chosen, now=self.at)
        reason, condition = why
        answers = [
            returns.SurveyAnswer(line_id=line.id, reason=reason, condition=condition)
            for line in returns.page(actor, draft, now=self.at).draft.lines
        ]
        returns.answer(actor, draft, answers, now=self.at)

    def photograph(self, draft: UUID, name: str) -> None:
        """One photo of each line, as its customer."""
        customer = self.customer(draft, name)
        for line in returns.page(customer, draft, now=self.at).draft.lines:
            photos.add(customer, draft, line.id, photo(line.name), folder=self.folder, now=self.at)

    def confirm(self, draft: UUID, *, by: Actor | None = None, wish: str = "") -> str:
        """Choose how it is sent, and confirm; answers the state."""
        actor = by or self.people["csr"]
        page = returns.page(actor, draft, now=self.at)
        if page.draft.address is None:
            returns.set_address(actor, draft, returns.proposed_address(page), now=self.at)
        ways = shipping.ways(actor, draft, gateways=self.gateways, now=self.at)
        way = next(one for one in ways if one.rate.method == "print_at_home")
        shipping.choose_sending(actor, draft, rate_id=way.rate.id, gateways=self.gateways, now=self.at)
        return confirmation.confirm(actor, draft, wish=wish, site=self.site, now=self.at)

    def lines(self, return_id: UUID) -> dict[str, UUID]:
        """SKU -> line."""
        page = returns.page(self.people["csr"], return_id, now=self.at)
        return {line.sku: line.id for line in page.draft.lines}

    def receive(self, return_id: UUID) -> None:
        """Everything that was authorized arrives."""
        page = returns.page(self.people["csr"], return_id, now=self.at)
        counts = {line.id: line.authorized for line in page.draft.lines if line.authorized}
        receiving.receive(self.people["warehouse"], return_id, counts, now=self.at)

    def inspect(self, return_id: UUID, grade: str = "A", *, note: str = "", pictured: bool = False) -> None:
        """All that arrived is graded alike, and goes where such goods go."""
        page = returns.page(self.people["csr"], return_id, now=self.at)
        disposition = {"A": "restock", "B": "restock_open_box", "C": "refurbish", "D": "recycle"}[grade]
        found = [
            receiving.InspectionEntry(
                line_id=line.id, units=line.received, grade=grade, disposition=disposition, proposed=disposition,
                note=note, checklist={"packaging_intact": grade in "AB", "clean": grade != "C"},
                pictures=(pictures.prepare(photo(line.name, scratched=True)),) if pictured else (),
            )
            for line in page.draft.lines
            if line.received
        ]  # fmt: skip
        receiving.inspect(self.people["warehouse"], return_id, found, now=self.at, folder=self.folder)

    def refund(self, return_id: UUID, *, overrides: Overrides | None = None) -> UUID:
        """Decide on the refund, with a second person behind it where one is asked for."""
        given = {"overrides": overrides} if overrides else {}
        made = refunds.propose(self.people["supervisor"], return_id, now=self.at, **given)
        if refunds.one(self.people["finance"], made).state == "pending_approval":
            refunds.approve(self.people["finance"], made, now=self.at)
        return made


def play(desk: Desk, stories: Sequence[Story], *, before: Sequence[Story] = ()) -> None:
    """Tell all stories up to now, each step in its turn; what was promised is done at once, as of its moment.

    Of the stories ``before`` nobody will look at the labels: what is still to be sent then has its label made by a
    worker, and what has come back needs none.
    """
    order = count()
    done = jobs.build(desk.gateways, desk.site, lambda: desk.at)
    labels: list[tuple[str, UUID]] = []
    waiting = [(next(story), next(order), story, done) for story in stories]
    waiting += [
        (next(story), next(order), story, {**done, "label": lambda one: labels.append(("label", one))})
        for story in before
    ]
    heapify(waiting)
    while waiting:
        at, _, story, ways = heappop(waiting)
        if at > desk.now:
            continue
        desk.at = at
        following = _step(story, ways, promised=desk.now - at < LEFT_TO_WORKERS)
        if following is not None:
            heappush(waiting, (following, next(order), story, ways))
    desk.at = desk.now
    work.hand_on(labels)


def _step(story: Story, ways: Mapping[str, Callable[[UUID], None]], *, promised: bool) -> datetime | None:
    """The next moment of the story, which has gone on by one step; None at its end."""
    if promised:
        return next(story, None)
    with work.by_hand() as kept:
        following = next(story, None)
        while kept:
            kind, subject = kept.pop(0)
            ways[kind](subject)
    return following


def photo(words: str, *, scratched: bool = False) -> bytes:
    """A picture that is plainly a drawing: a thing on a table, with or without a scratch."""
    picture = Image.new("RGB", (640, 480), "#d8d2c4")
    pen = ImageDraw.Draw(picture)
    pen.rectangle((0, 330, 640, 480), fill="#b9ab92")
    pen.rounded_rectangle((190, 120, 450, 380), radius=28, fill="#7d97a5", outline="#3e525d", width=6)
    if scratched:
        pen.line((240, 170, 330, 260, 300, 300, 400, 350), fill="#7b2d26", width=7)
    pen.text((24, 440), f"Demo photo: {words}", fill="#2c2a26", font_size=22)
    kept = io.BytesIO()
    picture.save(kept, "JPEG", quality=80)
    return kept.getvalue()
