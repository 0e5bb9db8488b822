"""The rules of a merchant: asked for one return, read in versions, the next one written as a draft, published."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from portal.core import workflows as rules_
from portal.core.access import Actor, Conflict, NotFound, Stale
from portal.core.facts import CANCELLATIONS, STAYS, OrderFacts, ReturnRequest
from portal.core.merchants import MerchantFacts
from portal.core.policy.rules import worth
from portal.core.returns import Draft
from portal.core.workflows import (
    ASK_PHOTOS,
    NO_RULES,
    Asked,
    Change,
    Decision,
    Facts,
    History,
    Rules,
    changes,
    from_json,
    to_json,
)
from portal.db import history, merchants
from portal.db import workflows as stored
from portal.db.base import db, read_once, transaction, uuid7
from portal.db.merchants import Merchant
from portal.db.orders import Order
from portal.db.returns import Return
from portal.db.workflows import Workflow, WorkflowDraft
from portal.services import scope

NEVER_ASKED = ("draft", "proposed", "canceled", "expired")
"""States of a return that say nothing about its customer."""

# ------------------------------------------------------------------------------------- asked for one return


def rules_of(merchant_id: UUID) -> Rules:
    """The rules in force; none where nothing was published."""
    return _in_force(merchant_id)[1]


def _in_force(merchant_id: UUID) -> tuple[int, Rules]:
    def read() -> tuple[int, Rules]:
        row = stored.in_force(merchant_id)
        return (row.version, stored.rules_of(row)) if row is not None else (0, NO_RULES)

    return read_once(("workflow", merchant_id), read)


def decide(
    draft: Draft, order: OrderFacts | None, request: ReturnRequest, *, email: str, now: datetime
) -> Decision | None:
    """What the merchant's rules say of a draft as it stands; None where there are none, or it is no return."""
    if draft.kind in (*CANCELLATIONS, *STAYS):
        return None
    version, rules = _in_force(draft.merchant_id)
    if not rules.rules:
        return None
    asks = any(rule.on and rule.asks_history for rule in rules.rules)
    known = past_of([(draft.merchant_id, email)]) if asks and email else {}
    before = known.get((draft.merchant_id, email), Past())
    facts = facts_of(draft, order, request, before.until(now, but=draft.id))
    return rules_.decide(rules, facts, version=version)


def facts_of(draft: Draft, order: OrderFacts | None, request: ReturnRequest, known: History) -> Facts:
    """What the rules look at, of a return that is filled in or was."""
    categories = {line.id: line.category for line in order.lines} if order else {}
    return Facts(
        lines=tuple(
            Asked(
                id=line.id,
                reason=line.reason,
                condition=line.condition,
                sku=line.sku,
                category=categories.get(line.order_line_id, "") if line.order_line_id else "",
            )
            for line in draft.lines
        ),
        channel=draft.channel,
        kind=draft.kind,
        value=worth(order, request) if order is not None else None,
        history=known,
    )


def steered(draft: Draft, decision: Decision | None) -> Draft:
    """The draft with what ``decision`` asks of it: photos of the lines that made the rule fit, its handling."""
    if decision is None:
        return draft
    asked = decision.lines if decision.outcome == ASK_PHOTOS else ()
    return replace(
        draft,
        handling=decision.handling,
        lines=tuple(replace(line, photo_asked=line.id in asked) for line in draft.lines),
    )


@dataclass(frozen=True, kw_only=True)
class Past:
    """Orders and returns of one customer: when, which order, whose return."""

    orders: tuple[tuple[datetime, UUID], ...] = ()
    """The newest first."""
    returns: tuple[tuple[datetime, UUID | None, UUID], ...] = ()

    def until(self, at: datetime, *, but: UUID) -> History:
        """What was known at a moment, without one return itself."""
        before = [(when, order_id) for when, order_id, own in self.returns if when < at and own != but]
        returned = {order_id for _, order_id in before}
        return History(
            orders=tuple(order_id in returned for when, order_id in self.orders if when < at),
            returns=tuple((at - when).days for when, _ in before),
        )


LOOKED_AT = 200
"""So many newest orders of a customer count; somebody with more is no private customer."""


def past_of(customers: Iterable[tuple[UUID, str]]) -> Mapping[tuple[UUID, str], Past]:
    """(merchant, e-mail) -> what there is of them, in two queries; an address is compared in small letters."""
    wanted = set(customers)
    merchant_ids, emails = {one for one, _ in wanted}, {email for _, email in wanted}
    found_orders: dict[tuple[UUID, str], list[tuple[datetime, UUID]]] = {}
    found_returns: dict[tuple[UUID, str], list[tuple[datetime, UUID | None, UUID]]] = {}
    placed = (
        sa.select(Order.merchant_id, Order.email, Order.placed_at, Order.id)
        .where(Order.merchant_id.in_(merchant_ids), Order.email.in_(emails))
        .order_by(Order.placed_at.desc(), Order.id.desc())
        .limit(LOOKED_AT * len(wanted))
    )
    for row in db.session.execute(placed):
        found_orders.setdefault((row.merchant_id, row.email), []).append((row.placed_at, row.id))
    asked = sa.select(
        Return.merchant_id, Return.email, Return.submitted_at, Return.order_id, Return.id
    ).where(
        Return.merchant_id.in_(merchant_ids),
        Return.email.in_(emails),
        Return.submitted_at.is_not(None),
        Return.state.not_in(NEVER_ASKED),
        Return.kind.not_in(CANCELLATIONS),
    )
    for one in db.session.execute(asked):
        if one.submitted_at is not None:
            found_returns.setdefault((one.merchant_id, one.email), []).append(
                (one.submitted_at, one.order_id, one.id)
            )
    return {
        who: Past(orders=tuple(found_orders.get(who, ())), returns=tuple(found_returns.get(who, ())))
        for who in wanted
    }


# ------------------------------------------------------------------------------------ versions and the draft


@dataclass(frozen=True, kw_only=True)
class VersionFacts:
    """One published version, and who published it when."""

    number: int
    rules: Rules
    published_at: datetime
    published_by: str


@dataclass(frozen=True, kw_only=True)
class DraftFacts:
    """The next version as it is written. ``revision`` 0: nobody wrote any of it yet."""

    rules: Rules
    based_on: int
    revision: int
    updated_at: datetime | None
    updated_by: str
    published: int
    """The newest published version, 0 before the first; another than ``based_on`` came meanwhile."""

    @property
    def is_outdated(self) -> bool:
        """Whether somebody published a version after this was begun."""
        return self.based_on != self.published


@dataclass(frozen=True, kw_only=True)
class Workflows:
    """A merchant with all versions of its rules, the newest first, and the draft of the next."""

    merchant: MerchantFacts
    versions: tuple[VersionFacts, ...]
    draft: DraftFacts

    @property
    def in_force(self) -> Rules:
        return self.versions[0].rules if self.versions else NO_RULES

    @property
    def changed(self) -> tuple[Change, ...]:
        """How the draft differs from what is in force."""
        return changes(self.in_force, self.draft.rules)

    def version(self, number: int) -> VersionFacts:
        """The version with that number. Raises ``NotFound``."""
        for one in self.versions:
            if one.number == number:
                return one
        raise NotFound

    def before(self, number: int) -> Rules:
        """What was in force before that version."""
        return next((one.rules for one in self.versions if one.number < number), NO_RULES)


def of_merchant(actor: Actor, merchant_id: UUID) -> Workflows:
    """All that is known of the merchant's rules. Raises ``NotFound``, ``NotAllowed``."""
    scope.require(actor, "workflows.edit", merchant_id)
    row = merchants.by_id(merchant_id)
    if row is None:
        raise NotFound
    versions = tuple(
        VersionFacts(
            number=one.version,
            rules=stored.rules_of(one),
            published_at=one.published_at,
            published_by=one.published_by_name,
        )
        for one in stored.versions(merchant_id)
    )
    return Workflows(
        merchant=merchants.facts(row),
        versions=versions,
        draft=_draft(stored.draft_of(merchant_id), versions),
    )


def _draft(row: WorkflowDraft | None, versions: tuple[VersionFacts, ...]) -> DraftFacts:
    published = versions[0].number if versions else 0
    return DraftFacts(
        rules=from_json(row.rules) if row else versions[0].rules if versions else NO_RULES,
        based_on=row.based_on if row else published,
        revision=row.version if row else 0,
        updated_at=row.updated_at if row else None,
        updated_by=row.updated_by_name if row else "",
        published=published,
    )


def write(
    actor: Actor, merchant_id: UUID, change: Callable[[Rules], Rules], *, revision: int, now: datetime
) -> int:
    """Put ``change`` of the draft's rules in their place; answers the draft's revision.

    Raises ``Stale`` when it is not at ``revision`` any more, ``NotFound`` where ``change`` finds no such rule.
    """
    scope.require(actor, "workflows.edit", merchant_id)
    with transaction() as session:
        _merchant(merchant_id)
        row = stored.draft_of(merchant_id, lock=True)
        if revision != (row.version if row is not None else 0):
            raise Stale
        newest = stored.in_force(merchant_id)
        if row is None:
            row = WorkflowDraft(
                id=uuid7(),
                merchant_id=merchant_id,
                based_on=newest.version if newest else 0,
                rules=newest.rules if newest else to_json(NO_RULES),
                version=0,
            )
            session.add(row)
        try:
            rules = change(from_json(row.rules))
        except KeyError:
            raise NotFound from None
        row.rules = to_json(from_json(to_json(rules)))
        row.version += 1
        row.updated_at, row.updated_by_name = now, actor.name
        return row.version


def discard(actor: Actor, merchant_id: UUID, *, revision: int) -> None:
    """Forget the draft; one that is not there is no error. Raises ``Stale``."""
    scope.require(actor, "workflows.edit", merchant_id)
    with transaction() as session:
        _merchant(merchant_id)
        row = stored.draft_of(merchant_id, lock=True)
        if row is None:
            return
        if row.version != revision:
            raise Stale
        session.delete(row)


def take_up(actor: Actor, merchant_id: UUID, *, revision: int, now: datetime) -> None:
    """Keep an outdated draft after a look at the version that came meanwhile: it may be published now."""
    scope.require(actor, "workflows.edit", merchant_id)
    with transaction():
        _merchant(merchant_id)
        row = stored.draft_of(merchant_id, lock=True)
        if row is None or row.version != revision:
            raise Stale
        newest = stored.in_force(merchant_id)
        row.based_on, row.version = newest.version if newest else 0, row.version + 1
        row.updated_at, row.updated_by_name = now, actor.name


def publish(actor: Actor, merchant_id: UUID, *, revision: int, now: datetime) -> int:
    """Make the draft the version in force; answers its number.

    Raises ``Stale`` when the draft is another by now, ``Conflict``: ``published_meanwhile`` when somebody
    published a version since it was begun, ``draft_unchanged`` when it says what is in force.
    """
    scope.require(actor, "workflows.edit", merchant_id)
    with transaction() as session:
        _merchant(merchant_id)
        row = stored.draft_of(merchant_id, lock=True)
        if row is None or row.version != revision:
            raise Stale
        newest = stored.in_force(merchant_id)
        number = newest.version if newest else 0
        if row.based_on != number:
            raise Conflict("published_meanwhile", version=number)
        before = stored.rules_of(newest) if newest else NO_RULES
        if not changes(before, from_json(row.rules)):
            raise Conflict("draft_unchanged")
        session.delete(row)
        session.flush()
        return put_in_force(actor, merchant_id, from_json(row.rules), now=now)


def install(actor: Actor, merchant_id: UUID, rules: Rules, *, now: datetime) -> int:
    """Publish ``rules`` as they are, without a draft; answers the number. Raises ``NotFound``, ``NotAllowed``."""
    scope.require(actor, "workflows.edit", merchant_id)
    with transaction():
        _merchant(merchant_id)
        return put_in_force(actor, merchant_id, rules, now=now)


def put_in_force(actor: Actor, merchant_id: UUID, rules: Rules, *, now: datetime) -> int:
    """Publish ``rules`` as the next version, in the caller's transaction; answers its number."""
    newest = stored.in_force(merchant_id)
    before = stored.rules_of(newest) if newest else NO_RULES
    number = (newest.version if newest else 0) + 1
    row_id = uuid7()
    db.session.add(
        Workflow(
            id=row_id,
            merchant_id=merchant_id,
            version=number,
            rules=to_json(rules),
            published_at=now,
            published_by_name=actor.name,
        )
    )
    db.session.flush()
    history.record(
        actor, "workflow.published", merchant_id=merchant_id, subject_id=row_id, now=now, version=number,
        changed=_before_and_after(before, rules),
    )  # fmt: skip
    return number


def _before_and_after(before: Rules, after: Rules) -> dict[str, tuple[object, object]]:
    """What differs between two versions, by field and rule, as history keeps it."""
    told: dict[str, tuple[object, object]] = {}

    def tell(what: str, name: str, pair: tuple[object, object]) -> None:
        """Names are not unique: the second of a name is told as such, and hides nothing."""
        key, number = f"{what}: {name}", 2
        while key in told:
            key, number = f"{what}: {name} ({number})", number + 1
        told[key] = pair

    for one in changes(before, after):
        decides = getattr(one.rule, "outcome", None) or getattr(one.rule, "disposition", "")
        if one.what in ("added", "removed"):
            tell("rule", one.rule.name, ("", decides) if one.what == "added" else (decides, ""))
        elif one.what == "moved":
            tell("rule_place", one.rule.name, (one.was, one.place))
        for field in one.fields:
            tell(f"rule_{field}", one.rule.name, (getattr(one.before, field), getattr(one.rule, field)))
    return told


def _merchant(merchant_id: UUID) -> Merchant:
    """The merchant's row, held: drafts and versions of one merchant are written one after another."""
    row = db.session.get(Merchant, merchant_id, populate_existing=True, with_for_update=True)
    if row is None:
        raise NotFound
    return row
