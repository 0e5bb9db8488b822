"""Who asks: the holder of a link to one return, or a person who signed in."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar
from uuid import UUID

from flask import current_app, g, request, session

from portal.core.access import Actor, NotAllowed, NotFound
from portal.core.links import LinkFacts
from portal.services import belonging, links
from portal.services.persons import sessions
from portal.services.persons.sessions import Visit
from portal.web.page import now

P = ParamSpec("P")
R = TypeVar("R")

HELD = 8
"""Returns that one browser keeps open at once; the oldest link is forgotten first."""


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


def sign_in(
    person_id: UUID,
    *,
    way: str = "password",
    id_token: str = "",
    provider_session: str = "",
    nonce: str = "",
) -> None:
    """From now on this browser is that person's; whatever it held before is gone, but the language."""
    browser = request.user_agent.string
    token = sessions.begin(
        person_id, way=way, browser=browser, now=now(), id_token=id_token, provider_session=provider_session,
        nonce=nonce,
    )  # fmt: skip
    _forget()
    session["person"] = token
    g.pop("visit", None)


def sign_out() -> str:
    """Nobody is signed in here any more; what an OpenID provider gave, to sign out there too, or blank."""
    token = session.get("person")
    _, id_token = sessions.end(token, now=now()) if token else ("", "")
    _forget()
    g.pop("visit", None)
    return id_token


def _forget() -> None:
    language = session.get("language")
    session.clear()
    if language:
        session["language"] = language


def visit() -> Visit:
    """The session of whoever is signed in. Raises ``SignInNeeded``; what ends it works at the next request."""
    if "visit" not in g:
        token = session.get("person")
        found = sessions.visit(token, now=now()) if isinstance(token, str) else None
        if found is None:
            raise SignInNeeded
        if found.is_due and not _by_itself():
            sessions.seen(found, now=now())
        g.visit = found
        g.zone = found.zones.get(request.args.get("merchant", "")) or next(iter(found.zones.values()), "")
    return g.visit  # type: ignore[no-any-return]


def _by_itself() -> bool:
    """Whether a page asked on its own, as boards do: that keeps nobody signed in who has left."""
    return request.headers.get("HX-Request") == "true" and request.method == "GET" or is_quiet()


def is_quiet() -> bool:
    """Whether this is a view that pages ask on their own, and nothing else."""
    view = current_app.view_functions.get(request.endpoint or "")
    return bool(getattr(view, "asks_by_itself", False))


def person() -> Actor:
    """The person who is signed in. Raises ``SignInNeeded``."""
    return visit().actor


def by_itself(view: Callable[P, R]) -> Callable[P, R]:
    """For a view that pages ask on their own: whoever only looks on is signed out in time."""
    view.asks_by_itself = True  # type: ignore[attr-defined]
    return view


def needs(permission: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """For a view: somebody is signed in and holds ``permission``, at the merchant of what the address names.

    Where it names nothing, at one merchant at least. The use case asks for itself as well.
    """

    def wrap(view: Callable[P, R]) -> Callable[P, R]:
        @wraps(view)
        def checked(*args: P.args, **kwargs: P.kwargs) -> Any:
            if not person().may_somewhere(permission):
                raise NotAllowed(permission)
            belonging.require(person(), permission, kwargs)
            return view(*args, **kwargs)

        checked.needs = permission  # type: ignore[attr-defined]
        return checked

    return wrap
