"""The keys of the desk: one table, which the sheet shows and the script obeys."""

from dataclasses import dataclass

from flask import url_for

from portal.core.access import Actor
from portal.web.words import gettext as _


@dataclass(frozen=True, kw_only=True)
class Key:
    """A key, or two after each other. ``does`` is a function of desk.js, ``url`` where it leads.

    ``row`` is what each row of a list has of its own, ``open`` its link; the sheet of a page without is without them.
    """

    keys: tuple[str, ...]
    what: str
    does: str = ""
    url: str = ""

    @property
    def said(self) -> str:
        """As the script reads it."""
        return " ".join(self.keys)


_PLACES = (
    (("n",), "admin.entry.new", "returns.create"),
    (("g", "i"), "admin.desk.show", "returns.read"),
    (("g", "r"), "admin.returns.index", "returns.read"),
    (("g", "o"), "admin.orders.index", "orders.read"),
    (("g", "c"), "admin.cancellations.index", "returns.read"),
    (("g", "f"), "admin.refunds.index", "refunds.read"),
    (("g", "d"), "admin.dock.show", "returns.receive"),
)


def table(person: Actor) -> tuple[Key, ...]:
    """Every key that this person's pages know, in the order of the sheet."""
    names = {
        "admin.entry.new": _("New return"),
        "admin.desk.show": _("Go to the inbox"),
        "admin.returns.index": _("Go to the returns"),
        "admin.orders.index": _("Go to the orders"),
        "admin.cancellations.index": _("Go to the cancellations"),
        "admin.refunds.index": _("Go to the refunds"),
        "admin.dock.show": _("Go to the dock"),
    }
    places = tuple(
        Key(keys=keys, what=names[endpoint], url=url_for(endpoint))
        for keys, endpoint, permission in _PLACES
        if person.may_somewhere(permission)
    )
    return (
        Key(keys=("/",), what=_("Search (Ctrl K as well)"), does="search"),
        Key(keys=("j",), what=_("Next row"), does="next"),
        Key(keys=("k",), what=_("Previous row"), does="previous"),
        Key(keys=("Enter",), what=_("Open the row"), does="open"),
        Key(keys=("o",), what=_("Open the row"), does="row"),
        Key(keys=("x",), what=_("Choose the row, or not any more"), does="row"),
        Key(keys=("a",), what=_("Approve the row, or all that are chosen"), does="row"),
        Key(keys=("d",), what=_("Decline the row, or all that are chosen"), does="row"),
        Key(keys=("e",), what=_("Write to the customer of the row"), does="row"),
        *places,
        Key(keys=("?",), what=_("Show or hide this"), does="sheet"),
    )
