"""Form bodies and queries as Stripe nests them: ``metadata[payout]=x``, ``expand[]=charge``, ``created[gte]=1``."""

import re
from typing import Any
from urllib.parse import parse_qsl

from tests.stripe_server.errors import Fault

_NAME = re.compile(r"^([^\[\]]+)((?:\[[^\[\]]*\])*)$")


def parse(text: str) -> dict[str, Any]:
    """The nested parameters of an encoded form. Raises ``Fault`` where a name makes no sense."""
    found: dict[str, Any] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        matched = _NAME.match(name)
        if matched is None:
            raise Fault(400, f"Invalid parameter name: {name}", param=name)
        _put(found, [matched[1], *re.findall(r"\[([^\[\]]*)\]", matched[2])], value, name)
    return found


def _put(into: dict[str, Any], path: list[str], value: str, name: str) -> None:
    here, rest = path[0], path[1:]
    if not rest:
        into[here] = value
        return
    if rest[0] == "" or rest[0].isdecimal():
        several = into.setdefault(here, [])
        if not isinstance(several, list) or len(rest) > 1:
            raise Fault(400, f"Invalid array: {name}", param=here)
        several.append(value)
        return
    inner = into.setdefault(here, {})
    if not isinstance(inner, dict):
        raise Fault(400, f"Invalid hash: {name}", param=here)
    _put(inner, rest, value, name)


def only(params: dict[str, Any], *known: str) -> None:
    """Refuse what the endpoint does not know, as Stripe does."""
    for name in params:
        if name not in (*known, "expand"):
            raise Fault(400, f"Received unknown parameter: {name}", code="parameter_unknown", param=name)


def whole(params: dict[str, Any], name: str, default: int | None = None) -> int | None:
    """A whole number above nothing, or the default."""
    if name not in params:
        return default
    text = params[name]
    if not isinstance(text, str) or not re.fullmatch(r"-?[0-9]{1,18}", text):
        raise Fault(400, f"Invalid integer: {text}", code="parameter_invalid_integer", param=name)
    if int(text) < 1:
        raise Fault(
            400,
            "This value must be greater than or equal to 1.",
            code="parameter_invalid_integer",
            param=name,
        )
    return int(text)


def metadata(params: dict[str, Any]) -> dict[str, str]:
    """At most 50 short texts."""
    given = params.get("metadata", {})
    if given == "":
        return {}
    if not isinstance(given, dict):
        raise Fault(400, "Invalid hash", param="metadata")
    for key, value in given.items():
        if len(given) > 50 or len(key) > 40 or not isinstance(value, str) or len(value) > 500:
            raise Fault(
                400, "Metadata is at most 50 keys of 40 and values of 500 characters", param="metadata"
            )
    return dict(given)
