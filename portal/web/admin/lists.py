"""The list of returns: search with direct jumps, filters in the address, saved views, sort, columns, CSV."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from flask import Flask, Response, current_app, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from portal.core.access import NotFound
from portal.core.lifecycles import RETURN
from portal.core.listing import (
    COLUMNS,
    KINDS,
    REFUND_STATES,
    SHOWN,
    SORTS,
    TABS,
    Filters,
    columns_from,
    from_address,
    to_address,
)
from portal.core.merchants import MerchantFacts
from portal.core.reasons import CHANNELS, REASONS
from portal.services import merchants
from portal.services.handling import assigning, bulk, tags
from portal.services.lists import cancellation_list, list_counts, list_rows, listing, views
from portal.services.lists.list_filters import Asked
from portal.services.lists.overview import merchants_of
from portal.services.lists.searching import Jump, jump
from portal.web.actor import needs, person
from portal.web.admin import list_file
from portal.web.admin.list_words import chips, column_names, sort_names, tab_names
from portal.web.admin.returns import as_id, bp
from portal.web.admin.shapes import Column, Tab
from portal.web.page import now, page, redirect_to
from portal.web.words import gettext as _
from portal.web.words import words

PAGE = 50


@dataclass(frozen=True, kw_only=True)
class Option:
    """One value to choose; ``chosen`` already."""

    value: str
    name: str
    chosen: bool


@bp.get("/returns")
@needs("returns.read")
def index() -> AnyResponse:
    """Everything that decides the list stands in the address; what was typed exactly leads straight to it."""
    as_id(request.args.get("merchant", ""))
    filters, columns = _asked_for()
    if filters.query and "HX-Request" not in request.headers:
        found = jump(person(), filters.query, merchants_of(person(), filters.merchant_id))
        if found is not None:
            return redirect_to(place(found))
    shops = merchants.of_actor(person())
    wanted = asked(filters, shops)
    here = listing.find(wanted, cursor=_cursor(), limit=PAGE)
    saved = views.of(person())
    from_chip = request.headers.get("HX-Trigger", "").startswith("chip-")
    return page(
        "admin/returns/index.html",
        fragments=("rows",),
        also=("filters", "search-form") if from_chip else (),
        rows=list_rows.rows(here.ids),
        found=here,
        filters=filters,
        columns=_looked_at(filters, columns),
        heads=_heads(filters, columns),
        tabs=_tabs(filters, columns, saved, shops),
        chips=chips(filters, shops, assigning.everybody(person()), lambda left: _url(left, columns)),
        **_choices(filters, columns, shops),
        saved=saved,
        current_view=_current(filters, saved),
        cancellations=cancellation_list.count(person(), query=filters.query, merchant_id=filters.merchant_id)
        if filters.query
        else 0,
        query=filters.query,
        kept=_kept(filters, columns),
        here_url=request.full_path.rstrip("?"),
        csv_url=_url(filters, columns, "admin.returns.table"),
        plain_url=url_for("admin.returns.index"),
        previous_url=_url(filters, columns, before=str(here.previous)) if here.previous else None,
        next_url=_url(filters, columns, after=str(here.next)) if here.next else None,
        sees_money=_sees_money(wanted),
        may_assign=person().may_somewhere("returns.assign"),
        may_share=person().may_somewhere("views.share"),
        bulk=bulk.offered(person()),
        may_send=person().may_somewhere("messages.send"),
        at=now(),
    )


@bp.get("/returns.csv")
@needs("returns.read")
def table() -> Response:
    """Just this list as a file, its columns too, however long: read and sent a few hundred rows at a time."""
    as_id(request.args.get("merchant", ""))
    filters, columns = _asked_for()
    wanted = asked(filters, merchants.of_actor(person()))
    return list_file.answer(
        _pieces(current_app._get_current_object(), wanted, columns, _sees_money(wanted)),  # type: ignore[attr-defined]
        "returns.csv",
    )


def _pieces(app: Flask, wanted: Asked, columns: Sequence[str], sees_money: frozenset[UUID]) -> Iterator[str]:
    """The file as it is read, each batch in a context of its own: the request's is over by the time it is sent."""
    yield list_file.head(columns)
    cursor = None
    while True:
        with app.app_context():
            rows, cursor = list_rows.batch(wanted, cursor)
            piece = list_file.lines(rows, columns, sees_money)
        yield piece
        if cursor is None:
            return


def _sees_money(wanted: Asked) -> frozenset[UUID]:
    """Of which shops the amounts are told to whoever asks."""
    return frozenset(one for one in wanted.ids if wanted.actor.may("refunds.read", one))


def place(found: Jump) -> str:
    """The page of what was typed."""
    endpoint, name = {
        "return": ("admin.returns.show", "return_id"),
        "order": ("admin.orders.show", "order_id"),
        "customer": ("admin.customers.show", "subject_id"),
        "dispute": ("admin.disputes.show", "dispute_id"),
        "refund": ("admin.refunds.show", "refund_id"),
    }[found.kind]
    return url_for(endpoint, **{name: found.id})  # type: ignore[arg-type]


def _asked_for() -> tuple[Filters, tuple[str, ...]]:
    given = dict(request.args.lists())
    columns = ",".join(given.get("cols", ()))
    return from_address(given), columns_from(columns)


def asked(filters: Filters, shops: Sequence[MerchantFacts]) -> Asked:
    """The list for whoever asks; days begin where the shop is, of several shops where the first one is."""
    ids = merchants_of(person(), filters.merchant_id)
    zone = next((shop.zone for shop in shops if shop.id in ids), "UTC")
    return Asked(actor=person(), filters=filters, ids=ids, now=now(), zone=ZoneInfo(zone))


def _cursor() -> listing.Cursor | None:
    for name in ("after", "before"):
        if text := request.args.get(name, ""):
            found = listing.cursor_from(text, back=name == "before")
            if found is None:
                raise NotFound
            return found
    return None


def _kept(filters: Filters, columns: Sequence[str]) -> dict[str, list[str]]:
    """What an address of this list says."""
    kept = to_address(filters)
    if tuple(columns) != SHOWN:
        kept["cols"] = [",".join(columns)]
    return kept


def _url(filters: Filters, columns: Sequence[str], endpoint: str = "admin.returns.index", **more: Any) -> str:
    return url_for(endpoint, **_kept(filters, columns), **more)  # type: ignore[arg-type]


def _looked_at(filters: Filters, columns: Sequence[str]) -> tuple[str, ...]:
    """The columns that say something: of one shop alone, every row would name the same."""
    alone = len(merchants_of(person(), filters.merchant_id)) == 1
    return tuple(one for one in columns if one != "shop" or not alone)


def _heads(filters: Filters, columns: Sequence[str]) -> tuple[Column, ...]:
    """The number first, then what is chosen; what can be sorted by is a link to that."""
    names = column_names()

    def sorted_by(name: str, sort: str, way: str, number: bool = False) -> Column:
        return Column(
            name=name,
            number=number,
            url=_url(replace(filters, sort=sort), columns),
            sort=way if filters.sort == sort or (sort == "oldest" and filters.sort == "newest") else "none",
        )

    newest = filters.sort == "newest"
    heads = [
        sorted_by(_("Return"), "oldest" if newest else "newest", "descending" if newest else "ascending")
    ]
    if filters.sort not in ("newest", "oldest"):
        heads = [Column(name=_("Return"), url=_url(replace(filters, sort="newest"), columns), sort="none")]
    for column in _looked_at(filters, columns):
        if column == "refund":
            heads.append(sorted_by(names[column], "value", "descending", number=True))
        elif column == "due":
            heads.append(sorted_by(names[column], "due", "ascending"))
        else:
            heads.append(Column(name=names[column]))
    return tuple(heads)


def _tabs(
    filters: Filters, columns: Sequence[str], saved: Sequence[views.View], shops: Sequence[MerchantFacts]
) -> tuple[Tab, ...]:
    """The lists everybody has, then the saved ones, each with how many it holds."""
    names = tab_names()
    shop = filters.merchant_id
    lists = [(names[code], replace(tab, merchant_id=shop), tuple(columns)) for code, tab in TABS.items()]
    own = [
        (view.name, view.filters, view.columns)
        for view in saved
        if view.filters.merchant_id is None or view.filters.merchant_id in merchants_of(person(), None)
    ]
    counted = list_counts.counts([asked(one, shops) for _name, one, _cols in (*lists, *own)])
    unsorted = replace(filters, sort=SORTS[0])
    return tuple(
        Tab(
            name=name,
            url=_url(one, cols),
            current=replace(one, sort=SORTS[0]) == unsorted,
            count=f"{many.count}+" if many.more else many.count,  # type: ignore[arg-type]
        )
        for (name, one, cols), many in zip((*lists, *own), counted, strict=True)
    )


def _current(filters: Filters, saved: Sequence[views.View]) -> views.View | None:
    """The saved view that is looked at, for its owner."""
    return next((view for view in saved if view.mine and view.filters == filters), None)


def _choices(
    filters: Filters, columns: Sequence[str], shops: Sequence[MerchantFacts]
) -> Mapping[str, tuple[Option, ...]]:
    """Every filter with its values in words, for the form."""
    said = words()

    def options(chosen: Sequence[str], named: Sequence[tuple[str, str]]) -> tuple[Option, ...]:
        return tuple(Option(value=value, name=name, chosen=value in chosen) for value, name in named)

    everybody = [(str(one), name) for one, name in assigning.everybody(person())]
    people = [("me", _("Me")), ("nobody", _("Nobody"))]
    people += [one for one in everybody if one[0] in (filters.assignee,) or one[0] != str(person().id)]
    if filters.assignee and filters.assignee not in dict(people):
        people.append((filters.assignee, _("somebody else")))
    known = tags.known(person())
    if filters.tag and filters.tag not in known:
        known = (*known, filters.tag)
    names = column_names()
    return {
        "states": options(filters.states, [(one, said.state("return", one).name) for one in RETURN.states]),
        "refund_states": options(
            filters.refunds, [(one, said.state("refund_state", one).name) for one in REFUND_STATES]
        ),
        "channels": options(filters.channels, [(one, said.channel(one)) for one in CHANNELS]),
        "kinds": options(filters.kinds, [(one, said.kind(one)) for one in KINDS]),
        "reasons": options(filters.reasons, [(one, said.reason(one)) for one in REASONS]),
        "people": options((filters.assignee,), people),
        "known_tags": options((filters.tag,), [(one, one) for one in known]),
        "shops": options((str(filters.merchant_id),), [(str(shop.id), shop.name) for shop in shops]),
        "sorts": options((filters.sort,), list(sort_names().items())),
        "all_columns": options(columns, [(one, names[one]) for one in COLUMNS]),
    }


def shop_of(view_merchant: UUID | None) -> UUID:
    """At which merchant a view is kept: that of its list, else the first one whose returns the person sees."""
    ids = merchants_of(person(), view_merchant)
    if not ids:
        raise NotFound
    return ids[0]
