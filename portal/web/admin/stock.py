"""Stock for people: found by SKU, read with every movement and its why, and counted with a reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from flask import Blueprint, request, url_for
from flask import Response as Answer
from flask_wtf import FlaskForm
from werkzeug.wrappers import Response
from wtforms import HiddenField, IntegerField, TextAreaField
from wtforms.validators import InputRequired, Length, NumberRange

from portal.core.access import Conflict, NotFound
from portal.core.inventory import BUCKETS, COUNTED
from portal.services import merchants
from portal.services.stockroom import stocktaking
from portal.services.stockroom.stocktaking import Moved, Product, Shelf
from portal.web.actor import needs, person
from portal.web.admin import list_file
from portal.web.admin.returns import as_id
from portal.web.admin.shapes import Column
from portal.web.page import now, page, redirect_to, tell
from portal.web.words import gettext as _
from portal.web.words import lazy_gettext as _l
from portal.web.words import speak, words
from portal.words import stock as said

bp = Blueprint("stock", __name__, url_prefix="/stock")

PER_PAGE = 50
MOVEMENTS = 100


class CountForm(FlaskForm):
    """What somebody counted, and why it differs from what stands here."""

    seen = HiddenField()
    """How many the page showed: what moved meanwhile is not counted away."""
    found = IntegerField(
        _l("Units counted"),
        validators=[
            InputRequired(_l("Enter how many are there")),
            NumberRange(min=0, max=stocktaking.MOST, message=_l("Enter a number from 0 on")),
        ],
    )
    reason = TextAreaField(
        _l("Reason"),
        filters=[lambda value: (value or "").strip()],
        validators=[InputRequired(_l("Write down why")), Length(max=stocktaking.LONGEST_NOTE)],
    )

    @property
    def shown(self) -> int:
        return int(self.seen.data) if (self.seen.data or "").isdecimal() else -1


@dataclass(frozen=True, kw_only=True)
class MovementRow:
    """One movement in words, with the page of what it belongs to."""

    moved: Moved
    why: str
    bucket: str
    url: str | None


@bp.get("")
@needs("stock.read")
def index() -> Response:
    """Every product that the portal moved, by SKU; or those of a SKU's beginning or a name."""
    text, after = request.args.get("q", "").strip()[:100], as_id(request.args.get("after", ""))
    rows = stocktaking.listing(person(), text=text, after=after, limit=PER_PAGE + 1)
    shown = rows[:PER_PAGE]
    kept = {"q": text or None}
    return page(
        "admin/stock/index.html",
        fragments=("rows",),
        rows=shown,
        text=text,
        buckets=[(bucket, said.bucket(words(), bucket)) for bucket in BUCKETS],
        columns=(
            Column(name=_("Product")),
            Column(name=_("Place")),
            *(Column(name=said.bucket(words(), bucket), number=True) for bucket in BUCKETS),
        ),
        csv_url=url_for("admin.stock.table", **kept),  # type: ignore[arg-type]
        next_url=url_for("admin.stock.index", after=shown[-1].id, **kept)  # type: ignore[arg-type]
        if len(rows) > PER_PAGE
        else None,
        first_url=url_for("admin.stock.index", **kept) if after else None,  # type: ignore[arg-type]
    )


@bp.get("/levels.csv")
@needs("stock.read")
def table() -> Answer:
    """The list as it is filtered, as CSV."""
    text = request.args.get("q", "").strip()[:100]

    def told(row: Shelf) -> list_file.Row:
        return row.merchant, row.sku, row.location, *(str(row.units.get(bucket, 0)) for bucket in BUCKETS)

    def read(after: UUID | None) -> tuple[Sequence[Shelf], UUID | None]:
        return list_file.by_id(stocktaking.listing(person(), text=text, after=after, limit=list_file.AT_ONCE))

    return list_file.streamed(("shop", "sku", "location", *BUCKETS), told, read, "stock.csv")


@bp.get("/<uuid:level_id>")
@needs("stock.read")
def show(level_id: UUID) -> Response:
    """One product: where it lies, and every movement that made it so, the newest first."""
    found = stocktaking.product(person(), level_id)
    speak(zone=merchants.by_id(found.merchant_id).zone)
    after = as_id(request.args.get("after", ""))
    rows = stocktaking.movements(person(), level_id, after=after, limit=MOVEMENTS + 1)
    shown = rows[:MOVEMENTS]
    return page(
        "admin/stock/show.html",
        product=found,
        rows=[_row(row) for row in shown],
        buckets=[(bucket, said.bucket(words(), bucket), bucket in COUNTED) for bucket in BUCKETS],
        may_count=person().may("stock.edit", found.merchant_id),
        columns=(
            Column(name=_("When")),
            Column(name=_("Why")),
            Column(name=_("Place")),
            Column(name=_("Where it lies")),
            Column(name=_("Units"), number=True),
            Column(name=_("By")),
        ),
        csv_url=url_for("admin.stock.moved", level_id=level_id),
        next_url=url_for("admin.stock.show", level_id=level_id, after=shown[-1].id)
        if len(rows) > MOVEMENTS
        else None,
        first_url=url_for("admin.stock.show", level_id=level_id) if after else None,
    )


@bp.get("/<uuid:level_id>/movements.csv")
@needs("stock.read")
def moved(level_id: UUID) -> Answer:
    """Every movement of one product, as CSV."""
    head = ("at", "why", "location", "bucket", "units", "number", "by", "note")

    def told(row: Moved) -> list_file.Row:
        return (
            row.at.isoformat(timespec="seconds"), row.why, row.location, row.bucket, str(row.delta), row.number,
            row.by, row.note,
        )  # fmt: skip

    def read(after: UUID | None) -> tuple[Sequence[Moved], UUID | None]:
        return list_file.by_id(
            stocktaking.movements(person(), level_id, after=after, limit=list_file.AT_ONCE)
        )

    return list_file.streamed(head, told, read, "movements.csv")


@bp.route("/<uuid:level_id>/<string:bucket>/count", methods=["GET", "POST"])
@needs("stock.edit")
def count(level_id: UUID, bucket: str) -> Response:
    """Somebody counted: the difference is a movement with their reason."""
    found = stocktaking.product(person(), level_id)
    if bucket not in COUNTED:
        raise NotFound
    there = found.here.units.get(bucket, 0)
    form = CountForm(seen=str(there))
    if not form.is_submitted():
        return _count_page(found, bucket, there, form)
    if not form.validate():
        return _count_page(found, bucket, there, form, status=422)
    try:
        stocktaking.count(
            person(), level_id, bucket, found=form.found.data or 0, seen=form.shown, reason=form.reason.data,
            now=now(),
        )  # fmt: skip
    except Conflict as conflict:
        form.found.errors = [words().conflict(conflict.code, conflict.details)]
        there = stocktaking.product(person(), level_id).here.units.get(bucket, 0)
        form.seen.data = str(there)
        return _count_page(found, bucket, there, form, status=422)
    tell(_("The stock is corrected."))
    return redirect_to(url_for("admin.stock.show", level_id=level_id))


def _count_page(found: Product, bucket: str, there: int, form: CountForm, *, status: int = 200) -> Response:
    shelf: Shelf = found.here
    return page(
        "admin/stock/count.html",
        product=found,
        shelf=shelf,
        bucket=said.bucket(words(), bucket),
        code=bucket,
        there=there,
        form=form,
        status=status,
    )


def _row(row: Moved) -> MovementRow:
    url = None
    if row.cancellation_id is not None:
        url = url_for("admin.cancellations.show", return_id=row.cancellation_id)
    elif row.return_id is not None:
        url = url_for("admin.returns.show", return_id=row.return_id)
    elif row.order_id is not None:
        url = url_for("admin.orders.show", order_id=row.order_id)
    return MovementRow(
        moved=row, why=said.why(words(), row.why), bucket=said.bucket(words(), row.bucket), url=url
    )
