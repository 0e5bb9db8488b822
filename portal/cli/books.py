"""The books: proved, and taken out."""

import json
import sys

import click
from flask.cli import with_appcontext


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
