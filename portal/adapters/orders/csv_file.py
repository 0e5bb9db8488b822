"""Orders of any shop's CSV export: one row a line, a mapping file says which column means what.

Rows of one order stand together in the usual export. Where they do not, a first pass over the order
numbers finds those that are scattered, and only their rows wait for the last one: memory stays flat.
"""

import csv
import hashlib
from array import array
from collections.abc import Iterator, Sequence
from decimal import Decimal
from hashlib import blake2b
from typing import Any, BinaryIO

from portal.adapters.orders.files import Files, as_text
from portal.adapters.orders.mapping import (
    SPECIAL,
    Columns,
    CsvMapping,
    day,
    decisions,
    flag,
    moments,
    numbers,
)
from portal.adapters.orders.records import address
from portal.core.facts import LINE_KINDS
from portal.core.intake import (
    MAIN,
    MODES,
    NOTHING,
    ORDINARY,
    TENDERS,
    Fault,
    Incoming,
    IncomingAdjustment,
    IncomingCancellation,
    IncomingDiscount,
    IncomingLine,
    IncomingOrder,
    IncomingPayment,
    IncomingTax,
    Special,
)

Row = tuple[int, list[str]]
"""The physical line it ends on (the heading is line 1), and its fields."""

csv.field_size_limit(1 << 20)


class CsvFile:
    """The orders, adjustments and cancellations of CSV files."""

    name = "csv"

    def __init__(self, paths: Sequence[str], mapping: CsvMapping) -> None:
        self.files = Files(paths)
        self._mapping = mapping

    def read(self) -> Iterator[Incoming]:
        for path in self.files.paths:
            try:
                with self.files.opened(path) as stream:
                    yield from self._of_file(stream, path)
            except OSError as error:
                yield Fault(file=path, row=0, reason=f"cannot be opened: {error.strerror or error}")

    def _of_file(self, stream: BinaryIO, path: str) -> Iterator[Incoming]:
        read = self._mapping.format
        text = as_text(stream, read.encoding)
        reader = csv.reader(text, delimiter=read.delimiter)
        try:
            heading = [name.strip() for name in next(reader, [])]
            missing = [name for name in _named(self._mapping.columns).values() if name not in heading]
            if missing:
                yield Fault(file=path, row=1, reason=f"no such columns: {', '.join(missing)}")
                return
            reading = _Reading(self._mapping, heading, path)
            scattered = _scattered(reader, reading.order)
            text.seek(0)
            reader = csv.reader(text, delimiter=read.delimiter)
            next(reader)
            for faults, rows in _groups(reader, reading.order, len(heading), scattered):
                for line, reason in faults:
                    yield Fault(file=path, row=line, reason=reason)
                if rows:
                    yield from reading.group(rows)
        except (csv.Error, UnicodeDecodeError) as error:
            reason = f"cannot be read as {read.encoding} CSV: {str(error)[:100]}"
            yield Fault(file=path, row=reader.line_num + 1, reason=reason)
        finally:
            text.detach()


def _named(columns: Columns) -> dict[str, str]:
    return {field: name for field, name in vars(columns).items() if name}


def _hash(text: str) -> int:
    return int.from_bytes(blake2b(text.encode("utf-8", "replace"), digest_size=8).digest(), "big")


def _scattered(reader: Any, column: int) -> frozenset[int]:
    """Hashes of the order numbers whose rows do not all stand together; 8 bytes an order meanwhile."""
    starts = array("Q")
    last = None
    for row in reader:
        if len(row) > column and row[column] != last:
            last = row[column]
            starts.append(_hash(last))
    ordered = sorted(starts)
    return frozenset(one for one, following in zip(ordered, ordered[1:], strict=False) if one == following)


def _groups(
    reader: Any, column: int, width: int, scattered: frozenset[int]
) -> Iterator[tuple[list[tuple[int, str]], list[Row]]]:
    """The rows of one order after the other; those of scattered orders at the end."""
    waiting: dict[str, list[Row]] = {}
    faults: list[tuple[int, str]] = []
    rows: list[Row] = []
    last: str | None = None
    for row in reader:
        if len(row) != width:
            if row:
                faults.append((reader.line_num, f"{len(row)} fields where the heading has {width}"))
            continue
        if row[column] != last:
            if rows:
                yield faults, rows
                faults, rows = [], []
            last = row[column]
            if scattered and _hash(last) in scattered:
                rows = []
                waiting.setdefault(last, [])
        if scattered and last in waiting:
            waiting[last].append((reader.line_num, row))
        else:
            rows.append((reader.line_num, row))
    yield faults, rows
    for rows in waiting.values():
        yield [], rows


class _Reading:
    """One file being read: where its columns are, and how its values are written."""

    def __init__(self, mapping: CsvMapping, heading: list[str], path: str) -> None:
        self.mapping, self.path, self.format = mapping, path, mapping.format
        self.at = {field: heading.index(name) for field, name in _named(mapping.columns).items()}
        self.order = self.at["order"]
        self.number, self.moment = numbers(mapping.format), moments(mapping.format)
        self.decide = decisions(mapping.rules)
        self.has_special = not self.at.keys().isdisjoint(SPECIAL)

    def value(self, row: list[str], field: str) -> str:
        at = self.at.get(field)
        return "" if at is None else row[at].strip()

    def group(self, rows: list[Row]) -> Iterator[Incoming]:
        """The order these rows are, with the rows among them that are none."""
        lines: list[IncomingLine] = []
        kept: list[Row] = []
        refused = False
        for position, (line_number, row) in enumerate(rows, 1):
            try:
                incoming = self._row(row, line_number, position)
            except (ValueError, ArithmeticError) as error:
                refused = True
                yield Fault(file=self.path, row=line_number, reason=str(error) or "cannot be read")
                continue
            if isinstance(incoming, IncomingLine):
                lines.append(incoming)
                kept.append((line_number, row))
            else:
                yield incoming
        if refused and lines:
            reason = f"order {rows[0][1][self.order]} is not taken, since a row of it cannot be read"
            yield Fault(file=self.path, row=rows[0][0], reason=reason)
        elif lines:
            try:
                yield self._whole(kept, lines)
            except (ValueError, ArithmeticError) as error:
                yield Fault(file=self.path, row=kept[0][0], reason=str(error))

    def _row(
        self, row: list[str], line_number: int, position: int
    ) -> IncomingLine | IncomingAdjustment | IncomingCancellation:
        at = self.at
        order = row[self.order].strip()
        if not order:
            raise ValueError("it has no order number")
        sku = row[at["sku"]].strip() if "sku" in at else ""
        units, price = self.number(row[at["units"]]), self.number(row[at["unit_price"]])
        means, kind = self.decide(order, sku, units, price)
        if means != "line":
            return self._other(row, line_number, position, means, kind, units, price)
        if units < 0:
            raise ValueError(f"{units} units: less than none")
        return IncomingLine(
            external_id=(self.value(row, "line_id") if "line_id" in at else "") or str(position),
            units=units,
            unit_price=price,
            kind=self._kind(row, kind) if "kind" in at else kind,
            sku=sku,
            name=row[at["name"]].strip() if "name" in at else "",
            variant=row[at["variant"]].strip() if "variant" in at else "",
            category=row[at["category"]].strip() if "category" in at else "",
            weight_g=int(self.number(self.value(row, "weight_g"))) if "weight_g" in at else 0,
            discount=self.number(row[at["discount"]]) if "discount" in at else NOTHING,
            taxes=self._taxes(row) if "tax" in at else (),
            shipped=self._shipped(row, units),
            parent=row[at["parent"]].strip() if "parent" in at else "",
            special=self._special(row) if self.has_special else ORDINARY,
        )

    def _kind(self, row: list[str], kind: str) -> str:
        told = self.value(row, "kind").casefold()
        if told and told not in LINE_KINDS:
            raise ValueError(f"its kind {told!r} is unknown; known are {', '.join(LINE_KINDS)}")
        return told or kind

    def _special(self, row: list[str]) -> Special:
        told = {name: self.value(row, name) for name in SPECIAL}
        if not any(told.values()):
            return ORDINARY
        return Special(
            picked=int(self.number(told["picked"])),
            location=told["location"] or MAIN,
            logistics=tuple(told["logistics"].replace(",", " ").replace(";", " ").split()),
            cut_off_at=self.moment(told["cut_off"]) if told["cut_off"] else None,
            gift=flag(told["gift"]),
            part_required=flag(told["part_required"]),
            list_price=self.number(told["list_price"]) if told["list_price"] else None,
            period_start=day(told["period_start"], self.format),
            period_end=day(told["period_end"], self.format),
            interval=told["interval"].casefold(),
        )

    def _taxes(self, row: list[str]) -> tuple[IncomingTax, ...]:
        tax = self.number(row[self.at["tax"]])
        return (IncomingTax(label=self.value(row, "tax_label") or "Tax", amount=tax),) if tax else ()

    def _shipped(self, row: list[str], units: Decimal) -> int:
        if "shipped" in self.at:
            return int(self.number(row[self.at["shipped"]]))
        return int(units) if self.format.shipped == "all" else 0

    def _other(
        self,
        row: list[str],
        line_number: int,
        position: int,
        means: str,
        kind: str,
        units: Decimal,
        price: Decimal,
    ) -> IncomingAdjustment | IncomingCancellation:
        order, at = row[self.order].strip(), self.moment(row[self.at["placed_at"]].strip())
        if units != int(units):
            raise ValueError(f"{units} units is not a whole number")
        if means == "cancellation":
            return IncomingCancellation(
                number=order,
                at=at,
                currency=self._currency(row),
                sku=self.value(row, "sku"),
                units=abs(int(units)),
                unit_price=price,
                kind=kind,
                customer_ref=self._customer(row),
                file=self.path,
                row=line_number,
            )
        return IncomingAdjustment(
            external_id=f"{order}:{position}",
            kind=means,
            at=at,
            currency=self._currency(row),
            sku=self.value(row, "sku"),
            units=int(units),
            amount=units * price,
            text=self.value(row, "name"),
            file=self.path,
            row=line_number,
        )

    def _whole(self, rows: list[Row], lines: list[IncomingLine]) -> IncomingOrder:
        """The order; what belongs to all of it is taken from its first row that says it."""
        first = rows[0][1]
        number = first[self.order].strip()
        country = self._country(self._said(rows, "country"))
        content = hashlib.sha256(self.mapping.digest.encode())
        for _, row in rows:
            content.update("\x1f".join(row).encode("utf-8", "replace"))
        shipping = self.number(self._said(rows, "shipping"))
        if shipping:
            lines.append(
                IncomingLine(external_id="shipping", units=1, unit_price=shipping, kind="shipping", shipped=1)
            )
        return IncomingOrder(
            external_id=number,
            number=number,
            currency=self._currency(first),
            placed_at=min(self.moment(row[self.at["placed_at"]].strip()) for _, row in rows),
            lines=tuple(lines),
            payments=(self._payment(rows, number),),
            discount=self.number(self._said(rows, "order_discount")),
            discounts=(IncomingDiscount(code=code),) if (code := self._said(rows, "discount_code")) else (),
            state=self._state(rows),
            prices_include_tax=self.format.prices_include_tax,
            customer_ref=self._customer(first),
            email=self._said(rows, "email"),
            name=self._said(rows, "customer_name"),
            phone=self._said(rows, "phone"),
            country=country,
            postcode=self._said(rows, "postcode"),
            address=self._address(rows, country),
            digest=content.hexdigest(),
            file=self.path,
            row=rows[0][0],
        )

    def _said(self, rows: list[Row], field: str) -> str:
        if field not in self.at:
            return ""
        return next((value for _, row in rows if (value := self.value(row, field))), "")

    def _payment(self, rows: list[Row], number: str) -> IncomingPayment:
        captured = self._said(rows, "captured")
        kind = self._said(rows, "tender").casefold()
        return IncomingPayment(
            reference=self._said(rows, "payment_reference") or f"csv:{number}",
            tender=kind if kind in TENDERS else self.format.tender,
            captured=self.number(captured) if captured else None,
            label=self._said(rows, "tender"),
            mode=self._mode(rows),
        )

    def _mode(self, rows: list[Row]) -> str:
        mode = self._said(rows, "payment_mode").casefold() or self.format.payment_mode
        if mode and mode not in MODES:
            raise ValueError(f"its payment mode {mode!r} is unknown; known are {', '.join(MODES)}")
        return mode

    def _state(self, rows: list[Row]) -> str:
        word = self._said(rows, "state").casefold()
        if word and word not in self.mapping.states:
            raise ValueError(f"its state {word!r} is unknown; name it in [states] of the mapping")
        return self.mapping.states[word] if word else self.format.state

    def _address(self, rows: list[Row], country: str) -> dict[str, Any]:
        if not {"street", "postcode", "city"} & set(self.at):
            return {}
        return address(
            name=self._said(rows, "customer_name"),
            company="",
            street=(self._said(rows, "street"), ""),
            postcode=self._said(rows, "postcode"),
            city=self._said(rows, "city"),
            region=self._said(rows, "region"),
            country=country,
            phone=self._said(rows, "phone"),
        )

    def _currency(self, row: list[str]) -> str:
        return self.value(row, "currency") or self.format.currency

    def _customer(self, row: list[str]) -> str:
        return self.value(row, "customer").removesuffix(self.format.customer_suffix)

    def _country(self, name: str) -> str:
        return self.mapping.countries.get(name.casefold(), name if len(name) == 2 else "")
