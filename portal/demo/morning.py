"""What waits at a shop when the demo opens: a story for everything that a desk has to do with."""

from dataclasses import replace

from portal.demo.playing import Desk, Story, photo
from portal.demo.wares import BAG, BOOK, CANDLE, HAT, LAMP, MUG, SHIRT, SHOES, SOAP, DemoOrder, Item
from portal.services import pictures
from portal.services.docking import receiving, unexpected
from portal.services.filing import returns, shipping
from portal.services.handling import assigning, deciding, entry, requests, tags
from portal.services.handling.deciding import LineDecision
from portal.services.lists import orders
from portal.services.talking import canned, threads


def order_of(
    number: str, days: int, name: str, *items: Item, language: str = "en", country: str = "DE"
) -> DemoOrder:
    return DemoOrder(number=number, days=days, name=name, language=language, country=country, items=items)


FRESH = order_of("N-20450", 9, "Fresh Example", SHIRT, HAT, BOOK)
SOON = order_of("N-20451", 10, "Soon Example", LAMP, SOAP, language="de")
OVERDUE = order_of("N-20452", 11, "Overdue Example", SHOES, MUG)
DEAR = order_of("N-20453", 8, "Dear Example", replace(BAG, units=2), SHOES)
ASKED = order_of("N-20454", 12, "Asked Customer", LAMP, CANDLE, language="fr", country="FR")
ANSWERED = order_of("N-20455", 11, "Answering Customer", replace(CANDLE, units=2), BOOK)
PARTLY = order_of("N-20456", 13, "Partly Customer", SHIRT, HAT, SOAP)
DECLINED = order_of("N-20457", 12, "Declined Example", MUG, BOOK)
TALKING = order_of("N-20458", 14, "Talking Example", BAG, SHIRT, language="de")
DAMAGED = order_of("N-20459", 16, "Damaged Example", replace(MUG, units=4), CANDLE)
COMING = order_of("N-20460", 12, "Coming Example", SHOES, HAT, language="de", country="AT")
LATE = order_of("N-20461", 31, "Forgotten Example", LAMP, MUG)
BACK = order_of("N-20462", 13, "Arrived Example", SHIRT, replace(SOAP, units=3))
ALLERGIC = order_of("N-20463", 6, "Careful Example", SOAP, CANDLE)
BROKEN = order_of("N-20464", 5, "Broken Example", replace(MUG, units=1), LAMP)
OFTEN = order_of("N-20466", 8, "Regular Example", HAT, BOOK, CANDLE)
HALF = order_of("N-20465", 7, "Demo Customer", SHOES, SHIRT, CANDLE)
ORDERS = (FRESH, SOON, OVERDUE, DEAR, ASKED, ANSWERED, PARTLY, DECLINED, TALKING, DAMAGED, COMING, LATE, BACK,
          ALLERGIC, BROKEN, OFTEN, HALF)  # fmt: skip

POOR, OTHERWISE = ("quality_unsatisfactory", "opened_unused"), ("not_as_described", "opened_unused")
MIND = ("changed_mind", "unopened")


def stories(desk: Desk) -> list[Story]:
    return [
        waiting(desk, FRESH, {"SHT-M-SND": 1, "HAT-RED": 1}, OTHERWISE, hours=2, tag="first order"),
        waiting(desk, SOON, {"LMP-204": 1}, POOR, hours=20.5),
        overdue(desk),
        waiting(desk, DEAR, {"BAG-OLV": 2}, MIND, hours=5, tag="supervisor"),
        waiting(desk, OFTEN, {"CND-3": 1}, MIND, hours=15),
        asked(desk),
        answered(desk),
        partly(desk),
        declined(desk),
        talking(desk),
        damaged(desk),
        coming(desk),
        late(desk),
        back(desk),
        recalled(desk),
        kept(desk),
        found(desk),
        half_done(desk),
    ]


# ---------------------------------------------------------------------------------------- to be decided


def waiting(
    desk: Desk, bought: DemoOrder, units: dict[str, int], why: tuple[str, str], *, hours: float, tag: str = ""
) -> Story:
    """Asked for by the customer; somebody has to look at it."""
    yield desk.ago(hours=hours)
    made = desk.start_online("nordhaus", bought, units, why)
    desk.confirm(made, by=desk.customer(made, bought.name))
    if tag:
        tags.add(desk.people["csr"], made, tag, now=desk.at)


def overdue(desk: Desk) -> Story:
    """It waits longer than the shop promises, so it was given to somebody."""
    yield desk.ago(hours=31)
    made = desk.start_online("nordhaus", OVERDUE, {"SHO-42": 1}, POOR, photo=True)
    desk.confirm(made, by=desk.customer(made, OVERDUE.name))
    yield desk.ago(hours=3)
    supervisor = desk.people["supervisor"]
    assigning.assign(supervisor, made, desk.people["csr"].id, now=desk.at)
    tags.add(supervisor, made, "call back", now=desk.at)
    threads.write(
        supervisor, made, "This one is late. Please decide it before noon.", kind="note", now=desk.at
    )


def asked(desk: Desk) -> Story:
    """The shop wants a photo before it decides, and waits."""
    yield desk.ago(days=2)
    made = desk.start_online("nordhaus", ASKED, {"LMP-204": 1}, POOR)
    desk.confirm(made, by=desk.customer(made, ASKED.name))
    yield desk.ago(hours=27)
    requests.ask(
        desk.people["csr"], made, "Pouvez-vous nous envoyer une photo de la lampe ? Nous répondons aussitôt.",
        asks=("photo",), line_ids=list(desk.lines(made).values()), now=desk.at,
    )  # fmt: skip


def answered(desk: Desk) -> Story:
    """The photo that was asked for has come."""
    yield desk.ago(days=3)
    made = desk.start_online("nordhaus", ANSWERED, {"CND-3": 1}, POOR)
    customer = desk.customer(made, ANSWERED.name)
    desk.confirm(made, by=customer)
    tags.add(desk.people["csr"], made, "photo needed", now=desk.at)
    yield desk.ago(days=2, hours=4)
    request = requests.ask(
        desk.people["csr"], made, "Could you send us a photo of the candle house, please?", asks=("photo", "answer"),
        now=desk.at,
    )  # fmt: skip
    yield desk.ago(hours=4)
    line = desk.lines(made)["CND-3"]
    requests.answer(
        customer, made, request, "Here it is. The roof of the small house has a scratch.",
        attached=((photo("Candle house", scratched=True), line),), folder=desk.folder, now=desk.at,
    )  # fmt: skip


def partly(desk: Desk) -> Story:
    """One unit may come back, another may not; what may is on its way."""
    yield desk.ago(days=4)
    made = desk.start_online("nordhaus", PARTLY, {"SHT-M-SND": 1, "SOP-LAV": 2}, OTHERWISE)
    customer = desk.customer(made, PARTLY.name)
    desk.confirm(made, by=customer)
    yield desk.ago(days=3, hours=2)
    lines = desk.lines(made)
    deciding.decide(
        desk.people["csr"], made, now=desk.at,
        choices=[
            LineDecision(line_id=lines["SHT-M-SND"], approved=1),
            LineDecision(
                line_id=lines["SOP-LAV"], approved=0, declined=2, reason="as_ordered",
                message="The soap is what the page of the shop says: lavender, 120 g.",
            ),
        ],
    )  # fmt: skip
    yield desk.ago(days=1)
    shipping.hand_over(customer, made, now=desk.at)


def declined(desk: Desk) -> Story:
    yield desk.ago(days=2, hours=6)
    made = desk.start_online("nordhaus", DECLINED, {"MUG-BLU": 1}, OTHERWISE)
    desk.confirm(made, by=desk.customer(made, DECLINED.name))
    yield desk.ago(days=1, hours=8)
    deciding.decline(
        desk.people["csr"], made, reason="as_ordered", now=desk.at,
        message="The glaze of each mug runs a little differently; the page of the shop shows it.",
    )  # fmt: skip


def talking(desk: Desk) -> Story:
    """Messages both ways, a ready text among them, and a note between colleagues."""
    yield desk.ago(days=4, hours=3)
    made = desk.start(TALKING, {"BAG-OLV": 1}, ("changed_mind", "opened_unused"), channel="email")
    desk.confirm(made, by=desk.people["supervisor"])
    customer, agent = desk.customer(made, TALKING.name), desk.people["csr"]
    yield desk.ago(days=2, hours=5)
    threads.write(customer, made, "Kann ich das Paket auch in einem anderen Karton schicken?", now=desk.at)
    yield desk.ago(days=2, hours=3)
    ready = next(one for one in canned.listing(agent) if one.name == "Any box will do")
    text = canned.filled(agent, ready.id, made).text
    threads.write(agent, made, text, canned_id=ready.id, now=desk.at)
    threads.write(agent, made, "Asked kindly; no need to call.", kind="note", now=desk.at)
    yield desk.ago(hours=6)
    threads.write(customer, made, "Danke! Und wann ist das Geld ungefähr da?", now=desk.at)


# ------------------------------------------------------------------------------------------- at the dock


def damaged(desk: Desk) -> Story:
    """Four were announced, three came, and one of them is broken."""
    yield desk.ago(days=6)
    made = desk.start(DAMAGED, {"MUG-BLU": 4, "CND-3": 1}, MIND, channel="phone")
    desk.confirm(made, by=desk.people["supervisor"])
    yield desk.ago(days=1, hours=2)
    lines = desk.lines(made)
    mug, candle = lines["MUG-BLU"], lines["CND-3"]
    found = pictures.prepare(photo("Stoneware mug", scratched=True))
    whole = {"packaging_intact": True, "clean": True}
    receiving.take_in(
        desk.people["warehouse"], made,
        receiving.Intake(
            counts={mug: 3, candle: 1}, damaged={mug: 1}, missing={mug: 1},
            entries=(
                receiving.InspectionEntry(line_id=mug, units=2, grade="A", disposition="restock",
                                          proposed="restock", checklist=whole),
                receiving.InspectionEntry(line_id=mug, units=1, grade="D", disposition="recycle", accepted=False,
                                          proposed="recycle", note="The handle is broken off", pictures=(found,),
                                          checklist={"packaging_intact": False}),
            ),
            note="The box was soft at one corner",
        ),
        folder=desk.folder, now=desk.at,
    )  # fmt: skip
    tags.add(desk.people["csr"], made, "damaged", now=desk.at)


def coming(desk: Desk) -> Story:
    """A parcel that the carrier has."""
    yield desk.ago(days=3, hours=4)
    made = desk.start(COMING, {"SHO-42": 1}, ("too_small", "opened_unused"), channel="phone")
    desk.confirm(made, by=desk.people["supervisor"], wish="refund")
    yield desk.ago(days=1, hours=20)
    shipping.hand_over(desk.customer(made, COMING.name), made, now=desk.at)


def late(desk: Desk) -> Story:
    """Its last day is near, and nothing was sent."""
    yield desk.ago(days=13, hours=6)
    made = desk.start(LATE, {"LMP-204": 1}, MIND, channel="phone")
    desk.confirm(made, by=desk.people["supervisor"])


def back(desk: Desk) -> Story:
    """Arrived two days ago, and to be looked at."""
    yield desk.ago(days=7)
    made = desk.start(BACK, {"SHT-M-SND": 1, "SOP-LAV": 1}, MIND, channel="chat")
    desk.confirm(made, by=desk.people["supervisor"])
    yield desk.ago(days=2, hours=14)
    desk.receive(made)


def found(desk: Desk) -> Story:
    """A closed parcel that nobody announced, and a thing that was not asked for."""
    yield desk.ago(hours=26)
    unexpected.note(
        desk.people["warehouse"], desk.shop,
        unexpected.Surprise(kind="unknown_parcel", code="DEMO-0000-7731", units=1, note="No name on it, sender unreadable",
                            pictures=(pictures.prepare(photo("a closed parcel")),)),
        folder=desk.folder, now=desk.at,
    )  # fmt: skip
    yield desk.ago(hours=5)
    unexpected.note(
        desk.people["warehouse"], desk.shop,
        unexpected.Surprise(kind="other_item", code="HAT-RED", sku="HAT-RED", units=1, grade="A", note="A hat without a paper"),
        folder=desk.folder, now=desk.at,
    )  # fmt: skip


# ------------------------------------------------------------------------------------- by a rule of the shop


def recalled(desk: Desk) -> Story:
    """Somebody did not take the soap well: the rule for safety calls it back."""
    yield desk.ago(hours=9)
    made = desk.start_online("nordhaus", ALLERGIC, {"SOP-LAV": 2}, ("allergic_reaction_safety", "used"))
    desk.confirm(made, by=desk.customer(made, ALLERGIC.name))


def kept(desk: Desk) -> Story:
    """A cheap thing that broke on its way: the rule refunds it, and nothing is sent."""
    yield desk.ago(days=1, hours=7)
    made = desk.start_online("nordhaus", BROKEN, {"MUG-BLU": 1}, ("arrived_damaged", "damaged"), photo=True)
    desk.confirm(made, by=desk.customer(made, BROKEN.name))


# ------------------------------------------------------------------------------------------------ left half


def half_done(desk: Desk) -> Story:
    """The agent's phone rang again: items chosen, reason open."""
    yield desk.ago(hours=1)
    agent = desk.people["csr"]
    order = orders.find_orders(agent, query=HALF.number, merchant_id=desk.shop)[0]
    draft = entry.begin(
        agent, kind="return", channel="phone", order_id=order.id, gateways=desk.gateways, now=desk.at
    )
    bought = returns.page(agent, draft, now=desk.at).order
    chosen = [
        returns.LineChoice(order_line_id=line.id, units=1)
        for line in (bought.items if bought else ())
        if line.sku == "SHO-42"
    ]
    returns.choose_lines(agent, draft, chosen, now=desk.at)
