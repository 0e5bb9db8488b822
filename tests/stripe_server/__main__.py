"""``python -m tests.stripe_server --port 12111 --state FILE``: the server as a process of its own."""

import argparse
import os
import signal
import threading
from pathlib import Path

from tests.stripe_server.serving import KEY, SECRET, StripeServer


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.stripe_server", description=__doc__)
    parser.add_argument("--port", type=int, default=12111, help="where it listens (12111)")
    parser.add_argument(
        "--state", type=Path, help="the file that it remembers by; without it nothing is kept"
    )
    parser.add_argument("--webhooks", default="", help="where events are delivered")
    parser.add_argument(
        "--settle-after", type=float, help="seconds until a pending refund succeeds (never by itself)"
    )
    wanted = parser.parse_args()
    server = StripeServer(
        port=wanted.port,
        state=wanted.state,
        key=os.environ.get("STRIPE_API_KEY", KEY),
        secret=os.environ.get("STRIPE_WEBHOOK_SECRET", SECRET),
    )
    if wanted.webhooks:
        server.send_to(wanted.webhooks, retries=8)
    stop = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: stop.set())
    print(f"Stripe-shaped server on {server.url}", flush=True)
    while not stop.wait(0.5):
        if wanted.settle_after is not None:
            server.settle_older(wanted.settle_after)
    server.close()


main()
