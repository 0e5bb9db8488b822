"""W1, W2 and W3: one client, eight clients, many lines."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

from bench import flow, raw, shop
from bench.ground import KINDS, Ground, Processes, ground, wait, web
from bench.inside import InsideVisitor, InsideWorker, Statements, counting
from bench.shop import Sample
from bench.tables import Result, p50, p95
from bench.visitor import HttpVisitor

WHOLE, POSTS = "every page", "posts alone"


def w1(flows: int = 40) -> Result:
    """One flow after the other, over HTTP to one web process; its parts in milliseconds and raw transactions."""
    rows: list[tuple[object, ...]] = []
    for kind in KINDS:
        with ground(kind) as on:
            rows += _one_client(on, flows)
    return Result(
        name="W1",
        title="one flow: 1 unit of each of 2 of 5 lines, refunded and recorded; 1 client, 1 web process",
        columns=("database", "what", "requests", "p50 ms", "p95 ms", "raw transactions", "CPU ms of the web"),
        rows=rows,
        notes=[
            "`every page` is the agent's link, all pages of the customer, receiving, inspecting, refunding, each page",
            "shown before it is posted; `posts alone` is the same return made by an agent with the fewest requests",
            "that lead there. The refund's own job (asking the sandbox, recording, posting) is a row of its own.",
        ],
    )


def _one_client(on: Ground, flows: int) -> Iterator[tuple[object, ...]]:
    app = on.app()
    merchant = shop.open_shop(app)
    orders = shop.stock_up(app, merchant, [5] * (2 * flows + 6), prefix="one")
    bare_ms = p50(raw.transactions(on, 300))
    yield (on.kind, "raw transaction", "", bare_ms, "", 1.0, "")
    size = 0
    with web(on, processes=1) as served:
        staff, customer = HttpVisitor(on.url), HttpVisitor(on.url)
        flow.sign_in(staff)
        for order in orders[:3]:
            _whole(staff, customer, order)
            flow.posts_alone(staff, order)
        for what, walk, mine in (
            (WHOLE, _whole, orders[3 : flows + 3]),
            (POSTS, _posts, orders[flows + 3 : 2 * flows + 3]),
        ):
            totals: list[float] = []
            before = served.cpu_seconds()
            for order in mine:
                staff.times.clear()
                customer.times.clear()
                customer.address = f"198.51.{len(totals) // 200}.{len(totals) % 200 + 1}"
                walk(staff, customer, order)
                totals.append(staff.total() + customer.total())
            asked = sum(map(len, [*staff.times.values(), *customer.times.values()]))
            cpu = 1000 * (served.cpu_seconds() - before) / len(totals)
            yield (on.kind, what, asked, p50(totals), p95(totals), p50(totals) / bare_ms, cpu)
        page, size = _items_page(staff, customer, orders[2 * flows + 3], served)
        yield (on.kind, "the items page", 1, p50(page[0]), p95(page[0]), p50(page[0]) / bare_ms, page[1])
    jobs = _jobs(on)
    for name, times in sorted(jobs.items()):
        yield (on.kind, f"job: {name}", "", p50(times), p95(times), p50(times) / bare_ms, "")
    plain, cpu = _bare_page(on, size)
    yield (on.kind, f"bare page of {size // 1000} kB", 1, p50(plain), p95(plain), p50(plain) / bare_ms, cpu)


def _whole(staff: flow.Visitor, customer: flow.Visitor, order: Sample) -> None:
    return_id, link = flow.send_link(staff, order)
    flow.by_customer(customer, link, order)
    flow.at_the_desk(staff, return_id)


def _posts(staff: flow.Visitor, _customer: flow.Visitor, order: Sample) -> None:
    flow.posts_alone(staff, order)


def _items_page(
    staff: HttpVisitor, customer: HttpVisitor, order: Sample, served: Processes, count: int = 100
) -> tuple[tuple[list[float], float], int]:
    """Seconds and CPU of the items page again and again, and its size unpacked."""
    _id, link = flow.send_link(staff, order)
    customer.step = "landing"
    base = customer.get(link).location
    customer.post(base, {})
    customer.step, before = "page", served.cpu_seconds()
    customer.times.clear()
    size = max(len(customer.get(f"{base}/items").text) for _ in range(count))
    return (customer.times["page"], 1000 * (served.cpu_seconds() - before) / count), size


def _jobs(on: Ground) -> dict[str, list[float]]:
    with counting() as statements:
        worker = InsideWorker(on.app(), statements)
        worker.work()
        return worker.times


def _bare_page(on: Ground, size: int, count: int = 100) -> tuple[list[float], float]:
    bind = on.url.removeprefix("http://")
    served = Processes(
        [
            "gunicorn",
            "-k",
            "gthread",
            "-w",
            "1",
            "--threads",
            "4",
            "-b",
            bind,
            "-e",
            f"BARE_BYTES={size}",
            "bench.raw:bare()",
        ],
        on,
    )
    try:
        wait(served, f"{on.url}/readyz")
        visitor = HttpVisitor(on.url)
        visitor.step = "warm"
        for _ in range(20):
            visitor.get("/")
        visitor.step, before = "page", served.cpu_seconds()
        for _ in range(count):
            visitor.get("/")
        return visitor.times["page"], 1000 * (served.cpu_seconds() - before) / count
    finally:
        served.stop()


def w2(flows: int = 160, clients: int = 8) -> Result:
    """Eight clients at once, each with its own orders, over HTTP to two web processes on PostgreSQL."""
    rows: list[tuple[object, ...]] = []
    with ground("postgresql") as on:
        app = on.app()
        merchant = shop.open_shop(app)
        orders = shop.stock_up(app, merchant, [5] * (2 * flows + 2 * clients), prefix="many")
        shares = [orders[number::clients] for number in range(clients)]
        half = len(shares[0]) // 2
        with web(on, processes=2) as served:
            for what, walk, part in ((WHOLE, _whole, slice(0, half)), (POSTS, _posts, slice(half, None))):
                before = served.cpu_seconds()
                done, errors, seconds = together(on, walk, [share[part] for share in shares])
                cpu = 1000 * (served.cpu_seconds() - before) / max(1, done)
                rows.append(
                    (what, clients, done, len(errors), done / seconds, cpu, "; ".join(errors[:2])[:200])
                )
    return Result(
        name="W2",
        title="8 clients, 2 web processes, PostgreSQL; web, database and clients share the machine",
        columns=(
            "what",
            "clients",
            "flows",
            "errors",
            "flows/s",
            "CPU ms of the web per flow",
            "first errors",
        ),
        rows=rows,
    )


Walk = Callable[[flow.Visitor, flow.Visitor, Sample], None]


def together(on: Ground, walk: Walk, shares: list[list[Sample]]) -> tuple[int, list[str], float]:
    """Each share by a client of its own, all beginning at once: flows done, errors, seconds."""
    done, errors, start = [0] * len(shares), [], threading.Barrier(len(shares) + 1)

    def client(number: int) -> None:
        staff = HttpVisitor(on.url, address=f"198.51.100.{number + 1}")
        customer = HttpVisitor(on.url)
        flow.sign_in(staff)
        start.wait()
        for count, order in enumerate(shares[number]):
            customer.address = f"203.0.{number}.{count % 250 + 1}"
            try:
                walk(staff, customer, order)
                done[number] += 1
            except Exception as error:  # whatever it is, it is counted and told
                errors.append(f"{type(error).__name__}: {error}")

    threads = [threading.Thread(target=client, args=(number,)) for number in range(len(shares))]
    for thread in threads:
        thread.start()
    start.wait()
    began = time.perf_counter()
    for thread in threads:
        thread.join()
    return sum(done), errors, time.perf_counter() - began


SIZES = ((1, 1), (2, 5), (5, 20), (20, 20), (20, 100), (100, 100))


def w3(repeats: int = 5) -> Result:
    """How statements and time grow with the lines returned and the size of the order; called directly."""
    rows: list[tuple[object, ...]] = []
    for kind in KINDS:
        with ground(kind) as on, counting() as statements:
            app = on.app()
            merchant = shop.open_shop(app)
            with_two: dict[str, float] = {}
            for lines, size in SIZES:
                orders = shop.stock_up(app, merchant, [size] * (repeats + 1), prefix=f"w3x{lines}x{size}")
                pages, jobs, counts = _lines(app, statements, orders, lines)
                if (lines, size) == (2, 5):
                    with_two = {"pages": p50(pages), "jobs": p50(jobs)}
                two = with_two.get("pages", p50(pages))
                rows.append((kind, f"{lines} of {size}", *counts, p50(pages), p50(pages) / two, p50(jobs)))
    return Result(
        name="W3",
        title="lines returned of lines ordered: every page of the way, called directly",
        columns=(
            "database",
            "lines",
            "SQL pages",
            "SQL steps",
            "SQL jobs",
            "pages ms",
            "times 2 of 5",
            "jobs ms",
        ),
        rows=rows,
        notes=["`SQL steps` are the statements of confirming, receiving and refunding alone."],
    )


STEPS = ("confirm", "receive POST", "refund POST", "job refund")


def _lines(
    app: object, statements: Statements, orders: list[Sample], lines: int
) -> tuple[list[float], list[float], tuple[int, int, int]]:
    """Seconds of each flow's pages and jobs, and the statements of the last one."""
    staff = InsideVisitor(app.test_client(), statements)  # type: ignore[attr-defined]
    customer = InsideVisitor(app.test_client(), statements)  # type: ignore[attr-defined]
    worker = InsideWorker(app, statements)  # type: ignore[arg-type]
    flow.sign_in(staff)
    pages, jobs = [], []
    for order in orders:
        for one in (staff, customer, worker):
            one.times.clear()
        statements.by_step.clear()
        return_id, link = flow.send_link(staff, order)
        flow.by_customer(customer, link, order, lines=lines)
        worker.work()
        flow.at_the_desk(staff, return_id)
        worker.work()
        pages.append(staff.total() + customer.total())
        jobs.append(sum(sum(times) for times in worker.times.values()))
    counted = statements.by_step
    job = sum(count for step, count in counted.items() if step.startswith("job"))
    return pages[1:], jobs[1:], (statements.total() - job, sum(counted[step] for step in STEPS), job)
