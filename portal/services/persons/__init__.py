"""Who signs in, and what becomes of it."""
