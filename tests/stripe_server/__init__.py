"""A Stripe-shaped HTTP server that remembers: payments, refunds, disputes, keys, events, and every request.

It knows nothing of the portal; what it does is what Stripe documents. In a test::

    from tests.stripe_server import running

    with running() as stripe:                                # a real server on a port of this machine
        app = make_app(**stripe.environ())                   # GATEWAY=stripe and the four STRIPE_ settings
        capture = stripe.payment(10_000, "EUR")              # "pi_...", the reference of a payment
        stripe.fault("reset_after")                          # executes the next refund and cuts the answer
        ...
        assert [one["amount"] for one in stripe.refunds()] == [2_500]        # what was executed
        assert len({seen.key for seen in stripe.requests()}) == 1            # always under the same key

As a process of its own: ``python -m tests.stripe_server --port 12111 --state FILE``; ``Remote(url)`` has then
the same methods over HTTP. They are the methods of ``control.Control``:

- payments: ``payment(minor, currency, card="visa"|"pending_refund"|"refund_fail"|"action"|"dispute")``, ``refunds()``,
  ``disputes()``, ``refund_outside(capture, minor)``, ``dispute(capture, minor)``, ``win``, ``lose``
- authorizations: ``authorization(minor, currency)``, ``take(id, minor)`` (the shop captures), ``void(id)``,
  ``metadata(id)``
- how refunds go on: ``next_refunds("pending", times=1)``, ``settle(id)``, ``fail(id, reason)``, ``ask(id)``,
  ``cancel(id)``, ``bank_reference(id, text)``
- trouble: ``fault(kind, times=1, method="POST", path="/v1/refunds", ...)`` (kinds: ``troubles.KINDS``), ``mend()``,
  ``down()``, ``up()``, ``lag(listing=seconds, search=seconds)``, ``limit(per_second)``, ``latency(seconds)``
- time: ``advance(seconds)`` moves the server's clock; keys are forgotten when they are a day old by it
- webhooks: ``events()``, ``signed(event)``, ``deliver(url, *ids, copies, shuffle)``, ``send_to(url, ...)``
- what was asked: ``requests(method="POST", path="/v1/refunds")``, ``forget_requests()``
"""

from tests.stripe_server.control import Remote
from tests.stripe_server.serving import StripeServer, running
from tests.stripe_server.troubles import KINDS

__all__ = ["KINDS", "Remote", "StripeServer", "running"]
