"""The rules of a shop: written, ordered, tried on past returns, published."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID, uuid4

from flask import Blueprint, Response, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from portal.core.access import NotFound, Stale
from portal.core.workflows import Change, DispositionRule, Rule, Rules, changes, moved
from portal.services import merchants
from portal.services.past import trying
from portal.services.rules import workflows
from portal.services.rules.workflows import Workflows
from portal.web.actor import needs, person
from portal.web.admin import stale
from portal.web.admin.shapes import Column
from portal.web.forms.admin import as_number
from portal.web.forms.policies import RevisionForm
from portal.web.forms.workflows import filled
from portal.web.page import now, page, redirect_to, tell, wants_fragment
from portal.web.words import gettext as _
from portal.web.words import speak, words
from portal.words import workflows as told

bp = Blueprint("workflows", __name__, url_prefix="/workflows")

Either = Rule | DispositionRule


@dataclass(frozen=True, kw_only=True)
class RuleRow:
    """One rule as the list shows it."""

    id: str
    name: str
    on: bool
    asks: tuple[tuple[str, str], ...]
    outcome: str
    tone: str
    first: bool
    last: bool


@bp.get("")
@needs("workflows.edit")
def index() -> AnyResponse:
    """Whose rules; with one merchant there is no question."""
    own = [one for one in merchants.of_actor(person()) if person().may("workflows.edit", one.id)]
    if len(own) == 1:
        return redirect_to(url_for("admin.workflows.show", merchant_id=own[0].id))
    return page("admin/workflows/index.html", shops=own)


@bp.get("/<uuid:merchant_id>")
@needs("workflows.edit")
def show(merchant_id: UUID) -> Response:
    """The rules as they are written, in their order, with what is published."""
    return _list_page(_found(merchant_id))


def _list_page(found: Workflows, *, focus: str = "", status: int = 200) -> Response:
    """``focus`` is the id of what the reader should be at once the list has changed under them."""
    currency = found.merchant.currency
    return page(
        "admin/workflows/show.html",
        fragments=("rules",),
        shop=found.merchant,
        draft=found.draft,
        focus=focus,
        versions=found.versions,
        lists=(
            ("rules", _("What happens with a return"), rule_rows(found.draft.rules.rules, currency)),
            (
                "dispositions",
                _("What the dock proposes"),
                rule_rows(found.draft.rules.dispositions, currency),
            ),
        ),
        changed=len(found.changed),
        columns=(Column(name=_("Version")), Column(name=_("Published")), Column(name=_("By"))),
        status=status,
    )


def rule_rows(rules: Sequence[Either], currency: str) -> tuple[RuleRow, ...]:
    """The rules in words, each knowing whether it can go up or down."""
    rows = []
    for place, rule in enumerate(rules):
        outcome, tone = told.decides(words(), rule)
        rows.append(
            RuleRow(
                id=rule.id,
                name=rule.name,
                on=rule.on,
                asks=told.asks(words(), rule, currency),
                outcome=outcome,
                tone=tone,
                first=place == 0,
                last=place == len(rules) - 1,
            )
        )
    return tuple(rows)


# ------------------------------------------------------------------------------------------------- one rule


@bp.route("/<uuid:merchant_id>/rules/new", methods=["GET", "POST"])
@needs("workflows.edit")
def add(merchant_id: UUID) -> AnyResponse:
    """A rule that is asked last, until it is moved."""
    found = _found(merchant_id)
    rule = Rule(id=uuid4().hex[:12], name="", outcome="")
    return _edit(found, rule, lambda rules, it: replace(rules, rules=(*rules.rules, it)))


@bp.route("/<uuid:merchant_id>/dispositions/new", methods=["GET", "POST"])
@needs("workflows.edit")
def propose(merchant_id: UUID) -> AnyResponse:
    """A proposal for the dock."""
    found = _found(merchant_id)
    rule = DispositionRule(id=uuid4().hex[:12], name="", disposition="restock")
    return _edit(found, rule, lambda rules, it: replace(rules, dispositions=(*rules.dispositions, it)))


@bp.route("/<uuid:merchant_id>/rules/<string:rule_key>", methods=["GET", "POST"])
@needs("workflows.edit")
def edit(merchant_id: UUID, rule_key: str) -> AnyResponse:
    """One rule, of either kind."""
    found = _found(merchant_id)
    try:
        rule = _rule(found.draft.rules, rule_key)
    except NotFound:
        if request.method != "POST":
            raise
        rule = _deleted(rule_key)
    return _edit(found, rule, lambda rules, it: _each(rules, rule_key, lambda _old: it), is_new=False)


def _deleted(rule_key: str) -> Either:
    """In place of a rule that somebody deleted while it was being changed: what was typed is shown all the same."""
    if "disposition" in request.form:
        return DispositionRule(id=rule_key, name="", disposition="restock")
    return Rule(id=rule_key, name="", outcome="")


def _edit(
    found: Workflows, rule: Either, put: Callable[[Rules, Any], Rules], *, is_new: bool = True
) -> AnyResponse:
    sent = request.form if request.method == "POST" else None
    currency = found.merchant.currency
    form = filled(rule, found.draft.revision, currency, sent)
    if sent is None:
        return _form_page(found, rule, form, is_new=is_new)
    written = form.read(rule, currency)  # type: ignore[arg-type]
    if written is None:
        return _form_page(found, rule, form, is_new=is_new, status=422)
    try:
        _write(found, form.revision.data, lambda rules: put(rules, written))
    except Stale:
        return _stale(found, written, is_new=is_new)
    tell(_("The rule is saved in the draft."))
    return redirect_to(
        url_for("admin.workflows.show", merchant_id=found.merchant.id, _anchor=f"rule-{rule.id}")
    )


def _form_page(found: Workflows, rule: Either, form: Any, *, is_new: bool, status: int = 200) -> Response:
    return page(
        "admin/workflows/rule.html",
        shop=found.merchant,
        draft=found.draft,
        form=form,
        action=request.path,
        is_new=is_new,
        is_proposal=isinstance(rule, DispositionRule),
        about={code: {"text": _(text)} for code, text in told.ABOUT.items()},
        example=form.value_from.example(found.merchant.currency) if isinstance(rule, Rule) else "",
        status=status,
    )


def _stale(found: Workflows, mine: Either, *, is_new: bool) -> Response:
    """Both versions of the rule: what was sent, and what is there by now."""
    current = _found(found.merchant.id)
    try:
        theirs: Either | None = _rule(current.draft.rules, mine.id)
    except NotFound:
        theirs = None
    currency = found.merchant.currency
    shown = [
        (
            _(told.FIELDS[name]),
            told.value(words(), mine, name, currency),
            told.value(words(), theirs, name, currency) if theirs else _("Not there"),
        )
        for name in told.FIELDS
        if hasattr(mine, name)
    ]
    return stale.refused(
        shown=shown,
        version=current.draft.revision,
        instead=url_for("admin.workflows.show", merchant_id=found.merchant.id),
        change=_change(current),
        again=theirs is not None or is_new,
        field="revision",
    )


def _change(found: Workflows) -> stale.Change:
    return stale.Change(what=_("Rules changed"), who=found.draft.updated_by, at=found.draft.updated_at)


# ------------------------------------------------------------------------------- steps with what is listed


@bp.post("/<uuid:merchant_id>/order")
@needs("workflows.edit")
def order(merchant_id: UUID) -> AnyResponse:
    """One rule up, down, to the top, to the bottom, or to the place where it was dropped."""
    rule_id, to = request.form.get("rule", ""), request.form.get("to", "")
    place: str | int = int(to) if to.isdecimal() and len(to) < 5 else to
    if isinstance(place, str) and place not in ("up", "down", "top", "bottom"):
        raise NotFound

    def change(rules: Rules) -> Rules:
        if any(one.id == rule_id for one in rules.dispositions):
            return replace(rules, dispositions=moved(rules.dispositions, rule_id, place))
        return replace(rules, rules=moved(rules.rules, rule_id, place))

    return _step(merchant_id, change, anchor=f"rule-{rule_id}", pressed=to)


@bp.post("/<uuid:merchant_id>/rules/<string:rule_key>/switch")
@needs("workflows.edit")
def switch(merchant_id: UUID, rule_key: str) -> AnyResponse:
    """On, or off, as the button that was pressed says."""
    on = request.form.get("on") == "1"
    return _step(
        merchant_id,
        lambda rules: _each(rules, rule_key, lambda one: replace(one, on=on)),
        anchor=f"rule-{rule_key}",
        pressed="switch",
    )


@bp.post("/<uuid:merchant_id>/rules/<string:rule_key>/removal")
@needs("workflows.edit")
def remove(merchant_id: UUID, rule_key: str) -> AnyResponse:
    """Take the rule out of the draft; what is published keeps it."""
    return _step(merchant_id, lambda rules: _each(rules, rule_key, lambda _old: None), anchor="rules-title")


def _focus(rules: Rules, rule_id: str, pressed: str) -> str:
    """The button that was pressed while it can be pressed again, else the rule itself."""
    those = next(
        (every for every in (rules.rules, rules.dispositions) if any(one.id == rule_id for one in every)), ()
    )
    if not those:
        return ""
    at_end = {"up": those[0].id, "top": those[0].id, "down": those[-1].id, "switch": ""}
    return f"{pressed}-{rule_id}" if at_end.get(pressed, rule_id) != rule_id else f"rule-{rule_id}"


def _step(
    merchant_id: UUID, change: Callable[[Rules], Rules], *, anchor: str, pressed: str = ""
) -> AnyResponse:
    found = _found(merchant_id)
    try:
        _write(found, request.form.get("revision"), change)
    except Stale:
        current = _found(merchant_id)
        was, is_now = _names(found.draft.rules, change), _names(current.draft.rules)
        return stale.refused(
            shown=[(_("Rules in their order"), was, is_now)],
            version=current.draft.revision,
            instead=url_for("admin.workflows.show", merchant_id=merchant_id),
            change=_change(current),
            field="revision",
        )
    if wants_fragment():
        after = _found(merchant_id)
        focus = _focus(after.draft.rules, anchor.removeprefix("rule-"), pressed) if pressed else anchor
        return _list_page(after, focus=focus)
    return redirect_to(url_for("admin.workflows.show", merchant_id=merchant_id, _anchor=anchor))


def _names(rules: Rules, change: Callable[[Rules], Rules] | None = None) -> str:
    try:
        shown = change(rules) if change else rules
    except (KeyError, NotFound):
        shown = rules
    return ", ".join(one.name for one in _every(shown))


def _write(found: Workflows, revision: str | None, change: Callable[[Rules], Rules]) -> None:
    seen = as_number(revision)
    workflows.write(person(), found.merchant.id, change, revision=-1 if seen is None else seen, now=now())


def _every(rules: Rules) -> Iterator[Either]:
    yield from rules.rules
    yield from rules.dispositions


def _rule(rules: Rules, rule_id: str) -> Either:
    for one in _every(rules):
        if one.id == rule_id:
            return one
    raise NotFound


def _each(rules: Rules, rule_id: str, put: Callable[[Any], Any]) -> Rules:
    """The rules with ``put`` of one of them in its place; None takes it out. Raises ``NotFound``."""
    _rule(rules, rule_id)

    def changed(those: tuple[Any, ...]) -> tuple[Any, ...]:
        wanted = (put(one) if one.id == rule_id else one for one in those)
        return tuple(one for one in wanted if one is not None)

    return Rules(rules=changed(rules.rules), dispositions=changed(rules.dispositions))


# ------------------------------------------------------------------------------------ trial and publication


@bp.get("/<uuid:merchant_id>/trial")
@needs("workflows.edit")
def trial(merchant_id: UUID) -> Response:
    """What the draft would have decided for the newest returns, and how it differs; then it can be published."""
    found = _found(merchant_id)
    tried = trying.attempt(person(), merchant_id, found.draft.rules)
    differing = [one for one in tried if one.differs]
    return page(
        "admin/workflows/trial.html",
        shop=found.merchant,
        draft=found.draft,
        looked_at=len(tried),
        counts=[
            (*told.outcome(words(), code), was, is_now)
            for code, (was, is_now) in sorted(
                trying.counts(tried).items(), key=lambda one: list(told.OUTCOMES).index(one[0])
            )
        ],
        rows=[
            {
                "id": one.return_id,
                "number": one.number,
                "name": one.name,
                "at": one.at,
                "state": one.state,
                "was": (*told.outcome(words(), one.was.outcome), one.was.rule),
                "now": (*told.outcome(words(), one.now.outcome), one.now.rule),
                "why": told.why(words(), one.now, one.currency),
            }
            for one in differing
        ],
        changed=change_rows(found.changed, found.merchant.currency),
        count_columns=(
            Column(name=_("Outcome")),
            Column(name=_("Was"), number=True),
            Column(name=_("Would be"), number=True),
        ),
        columns=(
            Column(name=_("Return")),
            Column(name=_("State")),
            Column(name=_("Was decided")),
            Column(name=_("Would be decided")),
            Column(name=_("Because")),
        ),
        diff_columns=(Column(name=_("Rule")), Column(name=_("Before")), Column(name=_("After"))),
    )


def change_rows(changed: tuple[Change, ...], currency: str) -> list[dict[str, str]]:
    """What differs between two versions, rule by rule, in words."""
    rows = []
    for one in changed:
        if one.what in ("added", "removed"):
            text = "; ".join(f"{name}: {value}" for name, value in told.asks(words(), one.rule, currency))
            text = f"{text or _('Always')} → {told.decides(words(), one.rule)[0]}"
            before, after = ("–", text) if one.what == "added" else (text, _("Deleted"))
            rows.append({"name": one.rule.name, "before": before, "after": after})
            continue
        if one.what == "moved":
            before, after = _("Place %(n)s", n=one.was), _("Place %(n)s", n=one.place)
            rows.append({"name": one.rule.name, "before": before, "after": after})
            continue
        for field in one.fields:
            label = f"{one.rule.name}: {_(told.FIELDS[field])}"
            was = told.value(words(), one.before, field, currency) if one.before else ""
            rows.append(
                {"name": label, "before": was, "after": told.value(words(), one.rule, field, currency)}
            )
    return rows


@bp.post("/<uuid:merchant_id>/publication")
@needs("workflows.edit")
def publish(merchant_id: UUID) -> AnyResponse:
    """Put the draft, as it was shown, in force as the next version."""
    number = workflows.publish(person(), merchant_id, revision=RevisionForm().seen, now=now())
    tell(_("Version %(n)s is in force.", n=number))
    return redirect_to(url_for("admin.workflows.show", merchant_id=merchant_id))


@bp.post("/<uuid:merchant_id>/draft/removal")
@needs("workflows.edit")
def discard(merchant_id: UUID) -> AnyResponse:
    """Forget the draft."""
    workflows.discard(person(), merchant_id, revision=RevisionForm().seen)
    tell(_("The draft is discarded."), "info")
    return redirect_to(url_for("admin.workflows.show", merchant_id=merchant_id))


@bp.post("/<uuid:merchant_id>/draft/renewal")
@needs("workflows.edit")
def take_up(merchant_id: UUID) -> AnyResponse:
    """Keep the draft although another version came meanwhile, having seen what differs."""
    workflows.take_up(person(), merchant_id, revision=RevisionForm().seen, now=now())
    tell(_("The draft follows the newest version now."))
    return redirect_to(url_for("admin.workflows.trial", merchant_id=merchant_id))


@bp.get("/<uuid:merchant_id>/versions/<int:number>")
@needs("workflows.edit")
def version(merchant_id: UUID, number: int) -> Response:
    """One published version: its rules, and what it changed."""
    found = _found(merchant_id)
    shown, currency = found.version(number), found.merchant.currency
    before = found.before(number)
    return page(
        "admin/workflows/version.html",
        shop=found.merchant,
        version=shown,
        in_force=found.versions[0].number == number,
        lists=(
            (_("What happens with a return"), rule_rows(shown.rules.rules, currency)),
            (_("What the dock proposes"), rule_rows(shown.rules.dispositions, currency)),
        ),
        changed=change_rows(changes(before, shown.rules), currency),
        diff_columns=(Column(name=_("Rule")), Column(name=_("Before")), Column(name=_("After"))),
    )


def _found(merchant_id: UUID) -> Workflows:
    found = workflows.of_merchant(person(), merchant_id)
    speak(zone=found.merchant.zone)
    return found
