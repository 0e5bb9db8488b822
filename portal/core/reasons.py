"""Closed lists of codes (vocabulary): why customers return, in what condition, what becomes of a unit."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Reason:
    """Why a customer sends something back. ``fault`` decides who pays for the way home."""

    code: str
    category: str
    fault: str
    photo: str = "no"
    note_required: bool = False
    by_customer: bool = True


def _table() -> tuple[Reason, ...]:
    rows = """
    too_small fit none no | too_large fit none no | does_not_fit fit none no | uncomfortable fit none no
    not_compatible fit none no | color_not_as_expected preference none no
    style_not_as_expected preference none no
    not_as_described listing merchant optional | quality_unsatisfactory quality merchant optional
    defective quality merchant required | expired_short_dated quality merchant optional
    arrived_damaged delivery carrier required | packaging_damaged delivery carrier optional
    arrived_late delivery carrier no
    missing_parts fulfilment merchant optional | wrong_item_received fulfilment merchant required
    wrong_quantity_received fulfilment merchant no | ordered_by_mistake remorse customer no
    duplicate_order remorse customer no | bracketing remorse customer no
    better_price_found remorse customer no
    changed_mind remorse customer no | gift_return remorse customer no
    allergic_reaction_safety safety merchant optional
    statutory_withdrawal legal none no | other other none optional
    """
    by_customer = tuple(
        Reason(code=code, category=category, fault=fault, photo=photo, note_required=code == "other")
        for code, category, fault, photo in (
            row.split() for row in rows.replace("\n", "|").split("|") if row.strip()
        )
    )
    by_system = tuple(
        Reason(code=code, category=category, fault=fault, by_customer=False)
        for code, category, fault in (
            ("recall", "safety", "merchant"),
            ("unauthorized_purchase", "risk", "none"),
            ("undeliverable_rts", "delivery", "carrier"),
            ("unknown", "other", "none"),
        )
    )
    return by_customer + by_system


REASONS: dict[str, Reason] = {reason.code: reason for reason in _table()}
CATEGORIES = (
    "fit",
    "preference",
    "quality",
    "delivery",
    "fulfilment",
    "listing",
    "remorse",
    "safety",
    "legal",
    "other",
)
"""The first level a customer chooses from, in the order of the page."""

CONDITIONS = ("unopened", "opened_unused", "used_like_new", "used", "damaged", "defective", "incomplete")
GRADES = ("A", "B", "C", "D", "W", "M")
DISPOSITIONS = (
    "restock",
    "restock_open_box",
    "refurbish",
    "repair_return_to_customer",
    "return_to_vendor",
    "liquidate",
    "donate",
    "recycle",
    "destroy",
    "quarantine",
    "keep_with_customer",
    "ship_back_to_customer",
    "missing",
)
CHECKLIST = (
    "packaging_intact",
    "tags_attached",
    "security_tag",
    "accessories_complete",
    "clean",
    "serial_matches",
)
"""What is looked at when a unit is graded."""
DECLINE_REASONS = (
    "window_expired",
    "final_sale",
    "not_eligible_category",
    "excessive_wear",
    "no_record_of_sale",
    "item_not_defective",
    "as_ordered",
    "price_dispute",
    "quantity_difference",
    "unidentifiable_item",
    "more_information",
    "picture_requested",
    "suspected_abuse",
    "other",
)
CHANNELS = ("self_service", "preauthorized_link", "phone", "email", "chat", "in_person", "api", "import")
RETURN_KINDS = ("return", "warranty", "withdrawal", "exchange")
"""The types an agent starts with; cancellations and refunds without a return are kinds of their own."""


def in_category(category: str) -> tuple[Reason, ...]:
    """The reasons a customer may choose in ``category``."""
    return tuple(r for r in REASONS.values() if r.category == category and r.by_customer)


def disposition_for(grade: str) -> str:
    """What is proposed for a unit of that grade; a person may decide otherwise."""
    return {
        "A": "restock",
        "B": "restock_open_box",
        "C": "refurbish",
        "D": "recycle",
        "W": "quarantine",
        "M": "missing",
    }[grade]
