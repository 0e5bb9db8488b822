"""Bank batches: two people, one file for ever, each transfer once; accounts that the customer gives."""

from datetime import timedelta
from decimal import Decimal
from threading import Barrier, Thread
from uuid import UUID
from xml.etree import ElementTree

import pytest
import sqlalchemy as sa

from portal.adapters.payments.bank import NAMESPACE
from portal.core.access import SYSTEM, Conflict, NotAllowed, NotFound, Stale
from portal.core.lifecycles import IllegalStep
from portal.core.refunds.overrides import Overrides
from portal.db.bank import TransferBatch
from portal.db.base import db, transaction
from portal.db.refunds import Payout
from portal.services import tasks
from portal.services.paying import bank, bank_accounts, byhand, payouts, settling
from portal.services.persons import people
from portal.services.proofs import audit
from portal.services.refunding import refunds
from portal.services.talking import notices
from tests.builders import (
    NOW,
    a_customer,
    a_merchant,
    a_payment,
    a_person,
    an_item,
    an_order,
    as_it_is,
    came_back,
)

IBAN, OTHER = "NL91 ABNA 0417 1643 00", "FR14 2004 1010 0505 0001 3M02 606"
DEBTOR = {"holder": "Demo Shop", "iban": "DE89370400440532013000"}


@pytest.fixture
def shop(session, gateways):
    shop = a_merchant()
    bank_accounts.set_of_merchant(a_person(shop, "admin"), shop, **DEBTOR, gateways=gateways, now=NOW)
    return shop


@pytest.fixture
def ana(shop):
    return a_person(shop, "finance")


@pytest.fixture
def ben(shop):
    return a_person(shop, "supervisor")


def a_refund(gateways, shop, *, account=IBAN, units=2, currency="EUR", sent=True):
    """A refund of an order that was paid by bank transfer, sent as far as the portal can."""
    order = an_order(
        gateways, shop, [an_item("MUG", units, "10.01")], paid=[a_payment("bank_transfer")], currency=currency
    )
    return_id = came_back(gateways, shop, order)
    refund_id = refunds.propose(a_person(shop, "finance"), return_id, now=NOW)
    if sent:
        payouts.send(refund_id, gateways=gateways, now=NOW)
    if account:
        give(gateways, shop, return_id, account)
    return order, return_id, refund_id


def give(gateways, shop, return_id, iban=IBAN):
    customer = a_customer(return_id, shop)
    bank_accounts.give(customer, return_id, holder="Demo Customer", iban=iban, gateways=gateways, now=NOW)


def collect(actor, shop, gateways):
    return bank.collect(actor, shop, gateways=gateways, now=NOW)


def released(gateways, shop, ana, ben):
    batch_id = collect(ana, shop, gateways)
    bank.release(ben, batch_id, gateways=gateways, now=NOW)
    return batch_id


def state(refund_id):
    payout = settling.of_refund(refund_id)[-1]
    return payout.state, bool(payout.batch_id)


# ------------------------------------------------------------------------------------------------ the whole way


def test_a_transfer_is_collected_released_and_executed(shop, ana, ben, gateways):
    order, return_id, refund_id = a_refund(gateways, shop)
    assert state(refund_id) == ("planned", False)
    assert as_it_is(order).payments[0].left == 0, "its quota is held while it waits"
    batch_id = collect(ana, shop, gateways)
    assert state(refund_id) == ("planned", True)
    bank.release(ben, batch_id, gateways=gateways, now=NOW)
    assert state(refund_id) == ("pending", True)
    assert "refunded" not in [mail.event for mail in notices.of_return(return_id)]
    bank.execute(ana, batch_id, now=NOW)
    (payout,) = settling.of_refund(refund_id)
    refund = refunds.one(ana, refund_id)
    assert (refund.state, payout.state) == ("succeeded", "succeeded")
    assert payout.bank_reference == f"{refund.number}-1"
    assert [mail.event for mail in notices.of_return(return_id)].count("refunded") == 1
    assert bank.one(ana, batch_id).state == "executed"
    assert gateways.payments["sandbox"].refunds() == []
    assert audit.verify().problems == []


def test_the_file_pays_exactly_what_the_batch_says(shop, ana, ben, gateways):
    sums = []
    for units, account in ((1, IBAN), (3, OTHER), (7, IBAN)):
        _, _, refund_id = a_refund(gateways, shop, units=units, account=account)
        sums.append(refunds.one(ana, refund_id).amount)
    batch_id = released(gateways, shop, ana, ben)
    name, file = bank.file(ana, batch_id)
    batch = bank.one(ben, batch_id)
    assert name == f"{batch.number}.xml" and batch.amount == sum(sums) and batch.transfers == 3
    tree = ElementTree.fromstring(file)  # noqa: S314 - our own file

    def texts(tag):
        return [node.text for node in tree.iter(f"{{{NAMESPACE}}}{tag}")]

    assert sorted(Decimal(text) * 100 for text in texts("InstdAmt")) == sorted(map(Decimal, sums))
    assert texts("MsgId") == [batch.number]
    assert sorted(texts("EndToEndId")) == sorted(row.reference for row in batch.rows)
    assert len(set(texts("EndToEndId"))) == 3
    assert set(texts("IBAN")) == {"DE89370400440532013000", IBAN.replace(" ", ""), OTHER.replace(" ", "")}
    assert texts("Dt") == ["2026-06-16"], "the next working day"


def test_the_file_is_the_same_for_ever_and_a_changed_one_is_never_given_out(shop, ana, ben, gateways):
    a_refund(gateways, shop)
    batch_id = released(gateways, shop, ana, ben)
    first = bank.file(ana, batch_id)
    bank.execute(ben, batch_id, now=NOW + timedelta(days=1))
    a_person(shop, "admin")
    bank_accounts.set_of_merchant(
        a_person(shop, "admin"), shop, holder="New", iban=OTHER, gateways=gateways, now=NOW
    )
    assert bank.file(ben, batch_id) == first
    with transaction() as session:
        session.execute(sa.update(TransferBatch).values(file=first[1].replace("20.02", "20.03")))
    with pytest.raises(RuntimeError, match="not what was released"):
        bank.file(ana, batch_id)


# ---------------------------------------------------------------------------------------------------- two people


def test_who_collected_a_batch_cannot_release_it(shop, ana, ben, gateways):
    _, _, refund_id = a_refund(gateways, shop)
    batch_id = collect(ana, shop, gateways)
    with pytest.raises(Conflict, match="same_person"):
        bank.release(ana, batch_id, gateways=gateways, now=NOW)
    assert state(refund_id) == ("planned", True)
    with pytest.raises(Conflict, match="not_released"):
        bank.file(ben, batch_id)
    bank.release(ben, batch_id, gateways=gateways, now=NOW)
    assert bank.file(ana, batch_id)[1]


def test_a_machine_neither_collects_nor_releases(shop, ana, gateways):
    a_refund(gateways, shop)
    with pytest.raises(NotAllowed):
        collect(SYSTEM, shop, gateways)
    batch_id = collect(ana, shop, gateways)
    with pytest.raises(Conflict, match="same_person"):
        bank.release(SYSTEM, batch_id, gateways=gateways, now=NOW)


def test_the_database_itself_refuses_one_person_for_both(shop, ana, gateways):
    a_refund(gateways, shop)
    collect(ana, shop, gateways)
    with pytest.raises(sa.exc.IntegrityError), transaction() as session:
        session.execute(sa.update(TransferBatch).values(released_by=ana.id))


@pytest.mark.parametrize("role", ["csr", "warehouse"])
def test_only_those_who_approve_refunds_have_to_do_with_batches(shop, ana, gateways, role):
    a_refund(gateways, shop)
    batch_id = collect(ana, shop, gateways)
    person = a_person(shop, role)
    for attempt in (
        lambda: bank.collect(person, shop, gateways=gateways, now=NOW),
        lambda: bank.release(person, batch_id, gateways=gateways, now=NOW),
        lambda: bank.one(person, batch_id),
        lambda: bank.file(person, batch_id),
        lambda: bank.execute(person, batch_id, now=NOW),
        lambda: bank.cancel(person, batch_id, reason="x", now=NOW),
    ):
        with pytest.raises(NotAllowed):
            attempt()
    assert bank.listing(person) == ()


def test_a_strangers_batch_is_not_found(shop, ana, ben, gateways):
    _, _, refund_id = a_refund(gateways, shop)
    batch_id = released(gateways, shop, ana, ben)
    stranger = a_person(a_merchant(), "admin")
    payout_id = settling.of_refund(refund_id)[0].id
    for attempt in (
        lambda: bank.one(stranger, batch_id),
        lambda: bank.file(stranger, batch_id),
        lambda: bank.release(stranger, batch_id, gateways=gateways, now=NOW),
        lambda: bank.execute(stranger, batch_id, now=NOW),
        lambda: bank.cancel(stranger, batch_id, reason="x", now=NOW),
        lambda: bank.returned(stranger, payout_id, reason="x", now=NOW),
        lambda: bank.collect(stranger, shop, gateways=gateways, now=NOW),
        lambda: bank.one(ana, UUID(int=1)),
    ):
        with pytest.raises(NotFound):
            attempt()
    assert bank.listing(stranger) == () and all(one.merchant_id != shop for one in bank.waiting(stranger))


# ------------------------------------------------------------------------------------------------------- once


def test_a_transfer_is_in_one_batch_at_most(shop, ana, ben, gateways):
    a_refund(gateways, shop)
    collect(ana, shop, gateways)
    with pytest.raises(Conflict, match="nothing_to_transfer"):
        collect(ben, shop, gateways)
    assert len(bank.listing(ana)) == 1


def test_two_who_collect_at_once_make_one_batch(app, shop, ana, ben, gateways):
    for _ in range(3):
        a_refund(gateways, shop)
    start, found = Barrier(2), []

    def run(actor):
        with app.app_context():
            start.wait()
            try:
                found.append(bank.collect(actor, shop, gateways=gateways, now=NOW))
            except (Conflict, Stale) as refusal:
                found.append(refusal)
            finally:
                db.session.remove()

    threads = [Thread(target=run, args=(actor,)) for actor in (ana, ben)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    made = [one for one in found if isinstance(one, UUID)]
    taken = db.session.scalars(sa.select(Payout.batch_id)).all()
    assert made and set(taken) <= set(made) and None not in taken
    assert sum(bank.one(ana, one).transfers for one in made) == 3


def test_releasing_or_executing_again_changes_nothing(shop, ana, ben, gateways):
    _, _, refund_id = a_refund(gateways, shop)
    batch_id = released(gateways, shop, ana, ben)
    with pytest.raises(IllegalStep):
        bank.release(ben, batch_id, gateways=gateways, now=NOW)
    bank.execute(ana, batch_id, now=NOW)
    with pytest.raises(IllegalStep):
        bank.execute(ana, batch_id, now=NOW)
    payouts.send(refund_id, gateways=gateways, now=NOW)
    assert len(settling.of_refund(refund_id)) == 1
    assert audit.verify().problems == []


def test_an_execution_that_was_cut_off_goes_on_where_it_was(shop, ana, ben, gateways, monkeypatch):
    ids = [a_refund(gateways, shop)[2] for _ in range(3)]
    batch_id = released(gateways, shop, ana, ben)
    real, done = settling.record, []

    def dies(payout_id, *rest, **more):
        if len(done) == 1:
            raise RuntimeError("killed")
        done.append(payout_id)
        return real(payout_id, *rest, **more)

    monkeypatch.setattr(settling, "record", dies)
    with pytest.raises(RuntimeError, match="killed"):
        bank.execute(ana, batch_id, now=NOW)
    monkeypatch.undo()
    assert bank.one(ana, batch_id).state == "released"
    bank.execute(ana, batch_id, now=NOW)
    assert {state(refund_id)[0] for refund_id in ids} == {"succeeded"}
    assert audit.verify().problems == []


# ---------------------------------------------------------------------------------------------- what goes wrong


def test_a_refund_that_is_canceled_meanwhile_stops_the_release(shop, ana, ben, gateways):
    _, _, one = a_refund(gateways, shop, sent=False)
    _, _, two = a_refund(gateways, shop)
    batch_id = collect(ana, shop, gateways)
    refunds.cancel(ben, one, reason="Proposed by mistake", now=NOW)
    with pytest.raises(Conflict, match="batch_changed"):
        bank.release(ben, batch_id, gateways=gateways, now=NOW)
    bank.cancel(ana, batch_id, reason="One of it was canceled", now=NOW)
    assert state(two) == ("planned", False)
    again = released(gateways, shop, ana, ben)
    assert [row.refund_number for row in bank.one(ana, again).rows] == [refunds.one(ana, two).number]
    assert audit.verify().problems == []


@pytest.mark.parametrize("executed", [False, True])
def test_a_transfer_that_comes_back_is_owed_again_and_frees_its_quota(shop, ana, ben, gateways, executed):
    order, _, refund_id = a_refund(gateways, shop)
    kept, _, other = a_refund(gateways, shop)
    batch_id = released(gateways, shop, ana, ben)
    if executed:
        bank.execute(ana, batch_id, now=NOW)
    payout_id = settling.of_refund(refund_id)[0].id
    with pytest.raises(Conflict, match="reason_missing"):
        bank.returned(ana, payout_id, reason=" ", now=NOW)
    bank.returned(ana, payout_id, reason="Account closed", now=NOW)
    refund = refunds.one(ana, refund_id)
    assert refund.state == "failed" and "Account closed" in refund.error
    assert as_it_is(order).payments[0].left == 2002 and as_it_is(kept).payments[0].left == 0
    if not executed:
        bank.execute(ana, batch_id, now=NOW)
    assert refunds.one(ana, other).state == "succeeded" and state(refund_id)[0] == "failed"
    assert tasks.listing(ana, kind="refund_failed")
    assert audit.verify().problems == []
    refunds.retry(ana, refund_id, now=NOW)
    payouts.send(refund_id, gateways=gateways, now=NOW)
    again = settling.of_refund(refund_id)[-1]
    assert again.state == "planned" and again.batch_id is None


def test_a_transfer_in_an_open_batch_goes_no_other_way_and_one_that_came_back_does(shop, ana, ben, gateways):
    _, _, refund_id = a_refund(gateways, shop)
    batch_id = collect(ana, shop, gateways)
    (payout,) = settling.of_refund(refund_id)
    other_way = {"provider": "manual", "reason": "Paid at the counter", "now": NOW}
    with pytest.raises(Conflict, match="not_redirectable"):
        byhand.redirect(ben, payout.id, **other_way)
    bank.release(ben, batch_id, gateways=gateways, now=NOW)
    bank.returned(ana, payout.id, reason="Account closed", now=NOW)
    byhand.redirect(ben, payout.id, **other_way)
    assert settling.of_refund(refund_id)[-1].provider == "manual"
    assert audit.verify().problems == []


@pytest.mark.parametrize("came_back_from_the_bank", [True, False])
def test_another_account_takes_the_place_of_a_wrong_one(shop, ana, ben, gateways, came_back_from_the_bank):
    """Before it was collected, or after the bank sent it back: the customer is asked, or a person types it."""
    _, return_id, refund_id = a_refund(gateways, shop)
    (wrong,) = settling.of_refund(refund_id)
    if came_back_from_the_bank:
        released(gateways, shop, ana, ben)
        bank.returned(ana, wrong.id, reason="Account closed", now=NOW)
    byhand.redirect(ben, wrong.id, provider="bank_transfer", reason="Wrong account", now=NOW)
    payouts.send(refund_id, gateways=gateways, now=NOW)
    with pytest.raises(Conflict, match="nothing_to_transfer"):
        collect(ana, shop, gateways)
    bank_accounts.look_after(gateways=gateways, now=NOW)
    assert [mail.event for mail in notices.of_return(return_id)].count("account_needed") == 1
    give(gateways, shop, return_id, OTHER)
    (row,) = bank.one(ana, released(gateways, shop, ana, ben)).rows
    assert settling.of_refund(refund_id)[-1].destination["iban"] == OTHER.replace(" ", "")
    assert row.payout_id != wrong.id and state(refund_id)[0] == "pending"
    assert audit.verify().problems == []


def test_a_transfer_of_an_open_batch_cannot_come_back(shop, ana, gateways):
    _, _, refund_id = a_refund(gateways, shop)
    collect(ana, shop, gateways)
    with pytest.raises(Conflict, match="not_released"):
        bank.returned(ana, settling.of_refund(refund_id)[0].id, reason="x", now=NOW)


def test_a_released_batch_that_the_bank_refuses_leaves_every_refund_owed(shop, ana, ben, gateways):
    order, _, refund_id = a_refund(gateways, shop)
    batch_id = released(gateways, shop, ana, ben)
    with pytest.raises(Conflict, match="reason_missing"):
        bank.cancel(ben, batch_id, reason="", now=NOW)
    bank.cancel(ben, batch_id, reason="The bank refused the file", now=NOW)
    assert (bank.one(ana, batch_id).state, state(refund_id)[0]) == ("canceled", "failed")
    assert as_it_is(order).payments[0].left == 2002
    assert audit.verify().problems == []


def test_a_batch_of_which_something_is_paid_cannot_be_given_up(shop, ana, ben, gateways):
    a_refund(gateways, shop)
    batch_id = released(gateways, shop, ana, ben)
    (row,) = bank.one(ana, batch_id).rows
    payout = db.session.get(Payout, row.payout_id)
    settling.record(payout.id, payout.refund_id, bank._result(payout, "succeeded"), now=NOW)
    with pytest.raises(Conflict, match="partly_paid"):
        bank.cancel(ana, batch_id, reason="x", now=NOW)


def test_a_shop_without_an_account_of_its_own_collects_nothing(session, gateways):
    shop = a_merchant()
    a_refund(gateways, shop)
    with pytest.raises(Conflict, match="bank_account_missing"):
        collect(a_person(shop, "finance"), shop, gateways)


# ------------------------------------------------------------------------------------------------- the accounts


def test_a_customer_is_asked_for_the_account_once_and_it_is_shown_covered(shop, ana, gateways):
    _, return_id, refund_id = a_refund(gateways, shop, account="")
    for _ in range(2):
        bank_accounts.look_after(gateways=gateways, now=NOW)
    (task,) = tasks.listing(ana, kind="account_needed")
    assert task.details["amount"] == 2002
    assert [mail.event for mail in notices.of_return(return_id)].count("account_needed") == 1
    assert bank_accounts.is_wanted(return_id) and bank_accounts.given(return_id) == ""
    with pytest.raises(Conflict, match="nothing_to_transfer"):
        collect(ana, shop, gateways)
    give(gateways, shop, return_id)
    assert not bank_accounts.is_wanted(return_id)
    assert bank_accounts.given(return_id) == "NL•• •••• 4300"
    assert tasks.listing(ana, kind="account_needed") == ()
    assert bank.one(ana, collect(ana, shop, gateways)).transfers == 1


def test_an_account_that_was_given_is_not_changed_by_the_link_again(shop, ana, gateways):
    _, return_id, refund_id = a_refund(gateways, shop)
    with pytest.raises(Conflict, match="account_not_wanted"):
        give(gateways, shop, return_id, OTHER)
    assert settling.of_refund(refund_id)[0].destination["iban"] == IBAN.replace(" ", "")


@pytest.mark.parametrize("iban", ["NL91ABNA0417164301", "", "4242 4242 4242 4242"])
def test_a_wrong_account_is_refused_and_nothing_is_kept(shop, gateways, iban):
    _, return_id, refund_id = a_refund(gateways, shop, account="")
    with pytest.raises(Conflict, match="iban_wrong"):
        give(gateways, shop, return_id, iban)
    assert settling.of_refund(refund_id)[0].destination == {}


def test_another_returns_link_gives_no_account(shop, gateways):
    _, return_id, _ = a_refund(gateways, shop, account="")
    _, other, _ = a_refund(gateways, shop, account="")
    with pytest.raises(NotFound):
        bank_accounts.give(
            a_customer(other, shop), return_id, holder="X", iban=IBAN, gateways=gateways, now=NOW
        )
    assert bank_accounts.is_wanted(return_id)


def test_an_account_told_on_the_phone_is_typed_by_an_agent_and_not_by_the_warehouse(shop, gateways):
    _, return_id, _ = a_refund(gateways, shop, account="")
    given = {"holder": "Demo Customer", "iban": IBAN, "gateways": gateways, "now": NOW}
    with pytest.raises(NotAllowed):
        bank_accounts.give(a_person(shop, "warehouse"), return_id, **given)
    bank_accounts.give(a_person(shop, "csr"), return_id, **given)
    assert not bank_accounts.is_wanted(return_id)


def test_a_card_refund_can_be_sent_to_a_bank_account_instead(shop, ana, ben, gateways):
    order = an_order(gateways, shop, [an_item("MUG", 2)], paid=[a_payment("card")])
    return_id = came_back(gateways, shop, order)
    way = Overrides(way="bank_transfer", reason="The card has expired")
    refund_id = refunds.propose(ana, return_id, overrides=way, now=NOW)
    payouts.send(refund_id, gateways=gateways, now=NOW)
    bank_accounts.look_after(gateways=gateways, now=NOW)
    give(gateways, shop, return_id)
    bank.execute(ana, released(gateways, shop, ana, ben), now=NOW)
    assert refunds.one(ana, refund_id).state == "succeeded"
    assert gateways.payments["sandbox"].refunds() == []
    assert audit.verify().problems == []


def test_other_money_than_the_euro_is_paid_by_a_person(session, gateways):
    shop = a_merchant(currency="GBP")
    finance = a_person(shop, "finance")
    bank_accounts.set_of_merchant(a_person(shop, "admin"), shop, **DEBTOR, gateways=gateways, now=NOW)
    _, return_id, refund_id = a_refund(gateways, shop, account="", currency="GBP")
    bank_accounts.look_after(gateways=gateways, now=NOW)
    (payout,) = settling.of_refund(refund_id)
    assert (payout.state, payout.error) == ("requires_action", "currency_not_sepa")
    assert not bank_accounts.is_wanted(return_id)
    assert "account_needed" not in [mail.event for mail in notices.of_return(return_id)]
    with pytest.raises(Conflict, match="nothing_to_transfer"):
        collect(finance, shop, gateways)


def test_only_an_admin_names_the_account_of_the_shop(shop, ana, gateways):
    with pytest.raises(NotAllowed):
        bank_accounts.set_of_merchant(ana, shop, **DEBTOR, gateways=gateways, now=NOW)
    assert bank_accounts.of_merchant(ana, shop).masked == "DE•• •••• 3000"


def test_what_waits_is_counted_with_and_without_an_account(shop, ana, gateways):
    a_refund(gateways, shop)
    _, return_id, refund_id = a_refund(gateways, shop, account="")
    (waiting,) = bank.waiting(ana)
    assert (waiting.transfers, waiting.amount) == (1, 2002)
    assert waiting.asking == ((return_id, refunds.one(ana, refund_id).number),)
    assert waiting.account == "DE•• •••• 3000"


def test_the_command_collects_for_a_person_and_somebody_else_has_to_release(app, shop, ana, gateways):
    slug = bank.waiting(ana)[0].merchant.removeprefix("Demo shop ")
    collector = f"collector-{slug}@example.com"
    people.create_user(
        email=collector, name="Demo Collector", password="demo-password", roles={slug: "finance"}, now=NOW
    )
    clerk = f"clerk-{slug}@example.com"
    people.create_user(
        email=clerk, name="Demo Clerk", password="demo-password", roles={slug: "warehouse"}, now=NOW
    )
    runner = app.test_cli_runner()

    def run(by: str):
        return runner.invoke(args=["bank-batch", "--merchant", slug, "--by", by])

    assert "No transfer waits" in run(collector).output
    a_refund(gateways, shop)
    for stranger in (clerk, "nobody@example.com"):
        refused = run(stranger)
        assert refused.exit_code == 1 and "may not collect" in refused.output
    told = run(collector)
    assert told.exit_code == 0, told.output
    (batch,) = bank.listing(ana)
    assert batch.number in told.output and "20.02" in told.output and batch.state == "open"
    with pytest.raises(Conflict, match="same_person"):
        bank.release(people.named(collector), batch.id, gateways=gateways, now=NOW)
    bank.release(ana, batch.id, gateways=gateways, now=NOW)
    assert bank.one(ana, batch.id).state == "released"
