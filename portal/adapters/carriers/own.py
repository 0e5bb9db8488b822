"""A carrier of the customer's own choice: they send and pay, we give the address and the packing slip."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from portal.adapters.addresses import LocalAddresses
from portal.adapters.carriers.house import packing_slip_of
from portal.adapters.documents import slip
from portal.adapters.documents.papers import Translate, english, sheet_size
from portal.core.addresses import Address
from portal.core.shipping import (
    CarrierCapabilities,
    Document,
    Method,
    Parcel,
    Pays,
    Pickup,
    PickupSlot,
    Rate,
    ServicePoint,
    Shipment,
    ShipmentRequest,
    TrackingQuery,
    TrackingUpdate,
    guess_carrier,
    may_be_tracking_number,
    tidy_tracking_number,
)
from portal.ports import Declined


@dataclass(frozen=True, kw_only=True)
class OwnCarrier:
    """Implements ``ports.Carrier`` where nothing can be bought: the number is the customer's, or none."""

    translate: Translate = english
    code: str = "own"
    name: str = "Own carrier"
    addresses: LocalAddresses = LocalAddresses()

    @property
    def capabilities(self) -> CarrierCapabilities:
        return CarrierCapabilities(methods=frozenset({Method.OWN_CARRIER}), void=True, international=True)

    def quote(self, request: ShipmentRequest) -> tuple[Rate, ...]:
        if request.method not in (None, Method.OWN_CARRIER):
            raise Declined("method_not_offered", request.method)
        return (
            Rate(
                id=f"{self.code}.{Method.OWN_CARRIER}",
                carrier=self.code,
                service="",
                method=Method.OWN_CARRIER,
                amount=0,
                currency=request.currency,
                pays=Pays.CUSTOMER,
            ),
        )

    def create_return(self, request: ShipmentRequest, rate: Rate, *, idempotency_key: str) -> Shipment:
        if rate.id != f"{self.code}.{Method.OWN_CARRIER}":
            raise Declined("rate_gone", rate.id)
        number = checked_number(request.own_number)
        return Shipment(
            carrier=self.code,
            service=rate.service,
            method=Method.OWN_CARRIER,
            external_id=f"{self.code}-{hashlib.sha256(idempotency_key.encode()).hexdigest()[:24]}",
            tracking_number=number,
            shipped_with=guess_carrier(number),
            currency=request.currency,
            documents=(self._sheet(request),),
        )

    def void(self, shipment: Shipment) -> None:
        """There is no label of ours to take back."""

    def track(self, queries: Sequence[TrackingQuery], *, now: datetime) -> tuple[TrackingUpdate, ...]:
        return ()

    def service_points(
        self, near: Address, *, method: Method | None = None, limit: int = 10
    ) -> tuple[ServicePoint, ...]:
        return ()

    def pickup_slots(
        self, address: Address, parcels: Sequence[Parcel], *, now: datetime
    ) -> tuple[PickupSlot, ...]:
        return ()

    def schedule_pickup(
        self, slot: PickupSlot, shipment: Shipment, *, note: str = "", now: datetime, idempotency_key: str
    ) -> Pickup:
        raise Declined("not_offered")

    def cancel_pickup(self, pickup: Pickup) -> None:
        raise Declined("not_offered")

    def health(self) -> None:
        """Always ready: nobody is asked."""

    def _sheet(self, request: ShipmentRequest) -> Document:
        home = request.sender.country
        recipient = self.addresses.printed(request.recipient, language=request.language, sent_from=home)
        return slip.address_and_slip(
            packing_slip_of(request),
            recipient,
            size=sheet_size(home),
            language=request.language,
            _=self.translate(request.language),
        )


def checked_number(typed: str) -> str:
    """A tracking number as typed, tidied; empty stays empty.

    Raises ``Declined`` (``tracking_number_wrong``) when its scheme is known and its check digit is not
    right, or
    when it cannot be a tracking number at all. Numbers of unknown schemes are taken as they are.
    """
    number = tidy_tracking_number(typed)
    if number and not may_be_tracking_number(number):
        raise Declined("tracking_number_wrong")
    return number
