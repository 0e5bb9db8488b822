"""No amount is ever a float: nothing in the code that handles money makes one, rounds one, or compares with one."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MONEY = (
    "portal/core/money.py",
    "portal/core/paid.py",
    "portal/core/spans.py",
    "portal/core/facts.py",
    "portal/core/credits.py",
    "portal/core/credit_notes.py",
    "portal/core/promotions.py",
    "portal/core/approvals.py",
    "portal/core/refunds",
    "portal/core/policy",
    "portal/quotes",
    "portal/adapters/payments",
    "portal/db/refunds.py",
    "portal/db/credits.py",
    "portal/db/bank.py",
    "portal/db/gateway.py",
    "portal/services/ledgers/books.py",
    "portal/services/ledgers/quota.py",
    "portal/services/refunding/owed.py",
    "portal/services/refunding/refunds.py",
    "portal/services/paying/payouts.py",
    "portal/services/paying/settling.py",
    "portal/services/gateways/reconcile.py",
    "portal/services/paying/chargebacks.py",
    "portal/services/paying/outside_refunds.py",
    "portal/services/ledgers/credits.py",
    "portal/services/paying/bank.py",
    "portal/services/ledgers/credit_notes.py",
)
ABOUT_TIME = {"sandbox.py", "breaker.py", "stripe_http.py"}
"""Files of gateways that also count seconds, as clocks give them."""


def files() -> list[Path]:
    found = []
    for name in MONEY:
        place = ROOT / name
        assert place.exists(), f"{name} has moved: money is handled somewhere else now"
        found += sorted(place.rglob("*.py")) if place.is_dir() else [place]
    return found


def floats(tree: ast.AST) -> Iterator[str]:
    """Every place where a float may come to be: the name, a literal, a true division, ``round`` of one."""
    asks = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and ast.unparse(n.func) == "isinstance"]
    asked = [name for call in asks for name in ast.walk(call)]  # who asks whether it is one refuses it
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id == "float" and node not in asked:
            yield f"line {node.lineno}: float"
        elif isinstance(node, ast.Constant) and isinstance(node.value, float):
            yield f"line {node.lineno}: {node.value}"
        elif (
            isinstance(node, ast.BinOp)
            and isinstance(node.op, ast.Div)
            or isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "round"
        ):
            yield f"line {node.lineno}: {ast.unparse(node)[:60]}"


@pytest.mark.parametrize("file", files(), ids=lambda file: str(file.relative_to(ROOT)))
def test_money_code_knows_no_float(file: Path) -> None:
    found = list(floats(ast.parse(file.read_text())))
    if file.name in ABOUT_TIME:
        found = [one for one in found if "amount" in one or "minor" in one]
    allowed = [one for one in found if any(word in one for word in NOT_MONEY)]
    assert [one for one in found if one not in allowed] == []


NOT_MONEY = ("age / 8", "Path", "folder /", "data_dir /", "__file__")
"""A path that is joined, and the age of a transfer."""
