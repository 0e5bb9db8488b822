"""Playbooks: what to tell customers at each step, in the shop's own words or the built-in ones."""

from dataclasses import dataclass
from uuid import UUID

from flask import Blueprint, request, url_for
from werkzeug.wrappers import Response

from portal.core.access import Conflict, NotFound, Stale
from portal.core.merchants import MerchantFacts
from portal.services import merchants
from portal.services.talking import playbooks
from portal.services.talking.playbooks import PlaybookFacts
from portal.services.talking.threads import LONGEST
from portal.web.actor import needs, person
from portal.web.admin import stale
from portal.web.admin.canned import tabs
from portal.web.admin.returns import as_id
from portal.web.forms.returns import Problem, whole
from portal.web.page import now, page, redirect_to, tell
from portal.web.words import gettext as _
from portal.web.words import words
from portal.words import LANGUAGES, Words

bp = Blueprint("playbooks", __name__)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One step as the list shows it: what is said there now, in the reader's language."""

    step: str
    title: str
    text: str
    url: str
    own: str
    """The languages in which the shop says something of its own, in words."""


@dataclass(frozen=True, kw_only=True)
class Text:
    """The text of one language, and the built-in one that counts without it."""

    field: str
    language: str
    name: str
    value: str
    built_in: str


@bp.get("/playbooks")
@needs("answers.edit")
def index() -> Response:
    """Every step with what is said there."""
    shop = _shop()
    return page(
        "admin/playbooks/index.html",
        shop=shop,
        shops=_shops(),
        tabs=tabs("playbooks"),
        rows=[_row(one, shop) for one in playbooks.listing(person(), shop.id)],
    )


def _row(one: PlaybookFacts, shop: MerchantFacts) -> Row:
    said = words()
    return Row(
        step=one.step,
        title=said.playbook_title(one.step),
        text=one.texts.get(said.language) or said.playbook(one.step),
        url=url_for("admin.playbooks.edit", step=one.step, merchant=shop.id),
        own=said.join(said.language_name(language) for language in LANGUAGES if language in one.texts),
    )


@bp.route("/playbooks/<string:step>", methods=["GET", "POST"])
@needs("answers.edit")
def edit(step: str) -> Response:
    """Say it in the shop's own words; the button beside it takes the built-in text again."""
    if step not in playbooks.STEPS:
        raise NotFound
    shop = _shop()
    found = next(one for one in playbooks.listing(person(), shop.id) if one.step == step)
    if request.method == "GET":
        return _form(found, shop)
    seen = whole(request.form.get("version", ""))
    texts = {} if "reset" in request.form else _texts()
    try:
        playbooks.save(person(), shop.id, step, texts, version=seen, now=now())
    except Conflict as conflict:
        return _form(found, shop, conflict=conflict)
    except Stale:
        return stale.refused(
            shown=[
                (words().language_name(one), texts.get(one, ""), found.texts.get(one, ""))
                for one in LANGUAGES
            ],
            version=found.version,
            instead=url_for("admin.playbooks.edit", step=step, merchant=shop.id),
        )
    tell(_("The built-in text is shown again.") if "reset" in request.form else _("Saved."))
    return redirect_to(url_for("admin.playbooks.index", merchant=shop.id))


def _form(found: PlaybookFacts, shop: MerchantFacts, *, conflict: Conflict | None = None) -> Response:
    texts = _texts() if conflict else found.texts
    field = f"text-{conflict.details.get('language')}" if conflict else ""
    problems = (
        [Problem(field=field, text=words().conflict(conflict.code, conflict.details))] if conflict else []
    )
    return page(
        "admin/playbooks/form.html",
        status=422 if conflict else 200,
        found=found,
        shop=shop,
        title=words().playbook_title(found.step),
        action=url_for("admin.playbooks.edit", step=found.step, merchant=shop.id),
        texts=[
            Text(
                field=f"text-{one}",
                language=one,
                name=words().language_name(one),
                value=texts.get(one, ""),
                built_in=Words(one).playbook(found.step),
            )
            for one in LANGUAGES
        ],
        problems=problems,
        told={one.field: one.text for one in problems},
        longest=LONGEST,
    )


def _texts() -> dict[str, str]:
    return {one: request.form.get(f"text-{one}", "").replace("\r\n", "\n") for one in LANGUAGES}


def _shops() -> list[MerchantFacts]:
    return [one for one in merchants.of_actor(person()) if person().may("answers.edit", one.id)]


def _shop() -> MerchantFacts:
    """The shop in the address, or the first one. Raises ``NotFound`` for another's."""
    asked: UUID | None = as_id(request.args.get("merchant", ""))
    for one in _shops():
        if asked in (None, one.id):
            return one
    raise NotFound
