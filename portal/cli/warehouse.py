"""The sandbox warehouse from the command line: what people do there, told to the portal by its signed events."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import click
from flask import current_app
from flask.cli import with_appcontext

from portal.adapters.warehouse.sandbox import SandboxWarehouse
from portal.cli.people import merchant_id
from portal.core.intake import number_key

MERCHANT = click.option("--merchant", "slug", required=True, help="The merchant's short name.")
UNITS = click.argument("units", nargs=-1)
"""``SKU=2`` or ``LINE=2``, any number of them."""


@click.group("warehouse")
def warehouse() -> None:
    """The sandbox warehouse: pick, ship, answer late, be out of reach. With WAREHOUSE=sandbox only."""


def _there() -> SandboxWarehouse:
    found = current_app.extensions["gateways"].warehouse
    if not isinstance(found, SandboxWarehouse):
        raise click.ClickException("the warehouse of this installation is no sandbox; set WAREHOUSE=sandbox")
    return found


def _now() -> datetime:
    clock: Callable[[], datetime] = current_app.config.get("CLOCK") or (lambda: datetime.now(UTC))
    return clock()


def _post(headers: Mapping[str, str], body: bytes) -> Mapping[str, Any]:
    """Hand an event to the portal as its web does: proved, stored once, answered."""
    from portal.services.warehousing import warehouse_events

    gateways = current_app.extensions["gateways"]
    answer = warehouse_events.receive("sandbox", headers, body, gateways=gateways, now=_now()).answer
    return answer or {}


def _known(slug: str, order: str) -> str:
    """The order's id there; one that it was never asked about is learned now."""
    from portal.db import orders
    from portal.services.stockroom import asking

    for row in orders.by_number(merchant_id(slug), number_key(order))[:1]:
        told = asking.known_as(row.id)
        if told is not None:
            _there().learn(told)
            return told.order
    raise click.ClickException(f"{slug!r} has no order {order!r}")


def _units(told: tuple[str, ...]) -> dict[str, int] | None:
    found = {}
    for one in told:
        name, _, number = one.rpartition("=")
        if not name or not number.isdecimal() or not int(number):
            raise click.BadParameter(f"{one!r} should be SKU=UNITS")
        found[name] = int(number)
    return found or None


def _done(act: Callable[[], Any]) -> Any:
    try:
        return act()
    except (LookupError, ValueError) as problem:
        raise click.ClickException(str(problem)) from None


@warehouse.command("orders")
@with_appcontext
def orders() -> None:
    """The orders it knows, and where their goods are."""
    there = _there()
    for slug, ref, number in there.orders():
        click.echo(f"{slug} {number}")
        for line in there.order(slug, ref).values():
            click.echo(
                f"  {line.sku} in {line.location}: {line.units} ordered, {line.free} on the shelf, {line.wave} in a "
                f"wave, {line.picked} picked, {line.shipped} shipped, {line.left_out} left out {line.code}".rstrip()
            )


@warehouse.command("requests")
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
@with_appcontext
def requests(as_json: bool) -> None:
    """What it was asked to leave out, and what it said."""
    rows = [
        {"key": one.key, "cancellation": one.body["cancellation"], "order": one.body["number"], "state": one.state,
         "code": one.code}
        for one in _there().requests()
    ]  # fmt: skip
    if as_json:
        click.echo(json.dumps(rows))
        return
    for row in rows:
        click.echo(
            " ".join(str(row[name]) for name in ("key", "cancellation", "order", "state", "code")).rstrip()
        )


@warehouse.command("wave")
@MERCHANT
@click.argument("order")
@UNITS
@with_appcontext
def wave(slug: str, order: str, units: tuple[str, ...]) -> None:
    """Open a wave: ask the portal what may be picked of ORDER, and begin with what it grants."""
    ref, wanted = _known(slug, order), _units(units)
    _say("being picked", _done(lambda: _there().open_wave(slug, ref, wanted, post=_post)))


@warehouse.command("close-wave")
@with_appcontext
def close_wave() -> None:
    """What is being picked lies in its boxes."""
    click.echo(f"{_there().close_wave()} units picked.")


@warehouse.command("pick")
@MERCHANT
@click.argument("order")
@UNITS
@with_appcontext
def pick(slug: str, order: str, units: tuple[str, ...]) -> None:
    """A wave of one order, opened and closed."""
    ref, wanted = _known(slug, order), _units(units)
    _say("picked", _done(lambda: _there().pick(slug, ref, wanted, post=_post)))


@warehouse.command("put-back")
@MERCHANT
@click.argument("order")
@UNITS
@with_appcontext
def put_back(slug: str, order: str, units: tuple[str, ...]) -> None:
    """Picked units go back on their shelf."""
    ref, wanted = _known(slug, order), _units(units) or {}
    _done(lambda: _there().put_back(slug, ref, wanted))
    _tell()


@warehouse.command("ship")
@MERCHANT
@click.argument("order")
@UNITS
@with_appcontext
def ship(slug: str, order: str, units: tuple[str, ...]) -> None:
    """Send what is picked of ORDER; or UNITS of it, whatever became of them."""
    ref, wanted = _known(slug, order), _units(units)
    _say("shipped", _done(lambda: _there().ship(slug, ref, wanted)))
    _tell()


@warehouse.command("answer")
@click.argument("key")
@click.argument("state", type=click.Choice(["released", "refused", "shipped"]))
@click.option("--code", default="", help="Why it cannot: picking, cut_off, drop_ship ...")
@with_appcontext
def answer(key: str, state: str, code: str) -> None:
    """Answer a request, by its KEY or by the number of its cancellation; also one that was answered otherwise."""
    there = _there()
    found = next((one.key for one in there.requests() if key in (one.key, one.body["cancellation"])), key)
    _done(lambda: there.answer(found, state, code=code))
    _tell()


@warehouse.command("settle")
@with_appcontext
def settle() -> None:
    """Let every answer that is late come to its end."""
    click.echo(f"{_there().settle()} requests have come to their end.")
    _tell()


@warehouse.command("mark")
@MERCHANT
@click.argument("order")
@click.argument("line")
@click.argument("code")
@with_appcontext
def mark(slug: str, order: str, line: str, code: str) -> None:
    """Say of a LINE (or SKU) of ORDER that it is drop_ship, custom_made, pre_picked or third_party; - takes it back."""
    ref = _known(slug, order)
    _done(lambda: _there().mark(slug, ref, line, "" if code == "-" else code))


@warehouse.command("cut-off")
@MERCHANT
@click.argument("order")
@click.argument("at", type=click.DateTime(formats=["%Y-%m-%dT%H:%M"]))
@with_appcontext
def cut_off(slug: str, order: str, at: datetime) -> None:
    """Nothing of ORDER is left out from that moment on (UTC)."""
    _there().cut_off(slug, _known(slug, order), at.replace(tzinfo=UTC))


@warehouse.command("away")
@with_appcontext
def away() -> None:
    """Be out of reach."""
    _there().away(True)


@warehouse.command("back")
@with_appcontext
def back() -> None:
    """Be within reach again, and tell what was not told."""
    _there().away(False)
    _tell()


@warehouse.command("deliver")
@with_appcontext
def deliver() -> None:
    """Tell the portal everything that it was not told yet."""
    _tell()


def _tell() -> None:
    click.echo(f"{_there().deliver(_post)} events told.")


def _say(what: str, units: Mapping[str, int]) -> None:
    told = ", ".join(f"{number} of line {line}" for line, number in units.items())
    click.echo(f"{told or 'nothing'} {what}.")
