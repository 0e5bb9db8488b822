"""Photos: nothing of the file itself is kept, and nobody else sees them."""

from io import BytesIO

import pytest
from PIL import Image

from portal.core.access import Conflict, NotFound
from portal.db import history
from portal.services import photos
from portal.services.filing import returns
from tests.builders import NOW, a_customer, a_draft, a_merchant, a_person, an_order, chosen, terms


@pytest.fixture
def given(session, gateways):
    """(shop, agent, draft, line) of a draft with one line, which takes two photos."""
    shop = a_merchant(terms=terms(max_photos=2))
    agent = a_person(shop)
    order = an_order(gateways, shop)
    draft = a_draft(agent, shop, order)
    returns.choose_lines(agent, draft, chosen(order, {"MUG": 1}), now=NOW)
    return shop, agent, draft, returns.page(agent, draft, now=NOW).draft.lines[0].id


def a_picture(format="JPEG", size=(60, 40), **more):
    out = BytesIO()
    Image.new("RGB", size, "teal").save(out, format, **more)
    return out.getvalue()


def with_place():
    """A picture that tells where it was taken, lying on its side."""
    told = Image.Exif()
    told[0x0112] = 6
    told[0x010F] = "Demo Camera"
    told.get_ifd(0x8825)[2] = (53.0, 33.0, 0.0)
    return a_picture(exif=told)


def test_place_and_camera_are_gone_and_the_picture_stands_upright(given, tmp_path):
    shop, _, draft, line = given
    content = with_place()
    assert Image.open(BytesIO(content)).getexif().get_ifd(0x8825)
    customer = a_customer(draft, shop)
    photo = photos.add(customer, draft, line, content, folder=tmp_path, now=NOW)
    kept = photos.read(customer, draft, photo, folder=tmp_path)
    picture = Image.open(BytesIO(kept))
    assert picture.size == (40, 60) and not dict(picture.getexif())
    assert b"Demo Camera" not in kept and b"Exif" not in kept


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"<svg onload='x()'/>", "photo_unreadable"),
        (b"%PDF-1.4", "photo_unreadable"),
        (b"", "photo_unreadable"),
        (a_picture()[:200], "photo_unreadable"),
        (b"\xff\xd8" + b"0" * photos.MAX_BYTES, "photo_too_large"),
        (a_picture("PNG", (9000, 6000)), "photo_too_large"),
    ],
)
def test_what_is_no_photo_is_refused_and_leaves_nothing(given, tmp_path, content, code):
    _, agent, draft, line = given
    with pytest.raises(Conflict, match=code):
        photos.add(agent, draft, line, content, folder=tmp_path, now=NOW)
    assert list(tmp_path.rglob("*.jpg")) == []


def test_a_line_takes_so_many_photos_and_one_that_is_removed_makes_room(given, tmp_path):
    _, agent, draft, line = given
    first, _ = (photos.add(agent, draft, line, a_picture(), folder=tmp_path, now=NOW) for _ in range(2))
    with pytest.raises(Conflict, match="photos_full"):
        photos.add(agent, draft, line, a_picture(), folder=tmp_path, now=NOW)
    photos.remove(agent, draft, first, folder=tmp_path, now=NOW)
    photos.remove(agent, draft, first, folder=tmp_path, now=NOW)
    assert len(list(tmp_path.rglob("*.jpg"))) == 1
    assert photos.add(agent, draft, line, a_picture("PNG"), folder=tmp_path, now=NOW)


def test_who_takes_a_photo_away_stands_in_the_history_once(given, tmp_path):
    shop, agent, draft, line = given
    customer = a_customer(draft, shop)
    photo = photos.add(customer, draft, line, a_picture(), folder=tmp_path, now=NOW)
    before = len(history.of([draft]))
    photos.remove(agent, draft, photo, folder=tmp_path, now=NOW)
    photos.remove(agent, draft, photo, folder=tmp_path, now=NOW)
    (told,) = history.of([draft])[before:]
    assert (told.what, told.details["step"], told.actor_id) == ("return.updated", "photo", agent.id)


def test_another_customer_and_another_shop_find_no_photo(given, tmp_path, gateways):
    shop, agent, draft, line = given
    photo = photos.add(agent, draft, line, a_picture(), folder=tmp_path, now=NOW)
    other = a_draft(agent, shop, an_order(gateways, shop))
    for actor, return_id in (
        (a_customer(other, shop), draft),
        (a_customer(other, shop), other),
        (a_person(a_merchant()), draft),
    ):
        with pytest.raises(NotFound):
            photos.read(actor, return_id, photo, folder=tmp_path)
    with pytest.raises(NotFound):
        photos.add(a_customer(other, shop), other, line, a_picture(), folder=tmp_path, now=NOW)


def test_settled_answers_take_no_photo(given, tmp_path):
    shop, agent, draft, line = given
    from tests.builders import survey

    survey(agent, draft)
    returns.set_note(agent, draft, note="", locked=["survey"], now=NOW)
    with pytest.raises(Conflict, match="locked"):
        photos.add(a_customer(draft, shop), draft, line, a_picture(), folder=tmp_path, now=NOW)
