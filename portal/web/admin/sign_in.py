"""Signing in and out: with a password of the portal's own, or by the OpenID provider of the house."""

import logging
from datetime import timedelta

from flask import Blueprint, current_app, request, session, url_for
from werkzeug.wrappers import Response

from portal.core.access import Conflict, NotFound
from portal.services.persons import oidc as by_claims
from portal.services.persons import people
from portal.web import actor, oidc
from portal.web.extensions import csrf, limiter
from portal.web.forms.admin import SignInForm, SignOutForm
from portal.web.page import now, page, redirect_to
from portal.web.words import gettext as _
from portal.web.words import words

log = logging.getLogger(__name__)
bp = Blueprint("sign_in", __name__)

PER_ADDRESS = "30 per minute; 200 per hour"
PER_ACCOUNT = "10 per 10 minutes"
FROM_PROVIDER = "1200 per minute"
"""One address tells of everybody who signs out there, and at the end of a shift of all at once."""


def local(path: str) -> str:
    """``path`` when it leads into the admin area of this site, else the desk."""
    here = path.startswith("/admin/") and "\\" not in path and not any(ord(letter) < 32 for letter in path)
    return path if here else url_for("admin.desk.show")


def _account() -> str:
    return "account:" + request.form.get("email", "").strip().lower()[:254]


def _ways() -> dict[str, bool]:
    return {"by_password": current_app.config["SETTINGS"].local_passwords, "by_provider": oidc.is_on()}


@bp.get("/sign-in")
def show() -> Response:
    """The form; who is signed in already, and may do anything here, goes on."""
    wanted = request.args.get("next", "")
    try:
        is_somebody = bool(actor.person().roles)
    except actor.SignInNeeded:
        is_somebody = False
    if is_somebody:
        return redirect_to(local(wanted))
    form = SignInForm(formdata=None, next=wanted)
    return page("admin/sign_in/show.html", form=form, wrong=(), next=wanted, **_ways())


@bp.post("/sign-in")
@limiter.limit(PER_ADDRESS)
@limiter.limit(PER_ACCOUNT, key_func=_account)
def create() -> Response:
    """Open a session. What was wrong, address or password, is not told."""
    form = SignInForm()
    wrong: tuple[str, ...] = ()
    if not _ways()["by_password"]:
        wrong = (_("Passwords are not used here. Sign in with the account of your organization."),)
    elif form.validate_on_submit():
        found = people.sign_in(form.email.data, form.password.data)
        who = people.actor(found.id, found.epoch) if found is not None else None
        if found is not None and who is not None and who.roles:
            actor.sign_in(found.id)
            session["language"] = found.language
            return redirect_to(local(form.next.data or ""))
        wrong = (_no_role() if found is not None else _("E-mail and password do not fit together."),)
    wanted = form.next.data or ""
    return page("admin/sign_in/show.html", form=form, wrong=wrong, next=wanted, status=422, **_ways())


@bp.get("/sign-in/oidc")
@limiter.limit(PER_ADDRESS)
def begin() -> Response:
    """To the provider."""
    if not oidc.is_on():
        return redirect_to(url_for("admin.sign_in.show"))
    try:
        there = oidc.begin()
    except oidc.Refusal as refusal:
        return _refused(refusal.code, refusal.told)
    session["wanted"] = local(request.args.get("next", ""))
    return there


@bp.get("/sign-in/oidc/back")
@limiter.limit(PER_ADDRESS)
def back() -> Response:
    """From the provider: signed in with the roles it gives, or nobody is signed in and the page says why."""
    if not oidc.is_on():
        return redirect_to(url_for("admin.sign_in.show"))
    wanted = session.get("wanted", "")
    try:
        claims, id_token, at_provider, nonce = oidc.finish()
        found = by_claims.sign_in(claims, current_app.config["SETTINGS"].oidc_roles, now=now())
        actor.sign_in(found.id, way="oidc", id_token=id_token, provider_session=at_provider, nonce=nonce)
    except oidc.Refusal as refusal:
        return _refused(refusal.code, refusal.told)
    except Conflict as conflict:
        return _refused(
            conflict.code, who=str(conflict.details.get("name") or conflict.details.get("email") or "")
        )
    session["language"] = found.language
    return redirect_to(local(wanted))


def _no_role() -> str:
    return _("You are known, but you have no role here. Ask an administrator to give you one.")


def _refused(code: str, told: str = "", *, who: str = "") -> Response:
    """Why nobody is signed in, in words; the log has the code, and not ``who`` it is about."""
    log.warning("oidc_refused", extra={"code": code, "told": told})
    sentences = {
        "unavailable": _("The sign-in service of your organization does not answer. Try again in a minute."),
        "state": _("This sign-in was not begun in this browser, or was used already. Begin again."),
        "repeated": _("This sign-in was not begun in this browser, or was used already. Begin again."),
        "declined": _("Your organization did not sign you in."),
        "not_exchanged": _("Your organization did not confirm the sign-in. Begin again."),
        "untrusted": _("What came from your organization could not be trusted, so nobody was signed in."),
        "no_role": _no_role(),
        "deactivated": _("Your account here is switched off. An administrator of the portal can help."),
        "email_taken": _(
            "Somebody here has this e-mail address already. An administrator of the portal can help."
        ),
    }
    status = {"unavailable": 503, "no_role": 403, "deactivated": 403, "email_taken": 409}.get(code, 400)
    return page("admin/sign_in/refused.html", told=sentences[code], detail=told or who, status=status)


@bp.post("/sign-in/oidc/signed-out")
@csrf.exempt
@limiter.limit(FROM_PROVIDER)
def told_signed_out() -> Response:
    """The provider itself says that somebody signed out there (back-channel logout)."""
    answer = Response(status=200, mimetype="text/plain")
    try:
        if not oidc.is_on():
            raise oidc.Refusal("untrusted")
        subject, at_provider, at = oidc.signed_out(request.form.get("logout_token", ""))
        by_claims.signed_out(
            current_app.config["SETTINGS"].oidc_issuer,
            subject=subject,
            provider_session=at_provider,
            told_at=at + timedelta(seconds=1),
            now=now(),
        )
    except oidc.Refusal as refusal:
        log.warning("oidc_logout_refused", extra={"code": refusal.code, "told": refusal.told})
        answer.status_code = 503 if refusal.code == "unavailable" else 400
    return answer


@bp.route("/welcome/<string:token>", methods=["GET", "POST"])
@limiter.limit(PER_ADDRESS)
def welcome(token: str) -> Response:
    """Whoever was invited chooses a password, once."""
    if not _ways()["by_password"]:
        raise NotFound
    secret = current_app.config["SETTINGS"].secret_key
    found = people.invited(token, now=now(), secret=secret)
    if found is None:
        raise NotFound
    problem = ""
    if request.method == "POST":
        try:
            signed_in = people.accept(
                token, request.form.get("password", "")[:1000], now=now(), secret=secret
            )
        except Conflict as conflict:
            problem = words().conflict(conflict.code)
        else:
            actor.sign_in(signed_in.id)
            return redirect_to(url_for("admin.desk.show"))
    status = 422 if problem else 200
    return page("admin/sign_in/welcome.html", name=found.name, token=token, problem=problem, status=status)


@bp.post("/sign-out")
def end() -> Response:
    """Close the session, here and where the provider keeps one."""
    there = None
    if SignOutForm().validate_on_submit():
        id_token = actor.sign_out()
        there = oidc.leave(id_token) if id_token and oidc.is_on() else None
    return there or redirect_to(url_for("admin.sign_in.show"))
