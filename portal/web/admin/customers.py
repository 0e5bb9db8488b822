"""A customer's history and return rate; and what colleagues put on a return: tags, and who looks after it."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from flask import Blueprint, request, url_for
from flask import Response as Answer
from werkzeug.wrappers import Response

from portal.core.access import Conflict
from portal.services.handling import assigning, tags
from portal.services.lists import customer_list, customers
from portal.services.lists.customer_list import CustomerRow, Place
from portal.web.actor import needs, person
from portal.web.admin import list_file
from portal.web.admin.shapes import Column
from portal.web.page import now, page, redirect_to, tell, wants_fragment
from portal.web.words import gettext as _

bp = Blueprint("customers", __name__)


@bp.get("/customers")
@needs("returns.read")
def index() -> Response:
    """Everybody who ordered or sent something back, the last first; found by name, e-mail or phone."""
    query, after = request.args.get("q", "").strip()[:200], request.args.get("after", "")
    found = customer_list.listing(
        person(), query=query, after=customer_list.place_from(after) if after else None
    )
    more = {"q": query} if query else {}
    return page(
        "admin/customers/index.html",
        fragments=("rows",),
        query=query,
        rows=found.rows,
        first_url=url_for("admin.customers.index", **more) if after else None,  # type: ignore[arg-type]
        next_url=url_for("admin.customers.index", **more, after=str(found.next)) if found.next else None,  # type: ignore[arg-type]
        csv_url=url_for("admin.customers.table", **more),  # type: ignore[arg-type]
        columns=(
            Column(name=_("Customer")),
            Column(name=_("Phone")),
            Column(name=_("Last order")),
            Column(name=_("Orders"), number=True),
            Column(name=_("Returns"), number=True),
            Column(name=_("Return rate"), number=True),
        ),
    )


@bp.get("/customers.csv")
@needs("returns.read")
def table() -> Answer:
    """The list as it is searched, as CSV; the rate is a part of one."""
    query, actor = request.args.get("q", "").strip()[:200], person()
    head = (
        "customer",
        "email",
        "phone",
        "last_at",
        "orders",
        "returns",
        "units_bought",
        "units_returned",
        "rate",
    )

    def told(row: CustomerRow) -> list_file.Row:
        return (
            row.name, row.email, row.phone, row.at.isoformat(timespec="seconds"), str(row.orders), str(row.returns),
            str(row.bought), str(row.returned), f"{row.rate_bp / 10_000:.4f}" if row.bought else "",
        )  # fmt: skip

    def read(after: Place | None) -> tuple[Sequence[CustomerRow], Place | None]:
        found = customer_list.listing(actor, query=query, after=after, limit=list_file.AT_ONCE)
        return found.rows, found.next

    return list_file.streamed(head, told, read, "customers.csv")


@bp.get("/customers/<uuid:subject_id>")
@needs("returns.read")
def show(subject_id: UUID) -> Response:
    """The customer of that return or order, at the shops of whoever looks."""
    return page(
        "admin/customers/show.html",
        customer=customers.of(person(), subject_id),
        return_columns=(
            Column(name=_("Return")),
            Column(name=_("State")),
            Column(name=_("Items")),
            Column(name=_("Refund"), number=True),
            Column(name=_("Shop")),
        ),
        order_columns=(
            Column(name=_("Order")),
            Column(name=_("Placed")),
            Column(name=_("Paid"), number=True),
        ),
    )


def about(return_id: UUID, merchant_id: UUID) -> dict[str, Any]:
    """What the page of a return shows of its customer, its tags and who looks after it."""
    return {"customer": customers.of(person(), return_id), **_put_on(return_id, merchant_id)}


def _put_on(return_id: UUID, merchant_id: UUID) -> dict[str, Any]:
    actor = person()
    assignee_id, name = assigning.assignee_of(return_id)
    may_assign = actor.may("returns.assign", merchant_id)
    row_tags = tags.of([return_id]).get(return_id, ())
    undo = tags.tidy(request.args.get("undo", ""))
    return {
        "return_id": return_id,
        "row_tags": row_tags,
        "known_tags": [one for one in tags.known(actor) if one not in row_tags] if may_assign else [],
        "undo_tag": undo if undo not in row_tags else "",
        "assignee_id": assignee_id,
        "assignee_name": name,
        "colleagues": assigning.colleagues(merchant_id) if may_assign else [],
        "may_assign": may_assign,
        "me": actor.id,
    }


PARTS = ("tags", "assignee")


@bp.get("/returns/<uuid:return_id>/around")
@needs("returns.read")
def around(return_id: UUID) -> Response:
    """Its tags, or who looks after it, alone: for a page that is open meanwhile."""
    merchant_id = assigning.merchant_of(person(), return_id)
    if not wants_fragment() or request.headers.get("HX-Target") not in PARTS:
        return _back(return_id)
    return page("admin/returns/show.html", fragments=PARTS, **_put_on(return_id, merchant_id))


@bp.post("/returns/<uuid:return_id>/tags")
@needs("returns.assign")
def tag(return_id: UUID) -> Response:
    """Put a tag on."""
    tags.add(person(), return_id, request.form.get("tag", ""), now=now())
    return _back(return_id)


@bp.post("/returns/<uuid:return_id>/tags/remove")
@needs("returns.assign")
def untag(return_id: UUID) -> Response:
    """Take a tag off; the sentence that says so has it ready to be put on again."""
    gone = request.form.get("tag", "")
    if tags.remove(person(), return_id, gone, now=now()):
        tell(_("“%(tag)s” was taken off. Undo stands beside the tags.", tag=tags.tidy(gone)), "info")
    return _back(return_id, undo=tags.tidy(gone))


@bp.post("/returns/<uuid:return_id>/assignee")
@needs("returns.assign")
def assign(return_id: UUID) -> Response:
    """Take the return, give it to a colleague, or leave it to everybody."""
    said = request.form.get("assignee", "")
    try:
        chosen = person().id if said == "me" else UUID(said) if said else None
    except ValueError:
        raise Conflict("assignee_unknown") from None
    if assigning.assign(person(), return_id, chosen, now=now()):
        name = assigning.name_of(chosen)
        tell(
            _("%(name)s looks after it now.", name=name)
            if name
            else _("Nobody in particular looks after it now.")
        )
    return _back(return_id)


def _back(return_id: UUID, **more: str) -> Response:
    if wants_fragment() and request.headers.get("HX-Target") in PARTS:
        return redirect_to(url_for("admin.customers.around", return_id=return_id, **more))  # type: ignore[arg-type]
    return redirect_to(url_for("admin.returns.show", return_id=return_id, **more) + "#tags")  # type: ignore[arg-type]
