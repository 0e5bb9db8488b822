"""The dock: one save for what arrived, is broken or missing; what nobody announced is set aside, and decided."""

from datetime import datetime, time, timedelta
from io import BytesIO
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from PIL import Image

from portal.core import dock as scans
from portal.core.access import Conflict, NotAllowed, NotFound, Stale
from portal.core.facts import KEEP
from portal.db import history
from portal.db import returns as stored
from portal.db.base import db, transaction
from portal.db.mails import Mail
from portal.db.merchants import Merchant
from portal.db.returns import Inspection, Return
from portal.services import pictures, tasks
from portal.services.docking import dock, matching, receiving, unexpected
from portal.services.docking.receiving import InspectionEntry, Intake
from portal.services.docking.unexpected import Surprise
from portal.services.handling import confirmation
from portal.services.proofs import verifying
from portal.services.stockroom import stock
from tests.builders import NOW, a_merchant, a_person, a_return, an_item, an_order, line_ids, receive


@pytest.fixture
def shop(session):
    return a_merchant()


@pytest.fixture
def worker(shop):
    return a_person(shop, "warehouse")


@pytest.fixture
def back(shop, gateways):
    """A return of three mugs and a bowl."""
    order = an_order(gateways, shop, [an_item("MUG", 3), an_item("BOWL", 1)])
    return a_return(gateways, shop, order)


def graded(line, units, grade="A", disposition="restock", **more):
    return InspectionEntry(line_id=line, units=units, grade=grade, disposition=disposition, **more)


def levels(shop, sku):
    return stock.levels(shop, [sku]).get(sku, {})


def clean():
    assert verifying.run().problems == []
    return True


def a_picture():
    out = BytesIO()
    Image.new("RGB", (20, 20), "teal").save(out, "PNG")
    return pictures.prepare(out.getvalue())


def test_one_save_receives_grades_and_declares_missing(shop, worker, back, tmp_path, drain):
    ids = line_ids(back)
    receiving.take_in(
        worker,
        back,
        Intake(
            counts={ids["MUG"]: 2, ids["BOWL"]: 1},
            missing={ids["MUG"]: 1},
            entries=(
                graded(ids["MUG"], 1, checklist={"clean": True}, proposed="restock"),
                graded(ids["MUG"], 1, "D", "recycle", proposed="recycle", pictures=(a_picture(),)),
                graded(ids["BOWL"], 1, "C", "refurbish"),
            ),
        ),
        folder=tmp_path,
        now=NOW,
    )
    assert stored.get(back).state == "inspected"
    mug = next(line for line in stored.lines_of(back) if line.sku == "MUG")
    assert (mug.received_units, mug.accepted_units, mug.rejected_units) == (3, 2, 1)
    assert levels(shop, "MUG") == {"available": 1, "gone": 1} and levels(shop, "BOWL") == {"damaged": 1}
    found = db.session.scalars(sa.select(Inspection).where(Inspection.grade == "D")).one()
    assert len(pictures.of([found.id])[found.id]) == 1
    db.session.rollback()  # what was read so far is from before the worker
    drain()
    told = db.session.scalars(sa.select(Mail).where(Mail.return_id == back, Mail.event == "missing")).one()
    assert told.state == "sent" and "1 × Demo mug" in told.text
    assert clean()


def test_the_same_save_twice_is_one_and_a_stale_one_changes_nothing(shop, worker, back, tmp_path):
    mug, seen = line_ids(back)["MUG"], stored.get(back).version
    for _ in range(2):
        receiving.take_in(
            worker, back, Intake(counts={mug: 1}), folder=tmp_path, now=NOW, version=seen, nonce="once"
        )
    with pytest.raises(Stale):
        receiving.take_in(
            a_person(shop, "warehouse"), back, Intake(counts={mug: 1}), folder=tmp_path, now=NOW, version=seen,
            nonce="another",
        )  # fmt: skip
    assert levels(shop, "MUG") == {"expected": 2, "quarantine": 1} and clean()


def test_too_many_are_a_surplus_and_the_guard_of_the_return_stays(shop, worker, back, tmp_path):
    mug = line_ids(back)["MUG"]
    with pytest.raises(Conflict, match="more_than_authorized"):
        receiving.take_in(worker, back, Intake(counts={mug: 4}), folder=tmp_path, now=NOW)
    surprises = (
        Surprise(kind="surplus", sku="mug", units=2, grade="A"),
        Surprise(kind="other_item", name="Demo lamp", units=1, pictures=(a_picture(),)),
    )
    receiving.take_in(worker, back, Intake(counts={mug: 3}, surprises=surprises), folder=tmp_path, now=NOW)
    assert levels(shop, "MUG") == {"quarantine": 5} and clean()
    surplus, lamp = unexpected.of_return(back)
    assert (surplus.sku, surplus.units, surplus.state, lamp.name, len(lamp.pictures)) == (
        "MUG", 2, "open", "Demo lamp", 1,
    )  # fmt: skip
    assert {one.kind for one in tasks.listing(a_person(shop, "csr"))} == {"unexpected_goods"}
    assert [one.what for one in history.of([back])].count("return.unexpected.found") == 2


@pytest.mark.parametrize(
    ("decision", "there"), [("sent_back", {}), ("restocked", {"available": 2}), ("disposed", {"gone": 2})]
)
def test_each_decision_moves_the_goods_and_closes_the_task(shop, worker, gateways, tmp_path, decision, there):
    an_order(gateways, shop, [an_item("CUP", 1)])
    found = unexpected.note(
        worker,
        shop,
        Surprise(kind="unknown_parcel", code="DEMO-1", sku="CUP", units=2),
        folder=tmp_path,
        now=NOW,
    )
    assert levels(shop, "CUP") == {"quarantine": 2} and clean()
    for _ in range(2):
        unexpected.decide(worker, found, decision=decision, note="As seen", now=NOW)
    assert levels(shop, "CUP") == there and clean()
    assert unexpected.one(worker, found).state == decision and tasks.listing(a_person(shop, "csr")) == ()
    with pytest.raises(Conflict, match="unexpected_decided"):
        unexpected.decide(
            worker, found, decision="sent_back" if decision != "sent_back" else "restocked", now=NOW
        )


def test_a_closed_parcel_lies_nowhere_until_somebody_says_what_is_in_it(shop, worker, gateways, tmp_path):
    an_order(gateways, shop, [an_item("CUP", 1)])
    parcel = Surprise(kind="unknown_parcel", code="DEMO-2")
    found = [unexpected.note(worker, shop, parcel, folder=tmp_path, now=NOW, nonce="n") for _ in range(2)]
    assert found[0] == found[1] and unexpected.count(worker) == 1 and clean()
    with pytest.raises(Conflict, match="sku_missing"):
        unexpected.decide(worker, found[0], decision="restocked", now=NOW)
    with pytest.raises(Conflict, match="sku_unknown"):
        unexpected.identify(worker, found[0], sku="NOBODY-KNOWS", units=1, now=NOW)
    unexpected.identify(worker, found[0], sku="cup", units=4, now=NOW)
    assert levels(shop, "CUP") == {"quarantine": 4} and clean()
    with pytest.raises(Conflict, match="reason_missing"):
        unexpected.decide(worker, found[0], decision="disposed", now=NOW)


@pytest.mark.parametrize("known", [True, False])
def test_an_unknown_parcel_is_matched_later_and_counts_as_received(shop, worker, back, tmp_path, known):
    found = unexpected.note(
        worker, shop, Surprise(kind="unknown_parcel", code="DEMO-3", sku="MUG" if known else "", units=5),
        folder=tmp_path, now=NOW,
    )  # fmt: skip
    (fit,) = [one for one in matching.fits(worker, found, return_id=back) if one.sku == "MUG"]
    matching.match(worker, found, return_id=back, line_id=fit.line_id, now=NOW)
    assert levels(shop, "MUG")["quarantine"] == 5 if known else levels(shop, "MUG")["quarantine"] >= 3
    mug = next(line for line in stored.lines_of(back) if line.sku == "MUG")
    assert (mug.received_units, stored.get(back).state) == (3, "partially_received")
    states = [(one.state, one.units) for one in unexpected.of_return(back)]
    assert states == [("matched", 3), ("open", 2)] and clean()


def test_only_the_matching_product_can_be_matched(shop, worker, back, tmp_path):
    found = unexpected.note(
        worker, shop, Surprise(kind="unknown_parcel", sku="BOWL", units=1), folder=tmp_path, now=NOW
    )
    with pytest.raises(Conflict, match="other_article"):
        matching.match(worker, found, return_id=back, line_id=line_ids(back)["MUG"], now=NOW)
    matching.match(worker, found, return_id=back, now=NOW)
    assert unexpected.one(worker, found).return_id == back and unexpected.one(worker, found).state == "open"
    assert clean()


def test_another_way_than_proposed_needs_its_reason(worker, back, tmp_path):
    bowl = line_ids(back)["BOWL"]
    entry = graded(bowl, 1, "A", "destroy", proposed="restock")
    with pytest.raises(Conflict, match="disposition_needs_reason"):
        receiving.take_in(worker, back, Intake(counts={bowl: 1}, entries=(entry,)), folder=tmp_path, now=NOW)
    told = graded(bowl, 1, "A", "destroy", proposed="restock", note="A recalled batch")
    receiving.take_in(worker, back, Intake(counts={bowl: 1}, entries=(told,)), folder=tmp_path, now=NOW)
    assert clean()


def test_who_may_not_grade_may_receive_and_nobody_else_sees_it(shop, back, tmp_path):
    agent, bowl = a_person(shop, "csr"), line_ids(back)["BOWL"]
    with pytest.raises(NotAllowed):
        receiving.take_in(
            agent, back, Intake(counts={bowl: 1}, entries=(graded(bowl, 1),)), folder=tmp_path, now=NOW
        )
    receiving.take_in(agent, back, Intake(counts={bowl: 1}), folder=tmp_path, now=NOW)
    with pytest.raises(NotFound):
        dock.sheet(a_person(a_merchant(), "warehouse"), back)
    with pytest.raises(NotAllowed):
        dock.sheet(a_person(shop, "finance"), back)


def test_a_scan_finds_number_code_label_and_the_only_return_that_expects_a_product(
    shop, worker, back, gateways, drain
):
    drain()
    number, line = stored.get(back).number, line_ids(back)["MUG"]
    code = next(one.code for one in stored.lines_of(back) if one.id == line)
    from portal.services.handling.dossiers import parcels

    label = parcels(back)[0].tracking_number

    def found(text):
        return dock.find(worker, scans.readings(text))

    assert found(number.lower()).return_id == found(label).return_id == found("mug").return_id == back
    assert code is None or found(code).line_id == line
    other = a_return(gateways, shop, an_order(gateways, shop, [an_item("MUG", 1)]))
    assert {one.id for one in found("MUG").several} == {back, other}
    assert found("NOBODY").return_id is None and not found("NOBODY").several
    stranger = a_person(a_merchant(), "warehouse")
    assert dock.find(stranger, scans.readings(number)).return_id is None


def test_the_sheet_proposes_and_the_board_shows_what_is_to_come(shop, worker, back):
    sheet = dock.sheet(worker, back)
    assert sheet.takes_goods and not sheet.waits and sheet.may_inspect
    assert sheet.lines[0].proposals["D"].disposition == "recycle"
    board = dock.expected(worker, now=NOW)
    assert [(row.id, row.units) for row in board.rows] == [(back, 4)] and board.overdue == 0
    assert dock.expected(worker, now=NOW.replace(year=2030)).overdue == 1
    assert dock.expected(worker, now=NOW, query="nothing like it").rows == ()
    assert dock.expected(worker, now=NOW, query="BOWL").count == 1
    receive(shop, back)
    assert dock.expected(worker, now=NOW).rows == () and dock.sheet(worker, back).waits


def test_what_is_left_of_a_return_that_was_graded_in_part_is_still_expected(worker, back, tmp_path):
    ids = line_ids(back)
    intake = Intake(counts={ids["MUG"]: 2}, entries=(graded(ids["MUG"], 2),))
    receiving.take_in(worker, back, intake, folder=tmp_path, now=NOW)
    assert stored.get(back).state == "inspected"
    [row] = dock.expected(worker, now=NOW).rows
    assert (row.id, row.units) == (back, 2)


@pytest.mark.parametrize("zone", ["America/Los_Angeles", "Pacific/Auckland"])
def test_a_parcel_is_overdue_when_the_day_of_its_shop_is_past(shop, worker, back, zone):
    with transaction() as session:
        session.get(Merchant, shop).zone = zone
    day = stored.get(back).ship_by + timedelta(days=1)
    midnight = datetime.combine(day, time(), ZoneInfo(zone))
    for moment, late in ((midnight - timedelta(minutes=1), False), (midnight, True)):
        board = dock.expected(worker, now=moment)
        assert (board.overdue, board.rows[0].overdue(moment)) == (int(late), late)


def test_other_goods_alone_are_set_aside_once_however_often_their_sheet_is_sent(shop, worker, back, tmp_path):
    intake = Intake(surprises=(Surprise(kind="other_item", sku="BOWL"),), note="A bowl was in it.")
    for _ in range(2):
        receiving.take_in(worker, back, intake, folder=tmp_path, now=NOW, nonce="one-sheet")
    [found] = unexpected.of_return(back)
    assert found.note == "A bowl was in it." and levels(shop, "BOWL")["quarantine"] == 1 and clean()


def test_the_note_on_the_parcel_is_told_where_nothing_arrives(worker, back, tmp_path):
    ids = line_ids(back)
    receiving.take_in(worker, back, Intake(counts={ids["MUG"]: 2}), folder=tmp_path, now=NOW)
    for intake in (
        Intake(entries=(graded(ids["MUG"], 1),), note="Washed by hand."),
        Intake(missing={ids["BOWL"]: 1}, note="The box was open."),
    ):
        receiving.take_in(worker, back, intake, folder=tmp_path, now=NOW)
    told = [one.details.get("note") for one in history.of([back]) if "inspected" in one.what]
    assert told == ["Washed by hand.", "The box was open."]


def test_a_return_that_takes_nothing_any_more_expects_nothing(shop, worker, back, tmp_path):
    found = unexpected.note(
        worker, shop, Surprise(kind="unknown_parcel", sku="MUG"), folder=tmp_path, now=NOW
    )
    mug = line_ids(back)["MUG"]
    confirmation.cancel(a_person(shop, "csr"), back, now=NOW)
    sheet = dock.sheet(worker, back)
    assert not sheet.takes_goods and [line.expected for line in sheet.lines] == [0, 0]
    assert matching.fits(worker, found, return_id=back) == ()
    with pytest.raises(Conflict, match="nothing_expected"):
        matching.match(worker, found, return_id=back, line_id=mug, now=NOW)
    assert clean()


def test_goods_that_the_customer_keeps_are_received_by_nobody(shop, worker, gateways, back, tmp_path):
    other = a_return(gateways, shop, an_order(gateways, shop, [an_item("MUG", 3)]))
    with transaction():
        db.session.execute(sa.update(Return).where(Return.id == other).values(kind=KEEP))
    assert not any(line.expected for line in dock.sheet(worker, other).lines)
    with pytest.raises(Conflict, match="nothing_expected"):
        receiving.take_in(worker, other, Intake(counts={line_ids(other)["MUG"]: 1}), folder=tmp_path, now=NOW)


def test_what_is_pressed_twice_is_done_once(shop, worker, back, tmp_path):
    parcel = Surprise(kind="unknown_parcel", code="DEMO-9")
    found = unexpected.note(worker, shop, parcel, folder=tmp_path, now=NOW)
    for _ in range(2):
        unexpected.identify(worker, found, sku="mug", units=2, now=NOW, version=1)
    with pytest.raises(Conflict, match="already_identified"):
        unexpected.identify(worker, found, sku="mug", units=3, now=NOW)
    for _ in range(2):
        matching.match(worker, found, return_id=back, line_id=line_ids(back)["MUG"], now=NOW, version=2)
    assert levels(shop, "MUG") == {"expected": 1, "quarantine": 2} and clean()


def test_more_than_can_lie_there_is_said_to_be_too_many(shop, worker, tmp_path):
    parcel = Surprise(kind="unknown_parcel", code="DEMO-10", units=unexpected.MOST + 1)
    with pytest.raises(Conflict, match="too_many_counted"):
        unexpected.note(worker, shop, parcel, folder=tmp_path, now=NOW)


def test_while_a_return_is_counted_a_product_is_what_is_in_the_hand(shop, back, gateways):
    other = a_merchant()
    worker = a_person([other, shop], "warehouse")
    an_order(gateways, other, [an_item("BOWL", 1)])
    scan = scans.readings("BOWL")
    assert dock.find(worker, scan, at=shop).return_id == back
    found = dock.find(worker, scan, at=shop, counting=True)
    assert (found.return_id, found.article) == (None, ("BOWL", "Demo bowl"))
    assert dock.find(worker, scan, at=other).article == ("BOWL", "Demo bowl")
    assert dock.find(worker, scans.readings("MUG"), at=other).article is None
