"""A merchant's return policy as one frozen value; parsed from and written to JSON."""

from dataclasses import asdict, dataclass, fields
from typing import Any

from portal.core.money import Minor


@dataclass(frozen=True, kw_only=True)
class Window:
    """A return window that differs from the general one, for a category of goods, a reason, or both."""

    days: int
    category: str | None = None
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class RestockingFee:
    """A fee of ``percent_bp`` of the goods, and ``fixed`` per return or unit; waived by reason or fault."""

    percent_bp: int = 0
    fixed: Minor = 0
    per_unit: bool = False
    waived_reasons: tuple[str, ...] = ()
    waived_faults: tuple[str, ...] = ("merchant", "carrier")


@dataclass(frozen=True, kw_only=True)
class Terms:
    """All that a merchant decides about returns. Days are calendar days, the last one inclusive.

    Amounts are minor units of the order's currency; ``_bp`` are basis points (100 = 1 %).
    """

    version: int = 0
    """The number of the published version; 0 is a draft or the built-in default."""
    active: bool = True
    order_source: bool = True
    """Orders are connected, products come from them; without, agent and customer type them in."""
    portal: bool = True
    """The customer portal is on: links can be sent, and customers may start by themselves."""
    self_service: bool = True

    window_days: int = 30
    windows: tuple[Window, ...] = ()
    final_sale_categories: tuple[str, ...] = ()
    final_sale_except_faults: tuple[str, ...] = ("merchant", "carrier")
    excluded_categories: tuple[str, ...] = ()
    photo_reasons: tuple[str, ...] | None = None
    """Reasons that need a photo; ``None`` takes the vocabulary's."""
    approval_reasons: tuple[str, ...] = ()
    approval_conditions: tuple[str, ...] = ()
    approval_value: Minor | None = None
    """A return worth more needs a supervisor."""
    auto_approve: bool = True

    refund_shipping: str = "full_return"
    """Outbound shipping: ``never``, ``full_return`` (when everything goes back), ``proportion``, or ``fault``
    (in proportion, when every reason is the merchant's or carrier's fault)."""
    restocking_fee: RestockingFee = RestockingFee()
    condition_deductions_bp: tuple[tuple[str, int], ...] = ()
    """Declared condition or inspected grade -> part of the goods withheld."""
    accessory_deductions: tuple[tuple[str, Minor], ...] = ()
    depreciation_days: int = 0
    """A used unit loses its value evenly over so many days after delivery; 0: never."""
    depreciation_free_days: int = 0
    """The first days after delivery, which take no value away."""
    return_postage: str = "customer_remorse"
    """Who pays the way back: ``merchant``, ``customer``, or ``customer_remorse`` (the customer, unless an
    item goes back by the merchant's or carrier's fault)."""
    goodwill_cap: Minor = 0
    store_credit_bonus_bp: int = 0
    store_credit_bonus_cap: Minor = 0
    store_credit_months: int | None = None
    """How long store credit lives at least, 0 for ever; the law of the place may say longer, never shorter.
    None: as long as that law says."""
    tender_order: tuple[str, ...] = ("card", "wallet", "bank_transfer", "store_credit", "gift_card", "cash")
    """Which tender is given back first; ``proportion`` as the only entry spreads over all."""
    refund_trigger: str = "on_inspection"
    """``on_receipt``, ``on_inspection`` or ``manual``."""

    ship_by_days: int = 14
    link_days: int = 30
    max_photos: int = 5
    methods: tuple[str, ...] = ("print_at_home", "qr_dropoff", "pickup", "dropoff_point", "own_carrier")
    preset: str | None = None
    """The consumer-law preset these terms were made from, as its id."""

    @property
    def by_link(self) -> bool:
        """Whether an agent may prepare a return as a link for the customer to finish."""
        return self.active and self.portal

    @property
    def by_agent(self) -> bool:
        """Whether an agent may create a whole return."""
        return self.active

    @property
    def by_customer(self) -> bool:
        """Whether a customer may start without a link."""
        return self.active and self.portal and self.self_service and self.order_source


def to_json(terms: Terms) -> dict[str, Any]:
    """``terms`` as plain JSON values, complete."""
    return asdict(terms)


def from_json(value: dict[str, Any]) -> Terms:
    """Terms from JSON; what is not given takes its default.

    Raises ``ValueError`` listing every fault with its path (unknown keys, wrong types, bad codes).
    """
    faults: list[str] = []
    terms: Terms = _record(Terms, value, "policy", faults)
    if not faults:
        faults += _judged(terms)
    if faults:
        raise ValueError("; ".join(faults))
    return terms


def _record(shape: type, value: Any, path: str, faults: list[str]) -> Any:
    """``value`` as an instance of ``shape`` by its field defaults, collecting every fault."""
    if not isinstance(value, dict):
        faults.append(f"{path}: an object is needed, not {type(value).__name__}")
        return shape() if shape is not Window else None
    known = {field.name: field for field in fields(shape)}
    faults += [f"{path}.{key}: unknown" for key in value if key not in known]
    given = {key: item for key, item in value.items() if key in known}
    taken = {key: _value(f"{path}.{key}", key, item, faults) for key, item in given.items()}
    try:
        return shape(**taken)
    except TypeError as problem:
        faults.append(f"{path}: {problem}")
        return None


_WHOLE = {
    "version", "window_days", "approval_value", "goodwill_cap", "store_credit_bonus_bp",
    "store_credit_bonus_cap", "store_credit_months",
    "ship_by_days", "link_days", "max_photos", "days", "percent_bp", "fixed",
    "depreciation_days", "depreciation_free_days",
}  # fmt: skip
_FLAGS = {"active", "order_source", "portal", "self_service", "auto_approve", "per_unit"}
_PAIRS = {"condition_deductions_bp", "accessory_deductions"}
_WORDS = {"refund_shipping", "return_postage", "refund_trigger", "preset", "category", "reason"}
_NULLABLE = {"approval_value", "store_credit_months", "photo_reasons", "preset", "category", "reason"}


def _value(path: str, key: str, item: Any, faults: list[str]) -> Any:
    if item is None and key in _NULLABLE:
        return None
    if key == "windows":
        if not isinstance(item, list | tuple):
            faults.append(f"{path}: a list is needed")
            return ()
        return tuple(_record(Window, window, f"{path}[{i}]", faults) for i, window in enumerate(item))
    if key == "restocking_fee":
        return _record(RestockingFee, item, path, faults)
    if key in _WHOLE:
        if isinstance(item, bool) or not isinstance(item, int) or item < 0:
            faults.append(f"{path}: a whole number from 0 is needed, not {item!r}")
            return 0
        return item
    if key in _FLAGS:
        if not isinstance(item, bool):
            faults.append(f"{path}: true or false is needed, not {item!r}")
        return item
    if key in _PAIRS:
        pairs = item.items() if isinstance(item, dict) else item
        try:
            taken = tuple((str(code), int(amount)) for code, amount in pairs)
        except (TypeError, ValueError):
            faults.append(f"{path}: a list of [code, number] is needed")
            return ()
        faults += [f"{path}.{code}: not negative" for code, amount in taken if amount < 0]
        return taken
    if key in _WORDS:
        if not isinstance(item, str):
            faults.append(f"{path}: text is needed, not {item!r}")
        return item
    if not isinstance(item, list | tuple) or not all(isinstance(word, str) for word in item):
        faults.append(f"{path}: a list of codes is needed")
        return ()
    return tuple(item)


def _judged(terms: Terms) -> list[str]:
    from portal.core.reasons import REASONS

    faults = []
    closed = {
        "refund_shipping": ("never", "full_return", "proportion", "fault"),
        "return_postage": ("merchant", "customer", "customer_remorse"),
        "refund_trigger": ("on_receipt", "on_inspection", "manual"),
    }
    for name, allowed in closed.items():
        if getattr(terms, name) not in allowed:
            faults.append(f"policy.{name}: one of {', '.join(allowed)}, not {getattr(terms, name)!r}")
    for name in ("photo_reasons", "approval_reasons"):
        for code in getattr(terms, name) or ():
            if code not in REASONS:
                faults.append(f"policy.{name}: {code!r} is no reason")
    for i, window in enumerate(terms.windows):
        if window.reason is not None and window.reason not in REASONS:
            faults.append(f"policy.windows[{i}].reason: {window.reason!r} is no reason")
    for code, part in terms.condition_deductions_bp:
        if part > 10_000:
            faults.append(f"policy.condition_deductions_bp.{code}: at most 10000 (100 %)")
    if terms.restocking_fee.percent_bp > 10_000:
        faults.append("policy.restocking_fee.percent_bp: at most 10000 (100 %)")
    return faults
