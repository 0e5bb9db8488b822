"""The project's command line: one function per command; the work is done by services."""

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from threading import Event
from typing import Any, BinaryIO

import click
from flask import Flask, current_app
from flask.cli import with_appcontext

from portal.core.access import SYSTEM


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
        tick=None if drain else lambda: jobs.tick(gateways, now=clock()),
        drain=drain,
        threads=threads,
    )


@click.command("create-user")
@click.argument("email")
@click.option("--name", required=True)
@click.option(
    "--role", "roles", multiple=True, required=True, help="MERCHANT=ROLE; give it once per merchant."
)
@click.option("--language", default="en", show_default=True)
@click.option("--password", help="Asked for when it is not given; PORTAL_PASSWORD is read first.")
@with_appcontext
def create_user(email: str, name: str, roles: tuple[str, ...], language: str, password: str | None) -> None:
    """Make somebody who can sign in, or give a known one new roles and a new password."""
    from portal.services import people

    password = (
        password
        or os.environ.get("PORTAL_PASSWORD")
        or click.prompt("Password", hide_input=True, confirmation_prompt=True)
    )
    held = {}
    for role in roles:
        merchant, sign, kind = role.partition("=")
        if not sign:
            raise click.UsageError(f"--role {role!r} should be MERCHANT=ROLE, such as shop=csr")
        held[merchant] = kind
    try:
        people.create_user(
            email=email, name=name, password=password, roles=held, language=language, now=datetime.now(UTC)
        )
    except ValueError as problem:
        raise click.ClickException(str(problem)) from None
    click.echo(f"{email} can sign in.")


@click.command("create-merchant")
@click.argument("slug")
@click.argument("file", type=click.File("rb"))
@with_appcontext
def create_merchant(slug: str, file: BinaryIO) -> None:
    """Make a merchant from a TOML file: name, support_email, address, and a [policy] table."""
    import tomllib

    from portal.core.policy.terms import from_json
    from portal.services import merchants

    told = tomllib.load(file)
    try:
        terms = from_json(told.pop("policy", {}))
        merchants.create(slug=slug, terms=terms, now=datetime.now(UTC), **told)
    except (ValueError, TypeError) as problem:
        raise click.ClickException(str(problem)) from None
    click.echo(f"Merchant {slug} is there. Give somebody a role: flask create-user ... --role {slug}=admin")


@click.command("demo")
@click.option("--base-url", required=True, help="Where the demo is reached.")
@with_appcontext
def demo(base_url: str) -> None:
    """Fill an empty database with two demo merchants, and print where to go."""
    from portal import demo as shops

    app = current_app
    shops.seed(app.extensions["gateways"], site=app.extensions["site"], now=datetime.now(UTC))
    for title, address in shops.addresses(
        site=app.extensions["site"], base_url=base_url, now=datetime.now(UTC)
    ):
        click.echo(f"{title:<42} {address}")


@click.command("verify-ledger")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@with_appcontext
def verify_ledger(as_json: bool) -> None:
    """Prove that the ledger balances and no cap is broken; the first breaks are printed, exit status 1."""
    from portal.services import audit

    result = audit.verify()
    if as_json:
        click.echo(json.dumps({"checked": result.checked, "problems": result.problems}))
    else:
        for problem in result.problems:
            click.echo(problem, err=True)
        counted = ", ".join(f"{units} {name}" for name, units in result.checked.items())
        click.echo(f"Checked {counted}: {len(result.problems) or 'no'} problems.")
    sys.exit(1 if result.problems else 0)


@click.command("import-orders")
@click.option("--merchant", "slug", required=True, help="The merchant's short name.")
@click.option("--source", required=True, type=click.Choice(["shopify", "woocommerce", "csv"]))
@click.option("--mapping", default="", help="For csv: a TOML file that says which column means what.")
@click.option("--refunds", multiple=True, help="For woocommerce: documents of refunds; may be given again.")
@click.option("--json", "as_json", is_flag=True, help="Print counts and faults as JSON.")
@click.argument("files", nargs=-1, required=True)
@with_appcontext
def import_orders(
    slug: str, source: str, mapping: str, refunds: tuple[str, ...], as_json: bool, files: tuple[str, ...]
) -> None:
    """Take the orders in FILES in ("-" is standard input; .gz is unpacked).

    The same file again changes nothing. What cannot be taken is listed with file, row and reason, and the
    exit status is 1; everything else goes in.
    """
    from dataclasses import asdict

    from portal.services import intake

    orders = _source(source, files, mapping, refunds)
    faults = []

    def refuse(fault: Any) -> None:
        if as_json:
            faults.append(asdict(fault))
        else:
            click.echo(f"{fault.file}:{fault.row}: {fault.reason}", err=True)

    with _progress(orders.files, hidden=as_json) as progress:
        counts = intake.import_orders(
            SYSTEM,
            _merchant(slug),
            orders.read(),
            source=orders.name,
            now=datetime.now(UTC),
            refuse=refuse,
            progress=progress,
        )
    if as_json:
        click.echo(json.dumps({**asdict(counts), "faults": faults}))
    else:
        click.echo(
            f"{counts.imported} orders imported, {counts.changed} changed, {counts.unchanged} unchanged; "
            f"{counts.adjustments} adjustments; {counts.cancellations} cancellations held back; "
            f"{counts.refused} could not be taken."
        )
    sys.exit(1 if counts.refused else 0)


@click.command("replay-cancellations")
@click.option("--merchant", "slug", required=True, help="The merchant's short name.")
@click.option("--mapping", required=True, help="The TOML file the orders were imported with.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
@click.argument("files", nargs=-1, required=True)
@with_appcontext
def replay_cancellations(slug: str, mapping: str, as_json: bool, files: tuple[str, ...]) -> None:
    """Make closed returns of the cancellations in FILES, whose orders are imported; again changes nothing."""
    from portal.core.money import major
    from portal.services import replay

    totals: dict[tuple[str, str], list[int]] = {}

    def report(outcome: replay.Outcome) -> None:
        sums = totals.setdefault((outcome.verdict, outcome.row.currency), [0, 0, 0, 0])
        for place, more in enumerate((1, outcome.row.units, outcome.claimed, outcome.refunded)):
            sums[place] += more

    orders = _source("csv", files, mapping, ())
    replay.replay(SYSTEM, _merchant(slug), orders.read(), report=report)
    rows = [
        {
            "verdict": verdict,
            "currency": currency,
            "rows": rows,
            "units": units,
            "claimed": str(major(claimed, currency)),
            "refunded": str(major(refunded, currency)),
        }
        for (verdict, currency), (rows, units, claimed, refunded) in sorted(totals.items())
    ]
    if as_json:
        click.echo(json.dumps(rows))
        return
    click.echo(f"{'verdict':<16}{'rows':>9}{'units':>12}{'claimed':>18}{'refunded':>18}")
    for row in rows:
        sums = f"{row['claimed']:>14} {row['currency']}{row['refunded']:>14} {row['currency']}"
        click.echo(f"{row['verdict']:<16}{row['rows']:>9}{row['units']:>12}{sums}")


def _source(source: str, files: tuple[str, ...], mapping: str, refunds: tuple[str, ...]) -> Any:
    from portal.adapters import orders

    try:
        return orders.build(source, files, mapping=mapping, refunds=refunds)
    except orders.BadMapping as problem:
        raise click.UsageError(str(problem)) from None


def _merchant(slug: str) -> Any:
    from portal.core.access import NotFound
    from portal.services import merchants

    try:
        return merchants.by_slug(slug).id
    except NotFound:
        raise click.ClickException(f"there is no merchant {slug!r}") from None


@contextmanager
def _progress(files: Any, *, hidden: bool) -> Iterator[Callable[[object], None]]:
    """A bar of the bytes read, on a terminal; elsewhere nothing is drawn."""
    if hidden or not sys.stderr.isatty() or not files.total:
        yield lambda counts: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("Orders", total=files.total)
        yield lambda counts: bar.update(task, completed=files.done)


COMMANDS: list[click.Command] = [
    upgrade,
    work,
    create_user,
    create_merchant,
    import_orders,
    replay_cancellations,
    demo,
    verify_ledger,
    messages,
]
