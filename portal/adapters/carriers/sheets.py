"""The house carrier's files: rates, zones, drop-off points, read once."""

import csv
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import time
from functools import lru_cache
from pathlib import Path
from typing import Final

from portal.core.addresses import Address
from portal.core.money import Minor
from portal.core.shipping import OpeningHours, Parcel

DEMONSTRATION: Final = Path(__file__).parent / "house_data"
DIM_DIVISOR: Final = 5000
"""Cubic centimetres that count as one kilogram; cubic millimetres as one gram."""
_DAYS: Final = ("mo", "tu", "we", "th", "fr", "sa", "su")


@dataclass(frozen=True, kw_only=True)
class Price:
    """One row of the rate sheet."""

    zone: str
    service: str
    min_g: int
    max_g: int
    amount: Minor
    currency: str
    transit_days: int


@dataclass(frozen=True, kw_only=True)
class Zone:
    """One row of the zones; ``*`` is any country, ``=`` the one it is sent from."""

    name: str
    from_countries: frozenset[str]
    from_prefixes: tuple[str, ...]
    to_countries: frozenset[str]

    def holds(self, sender: Address, recipient: Address) -> bool:
        leaves = {"*", sender.country} & self.from_countries
        same = {"="} if sender.country == recipient.country else set()
        arrives = ({"*", recipient.country} | same) & self.to_countries
        near = not self.from_prefixes or bare(sender.postcode).startswith(self.from_prefixes)
        return bool(leaves and arrives and near)


@dataclass(frozen=True, kw_only=True)
class Place:
    """One drop-off point of the file."""

    id: str
    name: str
    address: Address
    at: tuple[float, float]
    hours: tuple[OpeningHours, ...]


@dataclass(frozen=True, kw_only=True)
class Sheets:
    """Everything the files say."""

    prices: tuple[Price, ...]
    zones: tuple[Zone, ...]
    places: tuple[Place, ...]
    areas: tuple[tuple[str, str, float, float], ...]

    @classmethod
    def demonstration(cls) -> "Sheets":
        """The files that come with the project."""
        return cls.of(DEMONSTRATION)

    @staticmethod
    @lru_cache(maxsize=16)
    def of(folder: Path) -> "Sheets":
        """The files of ``folder``. Raises ``OSError``, ``KeyError`` or ``ValueError`` when one is missing
        or malformed.
        """
        return Sheets(
            prices=tuple(map(_price, _rows(folder / "rate_sheet.csv"))),
            zones=tuple(map(_zone, _rows(folder / "zones.csv"))),
            places=tuple(map(_place, _rows(folder / "dropoff_points.csv"))),
            areas=tuple(
                (r["country"], r["prefix"], float(r["lat"]), float(r["lon"]))
                for r in _rows(folder / "postcode_areas.csv")
            ),
        )

    def zone(self, sender: Address, recipient: Address) -> str | None:
        """The zone a parcel falls into, or ``None`` where it is not served."""
        return next((z.name for z in self.zones if z.holds(sender, recipient)), None)

    def position(self, address: Address) -> tuple[float, float] | None:
        """About where an address is: the middle of the longest postcode area known."""
        postcode = bare(address.postcode)
        fits = [a for a in self.areas if a[0] == address.country and _in_area(postcode, a[1])]
        best = max(fits, key=lambda a: len(a[1]), default=None)
        return best and (best[2], best[3])


def billable_grams(parcel: Parcel) -> int:
    """The weight that is charged: the real one, or the size's where that is more."""
    volume = parcel.length_mm * parcel.width_mm * parcel.height_mm
    return max(parcel.weight_g, -(-volume // DIM_DIVISOR), 1)


def metres(one: tuple[float, float], other: tuple[float, float]) -> int:
    """The distance of two places (degrees north, degrees east) on the globe, to 100 metres."""
    (lat1, lon1), (lat2, lon2) = (tuple(map(math.radians, place)) for place in (one, other))
    h = math.sin((lat2 - lat1) / 2) ** 2 + math.cos(lat1) * math.cos(lat2) * math.sin((lon2 - lon1) / 2) ** 2
    return round(2 * 6_371_000 * math.asin(math.sqrt(h)) / 100) * 100


def bare(postcode: str) -> str:
    """A postcode in upper case without blanks and dashes."""
    return postcode.upper().replace(" ", "").replace("-", "")


def opening_hours(text: str) -> tuple[OpeningHours, ...]:
    """``mo-fr 08:00-20:00; sa 09:00-18:00`` by day. Raises ``ValueError`` when it is not written so."""
    return tuple(_hours(text))


def _hours(text: str) -> Iterator[OpeningHours]:
    for span in filter(None, map(str.strip, text.split(";"))):
        days, times = span.split()
        first, _, last = days.partition("-")
        opens, closes = map(time.fromisoformat, times.split("-"))
        for weekday in range(_DAYS.index(first), _DAYS.index(last or first) + 1):
            yield OpeningHours(weekday=weekday, opens=opens, closes=closes)


def _in_area(postcode: str, prefix: str) -> bool:
    """British areas are the letters, so that ``E`` does not hold ``EC1``; others are beginnings."""
    if prefix.isalpha():
        return postcode.startswith(prefix) and not postcode[len(prefix) :][:1].isalpha()
    return postcode.startswith(prefix)


def _rows(path: Path) -> Sequence[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _price(row: dict[str, str]) -> Price:
    return Price(
        zone=row["zone"],
        service=row["service"],
        min_g=int(row["min_g"]),
        max_g=int(row["max_g"]),
        amount=int(row["price_minor"]),
        currency=row["currency"],
        transit_days=int(row["transit_days"]),
    )


def _zone(row: dict[str, str]) -> Zone:
    return Zone(
        name=row["zone"],
        from_countries=frozenset(row["from_countries"].split()),
        from_prefixes=tuple(row["from_prefixes"].split()),
        to_countries=frozenset(row["to_countries"].split()),
    )


def _place(row: dict[str, str]) -> Place:
    address = Address(
        company=row["name"],
        street=(row["street"],),
        postcode=row["postcode"],
        city=row["city"],
        region=row["region"],
        country=row["country"],
    )
    at = (float(row["lat"]), float(row["lon"]))
    return Place(id=row["id"], name=row["name"], address=address, at=at, hours=opening_hours(row["hours"]))
