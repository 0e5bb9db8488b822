"""W8: what the processes hold, how soon they are ready, and whether they grow."""

from __future__ import annotations

from bench import flow, shop
from bench.ground import KINDS, Ground, ground, wait, web, worker
from bench.shop import Sample
from bench.speed import together
from bench.tables import Result


def w8(flows: int = 1000, clients: int = 8) -> Result:
    """Two web processes and a worker, before and after so many flows. SQLite has one web process with threads too."""
    rows: list[tuple[object, ...]] = []
    for kind in KINDS:
        with ground(kind) as on:
            rows.append((kind, *_watched(on, flows, clients)))
    return Result(
        name="W8",
        title=f"2 web processes and a worker, {flows} flows (posts alone)",
        columns=(
            "database", "ready s", "web MiB at start", "after a tenth", "after all", "grown MiB",
            "worker MiB", "flows", "errors",
        ),
        rows=rows,
        notes=["MiB of the web: both processes and their parent, each shared page counted once (PSS)."],
    )  # fmt: skip


def _watched(on: Ground, flows: int, clients: int) -> tuple[object, ...]:
    app = on.app()
    merchant = shop.open_shop(app)
    orders = shop.stock_up(app, merchant, [5] * flows, prefix="memory")
    tenth = max(clients, flows // 10)
    with web(on, processes=2) as served, worker(on) as hand:
        ready = wait(served, f"{on.url}/readyz")
        first = served.unshared()

        def walk(staff: flow.Visitor, _customer: flow.Visitor, order: Sample) -> None:
            flow.posts_alone(staff, order)

        done, errors, _seconds = together(
            on, walk, [orders[:tenth][number::clients] for number in range(clients)]
        )
        warm = served.unshared()
        more, others, _seconds = together(
            on, walk, [orders[tenth:][number::clients] for number in range(clients)]
        )
        last = served.unshared()
        held = hand.unshared()
    return ready, first, warm, last, last - warm, held, done + more, len(errors) + len(others)
