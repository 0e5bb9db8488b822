"""Files for the bank, from the command line: collected here, released by a person in the admin area."""

from datetime import UTC, datetime

import click
from flask import current_app
from flask.cli import with_appcontext

from portal.cli.people import merchant_id
from portal.core.access import SYSTEM, Conflict


@click.command("bank-batch")
@click.option("--merchant", "slug", required=True, help="The merchant's short name.")
@with_appcontext
def bank_batch(slug: str) -> None:
    """Collect every waiting bank transfer into a batch. A person releases it; only then there is a file.

    With nothing to collect the exit status is 0 and no batch is made.
    """
    from portal.services import bank
    from portal.words import Words

    gateways = current_app.extensions["gateways"]
    try:
        batch_id = bank.collect(SYSTEM, merchant_id(slug), gateways=gateways, now=datetime.now(UTC))
    except Conflict as conflict:
        if conflict.code != "nothing_to_transfer":
            raise click.ClickException(Words("en").conflict(conflict.code, conflict.details)) from None
        click.echo("No transfer waits.")
        return
    batch = bank.one(SYSTEM, batch_id)
    amount = Words("en").money(batch.amount, batch.currency)
    click.echo(
        f"Batch {batch.number}: {batch.transfers} transfers, {amount}. Somebody has to release it now."
    )
