"""Every table, imported once, so that migrations and tests see the whole schema."""

from portal.db import (
    bank,
    befores,
    cancellations,
    channels,
    credit_notes,
    credits,
    disputes,
    dock,
    gateway,
    history,
    mails,
    merchants,
    messages,
    orders,
    people,
    pictures,
    refunds,
    returns,
    shipments,
    stock,
    tasks,
    views,
    warehouse,
    workflows,
)

__all__ = [
    "bank", "befores", "cancellations", "channels", "credit_notes", "credits", "disputes", "dock", "gateway", "history",
    "mails", "merchants", "messages", "orders", "people", "pictures", "refunds", "returns", "shipments", "stock",
    "tasks", "views", "warehouse", "workflows",
]  # fmt: skip
