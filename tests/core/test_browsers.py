"""Long names of browsers, as they send them, and what people call those."""

import pytest

from portal.core.browsers import LONGEST, browser_and_system, shortened

LIKE_GECKO = "AppleWebKit/537.36 (KHTML, like Gecko)"
WINDOWS = f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {LIKE_GECKO}"
MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0", ("Firefox", "Linux")),
        (f"{WINDOWS} Chrome/131.0.0.0 Safari/537.36", ("Chrome", "Windows")),
        (f"{WINDOWS} Chrome/131.0.0.0 Safari/537.36 Edg/131.0.0.0", ("Edge", "Windows")),
        (f"{WINDOWS} Chrome/130.0.0.0 Safari/537.36 OPR/115.0.0.0", ("Opera", "Windows")),
        (f"{MAC} AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15", ("Safari", "macOS")),
        (f"{IPHONE} Version/18.1 Mobile/15E148 Safari/604.1", ("Safari", "iPhone")),
        (f"{IPHONE} CriOS/131.0.6778.73 Mobile/15E148 Safari/604.1", ("Chrome", "iPhone")),
        (f"{IPHONE} FxiOS/133.0 Mobile/15E148 Safari/605.1.15", ("Firefox", "iPhone")),
        (
            f"Mozilla/5.0 (Linux; Android 14; SM-S921B) {LIKE_GECKO} SamsungBrowser/27.0 Chrome/125.0.0.0 "
            "Mobile Safari/537.36",
            ("Samsung Internet", "Android"),
        ),
        (
            f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {LIKE_GECKO} Chrome/131.0.0.0 Safari/537.36",
            ("Chrome", "ChromeOS"),
        ),
        (
            f"Mozilla/5.0 (X11; Linux x86_64) {LIKE_GECKO} HeadlessChrome/131.0.0.0 Safari/537.36",
            ("Chrome", "Linux"),
        ),
        ("curl/8.5.0", ("", "")),
        ("", ("", "")),
    ],
)
def test_a_browser_is_called_what_people_call_it(text, expected):
    assert browser_and_system(text) == expected


def test_what_nobody_knows_is_shown_as_it_is_but_not_all_of_a_long_one():
    assert shortened("curl/8.5.0") == "curl/8.5.0"
    long = "a" * (LONGEST + 1)
    assert shortened(long) == "a" * (LONGEST - 1) + "…"
    assert len(shortened("b" * 200)) == LONGEST
