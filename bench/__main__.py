"""``python -m bench [W1 W2 ...]``: measure, print tables; ``--json`` prints plain values instead."""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Callable
from datetime import UTC, datetime

from bench import browser, engine, gateway, lists, memory, races, speed
from bench.tables import Result

WORKLOADS: dict[str, Callable[[argparse.Namespace], Result]] = {
    "W1": lambda asked: speed.w1(),
    "W2": lambda asked: speed.w2(),
    "W3": lambda asked: speed.w3(),
    "W4": lambda asked: races.w4(flows=asked.races),
    "W5": lambda asked: lists.w5(sizes=asked.returns or lists.SIZES),
    "W6": lambda asked: gateway.w6(refunds_sent=asked.refunds),
    "W7": lambda asked: browser.w7(),
    "W8": lambda asked: memory.w8(flows=asked.flows),
    "W9": lambda asked: engine.w9(),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "workloads", nargs="*", metavar="W", help=f"of {', '.join(WORKLOADS)}; none means all"
    )
    parser.add_argument("--json", action="store_true", help="print plain values")
    parser.add_argument("--races", type=int, default=400, help="W4: flows over 20 shared products (400)")
    parser.add_argument(
        "--returns", type=int, nargs="+", help="W5: among how many (10000 100000 1000000), the fewest first"
    )
    parser.add_argument("--refunds", type=int, default=300, help="W6: refunds to be sent (300)")
    parser.add_argument("--flows", type=int, default=1000, help="W8: flows to watch the memory over (1000)")
    asked = parser.parse_args()
    wanted = [name.upper() for name in asked.workloads] or list(WORKLOADS)
    if unknown := set(wanted) - set(WORKLOADS):
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    found = []
    for name in wanted:
        result = WORKLOADS[name](asked)
        found.append(result)
        if not asked.json:
            print(result, flush=True)
    if asked.json:
        print(json.dumps({**_machine(), "results": [result.plain() for result in found]}, indent=2))


def _machine() -> dict[str, object]:
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "python": platform.python_version(),
    }


if __name__ == "__main__":
    main()
