"""Every state machine as a table: state -> step -> next state. Pages, checks and tests read these."""

from dataclasses import dataclass

from portal.core.facts import CANCELLATIONS


class IllegalStep(Exception):
    """That step is not possible from that state; ``allowed`` says which are."""

    def __init__(self, lifecycle: str, state: str, step: str, allowed: tuple[str, ...]) -> None:
        possible = ", ".join(allowed) or "nothing"
        super().__init__(f"{lifecycle}: {step!r} is not possible from {state!r}; possible: {possible}")
        self.lifecycle, self.state, self.step, self.allowed = lifecycle, state, step, allowed


@dataclass(frozen=True)
class Lifecycle:
    """A machine: where it starts and which step leads where."""

    name: str
    start: str
    steps: dict[str, dict[str, str]]

    @property
    def states(self) -> tuple[str, ...]:
        """Every state, in the order of the table."""
        found = dict.fromkeys(self.steps)
        for steps in self.steps.values():
            found.update(dict.fromkeys(steps.values()))
        return tuple(found)

    def can(self, state: str, step: str) -> bool:
        return step in self.steps.get(state, {})

    def allowed(self, state: str) -> tuple[str, ...]:
        return tuple(self.steps.get(state, {}))

    def after(self, state: str, step: str) -> str:
        """The state that ``step`` leads to. Raises ``IllegalStep``."""
        if not self.can(state, step):
            raise IllegalStep(self.name, state, step, self.allowed(state))
        return self.steps[state][step]

    def final(self, state: str) -> bool:
        return not self.steps.get(state)


RETURN = Lifecycle(
    "return",
    start="draft",
    steps={
        "draft": {"submit": "requested", "authorize": "approved", "cancel": "canceled", "expire": "expired"},
        "requested": {
            "approve": "approved",
            "decline": "declined",
            "ask": "needs_info",
            "cancel": "canceled",
        },
        "needs_info": {
            "answer": "requested",
            "approve": "approved",
            "decline": "declined",
            "cancel": "canceled",
            "expire": "expired",
        },
        "approved": {
            "undo": "requested",
            "ship": "in_transit",
            "receive_some": "partially_received",
            "receive": "received",
            "cancel": "canceled",
            "expire": "expired",
            "settle": "closed",
        },
        "in_transit": {"receive_some": "partially_received", "receive": "received", "close": "closed"},
        "partially_received": {
            "receive_some": "partially_received",
            "receive": "received",
            "inspect": "inspected",
        },
        "received": {"inspect": "inspected"},
        "inspected": {"close": "closed", "receive_some": "partially_received", "receive": "received"},
        "declined": {"undo": "requested"},
        "canceled": {},
        "expired": {},
        "closed": {"reopen": "inspected"},
    },
)
"""A return's way. What arrived, what it is worth and what was paid are machines and counts of their own."""

CANCELLATION = Lifecycle(
    "cancellation",
    start="draft",
    steps={
        "draft": {"propose": "proposed", "confirm": "confirmed", "cancel": "canceled", "expire": "expired"},
        "proposed": {
            "confirm": "confirmed",
            "decline": "declined",
            "expire": "expired",
            "overtake": "overtaken",
            "cancel": "canceled",
        },
        "confirmed": {"settle": "closed", "overtake": "overtaken", "refuse": "refused"},
        "declined": {},
        "expired": {},
        "overtaken": {},
        "refused": {},
        "canceled": {},
        "closed": {},
    },
)
"""The way of units that never left. ``proposed`` waits for the customer; nothing is final before their yes.

``confirmed`` waits for the warehouse and then for the money; what it shipped after all is ``overtaken``,
what it cannot leave out is ``refused``, and both undo everything.
"""


def lifecycle_of(kind: str) -> Lifecycle:
    """The machine of a return of that kind."""
    return CANCELLATION if kind in CANCELLATIONS else RETURN


REFUND = Lifecycle(
    "refund",
    start="pending_approval",
    steps={
        "pending_approval": {
            "approve": "approved",
            "revise": "pending_approval",
            "cancel": "canceled",
        },
        "approved": {"send": "pending", "cancel": "canceled"},
        "pending": {"succeed": "succeeded", "fail": "failed"},
        "succeeded": {"fail": "failed"},
        "failed": {"retry": "approved", "cancel": "canceled"},
        "canceled": {},
    },
)
"""What is owed. It holds its quota from the start until it fails or is canceled; a retry takes it again."""

PAYOUT = Lifecycle(
    "payout",
    start="planned",
    steps={
        "planned": {
            "submit": "submitting",
            "accept": "pending",
            "ask": "requires_action",
            "succeed": "succeeded",
            "fail": "failed",
            "cancel": "canceled",
        },
        "submitting": {
            "lose": "unknown",
            "hold": "planned",
            "accept": "pending",
            "ask": "requires_action",
            "succeed": "succeeded",
            "fail": "failed",
            "cancel": "canceled",
        },
        "unknown": {
            "submit": "submitting",
            "accept": "pending",
            "ask": "requires_action",
            "succeed": "succeeded",
            "fail": "failed",
            "cancel": "canceled",
        },
        "pending": {
            "ask": "requires_action",
            "succeed": "succeeded",
            "fail": "failed",
            "cancel": "canceled",
        },
        "requires_action": {
            "accept": "pending",
            "succeed": "succeeded",
            "fail": "failed",
            "cancel": "canceled",
        },
        "succeeded": {"fail": "failed", "cancel": "canceled"},
        "failed": {},
        "canceled": {},
    },
)
"""One transfer to one tender. An answer that was not understood is ``unknown``, never ``failed``.

From ``planned`` straight on goes what no gateway is asked for: own credit, transfers by batch, a person.
``hold``: it was surely not taken, and waits. ``failed`` and ``canceled`` (at the gateway, or given up for
another way) hold no quota; both may also befall what had succeeded, and neither is ever left again.
"""

SHIPMENT = Lifecycle(
    "shipment",
    start="label_pending",
    steps={
        "label_pending": {
            "label": "label_created",
            "announce": "pre_transit",
            "deliver": "delivered",
            "fail": "exception",
            "void": "canceled",
        },
        "label_created": {
            "announce": "pre_transit",
            "scan": "in_transit",
            "deliver": "delivered",
            "void": "canceled",
        },
        "pre_transit": {"scan": "in_transit", "deliver": "delivered", "void": "canceled"},
        "in_transit": {
            "go_out": "out_for_delivery",
            "hold": "available_for_pickup",
            "deliver": "delivered",
            "fail": "exception",
            "lose": "lost",
            "send_back": "return_to_sender",
        },
        "out_for_delivery": {"deliver": "delivered", "fail": "exception"},
        "available_for_pickup": {"deliver": "delivered", "send_back": "return_to_sender"},
        "exception": {
            "label": "label_created",
            "scan": "in_transit",
            "deliver": "delivered",
            "lose": "lost",
            "void": "canceled",
        },
        "delivered": {},
        "lost": {"deliver": "delivered"},
        "return_to_sender": {},
        "canceled": {},
    },
)

LINK = Lifecycle(
    "link",
    start="open",
    steps={"open": {"finish": "finished", "revoke": "revoked"}, "finished": {}, "revoked": {}},
)
"""Expiry is a date and no state: an open link past it is dead until it is extended."""

MAIL = Lifecycle(
    "mail",
    start="queued",
    steps={"queued": {"send": "sent", "fail": "failed"}, "failed": {"retry": "queued"}, "sent": {}},
)

BATCH = Lifecycle(
    "batch",
    start="open",
    steps={
        "open": {"release": "released", "cancel": "canceled"},
        "released": {"execute": "executed", "cancel": "canceled"},
        "executed": {},
        "canceled": {},
    },
)
"""A file of bank transfers: one person makes it, another releases it, the bank executes it."""

DISPUTE = Lifecycle(
    "dispute",
    start="open",
    steps={
        "open": {
            "offer": "awaiting_customer",
            "ask": "awaiting_customer",
            "escalate": "escalated",
            "settle": "resolved_customer",
            "reject": "resolved_merchant",
            "withdraw": "withdrawn",
        },
        "awaiting_customer": {
            "reply": "awaiting_merchant",
            "counter": "awaiting_merchant",
            "lapse": "awaiting_merchant",
            "offer": "awaiting_customer",
            "escalate": "escalated",
            "settle": "resolved_customer",
            "reject": "resolved_merchant",
            "withdraw": "withdrawn",
        },
        "awaiting_merchant": {
            "offer": "awaiting_customer",
            "ask": "awaiting_customer",
            "reply": "awaiting_merchant",
            "escalate": "escalated",
            "settle": "resolved_customer",
            "reject": "resolved_merchant",
            "withdraw": "withdrawn",
        },
        "escalated": {
            "offer": "awaiting_customer",
            "ask": "awaiting_customer",
            "reply": "escalated",
            "settle": "resolved_customer",
            "reject": "resolved_merchant",
            "withdraw": "withdrawn",
        },
        "resolved_customer": {},
        "resolved_merchant": {},
        "withdrawn": {},
    },
)
"""What a customer contests. It ends with something given (``settle``), with nothing, or taken back."""

OFFER = Lifecycle(
    "offer",
    start="open",
    steps={
        "open": {
            "accept": "accepted",
            "decline": "declined",
            "counter": "countered",
            "expire": "expired",
            "withdraw": "withdrawn",
        },
        "accepted": {},
        "declined": {},
        "countered": {},
        "expired": {},
        "withdrawn": {},
    },
)

LIFECYCLES = (RETURN, CANCELLATION, REFUND, PAYOUT, SHIPMENT, LINK, MAIL, BATCH, DISPUTE, OFFER)
