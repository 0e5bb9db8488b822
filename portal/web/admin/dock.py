"""The dock: one field for whatever is scanned, the open return beside it, one save; and what is expected."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from flask import Blueprint, current_app, request, url_for
from werkzeug.wrappers import Response

from portal.core import dock as scans
from portal.core.access import Conflict, Stale
from portal.core.dock import Count
from portal.core.reasons import CHECKLIST, DISPOSITIONS
from portal.services.docking import dock, receiving, unexpected
from portal.services.docking.dock import Found, Sheet
from portal.services.handling import dossiers
from portal.web import uploads
from portal.web.actor import needs, person
from portal.web.admin import dock_count, stale
from portal.web.admin.presence import around
from portal.web.admin.returns import as_id
from portal.web.admin.shapes import Column
from portal.web.page import now, page, redirect_to, tell
from portal.web.words import gettext as _
from portal.web.words import speak, words

bp = Blueprint("dock", __name__)


@dataclass(frozen=True, kw_only=True)
class Said:
    """What the last scan did, in one sentence; ``tone`` is good, wait or bad: shown, spoken and heard."""

    text: str
    tone: str = "good"


@bp.get("/dock")
@needs("returns.receive")
def show() -> Response:
    """The field, waiting for a parcel; after a save with what was saved."""
    done = as_id(request.args.get("done", ""))
    return _page(done=dock.sheet(person(), done) if done else None)


@bp.get("/dock/returns/<uuid:return_id>")
@needs("returns.receive")
def open_return(return_id: UUID) -> Response:
    """One return, with what may still come of it."""
    sheet = dock.sheet(person(), return_id)
    return _page(sheet, mode=request.args.get("mode", ""), said=_opened(sheet))


@bp.post("/dock/scan")
@needs("returns.receive")
def scan() -> Response:
    """Something was scanned, typed or pressed: count it, grade it, or open what it belongs to. Nothing is saved yet."""
    form, actor = request.form, person()
    return_id = as_id(form.get("return_id", ""))
    sheet = dock.sheet(actor, return_id) if return_id else None
    if sheet is None:
        return _look_up(form.get("scan", ""))
    count, mode = dock_count.read(form, sheet), dock_count.mode_of(sheet, form.get("mode", ""))
    if (wrong := _unreadable()) is not None:
        return _page(sheet, count, mode=mode, said=wrong)
    if form.get("add"):
        return _counted(sheet, mode, scans.scanned(count, form["add"]))
    if form.get("all"):
        return _counted(sheet, mode, _all(sheet, mode, count, form["all"]))
    if form.get("everything"):
        for line in sheet.lines:
            count = _all(sheet, mode, count, str(line.id))
        told = _("All of it is counted. Save it, or grade it first.")
        return _page(sheet, count, mode=mode, said=Said(text=told))
    if form.get("less"):
        return _counted(sheet, mode, scans.undone(replace(count, active=form["less"])))
    skus = {line.sku.upper(): str(line.id) for line in reversed(sheet.lines) if line.sku}
    codes = {line.code: str(line.id) for line in sheet.lines if line.code}
    found = scans.readings(form.get("scan", ""), skus=skus, codes=codes)
    if not found:
        return _page(sheet, count, mode=mode)
    first = found[0]
    match first.kind:
        case "line":
            return _counted(sheet, mode, scans.scanned(count, (skus | codes)[first.value]))
        case "grade":
            if not sheet.may_inspect:
                return _page(
                    sheet, count, mode=mode, said=Said(text=_("You may receive, not grade."), tone="bad")
                )
            if first.value == receiving.MISSING and mode == dock_count.GRADE:
                told = _("These units are here. M is for a parcel of which some did not come.")
                return _page(sheet, count, mode=mode, said=Said(text=told, tone="bad"))
            return _counted(sheet, mode, scans.graded(count, first.value), grade=first.value)
        case "count":
            return _counted(sheet, mode, scans.counted(count, int(first.value)))
        case "command":
            return _command(sheet, mode, count, first.value)
    return _look_up(form["scan"], sheet=sheet, count=count, mode=mode)


def _unreadable() -> Said | None:
    """What is wrong with a number that was typed."""
    found = dock_count.unreadable(request.form)
    if found is None:
        return None
    told = _(
        "“%(typed)s” is no number of units: enter a number up to %(most)s.", typed=found[0], most=found[1]
    )
    return Said(text=told, tone="bad")


def _all(sheet: Sheet, mode: str, count: Count, line_id: str) -> Count:
    """As many as are still to be counted, among those that nobody graded."""
    line = sheet.line(line_id)
    if line is None:
        return count
    left = (line.expected if mode == dock_count.ARRIVE else line.waiting) - count.of(line_id)
    count = replace(count, active=line_id)
    for _unit in range(max(0, left)):
        count = scans.scanned(count, line_id)
    return count


def _counted(sheet: Sheet, mode: str, count: Count, grade: str = "") -> Response:
    """Say how many of the line there are now, of how many, and as what."""
    line = sheet.line(count.active)
    if line is None:
        return _page(sheet, count, mode=mode, said=Said(text=_("Scan a product first."), tone="bad"))
    units, most = count.of(count.active), line.expected if mode == dock_count.ARRIVE else line.waiting
    told = _("%(name)s: %(units)s of %(most)s", name=line.name, units=units, most=most)
    if grade == "M":
        told = _("%(name)s: the rest is missing", name=line.name)
    elif grade:
        told = f"{told} · {words().grade(grade)}"
    if units > most:
        told = _("%(told)s. More than expected: the surplus is set aside.", told=told)
    return _page(sheet, count, mode=mode, said=Said(text=told, tone="wait" if units > most else "good"))


def _command(sheet: Sheet, mode: str, count: Count, command: str) -> Response:
    if command == "save":
        if request.headers.get("HX-Request"):  # the page presses its own button, which brings the photos
            return _page(sheet, count, mode=mode, press_save=True)
        return save(sheet.id)
    if command == "undo":
        return _counted(sheet, mode, scans.undone(count))
    return _page(sheet, Count(), mode=mode, said=Said(text=_("The count is empty again."), tone="wait"))


def _look_up(
    text: str, *, sheet: Sheet | None = None, count: Count | None = None, mode: str = ""
) -> Response:
    """Open what the scan belongs to, unless something is counted that nobody saved."""
    note = request.form.get("note", "")
    counting = count is not None and sheet is not None and dock_count.begun(count, sheet, mode, note=note)
    at = sheet.merchant_id if sheet is not None else None
    found = dock.find(person(), scans.readings(text), at=at, counting=counting)
    if found.return_id is not None and (sheet is None or found.return_id != sheet.id):
        if counting:
            told = _("Save or clear this count first, then scan %(code)s again.", code=scans.tidy(text))
            return _page(sheet, count, mode=mode, said=Said(text=told, tone="bad"))
        return _open(found.return_id, found.line_id)
    if sheet is not None and count is not None and found.article is not None:
        count = scans.another(count, *found.article)
        told = _("%(name)s does not belong to this return. It is set aside.", name=found.article[1])
        return _page(sheet, count, mode=mode, said=Said(text=told, tone="wait"))
    if sheet is not None and found.return_id == sheet.id:
        return _page(
            sheet, count, mode=mode, said=Said(text=_("%(number)s is open already.", number=sheet.number))
        )
    return _page(sheet, count, mode=mode, found=found, text=scans.tidy(text), said=_nothing(found, text))


def _open(return_id: UUID, line_id: UUID | None) -> Response:
    sheet = dock.sheet(person(), return_id)
    url = url_for("admin.dock.open_return", return_id=sheet.id)
    if not request.headers.get("HX-Request") and line_id is None:
        return redirect_to(url)
    count = None
    if line_id is not None:  # a product or its code was scanned: it is in somebody's hand
        count = scans.scanned(Count(), str(line_id))
    response = _page(sheet, count, said=_opened(sheet), fresh=True)
    response.headers["HX-Push-Url"] = url
    return response


def _opened(sheet: Sheet) -> Said:
    if sheet.takes_goods or (sheet.waits and sheet.may_inspect):
        units = sum(line.expected or line.waiting for line in sheet.lines)
        return Said(text=_("%(number)s is open: %(units)s to count.", number=sheet.number, units=units))
    told = _("%(number)s takes nothing more: %(state)s.", number=sheet.number,
             state=words().state("return", sheet.state).name)  # fmt: skip
    return Said(text=told, tone="bad")


def _nothing(found: Found, text: str) -> Said | None:
    code = scans.tidy(text)
    if not code:
        return None
    if found.several:
        return Said(text=_("%(code)s fits several returns. Choose one.", code=code), tone="wait")
    if found.article:
        return Said(text=_("No return expects %(name)s.", name=found.article[1]), tone="bad")
    if found.reading is not None and found.reading.kind == "mistyped":
        return Said(
            text=_("%(code)s has a typing mistake: its check character does not fit.", code=code), tone="bad"
        )
    return Said(text=_("Nobody announced %(code)s.", code=code), tone="bad")


@bp.post("/dock/returns/<uuid:return_id>")
@needs("returns.receive")
def save(return_id: UUID) -> Response:
    """Write the count down: received, graded, missing and set aside in one go."""
    form, sheet = request.form, dock.sheet(person(), return_id)
    count, mode = dock_count.read(form, sheet), dock_count.mode_of(sheet, form.get("mode", ""))
    version, files = form.get("version", ""), any(upload.filename for upload in request.files.values())
    wrong = _unreadable()
    if wrong is None and (line := dock_count.ungraded(count, sheet, mode)) is not None:
        wrong = Said(
            text=_("Give the units of %(name)s that you counted a grade.", name=line.name), tone="bad"
        )
    if wrong is not None:
        return _page(sheet, count, mode=mode, status=422, said=wrong, files=files)
    try:
        intake = dock_count.intake(count, sheet, mode, note=form.get("note", ""))
        receiving.take_in(
            person(),
            return_id,
            intake,
            folder=current_app.config["SETTINGS"].upload_dir,
            now=now(),
            version=int(version) if version.isdecimal() else None,
            nonce=form.get("nonce", "")[:40],
        )
    except Stale:
        return _too_late(return_id, count, mode)
    except Conflict as conflict:
        told = words().conflict(conflict.code, conflict.details)
    except uploads.TooLarge:
        told = _("This photo is larger than 10 MB. Choose a smaller one.")
    except uploads.TooMany:
        told = _("Choose at most %(maximum)s photos at once.", maximum=uploads.MOST_FILES)
    else:
        tell(_("%(number)s is saved.", number=sheet.number))
        return redirect_to(url_for("admin.dock.show", done=return_id))
    return _page(sheet, count, mode=mode, status=422, said=Said(text=told, tone="bad"), files=files)


def _too_late(return_id: UUID, count: Count, mode: str) -> Response:
    """Somebody else was faster: both versions of each line, and the count as it was, to be saved all the same."""
    sheet, said = dock.sheet(person(), return_id), words()
    graded = dossiers.dossier(person(), return_id, now=now()).inspections
    rows = []
    for line in sheet.lines:
        mine = [heap for heap in count.heaps if heap.line == str(line.id)]
        counted = [f"{heap.units} × {said.grade(heap.grade) or _('not graded')}" for heap in mine]
        if str(line.id) in count.missing:
            counted.append(_("The rest is missing"))
        theirs = [
            _(
                "%(received)s of %(units)s arrived",
                received=line.received,
                units=line.received + line.expected,
            )
        ]
        theirs += [f"{one.units} × {said.grade(one.grade)}" for one in graded if one.line_id == line.id]
        rows.append(stale.Shown(label=line.name, mine="\n".join(counted), theirs="\n".join(theirs)))
    told = _("Somebody else saved this return meanwhile. Check your count, then save again.")
    return _page(
        sheet,
        count,
        mode=mode,
        status=409,
        versions=rows,
        version_columns=stale.columns(),
        change=stale.latest(return_id),
        files=any(upload.filename for upload in request.files.values()),
        said=Said(text=told, tone="bad"),
    )


@bp.get("/dock/returns/<uuid:return_id>/slip")
@needs("returns.receive")
def slip(return_id: UUID) -> Response:
    """What is stuck on the goods: where each unit of the return goes."""
    found = dossiers.dossier(person(), return_id, now=now())
    sheet = dock.sheet(person(), return_id)
    speak(zone=sheet.zone)
    names = {line.id: line for line in sheet.lines}
    return page(
        "admin/dock/slip.html",
        sheet=sheet,
        inspections=[
            (names[one.line_id], one) for one in found.inspections if one.grade != receiving.MISSING
        ],
    )


@bp.get("/dock/expected")
@needs("returns.receive")
def expected() -> Response:
    """What is to come, and when; what should have been sent first stands on top."""
    query, after = request.args.get("q", "").strip(), as_id(request.args.get("after", ""))
    board = dock.expected(person(), now=now(), query=query, after=after)
    return page(
        "admin/dock/expected.html",
        fragments=("expected",),
        board=board,
        now=now(),
        query=query,
        columns=(
            Column(name=_("Return")),
            Column(name=_("Send by")),
            Column(name=_("Parcel")),
            Column(name=_("Items")),
            Column(name=_("Units"), number=True),
        ),
        own_url=url_for("admin.dock.expected", q=query or None, after=after),
        next_url=url_for("admin.dock.expected", q=query or None, after=board.next) if board.next else None,
        first_url=url_for("admin.dock.expected", q=query or None) if after else None,
    )


def _page(
    sheet: Sheet | None = None,
    count: Count | None = None,
    *,
    mode: str = "",
    status: int = 200,
    fresh: bool = False,
    **more: Any,
) -> Response:
    """The field and the sheet; htmx gets the sheet alone. ``fresh``: what was sent was another sheet's."""
    if sheet is not None:
        speak(zone=sheet.zone)
        mode = dock_count.mode_of(sheet, mode)
    given: dict[str, Any] = {
        "said": None, "found": None, "text": "", "done": None, "versions": (), "change": None, "files": False,
        "press_save": False,
    } | more  # fmt: skip
    sent: Mapping[str, str] = request.form if count is not None and not fresh else {}
    note = sent.get("note", "")
    if sheet is not None and count is None:
        count = dock_count.started(sheet, mode)
    return page(
        "admin/dock/show.html",
        fragments=("sheet",),
        status=status,
        sheet=sheet,
        count=count or Count(),
        mode=mode,
        begun=sheet is not None and count is not None and dock_count.begun(count, sheet, mode, note=note),
        nonce=sent.get("nonce") or dock_count.fresh_nonce(),
        note=note,
        checklist=CHECKLIST,
        dispositions=[one for one in DISPOSITIONS if one not in ("missing", "keep_with_customer")],
        open_findings=unexpected.count(person()),
        presence=around(sheet.id, "inspect" if mode == dock_count.GRADE else "receive") if sheet else None,
        shows_return=sheet is not None and person().may("returns.read", sheet.merchant_id),
        **given,
    )
