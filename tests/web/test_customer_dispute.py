"""The customer contests what was decided: question, check, one sending, the offer and its answers."""

from __future__ import annotations

import re
from io import BytesIO
from typing import Any
from uuid import UUID

import pytest
from PIL import Image

from portal.core.policy.terms import RestockingFee, Terms
from portal.services import disputes
from portal.services.handling import deciding
from portal.services.proofs import audit
from portal.services.refunding import refunds
from portal.web.forms.disputes import as_amount
from tests.web.admin_world import World, a_world, now
from tests.web.opening import opened

TERMS = Terms(return_postage="merchant", restocking_fee=RestockingFee(percent_bp=2000))


@pytest.fixture
def world(app: Any) -> World:
    return a_world(app, TERMS)


@pytest.fixture
def refunded(world: World) -> UUID:
    """A shirt of 50.00 that came back, refunded less a fifth."""
    return_id = world.inspected()
    with world.app.app_context():
        refunds.propose(world.actor(), return_id, now=now())
    return return_id


def of(world: World, return_id: UUID) -> disputes.DisputeFacts:
    with world.app.app_context():
        return disputes.of_return(world.actor(), return_id)[0]


def picture() -> BytesIO:
    out = BytesIO()
    Image.new("RGB", (40, 30), "teal").save(out, "JPEG")
    out.seek(0)
    return out


def contested(world: World, return_id: UUID, **typed: str) -> Any:
    """Question and check answered; the page after the sending."""
    client = opened(world, return_id)
    asked = client.get(f"/r/{return_id}/dispute")
    line = next(iter(world.lines(return_id).values())).id
    checked = client.submit(
        asked,
        {
            f"ground-{line}": "deduction",
            f"claimed-{line}": "10.00",
            "wanted": "difference",
            "body": "Never worn.",
        }
        | typed,
        button="Continue",
    )
    return client, client.submit(checked, {}, button="Send it", follow_redirects=True)


def test_the_status_page_leads_to_the_question_with_rule_and_inspection(world: World, refunded: UUID) -> None:
    client = opened(world, refunded)
    status = client.get(f"/r/{refunded}/status")
    asked = client.get(status.page.link("Contest this"))
    assert asked.page.h1 == "What is wrong?"
    assert "Restocking fee" in asked.page.text and "We looked at 1" in asked.page.text
    assert "At most €10.00" in asked.page.text


def test_what_is_wrong_is_said_at_its_field_and_nothing_is_sent(world: World, refunded: UUID) -> None:
    client = opened(world, refunded)
    asked = client.get(f"/r/{refunded}/dispute")
    line = world.lines(refunded)["SHIRT"].id
    answer = client.submit(
        asked, {f"ground-{line}": "deduction", f"claimed-{line}": "10.01"}, button="Continue"
    )
    assert answer.status_code == 422
    assert "At most €10.00 can be given back for this item." in answer.page.text
    assert "Choose what you want." in answer.page.text
    with world.app.app_context():
        assert disputes.of_return(world.actor(), refunded) == ()


def test_a_dispute_is_checked_sent_once_and_shown(world: World, refunded: UUID) -> None:
    client, answer = contested(world, refunded)
    assert answer.page.h1 == "What you contest"
    found = of(world, refunded)
    assert (found.ground, found.claimed, found.body) == ("deduction", 1000, "Never worn.")
    assert found.number in client.get(f"/r/{refunded}/status").page.text


def test_pictures_are_evidence_of_the_dispute(world: World, refunded: UUID) -> None:
    client = opened(world, refunded)
    line = world.lines(refunded)["SHIRT"].id
    asked = client.get(f"/r/{refunded}/dispute")
    checked = client.submit(
        asked, {f"ground-{line}": "deduction", "wanted": "difference", "body": "Look."}, button="Continue"
    )
    client.submit(checked, {"pictures": (picture(), "p.jpg")}, button="Send it")
    (one,) = of(world, refunded).pictures
    assert client.get(f"/r/{refunded}/pictures/{one}", check=False).status_code == 200


def test_more_evidence_comes_with_a_later_message_and_stands_beside_it(world: World, refunded: UUID) -> None:
    client, shown = contested(world, refunded)
    more = {"reply": "See the label.", "pictures": (picture(), "p.jpg")}
    client.submit(shown, more, button="Send the message")
    thread = client.get(f"/r/{refunded}/messages").text
    assert "See the label." in thread and "/pictures/" in thread
    desk = world.signed_in("csr").get(f"/admin/disputes/{of(world, refunded).id}").text
    assert "See the label." in desk and "/admin/pictures/" in desk
    wrong = client.submit(
        shown, {"reply": "x", "pictures": (BytesIO(b"no picture"), "p.jpg")}, button="Send the message"
    )
    assert wrong.status_code == 422 and "not a photo we can read" in wrong.page.text


def test_something_that_is_no_picture_is_refused_at_its_field(world: World, refunded: UUID) -> None:
    client = opened(world, refunded)
    line = world.lines(refunded)["SHIRT"].id
    checked = client.submit(
        client.get(f"/r/{refunded}/dispute"),
        {f"ground-{line}": "deduction", "wanted": "difference", "body": "Look."},
        button="Continue",
    )
    answer = client.submit(checked, {"pictures": (BytesIO(b"no picture"), "p.jpg")}, button="Send it")
    assert answer.status_code == 422 and "not a photo we can read" in answer.page.text


def test_an_offer_is_accepted_and_the_money_is_named(world: World, refunded: UUID) -> None:
    client, _ = contested(world, refunded)
    found = of(world, refunded)
    with world.app.app_context():
        disputes.offer(world.actor(), found.id, 734, body="For the trouble.", now=now())
    shown = client.get(f"/r/{refunded}/dispute/{found.id}")
    assert "We offer you €7.34 on top" in shown.page.text
    answer = client.submit(shown, {}, button="Accept €7.34", follow_redirects=True)
    assert "Agreed: €7.34 on top" in answer.page.text
    assert of(world, refunded).settled == 734


def test_another_amount_is_asked_for_and_too_much_is_said_so(world: World, refunded: UUID) -> None:
    client, _ = contested(world, refunded)
    found = of(world, refunded)
    with world.app.app_context():
        disputes.offer(world.actor(), found.id, 500, now=now())
    shown = client.get(f"/r/{refunded}/dispute/{found.id}")
    answer = client.submit(shown, {"amount": "12"}, button="Ask for this amount")
    assert answer.status_code == 422 and "At most €10.00" in answer.page.text
    client.submit(answer, {"amount": "9,50"}, button="Ask for this amount")
    assert [one.amount for one in of(world, refunded).offers] == [500, 950]


def test_an_offer_is_declined_and_the_matter_taken_back(world: World, refunded: UUID) -> None:
    client, _ = contested(world, refunded)
    found = of(world, refunded)
    with world.app.app_context():
        disputes.offer(world.actor(), found.id, 500, now=now())
    shown = client.get(f"/r/{refunded}/dispute/{found.id}")
    after = client.submit(shown, {"why": "Too little."}, button="Decline the offer", follow_redirects=True)
    assert of(world, refunded).state == "awaiting_merchant"
    client.submit(after, {}, button="Take it back", follow_redirects=True)
    assert of(world, refunded).state == "withdrawn"


def test_a_strangers_link_opens_no_dispute(world: World, refunded: UUID) -> None:
    contested(world, refunded)
    other = world.inspected()
    client = opened(world, other)
    assert client.get(f"/r/{refunded}/dispute").status_code == 404
    assert client.get(f"/r/{other}/dispute/{of(world, refunded).id}").status_code == 404


def test_a_return_that_is_only_approved_cannot_be_contested(world: World) -> None:
    return_id = world.confirmed()
    client = opened(world, return_id)
    assert "Contest this" not in client.get(f"/r/{return_id}/status").page.text
    assert client.get(f"/r/{return_id}/dispute").status_code == 303


def test_a_refused_line_is_contested_from_the_status_page_up_to_its_settlement(app: Any) -> None:
    world = a_world(app, Terms(return_postage="merchant", approval_reasons=("changed_mind",)))
    return_id = world.requested({"SHIRT": 1, "MUG": 3})
    shirt, mugs = world.lines(return_id)["SHIRT"].id, world.lines(return_id)["MUG"].id
    with app.app_context():
        refused = deciding.LineDecision(
            line_id=shirt, approved=0, declined=1, reason="excessive_wear", message="It was worn."
        )
        taken = deciding.LineDecision(line_id=mugs, approved=3, declined=0)
        deciding.decide(world.actor(), return_id, [refused, taken], now=now())
    client = opened(world, return_id)
    status = client.get(f"/r/{return_id}/status")
    asked = client.get(status.page.link("Contest this"))
    assert "Refused: Worn or used too much" in asked.page.text and "It was worn." in asked.page.text
    typed = {f"ground-{shirt}": "refusal", f"claimed-{shirt}": "50.00", "wanted": "full_refund"}
    checked = client.submit(asked, {**typed, "body": "The label is on it."}, button="Continue")
    shown = client.submit(checked, {}, button="Send it", follow_redirects=True)
    assert shown.page.h1 == "What you contest"
    found = of(world, return_id)
    assert (found.ground, found.claimed, found.state) == ("refusal", 5000, "open")
    desk = world.signed_in("supervisor")
    at = desk.get(f"/admin/disputes/{found.id}")
    assert "Refused: Worn or used too much" in at.page.text and "At most €50.00" in at.page.text
    paid = desk.submit(
        at, {"amount": "37.50", "message": "You are right, mostly."}, button="Pay it without asking"
    )
    assert paid.status_code == 303
    found = of(world, return_id)
    assert (found.outcome, found.settled) == ("settled", 3750)
    told = client.get(f"/r/{return_id}/status").page.text
    assert "€37.50" in told and found.number in told
    with app.app_context():
        assert audit.verify().problems == []


@pytest.mark.parametrize(
    ("typed", "currency", "amount"),
    [
        ("", "EUR", 0),
        ("12.50", "EUR", 1250),
        ("12,5", "EUR", 1250),
        ("€12.50", "EUR", 1250),
        ("12,50 EUR", "EUR", 1250),
        ("12,-", "EUR", 1200),
        ("1,234.50", "EUR", 123450),
        ("1.234,50", "EUR", 123450),
        ("1'234.50", "CHF", 123450),
        ("1 234,50", "EUR", 123450),
        ("1,000", "JPY", 1000),
        ("1,000,000", "JPY", 1000000),
        ("1.250", "KWD", 1250),
        ("-5", "EUR", -500),
        ("1,000", "EUR", None),
        ("1.000", "EUR", None),
        ("5 or 6", "EUR", None),
        ("1e5", "EUR", None),
        ("nothing", "EUR", None),
    ],
)
def test_an_amount_is_read_as_it_was_meant_or_asked_for_again(
    typed: str, currency: str, amount: int | None
) -> None:
    assert as_amount(typed, currency) == amount


def test_a_question_of_the_shop_is_the_customers_turn(world: World, refunded: UUID) -> None:
    client, shown = contested(world, refunded)
    assert "We answer by" in shown.page.text
    found = of(world, refunded)
    with world.app.app_context():
        disputes.reply(world.actor(), found.id, "Which box was it in?", now=now())
    for path in (f"/r/{refunded}/dispute/{found.id}", f"/r/{refunded}/status"):
        text = client.get(path).page.text
        assert "We wait for your answer." in text and "We answer by" not in text


def test_the_status_page_tells_the_refund_that_counts_beside_what_was_agreed(app: Any, drain: Any) -> None:
    world = a_world(app, Terms(return_postage="merchant", goodwill_cap=1000))
    return_id = world.inspected()
    with app.app_context():
        refunds.propose(world.actor(), return_id, now=now())
        given_up = refunds.propose(world.actor(), return_id, goodwill=612, reason="Sorry", now=now())
        refunds.cancel(world.actor(), given_up, reason="By mistake.", now=now())
    client = opened(world, return_id)
    assert "€6.12" not in client.get(f"/r/{return_id}/status").page.text


def test_the_way_of_a_return_tells_its_refund_and_not_what_was_agreed_on_top(
    world: World, refunded: UUID, drain: Any
) -> None:
    drain()
    client, _ = contested(world, refunded)
    with world.app.app_context():
        disputes.settle(world.actor(), of(world, refunded).id, 312, message="For your trouble.", now=now())
    drain()
    told = client.get(f"/r/{refunded}/status").text
    assert re.findall(r'timeline-text">([^<]*)<', told)[-1] == "€40.00"
    assert "€3.12" in told
