"""From the text of a file to plain values, strictly: no float, no key twice, nothing that is not JSON."""

import json
import tomllib
from decimal import Decimal
from typing import Any

from portal.quotes.faults import BadInput, Fault


def read(text: bytes, form: str, *, toml: bool = False) -> Any:
    """The value that ``text`` (UTF-8) holds; ``form`` stands in the path of faults. Raises ``BadInput``."""
    try:
        plain = text.decode("utf-8-sig")
        return tomllib.loads(plain, parse_float=Decimal) if toml else _json(plain)
    except UnicodeDecodeError as problem:
        raise BadInput([Fault(path=form, message=f"is not UTF-8 (byte {problem.start})")]) from None
    except RecursionError:
        raise BadInput([Fault(path=form, message="is nested too deeply")]) from None
    except tomllib.TOMLDecodeError as problem:
        raise BadInput([Fault(path=form, message=f"is not TOML: {problem}")]) from None
    except ValueError as problem:
        raise BadInput([Fault(path=form, message=f"is not JSON: {problem}")]) from None


def _json(text: str) -> Any:
    # A number with a point stays a Decimal, so that 12.0 is no whole number and nothing becomes a float.
    return json.loads(text, parse_float=Decimal, parse_constant=_no_number, object_pairs_hook=_once)


def _no_number(word: str) -> Any:
    raise ValueError(f"{word} is no number")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key!r} stands twice in one object")
        found[key] = value
    return found
