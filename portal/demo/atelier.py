"""The smaller shop's morning."""

from portal.demo.contested import contest, refunded
from portal.demo.morning import order_of
from portal.demo.playing import Desk, Story
from portal.demo.wares import BAG, BOOK, CANDLE, HAT, MUG, SHOES
from portal.services.docking import unexpected
from portal.services.filing import shipping
from portal.services.handling import tags
from portal.services.talking import canned, threads

FRESH = order_of("A-1010", 7, "Sample Waiting", HAT, BOOK, country="GB")
LATE = order_of("A-1011", 8, "Sample Overdue", SHOES, MUG, country="GB")
COMING = order_of("A-1012", 8, "Sample Parcel", BAG, MUG, country="GB")
CONTESTED = order_of("A-1013", 19, "Sample Contesting", SHOES, CANDLE, country="GB")
ORDERS = (FRESH, LATE, COMING, CONTESTED)


def stories(desk: Desk) -> list[Story]:
    return [texts(desk), waiting(desk), overdue(desk), coming(desk), contested(desk), found(desk)]


def texts(desk: Desk) -> Story:
    yield desk.on(40, 9)
    canned.save(
        desk.people["admin"], merchant_id=desk.shop, name="On its way", now=desk.at,
        texts={
            "en": "Hello {name}, thank you, we see that {number} is on its way.",
            "fr": "Bonjour {name}, merci, nous voyons que {number} est en route.",
        },
    )  # fmt: skip


def waiting(desk: Desk) -> Story:
    yield desk.ago(hours=3)
    made = desk.start_online("atelier", FRESH, {"HAT-RED": 1}, ("changed_mind", "unopened"))
    desk.confirm(made, by=desk.customer(made, FRESH.name))


def overdue(desk: Desk) -> Story:
    yield desk.ago(hours=30)
    made = desk.start_online("atelier", LATE, {"SHO-42": 1}, ("changed_mind", "opened_unused"))
    desk.confirm(made, by=desk.customer(made, LATE.name))
    tags.add(desk.people["csr"], made, "call back", now=desk.at)


def coming(desk: Desk) -> Story:
    yield desk.ago(days=3)
    made = desk.start(COMING, {"BAG-OLV": 1}, ("changed_mind", "unopened"), channel="phone")
    desk.confirm(made, by=desk.people["supervisor"])
    customer = desk.customer(made, COMING.name)
    yield desk.ago(days=1)
    shipping.hand_over(customer, made, now=desk.at)
    yield desk.ago(hours=8)
    threads.write(customer, made, "I handed it in yesterday. Has it moved?", now=desk.at)


def contested(desk: Desk) -> Story:
    back = yield from refunded(desk, CONTESTED)
    yield desk.ago(hours=14)
    contest(desk, back, CONTESTED.name, "Where is what I paid for the delivery?", ground="amount")


def found(desk: Desk) -> Story:
    yield desk.ago(hours=6)
    unexpected.note(
        desk.people["warehouse"], desk.shop,
        unexpected.Surprise(kind="unknown_parcel", code="DEMO-GB-2290", note="The label is wet"),
        folder=desk.folder, now=desk.at,
    )  # fmt: skip
