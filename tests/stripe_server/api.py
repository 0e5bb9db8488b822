"""The endpoints: what a request of the public API is answered with."""

import re
import time
from collections.abc import Callable
from typing import Any

from tests.stripe_server import forms, keys, objects, search
from tests.stripe_server.bank import Bank
from tests.stripe_server.errors import Fault, unknown
from tests.stripe_server.keys import Answer
from tests.stripe_server.state import Thing

Params = dict[str, Any]
REASONS = ("duplicate", "fraudulent", "requested_by_customer")
SINGLE = {
    "refunds": "refunds",
    "charges": "charges",
    "payment_intents": "payment_intents",
    "disputes": "disputes",
    "events": "events",
}
FILTERS = {
    "refunds": ("charge", "payment_intent"),
    "disputes": ("charge", "payment_intent"),
    "charges": ("payment_intent",),
    "payment_intents": (),
    "events": ("type",),
}


class Api:
    """Answers requests of ``/v1/`` over one bank."""

    def __init__(self, bank: Bank) -> None:
        self.bank, self.state = bank, bank.state
        self.listing_lag = 0.0
        self.search_lag = 0.0
        self.latency = 0.0

    def answer(
        self, method: str, path: str, params: Params, *, key: str = "", failing: Fault | None = None
    ) -> tuple[Answer, bool]:
        """Status, body and headers; and whether it is an answer that was kept. Raises ``Fault``.

        With ``failing`` the execution ends in that, which is kept under the key like any other end.
        """
        if method == "POST":
            execute = self._posted(path, params, key)

            def slowly() -> Answer:
                time.sleep(self.latency)
                if failing is not None:
                    raise failing
                return execute()

            return keys.once(self.state, key, path, params, slowly)
        if method == "GET":
            time.sleep(self.latency)
            return (200, self._got(path, params), {}), False
        raise Fault(405, "Only GET and POST are served here")

    # ------------------------------------------------------------------------------------------------- POST

    def _posted(self, path: str, params: Params, key: str) -> Callable[[], Answer]:
        """What is to be executed. Raises ``Fault`` for what is wrong before anything begins."""
        if path == "/v1/refunds":
            self._check_refund(params)
            return lambda: self._done(self._refund(params, key), params)
        if path == "/v1/payment_intents":
            return lambda: self._done(self._pay(params), params)
        if matched := re.fullmatch(r"/v1/(payment_intents|charges)/([^/]+)(/capture|/cancel)?", path):
            return self._reserved(matched[1], matched[2], matched[3] or "", params)
        if matched := re.fullmatch(r"/v1/refunds/([^/]+)/cancel", path):
            return lambda: self._done(self.bank.cancel(matched[1]), params)
        if matched := re.fullmatch(r"/v1/refunds/([^/]+)", path):
            forms.only(params, "metadata")
            return lambda: self._done(self._describe("refunds", matched[1], forms.metadata(params)), params)
        raise Fault(404, f"Unrecognized request URL (POST: {path}).")

    def _reserved(self, kind: str, id: str, what: str, params: Params) -> Callable[[], Answer]:
        """What is done with one payment intent or charge: described, captured, canceled."""
        if what == "/capture":
            name = "amount_to_capture" if kind == "payment_intents" else "amount"
            forms.only(params, name, "metadata")
            amount = forms.whole(params, name)
            return lambda: self._done(self.bank.capture(id, amount), params)
        if what == "/cancel" and kind == "payment_intents":
            forms.only(params, "cancellation_reason")
            return lambda: self._done(self.bank.void(id), params)
        if what:
            raise Fault(404, f"Unrecognized request URL (POST: /v1/{kind}/{id}{what}).")
        forms.only(params, "metadata", "description")
        return lambda: self._done(self._describe(kind, id, forms.metadata(params)), params)

    def _done(self, thing: Thing, params: Params) -> Answer:
        return 200, self._expanded(thing, params), {}

    def _check_refund(self, params: Params) -> None:
        forms.only(params, "amount", "charge", "payment_intent", "metadata", "reason")
        if not params.get("charge") and not params.get("payment_intent"):
            raise Fault(
                400,
                "One of the following params should be provided for this request: payment_intent or charge.",
                code="parameter_missing",
            )
        forms.whole(params, "amount")
        forms.metadata(params)
        if params.get("reason", REASONS[0]) not in REASONS:
            raise Fault(400, f"Invalid reason: must be one of {', '.join(REASONS)}", param="reason")

    def _refund(self, params: Params, key: str) -> Thing:
        name = "payment_intent" if params.get("payment_intent") else "charge"
        try:
            charge = objects.charge_of(self.state, params[name])
        except Fault:
            raise unknown(name, params[name], param=name, executed=True) from None
        if "charge" in params and params["charge"] != charge["id"]:
            raise Fault(400, "That charge is not of that payment intent.", param="charge", executed=True)
        return self.bank.refund(
            charge,
            amount=forms.whole(params, "amount"),
            metadata=forms.metadata(params),
            reason=params.get("reason"),
            key=key,
        )

    def _pay(self, params: Params) -> Thing:
        """A payment by one of the test payment methods, confirmed and captured at once."""
        method = params.get("payment_method", "pm_card_visa")
        if method not in objects.METHODS:
            raise unknown("PaymentMethod", method, param="payment_method", executed=True)
        amount, currency = forms.whole(params, "amount"), str(params.get("currency", "")).lower()
        if amount is None or not re.fullmatch(r"[a-z]{3}", currency):
            raise Fault(400, "Missing required param: amount, currency.", code="parameter_missing")
        if params.get("confirm") != "true":
            raise Fault(400, "This server makes payments that are confirmed at once.", param="confirm")
        return self.bank.pay(
            amount=amount,
            currency=currency,
            card=objects.METHODS[method],
            metadata=forms.metadata(params),
            manual=params.get("capture_method") == "manual",
        )

    def _describe(self, kind: str, id: str, metadata: dict[str, str]) -> Thing:
        with self.state.lock:
            thing = objects.one(self.state, kind, id, executed=True)
            merged = {**thing["metadata"], **metadata}
            kept = {name: value for name, value in merged.items() if value}
            if len(kept) > 50:
                raise Fault(400, "Metadata has at most 50 keys", param="metadata", executed=True)
            return self.state.save(kind, {**thing, "metadata": kept})

    # -------------------------------------------------------------------------------------------------- GET

    def _got(self, path: str, params: Params) -> Thing:
        parts = path.removeprefix("/v1/").split("/")
        kind = SINGLE.get(parts[0])
        if kind is None or len(parts) > 2:
            raise Fault(404, f"Unrecognized request URL (GET: {path}).")
        if len(parts) == 1:
            return self._list(kind, path, params)
        if parts[1] == "search" and kind in ("charges", "payment_intents"):
            return self._search(kind, path, params)
        with self.state.lock:
            return self._expanded(objects.one(self.state, kind, parts[1]), params)

    def _list(self, kind: str, path: str, params: Params) -> Thing:
        forms.only(params, "created", "limit", "starting_after", "ending_before", *FILTERS[kind])
        limit = _limit(params)
        with self.state.lock:
            found = [
                thing
                for thing in reversed(self.state.things[kind].values())
                if self.state.age(thing["id"]) >= self.listing_lag and _fits(thing, kind, params)
            ]
            page, more = _page(found, limit, params)
            data = [self._expanded(thing, params, prefix="data.") for thing in page]
        return {"object": "list", "data": data, "has_more": more, "url": path}

    def _search(self, kind: str, path: str, params: Params) -> Thing:
        forms.only(params, "query", "limit", "page")
        wanted, limit, begin = (
            search.parsed(params.get("query", "")),
            _limit(params),
            int(params.get("page", "0")),
        )
        with self.state.lock:
            found = [
                thing
                for thing in reversed(self.state.things[kind].values())
                if self.state.age(thing["id"]) >= self.search_lag and all(fits(thing) for fits in wanted)
            ]
        more = len(found) > begin + limit
        return {
            "object": "search_result",
            "data": found[begin : begin + limit],
            "has_more": more,
            "next_page": str(begin + limit) if more else None,
            "url": path,
        }

    def _expanded(self, thing: Thing, params: Params, *, prefix: str = "") -> Thing:
        """The object with the ids that the caller wants to see whole."""
        shown = dict(thing)
        for wanted in params.get("expand", ()):
            name = wanted.removeprefix(prefix)
            if name not in shown:
                raise Fault(400, f"This property cannot be expanded ({wanted}).", param="expand")
            for things in self.state.things.values():
                shown[name] = (
                    things.get(shown[name], shown[name]) if isinstance(shown[name], str) else shown[name]
                )
        return shown


def _limit(params: Params) -> int:
    limit = forms.whole(params, "limit", 10)
    if limit is None or limit > 100:
        raise Fault(400, "This value must be less than or equal to 100.", param="limit")
    return limit


def _fits(thing: Thing, kind: str, params: Params) -> bool:
    if any(name in params and thing.get(name) != params[name] for name in FILTERS[kind]):
        return False
    created = params.get("created", {})
    if isinstance(created, str):
        return bool(thing["created"] == int(created))
    compare: dict[str, Callable[[int, int], bool]] = {
        "gt": int.__gt__,
        "gte": int.__ge__,
        "lt": int.__lt__,
        "lte": int.__le__,
    }
    return all(compare[how](thing["created"], int(value)) for how, value in created.items())


def _page(found: list[Thing], limit: int, params: Params) -> tuple[list[Thing], bool]:
    """One page of a list that has the newest first, and whether there is more in that direction."""
    for name in ("starting_after", "ending_before"):
        if name in params:
            where = [place for place, thing in enumerate(found) if thing["id"] == params[name]]
            if not where:
                raise Fault(400, f"No such object: '{params[name]}'", code="resource_missing", param=name)
            if name == "starting_after":
                found = found[where[0] + 1 :]
            else:
                before = found[: where[0]]
                return before[-limit:], len(before) > limit
    return found[:limit], len(found) > limit
