"""What each rule decides, from the customer's yes to the end of the return: goods, money, books."""

from __future__ import annotations

import io
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from PIL import Image

from portal.core.access import Conflict, NotAllowed
from portal.core.facts import RETURNLESS
from portal.core.workflows import Rule, Rules, decision_from
from portal.db import returns as stored
from portal.db.mails import Mail
from portal.db.refunds import Refund
from portal.db.shipments import Shipment
from portal.db.stock import StockMovement
from portal.db.tasks import Task
from portal.services import photos, tasks
from portal.services.docking import dock
from portal.services.filing import returns
from portal.services.handling import confirmation, deciding
from portal.services.proofs import audit
from portal.services.refunding import refunds
from portal.services.rules import workflows
from tests.builders import (
    NOW,
    SITE,
    a_customer,
    a_draft,
    a_merchant,
    a_person,
    an_item,
    an_order,
    as_it_is,
    fill,
    inspect,
    receive,
    terms,
)


class House:
    """One shop with one rule, and a customer's return of two of three mugs."""

    def __init__(self, session: Any, gateways: Any, drain: Any, outcome: str, **policy: Any) -> None:
        self.session, self.drain, self.gateways = session, drain, gateways
        self.shop = a_merchant(terms=terms(**policy))
        rule = Rule(id="one", name="The rule", outcome=outcome, reasons=("too_small",))
        workflows.install(self.person("admin"), self.shop, Rules(rules=(rule,)), now=NOW)
        self.order = an_order(gateways, self.shop, [an_item("MUG", 3)])
        self.id = a_draft(self.person(), self.shop, self.order, channel="self_service")
        fill(
            self.person(),
            self.id,
            gateways,
            order=self.order,
            units={"MUG": 2},
            reason="too_small",
            condition="unopened",
        )
        self.customer = a_customer(self.id, self.shop)

    def person(self, role: str = "supervisor") -> Any:
        return a_person(self.shop, role)

    def confirm(self, **more: Any) -> str:
        state = confirmation.confirm(self.customer, self.id, site=SITE, now=NOW, **more)
        self.work()
        return state

    def work(self) -> None:
        """Everything that follows by durable work."""
        self.session.commit()
        self.drain()
        self.session.rollback()
        self.session.expire_all()

    def come_back(self, disposition: str = "restock") -> None:
        receive(self.shop, self.id)
        inspect(self.shop, self.id, disposition=disposition)
        self.work()

    def pay(self) -> None:
        refunds.propose(self.person(), self.id, now=NOW)
        self.work()

    @property
    def row(self) -> Any:
        self.session.expire_all()
        return stored.get(self.id)

    @property
    def refunds(self) -> list[tuple[int, str]]:
        wanted = sa.select(Refund.amount_minor, Refund.state).where(Refund.return_id == self.id)
        return [tuple(one) for one in self.session.execute(wanted)]

    @property
    def mails(self) -> set[str]:
        return set(self.session.scalars(sa.select(Mail.event).where(Mail.return_id == self.id)))

    def ended(self, amount: int = 2000) -> None:
        """Closed and paid once, to the cent; the third mug may still come back; every book balances."""
        assert (self.row.state, self.row.refund_state) == ("closed", "refunded")
        assert self.refunds == [(amount, "succeeded")]
        line = as_it_is(self.order).items[0]
        assert (line.refunded, line.returnable_units) == (amount, 1)
        assert decision_from(self.row.decision).rule == "The rule", "its page says for ever which rule it was"
        self.session.rollback()
        assert audit.verify().problems == []


@pytest.fixture
def house(session: Any, gateways: Any, drain: Any) -> Any:
    return lambda outcome, **policy: House(session, gateways, drain, outcome, **policy)


def a_picture() -> bytes:
    kept = io.BytesIO()
    Image.new("RGB", (40, 30), "navy").save(kept, "JPEG")
    return kept.getvalue()


def test_approve_at_once_needs_nobody_until_the_money_is_there(house: Any) -> None:
    made = house("approve", auto_approve=False)
    assert made.confirm() == "approved" and "approved" in made.mails
    made.come_back()
    made.pay()
    made.ended()


def test_ask_for_photos_holds_the_customer_until_one_is_there_and_the_dock_sees_it(
    house: Any, tmp_path: Any
) -> None:
    made = house("ask_photos")
    with pytest.raises(Conflict):
        made.confirm()
    assert made.row.state == "draft" and made.mails == set()
    line = returns.page(made.customer, made.id, now=NOW).draft.lines[0]
    photos.add(made.customer, made.id, line.id, a_picture(), folder=tmp_path, now=NOW)
    assert made.confirm() == "approved"
    assert len(returns.page(made.customer, made.id, now=NOW).draft.lines[0].photos) == 1
    made.come_back()
    made.pay()
    made.ended()


def test_ask_a_supervisor_waits_for_one_and_goes_on_from_there(house: Any) -> None:
    made = house("supervisor")
    assert made.confirm() == "requested" and "requested" in made.mails
    with pytest.raises(NotAllowed):
        deciding.approve(made.person("csr"), made.id, now=NOW)
    deciding.approve(made.person("supervisor"), made.id, now=NOW)
    made.work()
    assert made.row.state == "approved" and "approved" in made.mails
    made.come_back()
    made.pay()
    made.ended()


def test_a_supervisor_may_also_refuse_and_nothing_is_held_or_paid(house: Any) -> None:
    made = house("supervisor")
    made.confirm()
    deciding.decline(made.person(), made.id, reason="other", message="Not this time.", now=NOW)
    made.work()
    assert (made.row.state, made.refunds) == ("declined", []) and "declined" in made.mails
    assert as_it_is(made.order).items[0].returnable_units == 3
    assert audit.verify().problems == []


def test_refund_without_return_is_over_with_the_customers_yes(house: Any) -> None:
    made = house("refund_without_return", return_postage="customer")
    assert made.confirm() == "approved"
    assert made.row.kind == RETURNLESS
    shipments = sa.select(sa.func.count()).select_from(Shipment).where(Shipment.return_id == made.id)
    assert made.session.scalar(shipments) == 0, "no label for what stays"
    made.ended()


@pytest.mark.parametrize("wish", ["exchange", "refund"])
def test_exchange_first_ends_by_what_the_customer_chose(house: Any, wish: str) -> None:
    made = house("exchange_first")
    assert made.confirm(wish=wish) == "approved"
    open_tasks = list(made.session.scalars(sa.select(Task).where(Task.kind == "exchange_wanted")))
    assert len(open_tasks) == (wish == "exchange")
    assert made.row.kind == ("exchange" if wish == "exchange" else "return")
    made.come_back()
    for task in open_tasks:
        tasks.close(made.person(), task.id, note="Another size is out of stock: money back.", now=NOW)
    made.pay()
    made.ended()


def test_inspect_before_refund_pays_nothing_on_receipt_and_all_after_the_inspection(house: Any) -> None:
    made = house("inspect_first", refund_trigger="on_receipt")
    assert made.confirm() == "approved"
    receive(made.shop, made.id)
    made.work()
    with pytest.raises(Conflict, match="nothing_to_refund"):
        refunds.propose(made.person(), made.id, now=NOW)
    assert made.refunds == []
    inspect(made.shop, made.id)
    made.work()
    made.pay()
    made.ended()


def test_a_recall_goes_to_quarantine_and_is_paid_in_full_with_its_warning_in_the_mail(house: Any) -> None:
    made = house("recall", auto_approve=False, return_postage="customer")
    assert made.confirm() == "approved"
    mail = made.session.scalars(
        sa.select(Mail).where(Mail.return_id == made.id, Mail.event == "approved")
    ).one()
    assert "stop using this product" in mail.text and "stop using this product" in mail.html
    task = made.session.scalars(sa.select(Task).where(Task.kind == "safety_recall")).one()
    assert task.subject_id == made.id
    receive(made.shop, made.id)
    (line,) = dock.sheet(made.person("warehouse"), made.id).lines
    proposed = {one.disposition for grade, one in line.proposals.items() if grade != "M"}
    assert proposed == {"quarantine"}, "whatever the grade of what is there"
    inspect(made.shop, made.id, disposition="quarantine")
    made.work()
    made.pay()
    made.ended()
    assert _lies(made.session, made.shop) == {"quarantine": 2}


def _lies(session: Any, shop: UUID) -> dict[str, int]:
    """bucket -> units of the mugs that came back and still lie there."""
    wanted = (
        sa.select(StockMovement.bucket, sa.func.sum(StockMovement.delta))
        .where(StockMovement.merchant_id == shop, StockMovement.return_line_id.is_not(None))
        .group_by(StockMovement.bucket)
    )
    return {bucket: int(units) for bucket, units in session.execute(wanted) if units}
