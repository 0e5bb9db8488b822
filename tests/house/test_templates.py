"""Templates as written: nothing that the security policy forbids, nothing that belongs elsewhere."""

import re
from collections.abc import Iterator
from pathlib import Path

import jinja2
import pytest

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = ROOT / "templates"

FORBIDDEN = {
    "a style attribute": r"<[^>]*\sstyle\s*=",
    "a style element": r"<style\b",
    "a script in the page": r"<script(?![^>]*\bsrc=)",
    "a handler in the page": r"<[^>]*\s(on[a-z]+|hx-on[\w:.-]*)\s*=",
    "an address that runs a script": r"javascript:",
    "a value that runs a script": r"hx-(vals|headers|vars)\s*=\s*[\"']js:",
    "a third party": r"<(script|img|link|iframe|source)\b[^>]*(src|href)\s*=\s*[\"'](https?:)?//",
    "markup trusted without need": r"(?<!SHAPES\[name\])\|\s*safe\b|{%-?\s*autoescape\s+false",
    "a method that a form does not have": r"hx-(put|patch|delete)\s*=",
}
# A mail is read outside: style attributes are the only styles most mail programs keep.
ALLOWED_IN_MAIL = {"a style attribute", "a style element"}


def templates(pattern: str = "*.html") -> list[Path]:
    return sorted(TEMPLATES.rglob(pattern))


def without_comments(text: str) -> str:
    return re.sub(r"{#.*?#}", lambda comment: "\n" * comment.group().count("\n"), text, flags=re.S)


def faults(file: Path) -> Iterator[str]:
    text = without_comments(file.read_text(encoding="utf-8"))
    mail = file.is_relative_to(TEMPLATES / "email")
    for what, pattern in FORBIDDEN.items():
        if mail and what in ALLOWED_IN_MAIL:
            continue
        for found in re.finditer(pattern, text, re.I | re.S):
            line = text.count("\n", 0, found.start()) + 1
            yield f"{file.relative_to(ROOT)}:{line}: {what}: {' '.join(found.group().split())[:100]}"


def test_there_are_templates() -> None:
    assert len(templates()) > 10


def test_no_template_has_what_the_policy_forbids() -> None:
    assert not [fault for file in templates() for fault in faults(file)]


def test_the_check_finds_each_of_them(tmp_path: Path) -> None:
    wrong = {
        "a style attribute": '<p style="x">',
        "a style element": "<style>",
        "a script in the page": "<script>",
        "a handler in the page": '<button hx-on:click="x">',
        "an address that runs a script": '<a href="javascript:x">',
        "a value that runs a script": "<a hx-vals='js:{x:1}'>",
        "a third party": '<img alt="" src="//cdn.example.com/x.png">',
        "markup trusted without need": "{{ x | safe }}",
        "a method that a form does not have": '<a hx-delete="/x">',
    }
    assert set(wrong) == set(FORBIDDEN)
    for what, html in wrong.items():
        assert re.search(FORBIDDEN[what], html, re.I | re.S), what


@pytest.mark.parametrize("kind", ["*.html", "*.txt"])
def test_every_template_can_be_read(kind: str) -> None:
    env = jinja2.Environment(extensions=["jinja2.ext.i18n", "jinja2.ext.do"], autoescape=True)
    for file in templates(kind):
        env.parse(file.read_text(encoding="utf-8"), filename=str(file.relative_to(ROOT)))


def test_a_part_is_given_everything_it_shows() -> None:
    """A macro has no id of its own, no address and no htmx: it may stand anywhere, any number of times."""
    found = []
    for file in sorted((TEMPLATES / "parts").glob("[!_]*.html")):
        text = without_comments(file.read_text(encoding="utf-8"))
        for pattern in (r"url_for\(", r"\bhx-[a-z]+\s*=", r"\bid=\"[\w-]+\""):
            for hit in re.finditer(pattern, text):
                found.append(f"{file.name}:{text.count(chr(10), 0, hit.start()) + 1}: {hit.group()}")
    assert not found


def test_what_htmx_swaps_has_one_root_with_the_id_of_its_name() -> None:
    """``_choice.html`` begins with ``id="choice"``, or with ``id="choice-..."`` where a page has several."""
    views = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "portal" / "web").rglob("*.py"))
    found, checked = [], 0
    for file in templates("_*.html"):
        name = file.stem.removeprefix("_")
        if file.is_relative_to(TEMPLATES / "email") or f'"{name}"' not in views:
            continue  # a piece that no view names is only ever included
        checked += 1
        text = without_comments(file.read_text(encoding="utf-8"))
        text = re.sub(r"{%-?\s*macro\b.*?endmacro\s*-?%}", "", text, flags=re.S)
        text = re.sub(r"{%.*?%}", "", text, flags=re.S)
        first = re.search(r"<[a-z]+[^>]*>", text, re.S)
        root = re.search(r'\bid="([^"]+)"', first.group() if first else "")
        if not root or not (root.group(1) == name or root.group(1).startswith(f"{name}-")):
            found.append(f'{file.relative_to(ROOT)}: its root should have id="{name}"')
    assert not found, "\n".join(found)
    assert checked > 3


def test_stylesheets_and_scripts_ask_no_third_party() -> None:
    found = []
    for file in sorted((ROOT / "static").rglob("*")):
        if file.suffix in (".css", ".js") and "vendor" not in file.parts:
            text = re.sub(r"/\*.*?\*/", "", file.read_text(encoding="utf-8"), flags=re.S)
            found += [
                f"{file.name}: {hit}"
                for hit in re.findall(r"(?:url\(|import |fetch\()[\"']?(?:https?:)?//\S+", text)
            ]
    assert not found
