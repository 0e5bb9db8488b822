"""E-mails: every message in every language, and SMTP against a real server that takes, delays and refuses."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any
from uuid import UUID

import html5lib
import pytest
from aiosmtpd.controller import Controller
from flask import Flask

from portal.adapters import mail
from portal.adapters.mail.render import EVENTS, TEMPLATES, render
from portal.adapters.mail.sandbox import SandboxMailer
from portal.adapters.mail.smtp import SmtpMailer
from portal.core.addresses import Address
from portal.core.merchants import MerchantFacts
from portal.core.refunds.breakdown import Breakdown, Row, to_json
from portal.ports import Attachment, Declined, Message, Rendered, Unavailable
from portal.settings import Settings
from portal.words import LANGUAGES, Words
from tests.mail import Mailbox, free_port

MERCHANT = MerchantFacts(
    id=UUID(int=1),
    slug="demo",
    name="Läden & Söhne, Demo",
    accent="green",
    language="de",
    country="DE",
    currency="EUR",
    zone="Europe/Berlin",
    support_email="help@example.com",
    address=Address(country="DE"),
)
LINKS = {
    "credit": "https://returns.example.com/credit/demo",
    "link": "https://returns.example.com/l/token-one",
    "status": "https://returns.example.com/l/token-two",
    "admin": "https://returns.example.com/admin/returns/1",
}
MESSAGE = Message(
    to="demo.customer@example.com",
    from_name="Läden & Söhne, Demo",
    reply_to="help@example.com",
    subject="Rücksendung genehmigt: so geht es weiter, ausführlich und mit vielen Wörtern in einer Zeile",
    text="Guten Tag,\n\nschöne Grüße\n",
    html="<!doctype html><title>x</title><p>schöne Grüße <img src='cid:qr' alt='QR'></p></html>",
    message_id="<0190-1@returns.example.com>",
    references="<0190-9@returns.example.com>",
    attachments=(
        Attachment(name="label.pdf", media_type="application/pdf", content=b"%PDF-1.7 \x00\xff"),
        Attachment(name="qr.png", media_type="image/png", content=b"\x89PNG", cid="qr"),
    ),
)


def breakdown(fee: int) -> dict[str, Any]:
    rows = (
        Row(
            code="item_subtotal",
            amount=2000,
            rule="paid",
            label="Shirt <b>",
            tax=319,
            basis={"units": 2, "of_units": 5, "unit_price": "10.00"},
        ),
        Row(
            code="restocking_fee",
            amount=-fee,
            rule="restocking_fee",
            basis={"percent_bp": 500, "of": 2000},
        ),
    )
    return to_json(Breakdown(currency="EUR", rows=rows, lines=(), shares=(), policy_version=1))


def disputed(what: str, **changed: object) -> dict[str, Any]:
    """What the queue keeps of a dispute of which 17.00 are offered or paid."""
    return {
        "number": "DS-7K3M-9QX1",
        "what": what,
        "amount": 1700,
        "currency": "EUR",
        "until": "2026-11-30T09:30:00+00:00",
        "due": "2026-11-25T09:30:00+00:00",
        "claimed": 2000,
        "outcome": "",
        "message": "Half of it, for the <box>.",
        **changed,
    }


def values(**changed: object) -> dict[str, Any]:
    return {
        "name": "Demo <i>Customer</i>",
        "number": "RMA-7K3M-9QX1",
        "order_number": "#1001",
        "alert": "refund_failed",
        "state": "approved",
        "kind": "return",
        "note": "First line\nSecond line",
        "currency": "EUR",
        "lines": [{"name": "Shirt <b>", "variant": "M", "sku": "S-1", "units": 2, "code": "AC-7K3M-9QX1"}],
        "left": ["address", "confirm"],
        "expires_on": "2026-12-01",
        "ship_by": "2026-12-04",
        "sending": {
            "method": "qr_dropoff",
            "carrier": "house",
            "service": "parcel",
            "rate_id": "house.parcel.qr_dropoff",
            "amount": 0,
            "pays": "merchant",
            "point_name": "Demo kiosk",
            "slot_label": "",
            "tracking_number": "RR123456785DE",
        },
        "breakdown": breakdown(300),
        "before": breakdown(100),
        "decline_reason": "final_sale",
        "decline_message": "Sorry.",
        "refund": {
            "number": "RF-7K3M-9QX1",
            "amount": 1700,
            "currency": "EUR",
            "shares": [{"label": "Card ending 4242", "tender": "card", "amount": 1700}],
        },
        "credit": {
            "code": "7K3M-9QX1-40WF-ZT2H",
            "kind": "store_credit",
            "balance": 1700,
            "currency": "EUR",
            "expires_on": "2029-12-31",
        },
        "cancellation": {
            "asked_by": "agent",
            "message": "As agreed on the phone.",
            "expires_at": "2026-11-23T09:30:00+00:00",
            "hours": 48,
            "before": {"total": 9000},
            "after": {"total": 7300},
            "lines": [{"name": "Shirt <b>", "variant": "M", "units": 1, "ending": "", "ends_on": ""}],
            "stays": [{"name": "Mug", "variant": "", "units": 2}],
            "ended": {"code": "shipped", "lines": ["Shirt"]},
            "back": 1700,
            "released": 0,
            "due_less": 0,
            "warehouse": True,
        },
        "reply_days": 2,
        "thread": {
            "message": "Which <size> is it?\nPlease look at the label.",
            "asks": ["answer", "photo"],
            "lines": ["Shirt <b>"],
            "due_at": "2026-11-23T23:00:00+00:00",
        },
        "dispute": disputed("settled"),
        **changed,
    }


WITHOUT_THE_CUSTOMER = ("finance_alert", "finance_cancellation")
"""Messages to people of the shop that name a case by its number and nobody."""


def written(event: str, language: str = "en", **changed: object):  # type: ignore[no-untyped-def]
    words = Words(language, MERCHANT.zone)
    return render(event, words=words, merchant=MERCHANT, values=values(**changed), links=LINKS)


def read(html: str) -> Any:
    parser = html5lib.HTMLParser(strict=False, namespaceHTMLElements=False)
    tree = parser.parse(html)
    assert not parser.errors, parser.errors
    return tree


# ------------------------------------------------------------------------------------------------- messages


def test_there_is_a_folder_for_every_message_and_no_other() -> None:
    folders = {folder.name for folder in (TEMPLATES / "email").iterdir() if folder.is_dir()}
    assert folders == set(EVENTS)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("event", EVENTS)
def test_every_message_can_be_written_in_every_language(event: str, language: str) -> None:
    made = written(event, language)
    assert made.subject
    assert "\n" not in made.subject
    assert made.text.endswith("\n")
    assert not re.search(r"\n{3,}|[ \t]\n|None|%\(", made.text)
    tree = read(made.html)
    assert tree.get("lang") == language
    assert len(made.html.encode()) < 100_000
    assert ("Demo <i>Customer</i>" in made.text) is (event not in WITHOUT_THE_CUSTOMER)
    assert "<i>" not in made.html


@pytest.mark.parametrize("event", EVENTS)
def test_a_message_reads_differently_in_each_language(event: str) -> None:
    subjects = {written(event, language).subject for language in LANGUAGES}
    assert len(subjects) == len(LANGUAGES)


@pytest.mark.parametrize("event", EVENTS)
def test_both_parts_hold_the_same_link_and_ask_no_third_party(event: str) -> None:
    made = written(event)
    tree = read(made.html)
    pressed = {node.get("href") for node in tree.iter("a") if node.get("href")}
    assert all(link in made.text for link in pressed if "?score=" in link or "?to=" in link)
    links = {link.partition("?score=")[0].partition("?to=")[0] for link in pressed}
    assert links
    assert links <= set(LINKS.values()) | {f"mailto:{MERCHANT.support_email}"}
    for link in links & set(LINKS.values()):
        assert link in made.text
    assert all((node.get("src") or "").startswith("cid:") for node in tree.iter("img"))
    assert not re.search(r"url\(|@import|<link|<script", made.html)


@pytest.mark.parametrize("event", EVENTS)
def test_what_is_kept_holds_the_marker_in_place_of_the_token(event: str) -> None:
    marked = dict.fromkeys(LINKS, "https://returns.example.com/l/…")
    words = Words("en", MERCHANT.zone)
    kept = render(event, words=words, merchant=MERCHANT, values=values(), links=marked)
    assert "token-" not in kept.text + kept.html + kept.subject
    assert kept.text.replace("/l/…", "") != kept.text


@pytest.mark.parametrize("event", EVENTS)
def test_a_message_can_be_written_of_a_return_without_an_order(event: str) -> None:
    bare = {
        "order_number": "",
        "note": "",
        "lines": [],
        "left": [],
        "expires_on": "",
        "ship_by": "",
        "sending": None,
        "decline_message": "",
    }
    if event != "inspected_changed":
        bare |= {"breakdown": None, "before": None}
    made = written(event, **bare)
    assert read(made.html) is not None
    assert not re.search(r"None|\(\)", made.text)


def test_an_unassessed_refund_is_unknown_and_not_zero() -> None:
    unknown = to_json(
        Breakdown(currency="EUR", rows=(), lines=(), shares=(), policy_version=1, assessed=False)
    )
    made = written("approved", breakdown=unknown, before=None, refund=None)
    assert "To be assessed" in made.text
    assert "To be assessed" in made.html
    assert "€0" not in made.text + made.html


def test_the_approval_tells_number_codes_steps_and_the_counter_code() -> None:
    made = written("approved", has_qr=True, refund=None)
    for part in ("RMA-7K3M-9QX1", "AC-7K3M-9QX1", "Demo kiosk", "4 Dec 2026", "RR123456785DE", "€17.00"):
        assert part in made.text
        assert part in made.html
    assert 'src="cid:qr"' in made.html
    assert 'src="cid:qr"' not in written("approved", refund=None).html


def test_a_changed_refund_says_which_rule_changed_it_and_by_how_much() -> None:
    made = written("inspected_changed")
    assert "Estimated before: €19.00" in made.text
    assert "Restocking fee: \N{MINUS SIGN}€2.00" in made.text
    assert "€17.00" in made.text


def test_a_refund_says_where_the_money_goes_and_when_it_arrives() -> None:
    made = written("refunded", "fr")
    assert "Card ending 4242\N{NO-BREAK SPACE}: 17,00\N{NO-BREAK SPACE}€" in made.text
    assert "3 à 5 jours ouvrés" in made.text


def refunded_by(*modes: str) -> Rendered:
    """The message of a refund of 8.50 for each of ``modes``."""
    shares = [
        {"tender": "card", "label": f"Card {place}", "provider": "sandbox", "amount": 850, "mode": mode}
        for place, mode in enumerate(modes, 1)
    ]
    refund = {"number": "RF-7K3M-9QX1", "amount": 850 * len(modes), "currency": "EUR", "shares": shares}
    return written("refunded", refund=refund)


@pytest.mark.parametrize(
    ("mode", "headline"), [("authorized", "€8.50 is not charged"), ("due", "You owe €8.50 less")]
)
def test_what_was_never_charged_is_not_called_a_refund_that_is_sent(mode: str, headline: str) -> None:
    made = refunded_by(mode)
    assert made.subject == headline
    for text in (made.text, made.html):
        assert "We have sent" not in text and "on its way" not in text and "working days" not in text
    assert {"authorized": "Card 1: not charged", "due": "Card 1: you owe less"}[mode] in made.text


def test_a_refund_of_both_says_which_part_comes_back() -> None:
    made = refunded_by("captured", "authorized")
    assert made.subject == "You get €8.50 back · €8.50 is not charged"
    assert "- Card 1: €8.50" in made.text and "- Card 2: not charged: €8.50" in made.text


def canceled(event: str, **changed: object) -> str:
    made = written(event, cancellation=values()["cancellation"] | changed)
    for part in ("1 × Shirt <b>, M",):
        assert part in made.text
        assert part.replace("<b>", "&lt;b&gt;") in made.html
    return made.text


@pytest.mark.parametrize("event", ["cancellation_proposed", "cancellation_reminder"])
def test_a_proposal_says_what_leaves_what_comes_of_it_and_until_when(event: str) -> None:
    text = canceled(event)
    for part in ("Order total before: €90.00", "Order total afterwards: €73.00", "You get €17.00 back"):
        assert part in text
    assert "Please answer by 23 Nov 2026, 10:30." in text
    assert "Without an answer your order stays as it is." in text


def test_a_proposal_of_money_that_was_never_taken_promises_no_refund() -> None:
    text = canceled("cancellation_proposed", back=0, released=1700)
    assert "€17.00 is not charged" in text
    assert "back" not in text
    assert "You owe €17.00 less" in canceled("cancellation_proposed", back=0, due_less=1700)


def test_the_confirmation_tells_totals_refund_and_what_stays_and_asks_how_it_was() -> None:
    text = canceled("cancellation_confirmed")
    for part in ("New order total: €73.00", "RF-7K3M-9QX1", "2 × Mug", "RMA-7K3M-9QX1"):
        assert part in text
    for score in range(1, 6):
        assert f"{LINKS['status']}?score={score}\n" in text


@pytest.mark.parametrize("event", ["status_link", "refunded", "account_needed", "store_credit"])
def test_a_message_about_money_names_a_cancellation_as_one(event: str) -> None:
    assert "Cancellation number" in written(event, kind="partial_cancellation").text
    assert "return" not in written(event, kind="partial_cancellation").subject.lower()
    assert "Return number" in written(event).text


def test_a_service_says_how_it_ends() -> None:
    line = {"name": "Shirt <b>", "variant": "M", "units": 1, "ending": "next_period", "ends_on": "2026-11-30"}
    assert "Runs until 30 Nov 2026 and is not renewed." in canceled("cancellation_confirmed", lines=[line])


@pytest.mark.parametrize("event", ["cancellation_expired", "cancellation_overtaken"])
def test_a_cancellation_that_came_to_nothing_says_that_no_money_moves(event: str) -> None:
    text = canceled(event)
    assert "no money moves" in text
    assert "€" not in text


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("shipped", "left our warehouse"),
        ("already_shipped", "left our warehouse"),
        ("being_picked", "being packed"),
        ("unheard_of", "It could not be taken out"),
    ],
)
def test_a_cancellation_that_came_too_late_says_why_and_what_can_be_done(code: str, said: str) -> None:
    text = canceled("cancellation_overtaken", ended={"code": code, "lines": ["Shirt"]})
    assert said in text
    assert "When it is there you can send it back" in text


def test_a_refusal_names_the_reason_and_what_can_be_done() -> None:
    made = written("declined", "de")
    assert "Grund: Vom Umtausch ausgeschlossen" in made.text
    assert "antworten Sie auf diese Nachricht" in made.text


def test_a_message_that_lacks_its_link_is_refused_by_name() -> None:
    words = Words("en", MERCHANT.zone)
    with pytest.raises(ValueError, match="'link'"):
        render("link", words=words, merchant=MERCHANT, values=values(), links={})
    with pytest.raises(ValueError, match="no message 'hello'"):
        render("hello", words=words, merchant=MERCHANT, values=values(), links=LINKS)


# ------------------------------------------------------------------------------------------------------ SMTP


def mailer(port: int, **changed: Any) -> SmtpMailer:
    given: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": port,
        "user": "",
        "password": "",
        "starttls": False,
        "sender": "Returns <returns@example.com>",
    }
    return SmtpMailer(Flask("mail"), **(given | changed))


def test_a_message_arrives_with_both_parts_and_all_headers(smtp: Mailbox) -> None:
    mailer(smtp.port).send(MESSAGE)
    (arrived,) = smtp.wait_for(1)
    assert arrived["From"].addresses[0].display_name == "Läden & Söhne, Demo"
    assert arrived["From"].addresses[0].addr_spec == "returns@example.com"
    assert arrived["To"].addresses[0].addr_spec == MESSAGE.to
    assert arrived["Reply-To"].addresses[0].addr_spec == "help@example.com"
    assert arrived["Subject"] == MESSAGE.subject
    assert arrived["Message-ID"] == MESSAGE.message_id
    assert arrived["References"] == MESSAGE.references
    assert arrived["Auto-Submitted"] == "auto-generated"
    assert arrived["Date"].datetime is not None
    text, html = arrived.get_body(("plain",)), arrived.get_body(("html",))
    assert text is not None
    assert html is not None
    assert text.get_content().replace("\r\n", "\n").strip() == MESSAGE.text.strip()
    assert "schöne Grüße" in html.get_content()
    label, qr = list(arrived.iter_attachments())
    assert (label.get_filename(), label.get_content_type()) == ("label.pdf", "application/pdf")
    assert label.get_content() == MESSAGE.attachments[0].content
    assert (qr["Content-ID"], qr.get_content_disposition()) == ("<qr>", "inline")
    assert qr.get_content() == MESSAGE.attachments[1].content


def test_a_name_cannot_smuggle_a_header_in(smtp: Mailbox) -> None:
    mailer(smtp.port).send(replace(MESSAGE, subject="Hello\r\nBcc: other@example.com"))
    (arrived,) = smtp.wait_for(1)
    assert arrived["Bcc"] is None
    assert arrived["Subject"] == "Hello Bcc: other@example.com"
    with pytest.raises(Declined):
        mailer(smtp.port).send(replace(MESSAGE, to="a@example.com\r\nBcc: other@example.com"))


def test_a_sender_without_name_of_its_own_has_the_configured_one(smtp: Mailbox) -> None:
    mailer(smtp.port).send(replace(MESSAGE, from_name=""))
    (arrived,) = smtp.wait_for(1)
    assert str(arrived["From"]) == "Returns <returns@example.com>"


def test_a_busy_server_is_asked_again_later(smtp: Mailbox) -> None:
    smtp.refuse.append("451 busy, come back")
    with pytest.raises(Unavailable):
        mailer(smtp.port).send(MESSAGE)
    mailer(smtp.port).send(MESSAGE)
    assert len(smtp.wait_for(1)) == 1


def test_a_message_refused_for_good_is_declined(smtp: Mailbox) -> None:
    smtp.refuse.append("554 looks like spam to demo.customer@example.com")
    with pytest.raises(Declined) as refusal:
        mailer(smtp.port).send(MESSAGE)
    assert refusal.value.code == "message_refused"
    assert MESSAGE.to not in str(refusal.value)


class _Doorkeeper:
    """Answers every recipient with ``reply``."""

    def __init__(self, reply: str) -> None:
        self.reply = reply

    async def handle_RCPT(self, _server: Any, _session: Any, _envelope: Any, _to: str, _options: Any) -> str:
        return self.reply


@pytest.mark.parametrize(
    ("reply", "expected"),
    [("550 no such mailbox", Declined), ("450 mailbox busy", Unavailable), ("452 full", Unavailable)],
)
def test_a_recipient_is_declined_for_good_or_tried_again(reply: str, expected: type[Exception]) -> None:
    controller = Controller(_Doorkeeper(reply), hostname="127.0.0.1", port=free_port())
    controller.start()
    try:
        with pytest.raises(expected) as refusal:
            mailer(controller.port).send(MESSAGE)
    finally:
        controller.stop()
    assert MESSAGE.to not in str(refusal.value)
    if isinstance(refusal.value, Declined):
        assert refusal.value.code == "recipient_refused"


def test_no_server_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        mailer(free_port()).send(MESSAGE)


def test_a_server_without_encryption_is_not_used_when_encryption_is_asked_for(smtp: Mailbox) -> None:
    with pytest.raises(Unavailable):
        mailer(smtp.port, starttls=True).send(MESSAGE)
    assert not smtp.messages


def test_an_address_that_mail_cannot_carry_is_declined(smtp: Mailbox) -> None:
    with pytest.raises(Declined) as refusal:
        mailer(smtp.port).send(replace(MESSAGE, to="ünïcode@example.com"))
    assert refusal.value.code == "recipient_refused"


# ------------------------------------------------------------------------------------------------ the choice


def test_the_settings_choose_the_mailer(smtp: Mailbox) -> None:
    settings = Settings.from_env({"APP_ENV": "test", **smtp.environ()})
    chosen = mail.build(settings, Flask("mail"))
    assert isinstance(chosen, SmtpMailer)
    chosen.send(MESSAGE)
    assert len(smtp.wait_for(1)) == 1
    assert isinstance(
        mail.build(Settings.from_env({"APP_ENV": "test", "MAILER": "sandbox"}), Flask("mail")), SandboxMailer
    )


def test_the_sandbox_sends_nothing_and_remembers_it() -> None:
    sandbox = SandboxMailer()
    sandbox.send(MESSAGE)
    assert list(sandbox.sent) == [MESSAGE]
    shown = sandbox.render(
        "received", language="de", zone="Europe/Berlin", merchant=MERCHANT, values=values(), links=LINKS
    )
    assert shown.subject == "Ihre Rücksendung RMA-7K3M-9QX1 ist angekommen"
