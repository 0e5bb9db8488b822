"""The outside: one folder or module per port, one file per provider.

May import: core, ports and the libraries of the provider. Nothing of db, services or web.
"""
