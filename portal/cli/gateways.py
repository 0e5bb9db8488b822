"""Payment gateways: their books beside ours."""

import json
import sys
from datetime import UTC, datetime

import click
from flask import current_app
from flask.cli import with_appcontext

DAY = click.DateTime(formats=["%Y-%m-%d"])


@click.command("reconcile")
@click.option(
    "--once", is_flag=True, required=True, help="Compare now; workers do it every day by themselves."
)
@click.option("--since", type=DAY, help="The first day to compare; 35 days ago when it is not given.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@with_appcontext
def reconcile(once: bool, since: datetime | None, as_json: bool) -> None:
    """Compare each gateway's own list with our transfers and the ledger, to the cent.

    Every difference is printed with both sides and is a task in the admin area; exit status 1.
    """
    from portal.services.gateways import reconcile as service

    clock = current_app.config.get("CLOCK") or (lambda: datetime.now(UTC))
    report = service.run(
        gateways=current_app.extensions["gateways"],
        now=clock(),
        since=since.replace(tzinfo=UTC) if since else None,
    )
    if as_json:
        click.echo(json.dumps(report.to_json()))
    else:
        for drift in report.drifts:
            click.echo(f"{drift.provider} {drift.reference} {drift.refund}: {drift.what}", err=True)
            click.echo(f"  ours:   {json.dumps(drift.ours)}", err=True)
            click.echo(f"  theirs: {json.dumps(drift.theirs)}", err=True)
        for code in report.away:
            click.echo(f"{code}: no answer; nothing is known of it.", err=True)
        for code, counts in report.checked.items():
            counted = ", ".join(f"{units} {name}" for name, units in counts.items())
            click.echo(f"{code}: compared {counted}.")
        click.echo("Everything agrees." if report.agrees else f"{len(report.drifts)} differences.")
    sys.exit(0 if report.agrees else 1)
