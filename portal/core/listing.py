"""Which returns a list shows and in what order: as a value, as an address, as what a saved view keeps."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Final
from uuid import UUID

from portal.core.facts import STAYS
from portal.core.lifecycles import DISPUTE, RETURN
from portal.core.reasons import CHANNELS, REASONS, RETURN_KINDS

SORTS: Final = ("newest", "oldest", "value", "due")
COLUMNS: Final = (
    "state", "customer", "items", "refund", "shop", "assignee", "tags", "due", "channel", "reason", "order", "kind",
)  # fmt: skip
"""What a list can show beside the number, in this order."""

SHOWN: Final = ("state", "customer", "items", "refund", "due", "shop")
"""What it shows to whoever has not chosen."""

KINDS: Final = (*RETURN_KINDS, *STAYS)
REFUND_STATES: Final = (
    "none", "calculated", "pending_approval", "pending", "requires_action", "partially_refunded",
    "refunded", "failed", "canceled",
)  # fmt: skip
OPEN_MONEY: Final = ("none", "calculated", "canceled", "partially_refunded")
"""Refund states in which something is still to be refunded."""

OPEN_DISPUTES: Final = tuple(state for state in DISPUTE.states if not DISPUTE.final(state))
ME, NOBODY = "me", "nobody"
EXPIRING_DAYS: Final = 3
YEARS: Final = range(2000, 2200)
"""Days of any other are a slip of the keyboard, and a calendar has no day after its last one."""


@dataclass(frozen=True, kw_only=True)
class Filters:
    """What a list shows: every filter that is set must fit; of one with several values, one of them."""

    query: str = ""
    states: tuple[str, ...] = ()
    refunds: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    merchant_id: UUID | None = None
    assignee: str = ""
    """``me``, ``nobody``, or somebody's id."""
    tag: str = ""
    disputed: bool = False
    unread: bool = False
    overdue: bool = False
    """Whatever it waits for should have happened by now."""
    expiring: bool = False
    """To be sent within ``EXPIRING_DAYS``, or should have been."""
    since: date | None = None
    until: date | None = None
    """Days on which it was begun, both included."""
    submitted_since: date | None = None
    submitted_until: date | None = None
    """Days on which it was submitted, both included."""
    sort: str = SORTS[0]

    @property
    def narrowed(self) -> bool:
        """Whether anything is left out."""
        return replace(self, sort=SORTS[0]) != Filters()


_MANY: Final[Mapping[str, tuple[str, Iterable[str]]]] = {
    "state": ("states", RETURN.states),
    "refund": ("refunds", REFUND_STATES),
    "channel": ("channels", CHANNELS),
    "kind": ("kinds", KINDS),
    "reason": ("reasons", REASONS),
}
_YES: Final = ("disputed", "unread", "overdue", "expiring")
_DAYS: Final = {
    "from": "since",
    "to": "until",
    "submitted_from": "submitted_since",
    "submitted_to": "submitted_until",
}


def from_address(given: Mapping[str, Iterable[str]]) -> Filters:
    """The filters that an address, or a saved view, names; what makes no sense there is as if it were not said."""
    said = {name: [one.strip() for one in values if one.strip()] for name, values in given.items()}
    first = {name: values[0] for name, values in said.items() if values}
    values: dict[str, Any] = {
        "query": first.get("q", "")[:200],
        "tag": first.get("tag", "")[:40].lower(),
        "assignee": _assignee(first.get("assignee", "")),
        "merchant_id": _id(first.get("merchant", "")),
        "sort": first.get("sort") if first.get("sort") in SORTS else SORTS[0],
    }
    for name, (field, known) in _MANY.items():
        values[field] = tuple(one for one in known if one in said.get(name, ()))
    values |= {name: first.get(name) == "1" for name in _YES}
    values |= {field: _day(first.get(name, "")) for name, field in _DAYS.items()}
    return Filters(**values)


def to_address(filters: Filters) -> dict[str, list[str]]:
    """The same as an address has it, without what is not set; ``from_address`` reads it back."""
    said: dict[str, list[str]] = {
        "q": [filters.query],
        **{name: list(getattr(filters, field)) for name, (field, _) in _MANY.items()},
        "merchant": [str(filters.merchant_id or "")],
        "assignee": [filters.assignee],
        "tag": [filters.tag],
        **{name: ["1" if getattr(filters, name) else ""] for name in _YES},
        **{name: [str(getattr(filters, field) or "")] for name, field in _DAYS.items()},
        "sort": [filters.sort if filters.sort != SORTS[0] else ""],
    }
    return {name: kept for name, values in said.items() if (kept := [one for one in values if one])}


def without(filters: Filters, name: str, value: str = "") -> Filters:
    """The same without one value of the filter ``name`` as the address calls it, or without the whole of it."""
    field = (
        _MANY[name][0]
        if name in _MANY
        else {"q": "query", "merchant": "merchant_id", **_DAYS}.get(name, name)
    )
    left: Any
    if name in _MANY and value:
        left = tuple(one for one in getattr(filters, field) if one != value)
    else:
        left = getattr(Filters(), field)
    return replace(filters, **{field: left})


def columns_from(said: str) -> tuple[str, ...]:
    """The columns that ``said`` names (``state,customer``), in their order; those usual where it names none."""
    wanted = said.split(",")
    found = tuple(one for one in COLUMNS if one in wanted)
    return SHOWN if not found or set(found) == set(SHOWN) else found


TABS: Final[Mapping[str, Filters]] = {
    "all": Filters(),
    "review": Filters(states=("requested",)),
    "parcel": Filters(states=("approved", "in_transit")),
    "inspect": Filters(states=("partially_received", "received")),
    "refund": Filters(
        states=("inspected",), refunds=tuple(one for one in REFUND_STATES if one in OPEN_MONEY)
    ),
    "disputed": Filters(disputed=True),
    "expiring": Filters(expiring=True),
}
"""The lists everybody has."""


def _assignee(said: str) -> str:
    return said if said in (ME, NOBODY) else str(_id(said) or "")


def _id(said: str) -> UUID | None:
    try:
        return UUID(said)
    except ValueError:
        return None


def day_from(said: str) -> date:
    """A day as an address has it. Raises ``ValueError`` for what is none, or of none of ``YEARS``."""
    found = date.fromisoformat(said)
    if found.year not in YEARS:
        raise ValueError(said)
    return found


def _day(said: str) -> date | None:
    try:
        return day_from(said)
    except ValueError:
        return None
