"""Who asks: the holder of a link to one return, or a person who signed in."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar
from uuid import UUID

from flask import g, session

from portal.core.access import Actor, NotAllowed, NotFound
from portal.core.links import LinkFacts
from portal.services import links
from portal.web.page import now

P = ParamSpec("P")
R = TypeVar("R")

HELD = 8
"""Returns that one browser keeps open at once; the oldest link is forgotten first."""

SIGNED_IN_FOR = 12 * 3600
"""Seconds after which somebody signs in again."""


class LinkDead(Exception):
    """The link is expired or revoked; ``link`` says which, and for which return."""

    def __init__(self, link: LinkFacts, standing: str) -> None:
        super().__init__(standing)
        self.link, self.standing = link, standing


class SignInNeeded(Exception):
    """Nobody is signed in, or not any more."""


# -------------------------------------------------------------------------------------- the holder of a link


def hold(link: LinkFacts) -> None:
    """This browser may open the link's return from now on. No token is kept."""
    held: dict[str, str] = dict(session.get("links", {}))
    held.pop(str(link.return_id), None)
    held[str(link.return_id)] = str(link.id)
    session["links"] = dict(list(held.items())[-HELD:])


def holds(return_id: UUID) -> bool:
    """Whether this browser was opened a link to just this return."""
    return str(return_id) in session.get("links", {})


def holder(return_id: UUID, *, dead: bool = False) -> tuple[Actor, LinkFacts]:
    """Whoever holds a link to this return; for a cancellation, the buyer with a link to a return of its order.

    Raises ``NotFound`` for a return this browser has no link to, ``LinkDead`` for an expired or revoked link
    unless ``dead`` ones are wanted.
    """
    held: dict[str, str] = session.get("links", {})
    link_id = held.get(str(return_id))
    found = links.holder(UUID(link_id), now=now()) if link_id else None
    if found is None or found[1].return_id != return_id:
        found = links.beside([UUID(one) for one in held.values()], return_id, now=now()) if held else None
        if found is None:
            raise NotFound
    actor, link = found
    standing = link.standing(now())
    if standing in ("expired", "revoked") and not dead:
        raise LinkDead(link, standing)
    return actor, link


# ---------------------------------------------------------------------------------------------------- people


def sign_in(person_id: UUID, epoch: int) -> None:
    """From now on this browser is that person's; whatever it held before is gone, but the language."""
    language = session.get("language")
    session.clear()
    if language:
        session["language"] = language
    session["person"] = {"id": str(person_id), "epoch": epoch, "at": int(now().timestamp())}


def sign_out() -> None:
    language = session.get("language")
    session.clear()
    if language:
        session["language"] = language


def person() -> Actor:
    """The person who is signed in. Raises ``SignInNeeded``; ending somebody's access works at the next request."""
    from portal.services import people

    if "person" not in g:
        kept = session.get("person")
        if not kept or int(now().timestamp()) - kept["at"] > SIGNED_IN_FOR:
            raise SignInNeeded
        found = people.actor(UUID(kept["id"]), kept["epoch"])
        if found is None:
            raise SignInNeeded
        g.person = found
    return g.person  # type: ignore[no-any-return]


def needs(permission: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """For a view: somebody is signed in and holds ``permission`` at one merchant at least.

    Which merchant it must be is the service's to check.
    """

    def wrap(view: Callable[P, R]) -> Callable[P, R]:
        @wraps(view)
        def checked(*args: P.args, **kwargs: P.kwargs) -> Any:
            if not person().may_somewhere(permission):
                raise NotAllowed(permission)
            return view(*args, **kwargs)

        checked.needs = permission  # type: ignore[attr-defined]
        return checked

    return wrap
