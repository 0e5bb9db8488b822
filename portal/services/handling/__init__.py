"""What becomes of a return: entered, confirmed, asked about, decided by rules and people, closed."""
