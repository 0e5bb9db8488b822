"""Two people in one form: each field says what its page showed, so that only what somebody changed is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

WAS = "was-"
"""Before the name of a field: the hidden one that holds what the page showed."""


@dataclass(frozen=True, kw_only=True)
class Together:
    """What was sent beside what is there."""

    there: Mapping[str, str]
    """Field -> what is stored."""
    values: Mapping[str, str]
    """Field -> what to write: mine where this form changed it, else what is there."""
    mine: frozenset[str]
    """The fields that this form changed."""
    theirs: frozenset[str]
    """The fields that somebody else changed since its page was made."""
    clashes: frozenset[str]
    """Those that both changed, each to something else."""


def together(form: Mapping[str, str], there: Mapping[str, str]) -> Together:
    """``there`` is field -> text of what is stored. A field that was not sent is as it is stored, and one without
    its ``was-…`` counts as seen."""
    values: dict[str, str] = {}
    mine, others, clashes = set(), set(), set()
    for name, stored in there.items():
        theirs = plain(stored)
        sent = plain(form.get(name, theirs))
        was = plain(form.get(WAS + name, theirs))
        values[name] = theirs if sent == was else sent
        if sent != was:
            mine.add(name)
        if was != theirs:
            others.add(name)
        if sent != was != theirs != sent:
            clashes.add(name)
    return Together(
        there=there, values=values, mine=frozenset(mine), theirs=frozenset(others), clashes=frozenset(clashes)
    )


def plain(text: str) -> str:
    """As it is compared: browsers send other line ends than they were given."""
    return "\n".join(text.strip().splitlines())
