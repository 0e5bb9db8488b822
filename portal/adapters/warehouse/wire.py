"""The JSON of the warehouse contract (CONTRACT.md): our values to it, and its bodies to our values.

What comes in is held against the contract's schema first; a fault names its place.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

from portal.core.logistics import (
    Constraint,
    LeaveOut,
    LeaveOutAnswer,
    LeftOut,
    ToldUnits,
    WarehouseEvent,
    WarehouseOrder,
)

VERSION = 1
SCHEMA = Path(__file__).with_name("contract.schema.json")

_KINDS = {
    "pick.asked": "pick_asked",
    "picked": "picked",
    "put_back": "put_back",
    "shipped": "shipped",
    "leave_out.answered": "answered",
}
TYPES = {kind: name for name, kind in _KINDS.items()}


@cache
def _validator(name: str) -> Any:
    from jsonschema import Draft202012Validator

    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    checker = Draft202012Validator.FORMAT_CHECKER
    return Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": schema["$defs"]}, format_checker=checker)


def checked(name: str, value: Any) -> Any:
    """``value``, once it fits the contract's form ``name``. Raises ``ValueError`` with place and reason."""
    problem = next(iter(sorted(_validator(name).iter_errors(value), key=lambda one: list(one.path))), None)
    if problem is not None:
        raise ValueError(f"{name}{problem.json_path.removeprefix('$')}: {problem.message[:200]}")
    return value


def read(name: str, body: bytes) -> Any:
    """The JSON in ``body``, in the contract's form ``name``. Raises ``ValueError``."""
    try:
        value = json.loads(body)
    except (UnicodeDecodeError, RecursionError) as problem:
        raise ValueError(f"{name}: no JSON ({type(problem).__name__})") from None
    return checked(name, value)


# -------------------------------------------------------------------------------------------- what the portal says


def order(told: WarehouseOrder) -> dict[str, Any]:
    """``constraints_request``."""
    return {
        "version": VERSION,
        "merchant": told.merchant,
        "order": told.order,
        "number": told.number,
        "lines": [
            {
                "line": line.line,
                "sku": line.sku,
                "name": line.name,
                "location": line.location,
                "units": line.units,
                "shipped": line.shipped,
            }
            for line in told.lines
        ],
    }


def leave_out(request: LeaveOut) -> dict[str, Any]:
    """``leave_out_request``."""
    return {
        "version": VERSION,
        "merchant": request.merchant,
        "order": request.order,
        "number": request.number,
        "cancellation": request.cancellation,
        "lines": [_units(line) for line in request.lines],
        "shipments": [
            {"location": one.location, "lines": [_units(line) for line in one.lines]}
            for one in request.shipments
        ],
    }


def _units(line: LeftOut) -> dict[str, Any]:
    return {"line": line.line, "sku": line.sku, "location": line.location, "units": line.units}


def dumped(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


# ------------------------------------------------------------------------------------------ what the warehouse says


def constraints(value: Mapping[str, Any], told: WarehouseOrder, *, by: str) -> tuple[Constraint, ...]:
    """Of ``constraints_answer``; what it says of lines that it was not asked about is left aside."""
    ids: dict[str, UUID] = {line.line: line.line_id for line in told.lines}
    return tuple(
        Constraint(
            line_id=ids[one["line"]],
            code=one["code"],
            units=one.get("units"),
            until=moment(one["until"]) if one.get("until") else None,
            by=by,
        )
        for one in value["constraints"]
        if one["line"] in ids
    )


def answer(value: Mapping[str, Any]) -> LeaveOutAnswer:
    """Of ``leave_out_answer``, or of the data of ``leave_out.answered``."""
    return LeaveOutAnswer(
        state=value["state"],
        code=value.get("code", ""),
        message=value.get("message", "")[:300],
        lines=tuple(value.get("lines", ())),
    )


def event(event_id: str, value: Mapping[str, Any]) -> WarehouseEvent:
    """Of ``event``; a type that this version does not know is ``other``."""
    kind, data = _KINDS.get(value["type"], "other"), value["data"]
    if kind == "other":
        return WarehouseEvent(id=event_id, kind=kind, at=moment(value["timestamp"]))
    answered = kind == "answered"
    return WarehouseEvent(
        id=event_id,
        kind=kind,
        at=moment(value["timestamp"]),
        merchant=data["merchant"],
        order=data["order"],
        lines=() if answered else tuple(
            ToldUnits(units=one["units"], line=one.get("line", ""), sku=one.get("sku", ""))
            for one in data["lines"]
        ),
        key=data.get("key", ""),
        answer=answer(data) if answered else None,
        tracking_number=data.get("tracking_number", ""),
    )  # fmt: skip


def moment(text: str) -> datetime:
    """An aware moment. Raises ``ValueError``."""
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError(f"{text} has no zone")
    return found
