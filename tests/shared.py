"""The shared input data: real orders and payloads, beside the project and never inside it."""

from pathlib import Path

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
RETAIL = "uci-online-retail/online_retail_2010-12-01_2011-08-31.csv.gz"
VERDICTS = "uci-online-retail/expected_verdicts_shared.csv.gz"


def data(name: str) -> Path:
    """A file or folder of the shared data. Fails the test, saying so, when it is missing."""
    found = DATA / name
    assert found.exists(), f"the shared data are missing: there is no {found}"
    return found
