"""Every table, imported once, so that migrations and tests see the whole schema."""

from portal.db import history, mails, merchants, orders, people, refunds, returns, shipments, stock

__all__ = ["history", "mails", "merchants", "orders", "people", "refunds", "returns", "shipments", "stock"]
