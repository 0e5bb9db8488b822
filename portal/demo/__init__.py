"""The demo's two shops: plainly made up, filled through the same services that real ones use."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from portal.core.access import SYSTEM, Actor
from portal.core.intake import AUTHORIZED, IncomingOrder, provider_of
from portal.core.links import FINISH, Site
from portal.core.listing import Filters
from portal.core.money import minor
from portal.core.policy.terms import Deal, RestockingFee, ShippingTier, Terms, Window
from portal.core.promotions import PromotionStep
from portal.demo import atelier, contested, house, morning, past, stories
from portal.demo.playing import Desk, Story, play
from portal.demo.wares import ATELIER, NORDHAUS, DemoOrder, Pay, incoming, warehouse
from portal.ports import Gateways
from portal.services import intake, links, merchants
from portal.services.handling import assigning
from portal.services.lists import listing
from portal.services.lists.list_filters import asked
from portal.services.persons import people

PASSWORD = "demo-password"  # noqa: S105  a demo that anybody may enter
PEOPLE = (
    ("agent@demo.example", "Demo Agent", "csr"),
    ("supervisor@demo.example", "Demo Supervisor", "supervisor"),
    ("finance@demo.example", "Demo Finance", "finance"),
    ("warehouse@demo.example", "Demo Warehouse", "warehouse"),
    ("admin@demo.example", "Demo Admin", "admin"),
)


NORDHAUS_PAST = (("de", "DE"), ("de", "DE"), ("en", "DE"), ("de", "AT"), ("fr", "FR"))
ATELIER_PAST = (("en", "GB"), ("en", "GB"), ("fr", "FR"))
"""Language and country of those who bought in the weeks before, by how many there are."""


def seed(
    gateways: Gateways,
    *,
    site: Site,
    folder: Path,
    now: datetime,
    pay: Pay | None = None,
    weeks: int = past.WEEKS,
) -> bool:
    """Fill a database that has no merchant; answers whether it did. ``pay`` makes the captures at the gateway.

    ``folder`` keeps pictures, ``weeks`` are those before today of which there is something to tell.
    """
    if merchants.every():
        return False
    begun = now - timedelta(days=90)
    first, second = _shops(begun)
    for email, name, role in PEOPLE:
        people.create_user(
            email=email, name=name, password=PASSWORD, roles={"nordhaus": role, "atelier": role}, now=begun
        )
    desks = [
        Desk(
            shop=shop,
            people=_people((first, second), shop),
            gateways=gateways,
            site=site,
            folder=folder,
            now=now,
        )
        for shop in (first, second)
    ]
    for desk, told in zip(desks, (_nordhaus, _atelier), strict=True):
        today, before = told(desk, weeks, pay)
        play(desk, today, before=before)
    agent = desks[0].people["supervisor"]
    stories.money_under_way(agent, first, gateways=gateways, site=site, now=now)
    stories.returns_under_way(agent, first, second, gateways=gateways, site=site, now=now)
    stories.cancellations_under_way(agent, first, gateways=gateways, site=site, now=now)
    return True


def _nordhaus(desk: Desk, weeks: int, pay: Pay | None) -> tuple[list[Story], list[Story]]:
    plans = past.drawn("N-1", 7, NORDHAUS_PAST, doubted="not_as_described", seed=5, weeks=weeks)
    placed = (*NORDHAUS, *morning.ORDERS, *contested.ORDERS, *(plan.order for plan in plans))
    return [
        _orders(desk, placed, "EUR", pay),
        *house.stories(desk),
        *morning.stories(desk),
        past.nights(desk, weeks),
    ], [*(past.story(desk, "nordhaus", plan) for plan in plans), *contested.stories(desk)]


def _atelier(desk: Desk, weeks: int, pay: Pay | None) -> tuple[list[Story], list[Story]]:
    plans = past.drawn("A-1", 2, ATELIER_PAST, doubted="changed_mind", seed=7, weeks=weeks)
    placed = (*ATELIER, *atelier.ORDERS, *(plan.order for plan in plans))
    return [
        _orders(desk, placed, "GBP", pay),
        *atelier.stories(desk),
        past.nights(desk, weeks),
    ], [past.story(desk, "atelier", plan) for plan in plans]


TOGETHER = 3
"""Days whose orders come in at once."""


def _orders(desk: Desk, placed: Sequence[DemoOrder], currency: str, pay: Pay | None) -> Story:
    """Orders come in a few days at a time, always before anything of them goes back."""
    left = sorted(placed, key=lambda order: (-order.days, order.number))
    while left:
        last = max(0, left[0].days - TOGETHER)
        some = [order for order in left if order.days >= last]
        left = left[len(some) :]
        yield desk.ago(days=last, hours=2)
        stream = [incoming(order, currency, desk.now, pay) for order in some]
        intake.import_orders(
            SYSTEM, desk.shop, stream, source="demo", now=desk.at, gateway=desk.gateways.gateway
        )
        _announce(stream, desk.gateways)


def _shops(now: datetime) -> tuple[UUID, UUID]:
    first = merchants.create(
        slug="nordhaus", name="Nordhaus Demo", support_email="help@nordhaus.example", accent="green",
        address=warehouse("Nordhaus Demo Returns", "DE"), language="de", country="DE", currency="EUR",
        terms=Terms(
            window_days=30,
            windows=(Window(days=60, reason="defective"), Window(days=14, category="books")),
            approval_value=20_000,
            approval_reasons=("quality_unsatisfactory", "not_as_described"),
            restocking_fee=RestockingFee(),
            condition_deductions_bp=(("used", 2000), ("C", 3000), ("D", 5000)),
            accessory_deductions=(("box", 300),),
            promotions="re_evaluate",
            deals=(
                Deal(code="SPEND50", kind="spend", name="Spend 50, save 10 %",
                     steps=(PromotionStep(reach=5_000, percent_bp=1_000),)),
            ),
            goodwill_cap=2_500,
            store_credit_bonus_bp=500,
            store_credit_bonus_cap=1_000,
            refund_limits=(("supervisor", 50_000), ("finance", 200_000)),
            shipping_tiers=(ShippingTier(from_goods=0, price=490), ShippingTier(from_goods=20_000, price=0)),
            two_people_above=10_000,
        ),
        now=now,
    )  # fmt: skip
    second = merchants.create(
        slug="atelier", name="Atelier Demo", support_email="help@atelier.example", accent="plum",
        address=warehouse("Atelier Demo Returns", "GB"), language="en", country="GB", currency="GBP",
        zone="Europe/London", now=now,
        terms=Terms(window_days=14, approval_reasons=("changed_mind",), return_postage="merchant"),
    )  # fmt: skip
    return first, second


def _announce(orders: Sequence[IncomingOrder], gateways: Gateways) -> None:
    """Tell the gateway of the captures; a real one knows its own."""
    gateway = gateways.payments[gateways.gateway]
    for order in orders:
        for payment in order.payments:
            if provider_of(payment.tender, gateways.gateway) == gateways.gateway and payment.captured:
                captured = minor(payment.captured, order.currency)
                gateway.learn(
                    payment.reference,
                    captured=captured,
                    currency=order.currency,
                    authorized=payment.mode == AUTHORIZED,
                )


def _people(merchant_ids: Sequence[UUID], shop: UUID) -> dict[str, Actor]:
    """The demo's people by role; each has the same role at both shops."""
    ids = {name: person_id for person_id, name in assigning.colleagues(shop)}
    return {
        role: Actor(kind="person", id=ids[name], name=name, roles=dict.fromkeys(merchant_ids, role))
        for _, name, role in PEOPLE
    }


def addresses(*, site: Site, base_url: str, now: datetime) -> Iterator[tuple[str, str]]:
    """What to open first. The customer's link is made anew when the one before is finished or expired."""
    shops = merchants.every()
    agent = _people([shop.id for shop in shops], shops[0].id)["supervisor"]
    yield (
        "A customer's pre-authorized link",
        _customer_link(agent, site, now) or "all are finished; make one in the admin area",
    )
    for shop in shops:
        yield f"Start a return by yourself ({shop.name})", f"{base_url}/start/{shop.slug}"
    yield "   try order N-20418 with postcode 20359", ""
    yield "Admin area", f"{base_url}/admin/"
    yield (
        "   sign in as",
        f"{PEOPLE[0][0]} (or supervisor@, finance@, warehouse@, admin@), password {PASSWORD}",
    )
    for title, path in (
        ("   what waits, with its clock", "/admin/"),
        ("   disputes", "/admin/disputes"),
        ("   the dock", "/admin/dock"),
        ("   eight weeks in numbers", f"/admin/numbers?from={(now - timedelta(days=56)).date()}"),
    ):
        yield title, f"{base_url}{path}"
    yield "Outgoing mail", f"{base_url}/outbox"


def _customer_link(agent: Actor, site: Site, now: datetime) -> str | None:
    drafts = asked(agent, Filters(states=("draft",)), now=now, zone=UTC)
    for return_id in listing.find(drafts).ids:
        for link in links.of_return(return_id):
            if link.purpose == FINISH and link.standing(now) == "open":
                return links.shown_url(agent, link.id, site=site)
    return None
