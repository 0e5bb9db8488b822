"""What the dock counted, between the page and the core: read from the form, and made into what is saved."""

import secrets
from collections.abc import Iterator
from uuid import UUID

from flask import request
from werkzeug.datastructures import MultiDict

from portal.core import dock
from portal.core.dock import Count, Foreign, Heap
from portal.core.reasons import CHECKLIST, DISPOSITIONS, GRADES
from portal.services import pictures
from portal.services.docking.dock import Sheet, SheetLine
from portal.services.docking.receiving import InspectionEntry, Intake
from portal.services.docking.unexpected import Surprise
from portal.web import uploads

ARRIVE, GRADE = "arrive", "grade"
"""What the count is of: units that come out of a parcel, or units that are here and wait to be graded."""


def mode_of(sheet: Sheet, wanted: str) -> str:
    """Units come in while any is expected; where none is, what is here is graded."""
    if wanted == GRADE and sheet.waits:
        return GRADE
    return ARRIVE if sheet.takes_goods or not sheet.waits else GRADE


def started(sheet: Sheet, mode: str) -> Count:
    """The count as a sheet begins: empty, or with what was seen to be damaged or something else on arrival."""
    heaps: list[Heap] = []
    if mode == GRADE and sheet.may_inspect:
        for line in sheet.lines:
            for grade, units in (("D", line.damaged), ("W", line.other)):
                if units:
                    heaps.append(
                        Heap(key=len(heaps), line=str(line.id), units=units, grade=grade,
                             refused=grade in dock.REFUSED)
                    )  # fmt: skip
    return Count(heaps=tuple(heaps))


def fresh_nonce() -> str:
    """Names one sheet, so that the same one is saved once."""
    return secrets.token_hex(12)


def read(form: MultiDict[str, str], sheet: Sheet) -> Count:
    """The count as the page sent it; lines that are not this return's are left out."""
    lines = {str(line.id) for line in sheet.lines}
    keys = sorted({int(name.split("-")[1]) for name in form if name.startswith("h-") and _is_key(name)})
    heaps = [_heap(form, key) for key in keys]
    return Count(
        heaps=tuple(heap for heap in heaps if heap.line in lines and heap.units > 0),
        foreign=tuple(_foreign(form)),
        missing=frozenset(line for line in form.getlist("missing") if line in lines),
        active=form.get("active", "") if form.get("active", "") in lines else "",
    )


def _is_key(name: str) -> bool:
    parts = name.split("-")
    return len(parts) > 2 and parts[1].isdecimal() and parts[1].isascii()


def _number(text: str | None, most: int = dock.MOST) -> int:
    told = (text or "").strip()
    return min(int(told), most) if told.isascii() and told.isdecimal() else 0


def _heap(form: MultiDict[str, str], key: int) -> Heap:
    def told(name: str) -> str:
        return form.get(f"h-{key}-{name}", "").strip()

    grade, before = told("grade"), told("was")
    grade = grade if grade in GRADES else ""
    refused = bool(told("refused")) if grade == before else grade in dock.REFUSED
    return Heap(
        key=key,
        line=told("line"),
        units=_number(told("units")),
        grade=grade,
        disposition=told("disposition") if told("disposition") in DISPOSITIONS and grade == before else "",
        refused=refused,
        checks={one: told(f"check-{one}") == "yes" for one in CHECKLIST if told(f"check-{one}")},
        lacks=tuple(form.getlist(f"h-{key}-lacks")),
        used=_number(told("used"), 10_000_000) if told("used") else None,
        note=told("note")[:500],
        broken=_number(told("broken")),
        wrong=_number(told("wrong")),
    )


def _foreign(form: MultiDict[str, str]) -> Iterator[Foreign]:
    named = zip(form.getlist("foreign-sku"), form.getlist("foreign-name"), strict=False)
    for index, (sku, name) in enumerate(named):
        units = _number(form.get(f"foreign-{index}-units"))
        if sku and units:
            yield Foreign(sku=sku[:100], name=name[:300], units=units)


def intake(count: Count, sheet: Sheet, mode: str, *, note: str = "") -> Intake:
    """What is saved: graded heaps as inspections, units beyond what is expected and other goods as surprises.

    Raises ``uploads.TooLarge``, ``uploads.TooMany``, ``Conflict`` for a picture that cannot be read.
    """
    counts: dict[UUID, int] = {}
    missing: dict[UUID, int] = {}
    broken: dict[UUID, int] = {}
    wrong: dict[UUID, int] = {}
    entries: list[InspectionEntry] = []
    surprises = [
        Surprise(kind="other_item", sku=one.sku, name=one.name, units=one.units, code=one.sku)
        for one in count.foreign
    ]
    for line in sheet.lines:
        heaps = [heap for heap in count.heaps if heap.line == str(line.id)]
        kept, beyond = dock.split(heaps, line.expected if mode == ARRIVE else line.waiting)
        entries += [_entry(line, heap) for heap in kept if heap.grade]
        if mode == ARRIVE:
            if units := sum(heap.units for heap in kept):
                counts[line.id] = units
                broken[line.id] = sum(heap.broken for heap in kept)
                wrong[line.id] = sum(heap.wrong for heap in kept)
            left = line.expected - counts.get(line.id, 0)
            if str(line.id) in count.missing and left > 0:
                missing[line.id] = left
        surprises += [
            Surprise(
                kind="surplus",
                sku=line.sku,
                name=line.name,
                units=heap.units,
                grade=heap.grade,
                note=heap.note,
            )
            for heap in beyond
        ]
    return Intake(
        counts=counts,
        damaged={line: units for line, units in broken.items() if units},
        other={line: units for line, units in wrong.items() if units},
        missing=missing,
        entries=tuple(entries),
        surprises=tuple(surprises),
        note=note,
    )


def _entry(line: SheetLine, heap: Heap) -> InspectionEntry:
    proposed = line.proposals[heap.grade].disposition
    return InspectionEntry(
        line_id=line.id,
        units=heap.units,
        grade=heap.grade,
        disposition=heap.disposition or proposed,
        proposed=proposed,
        accepted=not heap.refused,
        note=heap.note,
        missing_accessories=heap.lacks,
        used=heap.used,
        checklist=dict(heap.checks),
        pictures=tuple(
            pictures.prepare(content)
            for content in uploads.contents(request.files.getlist(f"h-{heap.key}-photos"))
        ),
    )
