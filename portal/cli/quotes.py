"""What would be refunded: the engine on files, and what a changed policy would do."""

import json
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click

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
