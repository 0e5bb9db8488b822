"""Files for the bank, from the command line: collected here, released by a person in the admin area."""

from datetime import UTC, datetime

import click
from flask import current_app
from flask.cli import with_appcontext

from portal.cli.people import merchant_id
from portal.core.access import SYSTEM, Conflict, NotAllowed, NotFound


@click.command("bank-batch")
@click.option("--merchant", "slug", required=True, help="The merchant's short name.")
@click.option("--by", required=True, help="The e-mail of whoever collects: somebody else has to release it.")
@with_appcontext
def bank_batch(slug: str, by: str) -> None:
    """Collect every waiting bank transfer into a batch. Another person releases it; only then there is a file.

    With nothing to collect the exit status is 0 and no batch is made.
    """
    from portal.services.paying import bank
    from portal.services.persons import people
    from portal.words import Words

    gateways = current_app.extensions["gateways"]
    collector = people.named(by)
    try:
        if collector is None:
            raise NotFound
        batch_id = bank.collect(collector, merchant_id(slug), gateways=gateways, now=datetime.now(UTC))
    except (NotFound, NotAllowed):
        raise click.ClickException(f"{by!r} may not collect transfers of {slug!r}") from None
    except Conflict as conflict:
        if conflict.code != "nothing_to_transfer":
            raise click.ClickException(Words("en").conflict(conflict.code, conflict.details)) from None
        click.echo("No transfer waits.")
        return
    batch = bank.one(SYSTEM, batch_id)
    amount = Words("en").money(batch.amount, batch.currency)
    click.echo(
        f"Batch {batch.number}: {batch.transfers} transfers, {amount}. Somebody else has to release it now."
    )
