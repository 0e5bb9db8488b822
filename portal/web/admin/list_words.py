"""What a list's filters, columns, sorts and tabs are called."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from portal.core.listing import EXPIRING_DAYS, Filters, without
from portal.core.merchants import MerchantFacts
from portal.web.words import gettext as _
from portal.web.words import ngettext, words


@dataclass(frozen=True, kw_only=True)
class Chip:
    """One filter that is set, and the address of the list without it."""

    name: str
    url: str


def chips(
    filters: Filters,
    shops: Sequence[MerchantFacts],
    people: Sequence[tuple[UUID, str]],
    url: Callable[[Filters], str],
) -> tuple[Chip, ...]:
    """Every filter that is set, in words."""
    said = words()
    told: list[tuple[str, str, str]] = []
    if filters.query:
        told.append((_("Search: %(text)s", text=filters.query), "q", ""))
    told += [(said.state("return", one).name, "state", one) for one in filters.states]
    told += [
        (_("Refund: %(state)s", state=said.state("refund_state", one).name), "refund", one)
        for one in filters.refunds
    ]
    told += [(said.channel(one), "channel", one) for one in filters.channels]
    told += [(said.kind(one), "kind", one) for one in filters.kinds]
    told += [(said.reason(one), "reason", one) for one in filters.reasons]
    told += [(shop.name, "merchant", "") for shop in shops if shop.id == filters.merchant_id]
    if filters.assignee:
        told.append((_assignee(filters.assignee, people), "assignee", ""))
    if filters.tag:
        told.append((_("Tag: %(tag)s", tag=filters.tag), "tag", ""))
    yes = {
        "disputed": _("Disputed"),
        "unread": _("Unread messages"),
        "overdue": _("Overdue"),
        "expiring": ngettext("Expires within %(num)s day", "Expires within %(num)s days", EXPIRING_DAYS),
    }
    told += [(name, field, "") for field, name in yes.items() if getattr(filters, field)]
    if filters.since:
        told.append((_("From %(day)s", day=said.day(filters.since)), "from", ""))
    if filters.until:
        told.append((_("Until %(day)s", day=said.day(filters.until)), "to", ""))
    if filters.submitted_since:
        day = said.day(filters.submitted_since)
        told.append((_("Submitted from %(day)s", day=day), "submitted_from", ""))
    if filters.submitted_until:
        day = said.day(filters.submitted_until)
        told.append((_("Submitted until %(day)s", day=day), "submitted_to", ""))
    return tuple(Chip(name=name, url=url(without(filters, field, value))) for name, field, value in told)


def _assignee(code: str, people: Sequence[tuple[UUID, str]]) -> str:
    if code == "me":
        return _("Assigned to me")
    if code == "nobody":
        return _("Assigned to nobody")
    name = next((name for one, name in people if str(one) == code), _("somebody else"))
    return _("Assigned to %(name)s", name=name)


def tab_names() -> dict[str, str]:
    return {
        "all": _("All"),
        "review": _("To review"),
        "parcel": _("Waiting for parcel"),
        "inspect": _("To inspect"),
        "refund": _("To refund"),
        "disputed": _("Disputed"),
        "expiring": _("Expiring"),
    }


def sort_names() -> dict[str, str]:
    return {
        "newest": _("Newest first"),
        "oldest": _("Oldest first"),
        "value": _("Highest refund first"),
        "due": _("Due soonest first"),
    }


def column_names() -> dict[str, str]:
    return {
        "state": _("State"),
        "customer": _("Customer"),
        "items": _("Items"),
        "refund": _("Refund"),
        "shop": _("Shop"),
        "assignee": _("Looked after by"),
        "tags": _("Tags"),
        "due": _("Due"),
        "channel": _("Channel"),
        "reason": _("Reason"),
        "order": _("Order"),
        "kind": _("Kind"),
    }
