"""Who may sign in, and for which shop."""

import os
from datetime import UTC, datetime
from typing import BinaryIO
from uuid import UUID

import click
from flask.cli import with_appcontext


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
    from portal.services.persons import people

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

    try:
        told = tomllib.load(file)
        terms = from_json(told.pop("policy", {}))
        merchants.create(slug=slug, terms=terms, now=datetime.now(UTC), **told)
    except (ValueError, TypeError) as problem:
        raise click.ClickException(str(problem)) from None
    click.echo(f"Merchant {slug} is there. Give somebody a role: flask create-user ... --role {slug}=admin")


def merchant_id(slug: str) -> UUID:
    """The merchant of that short name; a command that names another ends with a sentence."""
    from portal.core.access import NotFound
    from portal.services import merchants

    try:
        return merchants.by_slug(slug).id
    except NotFound:
        raise click.ClickException(f"there is no merchant {slug!r}") from None
