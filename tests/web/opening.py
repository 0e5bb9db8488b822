"""A browser in which the link to the status page of a return was opened; for tests of what customers see."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import session

from portal.core.links import STATUS
from portal.services import links
from portal.web.actor import hold
from tests.web.admin_world import World


def opened(world: World, return_id: UUID) -> Any:
    """A visitor who may look at that return, as after the link of the e-mail."""
    client = world.app.test_client()
    with world.app.test_request_context():
        hold(next(one for one in links.of_return(return_id) if one.purpose == STATUS))
        held = dict(session["links"])
    with client.session_transaction() as kept:
        kept["links"] = held
    return client
