"""Who works here: invited, given roles, signed out, let go; one's own sessions; the history and its proof on pages."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from portal.core.access import SYSTEM
from portal.db import history
from portal.db.base import db, transaction
from portal.db.history import Happening
from portal.db.merchants import Merchant
from portal.db.people import Membership, Person
from portal.services.persons import people, staff
from tests.builders import ZONE
from tests.web.admin_world import PASSWORD, World, a_world, now


@pytest.fixture
def world(app: Flask) -> World:
    return a_world(app)


@pytest.fixture
def admin(world: World) -> Any:
    return world.signed_in("admin")


def person_id(world: World, email: str) -> Any:
    with world.app.app_context():
        return db.session.scalars(sa.select(Person.id).where(Person.email == email)).one()


def role(world: World, email: str) -> dict[Any, str]:
    with world.app.app_context():
        found = sa.select(Membership.merchant_id, Membership.role).join(
            Person, Person.id == Membership.person_id
        )
        return {row[0]: row[1] for row in db.session.execute(found.where(Person.email == email))}


def test_somebody_is_invited_chooses_a_password_once_and_is_in(world: World, admin: Any, app: Flask) -> None:
    page = admin.get("/admin/people")
    typed = {"name": "Demo New", "email": "New@people.example", f"role-{world.own}": "csr"}
    answer = admin.submit(page, typed, button="Invite")
    assert answer.status_code == 200
    link = answer.page.text.partition("/admin/welcome/")[2].split()[0]
    visitor = app.test_client()
    welcome = visitor.get(f"/admin/welcome/{link}")
    assert "Welcome, Demo New" in welcome.page.text
    assert visitor.submit(welcome, {"password": "too short"}).status_code == 422
    assert visitor.submit(welcome, {"password": "long enough for me"}).status_code == 303
    assert visitor.get("/admin/").status_code == 200
    assert role(world, "new@people.example") == {world.own: "csr"}
    assert app.test_client().get(f"/admin/welcome/{link}").status_code == 404, "once"


def test_an_invitation_that_is_changed_or_old_is_not_found(world: World, admin: Any, app: Flask) -> None:
    secret = app.config["SETTINGS"].secret_key
    with app.app_context():
        actor = people.named("admin-0@people.example")
        assert actor is not None
        given = {"email": "x@people.example", "name": "X", "language": "en", "roles": {world.own: "csr"}}
        _, token = staff.invite(actor, **given, now=now(), secret=secret)
        assert people.invited(token, now=now(), secret=secret) is not None
        assert people.invited(token, now=now() + timedelta(days=8), secret=secret) is None
        assert people.invited(token, now=now(), secret="another") is None
        for wrong in (token[:-1], token.replace(".", ".9", 1), "", "x.y.z", token + "0"):
            assert people.invited(wrong, now=now(), secret=secret) is None


def test_an_invitation_without_role_or_address_is_refused(world: World, admin: Any) -> None:
    page = admin.get("/admin/people")
    assert admin.submit(page, {"email": "a@people.example"}, button="Invite").status_code == 422
    answer = admin.submit(page, {"email": "nonsense", f"role-{world.own}": "csr"}, button="Invite")
    assert answer.status_code == 422 and "Enter an e-mail address" in answer.page.text


def test_nobody_is_handed_the_invitation_of_somebody_whom_another_shop_invited(
    world: World, admin: Any, app: Flask
) -> None:
    """Whoever has such a link chooses the password, and is that person at the other shop too."""
    theirs = world.signed_in("admin", merchants=(world.other,))
    invited = {"name": "Demo Wanted", "email": "wanted@people.example", f"role-{world.other}": "admin"}
    page = theirs.submit(theirs.get("/admin/people"), invited, button="Invite").page
    link = page.text.partition("/admin/welcome/")[2].split()[0]
    again = {"email": "wanted@people.example", f"role-{world.own}": "csr"}
    answer = admin.submit(admin.get("/admin/people"), again, button="Invite")
    assert answer.status_code == 422 and "/admin/welcome/" not in answer.page.text
    assert "Another shop has invited this person" in answer.page.text
    assert role(world, "wanted@people.example") == {world.other: "admin"}
    visitor = app.test_client()
    visitor.submit(visitor.get(f"/admin/welcome/{link}"), {"password": "long enough for me"})
    assert admin.submit(admin.get("/admin/people"), again, button="Invite").status_code == 303
    assert role(world, "wanted@people.example") == {world.other: "admin", world.own: "csr"}


def test_an_invitation_ends_with_the_last_role_and_with_the_next_invitation(
    world: World, admin: Any, app: Flask
) -> None:
    typed = {"name": "Demo New", "email": "new@people.example", f"role-{world.own}": "csr"}
    links = []
    for _ in range(2):
        page = admin.submit(admin.get("/admin/people"), typed, button="Invite").page
        links.append(page.text.partition("/admin/welcome/")[2].split()[0])
        assert app.test_client().get(f"/admin/welcome/{links[-1]}").status_code == 200
        page = admin.get(f"/admin/people/{person_id(world, 'new@people.example')}")
        assert admin.submit(page, {f"role-{world.own}": ""}, button="Save roles").status_code == 303
        assert [app.test_client().get(f"/admin/welcome/{one}").status_code for one in links] == [404] * len(
            links
        )


def test_a_refused_invitation_keeps_what_was_chosen_and_a_good_one_begins_anew(
    world: World, admin: Any
) -> None:
    typed = {"name": "Demo New", "email": "nonsense", f"role-{world.own}": "finance"}
    refused = admin.submit(admin.get("/admin/people"), typed, button="Invite")
    fields, _ = refused.page.fields(refused.page.form(button="Invite"))
    assert fields[f"role-{world.own}"] == "finance" and fields["name"] == "Demo New"
    good = admin.submit(refused, {"email": "new@people.example"}, button="Invite")
    assert good.page.fields(good.page.form(button="Invite"))[0]["email"] == ""
    assert role(world, "new@people.example") == {world.own: "finance"}


def test_whoever_loses_the_last_role_is_signed_out_and_finds_the_sign_in_page(
    world: World, admin: Any, app: Flask
) -> None:
    csr = world.signed_in("csr")
    page = admin.get(f"/admin/people/{person_id(world, 'csr-0@people.example')}")
    admin.submit(page, {f"role-{world.own}": ""}, button="Save roles")
    assert csr.get("/admin/").status_code == 303
    visitor = app.test_client()
    answer = sign_in(visitor, "csr-0@people.example", PASSWORD)
    assert answer.status_code == 422 and "you have no role here" in answer.page.text
    assert visitor.get("/admin/").status_code == 303


def test_whoever_has_no_role_any_more_can_let_somebody_else_sign_in(world: World, app: Flask) -> None:
    stays = world.signed_in("csr")
    with app.app_context(), transaction():
        db.session.execute(sa.delete(Membership))
    assert stays.get("/admin/").status_code == 403
    assert stays.get("/admin/sign-in").page.h1 == "Sign in"


def test_a_browser_that_was_left_alone_counts_as_no_session(world: World, admin: Any) -> None:
    world.signed_in("csr")
    address = f"/admin/people/{person_id(world, 'csr-0@people.example')}"
    assert "Signed in in 1 browser." in admin.get(address).page.text
    for minutes in (40, 80):
        world.app.config["CLOCK"] = lambda minutes=minutes: now() + timedelta(minutes=minutes)
        page = admin.get(address).page
    assert "Signed in in 0 browsers." in page.text


def test_a_role_changes_at_the_next_click_and_history_has_before_and_after(world: World, admin: Any) -> None:
    csr = world.signed_in("csr")
    assert csr.get("/admin/finance").status_code == 403
    page = admin.get(f"/admin/people/{person_id(world, 'csr-0@people.example')}")
    assert admin.submit(page, {f"role-{world.own}": "finance"}, button="Save roles").status_code == 303
    assert csr.get("/admin/finance").status_code == 200
    log = admin.get("/admin/audit?what=person.roles_changed").page
    assert "Role: Support agent → now Finance" in log.text and "Demo admin" in log.text


def test_the_last_admin_stays_admin(world: World, admin: Any) -> None:
    mine = person_id(world, "admin-0@people.example")
    page = admin.get(f"/admin/people/{mine}")
    answer = admin.submit(page, {f"role-{world.own}": "csr"}, button="Save roles")
    assert answer.status_code == 409 and "Somebody has to stay administrator" in answer.page.text
    assert role(world, "admin-0@people.example") == {world.own: "admin"}
    answer = admin.post(f"/admin/people/{mine}/active", data={"active": "no"})
    assert answer.status_code == 409 and admin.get("/admin/").status_code == 200


def test_whoever_is_switched_off_is_out_at_once_and_stays_out(world: World, admin: Any, app: Flask) -> None:
    csr = world.signed_in("csr")
    assert csr.get("/admin/").status_code == 200
    page = admin.get(f"/admin/people/{person_id(world, 'csr-0@people.example')}")
    admin.submit(page, {}, button="Switch the account off")
    assert csr.get("/admin/").status_code == 303
    with app.app_context():
        assert people.sign_in("csr-0@people.example", PASSWORD) is None


def test_signing_somebody_out_everywhere_works_at_once(world: World, admin: Any) -> None:
    csr = world.signed_in("csr")
    page = admin.get(f"/admin/people/{person_id(world, 'csr-0@people.example')}")
    admin.submit(page, {}, button="Sign out everywhere")
    assert csr.get("/admin/").status_code == 303


def test_people_of_another_merchant_are_not_found_and_no_role_is_given_there(
    world: World, admin: Any
) -> None:
    world.signed_in("csr", merchants=(world.other,))
    theirs = person_id(world, "csr-1@people.example")
    assert "csr-1@people.example" not in admin.get("/admin/people").page.text
    assert admin.get(f"/admin/people/{theirs}").status_code == 404
    for part in ("roles", "sessions", "active", "invitation"):
        assert admin.post(f"/admin/people/{theirs}/{part}", data={}).status_code == 404
    admin.post(
        "/admin/people",
        data={"email": "csr-1@people.example", f"role-{world.own}": "csr", f"role-{world.other}": "admin"},
    )
    assert role(world, "csr-1@people.example") == {world.other: "csr", world.own: "csr"}
    answer = admin.post(f"/admin/people/{theirs}/active", data={"active": "no"})
    assert answer.status_code == 409 and "works for others too" in answer.page.text


def sign_in(client: Any, email: str, password: str) -> Any:
    page = client.get("/admin/sign-in")
    return client.submit(page, {"email": email, "password": password})


def test_one_sees_and_ends_ones_own_sessions(world: World, app: Flask) -> None:
    world.signed_in("csr")
    first, second, third = (app.test_client() for _ in range(3))
    for client in (first, second, third):
        assert sign_in(client, "csr-0@people.example", PASSWORD).status_code == 303
    page = first.get("/admin/sessions")
    assert page.page.text.count("This browser") == 1
    ends = [form for form in page.page.forms() if "/end" in str(form.attrib.get("action", ""))]
    assert len(ends) == 4, "two of this test, one of the world's, and all others at once"
    admin = world.signed_in("admin")
    foreign = ends[0].attrib["action"]
    assert admin.get("/admin/") and admin.post(foreign, data={}).status_code == 404
    first.submit(page, {}, button="End all others")
    assert [one.get("/admin/").status_code for one in (first, second, third)] == [200, 303, 303]


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0", "Firefox on Linux"),
        ("a reader of pages, iPhone", "iPhone"),
        ("an unheard-of reader of pages " + "x" * 100, "an unheard-of reader of pages " + "x" * 29 + "…"),
        ("", "Unknown browser"),
    ],
)
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_session_is_called_by_browser_and_system(world: World, sent: str, shown: str) -> None:
    world.signed_in("csr")
    client = world.app.test_client()
    client.environ_base["HTTP_USER_AGENT"] = sent
    sign_in(client, "csr-0@people.example", PASSWORD)
    text = client.get("/admin/sessions").page.text
    assert shown in text and ("Firefox/133" in text or shown + "x" in text) is False
    assert "End a test" in text, "the other one is named in the button that ends it"


def test_a_new_password_ends_every_session(world: World, app: Flask) -> None:
    other = world.signed_in("csr")
    client = app.test_client()
    sign_in(client, "csr-0@people.example", PASSWORD)
    page = client.get("/admin/sessions")
    wrong = client.submit(
        page, {"old_password": "not that one", "new_password": "quite another one"}, button="Change"
    )
    assert wrong.status_code == 422 and other.get("/admin/").status_code == 200
    good = {"old_password": PASSWORD, "new_password": "quite another one"}
    assert client.submit(page, good, button="Change").status_code == 303
    assert [one.get("/admin/").status_code for one in (client, other)] == [303, 303]
    assert sign_in(client, "csr-0@people.example", PASSWORD).status_code == 422
    assert sign_in(client, "csr-0@people.example", "quite another one").status_code == 303


def test_a_session_that_is_left_alone_ends_and_one_that_is_used_does_not(world: World) -> None:
    used, left = world.signed_in("csr"), world.signed_in("finance")
    watched, asking = world.signed_in("warehouse"), world.signed_in("supervisor")
    for minutes in range(0, 100, 20):
        world.app.config["CLOCK"] = lambda minutes=minutes: now() + timedelta(minutes=minutes)
        assert used.get("/admin/").status_code == 200
        watched.get("/admin/", htmx="board")
        asking.get("/admin/live?seen=0")
    assert left.get("/admin/").status_code == 303
    for client in (watched, asking):
        assert client.get("/admin/").status_code == 303, "a page that asks by itself keeps nobody signed in"
    world.app.config["CLOCK"] = lambda: now() + timedelta(hours=13)
    assert used.get("/admin/").status_code == 303


# -------------------------------------------------------------------------------------------- the history


def test_the_history_is_searched_by_who_what_number_and_day(world: World, admin: Any) -> None:
    one, two = world.received(), world.received()
    with world.app.app_context():
        numbers = [world_number(one), world_number(two)]
    page = admin.get("/admin/audit", query_string={"number": numbers[0].lower()}).page
    assert numbers[0] in page.text and numbers[1] not in page.text
    assert "return.approved" not in admin.get("/admin/audit?what=return.received").page.text
    assert "Nothing was found" in admin.get("/admin/audit?who=nobody+of+that+name").page.text
    assert "Nothing was found" in admin.get("/admin/audit?day=2001-01-01").page.text
    assert "That is no day" in admin.get("/admin/audit?day=yesterday").page.text
    today = now().astimezone(ZONE).date().isoformat()
    assert numbers[0] in admin.get("/admin/audit", query_string={"day": today}).page.text


def world_number(return_id: Any) -> str:
    from portal.db import returns

    row = returns.get(return_id)
    assert row is not None and row.number is not None
    return row.number


def test_the_history_is_paged_and_the_file_has_exactly_the_list(world: World, admin: Any) -> None:
    for _ in range(8):
        world.received()
    with world.app.app_context():
        own = sa.select(sa.func.count()).where(Happening.merchant_id == world.own)
        count = int(db.session.scalar(own) or 0)
    seen, url = 0, "/admin/audit"
    while url:
        page = admin.get(url).page
        seen += sum(1 for _ in page.tree.iter("tr")) - 1
        following = [href for words, href in page.links().items() if "Next" in words or "Older" in words]
        url = following[0] if following else ""
    assert seen == count
    lines = admin.get("/admin/audit.csv").get_data(as_text=True).strip().split("\r\n")
    assert len(lines) == count + 1
    some = admin.get("/admin/audit.csv?what=return.received").get_data(as_text=True).strip().split("\r\n")
    assert 1 < len(some) < len(lines)


def test_times_are_those_of_the_shop_wherever_nothing_else_is_said(world: World, app: Flask) -> None:
    moment = datetime(2026, 1, 15, 3, 30, tzinfo=UTC)
    with app.app_context(), transaction():
        db.session.execute(
            sa.update(Merchant).where(Merchant.id == world.own).values(zone="America/New_York")
        )
        shop = sa.select(Merchant.id).where(Merchant.id == world.own)
        history.record(
            SYSTEM, "policy.published", merchant_id=world.own, subject_id=db.session.scalars(shop).one(), now=moment,
            version=77,
        )  # fmt: skip
    page = world.signed_in("admin").get("/admin/audit?what=policy.published&day=2026-01-14").page
    assert "14 Jan 2026, 22:30" in page.text


def test_nobody_reads_the_history_of_another_merchant(world: World) -> None:
    world.received()
    stranger = world.signed_in("admin", merchants=(world.other,))
    page = stranger.get("/admin/audit", query_string={"merchant": str(world.own)}).page
    assert "Nothing was found" in page.text
    assert "own" not in [head.text for head in stranger.get("/admin/audit/proof").page.tree.iter("h2")]


def test_the_proof_says_that_all_is_well_and_names_what_is_not(world: World, admin: Any) -> None:
    world.received()
    assert "Every entry is as it was written" in admin.get("/admin/audit/proof").page.text
    with world.app.app_context():
        session = db.session()
        if session.get_bind().dialect.name == "postgresql":
            session.execute(sa.text("ALTER TABLE history DISABLE TRIGGER USER"))
        else:
            session.execute(sa.text("DROP TRIGGER history_no_update"))
        session.execute(
            sa.update(Happening)
            .where(Happening.merchant_id == world.own, Happening.sequence == 3)
            .values(actor_name="Somebody else")
        )
        session.commit()
    assert "Entry 3: What it says is not what was written" in admin.get("/admin/audit/proof").page.text


def test_the_table_of_roles_shows_every_permission_in_words(world: World) -> None:
    from portal.core.access import PERMISSIONS
    from portal.words.access import PERMISSIONS as WORDS

    assert set(WORDS) == set(PERMISSIONS)
    page = world.signed_in("warehouse").get("/admin/roles").page
    for sentence in WORDS.values():
        assert sentence in page.text
