"""Asking ``flask quote``: files written, the command run, the answer read and held against its schema."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from jsonschema import Draft202012Validator

from portal.cli.quotes import quote
from portal.quotes import schema

PLACED, ASKED = "2026-03-05T12:00:00Z", "2026-03-20T12:00:00Z"
DELIVERED = "2026-03-10T12:00:00Z"


@dataclass(frozen=True, kw_only=True)
class Told:
    """What the command answered: its exit status, and its JSON."""

    status: int
    plain: dict[str, Any]

    @property
    def total(self) -> int:
        assert self.status == 0, self.plain
        return int(self.plain["breakdown"]["total"])

    @property
    def rows(self) -> list[tuple[str, int]]:
        """(code, amount) of each row, in their order."""
        return [(row["code"], row["amount"]) for row in self.plain["breakdown"]["rows"]]

    @property
    def rules(self) -> dict[str, int]:
        """rule -> the sum of its rows"""
        found: dict[str, int] = {}
        for row in self.plain["breakdown"]["rows"]:
            found[row["rule"]] = found.get(row["rule"], 0) + row["amount"]
        return found

    @property
    def tenders(self) -> dict[str, int]:
        """payment -> its part"""
        return {share["origin_id"]: share["amount"] for share in self.plain["breakdown"]["shares"]}

    @property
    def refusals(self) -> list[tuple[str, Any, Any]]:
        """(code, maximum, line)"""
        return [(one["code"], one["maximum"], one["line_id"]) for one in self.plain["refusals"]]

    @property
    def faults(self) -> dict[str, str]:
        """path -> what is wrong"""
        return {one["path"]: one["message"] for one in self.plain["faults"]}


Ask = Callable[..., Told]


def asking(folder: Path) -> Ask:
    """``ask(order, request, policy, prior=[...])`` by way of files in ``folder``."""

    def ask(order: Any, request: Any, policy: Any = None, *, prior: Sequence[Any] = ()) -> Told:
        arguments = ["--json"]
        for name, value in (("order", order), ("request", request), ("policy", policy)):
            if value is not None or name != "policy":
                arguments += [f"--{name}", written(folder, f"{name}.json", value)]
        for n, value in enumerate(prior):
            plain = value.plain if isinstance(value, Told) else value
            arguments += ["--prior", written(folder, f"prior-{n}.json", plain)]
        done = CliRunner().invoke(quote, arguments)
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        told = json.loads(done.stdout)
        form = "faults" if done.exit_code == 2 else "answer"
        Draft202012Validator({**schema.bundle(), "anyOf": [{"$ref": f"#/$defs/{form}"}]}).validate(told)
        if told.get("breakdown"):
            rows, shares = told["breakdown"]["rows"], told["breakdown"]["shares"]
            assert sum(row["amount"] for row in rows) == told["breakdown"]["total"] >= 0
            assert sum(share["amount"] for share in shares) == told["breakdown"]["total"]
        return Told(status=done.exit_code, plain=told)

    return ask


def written(folder: Path, name: str, value: Any) -> str:
    path = folder / name
    path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
    return str(path)


def a_line(name: str = "mug", units: int = 1, price: str = "10.00", **more: Any) -> dict[str, Any]:
    """A line of merchandise that was delivered ten days before it is asked about."""
    line = {"id": name, "units": units, "unit_price": price, **more}
    if more.get("kind", "merchandise") == "merchandise":
        line.setdefault("delivered_at", DELIVERED)
    return line


def shipping(price: str = "4.90", **more: Any) -> dict[str, Any]:
    return a_line("shipping", 1, price, kind="shipping", **more)


def an_order(*lines: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"currency": "EUR", "placed_at": PLACED, "lines": list(lines), **more}


def paid_by(**tenders: int) -> list[dict[str, Any]]:
    return [{"id": name, "tender": name, "captured": captured} for name, captured in tenders.items()]


def want(name: str = "mug", units: int = 1, **more: Any) -> dict[str, Any]:
    return {"line_id": name, "units": units, **more}


def a_request(*wanted: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"wanted": list(wanted), "requested_at": ASKED, **more}


def terms(**more: Any) -> dict[str, Any]:
    """A policy that keeps nothing back unless told."""
    return {"refund_shipping": "never", "return_postage": "merchant", **more}
