"""The way of money, from authorization to credit, and what finance waits for."""

from dataclasses import dataclass

from flask import Blueprint, url_for
from werkzeug.wrappers import Response

from portal.services.lists import boards
from portal.services.lists.boards import Stage
from portal.web.actor import needs, person
from portal.web.admin.shapes import Column
from portal.web.page import now, page
from portal.web.words import gettext as _

bp = Blueprint("boards", __name__)


@dataclass(frozen=True, kw_only=True)
class StageShown:
    """One stage with its words, and where all of it is."""

    stage: Stage
    name: str
    about: str
    url: str
    tone: str
    icon: str


@bp.get("/boards/refunds")
@needs("refunds.read")
def refunds() -> Response:
    """Every refund at its stage, with sums; it shows itself anew."""
    return page(
        "admin/boards/refunds.html",
        fragments=("stages",),
        stages=[_shown(stage) for stage in boards.stages(person(), now=now())],
        pending=boards.pending(person()),
        days=boards.CREDITED_DAYS,
        columns=(
            Column(name=_("Way")),
            Column(name=_("State")),
            Column(name=_("Transfers"), number=True),
            Column(name=_("Sum"), number=True),
            Column(name=_("Oldest")),
        ),
    )


def _returns(code: str) -> str:
    """The list of just those returns that the stage counts."""
    return url_for("admin.returns.index", state=boards.EXPECTED[code], refund=boards.OPEN_MONEY)


def _shown(stage: Stage) -> StageShown:
    name, about, tone, icon = {
        "authorized": (_("Authorized"), _("The goods are still to come."), "quiet", "check"),
        "arrived": (_("Goods are here"), _("To be inspected, or to be refunded."), "info", "box"),
        "to_approve": (_("To approve"), _("Waits for somebody who may approve it."), "wait", "clock"),
        "approved": (_("Approved"), _("Goes to the gateway, the bank or a person."), "info", "coins"),
        "sent": (_("Sent"), _("The gateway has it; the bank is yet to confirm."), "info", "truck"),
        "failed": (_("Failed"), _("Somebody has to try again or choose another way."), "bad", "alert"),
        "credited": (_("Credited"), _("The customer has the money."), "good", "gift"),
    }[stage.code]
    where = {
        "authorized": _returns("authorized"),
        "arrived": _returns("arrived"),
        "to_approve": url_for("admin.refunds.index", state="pending_approval"),
        "approved": url_for("admin.refunds.index", state="approved"),
        "sent": url_for("admin.refunds.index", state="pending"),
        "failed": url_for("admin.refunds.index", state="failed"),
        "credited": url_for("admin.refunds.index", state="succeeded"),
    }
    return StageShown(stage=stage, name=name, about=about, url=where[stage.code], tone=tone, icon=icon)
