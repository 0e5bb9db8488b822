"""What every page of the books has around it: the shop, the period, the other pages, and files to take away."""

from __future__ import annotations

from typing import Any

from flask import request, url_for

from portal.core.merchants import MerchantFacts
from portal.services.refunding import finance
from portal.web.actor import person
from portal.web.admin import periods
from portal.web.admin.returns import as_id
from portal.web.admin.shapes import Tab
from portal.web.words import gettext as _
from portal.web.words import speak


def shop() -> MerchantFacts:
    """The shop that was asked for, else the one where most waits; days are told in its zone from here on."""
    found = finance.shop(person(), as_id(request.args.get("merchant", "")))
    speak(zone=found.zone)
    return found


def around(shop: MerchantFacts, current: str, period: periods.Period | None = None) -> dict[str, Any]:
    """The context of the frame; ``current`` is the page's own name among its neighbors."""
    query: dict[str, Any] = {"merchant": shop.id, **(period.query if period else {})}
    pages = {
        "index": (_("Overview"), "admin.finance.index"),
        "journal": (_("Journal"), "admin.finance.journal"),
        "balances": (_("Balances"), "admin.finance.balances"),
        "notes": (_("Credit notes"), "admin.finance.notes"),
        "accounts": (_("Accounts"), "admin.accounts.show"),
    }
    here = pages[current][1]
    return {
        "shop": shop,
        "shops": finance.shops(person()),
        "waiting": finance.waiting(person()),
        "period": period,
        "query": query,
        "here": here,
        "pages": [
            Tab(name=name, url=url_for(endpoint, **query), current=endpoint == here)
            for name, endpoint in pages.values()
        ],
        "shortcuts": [
            Tab(name=name, url=url_for(here, merchant=shop.id, **one.query), current=one == period)
            for name, one in (periods.shortcuts(shop) if period else ())
        ],
    }
