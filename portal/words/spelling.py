"""Numbers as they are read aloud: each letter with a word that nobody mishears."""

ALPHABET = {
    "A": "Alfa", "B": "Bravo", "C": "Charlie", "D": "Delta", "E": "Echo", "F": "Foxtrot", "G": "Golf",
    "H": "Hotel", "I": "India", "J": "Juliett", "K": "Kilo", "L": "Lima", "M": "Mike", "N": "November",
    "O": "Oscar", "P": "Papa", "Q": "Quebec", "R": "Romeo", "S": "Sierra", "T": "Tango", "U": "Uniform",
    "V": "Victor", "W": "Whiskey", "X": "X-ray", "Y": "Yankee", "Z": "Zulu",
}  # fmt: skip
"""The alphabet of radio telephony, which is the same in every language."""


def spelled(number: str) -> tuple[tuple[tuple[str, str], ...], ...]:
    """The groups of a number between its hyphens, each character with its word; a digit is its own word."""
    return tuple(
        tuple((character, ALPHABET.get(character, "")) for character in group)
        for group in number.upper().split("-")
        if group
    )


def aloud(number: str) -> str:
    """The number as one sentence part: ``R Romeo, M Mike, A Alfa – 7, K Kilo``."""
    groups = [", ".join(f"{sign} {word}".strip() for sign, word in group) for group in spelled(number)]
    return " – ".join(groups)
