"""Lists of returns on both databases: each filter against known data, pages forth and back, searches, counters."""

import itertools
import random
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from portal.core.facts import CANCELLATIONS
from portal.core.listing import (
    COLUMNS,
    SHOWN,
    SORTS,
    TABS,
    Filters,
    columns_from,
    from_address,
    to_address,
    without,
)
from portal.db.base import db, uuid7
from portal.db.people import Person
from portal.db.returns import Return, ReturnLine
from portal.db.views import ReturnTag, SearchWord
from portal.services.lists import list_counts, list_filters, list_rows, listing, searching
from portal.services.lists.list_filters import Asked, asked
from tests.builders import NOW, a_merchant, a_person

STATES = ("draft", "requested", "approved", "in_transit", "received", "inspected", "closed", "declined")


@pytest.fixture
def shops(session: Any) -> tuple[UUID, UUID]:
    return a_merchant(slug="first"), a_merchant(slug="second")


def policy_of(merchant_id: UUID) -> UUID:
    from portal.db import merchants

    return merchants.with_terms(merchant_id)[1]


def put(merchant_id: UUID, **values: Any) -> Return:
    """A row as lists read it; nothing else is made of it."""
    given = {
        "id": uuid7(), "merchant_id": merchant_id, "policy_id": policy_of(merchant_id), "state": "requested",
        "channel": "phone", "currency": "EUR", "name": "Demo Customer", "email": "demo@customer.example",
        "created_at": NOW, "submitted_at": NOW, "answered": [], "locked": [],
    }  # fmt: skip
    row = Return(**given | values)
    db.session.add(row)
    db.session.flush()
    return row


def put_line(row: Return, **values: Any) -> None:
    given = {
        "id": uuid7(),
        "merchant_id": row.merchant_id,
        "return_id": row.id,
        "position": 1,
        "name": "Shirt",
    }
    db.session.add(ReturnLine(**given | {"units": 1} | values))
    db.session.flush()


def many(shops: tuple[UUID, UUID], count: int, seed: int = 5) -> None:
    dice = random.Random(seed)
    for n in range(count):
        state = dice.choice(STATES)
        put(
            dice.choice(shops),
            state=state,
            created_at=NOW - timedelta(hours=dice.randrange(40)),
            submitted_at=None if state == "draft" else NOW - timedelta(hours=dice.randrange(30)),
            received_at=NOW - timedelta(hours=n) if state in ("received", "inspected") else None,
            ship_by=NOW.date() + timedelta(days=dice.randrange(-3, 9)) if state == "approved" else None,
            estimate_minor=dice.choice([None, 100, 100, 2500, 9900]),
            refund_state=dice.choice(["none", "calculated", "refunded"]),
        )
    db.session.commit()


def of(shops: tuple[UUID, ...], role: str = "supervisor", **filters: Any) -> Asked:
    actor = a_person(shops[0], role)
    actor.roles.update(dict.fromkeys(shops, role))
    return asked(actor, Filters(**filters), now=NOW, zone=UTC)


def walk(wanted: Asked, limit: int) -> list[UUID]:
    """All pages forth, then all of them back; both must be the same."""
    found = listing.find(wanted, limit=limit)
    forth, pages = list(found.ids), [found]
    while found.next is not None:
        found = listing.find(wanted, cursor=again(found.next), limit=limit)
        forth += found.ids
        pages.append(found)
    back = list(found.ids)
    while found.previous is not None:
        found = listing.find(wanted, cursor=again(found.previous), limit=limit)
        back = [*found.ids, *back]
    assert back == forth
    return forth


def again(cursor: listing.Cursor) -> listing.Cursor:
    """As it comes out of an address."""
    read = listing.cursor_from(str(cursor), back=cursor.back)
    assert read is not None
    return read


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("states", [(), ("approved", "closed", "received")])
def test_all_pages_forth_and_back_are_the_whole_list(
    shops: tuple[UUID, UUID], sort: str, states: tuple[str, ...]
) -> None:
    many(shops, 60)
    wanted = of(shops, sort=sort, states=states)
    whole = list(listing.find(wanted, limit=1000).ids)
    tests = [Return.state.in_(states)] if states else []
    assert sorted(whole) == sorted(db.session.scalars(sa.select(Return.id).where(*tests)))
    for limit in (1, 7, 59):
        assert walk(wanted, limit) == whole


@pytest.mark.parametrize("sort", SORTS)
def test_the_order_is_the_one_that_was_asked_for(shops: tuple[UUID, UUID], sort: str) -> None:
    many(shops, 50)
    rows = list_rows.rows(listing.find(of(shops, sort=sort), limit=100).ids)
    if sort in ("newest", "oldest"):
        begun = [row.created_at for row in rows]
        assert begun == sorted(begun, reverse=sort == "newest")
    else:
        values = [row.estimate if sort == "value" else row.due_at for row in rows]
        known = [value for value in values if value is not None]
        assert values == sorted(known, reverse=sort == "value") + [None] * (len(values) - len(known))
        assert known


def test_what_comes_meanwhile_moves_nobody_off_the_next_pages(shops: tuple[UUID, UUID]) -> None:
    many(shops, 30)
    wanted = of(shops)
    before = list(listing.find(wanted, limit=100).ids)
    seen: list[UUID] = []
    found = listing.find(wanted, limit=4)
    for n in itertools.count():
        seen += found.ids
        if found.next is None:
            break
        put(shops[n % 2], created_at=NOW + timedelta(minutes=n + 1))
        db.session.commit()
        found = listing.find(wanted, cursor=found.next, limit=4)
    assert seen == before


FILTERS: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "state": ({"states": ("received",)}, {"state": "received"}, {"state": "closed"}),
    "refund": ({"refunds": ("failed",)}, {"refund_state": "failed"}, {"refund_state": "refunded"}),
    "channel": ({"channels": ("chat", "email")}, {"channel": "chat"}, {"channel": "phone"}),
    "kind": ({"kinds": ("warranty",)}, {"kind": "warranty"}, {"kind": "return"}),
    "disputed": ({"disputed": True}, {"dispute_state": "open"}, {"dispute_state": "resolved_customer"}),
    "unread": ({"unread": True}, {"unread": 2}, {"unread": 0}),
    "from": ({"since": NOW.date()}, {"created_at": NOW}, {"created_at": NOW - timedelta(days=1)}),
    "to": ({"until": NOW.date() - timedelta(days=1)}, {"created_at": NOW - timedelta(days=1)}, {}),
    "submitted_from": (
        {"submitted_since": NOW.date()},
        {"submitted_at": NOW},
        {"submitted_at": NOW - timedelta(days=1)},
    ),
    "submitted_to": (
        {"submitted_until": NOW.date() - timedelta(days=1)},
        {"submitted_at": NOW - timedelta(days=1)},
        {"submitted_at": NOW},
    ),
    "nobody": ({"assignee": "nobody"}, {"assignee_id": None}, {"assignee_id": UUID(int=7)}),
    "somebody": ({"assignee": str(UUID(int=7))}, {"assignee_id": UUID(int=7)}, {"assignee_id": UUID(int=8)}),
    "expiring": (
        {"expiring": True},
        {"state": "approved", "ship_by": NOW.date() + timedelta(days=3)},
        {"state": "approved", "ship_by": NOW.date() + timedelta(days=4)},
    ),
    "overdue": (
        {"overdue": True},
        {"state": "requested", "submitted_at": NOW - timedelta(hours=24)},
        {"state": "requested", "submitted_at": NOW - timedelta(hours=23)},
    ),
}


@pytest.mark.parametrize("few", [2000, 1], ids=["by its own index", "along the list"])
@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_shows_what_fits_and_leaves_out_the_rest(
    shops: tuple[UUID, UUID], monkeypatch: pytest.MonkeyPatch, name: str, few: int
) -> None:
    monkeypatch.setattr("portal.services.lists.list_filters.FEW", few)
    filters, fits, other = FILTERS[name]
    wanted = [put(shops[0], **fits).id, put(shops[1], **fits).id]
    put(shops[0], **other)
    if name not in ("kind", "state", "expiring", "overdue"):  # no cancellation is ever received, or sent back
        put(shops[0], **fits, kind=CANCELLATIONS[0])
    put(a_merchant(slug="strange"), **fits)
    db.session.commit()
    for sort in SORTS:
        assert sorted(listing.find(of(shops, sort=sort, **filters)).ids) == sorted(wanted), sort
    assert list_counts.counts([of(shops, **filters)]) == [list_counts.Count(count=2)]
    one = of(shops, **filters, merchant_id=shops[1])
    assert listing.find(one).ids == (wanted[1],)


@pytest.mark.parametrize("few", [2000, 1], ids=["by its own index", "along the list"])
def test_tags_and_reasons_are_filters_too(
    shops: tuple[UUID, UUID], monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr("portal.services.lists.list_filters.FEW", few)
    tagged, other, third = put(shops[0]), put(shops[0]), put(shops[1])
    for row, reason in ((tagged, "too_small"), (other, "changed_mind"), (third, "too_small")):
        put_line(row, reason=reason)
    db.session.add(
        ReturnTag(id=uuid7(), merchant_id=tagged.merchant_id, return_id=tagged.id, tag="vip", at=NOW)
    )
    db.session.commit()
    assert listing.find(of(shops, tag="vip")).ids == (tagged.id,)
    assert set(listing.find(of(shops, reasons=("too_small",))).ids) == {tagged.id, third.id}
    assert listing.find(of(shops, reasons=("too_small",), tag="vip")).ids == (tagged.id,)


def test_what_is_assigned_to_me_is_not_what_is_assigned_to_others(shops: tuple[UUID, UUID]) -> None:
    wanted = of(shops, assignee="me")
    mine = put(shops[0], assignee_id=wanted.actor.id)
    put(shops[0], assignee_id=uuid7())
    db.session.commit()
    assert listing.find(wanted).ids == (mine.id,)


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("müller", True), ("MULLER", True), ("mül", True), ("zoe mull", True), ("zoë", True),
        ("ller", False), ("zoe smith", False), ("zoe.m@", True), ("zoe.m", True), ("oe.m@cust", False),
        ("+49 170 1234567", True), ("0170/1234567", True), ("4567", True), ("1234568", False),
        ("n-204", True), ("20418", False), ("sku-9", True), ("SKU-9", True), ("SKU", False),
    ],
)  # fmt: skip
def test_a_search_finds_by_how_things_begin(shops: tuple[UUID, UUID], typed: str, found: bool) -> None:
    row = put(
        shops[0], name="Zoë Müller", email="zoe.m@customer.example", phone="+49 (170) 123-45 67",
        order_number="N-20418", order_number_key="n20418",
    )  # fmt: skip
    put_line(row, sku="SKU-9")
    put(shops[0], name="Zoltan Smith", email="other@customer.example", phone="+49 170 999")
    put(a_merchant(slug="strange"), name="Zoë Müller", email="zoe.m@customer.example")
    db.session.commit()
    ids = listing.find(of(shops, query=typed)).ids
    assert (row.id in ids) == found
    assert len(ids) <= 1


def test_another_name_is_found_and_the_old_one_is_not(shops: tuple[UUID, UUID]) -> None:
    row = put(shops[0], name="Old Name")
    row.name = "Neuer Name"
    db.session.commit()
    words = set(db.session.scalars(sa.select(SearchWord.word).where(SearchWord.return_id == row.id)))
    assert words == {"neuer", "name"}
    assert listing.find(of(shops, query="old")).ids == ()


def test_a_thousand_rows_take_as_many_statements_as_ten(shops: tuple[UUID, UUID]) -> None:
    def statements(limit: int) -> int:
        sent: list[str] = []

        def note(_c: Any, _cur: Any, statement: str, *_rest: Any) -> None:
            sent.append(statement)

        wanted = of(shops, states=("requested", "closed"), channels=("phone",))
        db.session.commit()
        event.listen(db.engine, "before_cursor_execute", note)
        try:
            ids = listing.find(wanted, limit=limit).ids
            assert len(list_rows.rows(ids)) == limit
        finally:
            event.remove(db.engine, "before_cursor_execute", note)
        return len(sent)

    policy = policy_of(shops[0])
    db.session.execute(
        sa.insert(Return),
        [
            {
                "id": uuid7(), "merchant_id": shops[0], "policy_id": policy, "state": "closed",
                "channel": "phone", "currency": "EUR", "created_at": NOW + timedelta(seconds=n),
            }
            for n in range(1000)
        ],
    )  # fmt: skip
    db.session.commit()
    assert statements(10) == statements(1000)


def test_counters_stop_at_a_thousand(shops: tuple[UUID, UUID], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_counts, "MOST", 3)
    for _ in range(4):
        put(shops[0])
    put(shops[0], state="approved")
    db.session.commit()
    counted = list_counts.counts(
        [of(shops, states=(state,)) for state in ("requested", "approved", "closed")]
    )
    assert [(one.count, one.more) for one in counted] == [(3, True), (1, False), (0, False)]


def test_a_batch_after_the_other_is_the_whole_list(shops: tuple[UUID, UUID]) -> None:
    many(shops, 25)
    wanted = of(shops, sort="value")
    batches, cursor = [], None
    for size in (10, 10, 5):
        rows, cursor = list_rows.batch(wanted, cursor, size=10)
        assert len(rows) == size
        batches.append(rows)
    assert cursor is None
    assert [row.id for batch in batches for row in batch] == list(listing.find(wanted, limit=100).ids)


def test_an_address_says_what_the_filters_are_and_nonsense_is_as_if_it_were_not_said() -> None:
    full = Filters(
        query="x", states=("draft",), refunds=("failed",), channels=("chat",), kinds=("warranty",),
        reasons=("too_small",), merchant_id=UUID(int=3), assignee="me", tag="vip", disputed=True, unread=True,
        overdue=True, expiring=True, since=date(2026, 1, 2), until=date(2026, 2, 3), sort="due",
        submitted_since=date(2026, 1, 4), submitted_until=date(2026, 2, 5),
    )  # fmt: skip
    assert from_address(to_address(full)) == full
    assert (
        from_address({"state": ["nonsense"], "from": ["soon"], "sort": ["x"], "merchant": ["y"]}) == Filters()
    )
    for name, values in to_address(full).items():
        left = to_address(without(full, name, values[0] if name in ("state", "reason") else ""))
        assert name not in left
    assert all(from_address(to_address(tab)) == tab for tab in TABS.values())


def test_the_usual_columns_stand_in_their_usual_order_also_when_a_form_names_them() -> None:
    assert columns_from(",".join(one for one in COLUMNS if one in SHOWN)) == columns_from("") == SHOWN
    assert columns_from("due,state") == ("state", "due")


def test_a_place_in_another_list_is_no_place_in_this_one(shops: tuple[UUID, UUID]) -> None:
    from portal.core.access import NotFound

    put(shops[0])
    db.session.commit()
    strange = listing.Cursor(rank=0, value="12", id=uuid7())
    with pytest.raises(NotFound):
        listing.find(of(shops), cursor=strange)
    assert listing.cursor_from("nonsense", back=False) is None


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize(
    "filters",
    [
        {
            "tag": "gift",
            "reasons": ("too_small", "defective"),
            "channels": ("chat", "email"),
            "kinds": ("return",),
        },
        {"tag": "gift", "channels": ("chat",)},
        {
            "submitted_since": NOW.date() - timedelta(days=9),
            "submitted_until": NOW.date() - timedelta(days=7),
        },
        {"submitted_until": NOW.date() - timedelta(days=7), "states": ("requested", "closed")},
    ],
)
def test_filters_that_seldom_meet_are_led_by_the_seldomest_and_show_the_same(
    shops: tuple[UUID, UUID], monkeypatch: pytest.MonkeyPatch, sort: str, filters: dict[str, Any]
) -> None:
    dice = random.Random(3)
    for n in range(120):
        row = put(
            shops[n % 2],
            channel=dice.choice(["chat", "email", "phone"]),
            state=dice.choice(STATES[1:]),
            created_at=NOW - timedelta(hours=2 * n),
            submitted_at=NOW - timedelta(hours=2 * n),
            estimate_minor=dice.choice([None, 100, 2500, 9900]),
        )
        put_line(row, reason=dice.choice(["too_small", "defective", "other"]))
        if n % 9 == 4:
            put_line(row, reason="too_small", position=2)
            db.session.add(
                ReturnTag(id=uuid7(), merchant_id=row.merchant_id, return_id=row.id, tag="gift", at=NOW)
            )
    db.session.commit()
    wanted = of(shops, sort=sort, **filters)
    expected = list(listing.find(wanted, limit=1000).ids)  # all of them few: read whole
    assert 1 < len(expected) < 40
    for page, leads in ((50, True), (0, False)):
        for name, value in (("FEW", 2), ("LOOKED_AT", 10), ("PAGE", page)):
            monkeypatch.setattr(list_filters, name, value)
        assert (list_filters.narrow(wanted)[1] is not None) is leads
        assert walk(wanted, 7) == expected


def test_every_branch_of_a_search_reads_an_index(shops: tuple[UUID, UUID]) -> None:
    if db.engine.dialect.name != "sqlite":
        return
    for typed in ("zoe muller", "zoe@x.example", "n-204", "+49170123456", "SKU-1", "RMA-0000-0000"):
        wanted = searching.hits(typed, shops)
        sql = str(wanted.compile(db.engine, compile_kwargs={"literal_binds": True}))
        plan = [
            row[3]
            for row in db.session.execute(sa.text(f"EXPLAIN QUERY PLAN {sql.replace(':', chr(92) + ':')}"))
        ]
        tables = ("returns", "return_lines", "shipments", "search_words", "refunds", "disputes")
        scans = [step for step in plan if any(step.startswith(f"SCAN {table}") for table in tables)]
        assert scans == [], (typed, plan)


def test_a_clock_is_due_by_the_terms_of_its_merchant(shops: tuple[UUID, UUID]) -> None:
    row = put(shops[0], state="approved", submitted_at=NOW, ship_by=date(2026, 3, 4))
    other = put(shops[0], state="requested", submitted_at=NOW)
    db.session.commit()
    due = {one.id: one.due_at for one in list_rows.rows([row.id, other.id])}
    assert due == {row.id: datetime(2026, 3, 4, 23, tzinfo=UTC), other.id: NOW + timedelta(hours=24)}


def test_rows_name_who_looks_after_them(shops: tuple[UUID, UUID]) -> None:
    person = Person(
        id=uuid7(), email="ana@people.example", name="Demo Agent", password_hash="", created_at=NOW
    )
    db.session.add(person)
    row = put(shops[0], assignee_id=person.id)
    db.session.commit()
    assert list_rows.rows([row.id])[0].assignee == "Demo Agent"
