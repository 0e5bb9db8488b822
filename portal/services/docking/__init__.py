"""What arrives: scanned, counted, graded, and what nobody announced."""
