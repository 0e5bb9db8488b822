"""Decisions: pure functions of frozen facts, terms and ``now``.

May import: core and the standard library. No clock, no randomness, no I/O.
"""
