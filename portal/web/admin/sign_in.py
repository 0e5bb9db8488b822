"""Signing in and out with an account of the portal's own."""

from flask import Blueprint, request, session, url_for
from werkzeug.wrappers import Response

from portal.services import people
from portal.web import actor
from portal.web.extensions import limiter
from portal.web.forms.admin import SignInForm, SignOutForm
from portal.web.page import page, redirect_to
from portal.web.words import gettext as _

bp = Blueprint("sign_in", __name__)

PER_ADDRESS = "30 per minute; 200 per hour"
PER_ACCOUNT = "10 per 10 minutes"


def local(path: str) -> str:
    """``path`` when it leads into the admin area of this site, else the desk."""
    here = path.startswith("/admin/") and "\\" not in path and not any(ord(letter) < 32 for letter in path)
    return path if here else url_for("admin.desk.show")


def _account() -> str:
    return "account:" + request.form.get("email", "").strip().lower()[:254]


@bp.get("/sign-in")
def show() -> Response:
    """The form; who is signed in already goes on."""
    wanted = request.args.get("next", "")
    try:
        actor.person()
    except actor.SignInNeeded:
        return page("admin/sign_in/show.html", form=SignInForm(formdata=None, next=wanted), wrong=())
    return redirect_to(local(wanted))


@bp.post("/sign-in")
@limiter.limit(PER_ADDRESS)
@limiter.limit(PER_ACCOUNT, key_func=_account)
def create() -> Response:
    """Open a session. What was wrong, address or password, is not told."""
    form = SignInForm()
    wrong: tuple[str, ...] = ()
    if form.validate_on_submit():
        found = people.sign_in(form.email.data, form.password.data)
        if found is not None:
            actor.sign_in(found.id)
            session["language"] = found.language
            return redirect_to(local(form.next.data or ""))
        wrong = (_("E-mail and password do not fit together."),)
    return page("admin/sign_in/show.html", form=form, wrong=wrong, status=422)


@bp.post("/sign-out")
def end() -> Response:
    """Close the session."""
    if SignOutForm().validate_on_submit():
        actor.sign_out()
    return redirect_to(url_for("admin.sign_in.show"))
