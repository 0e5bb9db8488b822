"""Goods that nobody announced: noted at the dock, and later named, matched, sent back, sold again or written off."""

from uuid import UUID

from flask import current_app, request, url_for
from werkzeug.wrappers import Response

from portal.core import dock as scans
from portal.core.access import Conflict, NotFound, Stale
from portal.core.reasons import GRADES
from portal.services import merchants, pictures
from portal.services.docking import dock, matching, unexpected
from portal.services.docking.unexpected import Surprise
from portal.services.handling import dossiers
from portal.web import uploads
from portal.web.actor import needs, person
from portal.web.admin import stale
from portal.web.admin.dock import bp
from portal.web.admin.dock_count import fresh_nonce, number
from portal.web.admin.dock_part import states
from portal.web.admin.returns import as_id
from portal.web.admin.shapes import Column, Happening, Tab
from portal.web.page import now, page, redirect_to, tell
from portal.web.words import gettext as _
from portal.web.words import speak, words

PER_PAGE = 50


def kinds() -> dict[str, str]:
    """What was found, in words."""
    return {
        "surplus": _("More than announced"),
        "other_item": _("Another product"),
        "unknown_parcel": _("Unknown parcel"),
    }


@bp.get("/dock/unexpected", endpoint="unexpected")
@needs("returns.receive")
def index() -> Response:
    """What lies apart and waits, or what became of it."""
    state = "done" if request.args.get("state") == "done" else "open"
    after = as_id(request.args.get("after", ""))
    rows = unexpected.listing(person(), state=state, after=after, limit=PER_PAGE + 1)
    shown = rows[:PER_PAGE]
    return page(
        "admin/dock/unexpected.html",
        fragments=("findings",),
        rows=shown,
        state=state,
        kinds=kinds(),
        states=states(),
        own_url=url_for("admin.dock.unexpected", state=state, after=after),
        columns=(
            Column(name=_("What")),
            Column(name=_("Product")),
            Column(name=_("Units"), number=True),
            Column(name=_("Return")),
            Column(name=_("Found")),
            Column(name=_("State")),
        ),
        tabs=[
            Tab(name=_("Open"), url=url_for("admin.dock.unexpected"), current=state == "open",
                count=unexpected.count(person())),
            Tab(name=_("Decided"), url=url_for("admin.dock.unexpected", state="done"), current=state == "done"),
        ],
        next_url=url_for("admin.dock.unexpected", state=state, after=shown[-1].id) if len(rows) > PER_PAGE else None,
        first_url=url_for("admin.dock.unexpected", state=state) if after else None,
    )  # fmt: skip


@bp.route("/dock/unexpected/new", methods=["GET", "POST"])
@needs("returns.receive")
def note() -> Response:
    """Set a parcel or a product aside that nobody announced."""
    shops = [one for one in merchants.of_actor(person()) if person().may("returns.receive", one.id)]
    given = {name: request.values.get(name, "").strip() for name in ("code", "sku", "name", "note", "grade")}
    error, return_id = "", as_id(request.values.get("return_id", ""))
    if request.method == "POST":
        merchant_id = as_id(request.form.get("merchant", ""))
        if merchant_id is None or merchant_id not in {one.id for one in shops}:
            raise NotFound
        try:
            found = unexpected.note(
                person(),
                merchant_id,
                Surprise(
                    kind="other_item" if return_id else "unknown_parcel",
                    units=number(request.form.get("units"), unexpected.MOST + 1),
                    pictures=tuple(
                        pictures.prepare(one) for one in uploads.contents(request.files.getlist("photos"))
                    ),
                    **given,
                ),
                return_id=return_id,
                folder=current_app.config["SETTINGS"].upload_dir,
                now=now(),
                nonce=request.form.get("nonce", "")[:40],
            )
        except Conflict as conflict:
            error = words().conflict(conflict.code, conflict.details)
        except uploads.TooLarge:
            error = _("This photo is larger than 10 MB. Choose a smaller one.")
        except uploads.TooMany:
            error = _("Choose at most %(maximum)s photos at once.", maximum=uploads.MOST_FILES)
        else:
            tell(_("Set aside. Customer service is told."))
            return redirect_to(url_for("admin.dock.finding", finding_id=found))
    return page(
        "admin/dock/note.html",
        shops=shops,
        given=given,
        grades=GRADES,
        units=request.form.get("units", "1"),
        chosen=request.values.get("merchant", ""),
        return_id=return_id or "",
        nonce=request.form.get("nonce") or fresh_nonce(),
        error=error,
        files=any(upload.filename for upload in request.files.values()),
        status=422 if error else 200,
    )


@bp.get("/dock/unexpected/<uuid:finding_id>")
@needs("returns.receive")
def finding(finding_id: UUID) -> Response:
    """One finding with its pictures and its history, and what can be done with it."""
    return _page(finding_id)


def _page(finding_id: UUID, *, error: str = "", status: int = 200) -> Response:
    found = unexpected.one(person(), finding_id)
    speak(zone=merchants.by_id(found.merchant_id).zone)
    scan = request.values.get("number", "").strip()
    hit = dock.find(person(), scans.readings(scan)) if scan and found.state == "open" else None
    return_id = hit.return_id if hit else (found.return_id if found.state == "open" else None)
    rows = dock.expected_rows([return_id] if return_id else [])
    to_match = next(
        (row for row in rows if row.merchant_id == found.merchant_id), None
    )  # not of another shop
    fits = matching.fits(person(), finding_id, return_id=to_match.id) if to_match else ()
    return page(
        "admin/dock/finding.html",
        found=found,
        kinds=kinds(),
        states=states(),
        scan=scan,
        to_match=to_match,
        several=[row for row in hit.several if row.merchant_id == found.merchant_id] if hit else (),
        fits=fits,
        decisions=decisions(),
        may_decide=person().may("returns.inspect", found.merchant_id),
        typed={name: request.form.get(name, "") for name in ("sku", "units", "note")},
        history=[
            Happening(
                what=words().event(one.what, one.details, ""), who=one.actor_name, when=words().moment(one.at)
            )
            for one in reversed(dossiers.happenings(finding_id))
        ],
        error=error,
        status=status,
    )


def _version() -> int | None:
    told = request.form.get("version", "")
    return int(told) if told.isdecimal() else None


def _again(finding_id: UUID, problem: Exception, mine: str) -> Response:
    """The page once more, with what is wrong; who came too late sees both versions. ``mine``: what was to become."""
    late = isinstance(problem, Stale) or (
        isinstance(problem, Conflict) and problem.code in ("unexpected_decided", "already_identified")
    )
    if isinstance(problem, Conflict) and not late:
        return _page(finding_id, error=words().conflict(problem.code, problem.details), status=422)
    found = unexpected.one(person(), finding_id)
    theirs = [states()[found.state][0], found.number, found.decision_note]
    typed = " × ".join(filter(None, (request.form.get("units", ""), request.form.get("sku", ""))))
    goods = " × ".join(filter(None, (str(found.units), found.sku)))
    again = isinstance(problem, Stale)
    return stale.refused(
        shown=[(_("State"), mine, "\n".join(filter(None, theirs))), (_("Product"), typed or goods, goods)],
        version=found.version,
        instead=url_for("admin.dock.finding", finding_id=finding_id),
        subject_id=finding_id,
        again=again,
        why_not=words().conflict(problem.code, problem.details) if isinstance(problem, Conflict) else "",
    )


def decisions() -> dict[str, str]:
    """What may become of goods that are no return's, as the buttons say it."""
    return {"sent_back": _("Send back"), "restocked": _("Back to stock"), "disposed": _("Write off")}


@bp.post("/dock/unexpected/<uuid:finding_id>/content")
@needs("returns.receive")
def content(finding_id: UUID) -> Response:
    """Say what is in it."""
    try:
        unexpected.identify(
            person(),
            finding_id,
            sku=request.form.get("sku", ""),
            units=number(request.form.get("units"), unexpected.MOST + 1),
            now=now(),
            version=_version(),
        )
    except (Conflict, Stale) as problem:
        return _again(finding_id, problem, _("Name it"))
    tell(_("The goods are kept apart under their SKU."))
    return redirect_to(url_for("admin.dock.finding", finding_id=finding_id))


@bp.post("/dock/unexpected/<uuid:finding_id>/match")
@needs("returns.receive")
def match(finding_id: UUID) -> Response:
    """It belongs to that return."""
    return_id = as_id(request.form.get("return_id", ""))
    unexpected.one(person(), finding_id)
    if return_id is None:
        raise NotFound
    try:
        matching.match(
            person(),
            finding_id,
            return_id=return_id,
            line_id=as_id(request.form.get("line_id", "")),
            note=request.form.get("note", ""),
            now=now(),
            version=_version(),
        )
    except (Conflict, Stale) as problem:
        return _again(finding_id, problem, _("Belongs to a return"))
    tell(_("The goods belong to their return now."))
    return redirect_to(url_for("admin.dock.finding", finding_id=finding_id))


@bp.post("/dock/unexpected/<uuid:finding_id>/decision")
@needs("returns.inspect")
def decide(finding_id: UUID) -> Response:
    """It is no return's: send it back, sell it again, or write it off."""
    decision = request.form.get("decision", "")
    unexpected.one(person(), finding_id)
    try:
        unexpected.decide(
            person(),
            finding_id,
            decision=decision,
            note=request.form.get("note", ""),
            now=now(),
            version=_version(),
        )
    except (Conflict, Stale) as problem:
        return _again(finding_id, problem, decisions().get(decision, decision))
    tell(_("Decided."))
    return redirect_to(url_for("admin.dock.finding", finding_id=finding_id))
