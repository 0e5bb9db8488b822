"""Imports point inward: the contract of pyproject.toml, and which library each layer may use."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PORTAL = ROOT / "portal"

# Beside the standard library. What is not listed here is a decision to be made, not an oversight to be fixed.
LIBRARIES: dict[str, set[str]] = {
    "core": set(),
    "ports": set(),
    "quotes": {"jsonschema"},
    "db": {"sqlalchemy", "flask_sqlalchemy"},
    "db/health": {"sqlalchemy", "alembic"},  # which version the tables have
    "services": {"sqlalchemy"},
    "services/work": {"sqlalchemy", "dbos"},
    "services/paying/arrivals": {"holidays"},  # a calendar is a table, not an outside
    "services/persons/people": {"sqlalchemy", "argon2"},  # hashing is arithmetic, not an outside
    "services/photos": {"sqlalchemy", "PIL"},  # so is making a clean picture of bytes
}
# Flask itself is open to adapters: flask-mail, which sends the mails, is handed the app.
FORBIDDEN: dict[str, set[str]] = {
    "adapters": {"flask_sqlalchemy", "sqlalchemy", "dbos", "flask_login", "wtforms"},
    "web": {"flask_sqlalchemy", "sqlalchemy", "dbos", "psycopg"},
}


def imported(file: Path) -> Iterator[tuple[int, str]]:
    """Each absolute import of a file, wherever it stands: line, and the module's name."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.lineno, node.module


def layer_of(file: Path) -> str:
    return file.relative_to(PORTAL).with_suffix("").parts[0]


def foreign(file: Path) -> Iterator[tuple[int, str]]:
    for line, module in imported(file):
        top = module.partition(".")[0]
        if top not in sys.stdlib_module_names and top not in ("portal", "__future__"):
            yield line, top


def test_imports_point_inward() -> None:
    command = [
        sys.executable,
        "-c",
        "from importlinter.cli import lint_imports_command; lint_imports_command()",
    ]
    done = subprocess.run([*command, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_layer_uses_only_its_libraries() -> None:
    found = []
    for file in sorted(PORTAL.rglob("*.py")):
        layer, exact = layer_of(file), str(file.relative_to(PORTAL).with_suffix(""))
        for line, library in foreign(file):
            allowed = LIBRARIES.get(exact, LIBRARIES.get(layer))
            if library in FORBIDDEN.get(layer, set()) or (allowed is not None and library not in allowed):
                found.append(f"{file.relative_to(ROOT)}:{line} imports {library}")
    assert not found, "\n".join(found)


def test_the_core_has_no_clock_no_chance_and_no_outside() -> None:
    outside = {
        "socket",
        "subprocess",
        "urllib",
        "http",
        "sqlite3",
        "threading",
        "logging",
        "random",
        "secrets",
        "os",
    }
    found = []
    for file in sorted((PORTAL / "core").rglob("*.py")):
        text = file.read_text(encoding="utf-8")
        found += [f"{file.name}:{line} imports {name}" for line, name in imported(file) if name in outside]
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Attribute) and node.attr in ("now", "utcnow", "today"):
                found.append(f"{file.name}:{node.lineno} reads a clock; time is a parameter")
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "float":
                found.append(f"{file.name}:{node.lineno} makes a float; money is whole minor units")
            if isinstance(node, ast.Constant) and isinstance(node.value, float):
                found.append(f"{file.name}:{node.lineno} has a float in it; money is whole minor units")
    assert not found, "\n".join(found)


@pytest.mark.parametrize("package", ["core", "quotes", "db", "adapters", "services", "web"])
def test_each_package_says_at_its_door_what_it_may_import(package: str) -> None:
    docstring = (
        ast.get_docstring(ast.parse((PORTAL / package / "__init__.py").read_text(encoding="utf-8"))) or ""
    )
    assert "import" in docstring.lower(), f"portal/{package}/__init__.py should repeat its rule"


def test_the_contract_would_notice_a_wrong_import(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.py"
    wrong.write_text("import json\nfrom flask import g\nimport sqlalchemy.orm\n")
    assert list(foreign(wrong)) == [(2, "flask"), (3, "sqlalchemy")]
