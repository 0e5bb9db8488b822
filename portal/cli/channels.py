"""What shops' own systems are told: the form of it."""

import json

import click


@click.command("channel-schema")
def channel_schema() -> None:
    """Print the JSON Schema of the messages that `CHANNEL=webhook` posts."""
    from portal.adapters.channels.notices import schema

    click.echo(json.dumps(schema(), indent=2, ensure_ascii=False))
