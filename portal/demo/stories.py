"""What is already going on when the demo opens: returns at different points, and money on its way."""

from datetime import datetime
from uuid import UUID

from portal.core.access import SYSTEM, Actor
from portal.core.links import Site
from portal.core.refunds.overrides import Overrides
from portal.ports import Gateways
from portal.services import cancellations, links
from portal.services.docking import receiving
from portal.services.filing import returns, shipping
from portal.services.handling import confirmation, deciding
from portal.services.lists import orders
from portal.services.paying import bank_accounts
from portal.services.refunding import allowances, refunds


def returns_under_way(
    agent: Actor, first: UUID, second: UUID, *, gateways: Gateways, site: Site, now: datetime
) -> None:
    """A link that waits for its customer, and a few returns at different points of their way."""
    draft = _draft(agent, first, "N-20418", {"SHT-M-SND": 1, "CND-3": 1}, ("too_small", "opened_unused"), now)
    returns.set_note(
        agent, draft, note="We have put both items in for you. Please choose how you would like to send them.",
        locked=["lines"], now=now,
    )  # fmt: skip
    links.send_link(agent, draft, site=site, now=now)
    waiting = _draft(agent, second, "A-1002", {"BOK-071": 1}, ("changed_mind", "unopened"), now)
    _finish(agent, waiting, gateways, site, now, as_customer=True)
    back = _draft(agent, first, "N-20420", {"SHO-42": 1}, ("does_not_fit", "opened_unused"), now)
    _finish(agent, back, gateways, site, now)
    page = returns.page(agent, back, now=now)
    receiving.receive(agent, back, {line.id: line.units for line in page.draft.lines}, now=now)
    sent = _draft(agent, first, "N-20419", {"MUG-BLU": 2}, ("color_not_as_expected", "unopened"), now)
    _finish(agent, sent, gateways, site, now)


def money_under_way(agent: Actor, shop: UUID, *, gateways: Gateways, site: Site, now: datetime) -> None:
    """Refunds of every kind: sent, failing, waiting for a second person, an account, or a bank's file."""
    bank_accounts.set_of_merchant(
        SYSTEM, shop, holder="Nordhaus Demo", iban="DE89 3704 0044 0532 0130 00", gateways=gateways, now=now
    )  # the account number that the banks' own papers give as an example
    spend = _draft(agent, shop, "N-20424", {"MUG-BLU": 2}, ("changed_mind", "unopened"), now)
    links.send_link(agent, spend, site=site, now=now)
    for number, sku in (
        ("N-20422", "SHO-42"),
        ("N-20423", "HAT-RED"),
        ("N-20425", "LMP-204"),
        ("N-20428", "BAG-OLV"),
    ):
        refunds.propose(agent, _inspected(agent, shop, number, sku, gateways, site, now), now=now)
    account = _inspected(agent, shop, "N-20426", "SHO-42", gateways, site, now)
    refunds.propose(agent, account, now=now)
    bank_accounts.give(
        agent, account, holder="Account Example", iban="AT61 1904 3002 3457 3201", gateways=gateways, now=now
    )
    credit = _inspected(agent, shop, "N-20427", "CND-3", gateways, site, now)
    chosen = Overrides(way="store_credit", reason="The customer prefers store credit")
    refunds.propose(agent, credit, overrides=chosen, now=now)
    _keep(agent, shop, site, now)


def cancellations_under_way(
    agent: Actor, shop: UUID, *, gateways: Gateways, site: Site, now: datetime
) -> None:
    """Units taken out before they are sent: asked for, confirmed, declined, and one that had left already."""
    _propose(agent, shop, "N-20437", {"SOP-LAV": 1}, gateways, site, now,
             message="You said that one soap is enough. Please confirm, then we take the other one out.")  # fmt: skip
    for number, units in (
        ("N-20439", {"THR-GRY": 1}),
        ("N-20438-SHIPPED", {"BOK-071": 1}),
        ("N-20432", {"CND-3": 1}),
    ):
        made = _propose(agent, shop, number, units, gateways, site, now)
        customer = Actor(kind="link", return_id=made, merchant_id=shop)
        cancellations.confirm(customer, made, seen=None, gateways=gateways, site=site, now=now)
    kept = _propose(agent, shop, "N-20435", {"HAT-RED": 1}, gateways, site, now)
    customer = Actor(kind="link", return_id=kept, merchant_id=shop)
    cancellations.decline(customer, kept, reason="", now=now)


def _propose(
    agent: Actor,
    shop: UUID,
    number: str,
    units: dict[str, int],
    gateways: Gateways,
    site: Site,
    now: datetime,
    *,
    message: str = "",
) -> UUID:
    order = orders.find_orders(agent, query=number, merchant_id=shop)[0]
    lines = orders.order(agent, order.id).order.items
    wish = cancellations.Wish(
        choices=tuple(
            cancellations.Choice(line_id=line.id, units=units[line.sku]) for line in lines if line.sku in units
        ),
        reason="changed_mind", note="Asked for on the phone", message=message,
    )  # fmt: skip
    return cancellations.propose(
        agent, order.id, wish, shown=None, nonce=None, gateways=gateways, site=site, now=now
    )


def _inspected(
    agent: Actor, shop: UUID, number: str, sku: str, gateways: Gateways, site: Site, now: datetime
) -> UUID:
    """A return that came back as it should."""
    draft = _draft(agent, shop, number, {sku: 1}, ("changed_mind", "unopened"), now)
    _finish(agent, draft, gateways, site, now)
    page = returns.page(agent, draft, now=now)
    if page.draft.state == "requested":
        deciding.approve(agent, draft, now=now, reason="Approved for the demo")
    receiving.receive(agent, draft, {line.id: line.units for line in page.draft.lines}, now=now)
    found = [
        receiving.InspectionEntry(line_id=line.id, units=line.units, grade="A", disposition="restock")
        for line in page.draft.lines
    ]
    receiving.inspect(agent, draft, found, now=now)
    return draft


def _keep(agent: Actor, shop: UUID, site: Site, now: datetime) -> None:
    """A scratch: the customer keeps the hat and gets a part of its price."""
    order = orders.find_orders(agent, query="N-20429", merchant_id=shop)[0]
    hat = next(line for line in orders.order(agent, order.id).order.items if line.sku == "HAT-RED")
    wish = allowances.Wish(
        lines=(allowances.Allowance(line_id=hat.id, units=1, percent_bp=2_000),),
        reason="quality_unsatisfactory", note="A loose thread, the photo shows it",
        message="We are sorry about the loose thread. Please keep the hat.",
    )  # fmt: skip
    allowances.create(agent, order.id, wish, site=site, now=now)


def _draft(
    agent: Actor, merchant_id: UUID, number: str, units: dict[str, int], why: tuple[str, str], now: datetime
) -> UUID:
    order = orders.find_orders(agent, query=number, merchant_id=merchant_id)[0]
    draft = returns.start_draft(
        agent, merchant_id=merchant_id, kind="return", channel="phone", name=order.name, email=order.email,
        language=order.language, order_id=order.id, now=now,
    )  # fmt: skip
    bought = returns.page(agent, draft, now=now).order
    chosen = [
        returns.LineChoice(order_line_id=line.id, units=units[line.sku])
        for line in (bought.items if bought else ())
        if line.sku in units
    ]
    returns.choose_lines(agent, draft, chosen, now=now)
    reason, condition = why
    lines = returns.page(agent, draft, now=now).draft.lines
    returns.answer(
        agent,
        draft,
        [returns.SurveyAnswer(line_id=line.id, reason=reason, condition=condition) for line in lines],
        now=now,
    )
    return draft


def _finish(
    agent: Actor, draft: UUID, gateways: Gateways, site: Site, now: datetime, *, as_customer: bool = False
) -> None:
    page = returns.page(agent, draft, now=now)
    returns.set_address(agent, draft, returns.proposed_address(page), now=now)
    ways = shipping.ways(agent, draft, gateways=gateways, now=now)
    way = next(way for way in ways if way.rate.method == "print_at_home")
    shipping.choose_sending(agent, draft, rate_id=way.rate.id, gateways=gateways, now=now)
    actor = agent
    if as_customer:
        actor = Actor(kind="link", name=page.draft.name, return_id=draft, merchant_id=page.draft.merchant_id)
    confirmation.confirm(actor, draft, site=site, now=now)
