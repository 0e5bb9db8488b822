"""Warehouses: told what must not leave, heard when they pick and send."""
