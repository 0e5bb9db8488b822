"""What customers contest: a dispute at each point of its way, and some that are over."""

from collections.abc import Generator
from datetime import datetime
from uuid import UUID

from portal.demo.morning import order_of
from portal.demo.playing import Desk, Story, photo
from portal.demo.wares import CANDLE, HAT, LAMP, SHIRT, SHOES, DemoOrder, Item
from portal.services import disputes
from portal.services.disputes import Claim, LineClaim
from portal.services.talking import scoring, threads


def _contested(number: str, days: int, name: str, item: Item, language: str = "en") -> DemoOrder:
    return order_of(number, days, name, item, CANDLE, language=language)


OPEN = _contested("N-20470", 20, "Contesting Example", SHOES)
DUE = _contested("N-20471", 21, "Urgent Example", HAT)
OFFERED = _contested("N-20472", 22, "Offered Example", LAMP)
COUNTERED = _contested("N-20473", 23, "Countering Example", SHIRT)
ESCALATED = _contested("N-20474", 22, "Escalated Example", SHOES)
AGREED = _contested("N-20475", 33, "Agreeing Example", SHIRT)
UPHELD = _contested("N-20476", 40, "Upheld Example", HAT)
MET = _contested("N-20477", 47, "Bargaining Example", LAMP)
DROPPED = _contested("N-20478", 52, "Peaceful Example", SHOES)
ORDERS = (OPEN, DUE, OFFERED, COUNTERED, ESCALATED, AGREED, UPHELD, MET, DROPPED)


def stories(desk: Desk) -> list[Story]:
    return [
        opened(desk, OPEN, hours=10, evidence=True),
        opened(desk, DUE, hours=67),
        offered(desk),
        countered(desk),
        escalated(desk),
        agreed(desk),
        upheld(desk),
        met(desk),
        dropped(desk),
    ]


def refunded(desk: Desk, bought: DemoOrder) -> Generator[datetime, None, UUID]:
    """A return that came back worn, and was refunded with a part kept back; answers it."""
    yield desk.on(bought.days - 7, 9)
    back = desk.start(bought, {bought.items[0].sku: 1}, ("changed_mind", "opened_unused"), channel="phone")
    desk.confirm(back, by=desk.people["supervisor"])
    yield desk.on(bought.days - 10, 8, 30)
    desk.receive(back)
    yield desk.on(bought.days - 10, 12)
    desk.inspect(back, "C", note="Traces of wear on the underside", pictured=True)
    yield desk.on(bought.days - 10, 14)
    desk.refund(back)
    return back


def contest(
    desk: Desk, back: UUID, name: str, body: str, *, ground: str = "deduction", evidence: bool = False
) -> UUID:
    """The customer wants what was kept back."""
    line = next(iter(desk.lines(back).values()))
    return disputes.open_dispute(
        desk.customer(back, name), back,
        Claim(lines=(LineClaim(line_id=line, ground=ground),), wanted="difference", body=body),
        nonce=back.hex, now=desk.at, folder=desk.folder,
        attached=(photo("the same thing, from the customer"),) if evidence else (),
    )  # fmt: skip


def seen(desk: Desk, back: UUID) -> None:
    """Whoever answers a dispute has read what the customer wrote."""
    threads.mark_read(desk.people["csr"], back, now=desk.at)


def opened(desk: Desk, bought: DemoOrder, *, hours: float, evidence: bool = False) -> Story:
    back = yield from refunded(desk, bought)
    yield desk.ago(hours=hours)
    contest(
        desk, back, bought.name, "It was never used outside the house. Please look at your photos again.",
        evidence=evidence,
    )  # fmt: skip


def offered(desk: Desk) -> Story:
    """The shop has offered a part of it; the customer has some days."""
    back = yield from refunded(desk, OFFERED)
    yield desk.ago(days=2, hours=3)
    made = contest(desk, back, OFFERED.name, "The lamp had these traces when it came.")
    yield desk.ago(hours=21)
    seen(desk, back)
    disputes.offer(
        desk.people["supervisor"], made, 1_200, now=desk.at,
        body="We cannot tell who left the traces. We would like to meet you half way.",
    )  # fmt: skip


def countered(desk: Desk) -> Story:
    back = yield from refunded(desk, COUNTERED)
    yield desk.ago(days=3)
    made = contest(desk, back, COUNTERED.name, "I wore the shirt once, to try it on.")
    yield desk.ago(days=2, hours=2)
    seen(desk, back)
    offer = disputes.offer(desk.people["supervisor"], made, 500, body="Would this be all right?", now=desk.at)
    yield desk.ago(hours=7)
    customer = desk.customer(back, COUNTERED.name)
    disputes.counter(customer, made, offer, 900, body="Nine euros, and we are good.", now=desk.at)


def escalated(desk: Desk) -> Story:
    back = yield from refunded(desk, ESCALATED)
    yield desk.ago(days=2, hours=5)
    made = contest(desk, back, ESCALATED.name, "I do not agree with the grade at all.")
    yield desk.ago(hours=9)
    seen(desk, back)
    disputes.escalate(
        desk.people["csr"], made, because="The photos and the grade do not seem to match", now=desk.at
    )


def agreed(desk: Desk) -> Story:
    back = yield from refunded(desk, AGREED)
    yield desk.on(21, 9)
    made = contest(desk, back, AGREED.name, "The collar was like this when it came.", evidence=True)
    yield desk.on(20, 10)
    seen(desk, back)
    offer = disputes.offer(
        desk.people["supervisor"], made, 1_000, body="You are right about the collar.", now=desk.at
    )
    yield desk.on(19, 17)
    customer = desk.customer(back, AGREED.name)
    disputes.accept(customer, made, offer, now=desk.at)
    yield desk.on(18, 18)
    scoring.score(customer, back, score=5, comment="Fair, and quick.", now=desk.at)


def upheld(desk: Desk) -> Story:
    back = yield from refunded(desk, UPHELD)
    yield desk.on(28, 9)
    made = contest(desk, back, UPHELD.name, "I want all of it back.")
    yield desk.on(26, 15)
    seen(desk, back)
    disputes.reject(
        desk.people["supervisor"], made, now=desk.at,
        message="The photos show that the hat was worn in the rain. We have to keep this part.",
    )  # fmt: skip


def met(desk: Desk) -> Story:
    back = yield from refunded(desk, MET)
    yield desk.on(35, 9)
    made = contest(desk, back, MET.name, "The shade is as new.")
    yield desk.on(34, 11)
    seen(desk, back)
    offer = disputes.offer(desk.people["supervisor"], made, 800, body="Half of it?", now=desk.at)
    yield desk.on(33, 19)
    customer = desk.customer(back, MET.name)
    answer = disputes.counter(customer, made, offer, 1_500, body="A little more, please.", now=desk.at)
    yield desk.on(32, 10)
    seen(desk, back)
    disputes.accept(desk.people["supervisor"], made, answer, now=desk.at)


def dropped(desk: Desk) -> Story:
    back = yield from refunded(desk, DROPPED)
    yield desk.on(41, 9)
    made = contest(desk, back, DROPPED.name, "Where is the rest?")
    yield desk.on(40, 9)
    seen(desk, back)
    disputes.reply(
        desk.people["csr"], made, "The sole shows that they were worn; here is the photo.", now=desk.at
    )
    yield desk.on(39, 20)
    disputes.take_back(desk.customer(back, DROPPED.name), made, now=desk.at)
