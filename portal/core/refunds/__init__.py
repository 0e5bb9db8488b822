"""What is owed back: value, tax, shipping and fees as a breakdown that always sums."""
