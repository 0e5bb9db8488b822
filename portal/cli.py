"""The project's command line: one function per command; the work is done by services."""

import click
from flask import Flask
from flask.cli import with_appcontext


def init(app: Flask) -> None:
    """Give ``app`` the project's commands."""
    for command in COMMANDS:
        app.cli.add_command(command)


@click.command("upgrade")
@with_appcontext
def upgrade() -> None:
    """Bring the database, and the durable work's own tables, to this version."""
    import flask_migrate

    from portal.services import work

    flask_migrate.upgrade()
    work.migrate()
    click.echo("The database is up to date.")


COMMANDS: list[click.Command] = [upgrade]
