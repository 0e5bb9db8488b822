"""What would be refunded: the engine on files, and what a changed policy would do."""

import json
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, NoReturn
from uuid import UUID

import click
from flask.cli import with_appcontext

from portal.core.rejudging import Rejudged, Side, Totals
from portal.quotes.faults import BadInput, Fault

REFUSED, BAD_INPUT = 3, 2


@click.command("quote")
@click.option("--order", "order_file", metavar="FILE", help="The order as it was paid, as JSON.")
@click.option("--request", "request_file", metavar="FILE", help="What is asked for, as JSON.")
@click.option("--policy", "policy_file", metavar="FILE", help="The terms, as JSON or TOML; else the default.")
@click.option(
    "--prior",
    "prior_files",
    metavar="FILE",
    multiple=True,
    help="Refunds made before: answers of this command, breakdowns, or a list; may be given again.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
@click.option("--schema", "show_schema", is_flag=True, help="Print the JSON Schema of every file and stop.")
def quote(
    order_file: str | None,
    request_file: str | None,
    policy_file: str | None,
    prior_files: tuple[str, ...],
    as_json: bool,
    show_schema: bool,
) -> None:
    """Work a refund out from files alone, without a database ("-" is standard input).

    Exit status 3 when it is refused, 2 when a file is wrong: then every fault is listed with its path.
    """
    from portal.quotes import schema
    from portal.quotes.answer import answer

    if show_schema:
        click.echo(json.dumps(schema.bundle(), indent=2, ensure_ascii=False))
        return
    if not order_file or not request_file:
        raise click.UsageError("--order and --request are needed (or --schema).")
    files = {"order": order_file, "request": request_file}
    if policy_file:
        files["policy"] = policy_file
    roots = ["prior" if len(prior_files) == 1 else f"prior {n}" for n in range(1, len(prior_files) + 1)]
    files |= dict(zip(roots, prior_files, strict=True))
    values, faults = _read(files)
    if faults:
        _refuse(faults, files, as_json)
    try:
        found = answer(
            values["order"],
            values["request"],
            values.get("policy"),
            [(root, values[root]) for root in roots],
        )
    except BadInput as problem:
        _refuse(problem.faults, files, as_json)
    if as_json:
        click.echo(json.dumps(found.plain, indent=2, ensure_ascii=False))
    else:
        _show(found)
    sys.exit(REFUSED if found.refused else 0)


def _read(files: dict[str, str]) -> tuple[dict[str, Any], list[Fault]]:
    """root -> what its file holds, and what could not be read."""
    from portal.quotes import texts

    values: dict[str, Any] = {}
    faults: list[Fault] = []
    for root, name in files.items():
        try:
            with click.open_file(name, "rb") as file:
                values[root] = texts.read(file.read(), root, toml=name.endswith(".toml"))
        except BadInput as problem:
            faults += problem.faults
        except OSError as problem:
            faults.append(Fault(path=root, message=f"cannot be read: {problem.strerror or problem}"))
    return values, faults


def _refuse(faults: Sequence[Fault], files: dict[str, str], as_json: bool) -> NoReturn:
    """Tell every fault with its file and path, and stop."""
    if as_json:
        told = [
            {"file": _file_of(fault, files), "path": fault.path, "message": fault.message} for fault in faults
        ]
        click.echo(json.dumps({"faults": told}, indent=2, ensure_ascii=False))
    else:
        for fault in faults:
            click.echo(f"{_file_of(fault, files)}: {fault}", err=True)
    sys.exit(BAD_INPUT)


def _file_of(fault: Fault, files: dict[str, str]) -> str:
    root = max((root for root in files if fault.path.startswith(root)), key=len, default="")
    return files.get(root, "")


def _show(found: Any) -> None:
    """The answer for reading: the same rows and words as everywhere."""
    from portal.words import Words

    words, currency = Words("en", "UTC"), found.order.currency
    for refusal in found.plain["refusals"]:
        where = f" (line {refusal['line_id']})" if refusal["line_id"] else ""
        click.echo(f"Refused: {refusal['message']}{where}")
    if found.order.differs:
        differs = words.money(found.order.differs, currency, signed=True)
        click.echo(f"The payments differ from the lines: {differs}")
    for note in found.plain["notes"]:
        click.echo(note)
    click.echo(f"Policy version {found.plain['policy_version']}: {found.verdict.outcome}")
    for finding in found.verdict.findings:
        click.echo(f"  {finding.weight}: {words.finding(finding, currency)}")
    if found.breakdown is None:
        return
    told = words.breakdown(found.breakdown)
    click.echo()
    for row in told:
        click.echo(f"{row.label:<48}{row.formatted:>18}  {row.basis}".rstrip())
    for share in found.breakdown.shares:
        name = share.label or words.tender(share.tender)
        click.echo(f"{'-> ' + name:<48}{words.money(share.amount, currency):>18}")
    if found.breakdown.due:
        click.echo(
            f"{'Still to be paid by the customer':<48}{words.money(found.breakdown.due, currency):>18}"
        )
    _show_totals_of_the_order(found.plain, lambda amount: words.money(amount, currency))


def _show_totals_of_the_order(plain: dict[str, Any], money: Callable[[int], str]) -> None:
    """Of a cancellation: what the order comes to, and when services end."""
    totals = plain.get("totals") or {}
    if totals.get("after"):
        before, after = totals["before"], totals["after"]
        click.echo()
        for key, name in (("total", "The order comes to"), ("due", "Still owed by the customer")):
            if before[key] or after[key]:
                click.echo(f"{name:<48}{money(after[key]):>18}  before: {money(before[key])}")
    for one in plain.get("endings", ()):
        click.echo(f"{one['line_id']} ends on {one['ends_on'] or 'no day: it never began'}")


@click.command("policy-check")
@click.option("--policy", "policy_file", metavar="FILE", required=True, help="The terms, as JSON or TOML.")
@click.option("--merchant", "slug", help="The merchant's short name; else all of them.")
@click.option("--since", type=click.DateTime(["%Y-%m-%d"]), help="Only returns asked for from that day on.")
@click.option(
    "--limit", type=click.IntRange(min=1), help="At most so many returns of each merchant, the newest."
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@with_appcontext
def policy_check(
    policy_file: str, slug: str | None, since: datetime | None, limit: int | None, as_json: bool
) -> None:
    """Show what a changed policy would have done to past returns; nothing is written.

    Each return is judged and quoted under the version it had and under FILE. Those that differ are listed,
    with the rules that make the difference; the totals count all. Exit status 2 when the file is wrong.
    """
    from portal.core.access import SYSTEM
    from portal.quotes import requests
    from portal.services import merchants
    from portal.services.past import rejudging

    files = {"policy": policy_file}
    values, faults = _read(files)
    if faults:
        _refuse(faults, files, as_json)
    try:
        terms = requests.policy(values["policy"])
    except BadInput as problem:
        _refuse(problem.faults, files, as_json)
    chosen = [_merchant(slug)] if slug else [one.id for one in merchants.every()]
    totals, differing = Totals(), []
    for merchant_id in chosen:
        first = since.date() if since else None
        for one in rejudging.check(SYSTEM, merchant_id, terms, since=first, limit=limit):
            totals.add(one)
            if one.differs and as_json:
                differing.append(_told(one))
            elif one.differs:
                _show_difference(one)
    if as_json:
        plain = {"returns": differing, "totals": _told_totals(totals)}
        click.echo(json.dumps(plain, indent=2, ensure_ascii=False))
    else:
        _show_totals(totals)


def _told(one: Rejudged) -> dict[str, Any]:
    """One return that differs, as plain JSON values."""
    return {
        "id": str(one.past.id),
        "number": one.past.number,
        "state": one.past.state,
        "at": one.past.at.isoformat(),
        "currency": one.past.currency,
        "policy_version": one.past.terms.version,
        "before": _told_side(one.before),
        "after": _told_side(one.after),
        "difference": one.difference,
        "rows": [
            {"code": row.code, "rule": row.rule, "label": row.label, "amount": row.amount} for row in one.rows
        ],
    }


def _told_side(side: Side) -> dict[str, Any]:
    findings = [{"code": one.code, "weight": one.weight, "rule": one.rule} for one in side.findings]
    return {"verdict": side.outcome, "refund": side.amount, "findings": findings}


def _told_totals(totals: Totals) -> dict[str, Any]:
    return {
        "returns": totals.looked_at,
        "differing": totals.differing,
        "without_order": totals.without_order,
        "verdicts": {
            outcome: {"before": before, "after": after}
            for outcome, (before, after) in totals.outcomes.items()
        },
        "changed": [
            {"before": before, "after": after, "returns": count}
            for (before, after), count in sorted(totals.moves.items())
        ],
        "refunds": {
            currency: {
                "before": sums.before,
                "after": sums.after,
                "difference": sums.difference,
                "more": sums.more,
                "less": sums.less,
                "rules": dict(sorted(sums.rules.items())),
            }
            for currency, sums in sorted(totals.sums.items())
        },
    }


def _show_difference(one: Rejudged) -> None:
    from portal.words import Words

    words, currency = Words("en", "UTC"), one.past.currency
    before, after = (
        "-" if side.amount is None else words.money(side.amount, currency) for side in (one.before, one.after)
    )
    verdicts = " -> ".join(dict.fromkeys((one.before.outcome, one.after.outcome)))
    click.echo(f"{one.past.number or one.past.id!s:<16}{verdicts:<20}{before:>14}{after:>14}")
    for finding in one.after.findings:
        if finding.code not in {was.code for was in one.before.findings}:
            click.echo(f"    {words.finding(finding, currency)}")
    if one.after.outcome == one.before.outcome:
        for row in words.changes(one.rows, currency):
            click.echo(f"    {row.label}: {row.formatted} ({row.rule})")


def _show_totals(totals: Totals) -> None:
    from portal.words import Words

    words = Words("en", "UTC")
    click.echo(f"{totals.differing} of {totals.looked_at} returns would differ.")
    for outcome, (before, after) in totals.outcomes.items():
        click.echo(f"{outcome:<12}{before:>8} before{after:>8} after")
    for currency, sums in sorted(totals.sums.items()):
        told = [words.money(amount, currency) for amount in (sums.before, sums.after)]
        change = words.money(sums.difference, currency, signed=True)
        click.echo(f"Refunds: {told[0]} before, {told[1]} after, {change}")
        for rule, amount in sorted(sums.rules.items()):
            click.echo(f"    {rule:<28}{words.money(amount, currency, signed=True):>14}")


def _merchant(slug: str) -> UUID:
    from portal.core.access import NotFound
    from portal.services import merchants

    try:
        return merchants.by_slug(slug).id
    except NotFound:
        raise click.ClickException(f"there is no merchant {slug!r}") from None
