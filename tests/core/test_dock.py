"""What a scan may mean, and what becomes of what was counted before it is saved."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.core import dock
from portal.core.dock import Count, Heap
from portal.core.numbers import authorization_code, rma_number

RMA = rma_number(b"demo!")
CODE = authorization_code(b"other")
WRONG = RMA[:-1] + ("0" if RMA[-1] != "0" else "1")


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        (RMA, ["return", "parcel", "article"]),
        (RMA.lower().replace("-", " "), ["return", "parcel", "article"]),
        (f"]C1{RMA}\r\n", ["return", "parcel", "article"]),
        (CODE, ["code", "parcel", "article"]),
        (WRONG, ["mistyped", "parcel", "article"]),
        ("JD014600006281000000", ["parcel", "article"]),
        ("MUG", ["parcel", "article"]),
        ("A", ["parcel", "article"]),
        ("  \t", []),
    ],
)
def test_what_a_scan_may_mean_while_no_return_is_open(text, kinds):
    assert [one.kind for one in dock.readings(text)] == kinds


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("mug", ("line", "MUG")),
        (CODE, ("line", CODE)),
        ("d", ("grade", "D")),
        ("3", ("count", "3")),
        ("save", ("command", "save")),
        ("UNDO", ("command", "undo")),
        (RMA, ("return", RMA)),
        ("7", ("line", "7")),
        ("0", ("parcel", "0")),
    ],
)
def test_what_the_open_return_has_comes_first_then_the_words_of_the_desk(text, meant):
    first = dock.readings(text, skus=("MUG", "7"), codes=(CODE,))[0]
    assert (first.kind, first.value) == meant


@given(st.text(max_size=300))
def test_whatever_is_scanned_means_something_unless_it_is_empty(text):
    found = dock.readings(text, skus=("MUG",))
    assert bool(found) == bool(dock.tidy(text))
    assert all(len(one.value) <= dock.LONGEST + 2 for one in found)


@given(st.binary(min_size=5, max_size=5))
def test_every_number_of_ours_is_known_by_its_check_character(randomness):
    assert dock.readings(rma_number(randomness))[0].kind == "return"
    assert dock.readings(authorization_code(randomness))[0].kind == "code"


STEPS = st.lists(
    st.one_of(
        st.sampled_from(["a", "b"]).map(lambda line: ("scan", line)),
        st.sampled_from("ABCDW").map(lambda grade: ("grade", grade)),
        st.just(("undo", "")),
    ),
    max_size=30,
)


@given(STEPS, st.integers(0, 8))
def test_no_unit_is_lost_or_made_by_grading_undoing_and_splitting(steps, left):
    count, wanted = Count(), 0
    for what, value in steps:
        before = count.units
        if what == "scan":
            count = dock.scanned(count, value)
            assert count.units == before + 1
        elif what == "grade":
            count = dock.graded(count, value)
            assert count.units == before
        else:
            had = count.of(count.active)
            count = dock.undone(count)
            assert count.units == before - bool(had)
        wanted = count.units
    keys = [heap.key for heap in count.heaps]
    assert len(set(keys)) == len(keys) and all(heap.units > 0 for heap in count.heaps)
    kept, beyond = dock.split(count.heaps, left)
    assert sum(heap.units for heap in kept) == min(left, wanted)
    assert sum(heap.units for heap in (*kept, *beyond)) == wanted


def test_a_grade_is_of_the_units_scanned_since_the_last_one():
    count = dock.graded(dock.scanned(dock.scanned(Count(), "mug"), "mug"), "A")
    count = dock.graded(dock.scanned(count, "mug"), "D")
    assert [(heap.units, heap.grade) for heap in count.heaps] == [(2, "A"), (1, "D")]
    assert dock.graded(count, "B").heaps[-1].grade == "B"


def test_wrong_goods_are_refused_and_the_rest_can_be_missing_until_it_is_scanned():
    count = dock.graded(dock.scanned(Count(), "mug"), "W")
    assert count.heaps[0].refused
    gone = dock.graded(count, "M")
    assert gone.missing == {"mug"} and gone.units == 1
    assert dock.scanned(gone, "mug").missing == frozenset()


def test_a_number_says_how_many_and_an_unknown_product_is_counted_apart():
    count = dock.counted(dock.scanned(Count(), "mug"), 12)
    assert count.of("mug") == 12
    count = dock.another(dock.another(count, "BOWL", "Demo bowl"), "BOWL", "Demo bowl")
    assert [(one.sku, one.units) for one in count.foreign] == [("BOWL", 2)] and count.units == 14
    assert dock.graded(Count(), "A") == Count() == dock.undone(Count())


def test_what_was_counted_last_is_the_surplus():
    heaps = (Heap(key=0, line="a", units=2, grade="A"), Heap(key=1, line="a", units=3, grade="D"))
    kept, beyond = dock.split(heaps, 3)
    assert [(one.units, one.grade) for one in kept] == [(2, "A"), (1, "D")]
    assert [(one.units, one.grade) for one in beyond] == [(2, "D")]


def test_after_a_product_of_another_return_no_line_is_graded_counted_or_undone():
    count = dock.graded(dock.scanned(Count(), "mug"), "A")
    count = dock.another(count, "BOWL", "Demo bowl")
    assert dock.graded(count, "D") == dock.counted(count, 3) == dock.undone(count) == count


@pytest.mark.parametrize(
    ("code", "meant"),
    [
        ("420100019400111899223100001234", "9400111899223100001234"),
        ("4201000112349400111899223100001234", "9400111899223100001234"),
        ("00340123450000000014", "340123450000000014"),
    ],
)
def test_bars_that_say_more_than_the_tracking_number_mean_it_all_the_same(code, meant):
    assert dock.parcels(code) == (code, meant)
    assert dock.parcels(meant) == (meant,)
