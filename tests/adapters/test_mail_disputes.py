"""The mails of a dispute, one by one and in every language: what they say, which amount, which days, which link."""

from __future__ import annotations

from typing import Any

import pytest

from portal.words import LANGUAGES
from portal.words.disputing import HEADINGS, SENTENCES
from tests.adapters.test_mail import LINKS, disputed, read, written

AMOUNT = {"en": "€17.00", "de": "17,00\xa0€", "fr": "17,00\xa0€"}

PAYS = ("offer_accepted", "counter_accepted", "settled")
NAMES_NO_AMOUNT = ("upheld", "goods_back", "explained", "withdrawn")

OFFERS = [("dispute_offer", "new"), ("dispute_offer", "reminder")]
ANSWERS = [("dispute_answered", what) for what in HEADINGS]
MAILS = [("dispute_opened", ""), *OFFERS, *ANSWERS]


def mail(event: str, what: str, language: str = "en", **changed: object) -> Any:
    return written(event, language, dispute=disputed(what, **changed))


def test_every_way_to_answer_has_heading_and_sentence() -> None:
    assert set(HEADINGS) == set(SENTENCES)
    assert set(HEADINGS) == {*PAYS, *NAMES_NO_AMOUNT, "offer_withdrawn", "offer_expired", "declined"}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("event", "what"), MAILS)
def test_both_parts_have_the_number_the_words_and_the_way_back(event: str, what: str, language: str) -> None:
    made = mail(event, what, language)
    tree = read(made.html)
    text_of_html = "".join(tree.itertext())
    for part in (made.text, text_of_html):
        assert "DS-7K3M-9QX1" in part
        assert ("Half of it, for the <box>." in part) is (event != "dispute_opened")
    assert [node.get("href") for node in tree.iter("a")].count(LINKS["status"]) == 1
    assert LINKS["status"] in made.text
    assert "None" not in made.text and "%(" not in made.text + made.html
    assert tree.get("lang") == language


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("event", "what"), [*OFFERS, *((e, w) for e, w in ANSWERS if w not in NAMES_NO_AMOUNT)]
)
def test_an_amount_is_named_to_the_cent_in_both_parts(event: str, what: str, language: str) -> None:
    made = mail(event, what, language)
    assert AMOUNT[language] in made.text.replace("\u202f", "\xa0")
    assert AMOUNT[language] in "".join(read(made.html).itertext()).replace("\u202f", "\xa0")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("event", "what"), [("dispute_answered", what) for what in NAMES_NO_AMOUNT])
def test_an_answer_without_money_names_no_amount(event: str, what: str, language: str) -> None:
    made = written(event, language, dispute=disputed(what), refund=None, breakdown=None)
    assert AMOUNT[language] not in (made.text + made.html).replace("\u202f", "\xa0")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("event", "what"), OFFERS)
def test_an_offer_says_until_when_it_stands(event: str, what: str, language: str) -> None:
    made = mail(event, what, language)
    for part in (made.text, "".join(read(made.html).itertext())):
        assert "30" in part and "10:30" in part


def test_each_answer_reads_differently() -> None:
    assert len({mail(event, what).subject for event, what in MAILS}) == len(MAILS)


def test_a_message_of_a_person_is_shown_and_never_run() -> None:
    made = mail("dispute_offer", "new", message="<script>alert(1)</script>")
    assert "<script" not in made.html and "&lt;script&gt;" in made.html
