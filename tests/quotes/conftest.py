"""What the tests of ``flask quote`` share."""

from pathlib import Path

import pytest

from tests.quotes.asking import Ask, asking


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    """Asks the command by files."""
    return asking(tmp_path)
