"""The address of one picture: for people of the merchant, and for the customer with a link to its return."""

import pytest

from portal.services import pictures
from tests.builders import line_ids
from tests.services.test_pictures import a_picture
from tests.web.admin_world import a_world, now
from tests.web.opening import opened

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


def test_a_picture_is_shown_to_people_and_to_its_customer_and_to_nobody_else(app):
    world = a_world(app)
    back, other = world.received(), world.received()
    with app.app_context():
        from portal.db.base import transaction, uuid7
        from portal.db.returns import Inspection

        found = uuid7()
        with transaction() as session:
            session.add(
                Inspection(
                    id=found, merchant_id=world.own, return_line_id=line_ids(back)["SHIRT"], units=1, grade="B",
                    disposition="restock_open_box", accepted=True, at=now(),
                )
            )  # fmt: skip
        picture = pictures.add(
            world.actor("warehouse"), merchant_id=world.own, return_id=back, subject="inspection",
            subject_id=found, content=a_picture(), folder=app.config["SETTINGS"].upload_dir, now=now(),
        )  # fmt: skip
    answer = world.signed_in("csr").get(f"/admin/pictures/{picture}")
    assert (answer.status_code, answer.mimetype) == (200, "image/jpeg") and "private" in answer.headers[
        "Cache-Control"
    ]
    assert opened(world, back).get(f"/r/{back}/pictures/{picture}").mimetype == "image/jpeg"
    assert opened(world, other).get(f"/r/{other}/pictures/{picture}").status_code == 404
    assert app.test_client().get(f"/r/{back}/pictures/{picture}").status_code == 404
    assert app.test_client().get(f"/admin/pictures/{picture}").status_code in (303, 401)
    foreign = world.signed_in("admin", merchants=(world.other,))
    assert foreign.get(f"/admin/pictures/{picture}").status_code == 404
