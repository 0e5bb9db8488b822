import pytest

from portal.core.lifecycles import LIFECYCLES, PAYOUT, REFUND, RETURN, IllegalStep, Lifecycle

every = pytest.mark.parametrize("lifecycle", LIFECYCLES, ids=lambda lifecycle: lifecycle.name)


def reachable(lifecycle: Lifecycle, start: str) -> set[str]:
    found, ahead = {start}, [start]
    while ahead:
        for state in lifecycle.steps.get(ahead.pop(), {}).values():
            if state not in found:
                found.add(state)
                ahead.append(state)
    return found


@every
def test_every_state_is_reachable_from_the_start(lifecycle: Lifecycle) -> None:
    assert reachable(lifecycle, lifecycle.start) == set(lifecycle.states)


@every
def test_every_state_is_in_the_table_and_no_step_leads_out_of_it(lifecycle: Lifecycle) -> None:
    assert set(lifecycle.states) == set(lifecycle.steps)


@every
def test_from_every_state_an_end_can_be_reached(lifecycle: Lifecycle) -> None:
    ends = {state for state in lifecycle.states if lifecycle.final(state)}
    assert ends
    resting = {"return": {"closed"}, "refund": {"succeeded"}}.get(lifecycle.name, set())
    for state in lifecycle.states:
        assert reachable(lifecycle, state) & (ends | resting)


@every
def test_what_is_allowed_is_possible_and_nothing_else_is(lifecycle: Lifecycle) -> None:
    steps = {step for per_state in lifecycle.steps.values() for step in per_state}
    for state in lifecycle.states:
        for step in steps:
            assert lifecycle.can(state, step) == (step in lifecycle.allowed(state))
            if lifecycle.can(state, step):
                assert lifecycle.after(state, step) in lifecycle.states
            else:
                with pytest.raises(IllegalStep) as caught:
                    lifecycle.after(state, step)
                assert caught.value.allowed == lifecycle.allowed(state)


def test_solidus_1093_a_return_that_was_received_can_always_be_closed() -> None:
    for state in ("approved", "in_transit", "partially_received", "received", "inspected"):
        assert "closed" in reachable(RETURN, state)


def test_an_answer_that_was_not_understood_is_unknown_and_can_still_turn_out_either_way() -> None:
    assert PAYOUT.after("submitting", "lose") == "unknown"
    assert {"succeeded", "failed"} <= reachable(PAYOUT, "unknown")


def test_money_that_moved_is_never_canceled_and_a_failed_refund_can_be_tried_again() -> None:
    assert not any(REFUND.can(state, "cancel") for state in ("pending", "succeeded"))
    assert REFUND.after("failed", "retry") == "approved"


def test_a_refused_step_names_what_is_possible() -> None:
    with pytest.raises(IllegalStep, match="approve"):
        RETURN.after("requested", "ship")
