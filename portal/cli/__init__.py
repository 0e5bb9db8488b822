"""The project's command line: one function per command, one file per subject; the work is done by services."""

import click
from flask import Flask

from portal.cli import (
    bank,
    books,
    channels,
    gateways,
    history,
    orders,
    people,
    quotes,
    stock,
    system,
    warehouse,
)

COMMANDS: tuple[click.Command, ...] = (
    system.upgrade,
    system.work,
    people.create_user,
    people.create_merchant,
    orders.import_orders,
    orders.replay_cancellations,
    system.demo,
    quotes.quote,
    quotes.policy_check,
    books.verify_ledger,
    history.verify_audit,
    bank.bank_batch,
    books.balance,
    books.journal,
    books.credit_note,
    gateways.reconcile,
    stock.verify_stock,
    stock.ship,
    channels.channel_schema,
    warehouse.warehouse,
    system.messages,
)


def init(app: Flask) -> None:
    """Give ``app`` the project's commands."""
    for command in COMMANDS:
        app.cli.add_command(command)
