"""Stock: proved, and told of what has left."""

import json
import sys
from dataclasses import asdict
from datetime import UTC, datetime

import click
from flask import current_app
from flask.cli import with_appcontext

from portal.cli.people import merchant_id


@click.command("verify-stock")
@click.option("--merchant", "slug", default="", help="Only this merchant's; else all merchants'.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@with_appcontext
def verify_stock(slug: str, as_json: bool) -> None:
    """Prove that what lies in stock is what movements, orders and returns say; exit status 1 where not.

    S1: a level is the sum of its movements, and never below zero. S2: a movement says why, and for what. S3: an
    order line reserves what it has still to send. S4: of a return line, what is expected, in quarantine and
    in the house is what was authorized, received and inspected. S5: what a cancellation took out is
    available again, once.
    """
    from portal.services.proofs import verifying

    result = verifying.run(merchant_id(slug) if slug else None)
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


@click.command("ship")
@click.option("--merchant", "slug", required=True, help="The merchant's short name.")
@click.option("--order", "order_ref", required=True, help="The order's number, or its channel's id.")
@click.option(
    "--event", "event_id", required=True, help="A name for this parcel: told again, it counts once."
)
@click.argument("goods", nargs=-1, required=True, metavar="SKU=UNITS...")
@with_appcontext
def ship(slug: str, order_ref: str, event_id: str, goods: tuple[str, ...]) -> None:
    """Tell that a parcel has left, where no warehouse tells it by itself.

    It ends proposals to cancel what it holds. What the order does not have is named; exit status 1 then.
    """
    from portal.core.access import NotFound
    from portal.db.base import transaction
    from portal.services.warehousing import fulfilment

    told = tuple(_told(one) for one in goods)
    clock = current_app.config.get("CLOCK") or (lambda: datetime.now(UTC))
    now, merchant = clock(), merchant_id(slug)
    try:
        with transaction():
            if not fulfilment.once(
                merchant, "cli", event_id, kind="shipped", order_ref=order_ref, at=now, now=now
            ):
                click.echo(f"{event_id} was told before; nothing was changed.")
                return
            done = fulfilment.shipped(merchant, order_ref, told, number=event_id, now=now)
    except NotFound:
        raise click.ClickException(f"{slug} has no order {order_ref}") from None
    click.echo(f"{sum(done.units.values())} units of order {order_ref} have left.")
    if done.overtaken:
        click.echo(f"{len(done.overtaken)} cancellations came to nothing by it.")
    if done.after_release:
        click.echo(f"{len(done.after_release)} cancellations stand: a person is told.")
    for one in done.unknown:
        click.echo(f"The order does not have {one}.", err=True)
    sys.exit(1 if done.unknown else 0)


def _told(text: str):  # type: ignore[no-untyped-def]
    from portal.core.logistics import ToldUnits

    sku, _, units = text.rpartition("=")
    if not sku or not units.isascii() or not units.isdecimal() or not int(units):
        raise click.BadParameter(f"{text} should be SKU=UNITS", param_hint="GOODS")
    return ToldUnits(sku=sku, units=int(units))
