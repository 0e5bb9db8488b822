"""Store credit and gift cards: money onto a code exactly once, off it as spent, and back when it is undone."""

from datetime import date, timedelta
from threading import Barrier, Thread
from uuid import UUID

import pytest
import sqlalchemy as sa

from portal.core import credits as codes
from portal.core.access import Conflict, NotAllowed, NotFound, Stale
from portal.core.links import Site
from portal.core.refunds.overrides import Overrides
from portal.db.base import db, transaction, uuid7
from portal.db.credits import Credit, CreditEntry
from portal.db.mails import Mail
from portal.db.refunds import Payout
from portal.services import tasks
from portal.services.ledgers import credits
from portal.services.paying import byhand, payouts, settling
from portal.services.proofs import audit
from portal.services.refunding import refunds
from portal.services.talking import notices
from tests.builders import (
    NOW,
    a_merchant,
    a_payment,
    a_person,
    an_item,
    an_order,
    as_it_is,
    came_back,
    terms,
)

AS_CREDIT = Overrides(way="store_credit", reason="The customer prefers it")


@pytest.fixture
def shop(session):
    return a_merchant()


@pytest.fixture
def finance(shop):
    return a_person(shop, "finance")


def a_refund(gateways, shop, *, paid=None, overrides=AS_CREDIT, items=None, now=NOW):
    order = an_order(gateways, shop, items or [an_item("MUG", 2)], paid=paid or [a_payment("card")], now=now)
    return_id = came_back(gateways, shop, order, now=now)
    asked = {"overrides": overrides} if overrides else {}
    return order, return_id, refunds.propose(a_person(shop, "finance"), return_id, now=now, **asked)


def send(refund_id, gateways, now=NOW):
    payouts.send(refund_id, gateways=gateways, now=now)


def the_credit(finance, now=NOW):
    (found,) = credits.listing(finance, now=now)
    return credits.one(finance, found.id, now=now)


def code_of(gateways):
    nonce = db.session.scalar(sa.select(Credit.nonce).order_by(Credit.id.desc()))
    return codes.code(gateways.secret, nonce)


def test_a_refund_as_store_credit_is_one_code_with_exactly_what_is_owed(shop, finance, gateways):
    order, return_id, refund_id = a_refund(gateways, shop)
    send(refund_id, gateways)
    credit = the_credit(finance)
    assert (credit.kind, credit.balance, credit.currency, credit.state) == (
        "store_credit",
        2000,
        "EUR",
        "open",
    )
    assert [(entry.why, entry.amount, entry.balance) for entry in credit.entries] == [("refund", 2000, 2000)]
    assert refunds.one(finance, refund_id).state == "succeeded"
    assert as_it_is(order).payments[0].left == 0, "the card has nothing left to give back"
    assert gateways.payments["sandbox"].refunds() == [], "no gateway was asked"
    assert [one.id for one in credits.of_return(return_id, now=NOW)] == [credit.id]
    assert audit.verify().problems == [] and list(credits.problems()) == []


def test_sending_it_again_and_again_gives_nothing_more(shop, finance, gateways):
    _, _, refund_id = a_refund(gateways, shop)
    for _ in range(3):
        send(refund_id, gateways)
    assert the_credit(finance).balance == 2000
    (payout,) = settling.of_refund(refund_id)
    with transaction():
        settling.locked(refund_id)
        assert credits.pay(payout, secret=gateways.secret, now=NOW).state == "succeeded"
    assert the_credit(finance).balance == 2000
    assert db.session.scalar(sa.select(sa.func.count()).select_from(CreditEntry)) == 1
    assert audit.verify().problems == []


def test_the_database_itself_refuses_a_second_entry_for_one_transfer(shop, finance, gateways):
    _, _, refund_id = a_refund(gateways, shop)
    send(refund_id, gateways)
    entry = db.session.scalars(sa.select(CreditEntry)).one()
    again = {
        column.name: getattr(entry, column.name)
        for column in CreditEntry.__table__.columns
        if column.name != "id"
    }
    with pytest.raises(sa.exc.IntegrityError), transaction() as session:
        session.execute(sa.insert(CreditEntry).values(id=uuid7(), **again))


@pytest.mark.parametrize(
    "change", ["UPDATE credit_entries SET amount_minor = 1", "DELETE FROM credit_entries"]
)
def test_the_database_itself_refuses_to_change_a_movement(shop, gateways, change):
    _, _, refund_id = a_refund(gateways, shop)
    send(refund_id, gateways)
    with pytest.raises(sa.exc.DBAPIError), transaction() as session:
        session.execute(sa.text(change))


def test_two_payments_of_one_refund_go_onto_one_code(shop, finance, gateways):
    paid = [a_payment("card", "15.00"), a_payment("wallet", None)]
    _, _, refund_id = a_refund(gateways, shop, paid=paid)
    send(refund_id, gateways)
    credit = the_credit(finance)
    assert credit.balance == 2000 and len(credit.entries) == 2
    assert audit.verify().problems == []


def test_the_bonus_is_on_the_code_too_and_nothing_stays_payable(session, gateways):
    shop = a_merchant(terms=terms(store_credit_bonus_bp=1000, store_credit_bonus_cap=500))
    finance = a_person(shop, "finance")
    _, _, refund_id = a_refund(gateways, shop)
    send(refund_id, gateways)
    credit = the_credit(finance)
    assert credit.balance == 2200
    assert sorted(entry.amount for entry in credit.entries) == [200, 2000]
    posted = session.execute(sa.text("SELECT debit, credit, amount_minor FROM ledger_transfers")).all()
    balance: dict[str, int] = {}
    for debit, on_credit, amount in posted:
        balance[debit] = balance.get(debit, 0) + amount
        balance[on_credit] = balance.get(on_credit, 0) - amount
    assert balance["bonus"] == 200 and balance["store_credit"] == -2200
    assert balance["refunds_payable"] == 0
    assert audit.verify().problems == []


def test_a_refund_to_a_gift_card_goes_back_onto_the_same_one(shop, finance, gateways):
    card = a_payment("gift_card", "12.00", reference="demo-card-9001")
    first, _, one = a_refund(gateways, shop, paid=[card, a_payment("card")], overrides=None)
    send(one, gateways)
    again = a_payment("gift_card", "5.00", reference="demo-card-9001")
    _, _, two = a_refund(gateways, shop, paid=[again, a_payment("card")], overrides=None)
    send(two, gateways)
    credit = the_credit(finance)
    assert credit.kind == "gift_card" and credit.balance == 1700 and len(credit.entries) == 2
    assert credit.card == "Demo gift_card", "named as it paid"
    assert {payment.tender: payment.left for payment in as_it_is(first).payments} == {
        "gift_card": 0,
        "card": 0,
    }
    assert len(gateways.payments["sandbox"].refunds()) == 2, "the cards' parts went through the gateway"
    assert audit.verify().problems == []


def test_money_that_a_store_credit_had_paid_goes_back_onto_it_and_money_of_the_card_to_the_card(
    shop, finance, gateways
):
    paid = [a_payment("store_credit", "8.00", reference="demo-credit-1"), a_payment("card")]
    _, _, refund_id = a_refund(gateways, shop, paid=paid, overrides=None)
    send(refund_id, gateways)
    assert the_credit(finance).balance == 800
    assert [amount for _, _, amount, _ in gateways.payments["sandbox"].refunds()] == [1200]


# ----------------------------------------------------------------------------------------------------- the code


def test_no_table_holds_the_code_and_it_opens_its_credit_only_at_its_own_shop(shop, finance, gateways):
    _, _, refund_id = a_refund(gateways, shop)
    send(refund_id, gateways)
    code = code_of(gateways)
    bare = code.replace("-", "")
    for table in db.metadata.sorted_tables:
        for row in db.session.execute(sa.select(table)):
            assert bare not in str(row).replace("-", "").upper(), table.name
    assert credits.typed(shop, code.lower().replace("-", " ")) == the_credit(finance).id
    assert credits.typed(a_merchant(), code) is None
    assert credits.typed(shop, "7K3M-9QX1-40WF-ZT2H") is None and credits.typed(shop, "") is None


def test_the_mail_that_is_sent_has_the_code_and_the_one_that_is_kept_has_not(make_app, smtp, shop, gateways):
    app = make_app(**smtp.environ())
    with app.app_context():
        outside = app.extensions["gateways"]
        _, return_id, refund_id = a_refund(outside, shop)
        send(refund_id, outside)
        mail_id = db.session.scalar(
            sa.select(Mail.id).where(Mail.return_id == return_id, Mail.event == "store_credit")
        )
        site = app.extensions["site"]
        notices.deliver(mail_id, gateways=outside, site=site, now=NOW)
        code = code_of(outside)
        kept = db.session.get(Mail, mail_id, populate_existing=True)
    (arrived,) = smtp.wait_for(1)
    sent = arrived.get_body(("plain",)).get_content()
    assert code in sent and "20.00" in sent and "/credit/" in sent
    assert code not in kept.text + kept.html and f"••••-{code[-4:]}" in kept.text
    assert code in arrived.get_body(("html",)).get_content()


def test_one_refund_makes_one_mail_also_where_several_payments_go_onto_the_code(shop, gateways):
    paid = [a_payment("card", "15.00"), a_payment("wallet", None)]
    _, return_id, refund_id = a_refund(gateways, shop, paid=paid)
    send(refund_id, gateways)
    assert [mail.event for mail in notices.of_return(return_id)].count("store_credit") == 1


def test_with_another_secret_the_code_cannot_be_shown_and_still_be_spent(shop, finance, gateways):
    from portal.db.credits import told

    _, _, refund_id = a_refund(gateways, shop)
    send(refund_id, gateways)
    code, credit = code_of(gateways), the_credit(finance)
    assert told(credit.id, secret=gateways.secret).code == code
    assert told(credit.id, secret="another secret").code == ""
    assert credits.typed(shop, code) == credit.id


def test_the_mail_can_be_sent_again_and_the_demo_shows_it_as_it_was_sent(shop, finance, gateways):
    site = Site(base_url="https://returns.example", secret=gateways.secret)
    _, return_id, refund_id = a_refund(gateways, shop)
    send(refund_id, gateways)
    first = next(mail for mail in notices.of_return(return_id) if mail.event == "store_credit")
    notices.deliver(first.id, gateways=gateways, site=site, now=NOW)
    notices.resend(a_person(shop), first.id, now=NOW)
    again = [mail for mail in notices.of_return(return_id) if mail.event == "store_credit"][-1]
    assert again.id != first.id
    notices.deliver(again.id, gateways=gateways, site=site, now=NOW)
    code = code_of(gateways)
    assert code not in notices.read(a_person(shop), again.id).text
    assert code in notices.as_sent(again.id, site=site).text
    assert code in notices.as_sent(again.id, site=site).html


# ------------------------------------------------------------------------------------------------ the last day


@pytest.mark.parametrize(
    ("wish", "last_day"),
    [(None, date(2029, 12, 31)), (12, date(2029, 12, 31)), (60, date(2031, 6, 15)), (0, None)],
)
def test_a_credit_lives_as_long_as_the_law_of_its_place_or_longer_where_the_shop_wishes(
    session, gateways, wish, last_day
):
    shop = a_merchant(terms=terms(store_credit_months=wish))
    _, _, refund_id = a_refund(gateways, shop)
    send(refund_id, gateways)
    assert the_credit(a_person(shop)).expires_on == last_day


def test_an_expired_credit_is_kept_and_shown_and_finance_is_asked_once(shop, finance, gateways):
    _, _, refund_id = a_refund(gateways, shop)
    send(refund_id, gateways)
    last, late = (NOW.replace(year=2029, month=12, day=31), NOW.replace(year=2030, month=1, day=1))
    assert credits.look_after(now=last) == 0, "the whole last day counts"
    assert credits.look_after(now=late) == 1
    assert credits.look_after(now=late + timedelta(days=1)) == 0
    credit = the_credit(finance, now=late)
    assert (credit.state, credit.balance) == ("expired", 2000)
    (task,) = tasks.listing(finance, kind="credit_expired")
    assert task.subject_id == credit.id and task.details["amount"] == 2000
    with pytest.raises(Conflict, match="credit_expired"):
        credits.spend(finance, credit.id, amount=1, reason="too late", expected=2000, now=late)
    assert audit.verify().problems == []


# ---------------------------------------------------------------------------------------------------- at the desk


def test_the_desk_sells_against_a_code_until_nothing_is_left(shop, finance, gateways):
    _, _, refund_id = a_refund(gateways, shop)
    send(refund_id, gateways)
    credit, csr = the_credit(finance), a_person(shop, "csr")
    credits.spend(csr, credit.id, amount=750, reason="Order D-77", expected=2000, now=NOW)
    with pytest.raises(Conflict) as refusal:
        credits.spend(csr, credit.id, amount=1251, reason="Order D-78", expected=1250, now=NOW)
    assert (refusal.value.code, refusal.value.details["maximum"]) == ("more_than_left", 1250)
    credits.spend(csr, credit.id, amount=1250, reason="Order D-78", expected=1250, now=NOW)
    credit = the_credit(finance)
    assert (credit.balance, credit.state) == (0, "spent")
    assert [(entry.why, entry.note, entry.by) for entry in credit.entries[1:]] == [
        ("spent", "Order D-77", "Demo csr"),
        ("spent", "Order D-78", "Demo csr"),
    ]
    assert audit.verify().problems == [] and list(credits.problems()) == []


def test_a_second_press_of_the_button_spends_nothing(shop, finance, gateways):
    _, _, refund_id = a_refund(gateways, shop)
    send(refund_id, gateways)
    credit = the_credit(finance)
    credits.spend(finance, credit.id, amount=500, reason="Order D-77", expected=2000, now=NOW)
    with pytest.raises(Conflict, match="balance_changed"):
        credits.spend(finance, credit.id, amount=500, reason="Order D-77", expected=2000, now=NOW)
    assert the_credit(finance).balance == 1500


@pytest.mark.parametrize(("amount", "code"), [(0, "nothing_spent"), (-5, "nothing_spent")])
def test_less_than_nothing_is_refused(shop, finance, gateways, amount, code):
    _, _, refund_id = a_refund(gateways, shop)
    send(refund_id, gateways)
    with pytest.raises(Conflict, match=code):
        credits.spend(finance, the_credit(finance).id, amount=amount, reason="x", expected=2000, now=NOW)


def test_spending_and_voiding_need_a_reason_and_a_role(shop, finance, gateways):
    _, _, refund_id = a_refund(gateways, shop)
    send(refund_id, gateways)
    credit = the_credit(finance)
    with pytest.raises(Conflict, match="reason_missing"):
        credits.spend(finance, credit.id, amount=1, reason=" ", expected=2000, now=NOW)
    with pytest.raises(Conflict, match="reason_missing"):
        credits.void(finance, credit.id, reason="", now=NOW)
    with pytest.raises(NotAllowed):
        credits.spend(a_person(shop, "warehouse"), credit.id, amount=1, reason="x", expected=2000, now=NOW)
    with pytest.raises(NotAllowed):
        credits.void(a_person(shop, "csr"), credit.id, reason="x", now=NOW)
    assert the_credit(finance).balance == 2000


def test_a_void_code_is_worth_nothing_and_finance_is_asked(shop, finance, gateways):
    _, _, refund_id = a_refund(gateways, shop)
    send(refund_id, gateways)
    credit = the_credit(finance)
    for _ in range(2):
        credits.void(finance, credit.id, reason="Stolen", now=NOW)
    credit = the_credit(finance)
    assert (credit.state, credit.balance, credit.entries[-1].why) == ("void", 0, "voided")
    with pytest.raises(Conflict, match="credit_void"):
        credits.spend(finance, credit.id, amount=1, reason="x", expected=0, now=NOW)
    assert [task.details["amount"] for task in tasks.listing(finance, kind="credit_voided")] == [2000]
    assert list(credits.problems()) == []


def test_a_strangers_credit_is_not_found(shop, finance, gateways):
    _, _, refund_id = a_refund(gateways, shop)
    send(refund_id, gateways)
    credit = the_credit(finance)
    stranger = a_person(a_merchant(), "admin")
    assert credits.listing(stranger, now=NOW) == ()
    for attempt in (
        lambda: credits.one(stranger, credit.id, now=NOW),
        lambda: credits.spend(stranger, credit.id, amount=1, reason="x", expected=2000, now=NOW),
        lambda: credits.void(stranger, credit.id, reason="x", now=NOW),
        lambda: byhand.reclaim(stranger, credit.entries[0].payout_id, reason="x", now=NOW),
        lambda: credits.one(finance, UUID(int=1), now=NOW),
    ):
        with pytest.raises(NotFound):
            attempt()


@pytest.mark.parametrize("text", ["Demo Cust", "demo.customer@", "{ending}", "{code}", "{small}"])
def test_a_credit_is_found_by_name_mail_ending_or_code(shop, finance, gateways, text):
    _, _, refund_id = a_refund(gateways, shop)
    send(refund_id, gateways)
    code = code_of(gateways)
    text = text.format(ending=code[-4:], code=code, small=code.lower().replace("-", ""))
    assert len(credits.listing(finance, text=text, now=NOW)) == 1
    assert credits.listing(finance, text="nobody of that name", now=NOW) == ()


# ------------------------------------------------------------------------------------------------------ undone


def test_a_refund_that_is_taken_back_off_its_code_is_owed_again_and_can_be_paid_in_another_way(
    shop, finance, gateways
):
    order, _, refund_id = a_refund(gateways, shop)
    send(refund_id, gateways)
    credit = the_credit(finance)
    byhand.reclaim(finance, credit.entries[0].payout_id, reason="Wants money instead", now=NOW)
    refund = refunds.one(finance, refund_id)
    assert (refund.state, refund.payouts[-1].state) == ("failed", "failed")
    credit = the_credit(finance)
    assert credit.balance == 0 and [entry.why for entry in credit.entries] == ["refund", "taken_back"]
    assert as_it_is(order).payments[0].left == 2000, "its quota is free"
    assert audit.verify().problems == [] and list(credits.problems()) == []
    byhand.redirect(finance, refund.payouts[-1].id, provider="sandbox", reason="Back to the card", now=NOW)
    send(refund_id, gateways)
    assert refunds.one(finance, refund_id).state == "succeeded"
    assert [amount for _, _, amount, _ in gateways.payments["sandbox"].refunds()] == [2000]
    assert audit.verify().problems == []


def test_a_card_that_takes_nothing_back_is_refunded_as_store_credit_by_a_person(shop, finance, gateways):
    order, _, refund_id = a_refund(gateways, shop, paid=[a_payment("card", ending="-fails")], overrides=None)
    send(refund_id, gateways)
    (payout,) = settling.of_refund(refund_id)
    assert payout.state == "failed"
    byhand.redirect(finance, payout.id, provider="store_credit", reason="The card is closed", now=NOW)
    send(refund_id, gateways)
    assert refunds.one(finance, refund_id).state == "succeeded"
    assert the_credit(finance).balance == 2000 and as_it_is(order).payments[0].left == 0
    assert audit.verify().problems == [] and list(credits.problems()) == []


def test_a_refund_with_its_bonus_is_given_up_once_all_of_it_is_off_the_code_again(session, gateways):
    shop = a_merchant(terms=terms(store_credit_bonus_bp=1000, store_credit_bonus_cap=500))
    finance = a_person(shop, "finance")
    order, _, refund_id = a_refund(gateways, shop)
    send(refund_id, gateways)
    first, second = the_credit(finance).entries
    byhand.reclaim(finance, first.payout_id, reason="Not wanted", now=NOW)
    with pytest.raises(Conflict, match="partly_paid"):
        refunds.cancel(finance, refund_id, reason="Not wanted", now=NOW)
    byhand.reclaim(finance, second.payout_id, reason="Not wanted", now=NOW)
    refunds.cancel(finance, refund_id, reason="Not wanted", now=NOW)
    assert refunds.one(finance, refund_id).state == "canceled"
    assert the_credit(finance).balance == 0 and as_it_is(order).payments[0].left == 2000
    assert audit.verify().problems == [] and list(credits.problems()) == []


def test_a_refund_that_was_taken_back_can_be_put_onto_its_code_again(shop, finance, gateways):
    _, _, refund_id = a_refund(gateways, shop)
    send(refund_id, gateways)
    byhand.reclaim(finance, the_credit(finance).entries[0].payout_id, reason="By mistake", now=NOW)
    refunds.retry(finance, refund_id, now=NOW)
    send(refund_id, gateways)
    credit = the_credit(finance)
    assert credit.balance == 2000
    assert [entry.why for entry in credit.entries] == ["refund", "taken_back", "refund"]
    assert audit.verify().problems == [] and list(credits.problems()) == []


def test_what_was_spent_meanwhile_cannot_be_taken_back(shop, finance, gateways):
    _, _, refund_id = a_refund(gateways, shop)
    send(refund_id, gateways)
    credit = the_credit(finance)
    credits.spend(finance, credit.id, amount=1, reason="Order D-77", expected=2000, now=NOW)
    with pytest.raises(Conflict) as refusal:
        byhand.reclaim(finance, credit.entries[0].payout_id, reason="x", now=NOW)
    assert (refusal.value.code, refusal.value.details["maximum"]) == ("credit_spent", 1999)
    assert refunds.one(finance, refund_id).state == "succeeded"
    assert the_credit(finance).balance == 1999
    assert audit.verify().problems == []


def test_money_that_cannot_go_onto_a_void_gift_card_waits_for_a_person(shop, finance, gateways):
    def paid():
        return [a_payment("gift_card", "20.00", reference="demo-card-1")]

    _, _, one = a_refund(gateways, shop, paid=paid(), overrides=None)
    send(one, gateways)
    credits.void(finance, the_credit(finance).id, reason="Lost", now=NOW)
    _, _, two = a_refund(gateways, shop, paid=paid(), overrides=None)
    send(two, gateways)
    (payout,) = refunds.one(finance, two).payouts
    assert (payout.state, payout.error) == ("requires_action", "credit_void")
    (task,) = tasks.listing(finance, kind="pay_by_hand")
    assert task.subject_id == two, "and is told of at once, not when it has waited for a day"
    assert the_credit(finance).balance == 0
    assert audit.verify().problems == []


def test_a_balance_that_is_not_its_movements_is_found(shop, finance, gateways):
    _, _, refund_id = a_refund(gateways, shop)
    send(refund_id, gateways)
    with transaction() as session:
        session.execute(sa.update(Credit).values(balance_minor=1))
    assert any("movements sum to 2000" in problem for problem in credits.problems())
    with transaction() as session:
        session.execute(sa.update(Credit).values(balance_minor=2000))
        session.execute(sa.update(Payout).values(amount_minor=1999))
    assert any("should be on its code" in problem for problem in credits.problems())


# ------------------------------------------------------------------------------------------------------ at once


def at_once(app, attempts):
    """Everything at the same moment; answers what each came to, an exception or its result."""
    start, found = Barrier(len(attempts)), []

    def run(attempt):
        with app.app_context():
            start.wait()
            try:
                found.append(attempt())
            except (Conflict, Stale) as refusal:
                found.append(refusal)
            finally:
                db.session.remove()

    threads = [Thread(target=run, args=(attempt,)) for attempt in attempts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    db.session.rollback()  # what is read from now on is what they left
    return found


def test_of_eight_who_spend_the_last_money_at_once_one_gets_it(app, shop, finance, gateways):
    _, _, refund_id = a_refund(gateways, shop)
    send(refund_id, gateways)
    credit = the_credit(finance)

    def spend():
        credits.spend(finance, credit.id, amount=1500, reason="Order D-77", expected=2000, now=NOW)

    found = at_once(app, [spend] * 8)
    assert found.count(None) == 1 and len(found) == 8
    credit = the_credit(finance)
    assert credit.balance == 500 and [entry.why for entry in credit.entries] == ["refund", "spent"]
    assert list(credits.problems()) == []


def test_six_workers_at_one_refund_put_it_onto_its_code_once(app, shop, finance, gateways):
    _, _, refund_id = a_refund(gateways, shop, paid=[a_payment("card", "15.00"), a_payment("wallet", None)])
    at_once(app, [lambda: send(refund_id, gateways)] * 6)
    send(refund_id, gateways)
    credit = the_credit(finance)
    assert credit.balance == 2000 and len(credit.entries) == 2
    assert refunds.one(finance, refund_id).state == "succeeded"
    assert audit.verify().problems == []


def test_refunds_of_several_orders_to_one_gift_card_at_once_all_arrive_on_one_code(
    app, shop, finance, gateways
):
    ids = []
    for number in range(4):
        card = a_payment("gift_card", f"{number + 1}.00", reference="demo-card-9001")
        ids.append(a_refund(gateways, shop, paid=[card, a_payment("card")], overrides=None)[2])
    at_once(app, [lambda refund_id=refund_id: send(refund_id, gateways) for refund_id in ids])
    for refund_id in ids:
        send(refund_id, gateways)
    credit = the_credit(finance)
    assert credit.balance == 1000 and len(credit.entries) == 4
    assert audit.verify().problems == []
