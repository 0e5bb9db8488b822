"""What happens to payments, refunds and disputes, each with the events that tell of it."""

from collections import deque

from tests.stripe_server import currencies, objects
from tests.stripe_server.errors import Fault
from tests.stripe_server.events import Events
from tests.stripe_server.state import State, Thing

OPEN_DISPUTE = "needs_response"


class Bank:
    """The rules of refunds and disputes over one state."""

    def __init__(self, state: State, events: Events) -> None:
        self.state, self.events = state, events
        self._next: deque[list[object]] = deque()

    def begin_with(self, status: str, times: int | None) -> None:
        """The next ``times`` refunds begin in that state; None: all from now on, until told otherwise."""
        with self.state.lock:
            if times is None:
                self._next.clear()
            self._next.append([status, times])

    def pay(
        self,
        *,
        amount: int,
        currency: str,
        card: str = "visa",
        id: str = "",
        bare: bool = False,
        metadata: dict[str, str] | None = None,
    ) -> Thing:
        """A captured payment."""
        currencies.check(amount, currency)
        made = objects.new_payment(
            self.state, amount=amount, currency=currency, card=card, id=id, bare=bare, metadata=metadata
        )
        self.events.emit("charge.succeeded" if bare else "payment_intent.succeeded", made)
        if card == "dispute":
            charge = objects.charge_of(self.state, made["id"])
            self.dispute(charge, amount=amount, status=OPEN_DISPUTE, reason="fraudulent")
        return made

    def refund(
        self,
        charge: Thing,
        *,
        amount: int | None,
        metadata: dict[str, str] | None = None,
        reason: str | None = None,
        key: str = "",
    ) -> Thing:
        """Give money back, as far as there is any left. Raises ``Fault``."""
        with self.state.lock:
            wanted = self._allowed(charge, amount)
            card = charge["payment_method"].removeprefix("pm_card_")
            status = self._first_state(card)
            refund = objects.new_refund(
                self.state, charge, amount=wanted, status=status, reason=reason, metadata=metadata
            )
            self.events.emit("refund.created", refund, key=key)
            self.events.emit("charge.refunded", self.state.things["charges"][charge["id"]], key=key)
            if status == "failed":
                self.events.emit("refund.failed", refund, key=key)
            return refund

    def change(self, refund_id: str, status: str, *, reason: str | None = None) -> Thing:
        """Bring a refund into another state, and tell."""
        with self.state.lock:
            before = objects.one(self.state, "refunds", refund_id)["status"]
            refund = objects.become(self.state, refund_id, status, failure_reason=reason)
            previous = {"status": before}
            self.events.emit("refund.updated", refund, previous=previous)
            self.events.emit("charge.refund.updated", refund, previous=previous)
            if status == "failed":
                self.events.emit("refund.failed", refund, previous=previous)
            return refund

    def refer(self, refund_id: str, reference: str, *, kind: str) -> Thing:
        """The network's number of a refund has become known, or has changed."""
        with self.state.lock:
            refund = objects.one(self.state, "refunds", refund_id)
            known = {"reference": reference, "reference_status": "available"}
            refund = self.state.save(
                "refunds", {**refund, "destination_details": {kind: known, "type": kind}}
            )
            self.events.emit("refund.updated", refund)
            return refund

    def cancel(self, refund_id: str) -> Thing:
        """Call a refund off that waits for its customer. Raises ``Fault``."""
        with self.state.lock:
            refund = objects.one(self.state, "refunds", refund_id)
            if refund["status"] != "requires_action":
                raise Fault(400, "Only a refund that requires action can be canceled.", executed=True)
            return self.change(refund_id, "canceled")

    def dispute(self, charge: Thing, *, amount: int, status: str, reason: str) -> Thing:
        """A customer's bank takes money back, or asks first (``warning_`` states)."""
        with self.state.lock:
            made = objects.new_dispute(self.state, charge, amount=amount, status=status, reason=reason)
            self.events.emit("charge.dispute.created", made)
            if not status.startswith("warning_"):
                self.events.emit("charge.dispute.funds_withdrawn", made)
            return made

    def judge(self, dispute_id: str, status: str) -> Thing:
        """A dispute goes on: escalates, is won, is lost."""
        with self.state.lock:
            dispute = objects.one(self.state, "disputes", dispute_id)
            taken = -sum(moved["amount"] for moved in dispute["balance_transactions"])
            dispute = self.state.save("disputes", {**dispute, "status": status})
            if status == OPEN_DISPUTE and not taken:
                dispute = objects.move(self.state, dispute, -dispute["amount"])
                self.events.emit("charge.dispute.funds_withdrawn", dispute)
            if status == "won" and taken:
                dispute = objects.move(self.state, dispute, taken)
                self.events.emit("charge.dispute.funds_reinstated", dispute)
            closed = status in ("won", "lost", "warning_closed", "prevented")
            self.events.emit("charge.dispute.closed" if closed else "charge.dispute.updated", dispute)
            return dispute

    def _first_state(self, card: str) -> str:
        if not self._next:
            return objects.CARDS.get(card, "succeeded")
        status, times = self._next[0]
        if isinstance(times, int):
            self._next[0][1] = times - 1
            if times <= 1:
                self._next.popleft()
        return str(status)

    def _allowed(self, charge: Thing, amount: int | None) -> int:
        """What may be refunded of it now. Raises ``Fault``."""
        held = [
            dispute
            for dispute in self.state.things["disputes"].values()
            if dispute["charge"] == charge["id"]
            and dispute["status"] in (OPEN_DISPUTE, "under_review", "lost")
        ]
        if held:
            raise Fault(
                400,
                f"Charge {charge['id']} has been charged back; cannot issue a refund.",
                code="charge_disputed",
                executed=True,
            )
        left = charge["amount_captured"] - objects.refunded(self.state, charge["id"])
        if left <= 0:
            raise Fault(
                400,
                f"Charge {charge['id']} has already been refunded.",
                code="charge_already_refunded",
                executed=True,
            )
        wanted = left if amount is None else amount
        currencies.check(wanted, charge["currency"])
        if wanted > left:
            asked, rest = (currencies.shown(part, charge["currency"]) for part in (wanted, left))
            raise Fault(
                400,
                f"Refund amount ({asked}) is greater than unrefunded amount on charge ({rest})",
                param="amount",
                executed=True,
            )
        return wanted
