"""History is a chain: written with its transaction, or not at all; whatever is changed behind it is found."""

import json
import os
import signal

import pytest
import sqlalchemy as sa
from flask import current_app

from portal.core import chain
from portal.core.access import SYSTEM
from portal.db import history
from portal.db.base import db, transaction, uuid7
from portal.db.history import Happening, HistoryHead
from portal.services.proofs import audit, verifying_history
from tests.builders import NOW, a_merchant
from tests.services.racing import PATIENCE, once, process, race


def happened(shop, what="policy.published", **details):
    subject = uuid7()
    history.record(SYSTEM, what, merchant_id=shop, subject_id=subject, now=NOW, **details)
    return subject


def told_in_vain(shop):
    with transaction():
        happened(shop)
        raise RuntimeError("not after all")


@pytest.fixture
def shop(session):
    """A merchant of whom five things are told."""
    made = a_merchant(slug="chained")
    for number in range(5):
        with transaction():
            happened(made, number=number, changed={"units": (number, number + 1), "name": ("ü", "ü")})
    return made


def rows(shop):
    return db.session.scalars(
        sa.select(Happening).where(Happening.merchant_id == shop).order_by(Happening.sequence)
    ).all()


def fault(known=None):
    found = [one for one in verifying_history.verify(known=known) if one.slug == "chained"]
    return found[0].fault and (found[0].fault.code, found[0].fault.sequence)


def test_rows_are_numbered_without_gaps_and_hold_together(shop):
    told = rows(shop)
    assert [row.sequence for row in told] == list(range(1, len(told) + 1)) and len(told) >= 5
    assert told[-1].changed == {"units": [4, 5]}, "what stayed the same is no change"
    head = db.session.get(HistoryHead, shop)
    assert (head.sequence, head.digest) == (told[-1].sequence, told[-1].digest)
    assert history.sequences([shop]) == len(told)
    assert fault() is None


def test_what_is_rolled_back_leaves_neither_a_row_nor_a_gap(shop):
    before = history.sequences([shop])
    with pytest.raises(RuntimeError, match="after all"):
        told_in_vain(shop)
    with transaction():
        happened(shop)
    assert history.sequences([shop]) == before + 1 and fault() is None


def test_a_savepoint_that_is_taken_back_takes_its_happenings_with_it(shop):
    before = history.sequences([shop])
    with transaction() as session:
        kept = happened(shop)
        inner = session.begin_nested()
        lost = happened(shop)
        inner.rollback()
        inner = session.begin_nested()
        also = happened(shop)
        inner.commit()
    assert history.sequences([shop]) == before + 2 and fault() is None
    assert [len(history.of([one])) for one in (kept, lost, also)] == [1, 0, 1]


def test_a_transaction_sees_what_it_tells_itself(shop):
    with transaction():
        subject = happened(shop, "refund.created", number="R-1")
        assert [row.details for row in history.of([subject])] == [{"number": "R-1"}]
        assert next(history.newest_first(subject, ("refund.created",))).details == {"number": "R-1"}
    assert [row.details for row in history.of([subject])] == [{"number": "R-1"}]


def test_two_merchants_have_two_chains_in_one_transaction(shop):
    other = a_merchant(slug="another")
    before = history.sequences([shop]), history.sequences([other])
    with transaction():
        for merchant in (other, shop, other):
            happened(merchant)
    assert (history.sequences([shop]), history.sequences([other])) == (before[0] + 1, before[1] + 2)
    assert fault() is None


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE history SET what = 'refund.approved'",
        "DELETE FROM history",
        "UPDATE history_heads SET sequence = 1",
        "DELETE FROM history_heads",
        "INSERT INTO history SELECT * FROM history",
    ],
)
def test_the_database_refuses_to_change_what_happened(shop, session, statement):
    with pytest.raises(sa.exc.DBAPIError), transaction():
        session.execute(sa.text(statement))
    assert fault() is None


def without_guards(session):
    if session.get_bind().dialect.name == "postgresql":
        for table in ("history", "history_heads"):
            session.execute(sa.text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
        return
    named = session.scalars(
        sa.text(
            "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name IN ('history', 'history_heads')"
        )
    ).all()
    for name in named:
        session.execute(sa.text(f"DROP TRIGGER {name}"))


def fresh(row, sequence, before):
    """A row that is not of the chain, with digests that fit where it is put."""
    told = {name: getattr(row, name) for name in chain.FIELDS} | {"id": uuid7(), "what": "return.approved"}
    content = chain.content(told)
    return told | {"sequence": sequence, "content": content, "digest": chain.digest(before, content)}


def edit(session, told):
    session.execute(sa.update(Happening).where(Happening.sequence == 3).values(actor_name="Somebody else"))


def edit_before_and_after(session, told):
    session.execute(sa.update(Happening).where(Happening.sequence == 3).values(changed={"units": [2, 30]}))


def edit_with_its_digest(session, told):
    row = {name: getattr(told[2], name) for name in chain.FIELDS} | {"actor_name": "Somebody else"}
    values = {"actor_name": "Somebody else", "content": chain.content(row)}
    session.execute(sa.update(Happening).where(Happening.sequence == 3).values(**values))


def remove(session, told):
    session.execute(sa.delete(Happening).where(Happening.sequence == 3))


def remove_and_close_the_gap(session, told):
    remove(session, told)
    for place in range(4, len(told) + 1):
        session.execute(sa.update(Happening).where(Happening.sequence == place).values(sequence=place - 1))
    session.execute(sa.update(HistoryHead).values(sequence=HistoryHead.sequence - 1))


def swap(session, told):
    for before, after in ((3, 99), (4, 3), (99, 4)):
        session.execute(sa.update(Happening).where(Happening.sequence == before).values(sequence=after))


def insert(session, told):
    for place in range(len(told), 2, -1):
        session.execute(sa.update(Happening).where(Happening.sequence == place).values(sequence=place + 1))
    session.execute(sa.insert(Happening.__table__), [fresh(told[1], 3, told[1].digest)])
    session.execute(sa.update(HistoryHead).values(sequence=HistoryHead.sequence + 1))


def insert_without_a_number(session, told):
    session.execute(sa.insert(Happening.__table__), [fresh(told[1], None, "")])


def cut_the_end_off(session, told):
    session.execute(sa.delete(Happening).where(Happening.sequence > 3))


def add_behind_the_head(session, told):
    session.execute(sa.insert(Happening.__table__), [fresh(told[-1], len(told) + 1, told[-1].digest)])


SEEDED = [
    (edit, "edited", 3),
    (edit_before_and_after, "edited", 3),
    (edit_with_its_digest, "broken", 3),
    (remove, "removed", 3),
    (remove_and_close_the_gap, "broken", 3),
    (swap, "reordered", 3),
    (insert, "inserted", 3),
    (insert_without_a_number, "inserted", 1),
    (cut_the_end_off, "cut_off", 4),
]


@pytest.mark.parametrize(("tamper", "code", "place"), SEEDED, ids=[one[0].__name__ for one in SEEDED])
def test_whatever_is_done_behind_the_guards_is_found_and_named(shop, session, tamper, code, place):
    told = rows(shop)
    session.rollback()
    without_guards(session)
    tamper(session, told)
    assert fault() == (code, place)
    assert [one.invariant for one in audit.verify().breaks if "chained" in one.where] == ["I8"]
    session.rollback()
    assert fault() is None


def test_a_row_behind_the_head_is_found(shop, session):
    told = rows(shop)
    session.rollback()
    without_guards(session)
    add_behind_the_head(session, told)
    assert fault() == ("added", len(told) + 1)
    session.rollback()


def test_a_chain_written_anew_is_found_by_whoever_noted_a_head(shop, session):
    noted = next(one for one in verifying_history.verify() if one.slug == "chained")
    known = {"chained": chain.Head(sequence=noted.sequence, digest=noted.digest)}
    with transaction():
        happened(shop)
    assert fault(known) is None
    told = rows(shop)
    session.rollback()
    without_guards(session)
    before = ""
    for place, row in enumerate(told, 1):
        says = {name: getattr(row, name) for name in chain.FIELDS} | {"actor_name": "Somebody else"}
        content = chain.content(says)
        before = chain.digest(before, content)
        values = {"actor_name": "Somebody else", "content": content, "digest": before}
        session.execute(sa.update(Happening).where(Happening.sequence == place).values(**values))
    session.execute(sa.update(HistoryHead).where(HistoryHead.merchant_id == shop).values(digest=before))
    assert fault() is None, "nothing in the database itself tells"
    assert fault(known) == ("rewritten", noted.sequence)
    session.rollback()


def test_the_command_prints_the_heads_and_fails_where_a_row_was_edited(shop, session):
    run = current_app.test_cli_runner().invoke
    well = run(args=["verify-audit", "--json"])
    told = json.loads(well.output)
    assert well.exit_code == 0 and told["problems"] == []
    head = next(one["head"] for one in told["merchants"] if one["merchant"] == "chained")
    assert run(args=["verify-audit", "--known", head]).exit_code == 0
    other = head.rpartition(":")[0] + ":" + "0" * 64
    assert run(args=["verify-audit", "--known", other]).exit_code == 1
    for wrong in ("nonsense", f"chained:²:{'0' * 64}", "chained:7:"):
        assert run(args=["verify-audit", "--known", wrong]).exit_code == 2
    twice = run(args=["verify-audit", "--known", head, "--known", other])
    assert twice.exit_code == 2 and "more than once" in twice.output
    a_merchant(slug="silent")
    silent = next(one.head for one in verifying_history.verify() if one.slug == "silent")
    assert run(args=["verify-audit", "--known", silent]).exit_code == 0, "as it is printed it is taken"
    nobody = run(args=["verify-audit", "--known", head.replace("chained", "chaimed")])
    assert nobody.exit_code == 1 and "there is no merchant chaimed" in nobody.output
    without_guards(session)
    edit(session, [])
    session.commit()
    session.close()
    ill = run(args=["verify-audit"])
    assert ill.exit_code == 1 and "merchant chained, row 3: edited" in ill.output
    assert json.loads(run(args=["verify-audit", "--json"]).output)["merchants"][0]["break"]["row"] == 3


# ------------------------------------------------------------------------------- many processes at once

ROUNDS, RACERS = 6, 6


def tell_of_both(_gateways, number, first, second):
    """Half of them name the merchants the other way round: whoever locked as they came would wait in a ring."""
    for _ in range(ROUNDS):
        with transaction():
            for merchant in (first, second) if number % 2 else (second, first):
                happened(merchant, number=number)
    return "told"


def killed(_gateways, shop):
    """Written, numbered and chained, and then no more: nobody said that it stands."""
    sa.event.listen(db.session, "before_commit", lambda _: os.kill(os.getpid(), signal.SIGKILL))
    with transaction():
        happened(shop, number="never")


def test_a_process_killed_between_writing_and_commit_leaves_the_chain_whole(shop, database):
    before = history.sequences([shop])
    dead = process(once, database, {}, killed, shop)
    dead.join(PATIENCE)
    assert dead.exitcode == -signal.SIGKILL
    db.session.rollback()
    assert (history.sequences([shop]), fault()) == (before, None)
    with transaction():
        happened(shop, number="after")
    assert [row.details["number"] for row in rows(shop)][-1] == "after"
    assert (history.sequences([shop]), fault()) == (before + 1, None)


def test_whoever_is_killed_in_the_middle_holds_up_nobody(shop, database):
    other = a_merchant(slug="another")
    before = history.sequences([shop, other])
    dead = [process(once, database, {}, killed, shop) for _ in range(2)]
    told = race(database, tell_of_both, [(number, shop, other) for number in range(2)], processes=2)
    for one in dead:
        one.join(PATIENCE)
    assert [one.exitcode for one in dead] == [-signal.SIGKILL] * 2
    assert (told.answers, told.errors) == (["told"] * 2, [])
    db.session.rollback()
    assert history.sequences([shop, other]) == before + 2 * ROUNDS * 2
    ids = db.session.scalars(
        sa.select(Happening.digest).where(Happening.merchant_id.in_([shop, other]))
    ).all()
    assert len(ids) == len(set(ids)), "no two rows follow the same one"
    assert [one.problem for one in verifying_history.verify()] == ["", ""]


def test_many_processes_write_one_chain_without_gaps_and_nobody_waits_in_a_ring(shop, database):
    other = a_merchant(slug="another")
    before = history.sequences([shop, other])
    db.session.rollback()
    told = race(database, tell_of_both, [(number, shop, other) for number in range(RACERS)])
    assert (told.answers, told.errors) == (["told"] * RACERS, [])
    db.session.rollback()
    assert history.sequences([shop, other]) == before + 2 * ROUNDS * RACERS
    assert [one.problem for one in verifying_history.verify()] == ["", ""]
