"""Orders in, and what was done elsewhere replayed."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import click
from flask import current_app
from flask.cli import with_appcontext

from portal.cli.people import merchant_id
from portal.core.access import SYSTEM


@click.command("import-orders")
@click.option("--merchant", "slug", required=True, help="The merchant's short name.")
@click.option("--source", required=True, type=click.Choice(["shopify", "woocommerce", "json", "csv"]))
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
            merchant_id(slug),
            orders.read(),
            source=orders.name,
            now=datetime.now(UTC),
            gateway=current_app.config["SETTINGS"].gateway,
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
@click.option(
    "--unsent-for",
    "hours",
    type=click.IntRange(0, 24 * 30),
    default=0,
    help="So many hours after an order nothing had left: cancellations within them are made cancellations.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
@click.argument("files", nargs=-1, required=True)
@with_appcontext
def replay_cancellations(slug: str, mapping: str, hours: int, as_json: bool, files: tuple[str, ...]) -> None:
    """Make closed returns of the cancellations in FILES, whose orders are imported; again changes nothing."""
    from portal.core.money import major
    from portal.services.past import replay

    totals: dict[tuple[str, str], list[int]] = {}

    def report(outcome: replay.Outcome) -> None:
        sums = totals.setdefault((outcome.verdict, outcome.row.currency), [0, 0, 0, 0])
        for place, more in enumerate((1, outcome.row.units, outcome.claimed, outcome.refunded)):
            sums[place] += more

    orders = _source("csv", files, mapping, ())
    unsent = replay.Unsent(
        within=timedelta(hours=hours),
        gateways=current_app.extensions["gateways"],
        site=current_app.extensions["site"],
    )
    replay.replay(SYSTEM, merchant_id(slug), orders.read(), report=report, unsent=unsent if hours else None)
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
