"""Disputes at the desk: the list, the workspace, offers and answers, who may decide, and what came too late."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from typing import Any
from uuid import UUID

import pytest

from portal.core.policy.terms import RestockingFee, Terms
from portal.services import disputes, pictures
from portal.services.disputes import Claim, LineClaim
from portal.services.docking import receiving
from portal.services.refunding import refunds
from portal.services.talking import threads
from tests import builders
from tests.web.admin_world import World, a_world, now
from tests.web.shops import picture

TERMS = Terms(return_postage="merchant", restocking_fee=RestockingFee(percent_bp=2000))


@pytest.fixture
def world(app: Any) -> World:
    return a_world(app, TERMS)


@pytest.fixture
def dispute(world: World) -> UUID:
    return contested(world)


def contested(world: World) -> UUID:
    """About the 10.00 that were kept back of a shirt."""
    return_id = world.inspected()
    with world.app.app_context():
        refunds.propose(world.actor(), return_id, now=now())
        line = LineClaim(line_id=builders.line_ids(return_id)["SHIRT"], ground="deduction", claimed=1000)
        claim = Claim(lines=(line,), wanted="difference", body="Never worn.")
        customer = builders.a_customer(return_id, world.own)
        return disputes.open_dispute(customer, return_id, claim, nonce="a nonce", now=now())


def of(world: World, dispute: UUID) -> disputes.DisputeFacts:
    with world.app.app_context():
        return disputes.one(world.actor(), dispute)


def customer(world: World, dispute: UUID) -> Any:
    return builders.a_customer(of(world, dispute).return_id, world.own)


def test_the_list_has_the_open_ones_and_a_number_goes_straight_to_its_page(
    world: World, dispute: UUID
) -> None:
    client = world.signed_in("csr")
    number = of(world, dispute).number
    assert number in client.get("/admin/disputes").page.text
    answer = client.get(f"/admin/disputes?q={number}")
    assert answer.status_code == 303 and answer.location.endswith(f"/admin/disputes/{dispute}")
    empty = client.get("/admin/disputes?ground=refusal&late=1")
    assert "Nothing found" in empty.page.text


def test_the_workspace_has_claim_finding_rule_money_and_messages_side_by_side(
    world: World, dispute: UUID
) -> None:
    shown = world.signed_in("csr").get(f"/admin/disputes/{dispute}").page.text
    for part in (
        "Never worn.",
        "Restocking fee",
        "At most €10.00",
        "Postings",
        "€40.00",
        "Something was kept back",
    ):
        assert part in shown
    assert "What to tell the customer" in shown and "When a customer contests it" in shown
    returned = world.signed_in("csr").get(f"/admin/returns/{of(world, dispute).return_id}")
    assert of(world, dispute).number in returned.page.text


def test_beside_the_claim_stand_inspection_photo_payout_and_message(world: World) -> None:
    return_id = world.received()
    with world.app.app_context():
        line, folder = builders.line_ids(return_id)["SHIRT"], world.app.config["SETTINGS"].upload_dir
        seen = receiving.InspectionEntry(
            line_id=line, units=1, grade="B", disposition="restock", accepted=True, note="The box is torn.",
            pictures=(pictures.prepare(picture()),),
        )  # fmt: skip
        receiving.inspect(world.actor("warehouse"), return_id, [seen], folder=folder, now=now())
        ((photo,),) = pictures.of_return(return_id, subject="inspection").values()
        refunds.propose(world.actor(), return_id, now=now())
        threads.write(world.actor("csr"), return_id, "We saw a torn box.", now=now())
        customer = builders.a_customer(return_id, world.own)
        claim = Claim(
            lines=(LineClaim(line_id=line, ground="deduction"),), wanted="difference", body="It was whole."
        )
        made = disputes.open_dispute(customer, return_id, claim, nonce="another nonce", now=now())
    client = world.signed_in("csr")
    shown = client.get(f"/admin/disputes/{made}")
    for words in ("It was whole.", "The box is torn.", "We saw a torn box.", "Restocking fee", "€40.00"):
        assert words in shown.page.text
    assert f'src="/admin/pictures/{photo}" alt="Photo 1 of the inspection"' in shown.text
    assert client.get(f"/admin/pictures/{photo}", check=False).mimetype.startswith("image/")
    assert "Demo card" in shown.page.text and "Planned" in shown.page.text


def test_people_in_a_dispute_see_each_other_and_those_on_its_return(world: World, dispute: UUID) -> None:
    agent, boss = world.signed_in("csr"), world.signed_in("supervisor")
    at = agent.get(f"/admin/disputes/{dispute}").page.by_id("presence").get("hx-get")
    assert at.startswith(f"/admin/returns/{of(world, dispute).return_id}/presence")
    agent.get(at, htmx="presence")
    seen = boss.get(f"/admin/returns/{of(world, dispute).return_id}/presence", htmx="presence")
    assert "Demo csr is working on its dispute." in seen.text
    finance = world.signed_in("finance").get(f"/admin/disputes/{dispute}").page.by_id("presence")
    assert "doing" not in finance.get("hx-get")


def test_an_offer_is_made_taken_back_and_too_much_is_said_at_its_field(world: World, dispute: UUID) -> None:
    client = world.signed_in("csr")
    shown = client.get(f"/admin/disputes/{dispute}")
    refused = client.submit(shown, {"amount": "10.01", "message": "x"}, button="Offer it")
    assert refused.status_code == 422 and "At most €10.00 can be refunded." in refused.page.text
    client.submit(refused, {"amount": "4,50", "message": "For the box."}, button="Offer it")
    assert [one.amount for one in of(world, dispute).offers] == [450]
    client.submit(client.get(f"/admin/disputes/{dispute}"), {}, button="Take the offer back")
    assert of(world, dispute).offers[0].state == "withdrawn"


def test_what_the_customer_asks_for_is_accepted_and_paid(world: World, dispute: UUID) -> None:
    client = world.signed_in()
    client.submit(client.get(f"/admin/disputes/{dispute}"), {"amount": "3", "message": ""}, button="Offer it")
    offer = of(world, dispute).waiting
    assert offer is not None
    with world.app.app_context():
        disputes.counter(customer(world, dispute), dispute, offer.id, 850, now=now())
    shown = client.get(f"/admin/disputes/{dispute}")
    client.submit(shown, {}, button="Accept and pay €8.50")
    found = of(world, dispute)
    assert (found.state, found.settled, found.settlement_state) == ("resolved_customer", 850, "approved")
    assert found.settlement_number in client.get(f"/admin/disputes/{dispute}").page.text


def test_handed_up_it_is_the_supervisors_alone(world: World, dispute: UUID) -> None:
    agent = world.signed_in("csr")
    shown = agent.get(f"/admin/disputes/{dispute}")
    agent.submit(shown, {"because": "Too much for me."}, button="Hand it to a supervisor")
    assert "Offer it" not in agent.get(f"/admin/disputes/{dispute}").page.text
    assert agent.post(f"/admin/disputes/{dispute}/settlement", data={"amount": "1"}).status_code == 403
    assert agent.post(f"/admin/disputes/{dispute}/reply", data={"reply": "Mine again."}).status_code == 403
    assert of(world, dispute).state == "escalated"
    client = world.signed_in()
    shown = client.get(f"/admin/disputes/{dispute}")
    assert "Too much for me." in shown.page.text
    client.submit(shown, {"reason": "The shirt was worn."}, button="End the dispute")
    assert (of(world, dispute).state, of(world, dispute).outcome) == ("resolved_merchant", "upheld")


def test_a_supervisor_pays_without_asking(world: World, dispute: UUID) -> None:
    client = world.signed_in()
    shown = client.get(f"/admin/disputes/{dispute}")
    client.submit(shown, {"amount": "10", "message": "You are right."}, button="Pay it without asking")
    assert (of(world, dispute).outcome, of(world, dispute).settled) == ("settled", 1000)


def test_a_message_goes_to_the_customer_once(world: World, dispute: UUID) -> None:
    client = world.signed_in("csr")
    shown = client.get(f"/admin/disputes/{dispute}")
    for _ in range(2):
        client.submit(shown, {"reply": "Which box?"}, button="Send the message")
    assert of(world, dispute).state == "awaiting_customer"
    assert client.get(f"/admin/disputes/{dispute}").page.text.count("Which box?") == 1


def test_a_photo_goes_with_a_message_and_what_is_none_is_refused_at_its_field(
    world: World, dispute: UUID
) -> None:
    client = world.signed_in("csr")
    shown = client.get(f"/admin/disputes/{dispute}")
    wrong = {"reply": "Look.", "pictures": (BytesIO(b"no picture"), "p.jpg")}
    refused = client.submit(shown, wrong, button="Send the message")
    assert refused.status_code == 422 and "not a photo we can read" in refused.page.text
    client.submit(
        shown, {"reply": "Look.", "pictures": (BytesIO(picture()), "p.jpg")}, button="Send the message"
    )
    assert "/admin/pictures/" in client.get(f"/admin/disputes/{dispute}").text


def test_a_settlement_that_was_canceled_is_seen_and_paid_again(world: World, dispute: UUID) -> None:
    client = world.signed_in()
    client.submit(
        client.get(f"/admin/disputes/{dispute}"), {"amount": "4.21", "message": "You are right."},
        button="Pay it without asking",
    )  # fmt: skip
    settlement = of(world, dispute).settlement_id
    assert settlement is not None
    with world.app.app_context():
        refunds.cancel(world.actor(), settlement, reason="By mistake.", now=now())
    told = world.signed_in("finance").get("/admin/tasks").page
    assert "The refund of what was agreed was canceled" in told.text and "€4.21" in told.text
    assert told.link("The refund of what was agreed was canceled") == f"/admin/disputes/{dispute}"
    assert "Pay €4.21 again" not in world.signed_in("csr").get(f"/admin/disputes/{dispute}").page.text
    shown = client.get(f"/admin/disputes/{dispute}")
    assert "The refund of what was agreed was canceled" in shown.page.text
    after = client.submit(shown, {}, button="Pay €4.21 again", follow_redirects=True)
    assert "The refund is made again." in after.page.text
    assert (of(world, dispute).settled, of(world, dispute).settlement_state) == (421, "approved")
    assert of(world, dispute).settlement_id != settlement


def test_an_offer_that_comes_too_late_shows_both(world: World, dispute: UUID) -> None:
    first, second = world.signed_in("csr"), world.signed_in()
    shown = first.get(f"/admin/disputes/{dispute}")
    second.submit(
        second.get(f"/admin/disputes/{dispute}"), {"amount": "2", "message": "Two."}, button="Offer it"
    )
    answer = first.submit(shown, {"amount": "5", "message": "Five."}, button="Offer it")
    assert answer.status_code == 409 and "€2.00" in answer.page.text
    assert "5 · Five." in answer.page.text, "nothing that was written is lost"
    assert [one.amount for one in of(world, dispute).offers] == [200]


def test_the_warehouse_and_another_shop_see_none_of_it(world: World, dispute: UUID) -> None:
    assert world.signed_in("warehouse").get("/admin/disputes").status_code == 403
    stranger = world.signed_in(merchants=(world.other,))
    assert stranger.get(f"/admin/disputes/{dispute}").status_code == 404
    assert of(world, dispute).number not in stranger.get("/admin/disputes").page.text


def test_finance_looks_and_does_nothing(world: World, dispute: UUID) -> None:
    client = world.signed_in("finance")
    assert "Offer it" not in client.get(f"/admin/disputes/{dispute}").page.text
    assert client.post(f"/admin/disputes/{dispute}/reply", data={"reply": "x"}).status_code == 403


def test_words_to_a_dispute_that_ended_meanwhile_are_shown_and_not_lost(world: World, dispute: UUID) -> None:
    client = world.signed_in("csr")
    shown = client.get(f"/admin/disputes/{dispute}")
    with world.app.app_context():
        disputes.take_back(customer(world, dispute), dispute, now=now())
    answer = client.submit(shown, {"reply": "It took me long to find this."}, button="Send the message")
    assert answer.status_code == 409
    assert "It took me long to find this." in answer.page.text and "Dispute taken back" in answer.page.text
    assert "Send mine all the same" not in answer.page.text


def test_what_is_agreed_and_waits_for_approval_is_said_so_and_cannot_be_changed(app: Any) -> None:
    world = a_world(app, replace(TERMS, two_people_above=100))
    dispute = contested(world)
    client = world.signed_in()
    shown = client.get(f"/admin/disputes/{dispute}")
    after = client.submit(
        shown,
        {"amount": "4", "message": "You are right."},
        button="Pay it without asking",
        follow_redirects=True,
    )
    assert "The refund waits for approval." in after.page.text
    assert "Paid on top" not in after.page.text
    found = of(world, dispute)
    with app.app_context():
        first = refunds.of_return(found.return_id)[0].number
    text = client.get(f"/admin/returns/{found.return_id}").page.text
    assert f"Change refund {first}" in text
    assert f"Cancel refund {found.settlement_number}" in text
    assert f"Change refund {found.settlement_number}" not in text


def test_while_the_customer_is_asked_the_page_says_nothing_of_late(world: World, dispute: UUID) -> None:
    client = world.signed_in("csr")
    assert " left" in client.get(f"/admin/disputes/{dispute}", htmx="facts").page.text
    client.submit(
        client.get(f"/admin/disputes/{dispute}"), {"reply": "Which box?"}, button="Send the message"
    )
    facts = client.get(f"/admin/disputes/{dispute}", htmx="facts").page.text
    assert " left" not in facts and " late" not in facts


def test_a_message_as_long_as_the_browser_lets_it_be_is_sent(world: World, dispute: UUID) -> None:
    client = world.signed_in("csr")
    shown = client.get(f"/admin/disputes/{dispute}")
    longest = "\r\n".join(["a" * 99] * 20)
    assert len(longest.replace("\r", "")) == 1999
    assert client.submit(shown, {"reply": longest + "b"}, button="Send the message").status_code == 303
    assert of(world, dispute).state == "awaiting_customer"
