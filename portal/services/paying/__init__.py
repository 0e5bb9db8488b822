"""Money on its way: who stands behind it, how it is sent, and what became of it, written down once."""
