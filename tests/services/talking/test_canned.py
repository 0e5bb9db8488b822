"""Canned answers and playbooks: kept per language, checked, filled in, changed by one person at a time."""

import pytest

from portal.core import placeholders
from portal.core.access import Conflict, NotAllowed, NotFound, Stale
from portal.db import history
from portal.services.talking import canned, playbooks
from portal.words import Words
from portal.words.playbooks import PLAYBOOKS
from tests.builders import NOW, a_draft, a_merchant, a_person, a_return, an_order


@pytest.fixture
def shop(session):
    return a_merchant()


def save(shop, *, role="supervisor", **more):
    given = {"name": "Late parcel", "texts": {"en": "Dear {name}"}, "now": NOW} | more
    return canned.save(a_person(shop, role), merchant_id=shop, **given)


@pytest.mark.parametrize("text", ["{name} {number} {order} {agent} {merchant}", "plain", ""])
def test_known_placeholders_pass(text):
    placeholders.check(text)


@pytest.mark.parametrize("text", ["{nmae}", "{}", "{name", "name}", "{{name}}", "{na{me}}"])
def test_what_is_no_placeholder_is_refused(text):
    with pytest.raises(placeholders.BadPlaceholder):
        placeholders.check(text)


def test_what_is_put_in_is_never_looked_through_again():
    assert placeholders.filled("{name}, {order}", {"name": "{order}", "order": "7"}) == "{order}, 7"


def test_a_text_is_found_by_its_name_and_by_its_words(session, shop):
    save(shop)
    save(shop, name="Thanks", texts={"de": "Vielen Dank", "en": " "})
    agent = a_person(shop, "csr")
    assert [one.name for one in canned.listing(agent)] == ["Late parcel", "Thanks"]
    assert [one.name for one in canned.listing(agent, query="vielen")] == ["Thanks"]
    assert canned.listing(agent, query="late")[0].texts == {"en": "Dear {name}"}
    assert canned.listing(a_person(a_merchant())) == ()


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"name": " "}, "name_missing"),
        ({"texts": {"en": " "}}, "texts_missing"),
        ({"texts": {"en": "{nobody}"}}, "unknown_placeholder"),
        ({"texts": {"fr": "{name"}}, "open_brace"),
        ({"texts": {"fr": "x" * 5001}}, "message_too_long"),
    ],
)
def test_what_cannot_be_kept_is_refused(session, shop, more, code):
    with pytest.raises(Conflict) as refused:
        save(shop, **more)
    assert refused.value.code == code
    assert canned.listing(a_person(shop)) == ()


def test_two_of_one_name_are_refused(session, shop):
    save(shop)
    with pytest.raises(Conflict) as refused:
        save(shop, name="LATE parcel")
    assert refused.value.code == "name_taken"
    save(a_merchant())


def test_whoever_comes_second_is_told(session, shop):
    answer_id = save(shop)
    save(shop, answer_id=answer_id, texts={"en": "First"}, version=1)
    with pytest.raises(Stale):
        save(shop, answer_id=answer_id, texts={"en": "Second"}, version=1)
    assert canned.read(a_person(shop), answer_id).texts == {"en": "First"}
    changed = [one.changed for one in history.of([answer_id])]
    assert {name: list(pair) for name, pair in changed[-1].items()} == {"text_en": ["Dear {name}", "First"]}


def test_a_deleted_text_is_gone(session, shop):
    answer_id = save(shop)
    canned.remove(a_person(shop), answer_id, version=1, now=NOW)
    assert canned.listing(a_person(shop)) == ()
    with pytest.raises(NotFound):
        canned.read(a_person(shop), answer_id)


def test_agents_use_texts_and_do_not_change_them(session, shop):
    answer_id, agent = save(shop), a_person(shop, "csr")
    assert canned.read(agent, answer_id).name == "Late parcel"
    with pytest.raises(NotAllowed):
        canned.remove(agent, answer_id, now=NOW)
    with pytest.raises(NotAllowed):
        save(shop, role="csr", name="Other")
    with pytest.raises(NotFound):
        canned.read(a_person(a_merchant()), answer_id)


def test_a_german_customer_of_an_english_shop_is_answered_in_german_else_in_english(session, gateways, shop):
    agent = a_person(shop, "csr")
    back = a_draft(agent, shop, an_order(gateways, shop, language="de"), language="de")
    every = save(shop, texts={"en": "Dear {name}", "de": "Guten Tag {name}", "fr": "Bonjour {name}"})
    found = canned.filled(agent, every, back)
    assert (found.text, found.language, found.is_missing) == ("Guten Tag Demo Customer", "de", False)
    without = save(shop, name="Without", texts={"ar": "{name}", "en": "Dear {name}", "fr": "Bonjour {name}"})
    found = canned.filled(agent, without, back)
    assert (found.text, found.language, found.wanted) == ("Dear Demo Customer", "en", "de")
    assert found.is_missing


def test_a_text_in_neither_language_is_still_found(session, gateways, shop):
    back, agent = a_return(gateways, shop, an_order(gateways, shop)), a_person(shop, "csr")
    both = save(shop, texts={"de": "Guten Tag {name}", "en": "Dear {name}"})
    found = canned.filled(agent, both, back)
    assert (found.text, found.is_missing) == ("Dear Demo Customer", False)
    one = save(shop, name="One", texts={"fr": "Bonjour {merchant}"})
    found = canned.filled(agent, one, back)
    assert found.is_missing and found.language == "fr" and found.text.startswith("Bonjour Demo shop")


# ------------------------------------------------------------------------------------------------- playbooks


def test_every_step_has_a_built_in_text():
    assert tuple(PLAYBOOKS) == playbooks.STEPS
    assert all(Words("en").playbook(step).endswith(".") for step in playbooks.STEPS)


def own(shop):
    return playbooks.of_merchants((shop,)).get(shop, {})


def test_own_words_count_for_their_shop_and_step_until_they_are_taken_back(session, shop):
    boss = a_person(shop)
    playbooks.save(boss, shop, "refund", {"en": "Our words", "de": " "}, version=0, now=NOW)
    assert own(shop) == {"refund": {"en": "Our words"}}
    assert own(a_merchant()) == {}
    found = {one.step: one for one in playbooks.listing(boss, shop)}
    assert found["refund"].version == 1 and found["entry"].version == 0
    playbooks.save(boss, shop, "refund", {}, version=1, now=NOW)
    assert own(shop).get("refund", {}) == {}


def test_a_playbook_is_changed_as_it_was_seen_by_those_who_may(session, shop):
    playbooks.save(a_person(shop), shop, "refund", {"en": "One"}, version=0, now=NOW)
    with pytest.raises(Stale):
        playbooks.save(a_person(shop), shop, "refund", {"en": "Two"}, version=0, now=NOW)
    with pytest.raises(NotAllowed):
        playbooks.save(a_person(shop, "csr"), shop, "refund", {"en": "Two"}, now=NOW)
    with pytest.raises(NotFound):
        playbooks.save(a_person(a_merchant()), shop, "refund", {"en": "Two"}, now=NOW)
    with pytest.raises(Conflict):
        playbooks.save(a_person(shop), shop, "dancing", {"en": "Two"}, now=NOW)


@pytest.mark.parametrize("again", ["Ärger mit dem Paket", "ÄRGER mit dem Paket"])
def test_names_are_compared_beyond_the_letters_of_english(session, shop, again):
    save(shop, name="Ärger mit dem Paket")
    with pytest.raises(Conflict, match="name_taken"):
        save(shop, name=again)
    assert len(canned.listing(a_person(shop))) == 1
