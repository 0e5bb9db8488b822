"""The policy of a merchant: its versions, the draft of the next one, what it would change, and publishing it."""

import json
from dataclasses import replace
from datetime import date
from uuid import UUID

from flask import Blueprint, Response, jsonify, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from portal.core.access import Stale
from portal.core.listing import day_from
from portal.core.policy.changes import Change, changes
from portal.core.policy.terms import Terms
from portal.core.rejudging import Rejudged, Totals
from portal.quotes import requests, schema, texts
from portal.quotes.faults import BadInput
from portal.services import merchants
from portal.services.past import rejudging
from portal.services.rules import policies
from portal.services.rules.policies import Policies
from portal.web.actor import needs, person
from portal.web.admin import stale
from portal.web.admin.policy_rows import EXAMPLES, Effect, all_terms, effect_of, return_row, worded
from portal.web.admin.shapes import Column
from portal.web.forms import policies as forms
from portal.web.forms.admin import as_number
from portal.web.forms.policies import PolicyForm, RevisionForm, TermsForm
from portal.web.page import now, page, redirect_to, tell, wants_fragment
from portal.web.words import gettext as _
from portal.web.words import speak, words
from portal.words import policies as told

bp = Blueprint("policies", __name__)

AT_A_GLANCE = 200
"""Past returns that are gone through while somebody types."""
HOW_MANY = (200, 1000, 5000)
SHOWN = 200
"""Returns that are listed; the totals count all."""


@bp.get("/policies")
@needs("policies.edit")
def index() -> AnyResponse:
    """Whose policy; with one merchant there is no question."""
    own = [one for one in merchants.of_actor(person()) if person().may("policies.edit", one.id)]
    if len(own) == 1:
        return redirect_to(url_for("admin.policies.show", merchant_id=own[0].id))
    return page("admin/policies/index.html", shops=own)


@bp.get("/policies/schema.json")
@needs("policies.edit")
def form_of_terms() -> Response:
    """What each term means, as JSON Schema."""
    bundle = schema.bundle()
    return jsonify({"$schema": bundle["$schema"], "$ref": "#/$defs/policy", "$defs": bundle["$defs"]})


@bp.get("/policies/<uuid:merchant_id>")
@needs("policies.edit")
def show(merchant_id: UUID) -> Response:
    """Every version, the draft of the next, and what the one in force says."""
    found = _found(merchant_id)
    return page(
        "admin/policies/show.html",
        shop=found.merchant,
        versions=found.versions,
        in_force=found.in_force,
        draft=found.draft,
        changed=worded(changes(found.in_force.terms, found.draft.terms), found.merchant.currency),
        plain=_as_text(found.draft.terms),
        columns=(
            Column(name=_("Version")),
            Column(name=_("Published")),
            Column(name=_("By")),
            Column(name=_("What changed")),
        ),
        counts={one.number: len(_since_the_one_before(found, one.number)) for one in found.versions},
    )


def _since_the_one_before(found: Policies, number: int) -> tuple[Change, ...]:
    before = next((one for one in found.versions if one.number < number), None)
    return changes(before.terms if before else Terms(), found.version(number).terms)


@bp.get("/policies/<uuid:merchant_id>/versions/<int:number>")
@needs("policies.edit")
def version(merchant_id: UUID, number: int) -> Response:
    """One version: all its terms, and how it differs from another (at first the one before it)."""
    found = _found(merchant_id)
    shown = found.version(number)
    others = [one for one in found.versions if one.number != number]
    asked = request.args.get("against", "")
    before = next((one for one in others if one.number < number), None)
    against = next((one for one in others if str(one.number) == asked), before)
    return page(
        "admin/policies/version.html",
        shop=found.merchant,
        version=shown,
        others=others,
        against=against,
        changed=worded(changes(against.terms, shown.terms), found.merchant.currency) if against else (),
        terms=all_terms(shown.terms, found.merchant.currency),
        plain=_as_text(shown.terms),
        term_columns=(Column(name=_("Term")), Column(name=_("Value"))),
        columns=(Column(name=_("Term")), Column(name=_("Before")), Column(name=_("After"))),
    )


# ------------------------------------------------------------------------------------------------- the draft


@bp.route("/policies/<uuid:merchant_id>/draft", methods=["GET", "POST"])
@needs("policies.edit")
def draft(merchant_id: UUID) -> AnyResponse:
    """The common terms as a form. While somebody types, what it would change stands beside it."""
    found = _found(merchant_id)
    currency = found.merchant.currency
    if request.method == "GET":
        form = forms.filled(found.draft.terms, found.draft.revision, currency)
        return _draft_page(found, form, _glance(found, found.draft.terms))
    form = forms.filled(found.draft.terms, found.draft.revision, currency, formdata=request.form)
    terms = forms.read(form, found.draft.terms, currency)
    if wants_fragment():
        return _draft_page(found, form, None if terms is None else _glance(found, terms))
    if terms is None:
        return _draft_page(found, form, None, status=422)
    try:
        policies.write(person(), merchant_id, terms, revision=_seen(form.revision.data), now=now())
    except Stale:
        return _too_late(merchant_id, terms)
    tell(_("The draft is saved."))
    onward = "admin.policies.check" if "check" in request.form else "admin.policies.draft"
    return redirect_to(url_for(onward, merchant_id=merchant_id))


def _draft_page(found: Policies, form: PolicyForm, effect: Effect | None, *, status: int = 200) -> Response:
    currency = found.merchant.currency
    return page(
        "admin/policies/draft.html",
        fragments=("effect",),
        shop=found.merchant,
        draft=found.draft,
        form=form,
        effect=effect,
        deductions=[
            (words().grade(face) if len(face) == 1 else words().condition(face), field)
            for face, field in form.deductions()
        ],
        limits=[(words().role(role), field) for role, field in form.limits()],
        example=form.goodwill_cap.example(currency),
        status=status,
    )


@bp.route("/policies/<uuid:merchant_id>/draft/terms", methods=["GET", "POST"])
@needs("policies.edit")
def terms(merchant_id: UUID) -> AnyResponse:
    """All terms of the draft as JSON, for what the form does not show."""
    found = _found(merchant_id)
    if request.method == "GET":
        revision = str(found.draft.revision)
        form = TermsForm(formdata=None, data={"revision": revision, "terms": _as_text(found.draft.terms)})
        return _terms_page(found, form)
    form = TermsForm()
    if not form.validate():
        return _terms_page(found, form, status=422)
    try:
        typed = requests.policy(texts.read((form.terms.data or "").encode(), "policy"))
    except BadInput as problem:
        form.terms.errors = [str(fault) for fault in problem.faults]
        return _terms_page(found, form, status=422)
    try:
        policies.write(person(), merchant_id, typed, revision=_seen(form.revision.data), now=now())
    except Stale:
        return _too_late(merchant_id, typed)
    tell(_("The draft is saved."))
    return redirect_to(url_for("admin.policies.terms", merchant_id=merchant_id))


def _looked_at() -> Terms | None:
    """The terms that the page showed, as it sent them with its step."""
    try:
        return requests.policy(texts.read(request.form.get("terms", "").encode(), "policy"))
    except BadInput:
        return None


def _too_late(
    merchant_id: UUID,
    mine: Terms | None,
    *,
    instead: str = "admin.policies.draft",
    again: bool = True,
    why_not: str = "",
) -> Response:
    """Somebody else wrote the draft meanwhile: the terms that differ, in both versions."""
    found = _found(merchant_id)
    draft = found.draft
    # The difference from theirs to mine: "before" is what is there now.
    mine = replace(mine, version=draft.terms.version) if mine else draft.terms
    rows = worded(changes(draft.terms, mine), found.merchant.currency)
    return stale.refused(
        shown=[(row.name, row.after, row.before) for row in rows],
        version=draft.revision,
        instead=url_for(instead, merchant_id=merchant_id),
        again=again,
        why_not=why_not,
        change=stale.Change(
            what=_("The draft of the policy was changed"),
            who=draft.updated_by or _("somebody"),
            at=draft.updated_at,
        ),
        field="revision",
    )


def _terms_page(found: Policies, form: TermsForm, *, status: int = 200) -> Response:
    return page(
        "admin/policies/terms.html",
        shop=found.merchant,
        draft=found.draft,
        form=form,
        examples=[(told.name(words(), path), text) for path, text in EXAMPLES.items()],
        status=status,
    )


@bp.get("/policies/<uuid:merchant_id>/check")
@needs("policies.edit")
def check(merchant_id: UUID) -> Response:
    """What would differ: past returns under the draft, each with a way to it; then it can be published."""
    found = _found(merchant_id)
    since, limit = _day(request.args.get("since", "")), _limit(request.args.get("limit", ""))
    totals, differing = Totals(), list[Rejudged]()
    for one in rejudging.check(person(), merchant_id, found.draft.terms, since=since, limit=limit):
        totals.add(one)
        if one.differs and len(differing) < SHOWN:
            differing.append(one)
    return page(
        "admin/policies/check.html",
        fragments=("found",),
        shop=found.merchant,
        draft=found.draft,
        changed=worded(changes(found.in_force.terms, found.draft.terms), found.merchant.currency),
        plain=_as_text(found.draft.terms),
        effect=effect_of(totals),
        rows=[return_row(one) for one in differing],
        since=since.isoformat() if since else "",
        limit=limit,
        limits=HOW_MANY,
        columns=(
            Column(name=_("Return")),
            Column(name=_("Verdict")),
            Column(name=_("Before"), number=True),
            Column(name=_("After"), number=True),
            Column(name=_("Why")),
        ),
        diff_columns=(Column(name=_("Term")), Column(name=_("Before")), Column(name=_("After"))),
    )


@bp.post("/policies/<uuid:merchant_id>/publication")
@needs("policies.edit")
def publish(merchant_id: UUID) -> AnyResponse:
    """Put the draft, as it was shown, in force as the next version."""
    form = RevisionForm()
    try:
        number = policies.publish_draft(person(), merchant_id, revision=form.seen, now=now())
    except Stale:
        told = _("What would be published is another draft now. Look at it first.")
        return _too_late(merchant_id, _looked_at(), instead="admin.policies.check", again=False, why_not=told)
    tell(_("Version %(n)s is in force.", n=number))
    return redirect_to(url_for("admin.policies.show", merchant_id=merchant_id))


@bp.post("/policies/<uuid:merchant_id>/draft/removal")
@needs("policies.edit")
def discard(merchant_id: UUID) -> AnyResponse:
    """Forget the draft."""
    try:
        policies.discard(person(), merchant_id, revision=RevisionForm().seen)
    except Stale:
        told = _("What would be discarded is another draft now. Look at it first.")
        return _too_late(merchant_id, _looked_at(), again=False, why_not=told)
    tell(_("The draft is discarded."), "info")
    return redirect_to(url_for("admin.policies.show", merchant_id=merchant_id))


@bp.post("/policies/<uuid:merchant_id>/draft/renewal")
@needs("policies.edit")
def take_up(merchant_id: UUID) -> AnyResponse:
    """Keep the draft although another version came meanwhile, having seen what differs."""
    try:
        policies.take_up(person(), merchant_id, revision=RevisionForm().seen, now=now())
    except Stale:
        told = _("What would be kept is another draft now. Look at it first.")
        return _too_late(merchant_id, _looked_at(), again=False, why_not=told)
    tell(_("The draft follows the newest version now."))
    return redirect_to(url_for("admin.policies.check", merchant_id=merchant_id))


def _found(merchant_id: UUID) -> Policies:
    found = policies.of_merchant(person(), merchant_id)
    speak(zone=found.merchant.zone)
    return found


def _glance(found: Policies, terms: Terms) -> Effect:
    return effect_of(rejudging.totals(rejudging.check(person(), found.merchant.id, terms, limit=AT_A_GLANCE)))


def _as_text(terms: Terms) -> str:
    return json.dumps(policies.as_plain(replace(terms, version=0)), indent=2, ensure_ascii=False)


def _seen(revision: str | None) -> int:
    seen = as_number(revision)
    return -1 if seen is None else seen


def _day(text: str) -> date | None:
    try:
        return day_from(text)
    except ValueError:
        return None


def _limit(text: str) -> int:
    return int(text) if text in map(str, HOW_MANY) else HOW_MANY[1]
