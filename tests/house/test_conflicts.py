"""Whatever a service refuses has a sentence that people understand, in every language."""

import re
from pathlib import Path

import pytest

from portal.words import Words

ROOT = Path(__file__).resolve().parents[2]
RAISED = {
    code
    for file in (*(ROOT / "portal/services").rglob("*.py"), *(ROOT / "portal/db").glob("*.py"))
    for code in re.findall(r'Conflict\(\s*"([a-z_]+)"', file.read_text())
    + re.findall(r'_picked\([^)]*"([a-z_]+)"\)', file.read_text())
    + re.findall(r'"([a-z_]+)" if .+ else "[a-z_]+"\) from None', file.read_text())
}


def test_codes_are_found() -> None:
    assert {"units_gone", "too_much", "locked", "point_unknown", "reason_missing"} <= RAISED


@pytest.mark.parametrize("language", ["en", "de", "fr"])
def test_every_conflict_has_a_sentence(language: str) -> None:
    words = Words(language)
    assert [code for code in sorted(RAISED) if words.conflict(code) == code] == []


@pytest.mark.parametrize("language", ["de", "fr"])
def test_every_conflict_is_translated(language: str) -> None:
    english, words = Words("en"), Words(language)
    assert [code for code in sorted(RAISED) if words.conflict(code) == english.conflict(code)] == []
