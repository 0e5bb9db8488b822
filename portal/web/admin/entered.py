"""The end of an entry: the number to read aloud, or the link for the customer, and what is on its way to them."""

from uuid import UUID

from flask import Blueprint, request, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response

from portal.core.facts import CANCELLATIONS, STAYS
from portal.core.links import LinkFacts
from portal.core.returns import Draft
from portal.core.workflows import NO_RETURN
from portal.services import links
from portal.services.handling import dossiers
from portal.services.handling.dossiers import Dossier
from portal.services.talking.notices import MailFacts
from portal.web.actor import by_itself, needs, person
from portal.web.admin import drafts
from portal.web.admin.dossiers import papers
from portal.web.page import gateways, now, page, redirect_to, site
from portal.web.words import gettext as _
from portal.web.words import speak, words
from portal.words import Words
from portal.words.calls import WRITTEN
from portal.words.entry_calls import Entered, entered
from portal.words.spelling import spelled

bp = Blueprint("entered", __name__)

RECEIPTS = ("approved", "requested", "refund_granted")
LINKS = ("link", "link_reissued")
JUST_ENTERED = ("draft", "requested", "approved")
"""What has gone further, or was refused, has no end of an entry any more."""


@bp.get("/returns/<uuid:return_id>/entered")
@needs("returns.create")
@by_itself
def show(return_id: UUID) -> Response:
    """What came of the entry. A draft without a link is still being entered."""
    found = dossiers.dossier(person(), return_id, now=now())
    speak(zone=found.page.merchant.zone)
    draft = found.page.draft
    keeps = _stays(draft)
    if draft.state not in JUST_ENTERED and not (keeps and draft.state == "closed"):
        return redirect_to(url_for("admin.returns.show", return_id=return_id))
    link = _open_link(found) if draft.state == "draft" else None
    if draft.kind in CANCELLATIONS or (draft.state == "draft" and link is None):
        return redirect_to(url_for("admin.prepare.show", return_id=return_id))
    mail = _last(found, LINKS if link else RECEIPTS)
    documents = papers(found)
    url = (links.shown_url(person(), link.id, site=site()) or "") if link else ""
    answer = page(
        "admin/entered/show.html",
        fragments=("entry", "sent"),
        found=found.page,
        draft=draft,
        shop=found.page.merchant,
        link=link,
        url=url,
        code=_code(url),
        left=drafts.left_for_customer(found.page) if link else (),
        mail=mail,
        documents=documents,
        parcel=found.parcels[-1] if found.parcels else None,
        waits=_waits(found, mail, bool(documents)),
        ship_by=found.ship_by,
        groups=spelled(draft.number or ""),
        method=words().method(draft.sending.method) if draft.sending else None,
        refund=found.confirmed,
        language=draft.language,
        script=_script(found, link, mail),
        spoken=words().channel(draft.channel),
        is_written=draft.channel in WRITTEN,
        keeps=keeps,
    )
    if (
        request.headers.get("HX-Target") == "entry"
    ):  # what is asked for again and again is no step of anybody's
        answer.headers["HX-Push-Url"] = url_for("admin.entered.show", return_id=return_id)
    return answer


def _stays(draft: Draft) -> bool:
    """Whether the goods stay with the customer, by a rule of the shop."""
    return draft.kind in STAYS or draft.handling == NO_RETURN


def _open_link(found: Dossier) -> LinkFacts | None:
    return next(
        (one for one in found.links if one.purpose == "finish" and one.standing(now()) == "open"), None
    )


def _last(found: Dossier, events: tuple[str, ...]) -> MailFacts | None:
    return next((mail for mail in reversed(found.mails) if mail.event in events), None)


def _waits(found: Dossier, mail: MailFacts | None, has_papers: bool) -> bool:
    """Whether durable work is still to bring the papers or send the message."""
    parcel = found.parcels[-1] if found.parcels else None
    makes_papers = found.page.draft.state == "approved" and parcel is not None and not parcel.error
    return (mail is not None and mail.state == "queued") or (makes_papers and not has_papers)


def _script(found: Dossier, link: LinkFacts | None, mail: MailFacts | None) -> tuple[str, ...]:
    """The last sentences, in the customer's language."""
    draft = found.page.draft
    said = Words(draft.language, found.page.merchant.zone)
    left = tuple(said.step(step) for step in found.page.left if step != "confirm") if link else ()
    return entered(
        said,
        Entered(
            number=draft.number or "",
            is_written=draft.channel in WRITTEN,
            email=draft.email,
            approved=draft.state in ("approved", "closed"),
            ship_by=found.ship_by,
            method=said.method(draft.sending.method).name if draft.sending else "",
            refund=found.confirmed.amount if found.confirmed and found.confirmed.assessed else None,
            currency=draft.currency,
            link_until=link.expires_at.date() if link else None,
            mailed=mail is not None,
            left=left,
            keeps=_stays(draft),
        ),
    )


def _code(url: str) -> Markup:
    drawn = gateways().documents.qr_svg(url, title=_("QR code of the link")) if url else ""
    return Markup(drawn)  # noqa: S704  drawn by the documents adapter, which escapes the title
