"""A merchant as pages, documents and messages know it."""

from dataclasses import dataclass
from uuid import UUID

from portal.core.addresses import Address


@dataclass(frozen=True, kw_only=True)
class MerchantFacts:
    """A shop: its name and colour, its language, money and zone, and where returns are sent."""

    id: UUID
    slug: str
    name: str
    accent: str
    language: str
    country: str
    currency: str
    zone: str
    support_email: str
    address: Address

    @property
    def monogram(self) -> str:
        return self.name[:1].upper()
