"""Running the portal: the database, the workers, the translation files, the demo."""

import signal
from datetime import UTC, datetime
from threading import Event

import click
from flask import Flask, current_app
from flask.cli import with_appcontext


@click.command("upgrade")
@with_appcontext
def upgrade() -> None:
    """Bring the database, and the durable work's own tables, to this version."""
    import flask_migrate

    from portal.services import work

    flask_migrate.upgrade()
    work.migrate()
    click.echo("The database is up to date.")


@click.command("messages")
def messages() -> None:
    """Bring the translation files to what the code says, and list what they lack."""
    from portal.words import messages as house

    template = house.extract()
    lacking = 0
    for language in house.others():
        for problem in house.problems(template, house.update(language, template)):
            click.echo(f"{language}: {problem}")
            lacking += 1
    click.echo("Every message is translated." if not lacking else f"{lacking} to be translated.")


@click.command("work")
@click.option("--drain", is_flag=True, help="Do what is due, then stop.")
@click.option("--threads", type=int, help="Pieces of work each worker does at a time: 4, or as told before.")
@with_appcontext
def work(drain: bool, threads: int | None) -> None:
    """Run durable work: refunds, labels, mails. Start as many of these as you like."""
    from portal.services import jobs
    from portal.services import work as engine

    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    gateways, site, settings = app.extensions["gateways"], app.extensions["site"], app.config["SETTINGS"]
    stop = Event()
    for sign in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sign, lambda *_: stop.set())
    clock = app.config.get("CLOCK") or (lambda: datetime.now(UTC))
    engine.run(
        jobs.build(gateways, site, clock),
        context=app.app_context,
        data_dir=settings.data_dir,
        stop=stop,
        tick=lambda: (jobs.due if drain else jobs.tick)(gateways, now=clock()),
        drain=drain,
        threads=threads,
    )


@click.command("demo")
@click.option("--base-url", required=True, help="Where the demo is reached.")
@click.option("--weeks", type=click.IntRange(0, 8), default=8, help="How many weeks before today are told.")
@with_appcontext
def demo(base_url: str, weeks: int) -> None:
    """Fill an empty database with two demo merchants, and print where to go."""
    from portal import demo as shops
    from portal.adapters import payments

    app = current_app
    shops.seed(
        app.extensions["gateways"],
        site=app.extensions["site"],
        folder=app.config["SETTINGS"].upload_dir,
        now=datetime.now(UTC),
        weeks=weeks,
        pay=payments.demo_payments(app.config["SETTINGS"]),
    )
    for title, address in shops.addresses(
        site=app.extensions["site"], base_url=base_url, now=datetime.now(UTC)
    ):
        click.echo(f"{title:<42} {address}")
