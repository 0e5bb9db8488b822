"""JSON values into frozen records, by the types of their fields: every fault is told with its path."""

import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import Any


def record(shape: type, value: Any, path: str, faults: list[str]) -> Any:
    """``value`` as an instance of the dataclass ``shape``, or None; what is wrong is added to ``faults``."""
    if not isinstance(value, Mapping):
        faults.append(f"{path}: an object is needed, not {type(value).__name__}")
        return None
    known = _types(shape)
    before = len(faults)
    faults += [f"{path}.{key}: unknown" for key in value if key not in known]
    taken = {
        key: _value(known[key], item, f"{path}.{key}", faults) for key, item in value.items() if key in known
    }
    faults += [
        f"{path}.{field.name}: missing"
        for field in fields(shape)
        if field.default is MISSING and field.default_factory is MISSING and field.name not in value
    ]
    return shape(**taken) if len(faults) == before else None


@cache
def _types(shape: type) -> dict[str, Any]:
    return typing.get_type_hints(shape)


def _value(wanted: Any, item: Any, path: str, faults: list[str]) -> Any:
    if isinstance(wanted, types.UnionType):
        if item is None:
            return None
        return _value(
            next(one for one in typing.get_args(wanted) if one is not type(None)), item, path, faults
        )
    if typing.get_origin(wanted) is tuple:
        return _items(typing.get_args(wanted)[0], item, path, faults)
    if is_dataclass(wanted):
        return record(typing.cast(type, wanted), item, path, faults)
    if wanted is bool:
        return _flag(item, path, faults)
    return _whole(item, path, faults) if wanted is int else _text(item, path, faults)


def _items(wanted: Any, item: Any, path: str, faults: list[str]) -> tuple[Any, ...]:
    if typing.get_origin(wanted) is tuple:
        first, second = typing.get_args(wanted)
        return _pairs(first, second, item, path, faults)
    if not isinstance(item, list | tuple):
        faults.append(f"{path}: a list is needed, not {type(item).__name__}")
        return ()
    return tuple(_value(wanted, one, f"{path}[{i}]", faults) for i, one in enumerate(item))


def _pairs(first: Any, second: Any, item: Any, path: str, faults: list[str]) -> tuple[Any, ...]:
    """[[code, number], ...]; where the first is text, {code: number, ...} says the same."""
    if isinstance(item, Mapping) and first is str:
        item = list(item.items())
    if not isinstance(item, list | tuple):
        faults.append(f"{path}: a list of pairs is needed, not {type(item).__name__}")
        return ()
    found = []
    for i, pair in enumerate(item):
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            faults.append(f"{path}[{i}]: a pair is needed, not {pair!r}")
            continue
        left = _value(first, pair[0], f"{path}[{i}][0]", faults)
        name = f"{path}.{left}" if first is str else f"{path}[{i}][1]"
        found.append((left, _value(second, pair[1], name, faults)))
    return tuple(found)


def _whole(item: Any, path: str, faults: list[str]) -> int:
    if isinstance(item, bool) or not isinstance(item, int) or item < 0:
        faults.append(f"{path}: a whole number from 0 is needed, not {item!r}")
        return 0
    return item


def _flag(item: Any, path: str, faults: list[str]) -> bool:
    if not isinstance(item, bool):
        faults.append(f"{path}: true or false is needed, not {item!r}")
    return bool(item)


def _text(item: Any, path: str, faults: list[str]) -> str:
    if not isinstance(item, str):
        faults.append(f"{path}: text is needed, not {item!r}")
    return str(item)
