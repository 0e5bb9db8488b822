"""A provider that misbehaves, and people who try things: all of it is refused, and nobody is signed in."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import sqlalchemy as sa
from flask import Flask
from joserfc import jwt

from portal.db.base import db, transaction
from portal.db.history import Happening
from portal.db.people import Membership, Person, PersonSession
from portal.services.persons import people, staff
from tests.oidc_server import crooked
from tests.oidc_server.crooked import Provider
from tests.web.admin_world import PASSWORD, World, a_world, now

ROLES = (
    "portal-leads=own:supervisor; portal-agents=own:csr; portal-agents=other:warehouse; lost=nowhere:admin"
)


@pytest.fixture
def provider() -> Iterator[Provider]:
    with crooked.running() as made:
        yield made


@pytest.fixture
def make(make_app: Callable[..., Flask], provider: Provider) -> Callable[..., Flask]:
    def with_provider(**more: str) -> Flask:
        return make_app(
            OIDC_ISSUER=provider.issuer, OIDC_CLIENT_ID=crooked.CLIENT_ID,
            OIDC_CLIENT_SECRET=crooked.CLIENT_SECRET, OIDC_ROLES=ROLES, **more,
        )  # fmt: skip

    return with_provider


@pytest.fixture
def world(make: Callable[..., Flask]) -> World:
    return a_world(make())


@pytest.fixture
def client(world: World) -> Any:
    return world.app.test_client()


def begin(client: Any, next: str = "") -> str:
    """Where the browser is sent."""
    sent = client.get("/admin/sign-in/oidc", query_string={"next": next} if next else None)
    assert sent.status_code == 302, sent.get_data(as_text=True)
    return str(sent.location)


def come_back(client: Any, code: str, url: str, **more: str) -> Any:
    state = parse_qs(urlsplit(url).query)["state"][0]
    return client.get("/admin/sign-in/oidc/back", query_string={"code": code, "state": state, **more})


def sign_in(client: Any, provider: Provider, next: str = "") -> Any:
    url = begin(client, next)
    return come_back(client, provider.authorize(url), url)


def is_in(client: Any) -> bool:
    return bool(client.get("/admin/").status_code == 200)


def sessions(world: World) -> int:
    with world.app.app_context():
        return int(db.session.scalar(sa.select(sa.func.count()).select_from(PersonSession)) or 0)


def refused(answer: Any, client: Any, world: World, *said: str, sessions_before: int = 0) -> None:
    assert answer.status_code in (400, 403, 409, 503), answer.status_code
    assert answer.page.h1 == "You are not signed in"
    for words in said:
        assert words in answer.page.text
    assert not is_in(client)
    assert sessions(world) == sessions_before


def test_who_comes_back_is_signed_in_with_exactly_the_roles_of_the_claims(
    world: World, client: Any, provider: Provider
) -> None:
    answer = sign_in(client, provider, "/admin/orders")
    assert (answer.status_code, answer.location) == (303, "/admin/orders")
    assert is_in(client)
    with world.app.app_context():
        person = db.session.scalars(sa.select(Person).where(Person.subject == "person-1")).one()
        assert (person.issuer, person.name, person.password_hash) == (provider.issuer, "Demo Agent", "")
        roles = sa.select(Membership.merchant_id, Membership.role).where(Membership.person_id == person.id)
        assert dict(db.session.execute(roles).all()) == {world.own: "csr", world.other: "warehouse"}


def test_the_request_has_pkce_a_state_and_a_nonce_and_the_portals_own_address(
    client: Any, provider: Provider
) -> None:
    url = begin(client)
    asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    assert url.startswith(f"{provider.issuer}/authorize?")
    assert asked["response_type"] == "code" and asked["code_challenge_method"] == "S256"
    assert asked["redirect_uri"] == "http://localhost/admin/sign-in/oidc/back"
    assert min(len(asked["state"]), len(asked["nonce"])) >= 20 and len(asked["code_challenge"]) == 43
    come_back(client, provider.authorize(url), url)
    assert len(provider.exchanged[0]["code_verifier"]) >= 43


def hs256(claims: dict[str, Any]) -> str:
    """A token whose shared secret is what everybody can read: the public key."""
    parts = [json.dumps(part).encode() for part in ({"alg": "HS256", "kid": "right"}, claims)]
    told = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    sign = hmac.new(crooked.KEY.as_pem(private=False), told, hashlib.sha256).digest()
    return (told + b"." + base64.urlsafe_b64encode(sign).rstrip(b"=")).decode()


WRONG = {
    "another nonce": {"twist": lambda claims: claims.update(nonce="another")},
    "no nonce": {"twist": lambda claims: claims.pop("nonce")},
    "another audience": {"twist": lambda claims: claims.update(aud="somebody-else")},
    "an empty audience": {"twist": lambda claims: claims.update(aud="")},
    "no audience in a list": {"twist": lambda claims: claims.update(aud=[])},
    "no audience": {"twist": lambda claims: claims.pop("aud")},
    "ours, for another party": {"twist": lambda claims: claims.update(azp="somebody-else")},
    "another issuer": {"twist": lambda claims: claims.update(iss="https://evil.example")},
    "no issuer": {"twist": lambda claims: claims.pop("iss")},
    "expired": {"twist": lambda claims: claims.update(exp=int(time.time()) - 3600)},
    "without an end": {"twist": lambda claims: claims.pop("exp")},
    "of the future": {"twist": lambda claims: claims.update(iat=int(time.time()) + 3600)},
    "nobody": {"twist": lambda claims: claims.pop("sub")},
    "an empty subject": {"twist": lambda claims: claims.update(sub="")},
    "not signed": {"sign": crooked.unsigned},
    "signed with the public key": {"sign": hs256},
    "signed by another": {"sign": lambda claims: jwt.encode({"alg": "RS256", "kid": "right"}, claims, crooked.FOREIGN)},
    "an unknown key": {"sign": lambda claims: jwt.encode({"alg": "RS256", "kid": "x"}, claims, crooked.FOREIGN)},
    "no ID token": {"token": {"id_token": None}},
    "no token at all": {"token": {"id_token": "nonsense"}},
    "another access token": {"twist": lambda claims: claims.update(at_hash="eHh4eHh4eHh4eHh4eHh4eA")},
    "another's metadata": {"metadata": {"issuer": "https://evil.example"}},
}  # fmt: skip


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize("wrong", WRONG)
def test_a_token_that_is_not_right_signs_nobody_in(
    world: World, client: Any, provider: Provider, wrong: str
) -> None:
    for name, value in WRONG[wrong].items():
        setattr(provider, name, value)
    if wrong == "another's metadata":
        refused(client.get("/admin/sign-in/oidc"), client, world, "could not be trusted")
        return
    refused(sign_in(client, provider), client, world, "could not be trusted")


def test_a_state_that_is_missing_wrong_or_used_signs_nobody_in(
    world: World, client: Any, provider: Provider
) -> None:
    url = begin(client)
    code = provider.authorize(url)
    for state in ({}, {"state": ""}, {"state": "another"}):
        answer = client.get("/admin/sign-in/oidc/back", query_string={"code": code, **state})
        refused(answer, client, world, "not begun in this browser")
    other = world.app.test_client()
    refused(come_back(other, code, url), other, world, "not begun in this browser")
    assert come_back(client, code, url).status_code == 303
    assert is_in(client)
    client.post("/admin/sign-out")
    refused(come_back(client, code, url), client, world, "not begun in this browser", sessions_before=1)


def test_a_cookie_that_is_played_again_opens_no_second_session(
    world: World, client: Any, provider: Provider
) -> None:
    """Even where the provider takes a code twice, and the browser's cookie was copied while signing in."""
    provider.once = False
    url = begin(client)
    with client.session_transaction() as session:
        copied = dict(session)
    code = provider.authorize(url)
    assert come_back(client, code, url).status_code == 303
    thief = world.app.test_client()
    with thief.session_transaction() as session:
        session.update(copied)
    refused(come_back(thief, code, url), thief, world, "used already", sessions_before=1)
    assert is_in(client)


def test_a_code_is_worth_nothing_without_its_verifier_or_a_second_time(
    world: World, client: Any, provider: Provider
) -> None:
    stolen = provider.authorize(begin(world.app.test_client()))
    url = begin(client)
    provider.authorize(url)
    refused(come_back(client, stolen, url), client, world, "did not confirm", "the code is no good")
    url = begin(client)
    code = provider.authorize(url)
    provider.begun[code]["used"] = "yes"
    refused(come_back(client, code, url), client, world, "did not confirm")


def test_what_the_provider_refuses_is_told_in_the_page(world: World, client: Any, provider: Provider) -> None:
    url = begin(client)
    state = parse_qs(urlsplit(url).query)["state"][0]
    said = {"error": "access_denied", "error_description": "<b>no</b> way", "state": state}
    answer = client.get("/admin/sign-in/oidc/back", query_string=said)
    refused(answer, client, world, "did not sign you in", "<b>no</b> way")
    assert "<b>no</b>" not in answer.get_data(as_text=True)


def test_whoever_began_no_sign_in_is_shown_nothing_that_a_stranger_wrote(
    world: World, client: Any, provider: Provider
) -> None:
    said = {"error": "access_denied", "error_description": "call this number", "state": "x"}
    answer = client.get("/admin/sign-in/oidc/back", query_string=said)
    refused(answer, client, world, "not begun in this browser")
    assert "call this number" not in answer.page.text


def test_who_is_refused_stands_in_the_page_and_not_in_the_log(
    world: World, client: Any, provider: Provider, caplog: pytest.LogCaptureFixture
) -> None:
    provider.claims["groups"] = []
    refused(sign_in(client, provider), client, world, "Demo Agent")
    logged = [vars(one) for one in caplog.records if one.message == "oidc_refused"]
    assert [one["code"] for one in logged] == ["no_role"]
    assert not [one for one in logged if "Demo Agent" in str(one)]


def test_an_answer_in_the_name_of_another_issuer_is_refused(
    world: World, client: Any, provider: Provider
) -> None:
    url = begin(client)
    answer = come_back(client, provider.authorize(url), url, iss="https://evil.example")
    refused(answer, client, world, "could not be trusted")


def test_a_provider_that_does_not_answer_is_said_so(make_app: Callable[..., Flask]) -> None:
    app = make_app(OIDC_ISSUER="http://127.0.0.1:9", OIDC_CLIENT_ID="x", OIDC_ROLES=ROLES)
    a_world(app)
    client = app.test_client()
    answer = client.get("/admin/sign-in/oidc")
    assert answer.status_code == 503
    assert "does not answer" in answer.page.text


@pytest.mark.parametrize(
    "groups", [None, [], ["guests"], "portal", ["lost"], {"portal-agents": True}, [["portal-agents"]]]
)
def test_without_a_role_there_is_no_access(
    world: World, client: Any, provider: Provider, groups: Any
) -> None:
    if groups is None:
        del provider.claims["groups"]
    else:
        provider.claims["groups"] = groups
    refused(sign_in(client, provider), client, world, "you have no role here", "Demo Agent")
    with world.app.app_context():
        assert db.session.scalar(sa.select(Person.id).where(Person.subject == "person-1")) is None


def test_roles_that_the_id_token_leaves_out_are_asked_of_the_provider(
    world: World, client: Any, provider: Provider
) -> None:
    del provider.claims["groups"]
    provider.userinfo = {"sub": "somebody-else", "groups": ["portal-leads"]}
    refused(sign_in(client, provider), client, world, "could not be trusted")
    provider.userinfo = {"sub": "person-1", "groups": ["portal-leads"]}
    assert sign_in(client, provider).status_code == 303
    assert client.get("/admin/finance").status_code == 200


def test_a_claim_can_be_a_path(make: Callable[..., Flask], provider: Provider) -> None:
    app = make(OIDC_ROLES_CLAIM="realm_access.roles")
    a_world(app)
    client = app.test_client()
    del provider.claims["groups"]
    provider.claims["realm_access"] = {"roles": ["portal-leads"]}
    assert sign_in(client, provider).status_code == 303


def test_roles_follow_the_claims_at_each_sign_in_and_history_says_so(
    world: World, client: Any, provider: Provider
) -> None:
    sign_in(client, provider)
    provider.claims["groups"] = ["portal-leads", "portal-agents"]
    other = world.app.test_client()
    sign_in(other, provider)
    assert client.get("/admin/finance").status_code == 200, "a role counts at the next request"
    with world.app.app_context():
        told = sa.select(Happening.changed).where(
            Happening.what == "person.roles_changed", Happening.merchant_id == world.own
        )
        changes = [one for one in db.session.scalars(told.order_by(Happening.id)) if "role" in one]
        assert changes[-2:] == [{"role": ["", "csr"]}, {"role": ["csr", "supervisor"]}]


def test_whoever_lost_the_last_role_is_out_everywhere_at_once(
    world: World, client: Any, provider: Provider
) -> None:
    sign_in(client, provider)
    assert is_in(client)
    provider.claims["groups"] = []
    other = world.app.test_client()
    refused(sign_in(other, provider), other, world, "you have no role here", sessions_before=1)
    assert not is_in(client)


def test_the_same_subject_of_another_issuer_or_the_same_address_is_somebody_else(
    world: World, client: Any, provider: Provider
) -> None:
    world.signed_in("admin")
    provider.claims["email"] = "admin-0@people.example"
    refused(sign_in(client, provider), client, world, "has this e-mail address already", sessions_before=1)
    with world.app.app_context(), transaction():
        db.session.execute(sa.update(Person).values(issuer="https://elsewhere.example", subject="person-1"))
    provider.claims["email"] = "mine@people.example"
    assert sign_in(client, provider).status_code == 303
    with world.app.app_context():
        assert db.session.scalar(sa.select(sa.func.count()).where(Person.subject == "person-1")) == 2


def test_a_person_who_was_switched_off_stays_out_whatever_the_provider_says(
    world: World, client: Any, provider: Provider
) -> None:
    sign_in(client, provider)
    with world.app.app_context(), transaction():
        db.session.execute(sa.update(Person).where(Person.subject == "person-1").values(active=False))
    refused(sign_in(client, provider), client, world, "switched off", sessions_before=1)


def test_a_session_that_somebody_planted_is_not_the_one_that_is_signed_in(
    world: World, client: Any, provider: Provider
) -> None:
    url = begin(client)
    with client.session_transaction() as session:
        session["person"] = "planted"
        session["links"] = {"a": "b"}
    come_back(client, provider.authorize(url), url)
    with client.session_transaction() as session:
        assert session["person"] != "planted" and "links" not in session
    thief = world.app.test_client()
    with thief.session_transaction() as session:
        session["person"] = "planted"
    assert is_in(client) and not is_in(thief)


def test_signing_out_leads_to_the_provider_with_its_own_token_and_an_old_cookie_is_dead(
    world: World, client: Any, provider: Provider
) -> None:
    sign_in(client, provider)
    client.get("/admin/")
    with client.session_transaction() as session:
        old = session["person"]
    answer = client.post("/admin/sign-out")
    assert answer.status_code == 303 and answer.location.startswith(f"{provider.issuer}/leave?")
    asked = parse_qs(urlsplit(answer.location).query)
    assert asked["post_logout_redirect_uri"] == ["http://localhost/admin/sign-in"]
    assert asked["id_token_hint"][0].count(".") == 2
    assert f"form-action 'self' {provider.issuer};" in answer.headers["Content-Security-Policy"]
    with client.session_transaction() as session:
        session["person"] = old
    assert not is_in(client)
    with world.app.app_context():
        assert db.session.scalars(sa.select(PersonSession.id_token)).all() == [""]


@pytest.mark.parametrize("by", [{"sub": "person-1"}, {"sub": None, "sid": "there-1"}])
def test_the_provider_can_end_a_session_itself(
    world: World, client: Any, provider: Provider, by: dict[str, Any]
) -> None:
    sign_in(client, provider)
    token = provider.logout_token(**by)
    told = world.app.test_client()
    post = {"data": {"logout_token": token}, "csrf": False, "check": False}
    assert told.post("/admin/sign-in/oidc/signed-out", **post).status_code == 200
    assert not is_in(client)
    world.app.config["CLOCK"] = lambda: now() + timedelta(seconds=30)
    sign_in(client, provider)
    assert told.post("/admin/sign-in/oidc/signed-out", **post).status_code == 200
    assert is_in(client), "what was told before ends nothing that began since"


def test_who_was_signed_out_by_the_provider_stands_in_the_history(
    world: World, client: Any, provider: Provider
) -> None:
    sign_in(client, provider)
    post = {"data": {"logout_token": provider.logout_token()}, "csrf": False, "check": False}
    assert world.app.test_client().post("/admin/sign-in/oidc/signed-out", **post).status_code == 200
    with world.app.app_context():
        told = sa.select(Happening.merchant_id, Happening.actor_name, Happening.details)
        rows = db.session.execute(told.where(Happening.what == "person.sessions_ended")).all()
    assert {row[0] for row in rows} == {world.own, world.other}
    assert {(row[1], row[2]["sessions"]) for row in rows} == {("127.0.0.1", 1)}


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_provider_with_a_new_key_is_believed_at_once(world: World, client: Any, provider: Provider) -> None:
    sign_in(client, provider)
    provider.keys = [crooked.LATER]
    told = world.app.test_client()
    for key, status in ((crooked.FOREIGN, 400), (crooked.LATER, 200)):
        provider.sign = lambda claims, key=key: jwt.encode({"alg": "RS256", "kid": "later"}, claims, key)
        token = provider.logout_token()
        answer = told.post(
            "/admin/sign-in/oidc/signed-out", data={"logout_token": token}, csrf=False, check=False
        )
        assert answer.status_code == status
    assert not is_in(client)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_whole_shift_is_signed_out_at_once(world: World, client: Any, provider: Provider) -> None:
    told, token = world.app.test_client(), provider.logout_token()
    statuses = {
        told.post(
            "/admin/sign-in/oidc/signed-out", data={"logout_token": token}, csrf=False, check=False
        ).status_code
        for _ in range(210)
    }
    assert statuses == {200}


@pytest.mark.parametrize(
    "wrong",
    [{"aud": "another"}, {"iss": "https://evil.example"}, {"events": None}, {"nonce": "n"}, {"iat": None}],
)
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_logout_token_that_is_not_right_ends_nothing(
    world: World, client: Any, provider: Provider, wrong: dict[str, Any]
) -> None:
    sign_in(client, provider)
    told = world.app.test_client()
    for token in (provider.logout_token(**wrong), crooked.unsigned({"sub": "person-1"}), ""):
        answer = told.post(
            "/admin/sign-in/oidc/signed-out", data={"logout_token": token}, csrf=False, check=False
        )
        assert answer.status_code == 400
    assert is_in(client)


def test_passwords_can_be_switched_off(make: Callable[..., Flask]) -> None:
    app = make(LOCAL_PASSWORDS="no")
    world = a_world(app)
    world.signed_in("admin")
    client = app.test_client()
    page = client.get("/admin/sign-in")
    assert "Password" not in page.page.text
    app.config["WTF_CSRF_ENABLED"] = False  # no form is there that could be sent
    answer = client.post(
        "/admin/sign-in", data={"email": "admin-0@people.example", "password": PASSWORD}, csrf=False
    )
    assert answer.status_code == 422 and not is_in(client)


def test_without_passwords_nobody_is_invited_to_choose_one(
    make: Callable[..., Flask], provider: Provider
) -> None:
    app = make(LOCAL_PASSWORDS="no")
    world = a_world(app)
    admin = world.signed_in("admin")
    with app.app_context():
        who = people.named("admin-0@people.example")
        assert who is not None
        made = {
            "email": "new@people.example",
            "name": "Demo New",
            "language": "en",
            "roles": {world.own: "csr"},
        }
        secret = app.config["SETTINGS"].secret_key
        invited, token = staff.invite(who, **made, now=now(), secret=secret)
    assert app.test_client().get(f"/admin/welcome/{token}").status_code == 404
    page = admin.get("/admin/people")
    assert "nobody is invited here" in page.page.text and not page.page.has_id("invite-title")
    assert "New invitation" not in admin.get(f"/admin/people/{invited}").page.text
    form = {"email": "other@people.example", f"role-{world.own}": "csr"}
    assert admin.post("/admin/people", data=form).status_code == 409
    assert admin.post(f"/admin/people/{invited}/invitation", data={}).status_code == 409
    with app.app_context():
        assert db.session.scalar(sa.select(Person.id).where(Person.email == "other@people.example")) is None


def test_nothing_of_a_provider_is_there_without_one(app: Flask) -> None:
    a_world(app)
    visitor = app.test_client()
    assert "Sign in with your organization" not in visitor.get("/admin/sign-in").page.text
    assert visitor.get("/admin/sign-in/oidc").location == "/admin/sign-in"
    assert visitor.get("/admin/sign-in/oidc/back?code=x&state=y").location == "/admin/sign-in"
