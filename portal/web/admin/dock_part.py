"""What the dock has to say on the page of a return: what was seen, with its pictures, and what came unannounced."""

from dataclasses import dataclass
from uuid import UUID

from portal.core.access import Actor
from portal.services import pictures
from portal.services.docking import unexpected
from portal.services.docking.unexpected import Finding
from portal.services.handling.dossiers import Dossier, InspectionFacts
from portal.web.words import gettext as _


def states() -> dict[str, tuple[str, str]]:
    """What became of goods that nobody announced, and its tone."""
    return {
        "open": (_("To be decided"), "wait"),
        "matched": (_("Belongs to a return"), "good"),
        "sent_back": (_("Sent back"), "quiet"),
        "restocked": (_("Back to stock"), "good"),
        "disposed": (_("Written off"), "quiet"),
    }


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One inspection with the name of what was looked at and its pictures."""

    found: InspectionFacts
    name: str
    pictures: tuple[UUID, ...]

    @property
    def units(self) -> int:
        return self.found.units

    @property
    def checks(self) -> dict[str, bool]:
        return self.found.checklist

    @property
    def proposed(self) -> str:
        return self.found.proposed

    @property
    def other_way(self) -> bool:
        """Whether somebody decided otherwise than the rules proposed."""
        return self.found.proposed not in ("", self.found.disposition)

    @property
    def tells_more(self) -> bool:
        """Whether there is anything that the line of the return does not say already."""
        return bool(self.pictures or self.checks or self.other_way)


@dataclass(frozen=True, kw_only=True)
class DockPart:
    """The part of the return's page."""

    seen: tuple[Seen, ...]
    findings: tuple[Finding, ...]
    states: dict[str, tuple[str, str]]


def part(found: Dossier, actor: Actor) -> DockPart | None:
    """None for whoever has nothing to do with the dock."""
    draft = found.page.draft
    if not actor.may("returns.receive", draft.merchant_id):
        return None
    names = {line.id: line.name for line in draft.lines}
    shown = pictures.of_return(draft.id, subject="inspection") if found.inspections else {}
    seen = [
        Seen(
            found=one,
            name=names.get(one.line_id, ""),
            pictures=tuple(shown.get(one.id, ())) if one.id else (),
        )
        for one in found.inspections
    ]
    return DockPart(
        seen=tuple(one for one in seen if one.tells_more),
        findings=unexpected.of_return(draft.id),
        states=states(),
    )
