"""What the desk's tables, tabs and lists are made of, ready for the macros of templates/parts."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class NavEntry:
    """One line of the desk's navigation."""

    name: str
    icon: str
    url: str
    current: bool
    count: int | None = None
    group: str = ""
    """The heading that it stands under; the first ones have none."""


@dataclass(frozen=True, kw_only=True)
class SignedIn:
    """Whoever is at the desk, as the navigation names them."""

    name: str
    role: str


@dataclass(frozen=True, kw_only=True)
class Column:
    """The head of one column; ``number`` stands right, under each other."""

    name: str
    number: bool = False
    url: str | None = None
    sort: str | None = None


@dataclass(frozen=True, kw_only=True)
class Tab:
    """One of several lists, with how many it holds where that is known."""

    name: str
    url: str
    current: bool
    count: int | None = None


@dataclass(frozen=True, kw_only=True)
class Task:
    """A step of a return, done or to do."""

    name: str
    done: bool
    url: str | None = None
    note: str | None = None


@dataclass(frozen=True, kw_only=True)
class Happening:
    """One entry of the history in words."""

    what: str
    who: str
    when: str
    text: str | None = None
    changes: tuple[tuple[str, str, str], ...] = ()
    """(field, before, after)"""


@dataclass(frozen=True, kw_only=True)
class Action:
    """A step a person may take now: where its page is (``url``), or where its button posts to (``post``)."""

    step: str
    name: str
    url: str | None = None
    post: str | None = None
    primary: bool = False
    danger: bool = False
    late: bool = False
    """Seldom taken: it stands last."""
