"""Pictures beside a message, a dispute, an inspection or a parcel: nothing of the file is kept, few may look."""

from io import BytesIO

import pytest
from PIL import Image

from portal.core.access import Conflict, NotAllowed, NotFound
from portal.db.base import transaction, uuid7
from portal.db.dock import Unexpected
from portal.db.messages import Entry
from portal.db.returns import Inspection
from portal.services import pictures
from tests.builders import (
    NOW,
    a_customer,
    a_merchant,
    a_person,
    a_return,
    an_item,
    an_order,
    line_ids,
)


def a_picture(format="JPEG", size=(60, 40), **more):
    out = BytesIO()
    Image.new("RGB", size, "teal").save(out, format, **more)
    return out.getvalue()


class World:
    def __init__(self, gateways):
        self.shop = a_merchant()
        self.back = a_return(gateways, self.shop, an_order(gateways, self.shop, [an_item("MUG", 1)]))
        self.line = line_ids(self.back)["MUG"]
        self.customer = a_customer(self.back, self.shop)
        self.dock = a_person(self.shop, "warehouse")
        self.agent = a_person(self.shop, "csr")
        self.foreign = a_return(gateways, self.shop, an_order(gateways, self.shop, [an_item("MUG", 1)]))

    def entry(self, kind):
        return self._made(Entry(merchant_id=self.shop, return_id=self.back, kind=kind, body="Demo", at=NOW))

    def inspection(self):
        return self._made(
            Inspection(
                merchant_id=self.shop, return_line_id=self.line, units=1, grade="D", disposition="recycle",
                accepted=True, at=NOW,
            )
        )  # fmt: skip

    def parcel(self):
        return self._made(
            Unexpected(merchant_id=self.shop, kind="unknown_parcel", code="DEMO-1", units=1, at=NOW)
        )

    def _made(self, row):
        row.id = uuid7()
        made = row.id
        with transaction() as session:
            session.add(row)
        return made

    def add(self, actor, subject, subject_id, folder, *, content=None, return_id="own", **more):
        return pictures.add(
            actor,
            merchant_id=self.shop,
            return_id=self.back if return_id == "own" else return_id,
            subject=subject,
            subject_id=subject_id,
            content=a_picture() if content is None else content,
            folder=folder,
            now=NOW,
            **more,
        )


@pytest.fixture
def world(session, gateways):
    return World(gateways)


def test_place_and_camera_are_gone_and_the_picture_stands_upright(world, tmp_path):
    told = Image.Exif()
    told[0x0112] = 6
    told[0x010F] = "Demo Camera"
    told.get_ifd(0x8825)[2] = (53.0, 33.0, 0.0)
    found = world.inspection()
    picture = world.add(
        world.dock, "inspection", found, tmp_path, content=a_picture(exif=told), line_id=world.line
    )
    kept = pictures.read(world.dock, picture, folder=tmp_path)
    image = Image.open(BytesIO(kept))
    assert image.size == (40, 60) and not dict(image.getexif())
    assert b"Demo Camera" not in kept and b"Exif" not in kept
    assert pictures.of([found, world.back]) == {found: [picture]}
    assert pictures.of_return(world.back, subject="inspection") == {found: [picture]}


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_with_odd_notes_is_kept_and_turned_as_its_camera_says(world, tmp_path, orientation):
    """A camera that writes a word where a number belongs."""
    fields = [(0x0100, 2, 4, b"abc\0"), (0x0112, 3, 1, bytes([orientation, 0, 0, 0]))]
    notes = b"".join(tag.to_bytes(2, "little") + kind.to_bytes(2, "little") + count.to_bytes(4, "little") + value
                     for tag, kind, count, value in fields)  # fmt: skip
    tiff = b"II*\0" + (8).to_bytes(4, "little") + (2).to_bytes(2, "little") + notes + bytes(4)
    corner = Image.new("RGB", (60, 40), "white")
    corner.paste("black", (0, 0, 30, 20))
    out = BytesIO()
    corner.save(out, "JPEG", exif=b"Exif\0\0" + tiff)
    picture = world.add(world.dock, "inspection", world.inspection(), tmp_path, content=out.getvalue())
    image = Image.open(BytesIO(pictures.read(world.dock, picture, folder=tmp_path)))
    across, down = image.width - 1, image.height - 1
    assert image.size == ((60, 40) if orientation < 5 else (40, 60))
    corners = {1: (0, 0), 2: (1, 0), 3: (1, 1), 4: (0, 1), 5: (0, 0), 6: (1, 0), 7: (1, 1), 8: (0, 1)}
    right, low = corners[orientation]
    assert image.getpixel((right * across, low * down))[0] < 60
    assert image.getpixel(((1 - right) * across, (1 - low) * down))[0] > 200


@pytest.mark.parametrize("content", [b"<svg onload='x()'/>", b"", a_picture()[:200]])
def test_what_is_no_picture_leaves_nothing(world, tmp_path, content):
    found = world.inspection()
    with pytest.raises(Conflict, match="photo_unreadable"):
        world.add(world.dock, "inspection", found, tmp_path, content=content)
    assert list(tmp_path.rglob("*.jpg")) == [] and pictures.of([found]) == {}


def test_one_subject_takes_only_so_many(world, tmp_path):
    found = world.inspection()
    for _ in range(pictures.MOST):
        world.add(world.dock, "inspection", found, tmp_path)
    with pytest.raises(Conflict, match="photos_full"):
        world.add(world.dock, "inspection", found, tmp_path)


def test_the_customer_sees_what_was_sent_written_and_inspected_and_no_note_or_parcel(world, tmp_path):
    shown = [
        world.add(world.customer, "message", world.entry("customer"), tmp_path),
        world.add(world.agent, "message", world.entry("agent"), tmp_path),
        world.add(world.dock, "inspection", world.inspection(), tmp_path),
    ]
    hidden = [
        world.add(world.agent, "message", world.entry("note"), tmp_path),
        world.add(world.dock, "unexpected", world.parcel(), tmp_path, return_id=None),
    ]
    for picture in shown:
        assert pictures.read(world.customer, picture, folder=tmp_path)
    for picture in hidden:
        assert pictures.read(world.agent, picture, folder=tmp_path)
        with pytest.raises(NotFound):
            pictures.read(world.customer, picture, folder=tmp_path)


def test_another_customer_and_another_shop_find_no_picture_and_add_none(world, tmp_path):
    entry = world.entry("customer")
    picture = world.add(world.customer, "message", entry, tmp_path)
    stranger = a_customer(world.foreign, world.shop)
    elsewhere = a_person(a_merchant(), "admin")
    for actor in (stranger, elsewhere):
        with pytest.raises(NotFound):
            pictures.read(actor, picture, folder=tmp_path)
        with pytest.raises(NotFound):
            world.add(actor, "message", entry, tmp_path)
    with pytest.raises(NotFound):
        pictures.read(world.agent, uuid7(), folder=tmp_path)


def test_a_picture_is_hung_only_on_what_is_there_and_belongs_to_that_return(world, tmp_path):
    with pytest.raises(NotFound):
        world.add(world.customer, "message", uuid7(), tmp_path)
    with pytest.raises(NotFound):
        world.add(a_customer(world.foreign, world.shop), "message", world.entry("customer"), tmp_path,
                  return_id=world.foreign)  # fmt: skip
    with pytest.raises(NotFound):
        world.add(world.dock, "other", world.inspection(), tmp_path)
    with pytest.raises(NotAllowed):
        world.add(world.customer, "inspection", world.inspection(), tmp_path)
    with pytest.raises(NotAllowed):
        world.add(world.agent, "inspection", world.inspection(), tmp_path)
    assert list(tmp_path.rglob("*.jpg")) == []
