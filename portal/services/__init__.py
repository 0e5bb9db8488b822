"""Use cases: one function is one transaction. Ports arrive as parameters.

May import: core, ports, db; dbos in ``work`` alone. Never Flask.
"""
