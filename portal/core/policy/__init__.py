"""What may come back: a merchant's terms, the rules, and the verdict of all of them at once."""
