"""Every language says everything: nothing untranslated in code, templates, messages and papers."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import jinja2
import pytest
from babel.messages.catalog import Catalog
from jinja2 import nodes

from portal.words.catalogue import LANGUAGES, catalogue
from portal.words.messages import PLACEHOLDER, extract, others, problems, translated

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = ROOT / "templates"
SAYERS = {"_", "_l", "N_", "NC_", "gettext", "lazy_gettext", "ngettext", "pgettext", "npgettext"}
EXPRESSION = "\N{OBJECT REPLACEMENT CHARACTER}"
SPOKEN = {"title", "alt", "placeholder", "aria-label", "aria-description", "aria-roledescription", "label"}
SAME_EVERYWHERE = {"QR", "PDF", "XML", "PNG", "ZPL", "SVG", "SKU", "API", "MB", "CSV", "JSON", "Ctrl", "Esc"}
"""Words that no language translates: formats, units, keys."""


@pytest.fixture(scope="module")
def template() -> Catalog:
    return extract()


# ------------------------------------------------------------------------------------------------- catalogues


def test_the_messages_of_pages_mails_papers_and_words_are_found(template: Catalog) -> None:
    assert len(template) > 600
    for said in (
        "Skip to the content",
        "Your return is approved",
        "Packing slip",
        "Under review",
        "Too small",
    ):
        assert said in template, said


@pytest.mark.parametrize("language", others())
def test_every_message_is_translated(language: str, template: Catalog) -> None:
    lacking = list(problems(template, translated(language)))
    assert not lacking, f"run `python3 dev.py flask messages` and translate: {lacking[:20]}"


def test_english_german_and_french_are_there() -> None:
    assert set(LANGUAGES) == {"en", "de", "fr"}
    assert others() == ("de", "fr")


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_message_can_be_filled_in(language: str, template: Catalog) -> None:
    said = catalogue(language)
    for message in template:
        ids = (message.id,) if isinstance(message.id, str) else message.id
        values = dict.fromkeys(PLACEHOLDER.findall(" ".join(ids)), "x") | {"n": 1, "num": 1}
        for n in (0, 1, 2):
            text = said.pgettext(message.context or "", ids[0])
            if len(ids) == 2:
                text = said.npgettext(message.context or "", ids[0], ids[1], n)
            assert "%" not in (text % values).replace("100 %", ""), text


@pytest.mark.parametrize("language", others())
def test_a_sentence_is_not_left_in_english(language: str, template: Catalog) -> None:
    said = catalogue(language)
    same = []
    for message in template:
        one = message.id if isinstance(message.id, str) else message.id[0]
        words = re.findall(r"[^\W\d_]{2,}", PLACEHOLDER.sub("", one))
        if len(words) > 2 and said.pgettext(message.context or "", one) == one:
            same.append(one)
    assert not same


FAMILIAR = {
    "de": r"\b(du|dir|dich|dein|deine|deiner|deinen|deinem)\b",
    "fr": r"\b(tu|toi|ton|ta|tes)\b",
}


@pytest.mark.parametrize("language", others())
def test_customers_are_addressed_politely(language: str, template: Catalog) -> None:
    said = catalogue(language)
    wrong = [
        form
        for message in template
        if message.id
        for form in said.messages.get((message.context or "", _first(message.id)), ())
        if re.search(FAMILIAR[language], form)
    ]
    assert not wrong


def test_french_signs_stand_apart_without_breaking() -> None:
    forms = [form for forms in catalogue("fr").messages.values() for form in forms]
    assert not [form for form in forms if re.search(r" [:;?!»]|« |[^\W\d_][;?!](\s|$)", form)]


def test_each_fault_of_a_catalogue_is_noticed() -> None:
    told = Catalog()
    for message in ("Hello %(name)s", "Bye", "Soon", ("%(n)s unit", "%(n)s units")):
        told.add(message)
    said = Catalog(locale="de")
    said.add("Hello %(name)s", "Hallo %(wer)s")
    said.add("Soon", "Bald", flags=["fuzzy"])
    said.add(("%(n)s unit", "%(n)s units"), ("%(n)s Stück", ""))
    said.add("Gone", "Weg")
    found = list(problems(told, said))
    assert [fault.split(":")[0] for fault in found] == [
        "other placeholders",
        "missing",
        "fuzzy",
        "missing",
        "no longer said",
    ]


# -------------------------------------------------------------------------------------------------- templates


def _first(message: str | tuple[str, ...]) -> str:
    return message if isinstance(message, str) else message[0]


def literal(source: str) -> str:
    """What a template says itself: outside of tags, comments, {% trans %} and {% block ..._class %}."""
    env = jinja2.Environment(autoescape=True)
    said, translating, naming, inside = [], False, False, ""
    for _line, kind, value in env.lex(source):
        if kind == "block_begin":
            inside = "begun"
        elif kind == "block_end":
            inside = ""
        elif inside == "begun" and kind == "name":
            translating = value == "trans" or (translating and value != "endtrans")
            naming = naming and value != "endblock"
            inside = value
        elif inside == "block" and kind == "name" and value.endswith("_class"):
            naming = True
        elif kind == "variable_begin":
            said.append(EXPRESSION)
        elif kind == "data" and not translating and not naming:
            said.append(value)
    return "".join(said)


class _Texts(HTMLParser):
    """Texts and spoken attributes of a page, as they stand in the template."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._silent += tag in ("script", "style")
        named = dict(attrs)
        spoken = SPOKEN | (
            {"value"} if tag == "input" and named.get("type") in ("submit", "button") else set()
        )
        self.found += [value for name, value in attrs if name in spoken and value]

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in ("script", "style")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.found.append(data)


def untranslated(source: str, *, html: bool) -> list[str]:
    """The texts of a template that no translation reaches."""
    said = [literal(source)]
    if html:
        reader = _Texts()
        reader.feed(said[0])
        reader.close()
        said = reader.found
    words = {word for text in said for word in re.findall(r"[^\W\d_]{2,}", text)}
    return sorted(words - SAME_EVERYWHERE) + sorted(_unmarked(source))


def _unmarked(source: str) -> Iterator[str]:
    """Texts inside expressions, such as ``{{ label or 'You get back' }}``: capital first, as no code is."""
    env = jinja2.Environment(autoescape=True, extensions=["jinja2.ext.i18n", "jinja2.ext.do"])

    def walk(node: nodes.Node) -> Iterator[str]:
        if isinstance(node, nodes.Call) and isinstance(node.node, nodes.Name) and node.node.name in SAYERS:
            return
        if isinstance(node, nodes.Const) and isinstance(node.value, str):
            if re.match(r"[A-ZÄÖÜÉ][a-zäöüé]+( |$)", node.value):
                yield node.value
            return
        for child in node.iter_child_nodes():
            yield from walk(child)

    yield from walk(env.parse(source))


def test_every_text_of_a_template_is_translated() -> None:
    found = {}
    for file in sorted(TEMPLATES.rglob("*.*")):
        faults = untranslated(file.read_text(encoding="utf-8"), html=file.suffix == ".html")
        if faults:
            found[str(file.relative_to(TEMPLATES))] = faults
    assert not found


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("<p>Hello</p>", ["Hello"]),
        ("<p>{{ _('Hello') }}: {{ name }}</p>", []),
        ("{% trans %}Hello{% endtrans %}", []),
        ("{% trans n=1 %}One{% pluralize %}Many{% endtrans %} left", ["left"]),
        ('<img alt="A cat">', ["cat"]),
        ("<img alt=\"{{ _('A cat') }}\">", []),
        ("<input type=submit value='Send'>", ["Send"]),
        ("<option value='send'>", []),
        ("{{ label or 'You get back' }}", ["You get back"]),
        ("{{ icon('check') }}{# Nothing here #}<style>p { color: red }</style>", []),
        ("<main class='{% block main_class %}page{% endblock %}'>Go</main>", ["Go"]),
        ("<a{% if now %} class='now'{% endif %} href='/here'>×</a>", []),
    ],
)
def test_the_check_of_templates_sees_what_is_not_translated(source: str, expected: list[str]) -> None:
    assert untranslated(source, html=True) == expected


# ------------------------------------------------------------------------------------------------------- code

SPEAKING = ("portal/web", "portal/adapters/documents", "portal/words")
HEARD = {"ValidationError", "StopValidation"}
"""Errors whose words people read; those of all others are for programmers and logs."""


def unmarked(source: str) -> list[str]:
    """Sentences in code that no translation reaches; docstrings and programming errors are free."""
    tree = ast.parse(source)
    free = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        call = node.exc if isinstance(node, ast.Raise) else node
        if isinstance(call, ast.Call):
            name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
            if name in SAYERS or (isinstance(node, ast.Raise) and name not in HEARD):
                free |= {id(part) for part in ast.walk(call)}
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in free
        if re.match(r"[A-Z][a-z]+ \w+", node.value)
    ]


def test_every_sentence_of_the_code_that_people_read_is_marked() -> None:
    found = {}
    for folder in SPEAKING:
        for file in sorted((ROOT / folder).rglob("*.py")):
            if sentences := unmarked(file.read_text(encoding="utf-8")):
                found[str(file.relative_to(ROOT))] = sentences
    assert not found


def test_the_check_of_code_sees_what_is_not_marked() -> None:
    assert unmarked("tell('Return saved')") == ["Return saved"]
    assert unmarked("raise ValidationError('Too long for us')") == ["Too long for us"]
    marked = "'''Return the page.'''\ntell(_('Return saved'))\nraise ValueError('No such thing')"
    assert unmarked(marked) == []
