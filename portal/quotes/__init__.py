"""The engine without a database: the JSON forms of order, request, policy and prior refunds, and the answer.

May import: core, and jsonschema. ``schema.json`` documents every form.
"""
