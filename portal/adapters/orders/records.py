"""Streams of JSON records, and how their fields are read: exactly, or with a reason why not."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, BinaryIO

import ijson

from portal.adapters.orders.files import Files, start
from portal.core.intake import DUE_TENDERS, Fault, Incoming, IncomingOrder

Record = Mapping[str, Any]


class Unreadable(Exception):
    """A record that is no order, or an order that cannot be read: the reason, for people."""


def orders(
    files: Files, wrappers: tuple[str, ...], read: Callable[[Record], IncomingOrder]
) -> Iterator[Incoming]:
    """Every order of ``files``; a record that ``read`` refuses is a fault and the next one follows."""
    for path in files.paths:
        yield from _of_file(files, path, wrappers, read)


def _of_file(
    files: Files, path: str, wrappers: tuple[str, ...], read: Callable[[Record], IncomingOrder]
) -> Iterator[Incoming]:
    row = 0
    try:
        with files.opened(path) as stream:
            for row, record in enumerate(_records(stream, wrappers), 1):
                yield _read(record, path, row, read)
    except OSError as error:
        yield Fault(file=path, row=0, reason=f"cannot be opened: {error.strerror or error}")
    except (ijson.JSONError, UnicodeDecodeError) as error:
        yield Fault(file=path, row=row + 1, reason=f"not valid JSON: {_first_line(error)}")


def _read(record: Any, path: str, row: int, read: Callable[[Record], IncomingOrder]) -> Incoming:
    if not isinstance(record, dict):
        return Fault(file=path, row=row, reason=f"no order: {json.dumps(str(record)[:40])} is no object")
    try:
        order = read(record)
    except Unreadable as error:
        return Fault(file=path, row=row, reason=str(error))
    return replace(order, file=path, row=row)


def _first_line(error: Exception) -> str:
    said = error.args[0] if error.args else ""
    text: str = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
    return text.strip().splitlines()[0] if text.strip() else type(error).__name__


def _records(stream: BinaryIO, wrappers: tuple[str, ...]) -> Iterator[Any]:
    start(stream)
    prefix = _prefix(stream, wrappers)
    start(stream)
    yield from ijson.items(stream, prefix)


def _prefix(stream: BinaryIO, wrappers: tuple[str, ...]) -> str:
    """Where the orders stand: in a list, under one of ``wrappers``, or the whole document is one."""
    for prefix, event, _value in ijson.parse(stream):
        if prefix == "" and event == "start_array":
            return "item"
        if prefix in wrappers and event == "start_array":
            return f"{prefix}.item"
        if prefix in wrappers and event == "start_map":
            return prefix
    return ""


def digest(*records: object) -> str:
    """Of the content, not the spelling: the order of keys and white space do not matter."""
    text = json.dumps(records, sort_keys=True, default=str, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def require(record: Record, keys: tuple[str, ...]) -> None:
    """Raises ``Unreadable`` naming every one of ``keys`` that is missing or null."""
    missing = [key for key in keys if record.get(key) is None]
    if missing:
        holds = ", ".join(list(record)[:4]) + (" ..." if len(record) > 4 else "")
        raise Unreadable(f"no order: {', '.join(missing)} missing (it holds {holds or 'nothing'})")


def text(record: Record, key: str) -> str:
    value = record.get(key)
    return "" if value is None or isinstance(value, (dict, list)) else str(value)


def amount(record: Record, key: str, what: str = "") -> Decimal:
    """An amount in whole units; absent, null and blank are 0. Raises ``Unreadable``."""
    value = record.get(key)
    if value is None or value == "":
        return Decimal(0)
    try:
        if isinstance(value, bool) or not isinstance(value, (str, int, Decimal)):
            raise InvalidOperation
        number = Decimal(value)
        if not number.is_finite() or abs(number) > Decimal(10) ** 15:
            raise InvalidOperation
    except InvalidOperation:
        raise Unreadable(f"{what or key}: {str(value)[:40]!r} is no amount") from None
    return number


def several(record: Record, key: str) -> list[Record]:
    """The objects in the list ``key``; absent and null are none. Raises ``Unreadable`` when it is no list."""
    value = record.get(key)
    if value is None or value == {}:
        return []
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise Unreadable(f"{key} is no list of objects")
    return value


def inner(record: Record, key: str) -> Record:
    value = record.get(key)
    return value if isinstance(value, dict) else {}


def moment(value: object, what: str) -> datetime:
    """An ISO 8601 moment; one without zone is UTC. Raises ``Unreadable``."""
    try:
        read = datetime.fromisoformat(str(value).replace("Z", "+00:00"))
    except ValueError:
        raise Unreadable(f"{what}: {str(value)[:40]!r} is no date") from None
    return read.replace(tzinfo=UTC) if read.tzinfo is None else read


def address(
    *,
    name: str,
    company: str,
    street: tuple[str, str],
    postcode: str,
    city: str,
    region: str,
    country: str,
    phone: str,
) -> dict[str, Any]:
    """The fields of ``core.addresses.Address`` as plain JSON; empty when nothing is known."""
    known = {
        "name": name.strip(),
        "company": company,
        "street": [line for line in street if line],
        "postcode": postcode,
        "city": city,
        "region": region,
        "country": country.upper()[:2],
        "phone": phone,
    }
    return known if known["street"] or known["postcode"] or known["city"] else {}


def tender(gateway: str) -> str:
    """What kind of money a gateway moves; a card unless its name says otherwise."""
    name = gateway.casefold().replace("_", " ").replace("-", " ")
    for words, kind in (
        (("gift",), "gift_card"),
        (("store credit",), "store_credit"),
        (("paypal", "apple", "google", "amazon", "klarna", "alipay", "wallet", "shop pay"), "wallet"),
        (("installment", "instalment", "raten"), "instalments"),
        (("invoice", "rechnung", "net 30", "payment terms"), "invoice"),
        (("bacs", "bank", "sepa", "transfer", "cheque"), "bank_transfer"),
        (("cod", "cash on delivery", "nachnahme"), "cash_on_delivery"),
        (("cash",), "cash"),
    ):
        if any(word in name for word in words):
            return kind
    return "card"


PAID_LATER = (*DUE_TENDERS, "bank_transfer")
"""Tenders with which an order is placed before anything is paid: till then the customer owes it."""
