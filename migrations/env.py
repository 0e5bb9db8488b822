"""Alembic's environment: the app's own database, with timeouts that keep a migration from blocking the shop."""

from alembic import context
from flask import current_app

import portal.db.tables  # noqa: F401  every table, for autogenerate
from portal.db.base import Base, db

OURS = set(Base.metadata.tables)


def ours(_object: object, name: str | None, kind: str, _reflected: bool, _compare_to: object) -> bool:
    """The work engine keeps tables of its own beside ours; they are no business of these migrations."""
    return kind != "table" or name in OURS


def run() -> None:
    with db.engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("SET lock_timeout = '4s'")
            connection.exec_driver_sql("SET statement_timeout = '60s'")
            connection.commit()
        else:
            # A table that is made anew is dropped under its children's feet; they are looked at afterwards.
            connection.connection.dbapi_connection.execute("PRAGMA foreign_keys=OFF")  # type: ignore[union-attr]
            connection = connection.execution_options(writes=True)
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            include_object=ours,
            render_as_batch=connection.dialect.name == "sqlite",
        )
        with context.begin_transaction():
            context.run_migrations()
        connection.commit()
        if connection.dialect.name == "sqlite":
            orphans = connection.connection.dbapi_connection.execute("PRAGMA foreign_key_check").fetchall()  # type: ignore[union-attr]
            connection.connection.dbapi_connection.execute("PRAGMA foreign_keys=ON")  # type: ignore[union-attr]
            if orphans:
                raise SystemExit(f"rows without their parents: {orphans[:10]}")


if context.is_offline_mode():
    raise SystemExit("migrations run against a database; there is no offline mode")
current_app.logger.debug("migrating")
run()
