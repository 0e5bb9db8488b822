"""Translations as their .po files say them: read once per process, without a build step or a binary."""

import gettext
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from babel.messages.pofile import read_po

LANGUAGES = {"en": "English", "de": "Deutsch", "fr": "Français"}
"""Every language that is complete, by its own name. English is what the code is written in."""

FOLDER = Path(__file__).parent.parent / "translations"


def N_(message: str) -> str:
    """``message`` itself, marked for translation where it is said later; the name extraction tools know."""
    return message


def NC_(context: str, message: str) -> str:
    """The same for a word that means something else elsewhere; said with ``pgettext(context, ...)``."""
    return message


@dataclass(frozen=True)
class Catalogue:
    """The messages of one language: (context, message) -> its forms. What is missing stays English."""

    messages: dict[tuple[str, str], tuple[str, ...]]
    form_of: Callable[[int], int]

    def gettext(self, message: str) -> str:
        return self.pgettext("", message)

    def pgettext(self, context: str, message: str) -> str:
        found = self.messages.get((context, message))
        return found[0] if found else message

    def ngettext(self, one: str, many: str, n: int) -> str:
        return self.npgettext("", one, many, n)

    def npgettext(self, context: str, one: str, many: str, n: int) -> str:
        found = self.messages.get((context, one))
        if found:
            return found[self.form_of(n)]
        return one if n == 1 else many


def path_of(language: str) -> Path:
    """Where the translations into ``language`` stand."""
    return FOLDER / language / "LC_MESSAGES" / "messages.po"


@cache
def catalogue(language: str) -> Catalogue:
    """The catalogue of ``language``; an empty one, which speaks English, where there is no file."""
    path = path_of(language)
    if not path.exists():
        return Catalogue({}, lambda n: int(n != 1))
    with path.open("rb") as file:
        read = read_po(file, locale=language)
    messages = {}
    for message in read:
        one = message.id if isinstance(message.id, str) else message.id[0]
        string = message.string or ""
        forms = (string,) if isinstance(string, str) else tuple(string)
        if one and all(forms) and not message.fuzzy:
            messages[message.context or "", one] = forms
    return Catalogue(messages, gettext.c2py(read.plural_expr))
