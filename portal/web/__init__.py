"""The pages: parse what came, call one use case, answer.

May import: core, services, words; flask and its family. Never db, adapters or ports.
"""

from flask import Flask


def init(app: Flask) -> None:
    """Everything that answers a request: extensions, words, errors, assets, the customer's pages, the admin area."""
    from portal.web import admin, assets, customer, errors, extensions, health, inbound, oidc, words

    extensions.init(app)
    oidc.init(app)
    words.init(app)
    errors.init(app)
    health.init(app)
    assets.init_assets(app)
    customer.init(app)
    admin.init(app)
    inbound.init(app)
