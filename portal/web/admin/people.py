"""The people of a merchant and their roles, and the sessions and the password of whoever is signed in."""

from uuid import UUID

from flask import Blueprint, current_app, request, session, url_for
from werkzeug.wrappers import Response

from portal.core.access import ROLES, Actor, Conflict
from portal.core.browsers import browser_and_system, shortened
from portal.services import merchants
from portal.services.persons import people, sessions, staff
from portal.web import actor
from portal.web.actor import needs, person
from portal.web.admin.shapes import Column
from portal.web.admin.sign_in import PER_ADDRESS
from portal.web.extensions import limiter
from portal.web.page import now, page, redirect_to, tell
from portal.web.words import gettext as _
from portal.web.words import words

bp = Blueprint("people", __name__)


def _shops(who: Actor) -> list[tuple[UUID, str]]:
    """(id, name) of the merchants whose people may be edited."""
    return [(one, merchants.by_id(one).name) for one in who.merchant_ids if who.may("people.edit", one)]


def _roles() -> list[tuple[str, str]]:
    return [("", _("No role")), *((role, words().role(role)) for role in ROLES)]


def _given() -> dict[UUID, str]:
    """merchant -> role, as the form says; of merchants whose people may be edited."""
    return {shop: request.form.get(f"role-{shop}", "") for shop, _name in _shops(person())}


@bp.get("/people")
@needs("people.edit")
def index() -> Response:
    """Everybody, by name."""
    return _index()


def _index(problem: str = "", invitation: str = "", status: int = 200) -> Response:
    return page(
        "admin/people/index.html",
        columns=[Column(name=name) for name in (_("Name"), _("E-mail"), _("Roles"), _("Last seen"))],
        rows=staff.listing(person(), now=now()),
        shops=_shops(person()),
        roles=_roles(),
        problem=problem,
        invitation=invitation,
        typed={} if invitation else request.form,
        by_password=_by_password(),
        status=status,
    )


@bp.post("/people")
@needs("people.edit")
def invite() -> Response:
    """Somebody new: the answer has the link by which they choose their password."""
    if not _by_password():
        return _index(status=409)
    form = request.form
    try:
        _id, token = staff.invite(
            person(),
            email=form.get("email", "")[:254],
            name=form.get("name", "")[:200],
            language=str(session.get("language", "en")),
            roles=_given(),
            now=now(),
            secret=_secret(),
        )
    except Conflict as conflict:
        return _index(problem=words().conflict(conflict.code), status=422)
    if not token:
        tell(_("The role is given. This person signs in as before."))
        return redirect_to(url_for("admin.people.index"))
    return _index(invitation=_link(token))


@bp.get("/people/<uuid:person_id>")
@needs("people.edit")
def show(person_id: UUID) -> Response:
    """One of them."""
    return _one(person_id)


def _one(person_id: UUID, problem: str = "", invitation: str = "", status: int = 200) -> Response:
    found = staff.one(person(), person_id, now=now())
    return page(
        "admin/people/show.html",
        found=found,
        shops=_shops(person()),
        roles=_roles(),
        problem=problem,
        invitation=invitation,
        by_password=_by_password(),
        myself=found.id == person().id,
        status=status,
    )


@bp.post("/people/<uuid:person_id>/roles")
@needs("people.edit")
def change_roles(person_id: UUID) -> Response:
    """Other roles, from the next request on."""
    try:
        done = staff.set_roles(person(), person_id, _given(), now=now())
    except Conflict as conflict:
        return _one(person_id, problem=words().conflict(conflict.code), status=409)
    if done:
        tell(_("The roles are changed. They count from the next click on."))
    return redirect_to(url_for("admin.people.index"))


@bp.post("/people/<uuid:person_id>/sessions")
@needs("people.edit")
def end_sessions(person_id: UUID) -> Response:
    """Signed out everywhere, at once."""
    ended = staff.sign_out_everywhere(person(), person_id, now=now())
    tell(_("Signed out everywhere. Open sessions: %(count)s.", count=ended))
    return redirect_to(url_for("admin.people.index"))


@bp.post("/people/<uuid:person_id>/active")
@needs("people.edit")
def set_active(person_id: UUID) -> Response:
    """Can sign in no more, or again."""
    try:
        staff.set_active(person(), person_id, request.form.get("active") == "yes", now=now())
    except Conflict as conflict:
        return _one(person_id, problem=words().conflict(conflict.code), status=409)
    tell(_("Saved."))
    return redirect_to(url_for("admin.people.show", person_id=person_id))


@bp.post("/people/<uuid:person_id>/invitation")
@needs("people.edit")
def invite_again(person_id: UUID) -> Response:
    """A new link for somebody who has not chosen a password."""
    if not _by_password():
        return _index(status=409)
    try:
        token = staff.invitation_of(person(), person_id, now=now(), secret=_secret())
    except Conflict as conflict:
        return _one(person_id, problem=words().conflict(conflict.code), status=409)
    return _one(person_id, invitation=_link(token))


def _by_password() -> bool:
    """Whether people have passwords here; else an invitation would let in whom the organization does not."""
    return bool(current_app.config["SETTINGS"].local_passwords)


def _secret() -> str:
    return str(current_app.config["SETTINGS"].secret_key)


def _link(token: str) -> str:
    return f"{current_app.config['SETTINGS'].base_url}{url_for('admin.sign_in.welcome', token=token)}"


# ------------------------------------------------------------------------------------------------- one's own


@bp.get("/sessions")
@needs("returns.read")
def own() -> Response:
    """The browsers in which one is signed in."""
    return _own()


def _own(problem: str = "", status: int = 200) -> Response:
    here = actor.visit()
    return page(
        "admin/people/own.html",
        rows=[(row, _called(row.browser)) for row in sessions.own(person(), now=now())],
        here=here.session_id,
        has_password=here.way == "password",
        problem=problem,
        status=status,
    )


def _called(text: str) -> str:
    """A browser as people call it; one that nobody knows as it calls itself, but not at length."""
    browser, system = browser_and_system(text)
    if browser and system:
        return _("%(browser)s on %(system)s", browser=browser, system=system)
    return browser or system or shortened(text) or _("Unknown browser")


@bp.post("/sessions/<uuid:session_id>/end")
@needs("returns.read")
def end(session_id: UUID) -> Response:
    """That browser is signed out at its next click."""
    sessions.end_one(person(), session_id, now=now())
    tell(_("That browser is signed out."))
    return redirect_to(url_for("admin.people.own"))


@bp.post("/sessions/others/end")
@needs("returns.read")
def end_others() -> Response:
    """Every browser but this one."""
    sessions.end_others(person(), actor.visit().session_id, now=now())
    tell(_("All other browsers are signed out."))
    return redirect_to(url_for("admin.people.own"))


@bp.post("/sessions/password")
@limiter.limit(PER_ADDRESS)
@needs("returns.read")
def change_password() -> Response:
    """A new password; every browser signs in anew, this one too."""
    form = request.form
    try:
        people.change_password(
            person(), form.get("old_password", "")[:1000], form.get("new_password", "")[:1000], now=now()
        )
    except Conflict as conflict:
        return _own(problem=words().conflict(conflict.code), status=422)
    actor.sign_out()
    tell(_("The password is changed. Sign in with the new one."))
    return redirect_to(url_for("admin.sign_in.show"))
