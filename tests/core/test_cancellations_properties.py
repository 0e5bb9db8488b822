"""Whatever is canceled, held, let go, sent and returned, in any order: all of it is exactly what was paid."""

from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.core import cancellations
from portal.core.cancellations import completed, judge, offers, prepared, totals
from portal.core.facts import KEEP, LineFacts, OrderFacts, Wanted
from portal.core.logistics import CONSTRAINTS, Constraint
from portal.core.policy.terms import ShippingTier, Terms
from portal.core.refunds import adjustments, ledger
from portal.core.refunds.breakdown import Breakdown, TooMuch
from portal.core.refunds.engine import positions
from portal.core.refunds.values import paid_for
from portal.core.spans import Span, count, merge, without
from tests.core.made import NOW, a_line, a_payment, a_request, after, an_order, check, quoted, want
from tests.core.orders import amount, orders

CANCEL = "partial_cancellation"
RULES = st.sampled_from(["full_return", "proportion"])
TENDERS = st.sampled_from([("card", "gift_card"), ("gift_card",), ("proportion",)])
TIERS = st.lists(
    st.builds(ShippingTier, from_goods=amount, price=amount),
    min_size=1,
    max_size=3,
    unique_by=lambda tier: tier.from_goods,
).map(lambda tiers: tuple(sorted(tiers, key=lambda tier: tier.from_goods)))
KEEPING = st.builds(
    Terms,
    refund_shipping=RULES,
    refund_duties=RULES,
    refund_fees=RULES,
    promotions=st.sampled_from(["keep", "re_evaluate"]),
    tender_order=TENDERS,
)
ANEW = st.builds(
    Terms,
    refund_duties=RULES,
    refund_fees=RULES,
    cancel_shipping=st.just("re_evaluate"),
    shipping_tiers=TIERS,
    promotions=st.sampled_from(["keep", "re_evaluate"]),
    tender_order=TENDERS,
)
ANY = st.builds(
    Terms,
    refund_shipping=st.sampled_from(["never", "full_return", "proportion", "fault", "law"]),
    refund_duties=st.sampled_from(["never", "proportion"]),
    refund_fees=st.sampled_from(["never", "full_return"]),
    ordinary_delivery=st.none() | amount,
    cancel_shipping=st.sampled_from(["keep", "re_evaluate"]),
    shipping_tiers=TIERS,
    promotions=st.sampled_from(["keep", "re_evaluate"]),
    store_credit_bonus_bp=st.integers(0, 2000),
    store_credit_bonus_cap=amount,
    tender_order=TENDERS,
)


def unsent(order: OrderFacts) -> OrderFacts:
    """The same order before anything was sent."""
    lines = (replace(line, shipped=0, delivered=0, delivered_at=None) for line in order.lines)
    return replace(order, lines=tuple(lines))


@st.composite
def modes(draw: st.DrawFn, order: OrderFacts) -> OrderFacts:
    """``order`` with payments of which some are not captured yet, or not paid."""
    mode = st.sampled_from(["captured", "authorized", "due"])
    return replace(order, payments=tuple(replace(one, mode=draw(mode)) for one in order.payments))


@dataclass
class World:
    """One order, and the open proposals that hold units of it."""

    order: OrderFacts
    terms: Terms
    given: int = 0
    proposals: list[tuple[Wanted, ...]] = field(default_factory=list)
    refunds: list[Breakdown] = field(default_factory=list)

    def change(self, line: LineFacts, **given: Any) -> None:
        changed = replace(line, **given)
        lines = tuple(changed if one.id == line.id else one for one in self.order.lines)
        self.order = replace(self.order, lines=lines)

    def hold(self, wishes: tuple[Wanted, ...]) -> None:
        found = positions({line.id: line for line in self.order.lines}, wishes, kind=CANCEL)
        held = tuple(replace(wish, spans=spans) for wish, spans in found)
        for wish in held:
            line = self.order.line(wish.line_id)
            assert count(without(wish.spans, (*line.canceled, *line.claimed, *line.held))) == wish.units
            self.change(line, held=merge((*line.held, *wish.spans)))
        self.proposals.append(held)

    def let_go(self, held: tuple[Wanted, ...]) -> tuple[Wanted, ...]:
        self.proposals.remove(held)
        for wish in held:
            line = self.order.line(wish.line_id)
            self.change(line, held=without(line.held, wish.spans))
        return held

    def refund(self, wishes: tuple[Wanted, ...], kind: str, resolution: str = "refund") -> Breakdown:
        """Make it, after checking what must hold of every refund."""
        request = a_request(*wishes, kind=kind, resolution=resolution)
        before = totals(self.order)
        made = quoted(self.order, *wishes, kind=kind, resolution=resolution, terms=self.terms)
        transfers = ledger.decided(made, self.order)
        assert sum(ledger.balance(transfers).values()) == 0
        after_all = after(self.order, made, kind=kind)
        now = totals(after_all)
        assert now == cancellations.after(self.order, request, made)
        for one in (before, now):
            assert one.goods + one.shipping + one.other == one.total
            assert one.total + one.refunded == one.paid
            assert min(one.goods, one.shipping, one.other, one.due, one.released, one.units) >= 0
        assert before.total - now.total == made.owed
        self.order, self.given = after_all, self.given + made.amount
        self.refunds.append(made)
        return made

    def cancel(self, wishes: tuple[Wanted, ...], *, mine: tuple[Wanted, ...] = ()) -> Breakdown:
        """Cancel what was judged to be possible; it never gives less than the units cost, and charges nobody."""
        request = a_request(*wishes, kind=CANCEL)
        assert judge(self.order, request, self.terms, now=NOW).findings == ()
        if mine:
            self.let_go(mine)
        cost = 0
        for wish, spans in positions({one.id: one for one in self.order.lines}, wishes, kind=CANCEL):
            line = self.order.line(wish.line_id)
            cost += paid_for(line, spans)[0] - adjustments.given(line, spans)[0]
        made = self.refund(wishes, CANCEL)
        assert made.amount >= cost or made.clamped
        assert made.due == 0
        assert not any(line.withheld for line in made.lines)
        return made


STEPS = ["cancel", "hold", "ship", "return", "lower", "confirm", "release", "too_much"]


def step(data: st.DataObject, world: World) -> None:
    """Something happens to the order: units are sent, canceled, held, let go, confirmed or sent back."""
    order = world.order
    room = {offer.line_id: offer.units for offer in offers(order, world.terms, now=NOW)}
    free = {line_id: units for line_id, units in room.items() if units}
    back = {line.id: line.returnable_units for line in order.items if line.returnable_units}
    what = data.draw(st.sampled_from(STEPS))
    if what == "cancel" and free:
        world.cancel(some(data, free))
    elif what == "hold" and free:
        world.hold(some(data, free))
    elif what == "ship" and free:
        for wish in some(data, free):
            line = order.line(wish.line_id)
            world.change(line, shipped=line.shipped + wish.units, delivered=line.shipped + wish.units)
    elif what == "return" and back:
        world.refund(some(data, back), "return")
    elif what == "lower" and free:
        (wish,) = some(data, dict([data.draw(st.sampled_from(sorted(free.items())))]))
        maximum = most_lowered(order, wish)
        world.refund((replace(wish, allowance=data.draw(st.integers(0, maximum))),), KEEP)
    elif what in ("confirm", "release") and world.proposals:
        held = data.draw(st.sampled_from(world.proposals))
        if what == "confirm":
            world.cancel(held, mine=held)
        else:
            world.let_go(held)
    elif what == "too_much":
        line = data.draw(st.sampled_from(order.items))
        wish = want(line.number, room[line.id] + 1)
        verdict = judge(order, a_request(wish, kind=CANCEL), world.terms, now=NOW)
        assert verdict.outcome == "refused"
        (maximum,) = {one.details["maximum"] for one in verdict.findings if "maximum" in one.details} or {0}
        assert maximum == room[line.id]


def most_lowered(order: OrderFacts, wish: Wanted) -> int:
    """What can be given back at most for units that are kept."""
    with pytest.raises(TooMuch) as caught:
        quoted(order, replace(wish, allowance=10**18), kind=KEEP)
    return caught.value.maximum


def some(data: st.DataObject, units: dict[Any, int]) -> tuple[Wanted, ...]:
    """Wishes for some of these units, of one line or of several."""
    chosen = data.draw(st.lists(st.sampled_from(list(units)), min_size=1, unique=True))
    return tuple(want(line_id.int, data.draw(st.integers(1, units[line_id]))) for line_id in chosen)


def finish(data: st.DataObject, world: World) -> None:
    """Everything goes: proposals are answered, and each unit that is left is canceled or sent back."""
    for held in list(world.proposals):
        if data.draw(st.booleans()):
            world.cancel(held, mine=held)
        else:
            world.let_go(held)
    for line in list(world.order.items):
        line = world.order.line(line.id)
        if line.cancelable_units and data.draw(st.booleans()):
            world.cancel((want(line.number, line.cancelable_units),))
        line = world.order.line(line.id)
        gone = count(line.canceled)
        world.change(line, shipped=line.units - gone, delivered=line.units - gone)
    for line in list(world.order.items):
        if units := world.order.line(line.id).returnable_units:
            world.refund((want(line.number, units),), "return")


@settings(max_examples=150, deadline=None)
@given(st.data(), orders(deals=True).map(unsent), KEEPING | ANEW)
def test_any_mix_and_sequence_of_cancellations_and_returns_sums_exactly_to_what_was_paid(
    data: st.DataObject, order: OrderFacts, terms: Terms
) -> None:
    world = World(order=data.draw(modes(order)), terms=terms)
    for _ in range(data.draw(st.integers(0, 8))):
        step(data, world)
    finish(data, world)
    assert world.given == order.paid
    assert terms.cancel_shipping == "re_evaluate" or not any(made.clamped for made in world.refunds)
    for line in world.order.lines:
        assert line.refundable == 0
        assert line.promotion_withheld == 0
        assert [tax.refunded for tax in line.taxes] == [tax.amount for tax in line.taxes]
    assert all(payment.left == 0 for payment in world.order.payments)
    end = totals(world.order)
    assert (end.total, end.units, end.due) == (0, 0, 0)
    assert end.released == sum(one.captured for one in world.order.payments if not one.is_paid)


@settings(max_examples=150, deadline=None)
@given(st.data(), orders(deals=True).map(unsent), ANY)
def test_whatever_the_terms_say_no_cap_is_exceeded_and_nobody_is_charged(
    data: st.DataObject, order: OrderFacts, terms: Terms
) -> None:
    world = World(order=data.draw(modes(order)), terms=terms)
    for _ in range(data.draw(st.integers(1, 8))):
        step(data, world)
    assert sum(made.owed for made in world.refunds) <= order.paid
    for line in world.order.lines:
        assert 0 <= line.refunded <= line.paid
        for tax in line.taxes:
            assert 0 <= tax.refunded <= tax.amount
        assert count(line.canceled) + count(line.claimed) + count(line.held) <= line.units


@settings(max_examples=100, deadline=None)
@given(st.data(), orders(deals=True).map(unsent), KEEPING | ANEW)
def test_a_whole_order_canceled_in_any_pieces_gives_back_all_of_it_with_every_charge(
    data: st.DataObject, order: OrderFacts, terms: Terms
) -> None:
    terms = replace(terms, refund_shipping="never", refund_duties="never", refund_fees="never")
    world = World(order=order, terms=terms)
    while free := {one.line_id: one.units for one in offers(world.order, terms, now=NOW) if one.units}:
        world.cancel(some(data, free))
    assert world.given == order.paid


@settings(max_examples=100, deadline=None)
@given(st.data(), orders().map(unsent))
def test_the_order_in_which_units_go_and_holds_that_came_to_nothing_change_no_amount(
    data: st.DataObject, order: OrderFacts
) -> None:
    terms = Terms(refund_shipping="proportion", refund_duties="proportion", refund_fees="proportion")
    units = [line.number for line in order.items for _ in range(line.units)]
    gone = data.draw(st.lists(st.sampled_from(range(len(units))), unique=True, min_size=1))
    wishes = tuple(want(number, [units[i] for i in gone].count(number)) for number in set(units))
    wishes = tuple(wish for wish in wishes if wish.units)
    at_once = World(order=order, terms=terms)
    at_once.cancel(wishes)
    piecewise = World(order=order, terms=terms)
    for i in data.draw(st.permutations(gone)):
        if data.draw(st.booleans()):
            piecewise.hold((want(units[i]),))
            held = piecewise.proposals[-1]
            if data.draw(st.booleans()):
                piecewise.cancel(held, mine=held)
                continue
            piecewise.let_go(held)
        piecewise.cancel((want(units[i]),))
    assert piecewise.given == at_once.given
    assert totals(piecewise.order) == totals(at_once.order)


PERIOD = st.tuples(st.dates(date(2026, 1, 1), date(2026, 5, 1)), st.integers(1, 400))


@st.composite
def plans(draw: st.DrawFn) -> OrderFacts:
    """A subscription of several services, each with its own period, beside one thing that is sent."""
    lines = []
    for number in range(1, draw(st.integers(1, 4)) + 1):
        first, days = draw(PERIOD)
        units = draw(st.integers(1, 4))
        goods = draw(amount)
        tax = draw(st.integers(0, goods))
        lines.append(
            a_line(
                number,
                kind="service",
                units=units,
                goods=goods,
                shipped=draw(st.integers(0, units)),
                tax={"T": tax} if tax else {},
                prices_include_tax=draw(st.booleans()),
                interval=draw(st.sampled_from(["", "month"])),
                period_start=first,
                period_end=first + timedelta(days=days - 1),
            )
        )
    lines.append(a_line(80, shipped=0, goods=draw(amount)))
    paid = sum(line.paid for line in lines)
    return an_order(*lines, payments=(a_payment(paid),))


@settings(max_examples=150, deadline=None)
@given(st.data(), plans(), st.sampled_from(["keep", "re_evaluate"]))
def test_of_a_service_what_was_had_and_what_goes_back_is_what_was_paid(
    data: st.DataObject, plan: OrderFacts, promotions: str
) -> None:
    terms = Terms(promotions=promotions)
    for offer in offers(plan, terms, now=NOW):
        line = plan.line(offer.line_id)
        for ending in offer.endings if line.kind == "service" else ():
            units = line.units if ending == "next_period" else data.draw(st.integers(1, line.units))
            request = prepared(plan, a_request(want(line.number, units, ending=ending), kind=CANCEL))
            assert judge(plan, request, terms, now=NOW).findings == ()
            refund = quoted(plan, *request.wanted, kind=CANCEL, terms=terms)
            check(refund, plan)
            done = after(plan, refund, kind=CANCEL)
            cost, tax = paid_for(line, ((0, units),))
            had = sum(-row.amount for row in refund.rows if row.rule == "scope_used")
            had_tax = sum(-row.tax for row in refund.rows if row.rule == "scope_used")
            if ending == "next_period":
                assert (refund.amount, done) == (0, plan)
                continue
            assert refund.amount + had == cost
            assert refund.tax + had_tax == sum(tax.values())
            assert 0 <= had <= cost
            others = [one for one in plan.lines if one.id != line.id]
            assert others == [one for one in done.lines if one.id != line.id]
            assert totals(done).total == totals(plan).total - refund.amount


MOMENTS = st.sampled_from([None, NOW - timedelta(hours=1), NOW, NOW + timedelta(hours=1)])


@st.composite
def lives(draw: st.DrawFn, number: int = 1) -> LineFacts:
    """A line in any state that a line can be in."""
    units = draw(st.integers(1, 8))
    kind = draw(st.sampled_from(["merchandise", "merchandise", "service", "sample", "gift_card"]))
    fates = draw(st.lists(st.sampled_from("-chr"), min_size=units, max_size=units))

    def spans(fate: str) -> tuple[Span, ...]:
        return merge((n, n + 1) for n, one in enumerate(fates) if one == fate)

    shipped = draw(st.integers(0, units))
    plan = kind == "service" and draw(st.booleans())
    return a_line(
        number,
        kind=kind,
        units=units,
        shipped=shipped,
        picked=draw(st.integers(0, units - shipped)),
        canceled=spans("c"),
        held=spans("h"),
        claimed=spans("r"),
        logistics=draw(st.sampled_from([(), (), ("drop_ship",), ("custom_made", "third_party")])),
        cut_off=draw(MOMENTS),
        interval="month" if plan else "",
        period_start=date(2026, 3, 1) if plan else None,
        period_end=draw(st.sampled_from([date(2026, 3, 19), date(2026, 3, 31)])) if plan else None,
    )


@settings(max_examples=200, deadline=None)
@given(st.data(), lives())
def test_a_line_gives_up_exactly_what_it_offers_and_every_refusal_says_why(
    data: st.DataObject, line: LineFacts
) -> None:
    order = an_order(line, a_line(2), payments=(a_payment(10**6),))
    told = data.draw(st.lists(constraints(line), max_size=3))
    (offer, _) = offers(order, Terms(), told, now=NOW)
    plain = offers(order, Terms(), now=NOW)[0]
    assert 0 <= offer.units <= plain.units <= line.cancelable_units
    assert all(finding.line_id == line.id for finding in offer.findings)
    assert offer.units == line.units or offer.findings
    for units in range(1, line.units + 2):
        request = a_request(want(1, units, ending=next(iter(offer.endings[-1:]), "")), kind=CANCEL)
        verdict = judge(order, request, Terms(), told, now=NOW)
        assert verdict.allowed == (units <= offer.units)
        if not verdict.allowed:
            assert {one.code for one in offer.findings} <= {one.code for one in verdict.findings}
            assert not offer.units or [
                one.details["maximum"] for one in verdict.findings if one.code == "too_many_units"
            ] == [offer.units]
        else:
            quoted(order, *prepared(order, request).wanted, kind=CANCEL)


@st.composite
def constraints(draw: st.DrawFn, line: LineFacts) -> Constraint:
    return Constraint(
        line_id=line.id,
        code=draw(st.sampled_from(CONSTRAINTS)),
        units=draw(st.none() | st.integers(0, 9)),
        until=draw(MOMENTS),
        by="depot",
    )


@settings(max_examples=60, deadline=None)
@given(st.data(), orders().map(unsent))
def test_what_one_proposal_holds_no_other_can_take(data: st.DataObject, order: OrderFacts) -> None:
    world = World(order=order, terms=Terms())
    for _ in range(4):
        free = {one.line_id: one.units for one in offers(world.order, Terms(), now=NOW) if one.units}
        if not free:
            break
        world.hold(some(data, free))
    taken: dict[Any, tuple[Span, ...]] = {}
    for wish in (wish for held in world.proposals for wish in held):
        taken[wish.line_id] = merge((*taken.get(wish.line_id, ()), *wish.spans))
    for line in world.order.items:
        assert line.held == taken.get(line.id, ())
        assert line.cancelable_units == line.units - count(line.held)
        assert line.returnable_units == 0


@st.composite
def sets(draw: st.DrawFn) -> OrderFacts:
    """So many bundles, of parts that are so many in each, of which some went before."""
    bought = draw(st.integers(1, 4))
    lines = [a_line(1, units=bought, goods=0, shipped=0)]
    for number in range(2, draw(st.integers(2, 4)) + 1):
        units = bought * draw(st.integers(1, 3))
        required = draw(st.booleans())
        lines.append(a_line(number, units=units, shipped=0, parent_id=UUID(int=1), part_required=required))
    return an_order(*lines)


@settings(max_examples=150, deadline=None)
@given(st.data(), sets())
def test_a_bundle_can_always_go_as_a_whole_and_never_leaves_its_name_behind(
    data: st.DataObject, order: OrderFacts
) -> None:
    terms = Terms(bundles=data.draw(st.sampled_from(["parts", "whole"])))
    world = World(order=order, terms=terms)
    for _ in range(3):
        free = {one.line_id: one.units for one in offers(world.order, terms, now=NOW) if one.units}
        if not free:
            break
        request = completed(world.order, a_request(*some(data, free), kind=CANCEL))
        assert completed(world.order, request) == request
        verdict = judge(world.order, request, terms, now=NOW)
        assert "bundle_nothing_left" not in {one.code for one in verdict.findings}
        if verdict.allowed:
            world.cancel(request.wanted)
    header, *parts = world.order.items
    assert header.cancelable_units or not any(part.cancelable_units for part in parts)
    assert not header.cancelable_units or any(part.cancelable_units for part in parts)
    if header.cancelable_units:
        world.cancel(completed(world.order, a_request(want(1, header.cancelable_units), kind=CANCEL)).wanted)
    assert world.given == order.paid
