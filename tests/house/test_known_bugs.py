"""Every refund bug of the list is a test named after it, and each of these tests claims something."""

import ast
from functools import cache
from pathlib import Path

import pytest

from tests.known_bugs import KNOWN_BUGS

TESTS = Path(__file__).resolve().parents[1]


@cache
def written() -> tuple[ast.FunctionDef, ...]:
    files = sorted(TESTS.rglob("test_*.py"))
    nodes = [node for file in files for node in ast.walk(ast.parse(file.read_text()))]
    return tuple(
        node for node in nodes if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    )


@pytest.mark.parametrize("bug", KNOWN_BUGS)
def test_the_bug_has_a_test_named_after_it(bug: str) -> None:
    named = [node for node in written() if node.name.startswith(f"test_{bug}_")]
    assert named, f"no test is named test_{bug}_..."
    for node in named:
        code = ast.unparse(node)
        assert "assert" in code or "raises" in code, f"{node.name} claims nothing"


def test_the_list_is_whole_and_names_each_bug_once() -> None:
    """19 rows of public bugs, some with several; a name with a number that is not listed is a slip."""
    assert len(set(KNOWN_BUGS)) == len(KNOWN_BUGS) == 41
    assert list(KNOWN_BUGS) == sorted(KNOWN_BUGS)
