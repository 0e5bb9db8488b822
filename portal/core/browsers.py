"""What a browser calls itself, as people call it: by a small table of the words in its long name."""

from typing import Final

BROWSERS: Final = (
    ("Edg/", "Edge"), ("EdgA/", "Edge"), ("EdgiOS/", "Edge"), ("Edge/", "Edge"),
    ("OPR/", "Opera"), ("OPiOS/", "Opera"), ("Vivaldi/", "Vivaldi"), ("SamsungBrowser/", "Samsung Internet"),
    ("FxiOS/", "Firefox"), ("Firefox/", "Firefox"), ("CriOS/", "Chrome"), ("HeadlessChrome/", "Chrome"),
    ("Chrome/", "Chrome"), ("Chromium/", "Chromium"), ("Safari/", "Safari"),
)  # fmt: skip
"""What stands in the long name, and whose it is. The first that fits: most claim to be Chrome and Safari as well."""

SYSTEMS: Final = (
    ("iPhone", "iPhone"), ("iPad", "iPad"), ("Android", "Android"), ("CrOS", "ChromeOS"), ("Windows", "Windows"),
    ("Macintosh", "macOS"), ("Linux", "Linux"),
)  # fmt: skip
"""The same for what it runs on: phones come first, since they name the system that theirs came from."""

LONGEST: Final = 60
"""Characters that are shown of what nothing is known about."""


def browser_and_system(text: str) -> tuple[str, str]:
    """``("Firefox", "Windows")``; either is empty where the table does not know it."""
    return _first(BROWSERS, text), _first(SYSTEMS, text)


def shortened(text: str) -> str:
    """At most ``LONGEST`` characters of it."""
    return text if len(text) <= LONGEST else text[: LONGEST - 1].rstrip() + "…"


def _first(table: tuple[tuple[str, str], ...], text: str) -> str:
    return next((name for token, name in table if token in text), "")
