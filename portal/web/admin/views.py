"""Saved lists: kept, renamed, deleted. What is in them stands in the address of the list itself."""

from uuid import UUID

from flask import Blueprint, request, url_for
from werkzeug.wrappers import Response

from portal.core.listing import from_address
from portal.services.lists import views
from portal.web.actor import needs, person
from portal.web.admin.lists import shop_of
from portal.web.page import now, redirect_to, tell
from portal.web.words import gettext as _

bp = Blueprint("views", __name__)


@bp.post("/views")
@needs("returns.read")
def save() -> Response:
    """Keep the list whose filters the form carries, under a name."""
    given = {
        name: values for name, values in request.form.lists() if name not in ("csrf_token", "name", "shared")
    }
    name = request.form.get("name", "")
    view_id = views.save(
        person(),
        name=name,
        merchant_id=shop_of(from_address(given).merchant_id),
        shared=request.form.get("shared") == "1",
        query=given,
        now=now(),
    )
    tell(_("Saved. It stands among the lists above."))
    return _to(view_id)


@bp.get("/views/<uuid:view_id>")
@needs("returns.read")
def show(view_id: UUID) -> Response:
    """The list that was saved."""
    return _to(view_id)


@bp.post("/views/<uuid:view_id>/rename")
@needs("returns.read")
def rename(view_id: UUID) -> Response:
    views.rename(person(), view_id, request.form.get("name", ""), now=now())
    tell(_("Renamed."))
    return _to(view_id)


@bp.post("/views/<uuid:view_id>/delete")
@needs("returns.read")
def delete(view_id: UUID) -> Response:
    """The list is gone from the tabs; the returns stay, of course."""
    views.delete(person(), view_id, now=now())
    tell(_("Deleted. The returns themselves are as they were."), "info")
    return redirect_to(url_for("admin.returns.index"))


def _to(view_id: UUID) -> Response:
    found = views.one(person(), view_id)
    return redirect_to(url_for("admin.returns.index", **found.address))  # type: ignore[arg-type]
