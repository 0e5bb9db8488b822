"""The files themselves: nothing of one machine, nothing unfinished, nothing unlocked."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HERE = "tests/house/test_repository.py"
LOCKS = ("requirements.txt", "requirements-test.txt", "requirements-oidc.txt")


def tracked() -> list[Path]:
    """Every file of the project: git's list, or what lies there where there is no git."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode == 0 and done.stdout:
        names = done.stdout.split("\0")
    else:
        left = {".git", ".venv", ".venv-oidc", ".demo", "var", "__pycache__"}
        names = [
            str(p.relative_to(ROOT)) for p in ROOT.rglob("*") if not left & set(p.relative_to(ROOT).parts)
        ]
    return [ROOT / name for name in names if name and name != HERE and (ROOT / name).is_file()]


def lines_with(pattern: str, *, suffixes: tuple[str, ...] = (), under: str = "") -> list[str]:
    found = []
    wanted = re.compile(pattern)
    for file in tracked():
        name = str(file.relative_to(ROOT))
        if (suffixes and file.suffix not in suffixes) or not name.startswith(under) or "/vendor/" in name:
            continue
        try:
            text = file.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [
            f"{name}:{n}: {line.strip()[:160]}"
            for n, line in enumerate(text.splitlines(), 1)
            if wanted.search(line)
        ]
    return found


def test_no_file_knows_one_machine() -> None:
    """Somebody's home, a work tree's place, a host of the package index."""
    places = (
        r"(?<![\w.])/(root/|work/(main|shared|\.)|home/\w+/|Users/\w+/)|files\.pythonhosted|pypi\.org/simple"
    )
    assert not lines_with(places)


def test_nothing_is_left_unfinished() -> None:
    assert not lines_with(r"\b(TODO|FIXME|XXX|HACK|NotImplementedError)\b|(?i:coming soon|lorem ipsum)")


def test_no_test_is_skipped_mocked_or_expected_to_fail() -> None:
    ways_out = r"pytest\.(skip|importorskip|xfail|mark\.(skip|xfail))|unittest\.mock|mock\.patch|MagicMock"
    assert not lines_with(ways_out, suffixes=(".py",))


@pytest.mark.parametrize("lock", LOCKS)
def test_every_dependency_is_locked_with_hashes_and_names_no_host(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    assert "://" not in text and "--index" not in text and "--find-links" not in text and " @ " not in text
    entries = [entry for entry in re.split(r"\n(?=\S)", text.strip()) if not entry.startswith("#")]
    assert len(entries) > 30
    for entry in entries:
        assert re.match(r"[\w.-]+(\[[\w,-]+\])?==\S+", entry), entry.splitlines()[0]
        assert "--hash=sha256:" in entry, entry.splitlines()[0]


def versions(lock: str) -> set[str]:
    text = (ROOT / lock).read_text(encoding="utf-8")
    return set(re.findall(r"^([\w.-]+(?:\[[\w,-]+\])?==[^\s;\\]+)", text, re.M))


def test_the_tests_run_on_the_very_versions_that_run_in_production() -> None:
    assert versions("requirements.txt") <= versions("requirements-test.txt")


def test_every_dependency_that_is_asked_for_is_locked() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    def names(wanted: list[str]) -> set[str]:
        return {re.split(r"[\[<>=!~ ]", one)[0].lower() for one in wanted}

    locked = {one.partition("==")[0].partition("[")[0].lower() for one in versions("requirements.txt")}
    locked_for_tests = {
        one.partition("==")[0].partition("[")[0].lower() for one in versions("requirements-test.txt")
    }
    assert names(project["dependencies"]) <= locked
    assert names(project["optional-dependencies"]["test"]) <= locked_for_tests


def test_dev_py_needs_nothing_but_python() -> None:
    tree = ast.parse((ROOT / "dev.py").read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        assert all(name.partition(".")[0] in sys.stdlib_module_names for name in names), names


def test_continuous_integration_runs_the_same_command_as_a_desk() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "python3 dev.py test" in script


def test_vendored_files_say_where_they_come_from() -> None:
    vendored = {part for file in tracked() for part in file.parents if part.parent.name == "vendor"}
    assert vendored
    for folder in vendored:
        said = (folder / "README.md").read_text(encoding="utf-8")
        assert re.search(r"(?i)licen[cs]e", said) and re.search(r"[0-9a-f]{64}", said), folder.name
        assert list(folder.glob("LICENSE*")), folder.name
