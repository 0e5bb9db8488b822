"""The books: proved, and taken out."""

import json
import sys
from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from typing import Any

import click
from flask import current_app
from flask.cli import with_appcontext

from portal.cli.people import merchant_id
from portal.core.access import SYSTEM

DAY = click.DateTime(formats=["%Y-%m-%d"])


@click.command("verify-ledger")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@with_appcontext
def verify_ledger(as_json: bool) -> None:
    """Prove that the ledger balances and no cap is broken; the first break first, exit status 1 on any."""
    from portal.services.proofs import audit

    result = audit.verify()
    if as_json:
        breaks = [asdict(one) for one in result.breaks]
        told = {"checked": result.checked, "problems": result.problems, "breaks": breaks}
        click.echo(json.dumps(told, sort_keys=True))
    else:
        for problem in result.problems:
            click.echo(problem, err=True)
        counted = ", ".join(f"{units} {name}" for name, units in result.checked.items())
        click.echo(f"Checked {counted}: {len(result.problems) or 'no'} problems.")
    sys.exit(1 if result.problems else 0)


@click.command("balance")
@click.option("--merchant", "slug", required=True, help="The merchant's short name.")
@click.option("--order", "order_number", default="", help="Only what belongs to this order, by its number.")
@click.option("--payment", "reference", default="", help="Only what moved to this payment, by its reference.")
@click.option("--from", "since", type=DAY, help="The first day, where the merchant is.")
@click.option("--to", "until", type=DAY, help="The last day, inclusive.")
@click.option("--json", "as_json", is_flag=True, help="Print amounts in minor units as JSON.")
@with_appcontext
def balance(
    slug: str,
    order_number: str,
    reference: str,
    since: datetime | None,
    until: datetime | None,
    as_json: bool,
) -> None:
    """Print the balance of each account and currency: of all, of an order, of a payment, of a period."""
    from portal.core.access import NotFound
    from portal.core.money import major
    from portal.services.ledgers import books

    merchant = merchant_id(slug)
    try:
        order = books.order_of(SYSTEM, merchant, order_number) if order_number else None
        payment = books.payment_of(SYSTEM, merchant, reference) if reference else None
    except NotFound:
        raise click.ClickException(
            f"there is no {order_number and 'order' or 'payment'} of that name"
        ) from None
    found = books.balance(
        SYSTEM, merchant, order_id=order, payment_id=payment, since=_day(since), until=_day(until)
    )
    if as_json:
        rows = [
            {"account": one.account, "currency": one.currency, "debit": one.debit, "credit": one.credit,
             "balance": one.amount}
            for one in found
        ]  # fmt: skip
        click.echo(json.dumps(rows))
        return
    for one in found:
        amounts = (f"{major(amount, one.currency):f}" for amount in (one.debit, one.credit, one.amount))
        click.echo("\t".join((one.account, one.currency, *amounts)))


@click.command("journal")
@click.option("--merchant", "slug", required=True, help="The merchant's short name.")
@click.option("--from", "since", type=DAY, required=True, help="The first day, where the merchant is.")
@click.option("--to", "until", type=DAY, required=True, help="The last day, inclusive.")
@click.option(
    "--accounts",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A JSON file with the account map, in place of the merchant's own.",
)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write here, not to the screen.")
@with_appcontext
def journal(slug: str, since: datetime, until: datetime, accounts: Path | None, out: Path | None) -> None:
    """Print the balanced journal of a period as CSV, in the merchant's accounts."""
    from portal.core.access import Conflict
    from portal.core.accounting import BadAccounts, account_map
    from portal.services import merchants
    from portal.services.ledgers import accounting

    merchant = merchant_id(slug)
    try:
        plan = account_map(_read(accounts)) if accounts else None
        words = current_app.extensions["gateways"].words(merchants.by_id(merchant).language)
        first, last = since.date(), until.date()
        told = accounting.journal(SYSTEM, merchant, since=first, until=last, accounts=plan, words=words)
    except BadAccounts as problem:
        for path, code in problem.faults:
            click.echo(f"{path}: {code}", err=True)
        sys.exit(2)
    except Conflict:
        raise click.UsageError("the period ends before it begins") from None
    _give(told, out)


@click.command("credit-note")
@click.argument("number")
@click.option("--merchant", "slug", required=True, help="The merchant's short name.")
@click.option("--format", type=click.Choice(["xml", "pdf"]), default="xml", show_default=True)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write here, not to the screen.")
@with_appcontext
def credit_note(number: str, slug: str, format: str, out: Path | None) -> None:
    """Print the credit note NUMBER: UBL 2.1, or the paper that says the same."""
    from portal.core.access import NotFound
    from portal.services.ledgers import credit_notes

    gateways = current_app.extensions["gateways"]
    merchant = merchant_id(slug)
    try:
        document = credit_notes.document(
            SYSTEM, number.strip().upper(), merchant_id=merchant, format=format, gateways=gateways
        )
    except NotFound:
        raise click.ClickException(f"there is no credit note {number!r}") from None
    _give(document.content, out)


def _day(moment: datetime | None) -> date | None:
    return moment.date() if moment is not None else None


def _read(path: Path) -> dict[str, Any]:
    """The JSON object in ``path``; anything else ends the command with a sentence."""
    try:
        value = json.loads(path.read_text("utf-8"))
    except (ValueError, OSError) as problem:
        raise click.ClickException(f"{path} cannot be read: {problem}") from None
    if not isinstance(value, dict):
        raise click.ClickException(f"{path} holds no JSON object")
    return value


def _give(content: bytes, out: Path | None) -> None:
    """To a file, whole or not at all; else to standard output as it is."""
    if out is None:
        click.echo(content, nl=False)
        return
    draft = out.with_name(f".{out.name}.part")
    draft.write_bytes(content)
    draft.replace(out)
