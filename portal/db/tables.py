"""Every table, imported once, so that migrations and tests see the whole schema."""

from portal.db import (
    bank,
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
)

__all__ = [
    "bank", "credit_notes", "credits", "gateway", "history", "mails", "merchants", "orders", "people", "refunds",
    "returns", "shipments", "stock", "tasks",
]  # fmt: skip
