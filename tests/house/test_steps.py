"""State machines and topics are what services do: no step that nobody takes, no happening without a name."""

import re
from pathlib import Path

import pytest

from portal.core.events import TOPICS
from portal.core.lifecycles import LIFECYCLES, RETURN
from portal.words.happenings import HAPPENINGS

SERVICES = Path(__file__).resolve().parents[2] / "portal/services"
SOURCE = "\n".join(file.read_text() for file in sorted(SERVICES.rglob("*.py")))


@pytest.mark.parametrize("lifecycle", LIFECYCLES, ids=lambda lifecycle: lifecycle.name)
def test_every_step_is_taken_by_a_service(lifecycle) -> None:
    steps = {step for steps in lifecycle.steps.values() for step in steps}
    assert [step for step in sorted(steps) if f'"{step}"' not in SOURCE] == []


def test_states_are_never_written_past_their_machine() -> None:
    """A state is assigned from ``Lifecycle.after`` or ``.start``, or from a value that came from there."""
    literal = re.compile(r'\.state = "|\.values\([^)]*\bstate="')
    found = [
        f"{file.name}: {line.strip()}"
        for file in sorted(SERVICES.rglob("*.py"))
        for line in file.read_text().splitlines()
        if literal.search(line)
    ]
    assert found == []


def test_every_happening_is_a_topic_with_a_sentence() -> None:
    kinds = "return|refund|order_line|order|warehouse|store_credit|batch|transfer|bank|task|orders|policy"
    kinds += "|workflow|canned_answer|playbook|parcel|person|dispute|view"
    told = set(re.findall(rf'"((?:{kinds})\.[a-z_]+(?:\.[a-z_]+)*)"', SOURCE))
    permissions = {"returns", "refunds"}
    told = {topic for topic in told if topic.split(".")[0] not in permissions}
    told -= {"orders.import", "orders.read", "policies.edit"}
    told |= {f"return.{RETURN.steps['approved'][step]}" for step in ("receive", "receive_some")}
    told.add(f"return.{RETURN.steps['requested']['decline']}")
    assert sorted(told - set(TOPICS)) == []
    assert sorted(set(TOPICS) - told) == []
    assert sorted(set(TOPICS) - set(HAPPENINGS)) == []
