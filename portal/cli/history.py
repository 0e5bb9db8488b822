"""The history: proved to be what was written."""

import json
import sys

import click
from flask.cli import with_appcontext

from portal.core.chain import Head


@click.command("verify-audit")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option(
    "--known",
    multiple=True,
    help="MERCHANT:NUMBER:DIGEST, as printed another time: nothing before it has changed.",
)
@with_appcontext
def verify_audit(as_json: bool, known: tuple[str, ...]) -> None:
    """Prove that history is as it was written; the first break of each merchant, exit status 1 on any."""
    from portal.services.proofs import verifying_history

    heads = _heads(known)
    chains = verifying_history.verify(known=heads)
    problems = [one.problem for one in chains if one.fault is not None]
    if as_json:
        told = {
            "problems": problems,
            "merchants": [
                {
                    "merchant": one.slug,
                    "rows": one.sequence,
                    "head": one.head,
                    "break": one.fault and {"row": one.fault.sequence, "code": one.fault.code},
                }
                for one in chains
            ],
        }
        click.echo(json.dumps(told, sort_keys=True))
    else:
        for problem in problems:
            click.echo(problem, err=True)
        for one in chains:
            click.echo(one.head)
        rows = sum(one.sequence for one in chains)
        click.echo(f"Checked {rows} rows of {len(chains)} merchants: {len(problems) or 'no'} problems.")
    if gone := sorted(set(heads) - {one.slug for one in chains}):
        raise click.ClickException(f"there is no merchant {', '.join(gone)} to hold a known head against")
    sys.exit(1 if problems else 0)


def _heads(known: tuple[str, ...]) -> dict[str, Head]:
    heads: dict[str, Head] = {}
    for one in known:
        slug, _, rest = one.partition(":")
        number, _, digest = rest.partition(":")
        if not (number.isascii() and number.isdigit()) or len(digest) != (64 if int(number) else 0):
            raise click.UsageError(f"--known {one!r} should be MERCHANT:NUMBER:DIGEST")
        if slug in heads:
            raise click.UsageError(f"--known names {slug!r} more than once: ask for each head by itself")
        heads[slug] = Head(sequence=int(number), digest=digest)
    return heads
