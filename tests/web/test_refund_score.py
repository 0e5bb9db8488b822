"""After a refund the customer is asked how it went: one press in the message, and looking at it counts nothing."""

import re

import pytest
import sqlalchemy as sa
from flask import Flask

from portal.core.access import NotAllowed
from portal.db import returns as stored
from portal.db.base import db, transaction
from portal.db.mails import Mail
from portal.services.refunding import refunds
from portal.services.talking import scoring
from tests.web.admin_world import World, a_world, now
from tests.web.opening import opened

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def world(app: Flask) -> World:
    return a_world(app)


def refunded(world: World, drain):
    return_id = world.inspected({"SHIRT": 1})
    with world.app.app_context():
        refunds.propose(world.actor("admin"), return_id, now=now())
        db.session.commit()
    drain()
    with world.app.app_context():
        text = db.session.scalars(
            sa.select(Mail.text).where(Mail.return_id == return_id, Mail.event == "refunded")
        ).one()
    return return_id, re.findall(r"https?://\S+\?score=\d", text)


def kept(world: World, return_id):
    with world.app.app_context():
        row = stored.get(return_id)
        return row.score, row.score_comment


def test_the_message_asks_and_one_press_with_a_post_counts(world: World, drain) -> None:
    return_id, links = refunded(world, drain)
    assert [link[-1] for link in links] == ["5", "4", "3", "2", "1"]
    client = opened(world, return_id)
    here = client.get(f"/r/{return_id}/score?score=4")
    assert here.page.has_id("how") and kept(world, return_id) == (None, ""), "a GET never counts"
    client.submit(here, {"comment": "Quick."}, button="Send my answer", follow_redirects=True)
    assert kept(world, return_id) == (4, "Quick.")
    again = client.get(f"/r/{return_id}/score")
    client.submit(again, {"score": "2"}, button="Save my answer")
    assert kept(world, return_id)[0] == 2
    assert client.post(f"/r/{return_id}/score", data={"score": "9"}).status_code == 422
    assert kept(world, return_id)[0] == 2


def test_before_the_refund_nothing_is_asked_and_people_of_the_shop_never_answer(world: World) -> None:
    return_id = world.confirmed({"SHIRT": 1})
    with world.app.app_context():
        assert not scoring.answer(world.actor("csr"), return_id).is_asked
        with pytest.raises(NotAllowed), transaction():
            scoring.score(world.actor("admin"), return_id, score=5, now=now())
