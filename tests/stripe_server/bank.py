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
        manual: bool = False,
    ) -> Thing:
        """A captured payment, or with ``manual`` one that is only authorized."""
        currencies.check(amount, currency)
        made = objects.new_payment(
            self.state,
            amount=amount,
            currency=currency,
            card=card,
            id=id,
            bare=bare,
            metadata=metadata,
            manual=manual,
        )
        if manual:
            self.events.emit("charge.succeeded" if bare else "payment_intent.amount_capturable_updated", made)
            return made
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
            if not charge["captured"]:
                return self._let_go(charge, amount)
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

    def capture(self, reference: str, amount: int | None) -> Thing:
        """Take ``amount`` of an authorization, or all of it; the rest is freed. Raises ``Fault``."""
        with self.state.lock:
            charge = self._held(reference, "captured")
            wanted = charge["amount"] if amount is None else amount
            if wanted > charge["amount"]:
                raise Fault(
                    400,
                    "The amount_to_capture is greater than the amount_capturable.",
                    code="amount_too_large",
                    param="amount_to_capture",
                    executed=True,
                )
            taken = {"captured": True, "amount_captured": wanted, "balance_transaction": "txn_captured"}
            charge = self.state.save("charges", {**charge, **taken})
            self._free(charge)
            self.events.emit("charge.captured", self.state.things["charges"][charge["id"]])
            return self._intent_after(charge, status="succeeded", amount_received=wanted)

    def void(self, reference: str) -> Thing:
        """Cancel an authorization. Raises ``Fault``."""
        with self.state.lock:
            charge = self._held(reference, "canceled")
            self._free(charge)
            thing = self._intent_after(charge, status="canceled", amount_received=0)
            if thing["object"] == "payment_intent":
                self.events.emit("payment_intent.canceled", thing)
            return thing

    def _held(self, reference: str, what: str) -> Thing:
        """The charge of an authorization that is held still. Raises ``Fault``."""
        charge = objects.charge_of(self.state, reference)
        if charge["captured"] or charge["refunded"]:
            intent = self.state.things["payment_intents"].get(charge["payment_intent"] or "")
            status = intent["status"] if intent else "captured or refunded"
            raise Fault(
                400,
                f"This PaymentIntent could not be {what} because it has a status of {status}.",
                code="payment_intent_unexpected_state" if intent else "charge_already_captured",
                executed=True,
            )
        return charge

    def _free(self, charge: Thing) -> None:
        """What was not captured is freed by a refund object that takes nothing from anybody."""
        rest = charge["amount"] - charge["amount_captured"]
        if rest:
            freed = objects.new_refund(self.state, charge, amount=rest, status="succeeded")
            self.events.emit("refund.created", freed)
            self.events.emit("charge.refunded", self.state.things["charges"][charge["id"]])

    def _intent_after(self, charge: Thing, **changes: object) -> Thing:
        """The payment intent as it is then; of a charge alone the charge."""
        intent = self.state.things["payment_intents"].get(charge["payment_intent"] or "")
        if intent is None:
            return self.state.things["charges"][charge["id"]]
        return self.state.save("payment_intents", {**intent, "amount_capturable": 0, **changes})

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

    def _let_go(self, charge: Thing, amount: int | None) -> Thing:
        """A charge that is only authorized is let go as a whole, where no payment intent stands before it."""
        if charge["payment_intent"]:
            raise Fault(
                400,
                f"This PaymentIntent ({charge['payment_intent']}) does not have a successful charge to refund.",
                code="payment_intent_unexpected_state",
                executed=True,
            )
        if charge["refunded"] or amount not in (None, charge["amount"]):
            raise Fault(400, "An uncaptured charge is refunded as a whole, once.", executed=True)
        freed = objects.new_refund(self.state, charge, amount=charge["amount"], status="succeeded")
        self.events.emit("refund.created", freed)
        self.events.emit("charge.refunded", self.state.things["charges"][charge["id"]])
        return freed

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
        left = charge["amount"] - objects.refunded(self.state, charge["id"])
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
