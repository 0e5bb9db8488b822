"""Refunds: what is owed, decided, changed while it waits, and looked at by finance."""
