"""Durable work that failed or waits: read, and run again."""

from flask import Blueprint, current_app, request, url_for
from werkzeug.wrappers import Response

from portal.services.lists import worklist
from portal.services.stockroom import asking
from portal.web.actor import needs, person
from portal.web.admin.shapes import Column
from portal.web.page import page, redirect_to, tell
from portal.web.words import gettext as _

bp = Blueprint("work", __name__)


@bp.get("/durable-work")
@needs("work.manage")
def index() -> Response:
    """What failed for good, with its error; then what waits for its turn or for another try."""
    entries = worklist.listing(person())
    return page(
        "admin/work/index.html",
        failed=[entry for entry in entries if entry.failed],
        waiting=[entry for entry in entries if not entry.failed],
        kinds=kinds(),
        warehouse=asking.answers(gateways=current_app.extensions["gateways"]),
        statuses={
            "ENQUEUED": _("waits for its turn"),
            "DELAYED": _("waits for another try"),
            "PENDING": _("is being done"),
        },
        columns=(
            Column(name=_("Work")),
            Column(name=_("Return")),
            Column(name=_("State")),
            Column(name=_("Last change")),
            Column(name=_("Do")),
        ),
    )


def kinds() -> dict[str, str]:
    """What each kind of work does, in words."""
    return {
        "mail": _("Send an e-mail"),
        "label": _("Make a label"),
        "void": _("Cancel a label"),
        "refund": _("Send a refund"),
        "channel": _("Tell the shop's system"),
        "undisputed": _("Pay what nobody contests"),
        "leave_out": _("Tell the warehouse what to leave out"),
        "warehouse_event": _("Take in what the warehouse told"),
    }


@bp.post("/durable-work/resumption")
@needs("work.manage")
def resume() -> Response:
    """Run a piece of work again."""
    worklist.resume(person(), request.form.get("item", ""))
    tell(_("It runs again in a moment."))
    return redirect_to(url_for("admin.work.index"))
