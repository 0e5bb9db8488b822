"""Playbooks for templates: read once before a page is rendered, never while it is."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import Blueprint, g, request

from portal.services.talking import playbooks
from portal.web import actor
from portal.web.words import words
from portal.words.playbooks import ALWAYS, PLAYBOOKS

SHOWN_ON = (
    "returns", "threads", "steps", "deciding", "entry", "entered", "prepare", "parcel", "refunds", "proposals",
    "cancellations", "dock", "disputes",
)  # fmt: skip
"""Parts of the admin area whose pages show playbooks; the others ask for nothing."""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One playbook in words."""

    title: str
    text: str


def init(bp: Blueprint) -> None:
    """Give the pages of the admin area the words of ``parts/playbook.html``."""
    bp.context_processor(_read)

    @bp.record_once
    def tell(state: Any) -> None:
        state.app.jinja_env.globals["playbooks_of"] = of_step


def _read() -> dict[str, Any]:
    """The merchants' own words, with one query per request, where the page shows any."""
    part = (request.endpoint or "").split(".")
    if "playbooks" not in g and len(part) > 1 and part[1] in SHOWN_ON:
        try:
            g.playbooks = playbooks.of_merchants(actor.person().merchant_ids)
        except actor.SignInNeeded:
            g.playbooks = {}
    return {}


def of_step(step: str, merchant_id: UUID | None = None, always: bool = True) -> list[Shown]:
    """What to say at ``step``, then what customers ask at any; in the reader's language, the shop's own words first."""
    known: dict[UUID, dict[str, dict[str, str]]] = g.get("playbooks", {})
    if merchant_id is None:
        mine = actor.person().merchant_ids
        merchant_id = mine[0] if len(mine) == 1 else None
    own = known.get(merchant_id, {}) if merchant_id else {}
    steps = (step, *(one for one in ALWAYS if one != step)) if always else (step,)
    return [
        Shown(
            title=words().playbook_title(one),
            text=own.get(one, {}).get(words().language) or words().playbook(one),
        )
        for one in steps
        if one in PLAYBOOKS
    ]
