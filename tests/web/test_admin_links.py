"""A link from the desk: made, shown, printed, extended, revoked, issued anew; and what the customer gets."""

import re
from typing import Any
from uuid import UUID

import pytest
import zxingcpp
from flask import Flask

from tests import builders
from tests.web.admin_world import World, a_world, now

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def world(app: Flask) -> World:
    return a_world(app)


@pytest.fixture
def client(world: World) -> Any:
    return world.signed_in("csr")


@pytest.fixture
def draft(world: World) -> UUID:
    """Items and reasons are answered, the rest is open."""
    order = world.order()
    return_id = world.draft(order)
    with world.app.app_context():
        from portal.services.filing import returns

        agent = world.actor("csr")
        returns.choose_lines(agent, return_id, builders.chosen(order, {"SHIRT": 1}), now=now())
        builders.survey(agent, return_id, now=now())
    return return_id


def send(client: Any, return_id: UUID, data: dict[str, Any] | None = None, **more: Any) -> Any:
    return client.submit(
        client.get(f"/admin/returns/{return_id}/link"), data or {}, button="Make the link", **more
    )


def shown_url(page: Any) -> str:
    return str(page.by_id("link-address").get("value"))


def test_the_page_says_what_is_left_and_previews_the_message(client: Any, draft: UUID) -> None:
    page = client.get(f"/admin/returns/{draft}/link").page
    left = [" ".join("".join(node.itertext()).split()) for node in page.tree.iter("li")]
    assert {"Address", "Way of sending", "Check and confirm"} <= set(left)
    assert "Subject: Your return to Demo shop own is prepared" in page.text
    values, names = page.fields(page.form("/link"))
    assert values["days"] == "30"
    assert values.getlist("open") == ["lines", "survey"]
    assert "note" in names


def test_a_link_is_made_and_mailed_in_the_language_of_the_customer(
    world: World, client: Any, drain: Any
) -> None:
    return_id = world.draft(world.order(), language="fr")
    answer = send(client, return_id)
    assert answer.status_code == 303
    drain()
    mail = world.dossier(return_id).mails[-1]
    assert (mail.event, mail.state, mail.language) == ("link", "sent", "fr")
    assert "retour" in mail.subject.lower()


def test_note_locks_and_days_are_kept(world: World, client: Any, draft: UUID) -> None:
    answer = send(client, draft, {"note": "We are sorry.", "days": "10", "open": ["survey"]})
    found = world.dossier(draft)
    assert found.page.draft.note == "We are sorry."
    assert found.page.draft.locked == {"lines"}
    assert (found.links[0].expires_at - found.links[0].created_at).days == 10
    assert f"/links/{found.links[0].id}" in answer.location


def test_a_preview_saves_and_sends_nothing(world: World, client: Any, draft: UUID) -> None:
    page = client.get(f"/admin/returns/{draft}/link")
    answer = client.submit(page, {"note": "Only looking."}, button="Save and preview")
    assert "Only looking." in client.get(answer.location).page.text
    assert world.dossier(draft).links == ()
    assert world.dossier(draft).mails == ()


def test_without_a_mail_nothing_is_mailed(world: World, client: Any, draft: UUID) -> None:
    send(client, draft, drop=("mail",))
    found = world.dossier(draft)
    assert len(found.links) == 1
    assert found.mails == ()


@pytest.mark.parametrize("days", ["0", "", "366", "soon"])
def test_a_term_that_cannot_be_is_refused(world: World, client: Any, draft: UUID, days: str) -> None:
    answer = send(client, draft, {"days": days})
    assert answer.status_code == 422
    assert world.dossier(draft).links == ()


def test_the_link_is_shown_to_copy_and_its_code_says_the_same(client: Any, draft: UUID, world: World) -> None:
    page = client.get(send(client, draft).location).page
    url = shown_url(page)
    assert re.fullmatch(r"http://[^/]+/l/[\w-]{22,}", url)
    code = world.app.extensions["gateways"].documents.qr_png(url)
    from io import BytesIO

    from PIL import Image

    assert zxingcpp.read_barcodes(Image.open(BytesIO(code)))[0].text == url
    drawn = next(node for node in page.tree.iter() if str(node.tag).endswith("svg") and "role" in node.attrib)
    assert drawn is not None
    customer = world.app.test_client()
    opened = customer.get(url[url.index("/l/") :])
    assert opened.status_code == 303


def test_the_sheet_to_print_speaks_the_customers_language(world: World, client: Any) -> None:
    return_id = world.draft(world.order(), language="de")
    location = send(client, return_id).location
    url = shown_url(client.get(location).page)
    paper = client.get(f"{location}/paper")
    assert 'lang="de"' in paper.get_data(as_text=True)
    assert url in paper.page.text


def test_nobody_without_the_permission_sees_the_address(world: World, client: Any, draft: UUID) -> None:
    location = send(client, draft).location
    url = shown_url(client.get(location).page)
    warehouse = world.signed_in("warehouse")
    assert warehouse.get(location).status_code == 403
    body = warehouse.get(f"/admin/returns/{draft}").get_data(as_text=True)
    assert url not in body


def test_the_page_tells_whether_it_was_opened_and_finished(world: World, client: Any, draft: UUID) -> None:
    location = send(client, draft).location
    assert client.get(location).page.text.count("Not yet") == 2
    with world.app.app_context():
        from portal.services import links

        link = world.dossier(draft).links[0]
        holder = links.holder(link.id, now=now())
        assert holder is not None
        links.mark_opened(holder[0], link.id, now=now())
    assert client.get(location).page.text.count("Not yet") == 1


def test_a_revoked_link_explains_itself_and_can_be_issued_anew(
    world: World, client: Any, draft: UUID
) -> None:
    page = client.get(send(client, draft).location)
    old = shown_url(page.page)
    client.submit(page, button="Revoke link")
    shown = client.get(page.request.path)
    assert "Revoked" in shown.page.text
    assert not shown.page.has_id("link-address")
    assert world.app.test_client().get(old[old.index("/l/") :], follow_redirects=True).status_code == 410
    answer = client.submit(shown, button="Issue a new link")
    new = shown_url(client.get(answer.location).page)
    assert new != old
    assert [link.state for link in world.dossier(draft).links] == ["open", "revoked"]


def test_a_link_is_extended_from_today(world: World, client: Any, draft: UUID) -> None:
    page = client.get(send(client, draft, {"days": "3"}).location)
    assert client.submit(page, {"days": "0"}, button="Extend link").status_code == 422
    client.submit(page, {"days": "60"}, button="Extend link")
    assert (world.dossier(draft).links[0].expires_at - now()).days in (59, 60)


def test_a_link_belongs_to_its_return_alone(world: World, client: Any, draft: UUID) -> None:
    send(client, draft)
    link = world.dossier(draft).links[0]
    other = world.draft()
    assert client.get(f"/admin/returns/{other}/links/{link.id}").status_code == 404
