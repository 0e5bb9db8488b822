"""The house carrier: a merchant's own courier, complete and offline.

It stores nothing: numbers come from the idempotency key, so the same key always gives the same shipment.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from portal.adapters.addresses import LocalAddresses
from portal.adapters.carriers import pickups
from portal.adapters.carriers.sheets import Sheets, billable_grams, metres
from portal.adapters.documents import label, qr, slip
from portal.adapters.documents.papers import Translate, english, sheet_size
from portal.core.addresses import Address
from portal.core.documents import PackingSlip
from portal.core.numbers import ALPHABET
from portal.core.shipping import (
    CarrierCapabilities,
    Document,
    DocumentKind,
    Method,
    Parcel,
    Pickup,
    PickupSlot,
    Rate,
    ServicePoint,
    Shipment,
    ShipmentRequest,
    TrackingQuery,
    TrackingStatus,
    TrackingUpdate,
    s10_number,
)
from portal.ports import Declined

SERVICES: Final = {
    "parcel": (Method.PRINT_AT_HOME, Method.QR_DROPOFF, Method.DROPOFF_POINT),
    "pickup": (Method.PICKUP,),
    "express": (Method.PRINT_AT_HOME,),
}
"""Which ways of sending each service of the rate sheet is for."""
NEAR_M: Final = 60_000
"""Farther than this, a drop-off point is not worth naming."""
USER_ASSIGNED: Final = (
    "AA",
    *(f"Q{c}" for c in "MNOPQRSTUVWXYZ"),
    *(f"X{c}" for c in "ABCDEFGHIJLMNOPQRSTUVWXYZ"),
    "ZZ",
)
"""Country codes ISO 3166 leaves to users: a house number is never mistaken for one of a real post (XK is
used).
"""
_WAY: Final = (
    (TrackingStatus.PRE_TRANSIT, "announced"),
    (TrackingStatus.IN_TRANSIT, "accepted"),
    (TrackingStatus.IN_TRANSIT, "sorted"),
    (TrackingStatus.OUT_FOR_DELIVERY, "out_for_delivery"),
    (TrackingStatus.DELIVERED, "delivered"),
)


@dataclass(frozen=True, kw_only=True)
class HouseCarrier:
    """Implements ``ports.Carrier``; see ``build()`` for what the fields mean."""

    sheets: Sheets
    translate: Translate = english
    tracking_url: str = ""
    notice: str | None = None
    simulated_step: timedelta | None = None
    code: str = "house"
    name: str = "House courier"
    addresses: LocalAddresses = LocalAddresses()

    @property
    def capabilities(self) -> CarrierCapabilities:
        return CarrierCapabilities(
            methods=frozenset(m for methods in SERVICES.values() for m in methods),
            label_formats=frozenset({"pdf", "png", "zpl"}),
            tracking=self.simulated_step is not None,
            void=True,
            international=True,
        )

    def quote(self, request: ShipmentRequest) -> tuple[Rate, ...]:
        zone = self.sheets.zone(request.sender, request.recipient)
        rows = [p for p in self.sheets.prices if p.zone == zone]
        if not rows:
            raise Declined("not_served", f"{request.sender.country} to {request.recipient.country}")
        rows = [p for p in rows if p.currency == request.currency]
        if not rows:
            raise Declined("currency_not_served", request.currency)
        grams = billable_grams(request.parcel)
        rows = [p for p in rows if p.min_g <= grams <= p.max_g]
        if not rows:
            raise Declined("too_heavy", f"{grams} g")
        possible = self._possible_methods(request)
        rates = [
            Rate(
                id=f"{self.code}.{row.service}.{method}",
                carrier=self.code,
                service=row.service,
                method=method,
                amount=row.amount,
                currency=row.currency,
                pays=request.pays,
                transit_days=row.transit_days,
            )
            for row in rows
            for method in SERVICES.get(row.service, ())
            if method in possible
        ]
        if not rates:
            raise Declined("method_not_offered", request.method or "")
        return tuple(sorted(rates, key=lambda rate: rate.amount))

    def create_return(self, request: ShipmentRequest, rate: Rate, *, idempotency_key: str) -> Shipment:
        offered = self.quote(replace(request, method=rate.method))
        if rate.id not in {r.id for r in offered}:
            raise Declined("rate_gone", rate.id)
        if request.service_point_id and request.service_point_id not in {p.id for p in self.sheets.places}:
            raise Declined("service_point_unknown", request.service_point_id)
        seed = hashlib.sha256(f"{self.code}:{idempotency_key}".encode()).digest()
        number = _number(seed)
        return Shipment(
            carrier=self.code,
            service=rate.service,
            method=rate.method,
            external_id=f"{self.code}-{seed.hex()[:24]}",
            tracking_number=number,
            tracking_url=self.tracking_url.format(number=number),
            handoff_code=_spoken(seed[16:]) if rate.method is Method.QR_DROPOFF else "",
            cost=rate.amount,
            currency=rate.currency,
            documents=self._documents(request, rate, number),
        )

    def void(self, shipment: Shipment) -> None:
        """Nothing was charged and nothing is stored: an unused number is simply never scanned."""

    def track(self, queries: Sequence[TrackingQuery], *, now: datetime) -> tuple[TrackingUpdate, ...]:
        step = self.simulated_step
        if step is None:
            return ()
        told = [
            TrackingUpdate(
                tracking_number=query.tracking_number,
                status=status,
                at=query.handed_over_at + n * step,
                description=description,
                simulated=True,
            )
            for query in queries
            if query.handed_over_at
            for n, (status, description) in enumerate(_WAY)
        ]
        return tuple(sorted((u for u in told if u.at <= now), key=lambda update: update.at))

    def service_points(
        self, near: Address, *, method: Method | None = None, limit: int = 10
    ) -> tuple[ServicePoint, ...]:
        here = self.sheets.position(near)
        if here is None or method not in (None, Method.QR_DROPOFF, Method.DROPOFF_POINT):
            return ()
        points = [
            ServicePoint(
                id=place.id,
                carrier=self.code,
                name=place.name,
                address=place.address,
                distance_m=metres(here, place.at),
                hours=place.hours,
            )
            for place in self.sheets.places
            if place.address.country == near.country
        ]
        close = [point for point in points if point.distance_m <= NEAR_M]
        return tuple(sorted(close, key=lambda point: (point.distance_m, point.id))[:limit])

    def pickup_slots(
        self, address: Address, parcels: Sequence[Parcel], *, now: datetime
    ) -> tuple[PickupSlot, ...]:
        return pickups.slots(address, now=now)

    def schedule_pickup(
        self, slot: PickupSlot, shipment: Shipment, *, note: str = "", now: datetime, idempotency_key: str
    ) -> Pickup:
        if not pickups.is_open(slot, now=now):
            raise Declined("slot_gone", slot.id)
        seed = hashlib.sha256(f"{self.code}:pickup:{idempotency_key}".encode()).digest()
        return Pickup(
            confirmation_number=f"PU-{_spoken(seed)}", slot=slot, tracking_number=shipment.tracking_number
        )

    def cancel_pickup(self, pickup: Pickup) -> None:
        """The driver's list is made from what is agreed, so there is nothing to call back."""

    def health(self) -> None:
        """Always ready: its files were read when it was made."""

    def _possible_methods(self, request: ShipmentRequest) -> set[Method]:
        possible = {Method.PRINT_AT_HOME}
        if self.service_points(request.sender, limit=1):
            possible |= {Method.QR_DROPOFF, Method.DROPOFF_POINT}
        if request.sender.country in pickups.TIMEZONES:
            possible.add(Method.PICKUP)
        return possible & ({request.method} if request.method else possible)

    def _documents(self, request: ShipmentRequest, rate: Rate, number: str) -> tuple[Document, ...]:
        _ = self.translate(request.language)
        language, home = request.language, request.sender.country
        recipient = self.addresses.printed(request.recipient, language=language, sent_from=home)
        drawn = label.Label(
            carrier=self.name,
            service=_service_words(rate.service, _),
            number=number,
            rma=request.rma,
            reference=request.reference,
            sender=self.addresses.printed(
                request.sender, language=language, sent_from=request.recipient.country
            ),
            recipient=recipient,
            weight_g=request.parcel.weight_g,
            ship_by=request.ship_by,
            qr=self.tracking_url.format(number=number) or request.rma,
            notice=_("Not valid as postage: for the merchant's own courier account only.")
            if self.notice is None
            else self.notice,
            language=language,
        )
        packed = packing_slip_of(request)
        size = sheet_size(home)
        return (
            *label.documents(drawn, _),
            slip.label_and_slip(drawn, packed, recipient, size=size, _=_),
            slip.packing_slip(packed, recipient, size=size, language=language, _=_),
            Document(kind=DocumentKind.QR, format="png", content=qr.png(number)),
            Document(kind=DocumentKind.QR, format="svg", content=qr.svg(number, title=number).encode()),
        )


def packing_slip_of(request: ShipmentRequest) -> PackingSlip:
    """What the slip in the parcel says."""
    return PackingSlip(
        rma=request.rma,
        merchant=request.recipient.company or request.recipient.name,
        order_number=request.reference,
        customer=request.sender.name or request.sender.company,
        recipient=request.recipient,
        items=request.items,
        ship_by=request.ship_by,
    )


def _service_words(service: str, _: label.Gettext) -> str:
    words = {"parcel": _("Parcel"), "pickup": _("Parcel, fetched at home"), "express": _("Express parcel")}
    return words.get(service, service)


def _number(seed: bytes) -> str:
    """An S10 number: registered-mail letters, a user-assigned country, a hundred thousand million in all."""
    indicator = "R" + chr(ord("A") + seed[8] % 26)
    country = USER_ASSIGNED[int.from_bytes(seed[9:11]) % len(USER_ASSIGNED)]
    return s10_number(indicator, int.from_bytes(seed[:8]) % 10**8, country)


def _spoken(seed: bytes) -> str:
    """Six characters that are easily read aloud."""
    characters = [ALPHABET[byte % 32] for byte in seed[:6]]
    return "".join(characters[:3]) + "-" + "".join(characters[3:])
