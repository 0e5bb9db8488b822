"""Who asks, and what they may do: one table, denied by default."""

from dataclasses import dataclass, field
from uuid import UUID

ROLES = ("csr", "supervisor", "finance", "warehouse", "admin")
"""``admin`` is the merchant's admin; every role is held for a merchant, never for all."""

PERMISSIONS: dict[str, frozenset[str]] = {
    "returns.read": frozenset({"csr", "supervisor", "finance", "warehouse", "admin"}),
    "returns.create": frozenset({"csr", "supervisor", "admin"}),
    "returns.approve": frozenset({"csr", "supervisor", "admin"}),
    "returns.override": frozenset({"supervisor", "admin"}),
    "returns.receive": frozenset({"csr", "supervisor", "warehouse", "admin"}),
    "returns.inspect": frozenset({"supervisor", "warehouse", "admin"}),
    "returns.assign": frozenset({"csr", "supervisor", "admin"}),
    "messages.send": frozenset({"csr", "supervisor", "finance", "admin"}),
    "disputes.read": frozenset({"csr", "supervisor", "finance", "admin"}),
    "disputes.handle": frozenset({"csr", "supervisor", "admin"}),
    "disputes.decide": frozenset({"supervisor", "admin"}),
    "refunds.read": frozenset({"csr", "supervisor", "finance", "admin"}),
    "refunds.propose": frozenset({"csr", "supervisor", "finance", "admin"}),
    "refunds.approve": frozenset({"supervisor", "finance", "admin"}),
    "finance.read": frozenset({"supervisor", "finance", "admin"}),
    "finance.edit": frozenset({"finance", "admin"}),
    "cancellations.propose": frozenset({"csr", "supervisor", "admin"}),
    "stock.read": frozenset({"csr", "supervisor", "warehouse", "admin"}),
    "stock.edit": frozenset({"supervisor", "warehouse", "admin"}),
    "links.manage": frozenset({"csr", "supervisor", "admin"}),
    "orders.import": frozenset({"admin"}),
    "orders.read": frozenset({"csr", "supervisor", "finance", "warehouse", "admin"}),
    "work.manage": frozenset({"supervisor", "admin"}),
    "policies.edit": frozenset({"admin"}),
    "workflows.edit": frozenset({"admin"}),
    "answers.edit": frozenset({"supervisor", "admin"}),
    "views.share": frozenset({"supervisor", "admin"}),
    "numbers.read": frozenset({"csr", "supervisor", "finance", "admin"}),
    "audit.read": frozenset({"supervisor", "finance", "admin"}),
    "people.edit": frozenset({"admin"}),
}


@dataclass(frozen=True, kw_only=True)
class Actor:
    """Whoever asks: a person with roles at merchants, the holder of a link to one return, or the system."""

    kind: str
    id: UUID | None = None
    name: str = ""
    roles: dict[UUID, str] = field(default_factory=dict)
    """merchant id -> role"""
    return_id: UUID | None = None
    merchant_id: UUID | None = None
    """For a link holder: the one return, and its merchant, that the link opens."""

    @property
    def merchant_ids(self) -> tuple[UUID, ...]:
        if self.merchant_id is not None:
            return (self.merchant_id,)
        return tuple(self.roles)

    def may(self, permission: str, merchant_id: UUID | None) -> bool:
        """Whether this actor may do that for that merchant. Raises ``KeyError`` for an unknown permission."""
        holders = PERMISSIONS[permission]
        if self.kind == "system":
            return True
        return merchant_id is not None and self.roles.get(merchant_id) in holders

    def may_somewhere(self, permission: str) -> bool:
        return any(self.may(permission, merchant_id) for merchant_id in self.roles)


SYSTEM = Actor(kind="system", name="system")


class NotFound(Exception):
    """There is no such thing for whoever asks; also the answer for another merchant's."""


class NotAllowed(Exception):
    """Whoever asks sees the thing and may not do this with it; ``permission`` says what is missing."""

    def __init__(self, permission: str) -> None:
        super().__init__(permission)
        self.permission = permission


class Stale(Exception):
    """Somebody else changed it meanwhile; nothing was written."""


class Conflict(Exception):
    """It cannot be done as things stand now: ``code`` says why, in words of the vocabulary."""

    def __init__(self, code: str, **details: object) -> None:
        super().__init__(code)
        self.code = code
        self.details = details
