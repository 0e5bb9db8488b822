"""Many of a kind: lists, searches, boards and numbers."""
