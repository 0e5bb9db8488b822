"""What people must look at: one task per matter, closed with a note, open again when the matter is back."""

import pytest

from portal.core.access import Conflict, NotAllowed, NotFound
from portal.db.base import transaction
from portal.services import tasks
from tests.builders import NOW, a_merchant, a_person


@pytest.fixture
def shop(session):
    return a_merchant()


def opened(shop, key="1", **more):
    with transaction():
        return tasks.open("drift", key, merchant_id=shop, now=NOW, **more)


def test_the_same_matter_is_one_task_however_often_it_is_found(shop):
    finance = a_person(shop, "finance")
    assert opened(shop, details={"ours": 1999}) is True
    assert opened(shop, details={"ours": 1998}) is False
    (task,) = tasks.listing(finance)
    assert (task.kind, task.key, task.state, task.details) == ("drift", "1", "open", {"ours": 1998})
    assert tasks.count(finance) == 1


def test_merchants_and_kinds_have_tasks_of_their_own(shop):
    other = a_merchant()
    assert opened(shop) and opened(other) and opened(shop, "2")
    both = a_person([shop, other], "finance")
    assert tasks.count(both) == 3
    assert {task.merchant_id for task in tasks.listing(a_person(shop, "finance"))} == {shop}
    assert tasks.listing(both, kind="refund_failed") == ()


def test_a_task_is_closed_by_a_person_who_says_how(shop):
    finance = a_person(shop, "finance")
    opened(shop)
    (task,) = tasks.listing(finance)
    with pytest.raises(Conflict, match="note_missing"):
        tasks.close(finance, task.id, note=" ", now=NOW)
    tasks.close(finance, task.id, note="Agreed with the bank", now=NOW)
    closed = tasks.one(finance, task.id)
    assert (closed.state, closed.closed_by, closed.note) == ("done", "Demo finance", "Agreed with the bank")
    with pytest.raises(Conflict, match="task_closed"):
        tasks.close(finance, task.id, note="Again", now=NOW)
    assert tasks.listing(finance) == () and len(tasks.listing(finance, state="done")) == 1


def test_what_a_person_closed_opens_again_only_when_it_is_different(shop):
    finance = a_person(shop, "finance")
    opened(shop, details={"theirs": 2001})
    tasks.close(finance, tasks.listing(finance)[0].id, note="Known", now=NOW)
    assert opened(shop, details={"theirs": 2001}) is False
    assert tasks.count(finance) == 0
    assert opened(shop, details={"theirs": 2002}) is True
    (task,) = tasks.listing(finance)
    assert (task.note, task.closed_by) == ("", "")
    said = [(event.what, event.by) for event in tasks.happened(finance, task.id)]
    assert said == [
        ("task.opened", "system"),
        ("task.closed", "Demo finance"),
        ("task.reopened", "system"),
    ]


def test_what_settled_itself_opens_again_whenever_it_is_back(shop):
    finance = a_person(shop, "finance")
    opened(shop)
    for expected in (True, False):
        with transaction():
            assert tasks.done("drift", "1", merchant_id=shop, now=NOW, note="agrees") is expected
    assert tasks.count(finance) == 0
    assert opened(shop) is True and tasks.count(finance) == 1


def test_a_long_list_is_read_in_parts(shop):
    finance = a_person(shop, "finance")
    for number in range(5):
        opened(shop, str(number))
    first = tasks.listing(finance, limit=3)
    rest = tasks.listing(finance, after=first[-1].id, limit=3)
    assert len({task.id for task in (*first, *rest)}) == 5 and len(rest) == 2


def test_tasks_are_for_those_who_may_see_money(shop):
    opened(shop)
    (task,) = tasks.listing(a_person(shop, "finance"))
    assert tasks.listing(a_person(shop, "warehouse")) == ()
    with pytest.raises(NotAllowed):
        tasks.one(a_person(shop, "warehouse"), task.id)
    for stranger in (a_person(a_merchant(), "admin"),):
        with pytest.raises(NotFound):
            tasks.one(stranger, task.id)
        with pytest.raises(NotFound):
            tasks.close(stranger, task.id, note="x", now=NOW)
