"""Two shops in one portal: whoever works for one sees nothing of the other, on no page, by no address."""

from collections import Counter
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from flask import Flask

from portal.core.refunds.overrides import Overrides
from portal.db.base import db, transaction
from portal.db.channels import ChannelMessage
from portal.db.stock import StockLevel
from portal.services import disputes, links, tasks
from portal.services.docking import unexpected
from portal.services.docking.unexpected import Surprise
from portal.services.handling import requests
from portal.services.ledgers import credits
from portal.services.lists import views
from portal.services.paying import bank, bank_accounts, payouts
from portal.services.persons import people, sessions
from portal.services.refunding import refunds
from portal.services.talking import canned
from tests import builders
from tests.services.cancelling import confirm, propose
from tests.web.admin_world import World, a_world, now

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def world(app: Flask) -> World:
    return a_world(app)


def fill(world: World, merchant_id: UUID, email: str, name: str) -> dict[str, Any]:
    """A shop with an order, a draft with a link, a return that came back and its refund."""
    order = world.order(merchant_id, email=email)
    boss = world.actor("supervisor", merchant_id)
    draft = world.draft(order, merchant_id, name=name, email=email)
    with world.app.app_context():
        site = world.app.extensions["site"]
        link = links.send_link(boss, draft, site=site, now=now())
        second = builders.an_order(
            world.gateways, merchant_id, (builders.an_item("SHIRT", 2, "50.00"),), email=email, now=now()
        )
        back = builders.came_back(world.gateways, merchant_id, second, {"SHIRT": 1}, now=now(), site=site)
        refund = refunds.propose(boss, back, now=now())
        unsent = builders.an_order(
            world.gateways,
            merchant_id,
            (builders.an_item("SHIRT", 2, "50.00", shipped=0),),
            email=email,
            now=now(),
        )
        canceled = propose(world.gateways, merchant_id, unsent, {"SHIRT": 1})
        confirm(world.gateways, merchant_id, canceled)
        level = sa.select(StockLevel.id).where(StockLevel.merchant_id == merchant_id)
        message = sa.select(ChannelMessage.id).where(ChannelMessage.merchant_id == merchant_id)
        ids = {
            "level_id": db.session.scalar(level.limit(1)),
            "message_id": db.session.scalar(message.limit(1)),
            "canceled": canceled,
        }
    found = world.dossier(back, merchant_id)
    return (
        _money(world, merchant_id, email)
        | ids
        | {
            "merchant_id": merchant_id,
            "order_id": order.id,
            "return_id": draft,
            "back": back,
            "link_id": link.id,
            "refund_id": refund,
            "payout_id": found.refunds[0].payouts[0].id,
            "mail_id": found.mails[0].id,
            "line_id": found.page.draft.lines[0].id,
            "photo_id": found.page.draft.lines[0].id,
            "picture_id": found.page.draft.lines[0].id,
            **_texts(world, merchant_id, back),
            **_people(world, merchant_id),
            **_dispute(world, merchant_id),
            "subject_id": back,
            "rule_key": back,
            "finding_id": _parcel(world, merchant_id),
            "number": found.page.draft.number,
            "refund_number": found.refunds[0].number,
            "order_number": order.number,
        }
    )


def _texts(world: World, merchant_id: UUID, return_id: UUID) -> dict[str, UUID]:
    """A question in the thread of the return, and a ready text of the shop."""
    with world.app.app_context():
        boss = world.actor("supervisor", merchant_id)
        entry_id = requests.ask(boss, return_id, "Which size?", asks=("answer",), now=now())
        name = "Ready text of " + ("own" if merchant_id == world.own else "other")
        answer_id = canned.save(boss, merchant_id=merchant_id, name=name, texts={"en": name}, now=now())
        return {"entry_id": entry_id, "answer_id": answer_id}


def _people(world: World, merchant_id: UUID) -> dict[str, UUID]:
    """Somebody who works there, the browser they are signed in with, and a list that they share."""
    slug = "own" if merchant_id == world.own else "other"
    email = f"somebody@{slug}.example"
    with world.app.app_context():
        person_id = people.create_user(
            email=email, name=f"Somebody of {slug}", password="a password for tests", roles={slug: "supervisor"},
            now=now(),
        )  # fmt: skip
        sessions.begin(person_id, way="password", browser="a test", now=now())
        somebody = people.named(email)
        assert somebody is not None
        view_id = views.save(
            somebody, name=f"List of {slug}", merchant_id=merchant_id, shared=True, query={}, now=now()
        )
        return {
            "person_id": person_id,
            "session_id": sessions.own(somebody, now=now())[0].id,
            "view_id": view_id,
        }


def _parcel(world: World, merchant_id: UUID) -> UUID:
    """A parcel that nobody announced."""
    with world.app.app_context():
        parcel = Surprise(kind="unknown_parcel", code=f"DEMO-{merchant_id}")
        folder = world.app.config["SETTINGS"].upload_dir
        worker = world.actor("warehouse", merchant_id)
        return unexpected.note(worker, merchant_id, parcel, folder=folder, now=now())


def _dispute(world: World, merchant_id: UUID) -> dict[str, UUID]:
    """A refusal that is contested, with an offer of the shop."""
    with world.app.app_context():
        order = builders.an_order(
            world.gateways, merchant_id, (builders.an_item("SHIRT", 1, "50.00"),), now=now()
        )
        site = world.app.extensions["site"]
        back = builders.a_return(world.gateways, merchant_id, order, now=now(), site=site)
        builders.receive(merchant_id, back, now=now())
        builders.inspect(merchant_id, back, [("SHIRT", 1, "D", False)], disposition="quarantine", now=now())
        customer = builders.a_customer(back, merchant_id)
        lines = tuple(
            disputes.LineClaim(line_id=one.line.id, ground="refusal")
            for one in disputes.sheet(customer, back, now=now()).choices
        )
        claim = disputes.Claim(lines=lines, wanted="difference", body="It was as new.")
        dispute_id = disputes.open_dispute(customer, back, claim, nonce=back.hex, now=now())
        boss = people.named(f"somebody@{'own' if merchant_id == world.own else 'other'}.example")
        assert boss is not None
        return {"dispute_id": dispute_id, "offer_id": disputes.offer(boss, dispute_id, 300, now=now())}


def _money(world: World, merchant_id: UUID, email: str) -> dict[str, UUID]:
    """A batch of bank transfers, a store credit and a task of the shop."""
    gateways, site = world.gateways, world.app.extensions["site"]
    finance, account = (
        world.actor("finance", merchant_id),
        {"holder": "Demo Shop", "iban": "NL91ABNA0417164300"},
    )
    with world.app.app_context():
        bank_accounts.set_of_merchant(
            world.actor("admin", merchant_id), merchant_id, **account, gateways=gateways, now=now()
        )
        by_bank, as_credit = (
            builders.came_back(
                gateways,
                merchant_id,
                builders.an_order(
                    gateways,
                    merchant_id,
                    (builders.an_item("SHIRT", 1, "50.00"),),
                    paid=[builders.a_payment(tender)],
                    email=email,
                    now=now(),
                ),
                now=now(),
                site=site,
            )
            for tender in ("bank_transfer", "card")
        )
        payouts.send(refunds.propose(finance, by_bank, now=now()), gateways=gateways, now=now())
        bank_accounts.give(finance, by_bank, **account, gateways=gateways, now=now())
        batch_id = bank.collect(finance, merchant_id, gateways=gateways, now=now())
        way = Overrides(way="store_credit", reason="As the customer wishes")
        credited = refunds.propose(finance, as_credit, overrides=way, now=now())
        payouts.send(credited, gateways=gateways, now=now())
        with transaction():
            tasks.open("drift", "other", merchant_id=merchant_id, now=now())
        return {
            "batch_id": batch_id,
            "credit_id": credits.listing(finance, now=now())[0].id,
            "task_id": tasks.listing(finance)[0].id,
        }


WAYS = 6
"""Addresses of one list that are looked at."""


def crawl(client: Any, start: str = "/admin/") -> dict[str, str]:
    """Every page that can be reached by links from the desk: address -> what it says.

    Of a list only so many ways to sort, filter and cut it: together they have no end.
    """
    seen: dict[str, str] = {}
    ways: Counter[str] = Counter()
    todo = [start]
    while todo:
        path = todo.pop()
        place, _, query = path.partition("?")
        if path in seen or (query and ways[place] >= WAYS):
            continue
        ways[place] += 1
        answer = client.get(path)
        assert answer.status_code in (200, 303), f"{path}: {answer.status_code}"
        if answer.status_code == 303:
            seen[path] = ""
            todo.append(answer.location)
            continue
        html = answer.mimetype == "text/html"
        seen[path] = answer.get_data(as_text=True) if html else ""
        if html and "/looks" not in path:
            todo += [
                link.split("#")[0]
                for link in answer.page.links().values()
                if link.startswith("/admin") and link.split("#")[0] not in seen
            ]
    return seen


def test_no_page_of_one_shop_shows_anything_of_the_other(world: World, drain: Any) -> None:
    fill(world, world.own, "own.customer@customer.example", "Own Customer")
    foreign = fill(world, world.other, "other.customer@customer.example", "Other Customer")
    drain()
    client = world.signed_in("admin")
    pages = crawl(client)
    assert len(pages) > 25
    assert any("own.customer@customer.example" in html for html in pages.values())
    told = (
        "other.customer@",
        "Other Customer",
        "Demo shop other",
        foreign["number"],
        foreign["refund_number"],
    )
    told += (
        foreign["order_number"],
        *(str(value) for name, value in foreign.items() if name.endswith("_id")),
    )
    shown = [f"{path}: {word}" for path, html in pages.items() for word in told if word in html]
    assert not shown
    for query in ("other.customer@customer.example", "Other", foreign["number"], foreign["order_number"]):
        for path in ("/admin/returns", "/admin/orders", "/admin/returns/new"):
            answer = client.get(path, query_string={"customer" if "new" in path else "q": query})
            body = answer.get_data(as_text=True).replace(query, "")  # what was typed stands in the page
            assert not [word for word in told if word in body], f"{path}?{query}"


def test_a_strangers_id_is_not_found_at_any_address(world: World, app: Flask) -> None:
    foreign = fill(world, world.other, "other.customer@customer.example", "Other Customer")
    client = world.signed_in("admin")
    client.get("/admin/")
    tried, wrong = 0, []
    for rule in app.url_map.iter_rules():
        ids = [name for name in rule.arguments if name.endswith("_id")]
        if not rule.rule.startswith("/admin") or not ids:
            continue
        for return_id in (foreign["return_id"], foreign["back"], foreign["canceled"]):
            values = {name: foreign[name] for name in ids} | {"return_id": return_id}
            values |= {"kind": "label", "format": "pdf", "bucket": "available", "name": "label.pdf"}
            values["number"] = 1 if "<int:number>" in rule.rule else "CN-000001"
            values["rule_key"] = "none"
            path = app.url_map.bind("localhost").build(
                rule.endpoint, {name: value for name, value in values.items() if name in rule.arguments}
            )
            for method in sorted(rule.methods & {"GET", "POST"}):
                tried += 1
                answer = client.open(path, method=method)
                if answer.status_code != 404:
                    wrong.append(f"{method} {rule.rule}: {answer.status_code}")
    assert tried > 150
    assert not wrong


def test_a_return_cannot_be_started_for_another_shop(world: World) -> None:
    client = world.signed_in("admin")
    assert client.get("/admin/returns/new", query_string={"merchant": world.other}).status_code == 404
    client.get("/admin/")
    assert client.post("/admin/returns/new", query_string={"merchant": world.other}).status_code == 404
    order = world.order(world.other)
    assert client.get("/admin/returns/new", query_string={"order": order.id}).status_code == 404
    assert client.get("/admin/returns", query_string={"merchant": world.other}).status_code == 404


def test_a_role_at_one_shop_is_none_at_the_other(world: World) -> None:
    """Whoever inspects for one shop and only reads at the other may not inspect there."""
    return_id = world.received()
    line = str(world.lines(return_id)["SHIRT"].id)
    client = world.signed_in("warehouse", merchants=(world.own, world.other))
    with world.app.app_context():
        people.create_user(
            email="warehouse-2@people.example",
            name="Demo",
            password="a password for tests",
            roles={"own": "finance", "other": "warehouse"},
            now=now(),
        )
    assert client.get("/admin/").status_code == 303  # other roles, another session
    page = client.get("/admin/sign-in")
    typed = {"email": "warehouse-2@people.example", "password": "a password for tests"}
    assert client.submit(page, typed).status_code == 303
    assert client.get(f"/admin/dock/returns/{return_id}?mode=grade").status_code == 403
    sent = {
        "return_id": str(return_id),
        "mode": "grade",
        "h-0-line": line,
        "h-0-units": "1",
        "h-0-grade": "A",
    }
    assert client.post(f"/admin/dock/returns/{return_id}", data=sent).status_code == 403
    assert world.state(return_id) == "received"


def test_another_shops_work_is_neither_listed_nor_run(world: World) -> None:
    """Nothing was done yet, so messages and refunds of both shops wait."""
    own = fill(world, world.own, "own.customer@customer.example", "Own Customer")
    foreign = fill(world, world.other, "other.customer@customer.example", "Other Customer")
    client = world.signed_in("supervisor")
    answer = client.get("/admin/durable-work")
    text = answer.get_data(as_text=True)
    assert str(own["back"]) in text
    assert str(foreign["back"]) not in text
    assert (
        client.post(
            "/admin/durable-work/resumption", data={"item": f"refund-{foreign['refund_id']}"}
        ).status_code
        == 404
    )
