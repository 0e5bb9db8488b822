"""The other side of the counter: what a test, or a person at the demo, lets happen at the server."""

import dataclasses
import json
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.stripe_server import objects
from tests.stripe_server.api import Api
from tests.stripe_server.events import Plan
from tests.stripe_server.state import Thing
from tests.stripe_server.troubles import Limit, Trouble, Troubles


@dataclass(kw_only=True)
class Seen:
    """One request as it arrived; ``status`` is 0 until it is answered, and where it is cut off instead."""

    method: str
    path: str
    key: str
    params: dict[str, Any]
    at: float
    status: int = 0
    replayed: bool = False
    trouble: str = ""
    headers: dict[str, str] = dataclasses.field(default_factory=dict, repr=False)


class Control:
    """Every method takes and gives plain values, so that it works the same over HTTP."""

    def __init__(self, api: Api, troubles: Troubles, limits: Limit, seen: list[Seen]) -> None:
        self._api, self._troubles, self._limits, self._seen = api, troubles, limits, seen
        self._bank, self._state = api.bank, api.state

    # -------------------------------------------------------------------------------------------- payments

    def payment(
        self,
        amount: int,
        currency: str = "EUR",
        *,
        id: str = "",
        kind: str = "payment_intent",
        card: str = "visa",
        metadata: dict[str, str] | None = None,
    ) -> str:
        """A captured payment of ``amount`` in Stripe's units; answers its id, the reference of a payment."""
        made = self._bank.pay(
            amount=amount,
            currency=currency.lower(),
            card=card,
            id=id,
            bare=kind == "charge",
            metadata=metadata,
        )
        return str(made["id"])

    def authorization(
        self, amount: int, currency: str = "EUR", *, id: str = "", kind: str = "payment_intent"
    ) -> str:
        """A payment that is only authorized; answers its id, the reference of a payment."""
        made = self._bank.pay(
            amount=amount, currency=currency.lower(), id=id, bare=kind == "charge", manual=True
        )
        return str(made["id"])

    def take(self, reference: str, amount: int | None = None) -> None:
        """The shop captures ``amount`` of an authorization, or all of it; the rest is freed."""
        self._bank.capture(reference, amount)

    def void(self, reference: str) -> None:
        """An authorization is canceled in the dashboard, or expires."""
        self._bank.void(reference)

    def metadata(self, reference: str) -> dict[str, str]:
        """What is written onto a payment intent, or a charge."""
        kind = "payment_intents" if reference.startswith("pi_") else "charges"
        return dict(objects.one(self._state, kind, reference)["metadata"])

    def charge_of(self, capture: str) -> str:
        """The charge of a payment intent."""
        return str(objects.charge_of(self._state, capture)["id"])

    def refunds(self, capture: str = "") -> list[Thing]:
        """Every refund that was executed, oldest first; of one capture only, if named."""
        return self._of("refunds", capture)

    def disputes(self, capture: str = "") -> list[Thing]:
        """Every dispute, oldest first."""
        return self._of("disputes", capture)

    def refund_outside(self, capture: str, amount: int | None = None) -> str:
        """A refund made in the dashboard; answers its id."""
        with self._state.lock:
            return str(self._bank.refund(objects.charge_of(self._state, capture), amount=amount)["id"])

    def dispute(
        self,
        capture: str,
        amount: int | None = None,
        *,
        status: str = "needs_response",
        reason: str = "product_not_received",
    ) -> str:
        """A chargeback of the whole capture, or of ``amount``; answers its id."""
        with self._state.lock:
            charge = objects.charge_of(self._state, capture)
            made = self._bank.dispute(charge, amount=amount or charge["amount"], status=status, reason=reason)
            return str(made["id"])

    def win(self, dispute_id: str) -> None:
        """The shop keeps the money."""
        self._bank.judge(dispute_id, "won")

    def lose(self, dispute_id: str) -> None:
        """The customer keeps the money."""
        self._bank.judge(dispute_id, "lost")

    def escalate(self, dispute_id: str) -> None:
        """An inquiry becomes a chargeback."""
        self._bank.judge(dispute_id, "needs_response")

    # --------------------------------------------------------------------------------------------- refunds

    def next_refunds(self, status: str, times: int | None = 1) -> None:
        """The next refunds begin as pending, requires_action, succeeded or failed; None: all from now on."""
        self._bank.begin_with(status, times)

    def settle(self, refund_id: str = "") -> int:
        """Let a refund succeed, or all that are pending; answers how many did."""
        pending = [one["id"] for one in self.refunds() if one["status"] == "pending"]
        wanted = [refund_id] if refund_id else pending
        for one in wanted:
            self._bank.change(one, "succeeded")
        return len(wanted)

    def settle_older(self, seconds: float) -> None:
        """Let come to their end what is so old: pending refunds, and those to a card that takes none."""
        for refund in self.refunds():
            if self._state.age(refund["id"]) < seconds:
                continue
            if refund["status"] == "pending":
                self._bank.change(refund["id"], "succeeded")
            elif refund["status"] == "succeeded" and refund["payment_method"] == "pm_card_refund_fail":
                self._bank.change(refund["id"], "failed", reason="expired_or_canceled_card")

    def fail(self, refund_id: str, reason: str = "expired_or_canceled_card") -> None:
        """Let a refund fail, also one that had succeeded."""
        self._bank.change(refund_id, "failed", reason=reason)

    def ask(self, refund_id: str) -> None:
        """Let a refund wait for its customer."""
        self._bank.change(refund_id, "requires_action")

    def cancel(self, refund_id: str) -> None:
        """Call off a refund that waits for its customer."""
        self._bank.cancel(refund_id)

    def bank_reference(self, refund_id: str, reference: str, *, kind: str = "card") -> None:
        """Let the network's number of a refund become known (``destination_details``)."""
        self._bank.refer(refund_id, reference, kind=kind)

    def misstate(self, refund_id: str, amount: int) -> None:
        """Let the server's books say another amount than was asked for."""
        with self._state.lock:
            refund = objects.one(self._state, "refunds", refund_id)
            self._state.save("refunds", {**refund, "amount": amount})

    # --------------------------------------------------------------------------------------------- trouble

    def fault(
        self,
        kind: str,
        times: int | None = 1,
        *,
        method: str = "POST",
        path: str = "/v1/refunds",
        **options: Any,
    ) -> None:
        """Trouble for the next requests of that kind; ``times=None``: for all until ``mend``."""
        self._troubles.plan(Trouble(kind=kind, times=times, method=method, path=path, options=options))

    def mend(self) -> None:
        """No trouble is planned any more."""
        self._troubles.clear()

    def lag(self, *, listing: float | None = None, search: float | None = None) -> None:
        """What is younger than so many seconds is not yet found in lists, or by search."""
        self._api.listing_lag = self._api.listing_lag if listing is None else listing
        self._api.search_lag = self._api.search_lag if search is None else search

    def limit(self, per_second: int | None) -> None:
        """Refuse more requests a second than that with 429; reading and writing are counted apart."""
        self._limits.per_second = per_second

    def latency(self, seconds: float) -> None:
        """How long every request takes."""
        self._api.latency = seconds

    def advance(self, seconds: float) -> None:
        """Move the server's clock on: keys grow old, lags pass."""
        self._state.advance(seconds)

    # ------------------------------------------------------------------------------------- what was, events

    def requests(self, method: str = "POST", path: str = "/v1/refunds") -> list[Seen]:
        """What was asked, oldest first; ``*`` and an empty path mean all."""
        return [
            seen for seen in list(self._seen) if method in (seen.method, "*") and seen.path.startswith(path)
        ]

    def forget_requests(self) -> None:
        """Begin to count anew."""
        self._seen.clear()

    def events(self, type: str = "", about: str = "") -> list[Thing]:
        """What happened, oldest first; of one type, or about one object, if named."""
        with self._state.lock:
            return [
                event
                for event in self._state.things["events"].values()
                if type in ("", event["type"]) and about in ("", event["data"]["object"]["id"])
            ]

    def deliver(self, url: str, *ids: str, copies: int = 1, shuffle: int | None = None) -> list[int]:
        """Deliver events now (all, if none is named); answers the HTTP status of each delivery."""
        wanted: Sequence[str] = ids or [event["id"] for event in self.events()]
        return self._bank.events.deliver(url, wanted, copies=copies, shuffle=shuffle)

    def send_to(self, url: str, **plan: Any) -> None:
        """Deliver every event from now on by itself; ``plan`` are the fields of ``events.Plan``. "" stops it."""
        self._bank.events.follow(Plan(url=url, **plan) if url else None)

    def deliveries(self) -> list[tuple[str, int]]:
        """(event, status) of what was delivered."""
        return list(self._bank.events.delivered)

    def waiting(self) -> int:
        """How many deliveries are still to come."""
        return self._bank.events.waiting()

    def _of(self, kind: str, capture: str) -> list[Thing]:
        with self._state.lock:
            return [
                thing
                for thing in self._state.things[kind].values()
                if capture in ("", thing["charge"], thing["payment_intent"])
            ]


class Remote:
    """``Control`` of a server that is another process."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or not hasattr(Control, name):
            raise AttributeError(name)

        def call(*args: Any, **kwargs: Any) -> Any:
            body = json.dumps({"args": args, "kwargs": kwargs}).encode()
            request = urllib.request.Request(f"{self._url}/control/{name}", data=body, method="POST")  # noqa: S310
            try:
                with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
                    said = json.loads(answer.read())
            except urllib.error.HTTPError as refused:
                with refused:
                    raise ValueError(json.loads(refused.read())["error"]) from None
            return [Seen(**one) for one in said] if name == "requests" else said

        return call


def called(control: Control, name: str, body: bytes) -> Any:
    """What a control request over HTTP is answered with, as plain values. Raises ``ValueError``."""
    if name.startswith("_") or not callable(getattr(control, name, None)):
        raise ValueError(f"there is no {name}")
    given = json.loads(body or b"{}")
    said = getattr(control, name)(*given.get("args", ()), **given.get("kwargs", {}))
    return [dataclasses.asdict(one) for one in said] if name == "requests" else said
