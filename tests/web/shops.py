"""Shops, orders and prepared returns for tests of pages: made by the services that real ones use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import BytesIO
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from flask import Flask
from PIL import Image

from portal.core.access import SYSTEM, Actor
from portal.core.addresses import Address
from portal.core.intake import IncomingLine, IncomingOrder, IncomingPayment, IncomingTax
from portal.core.links import Site, url
from portal.core.policy.terms import Terms
from portal.db.base import db, uuid7
from portal.db.returns import Link
from portal.services import intake, links, merchants
from portal.services.filing import returns

PLACE = Address(
    name="Demo Customer", street=("Beispielweg 12",), postcode="20359", city="Hamburg", country="DE"
)
EMAIL = "demo.customer@example.com"


@dataclass(frozen=True, kw_only=True)
class Shop:
    """One merchant of a test, and the agent who works there."""

    app: Flask
    id: UUID
    slug: str
    agent: Actor

    @property
    def site(self) -> Site:
        return self.app.extensions["site"]  # type: ignore[no-any-return]


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A return that waits for its customer: the path of its link, and where it lives then."""

    id: UUID
    link_id: UUID
    path: str
    lines: dict[str, UUID] = field(default_factory=dict)
    """sku -> id of the line of the order"""

    @property
    def home(self) -> str:
        return f"/r/{self.id}"

    @property
    def token(self) -> str:
        return self.path.removeprefix("/l/")


def now() -> datetime:
    return datetime.now(UTC)


def open_shop(app: Flask, slug: str = "nordhaus", terms: Terms | None = None) -> Shop:
    with app.app_context():
        shop_id = merchants.create(
            slug=slug,
            name=f"{slug.title()} Demo",
            support_email=f"help@{slug}.example.com",
            address=Address(
                name="Dock", street=("Lager 1",), postcode="10115", city="Berlin", country="DE"
            ).record(),
            terms=terms or Terms(),
            now=now(),
        )
    agent = Actor(kind="person", id=uuid7(), name="Demo Agent", roles={shop_id: "supervisor"})
    return Shop(app=app, id=shop_id, slug=slug, agent=agent)


def line(
    sku: str, name: str, price: str, *, units: int = 1, sent: int | None = None, **more: Any
) -> IncomingLine:
    """A line with 19 % tax in its price; sent and delivered unless ``sent`` says how many were."""
    goods = Decimal(price) * units
    tax = (goods * 19 / 119).quantize(Decimal("0.01"))
    sent = units if sent is None else sent
    return IncomingLine(
        external_id=sku,
        sku=sku,
        name=name,
        units=units,
        unit_price=Decimal(price),
        taxes=(IncomingTax(label="VAT 19 %", amount=tax, rate=Decimal("0.19")),),
        shipped=sent,
        delivered=sent,
        delivered_at=now() - timedelta(days=5) if sent else None,
        picture="shirt",
        weight_g=400,
        **more,
    )


def usual_lines() -> tuple[IncomingLine, ...]:
    return (
        line("SHT", "Linen shirt", "50.00"),
        line("MUG", "Stoneware mug", "10.00", units=3),
        line("THR", "Wool throw", "69.00", sent=0),
    )


def add_order(
    shop: Shop,
    number: str = "N-1",
    lines: tuple[IncomingLine, ...] | None = None,
    *,
    tender: str = "card",
    label: str = "Visa ·· 4242",
    mode: str = "",
) -> None:
    """An order of Demo Customer in Hamburg, paid by card or as told, placed a week ago."""
    given = usual_lines() if lines is None else lines
    total = sum((one.unit_price * one.units for one in given), Decimal(0))
    order = IncomingOrder(
        external_id=number,
        number=number,
        currency="EUR",
        placed_at=now() - timedelta(days=7),
        lines=given,
        payments=(
            IncomingPayment(
                reference=f"{shop.slug}-{number}", tender=tender, captured=total, label=label, mode=mode
            ),
        ),
        total=total,
        email=EMAIL,
        name=PLACE.name,
        language="en",
        country="DE",
        postcode=PLACE.postcode,
        digest=number,
        customer_ref=EMAIL,
        address=PLACE.record(),
    )  # fmt: skip
    with shop.app.app_context():
        intake.import_orders(SYSTEM, shop.id, [order], source="test", now=now())


def order_id(shop: Shop, number: str) -> UUID:
    from portal.core.intake import number_key
    from portal.db import orders

    with shop.app.app_context():
        return orders.by_number(shop.id, number_key(number))[0].id


def prepare(
    shop: Shop,
    number: str | None = "N-1",
    units: Mapping[str, int] | None = None,
    *,
    why: tuple[str, str] | None = None,
    locked: tuple[str, ...] = (),
    note: str = "",
    days: int | None = None,
    order_number: str = "",
) -> Prepared:
    """A return prepared by the agent, as far as told, and its link; without ``number`` there is no order."""
    order = order_id(shop, number) if number else None
    with shop.app.app_context():
        draft = returns.start_draft(
            shop.agent, merchant_id=shop.id, kind="return", channel="phone", name="Demo Customer", email=EMAIL,
            language="en", order_id=order, order_number=order_number, now=now(),
        )  # fmt: skip
        if order is None:
            returns.set_order(shop.agent, draft, order_number=order_number, now=now())
        seen = returns.page(shop.agent, draft, now=now())
        known = {one.sku: one.id for one in seen.order.items} if seen.order else {}
        if units:
            choices = [returns.LineChoice(order_line_id=known[sku], units=n) for sku, n in units.items()]
            returns.choose_lines(shop.agent, draft, choices, now=now())
        if why:
            chosen = returns.page(shop.agent, draft, now=now()).draft.lines
            answers = [
                returns.SurveyAnswer(line_id=one.id, reason=why[0], condition=why[1]) for one in chosen
            ]
            returns.answer(shop.agent, draft, answers, now=now())
        if note or locked:
            returns.set_note(shop.agent, draft, note=note, locked=locked, now=now())
        link = links.send_link(shop.agent, draft, days=days, email=False, site=shop.site, now=now())
        address = links.shown_url(shop.agent, link.id, site=shop.site) or ""
    return Prepared(id=draft, link_id=link.id, path=address.removeprefix(shop.site.base_url), lines=known)


def newest_link(shop: Shop) -> str:
    """The path of the link that was made last, as the mail to the customer has it."""
    with shop.app.app_context():
        found = db.session.scalars(sa.select(Link).order_by(Link.id.desc())).first()
        assert found is not None
        return url(shop.site, found.nonce).removeprefix(shop.site.base_url)


def status_link(shop: Shop, prepared: Prepared) -> str:
    with shop.app.app_context():
        wanted = sa.select(Link).where(
            Link.return_id == prepared.id, Link.purpose == "status", Link.state == "open"
        )
        found = db.session.scalars(wanted).one()
        return url(shop.site, found.nonce).removeprefix(shop.site.base_url)


def draft_of(shop: Shop, prepared: Prepared) -> Any:
    with shop.app.app_context():
        return returns.page(shop.agent, prepared.id, now=now()).draft


def everything(app: Flask) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, to see that nothing changed."""
    with app.app_context(), db.engine.connect() as connection:
        tables = sa.inspect(connection).get_table_names()
        return {
            name: sorted(
                tuple(map(str, row)) for row in connection.execute(sa.text(f'SELECT * FROM "{name}"'))
            )
            for name in tables
        }


@contextmanager
def nothing_changes(app: Flask) -> Iterator[None]:
    before = everything(app)
    yield
    after = everything(app)
    changed = [name for name in before if before[name] != after.get(name)]
    assert not changed, f"changed: {changed}"


def picture(*, size: tuple[int, int] = (60, 40), format: str = "JPEG") -> bytes:
    out = BytesIO()
    Image.new("RGB", size, "navy").save(out, format)
    return out.getvalue()


def walk_in(client: Any, prepared: Prepared) -> Any:
    """Open the link and press Continue; answers the first page of questions."""
    landing = client.get(prepared.path, follow_redirects=True)
    return client.submit(landing, button="Continue", follow_redirects=True)
