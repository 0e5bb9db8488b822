"""What stands around every page of the desk: navigation, search, who is signed in."""

from typing import Any

from flask import current_app, g, request, url_for

from portal.core.access import Actor
from portal.services.lists import boards
from portal.web import actor
from portal.web.admin import keys
from portal.web.admin.shapes import NavEntry, SignedIn
from portal.web.words import gettext as _
from portal.web.words import words

ENTRIES = (
    ("admin.desk.show", "inbox", "returns.read"),
    ("admin.returns.index", "box", "returns.read"),
    ("admin.entry.new", "plus", "returns.create"),
    ("admin.dock.show", "truck", "returns.receive"),
    ("admin.disputes.index", "alert", "disputes.read"),
    ("admin.cancellations.index", "close", "returns.read"),
    ("admin.orders.index", "store", "orders.read"),
    ("admin.customers.index", "person", "returns.read"),
    ("admin.stock.index", "box", "stock.read"),
    ("admin.refunds.index", "coins", "refunds.read"),
    ("admin.boards.refunds", "refresh", "refunds.read"),
    ("admin.finance.index", "chart", "finance.read"),
    ("admin.figures.index", "chart", "numbers.read"),
    ("admin.measures.index", "clock", "refunds.read"),
    ("admin.tasks.index", "check", "refunds.read"),
    ("admin.bank.index", "bank", "refunds.approve"),
    ("admin.credits.index", "gift", "refunds.read"),
    ("admin.policies.index", "rules", "policies.edit"),
    ("admin.workflows.index", "rules", "workflows.edit"),
    ("admin.mails.index", "mail", "returns.read"),
    ("admin.canned.index", "pen", "answers.edit"),
    ("admin.audit.index", "rules", "audit.read"),
    ("admin.people.index", "person", "people.edit"),
    ("admin.work.index", "settings", "work.manage"),
)
"""(endpoint, icon, permission), in the order of the navigation within each group."""

GROUPS = {
    "": ("desk", "returns", "entry", "dock", "disputes", "cancellations"),
    "shop": ("orders", "customers", "stock"),
    "money": ("refunds", "boards", "finance", "bank", "credits", "tasks"),
    "knowledge": ("figures", "measures", "mails", "audit"),
}
"""Which pages stand together, by the name of their part; all others belong to the settings."""


def _group(endpoint: str) -> str:
    part = endpoint.split(".")[1]
    return next((group for group, parts in GROUPS.items() if part in parts), "settings")


def around() -> dict[str, Any]:
    """The context of ``admin/base.html``, worked out once for a page and its parts."""
    if "around" not in g:
        g.around = _around()
    found: dict[str, Any] = g.around
    return found


def _around() -> dict[str, Any]:
    """Without anybody signed in there is no way anywhere."""
    try:
        person = actor.person()
    except actor.SignInNeeded:
        return {"nav": (), "search_url": ""}
    return {
        "nav": _nav(person),
        "signed_in": SignedIn(name=person.name, role=_roles(person)),
        "sign_out_url": url_for("admin.sign_in.end"),
        "keys": keys.table(person),
        "live_url": url_for("admin.live.changes") if person.may_somewhere("returns.read") else "",
        "live_seen": boards.changes(person),
        "search_url": url_for("admin.returns.index") if person.may_somewhere("returns.read") else "",
        "search_text": request.args.get("q", "") if request.endpoint == "admin.returns.index" else "",
    }


def _nav(person: Actor) -> tuple[NavEntry, ...]:
    names = {
        "admin.desk.show": _("Inbox"),
        "admin.returns.index": _("Returns"),
        "admin.entry.new": _("New return"),
        "admin.dock.show": _("Receive"),
        "admin.disputes.index": _("Disputes"),
        "admin.cancellations.index": _("Cancellations"),
        "admin.orders.index": _("Orders"),
        "admin.customers.index": _("Customers"),
        "admin.stock.index": _("Stock"),
        "admin.refunds.index": _("Refunds"),
        "admin.boards.refunds": _("Refunds on their way"),
        "admin.finance.index": _("Finance"),
        "admin.figures.index": _("Numbers"),
        "admin.measures.index": _("Measures"),
        "admin.tasks.index": _("Tasks"),
        "admin.bank.index": _("Bank transfers"),
        "admin.credits.index": _("Store credit"),
        "admin.policies.index": _("Policy"),
        "admin.workflows.index": _("Rules"),
        "admin.audit.index": _("History"),
        "admin.people.index": _("People"),
        "admin.work.index": _("Work"),
        "admin.mails.index": _("E-mails"),
        "admin.canned.index": _("Texts"),
    }
    headings = {
        "": "",
        "shop": _("Orders and stock"),
        "money": _("Money"),
        "knowledge": _("Numbers and records"),
        "settings": _("Settings"),
    }
    order = list(headings)
    entries = [
        NavEntry(
            name=names[endpoint],
            icon=icon,
            url=url_for(endpoint),
            current=_is_current(endpoint),
            group=headings[_group(endpoint)],
        )
        for endpoint, icon, permission in sorted(ENTRIES, key=lambda entry: order.index(_group(entry[0])))
        if person.may_somewhere(permission)
    ]
    if current_app.config["SETTINGS"].app_env == "demo":
        entries.append(
            NavEntry(
                name=_("Outgoing mail"),
                icon="mail",
                url=url_for("outbox.index"),
                current=False,
                group=headings["settings"],
            )
        )
    return tuple(entries)


def _is_current(endpoint: str) -> bool:
    """Whether the page belongs under this entry: the draft belongs to the new return."""
    here = (request.endpoint or "").rsplit(".", 1)[0]
    here = {
        "admin.accounts": "admin.finance",
        "admin.messages": "admin.mails",
        "admin.playbooks": "admin.canned",
        "admin.threads": "admin.returns",
        "admin.prepare": "admin.entry",
        "admin.entered": "admin.entry",
        "admin.links": "admin.entry",
        "admin.allowances": "admin.orders",
        "admin.channels": "admin.work",
        "admin.proposals": "admin.orders",
    }.get(here, here)
    return here == endpoint.rsplit(".", 1)[0]


def _roles(person: Actor) -> str:
    """The role, or roles, of a person in words."""
    return words().join(dict.fromkeys(words().role(role) for role in person.roles.values()))
