"""The messages of the whole house: found in code and templates, compared with what is translated.

For ``flask messages`` and the test that keeps every language complete; no page needs it.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from portal.words.catalogue import LANGUAGES, path_of

ROOT = Path(__file__).resolve().parents[2]
ENGLISH = "en"
METHODS = [("portal/**.py", "python"), ("templates/**.html", "jinja2"), ("templates/**.txt", "jinja2")]
OPTIONS = {
    pattern: {"trimmed": "true", "silent": "false", "extensions": "jinja2.ext.i18n,jinja2.ext.do"}
    for pattern, method in METHODS
    if method == "jinja2"
}
KEYWORDS = {
    "_": None,
    "_l": None,
    "N_": None,
    "NC_": ((1, "c"), 2),
    "gettext": None,
    "lazy_gettext": None,
    "ngettext": (1, 2),
    "pgettext": ((1, "c"), 2),
    "npgettext": ((1, "c"), 2, 3),
}
HEADER = """msgid ""
msgstr ""
"Language: {language}\\n"
"Plural-Forms: {plural}\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"

"""
"""The same on every day and for everybody, so that a file changes only where its words do."""

PLACEHOLDER = re.compile(r"%\((\w+)\)s")


def extract(root: Path = ROOT) -> Catalog:
    """Every message that the code under ``root`` marks, with the files that say it."""
    found = Catalog(project="returns-portal", charset="utf-8", fuzzy=False)
    told = extract_from_dir(
        root, METHODS, OPTIONS, keywords=KEYWORDS, directory_filter=lambda folder: "__pycache__" not in folder
    )
    for file, _line, message, _comments, context in sorted(told, key=lambda entry: (entry[0], entry[1])):
        found.add(message, locations=[(file, 0)], context=context)
    return found


def translated(language: str) -> Catalog:
    """The catalogue of ``language`` as it stands; an empty one where there is none yet."""
    path = path_of(language)
    if not path.exists():
        return Catalog(locale=language, project="returns-portal", charset="utf-8", fuzzy=False)
    with path.open("rb") as file:
        return read_po(file, locale=language)


def others() -> tuple[str, ...]:
    """The languages that need a catalogue: all but the one the code is written in."""
    return tuple(language for language in LANGUAGES if language != ENGLISH)


def problems(template: Catalog, catalogue: Catalog) -> Iterator[str]:
    """What keeps ``catalogue`` from being complete: missing, fuzzy, obsolete, or with other placeholders."""
    for message in template:
        if not message.id:
            continue
        found = catalogue.get(message.id, message.context)
        if found is None or not all(_forms(found)):
            yield f"missing: {_first(message)!r}"
        elif found.fuzzy:
            yield f"fuzzy: {_first(message)!r}"
        elif any(_placeholders(form) - _placeholders(*_ids(message)) for form in _forms(found)) or (
            _placeholders(*_forms(found)) != _placeholders(*_ids(message))
        ):
            yield f"other placeholders: {_first(message)!r}"
    for message in catalogue:
        if message.id and template.get(message.id, message.context) is None:
            yield f"no longer said: {_first(message)!r}"
    for message in catalogue.obsolete.values():
        yield f"obsolete: {_first(message)!r}"


def update(language: str, template: Catalog) -> Catalog:
    """Bring the file of ``language`` to what the code says now: new messages empty, old ones gone."""
    catalogue = translated(language)
    catalogue.update(template, no_fuzzy_matching=True)
    catalogue.obsolete.clear()
    path = path_of(language)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(HEADER.format(language=language, plural=catalogue.plural_forms).encode())
        write_po(
            file,
            catalogue,
            width=100,
            omit_header=True,
            sort_output=True,
            include_lineno=False,
            ignore_obsolete=True,
        )
    return catalogue


def _ids(message: Message) -> tuple[str, ...]:
    return (message.id,) if isinstance(message.id, str) else tuple(message.id)


def _forms(message: Message) -> tuple[str, ...]:
    string = message.string or ""
    return (string,) if isinstance(string, str) else tuple(string)


def _first(message: Message) -> str:
    return _ids(message)[0]


def _placeholders(*texts: str) -> set[str]:
    return {name for text in texts for name in PLACEHOLDER.findall(text)}
