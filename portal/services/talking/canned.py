"""Canned answers: texts that a shop's people have ready for customers, in each language, with placeholders."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from portal.core import placeholders
from portal.core.access import Actor, Conflict, NotFound, Stale
from portal.db import history, merchants
from portal.db.base import db, transaction, uuid7
from portal.db.merchants import Merchant
from portal.db.messages import CannedAnswer
from portal.db.returns import Return
from portal.services import scope
from portal.services.talking.threads import LONGEST

LONGEST_NAME = 80


@dataclass(frozen=True, kw_only=True)
class CannedFacts:
    """One ready text. ``texts`` is language -> text; a language without one is missing."""

    id: UUID
    merchant_id: UUID
    merchant_name: str
    name: str
    texts: dict[str, str] = field(default_factory=dict)
    uses: int
    version: int
    updated_at: datetime
    updated_by_name: str


@dataclass(frozen=True, kw_only=True)
class Filled:
    """A ready text with its placeholders put in. ``is_missing``: the customer's ``wanted`` language has none."""

    text: str
    language: str
    wanted: str
    is_missing: bool


def listing(actor: Actor, *, query: str = "", merchant_id: UUID | None = None) -> tuple[CannedFacts, ...]:
    """The ready texts of the actor's merchants by name; ``query`` is looked for in names and texts."""
    ids = [one for one in actor.merchant_ids if actor.may("messages.send", one)]
    if merchant_id is not None:
        ids = [one for one in ids if one == merchant_id]
    wanted = (
        sa.select(CannedAnswer, Merchant.name)
        .join(Merchant, Merchant.id == CannedAnswer.merchant_id)
        .where(CannedAnswer.merchant_id.in_(ids))
        .order_by(sa.func.lower(CannedAnswer.name), CannedAnswer.id)
        .execution_options(populate_existing=True)
    )
    found = (_facts(row, name) for row, name in db.session.execute(wanted))
    sought = query.strip().lower()
    return tuple(one for one in found if not sought or _has(one, sought))


def _has(one: CannedFacts, sought: str) -> bool:
    return any(sought in text.lower() for text in (one.name, *one.texts.values()))


def read(actor: Actor, answer_id: UUID) -> CannedFacts:
    """One ready text, for whoever may write messages. Raises ``NotFound``, ``NotAllowed``."""
    row = _row(actor, answer_id, "messages.send")
    shop = merchants.by_id(row.merchant_id)
    return _facts(row, shop.name if shop else "")


def save(
    actor: Actor,
    *,
    merchant_id: UUID,
    name: str,
    texts: Mapping[str, str],
    answer_id: UUID | None = None,
    version: int | None = None,
    now: datetime,
) -> UUID:
    """Keep a new ready text, or change one as it was last seen. A language whose text is empty has none.

    Raises ``NotFound``, ``NotAllowed``, ``Stale``, ``Conflict``: ``name_missing``, ``name_taken``,
    ``texts_missing``, ``message_too_long``, ``unknown_placeholder`` and ``open_brace`` with the language.
    """
    if answer_id is None:
        scope.require(actor, "answers.edit", merchant_id)
    else:
        _row(actor, answer_id, "answers.edit")
    name, kept = name.strip()[:LONGEST_NAME], checked(texts)
    if not name:
        raise Conflict("name_missing")
    if not kept:
        raise Conflict("texts_missing")
    with transaction():
        if answer_id is None:
            row = CannedAnswer(id=uuid7(), merchant_id=merchant_id, texts={}, name="", uses=0, version=0)
            db.session.add(row)
        else:
            row = _row(actor, answer_id, "answers.edit", lock=True)
            if version is not None and row.version != version:
                raise Stale
        _free(row, name)
        changed = {
            what: [before, after]
            for what, before, after in (
                ("name", row.name, name),
                *(
                    (f"text_{one}", row.texts.get(one, ""), kept.get(one, ""))
                    for one in {**row.texts, **kept}
                ),
            )
            if before != after
        }
        row.name, row.texts, row.version = name, kept, row.version + 1
        row.updated_at, row.updated_by_name = now, actor.name
        db.session.flush()
        history.record(
            actor,
            "canned_answer.saved",
            merchant_id=row.merchant_id,
            subject_id=row.id,
            now=now,
            changed=changed,
            name=name,
        )
        return row.id


def checked(texts: Mapping[str, str]) -> dict[str, str]:
    """The texts that say something, by language. Raises the conflicts of ``save`` that are about them."""
    kept = {language: text.strip() for language, text in texts.items() if text.strip()}
    for language, text in kept.items():
        if len(text) > LONGEST:
            raise Conflict("message_too_long", maximum=LONGEST, language=language)
        try:
            placeholders.check(text)
        except placeholders.BadPlaceholder as wrong:
            if not wrong.name:
                raise Conflict("open_brace", language=language) from None
            raise Conflict("unknown_placeholder", placeholder=wrong.name, language=language) from None
    return kept


def _free(row: CannedAnswer, name: str) -> None:
    """Compared here: SQLite knows no other capitals than A to Z."""
    with db.session.no_autoflush:
        others = db.session.scalars(
            sa.select(CannedAnswer.name).where(
                CannedAnswer.merchant_id == row.merchant_id, CannedAnswer.id != row.id
            )
        ).all()
    if any(other.casefold() == name.casefold() for other in others):
        raise Conflict("name_taken")


def remove(actor: Actor, answer_id: UUID, *, version: int | None = None, now: datetime) -> None:
    """Delete a ready text; what was sent with it stays. Raises ``NotFound``, ``NotAllowed``, ``Stale``."""
    with transaction():
        row = _row(actor, answer_id, "answers.edit", lock=True)
        if version is not None and row.version != version:
            raise Stale
        history.record(
            actor,
            "canned_answer.removed",
            merchant_id=row.merchant_id,
            subject_id=row.id,
            now=now,
            changed={f"text_{language}": [text, ""] for language, text in row.texts.items()},
            name=row.name,
        )
        db.session.delete(row)


def filled(actor: Actor, answer_id: UUID, return_id: UUID) -> Filled:
    """The text for the customer of that return, in the return's language, else in the shop's or in any.

    Raises ``NotFound``, also for a text of another merchant, and ``NotAllowed``.
    """
    back = scope.return_row(actor, return_id, "messages.send")
    row = _row(actor, answer_id, "messages.send")
    if row.merchant_id != back.merchant_id:
        raise NotFound
    shop = merchants.by_id(row.merchant_id)
    if shop is None:
        raise NotFound
    wanted = spoken(back.language)
    language = next(
        (one for one in (wanted, spoken(shop.language), *sorted(row.texts)) if one in row.texts), wanted
    )
    return Filled(
        text=placeholders.filled(row.texts.get(language, ""), values(actor, back, shop.name)),
        language=language,
        wanted=wanted,
        is_missing=language != wanted,
    )


def spoken(language: str) -> str:
    """The language of a tag as orders bring it: ``de`` of ``de-AT``."""
    return language.replace("_", "-").partition("-")[0].lower()


def values(actor: Actor, back: Return, shop_name: str) -> dict[str, str]:
    """What the placeholders stand for."""
    return {
        "name": back.name,
        "number": back.number or "",
        "order": back.order_number,
        "agent": actor.name,
        "merchant": shop_name,
    }


def _row(actor: Actor, answer_id: UUID, permission: str, *, lock: bool = False) -> CannedAnswer:
    wanted: Any = sa.select(CannedAnswer).where(CannedAnswer.id == answer_id)
    row = db.session.scalar(
        (wanted.with_for_update() if lock else wanted).execution_options(populate_existing=True)
    )
    if row is None:
        raise NotFound
    scope.require(actor, permission, row.merchant_id)
    return row  # type: ignore[no-any-return]


def _facts(row: CannedAnswer, merchant_name: str) -> CannedFacts:
    return CannedFacts(
        id=row.id,
        merchant_id=row.merchant_id,
        merchant_name=merchant_name,
        name=row.name,
        texts=dict(row.texts),
        uses=row.uses,
        version=row.version,
        updated_at=row.updated_at,
        updated_by_name=row.updated_by_name,
    )
