"""What the pages of a dispute send, read into the words of the services. Shared by customers and agents."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from werkzeug.datastructures import MultiDict

from portal.core.access import Conflict
from portal.core.money import Minor, exponent, minor
from portal.services.disputes import Choice, Claim, LineClaim
from portal.web.forms.returns import Problem
from portal.web.words import gettext as _
from portal.web.words import words

LONGEST_AMOUNT = 30
ONE_NUMBER = re.compile(r"[^\d.,-]*(-?[\d.,\s'’]*\d)\D*")
"""A number, with its currency before or behind it."""


def as_amount(text: str, currency: str) -> Minor | None:
    """What was typed as an amount, with comma or point; None where it is none, or could be two. Empty is 0."""
    typed = text.strip()[:LONGEST_AMOUNT]
    if not typed:
        return 0
    found = ONE_NUMBER.fullmatch(typed)
    if found is None:
        return None
    head, point, cents = re.sub(r"[\s'’]", "", found[1]).replace(",", ".").rpartition(".")
    if point and len(cents) == 3 and exponent(currency) != 3:
        if exponent(currency):
            return None  # 1,000 is a thousand for one, and one for another
        head, point, cents = "", "", f"{head}{cents}"
    number = f"{head.replace('.', '')}.{cents}" if point else cents.replace(".", "")
    try:
        return minor(number, currency)
    except ValueError:
        return None


def written(form: MultiDict[str, str], name: str) -> str:
    """What was typed in an area, with each line break one letter, as the browser counts it."""
    return form.get(name, "").replace("\r\n", "\n")


@dataclass(kw_only=True)
class ReadClaim:
    """What the customer typed, with everything that is wrong with it."""

    claim: Claim | None
    problems: list[Problem] = field(default_factory=list)


def read_claim(form: MultiDict[str, str], choices: Sequence[Choice], currency: str) -> ReadClaim:
    """``ground-<line>`` (empty: not contested), ``claimed-<line>``, ``wanted`` and ``body``."""
    lines, problems = [], []
    for one in choices:
        ground = form.get(f"ground-{one.line.id}", "")
        if not ground:
            continue
        name = f"claimed-{one.line.id}"
        claimed = as_amount(form.get(name, ""), currency)
        if claimed is None:
            problems.append(Problem(field=name, text=_("Enter an amount such as 12.50, or leave it empty.")))
        elif claimed > one.most:
            most = words().money(one.most, currency)
            problems.append(
                Problem(
                    field=name, text=_("At most %(maximum)s can be given back for this item.", maximum=most)
                )
            )
        lines.append(LineClaim(line_id=one.line.id, ground=ground, claimed=claimed or None))
    if not lines:
        first = f"ground-{choices[0].line.id}" if choices else "body"
        problems.insert(0, Problem(field=first, text=_("Say for at least one item what is wrong.")))
    if not form.get("wanted", ""):
        problems.append(Problem(field="wanted", text=_("Choose what you want.")))
    if not form.get("body", "").strip():
        problems.append(Problem(field="body", text=_("Tell us in a few words what is wrong.")))
    claim = Claim(lines=tuple(lines), wanted=form.get("wanted", ""), body=written(form, "body"))
    return ReadClaim(claim=claim, problems=problems)


def refused(conflict: Conflict, currency: str, *, at: str) -> Problem:
    """A refusal of the services at the field it is about."""
    line = conflict.details.get("line")
    return Problem(
        field=f"claimed-{line}" if line else at,
        text=words().conflict(conflict.code, conflict.details, currency),
    )
