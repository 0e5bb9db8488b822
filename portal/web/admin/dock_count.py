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
from portal.services.pictures import Prepared
from portal.web import uploads

ARRIVE, GRADE = "arrive", "grade"
"""What the count is of: units that come out of a parcel, or units that are here and wait to be graded."""


def mode_of(sheet: Sheet, wanted: str) -> str:
    """Units come in while any is expected; where none is, what is here is graded by whoever may."""
    grades = sheet.waits and sheet.may_inspect
    if wanted == GRADE and grades:
        return GRADE
    return ARRIVE if sheet.takes_goods or not grades else GRADE


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


def begun(count: Count, sheet: Sheet, mode: str, *, note: str = "") -> bool:
    """Whether somebody counted, graded or wrote something that is not saved."""
    return not count.is_empty and (count != started(sheet, mode) or bool(note.strip()))


def ungraded(count: Count, sheet: Sheet, mode: str) -> SheetLine | None:
    """A line of which units that are here were counted and not graded: of those nothing could be saved."""
    lines = (sheet.line(heap.line) for heap in count.heaps if mode == GRADE and not heap.grade)
    return next((line for line in lines if line is not None and line.waiting), None)


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
    return len(parts) > 2 and parts[1].isdecimal() and parts[1].isascii() and len(parts[1]) < DIGITS


DIGITS = 10
MOST_USE = 10_000_000
LIMITS = {"units": dock.MOST, "broken": dock.MOST, "wrong": dock.MOST, "used": MOST_USE}


def number(text: str | None, most: int = dock.MOST) -> int:
    """What was typed as a number from 0 to ``most``; 0 for anything else but a larger one."""
    told = (text or "").strip()
    if not (told.isascii() and told.isdecimal()):
        return 0
    return most if len(told) >= DIGITS else min(int(told), most)


def _is_one(told: str, most: int) -> bool:
    return told.isascii() and told.isdecimal() and len(told) < DIGITS and int(told) <= most


def unreadable(form: MultiDict[str, str]) -> tuple[str, int] | None:
    """(what was typed, the most that can be) of the first number that is none; None where all can be counted."""
    for name, value in form.items(multi=True):
        of, _, field = name.rpartition("-")
        most, told = LIMITS.get(field), value.strip()
        if most is None or not told or not of.startswith(("h-", "foreign-")):
            continue
        if not _is_one(told, most):
            return told[:20], most
    return None


def _heap(form: MultiDict[str, str], key: int) -> Heap:
    def told(name: str) -> str:
        return form.get(f"h-{key}-{name}", "").strip()

    grade, before = told("grade"), told("was")
    grade = grade if grade in GRADES else ""
    refused = bool(told("refused")) if grade == before else grade in dock.REFUSED
    return Heap(
        key=key,
        line=told("line"),
        units=_units(told("units"), told("had")),
        grade=grade,
        disposition=told("disposition") if told("disposition") in DISPOSITIONS and grade == before else "",
        refused=refused,
        checks={one: told(f"check-{one}") == "yes" for one in CHECKLIST if told(f"check-{one}")},
        lacks=tuple(form.getlist(f"h-{key}-lacks")),
        used=number(told("used"), MOST_USE) if told("used") else None,
        note=told("note")[:500],
        broken=number(told("broken")),
        wrong=number(told("wrong")),
    )


def _units(told: str, had: str) -> int:
    """As many as were typed; what is no number leaves as many as there were."""
    return number(told if not told or _is_one(told, dock.MOST) else had)


def _foreign(form: MultiDict[str, str]) -> Iterator[Foreign]:
    named = zip(form.getlist("foreign-sku"), form.getlist("foreign-name"), strict=False)
    for index, (sku, name) in enumerate(named):
        units = _units(form.get(f"foreign-{index}-units", "").strip(), "1")
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
        inspected = {heap.key for heap in kept if heap.grade}
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
                pictures=() if heap.key in inspected else _pictures(heap),
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
        pictures=_pictures(heap),
    )


def _pictures(heap: Heap) -> tuple[Prepared, ...]:
    sent = uploads.contents(request.files.getlist(f"h-{heap.key}-photos"))
    return tuple(pictures.prepare(content) for content in sent)
