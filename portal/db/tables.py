"""Every table, imported once, so that migrations and tests see the whole schema."""

from portal.db import (
    bank,
    cancellations,
    channels,
    credit_notes,
    credits,
    gateway,
    history,
    mails,
    merchants,
    orders,
    people,
    refunds,
    returns,
    shipments,
    stock,
    tasks,
    warehouse,
)

__all__ = [
    "bank", "cancellations", "channels", "credit_notes", "credits", "gateway", "history", "mails", "merchants",
    "orders", "people", "refunds", "returns", "shipments", "stock", "tasks", "warehouse",
]  # fmt: skip
