"""The JSON Schema of every form, and what it finds wrong, in sentences."""

import json
from collections.abc import Iterable, Iterator
from decimal import Decimal
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from portal.quotes.faults import Fault, below

FILE = Path(__file__).with_name("schema.json")
TYPES = {
    "integer": "a whole number",
    "number": "a number",
    "string": "text",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}


@cache
def bundle() -> dict[str, Any]:
    """The whole schema, as ``flask quote --schema`` prints it."""
    found: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return found


def definition(form: str) -> dict[str, Any]:
    """One definition of the bundle, such as ``order``."""
    found: dict[str, Any] = bundle()["$defs"][form]
    return found


@cache
def _validator(form: str) -> Draft202012Validator:
    return Draft202012Validator({"$ref": f"#/$defs/{form}", "$defs": bundle()["$defs"]})


def faults(form: str, value: Any, path: str = "") -> tuple[Fault, ...]:
    """Everything that keeps ``value`` from being that form, in the order of the file."""
    found = (fault for error in _validator(form).iter_errors(value) for fault in _told(error, path or form))
    return tuple(dict.fromkeys(found))


def _told(error: ValidationError, root: str) -> Iterator[Fault]:
    path = below(root, *error.path)
    kind, asked, given = error.validator, error.validator_value, error.instance
    if kind == "anyOf":
        yield from _of_the_nearest(error, root)
    elif kind == "additionalProperties":
        known = list(error.schema.get("properties", ()))
        for key in given:
            if key not in known:
                near = get_close_matches(key, known, 1)
                hint = f"; did you mean {near[0]}?" if near else ""
                yield Fault(path=below(path, key), message=f"is not known here{hint}")
    elif kind == "required":
        # One error per missing key: its message names it first.
        missing = next(key for key in asked if error.message.startswith(repr(key)))
        yield Fault(path=below(path, missing), message="is missing")
    else:
        yield Fault(path=path, message=_sentence(str(kind), asked, given, error))


def _sentence(kind: str, asked: Any, given: Any, error: ValidationError) -> str:
    shown = _shown(given)
    match kind:
        case "type":
            wanted = [asked] if isinstance(asked, str) else asked
            return f"{' or '.join(TYPES[one] for one in wanted)} is needed, not {shown}"
        case "enum":
            return f"one of {', '.join(str(one) for one in asked)} is needed, not {shown}"
        case "minimum":
            return f"{asked} or more is needed, not {shown}"
        case "maximum":
            return f"{asked} or less is needed, not {shown}"
        case "pattern":
            meant = error.schema.get("description", "")
            return f"{shown} is not understood. {meant}".strip()
        case "minLength":
            return "may not be empty"
        case "minItems":
            return f"at least {asked} {'entry is' if asked == 1 else 'entries are'} needed"
        case "maxLength" | "maxItems" | "items":
            return f"is too long: {shown}"
    return str(error.message)


def _of_the_nearest(error: ValidationError, root: str) -> Iterator[Fault]:
    """The faults of the branch that was most likely meant; where none has the right type, all their types."""
    path = below(root, *error.path)
    branches: dict[int, list[ValidationError]] = {}
    for inner in error.context or ():
        branches.setdefault(int(inner.schema_path[0]), []).append(inner)
    fitting = [errors for errors in branches.values() if not any(_is_type(one) for one in errors)]
    if not fitting:
        types = dict.fromkeys(
            TYPES[name]
            for errors in branches.values()
            for one in errors
            if _is_type(one)
            for name in _types(one)
        )
        yield Fault(path=path, message=f"{' or '.join(types)} is needed, not {_shown(error.instance)}")
        return
    # Errors of the value itself (keys that are missing or not known) weigh more than those inside it.
    for inner in min(fitting, key=lambda errors: (sum(not one.path for one in errors), len(errors))):
        yield from _told(inner, path)


def _is_type(error: ValidationError) -> bool:
    """Whether the value itself, not something in it, is of another type."""
    return error.validator == "type" and not error.path


def _types(error: ValidationError) -> Iterable[str]:
    return [error.validator_value] if isinstance(error.validator_value, str) else error.validator_value


def _shown(value: Any) -> str:
    """What was given, short enough to be read."""
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, dict | list):
        return f"{TYPES['object' if isinstance(value, dict) else 'array']}"
    told = json.dumps(value, ensure_ascii=False, default=str)
    return told if len(told) <= 60 else told[:57] + "..."
