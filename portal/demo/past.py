"""Eight ordinary weeks: orders, and what came back of them. Drawn with one fixed seed, so always the same ones."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import TypeVar
from uuid import UUID

from portal.core.access import Conflict
from portal.demo.playing import Desk, Story
from portal.demo.wares import BAG, BOOK, CANDLE, HAT, LAMP, MUG, SHIRT, SHOES, SOAP, THROW, DemoOrder
from portal.services import jobs
from portal.services.handling import confirmation, deciding
from portal.services.talking import scoring

Drawn = TypeVar("Drawn", str, int)
WEEKS = 8
FIRST = ("Demo", "Sample", "Test", "Example", "Trial", "Model", "Muster", "Exemple")
LAST = ("Customer", "Shopper", "Buyer", "Visitor", "Reader", "Kundin", "Kunde", "Cliente", "Client", "Guest")
REGULAR = "Regular Example"
"""Somebody who sends much back."""

WARES = {
    item.sku: replace(item, shipped=True)
    for item in (SHIRT, CANDLE, LAMP, MUG, BOOK, SHOES, BAG, HAT, SOAP, THROW)
}
CLOTHES = ("SHT-M-SND", "SHO-42", "HAT-RED", "BAG-OLV")
REASONS = {
    True: (("too_small", 30), ("does_not_fit", 22), ("too_large", 12), ("color_not_as_expected", 12),
           ("changed_mind", 10), ("style_not_as_expected", 8), ("uncomfortable", 6)),
    False: (("changed_mind", 26), ("not_as_described", 16), ("color_not_as_expected", 14),
            ("quality_unsatisfactory", 12), ("ordered_by_mistake", 10), ("packaging_damaged", 9),
            ("missing_parts", 7), ("arrived_late", 6)),
}  # fmt: skip
"""Why clothes come back, and why other things do: code and how often."""
CHANNELS = (("self_service", 42), ("phone", 26), ("email", 18), ("chat", 10), ("in_person", 4))
GRADES = (("A", 68), ("B", 20), ("C", 12))
ENDINGS = (("refunded", 84), ("declined", 7), ("withdrawn", 6), ("unsent", 3))
SCORES = ((5, 52), (4, 30), (3, 10), (2, 5), (1, 3))


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One return of the past: of what, why, and what became of it. Days count back from the opening of the demo."""

    order: DemoOrder
    units: dict[str, int]
    why: tuple[str, str]
    channel: str
    days: int
    hour: int
    minute: int
    transit: int
    ending: str
    grade: str
    score: int | None
    pause: int
    """Days from the inspection to the refund."""


def drawn(
    prefix: str,
    per_week: int,
    countries: Sequence[tuple[str, str]],
    *,
    doubted: str,
    seed: int,
    weeks: int = WEEKS,
) -> list[Plan]:
    """The returns of these weeks, the oldest first; the newest was asked for two days ago.

    ``doubted`` is the reason that the shop looks at before it approves: what is declined was asked for with it.
    """
    chance = Random(seed)  # noqa: S311  a demo that is the same every time
    plans: list[Plan] = []
    for week in range(weeks, 0, -1):
        for _ in range(per_week + chance.choice((-2, -1, 0, 0, 1, 2))):
            days = max(2, week * 7 - chance.randrange(7))
            plan = _plan(chance, f"{prefix}{1000 + len(plans)}", days, countries)
            if plan.ending == "declined":
                plan = replace(plan, channel="self_service", why=(doubted, "opened_unused"))
            plans.append(plan)
    return plans


def _plan(chance: Random, number: str, days: int, countries: Sequence[tuple[str, str]]) -> Plan:
    language, country = chance.choice(list(countries))
    name = REGULAR if chance.random() < 0.07 else f"{chance.choice(FIRST)} {chance.choice(LAST)}"
    skus = chance.sample(list(WARES), chance.choice((1, 2, 2, 3)))
    back = skus[: chance.choice((1, 1, 1, 2))]
    return Plan(
        order=DemoOrder(
            number=number, days=days + chance.randrange(6, 12), name=name, language=language, country=country,
            items=tuple(WARES[sku] for sku in skus),
        ),
        units={sku: chance.randint(1, WARES[sku].units) for sku in back},
        why=(_one(chance, REASONS[back[0] in CLOTHES]), chance.choice(("unopened", "opened_unused", "used_like_new"))),
        channel=_one(chance, CHANNELS), days=days, hour=chance.randrange(7, 17), minute=chance.randrange(60),
        transit=chance.randrange(2, 7), ending=_one(chance, ENDINGS), grade=_one(chance, GRADES),
        score=_one(chance, SCORES) if chance.random() < 0.7 else None, pause=chance.choice((0, 0, 1, 1, 2)),
    )  # fmt: skip


def _one(chance: Random, weighted: Sequence[tuple[Drawn, int]]) -> Drawn:
    return chance.choices([value for value, _ in weighted], [weight for _, weight in weighted])[0]


def story(desk: Desk, slug: str, plan: Plan) -> Story:
    """One return from the question to the answer of how it went."""
    yield desk.on(plan.days, plan.hour, plan.minute)
    if plan.channel == "self_service":
        back = desk.start_online(slug, plan.order, plan.units, plan.why)
        state = desk.confirm(back, by=desk.customer(back, plan.order.name), wish="refund")
    else:
        back = desk.start(plan.order, plan.units, plan.why, channel=plan.channel)
        state = desk.confirm(back, by=desk.people["supervisor"], wish="refund")
    if state == "requested":
        yield desk.on(plan.days - 1, plan.hour, 10)
        if plan.ending == "declined":
            deciding.decline(
                desk.people["supervisor"], back, reason="as_ordered", now=desk.at,
                message="What you describe is how this item is made. Please write to us if something is broken.",
            )  # fmt: skip
            return
        deciding.approve(desk.people["supervisor"], back, reason="Seen and agreed", now=desk.at)
    if plan.ending == "withdrawn":
        yield desk.on(plan.days - 2, plan.hour)
        confirmation.cancel(desk.customer(back, plan.order.name), back, now=desk.at)
        return
    if plan.ending == "unsent":
        return
    yield desk.on(plan.days - plan.transit, 9, plan.minute)
    desk.receive(back)
    yield desk.on(plan.days - plan.transit, 13, plan.minute)
    desk.inspect(back, plan.grade)
    yield desk.on(plan.days - plan.transit - plan.pause, 15, plan.minute)
    yield from refunded(desk, back, plan)


def refunded(desk: Desk, back: UUID, plan: Plan) -> Story:
    try:
        desk.refund(back)
    except Conflict as refusal:  # what was taken off leaves nothing to give back
        if refusal.code != "nothing_to_refund":
            raise
        return
    if plan.score is None:
        return
    yield desk.on(plan.days - plan.transit - plan.pause - 1, 18, plan.minute)
    scoring.score(desk.customer(back, plan.order.name), back, score=plan.score, now=desk.at)


def nights(desk: Desk, weeks: int) -> Story:
    """Once a week what was never sent is given up, as a worker does."""
    for week in range(weeks, -1, -1):
        yield desk.on(week * 7 + 1, 3)
        jobs.expire(now=desk.at)
