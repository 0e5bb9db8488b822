"""Pre-authorized links: sent, shown to copy, scan or print, extended, revoked, issued anew."""

from uuid import UUID

from flask import Blueprint, current_app, g, request, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response

from portal.core.access import Conflict, NotFound
from portal.core.links import LinkFacts, Site
from portal.core.returns import BY_CUSTOMER, Step, is_done
from portal.services import links
from portal.services.filing import returns
from portal.services.filing.returns import Page
from portal.services.handling import dossiers
from portal.services.handling.dossiers import Dossier
from portal.services.talking import notices
from portal.web.actor import needs, person
from portal.web.admin import drafts
from portal.web.admin.workspace import draft_of
from portal.web.forms.admin import ExtendForm, SendLinkForm
from portal.web.page import now, page, redirect_to, tell
from portal.web.words import gettext as _
from portal.web.words import speak
from portal.words import Words

bp = Blueprint("links", __name__)


@bp.get("/returns/<uuid:return_id>/link")
@needs("links.manage")
def new(return_id: UUID) -> Response:
    """What stays with the customer, which answers are fixed, how long it lives, and the mail as it will be."""
    found = draft_of(return_id)
    done = _answered(found)
    form = SendLinkForm(
        formdata=None,
        note=found.draft.note,
        days=found.terms.link_days,
        mail=True,
        open=[step for step in done if step not in found.draft.locked],
    )
    return _new_page(found, form)


@bp.post("/returns/<uuid:return_id>/link")
@needs("links.manage")
def create(return_id: UUID) -> Response:
    """Save note and locks; then, unless only a preview is wanted, make the link and mail it."""
    found, form = draft_of(return_id), SendLinkForm()
    done = _answered(found)
    form.offer(done)
    if not form.validate_on_submit():
        return _new_page(found, form, status=422)
    locked = [step for step in done if step not in (form.open.data or [])]
    returns.set_note(person(), return_id, note=form.note.data or "", locked=locked, now=now())
    if "preview" in request.form:
        return redirect_to(url_for("admin.links.new", return_id=return_id, _anchor="preview"))
    made = links.send_link(
        person(), return_id, days=form.days.data, email=bool(form.mail.data), site=_site(), now=now()
    )
    if "entry" in request.form:  # from the one screen, which goes on with how the call ends
        return redirect_to(url_for("admin.entered.show", return_id=return_id))
    tell(
        _("The link is made and goes out by e-mail.")
        if form.mail.data
        else _("The link is made. Nothing was mailed.")
    )
    return redirect_to(url_for("admin.links.show", return_id=return_id, link_id=made.id))


def _answered(found: Page) -> list[Step]:
    """What the agent has answered, so that it may be fixed or left open to change."""
    return [step for step in BY_CUSTOMER[:-1] if is_done(step, found.draft, found.terms)]


def _new_page(found: Page, form: SendLinkForm, *, status: int = 200) -> Response:
    form.offer(_answered(found))
    if not found.terms.by_link:
        raise Conflict("links_off")
    mail = notices.preview(
        person(),
        found.draft.id,
        event="link",
        gateways=current_app.extensions["gateways"],
        site=_site(),
        now=now(),
    )
    return page(
        "admin/links/new.html",
        found=found,
        draft=found.draft,
        shop=found.merchant,
        form=form,
        left=drafts.left_for_customer(found),
        mail=mail,
        status=status,
    )


@bp.get("/returns/<uuid:return_id>/links/<uuid:link_id>")
@needs("links.manage")
def show(return_id: UUID, link_id: UUID) -> Response:
    """The link to copy, scan or print, and what became of it."""
    found, link = _link(return_id, link_id)
    return _show(found, link, ExtendForm(formdata=None, days=found.page.terms.link_days))


def _show(found: Dossier, link: LinkFacts, form: ExtendForm, *, status: int = 200) -> Response:
    url = links.shown_url(person(), link.id, site=_site()) or ""
    return page(
        "admin/links/show.html",
        found=found.page,
        draft=found.page.draft,
        shop=found.page.merchant,
        link=link,
        standing=link.standing(now()),
        url=url,
        code=_code(url),
        left=drafts.left_for_customer(found.page),
        mail=next(
            (one for one in reversed(found.mails) if one.event in ("link", "link_reissued", "start_link")),
            None,
        ),
        form=form,
        status=status,
    )


@bp.get("/returns/<uuid:return_id>/links/<uuid:link_id>/paper")
@needs("links.manage")
def paper(return_id: UUID, link_id: UUID) -> Response:
    """One sheet for the customer: what it is, the address in letters, and the code."""
    found, link = _link(return_id, link_id)
    g.words = Words(found.page.draft.language, found.page.merchant.zone)
    url = links.shown_url(person(), link.id, site=_site()) or ""
    return page(
        "admin/links/paper.html",
        draft=found.page.draft,
        shop=found.page.merchant,
        merchant=found.page.merchant,
        link=link,
        url=url,
        code=_code(url),
    )


@bp.post("/returns/<uuid:return_id>/links/<uuid:link_id>/extension")
@needs("links.manage")
def extend(return_id: UUID, link_id: UUID) -> Response:
    """Open for so many days from today."""
    found, link = _link(return_id, link_id)
    form = ExtendForm()
    if not form.validate_on_submit():
        return _show(found, link, form, status=422)
    links.extend(person(), link_id, days=form.days.data, now=now())
    tell(_("The link works longer now."))
    return _back(return_id, link_id)


@bp.post("/returns/<uuid:return_id>/links/<uuid:link_id>/revocation")
@needs("links.manage")
def revoke(return_id: UUID, link_id: UUID) -> Response:
    """Dead at once."""
    _link(return_id, link_id)
    links.revoke(person(), link_id, now=now())
    tell(_("The link is revoked. Whoever opens it is told so."), "info")
    return _back(return_id, link_id)


@bp.post("/returns/<uuid:return_id>/links/<uuid:link_id>/renewal")
@needs("links.manage")
def reissue(return_id: UUID, link_id: UUID) -> Response:
    """A new link by e-mail; the old one is dead."""
    _link(return_id, link_id)
    made = links.reissue(person(), link_id, site=_site(), now=now())
    tell(_("A new link goes out by e-mail. The old one is off."))
    return _back(return_id, made.id)


def _link(return_id: UUID, link_id: UUID) -> tuple[Dossier, LinkFacts]:
    """The link of that return. Raises ``NotFound`` for another return's."""
    found = dossiers.dossier(person(), return_id, now=now())
    speak(zone=found.page.merchant.zone)
    for link in found.links:
        if link.id == link_id:
            return found, link
    raise NotFound


def _back(return_id: UUID, link_id: UUID) -> Response:
    return redirect_to(url_for("admin.links.show", return_id=return_id, link_id=link_id))


def _site() -> Site:
    site: Site = current_app.extensions["site"]
    return site


def _code(url: str) -> Markup:
    drawn = (
        current_app.extensions["gateways"].documents.qr_svg(url, title=_("QR code of the link"))
        if url
        else ""
    )
    return Markup(drawn)  # noqa: S704  drawn by the documents adapter, which escapes the title
