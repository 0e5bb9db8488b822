"""Every pair of colours a reader meets, worked out from the tokens: light and dark, all accents."""

import math
import re
from pathlib import Path

import pytest

TOKENS = Path(__file__).resolve().parents[2] / "static" / "css" / "tokens.css"
ACCENTS = ("green", "teal", "blue", "plum", "berry", "rust", "olive", "slate")
SCHEMES = ("light", "dark")

TEXT = 4.5
SHAPE = 3.0

PAIRS = [
    *[(ink, face, TEXT) for ink in ("ink", "ink-soft") for face in ("paper", "card", "well", "accent-tint")],
    *[("ink", f"{tone}-tint", TEXT) for tone in ("good", "wait", "bad", "info")],
    *[(tone, f"{tone}-tint", TEXT) for tone in ("good", "wait", "bad", "info")],
    *[(tone, face, TEXT) for tone in ("good", "wait", "bad") for face in ("paper", "card")],
    *[(tone, face, TEXT) for tone in ("accent", "accent-strong") for face in ("paper", "card")],
    ("accent", "accent-tint", TEXT),
    ("accent", "well", TEXT),
    ("on-accent", "accent", TEXT),
    ("on-accent", "accent-strong", TEXT),
    ("on-accent-soft", "accent", TEXT),
    ("bad", "bad-tint", TEXT),
    ("paper", "ink", TEXT),
    *[("line-strong", face, SHAPE) for face in ("paper", "card")],
    *[("focus", face, SHAPE) for face in ("paper", "card", "well", "accent-tint")],
]


def declared(css: str, *, accent: str, scheme: str) -> dict[str, str]:
    """The custom properties that hold on the root for one accent in one scheme, the last said winning."""
    dark = "@media screen and (prefers-color-scheme: dark)"
    before, _, rest = css.partition(dark)
    inside = rest.partition("@media (prefers-reduced-motion")[0]
    found: dict[str, str] = {}
    for text in (before, inside if scheme == "dark" else ""):
        for selector, body in re.findall(r"([^{}]+)\{([^{}]*)\}", text):
            names = [name.strip() for name in selector.split(";")[-1].split(",")]
            if {":root", "[data-accent]", f'[data-accent="{accent}"]'} & set(names):
                found |= {name: value.strip() for name, value in re.findall(r"--([\w-]+):\s*([^;]+)", body)}
    return found


def resolved(name: str, tokens: dict[str, str]) -> str:
    return re.sub(r"var\(--([\w-]+)\)", lambda match: resolved(match[1], tokens), tokens[name]).strip()


def linear_rgb(oklch: str) -> tuple[float, float, float]:
    """Linear sRGB of ``oklch(L C H)``, where C may be ``calc(a * b)``; outside 0..1: no screen shows it."""
    flat = re.sub(
        r"calc\(([\d.]+) \* ([\d.]+)\)", lambda match: str(float(match[1]) * float(match[2])), oklch
    )
    numbers = re.fullmatch(r"oklch\(([\d.]+) ([\d.e-]+) ([\d.]+)\)", flat)
    assert numbers, f"this test cannot read the colour {oklch!r}"
    lightness, chroma, hue = float(numbers[1]), float(numbers[2]), math.radians(float(numbers[3]))
    a, b = chroma * math.cos(hue), chroma * math.sin(hue)
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return (
        4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
    )


def luminance(oklch: str) -> float:
    red, green, blue = (min(1.0, max(0.0, part)) for part in linear_rgb(oklch))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("accent", ACCENTS)
def test_every_pair_of_colours_has_the_contrast_it_needs(accent: str, scheme: str) -> None:
    tokens = declared(TOKENS.read_text(encoding="utf-8"), accent=accent, scheme=scheme)
    poor = {
        f"{ink} on {face}": round(got, 2)
        for ink, face, least in PAIRS
        if (got := contrast(resolved(ink, tokens), resolved(face, tokens))) < least
    }
    assert poor == {}


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("accent", ACCENTS)
def test_every_accent_can_be_shown_by_any_screen(accent: str, scheme: str) -> None:
    tokens = declared(TOKENS.read_text(encoding="utf-8"), accent=accent, scheme=scheme)
    names = [name for name, value in tokens.items() if "oklch" in value]
    colours = {name: resolved(name, tokens) for name in names}
    outside = {
        name: it
        for name, it in colours.items()
        if not all(-0.004 <= part <= 1.004 for part in linear_rgb(it))
    }
    assert outside == {}


def test_the_accents_are_exactly_the_ones_that_are_checked() -> None:
    assert set(re.findall(r'data-accent="(\w+)"', TOKENS.read_text(encoding="utf-8"))) == set(ACCENTS)


def test_light_and_dark_are_told_apart() -> None:
    css = TOKENS.read_text(encoding="utf-8")
    light, dark = (declared(css, accent="green", scheme=scheme) for scheme in SCHEMES)
    assert luminance(resolved("paper", light)) > 0.9 > 0.1 > luminance(resolved("paper", dark))


def test_black_on_white_is_twenty_one_to_one() -> None:
    assert contrast("oklch(0 0 0)", "oklch(1 0 0)") == pytest.approx(21, abs=0.01)
