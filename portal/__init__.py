"""The returns portal. ``create_app`` wires adapters to ports; with ``cli`` the only module that sees both sides."""

import os
from collections.abc import Callable
from datetime import timedelta

from flask import Flask

from portal.settings import Settings


def create_app(settings: Settings | None = None) -> Flask:
    """The WSGI application for ``settings`` (the environment's when None), ready to serve or to run commands."""
    from flask_migrate import Migrate

    from portal import cli, logs, web
    from portal.core.links import Site
    from portal.db import tables  # noqa: F401  every table is known before the first query
    from portal.db.base import db, engine_options, prepare
    from portal.services.paying import approvals

    settings = settings or Settings.from_env(os.environ)
    app = Flask("portal", root_path=os.path.dirname(os.path.dirname(__file__)), static_folder=None)
    app.config.update(
        SECRET_KEY=settings.secret_key,
        SETTINGS=settings,
        SQLALCHEMY_DATABASE_URI=settings.database_url,
        SQLALCHEMY_ENGINE_OPTIONS=engine_options(settings.database_url),
        MAX_CONTENT_LENGTH=64 * 1024 * 1024,
        TESTING=settings.app_env == "test",
    )
    logs.configure(settings)
    logs.init_request_logging(app)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    db.init_app(app)
    with app.app_context():
        prepare(db.engine)
    Migrate(app, db, directory=os.path.join(app.root_path, "migrations"))
    app.extensions["gateways"] = gateways(app, settings)
    app.extensions["site"] = Site(base_url=settings.base_url, secret=settings.secret_key)
    approvals.configure(settings.approval_threshold)
    web.init(app)
    cli.init(app)
    return app


def gateways(app: Flask, settings: Settings):  # type: ignore[no-untyped-def]
    """Every adapter that these settings ask for, as the one value that services are given."""
    from portal.adapters import addresses, carriers, channels, documents, mail, payments, warehouse
    from portal.adapters.payments.bank import Pain001
    from portal.ports import Gateways
    from portal.words import Words

    def translate(language: str) -> Callable[[str], str]:
        return Words(language).gettext

    demo = settings.app_env == "demo"
    return Gateways(
        payments=payments.build(settings, settles_after=timedelta(seconds=20) if demo else None),
        gateway=settings.gateway,
        bank=Pain001(),
        secret=settings.secret_key,
        carriers=carriers.build(
            translate=translate,
            tracking_url=f"{settings.base_url}/track/{{number}}",
            simulated_step=timedelta(minutes=1) if demo else None,
        ),
        warehouse=warehouse.build(settings, settles_after=timedelta(seconds=20) if demo else None),
        channel=channels.build(settings),
        mailer=mail.build(settings, app),
        documents=documents.build(translate=translate),
        addresses=addresses.build(),
        words=Words,
    )
