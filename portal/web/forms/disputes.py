"""What the pages of a dispute send, read into the words of the services. Shared by customers and agents."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from werkzeug.datastructures import MultiDict

from portal.core.access import Conflict
from portal.core.money import Minor, minor
from portal.services.disputes import Choice, Claim, LineClaim
from portal.web.forms.returns import Problem
from portal.web.words import gettext as _
from portal.web.words import words

LONGEST_AMOUNT = 30


def as_amount(text: str, currency: str) -> Minor | None:
    """What was typed as an amount, with comma or point; None where it is none. Empty is 0."""
    typed = re.sub(r"[^\d.,-]", "", text.strip()[:LONGEST_AMOUNT])
    if not typed:
        return 0 if not text.strip() else None
    head, _sep, cents = typed.replace(",", ".").rpartition(".")
    number = f"{head.replace('.', '')}.{cents}" if _sep else cents
    try:
        return minor(number, currency)
    except ValueError:
        return None


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
    claim = Claim(lines=tuple(lines), wanted=form.get("wanted", ""), body=form.get("body", ""))
    return ReadClaim(claim=claim, problems=problems)


def refused(conflict: Conflict, currency: str, *, at: str) -> Problem:
    """A refusal of the services at the field it is about."""
    line = conflict.details.get("line")
    return Problem(
        field=f"claimed-{line}" if line else at,
        text=words().conflict(conflict.code, conflict.details, currency),
    )
