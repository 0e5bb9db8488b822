"""A merchant's return policy as one frozen value; parsed from and written to JSON."""

from dataclasses import asdict, dataclass
from typing import Any

from portal.core.money import Minor
from portal.core.policy.judging import judged
from portal.core.policy.reading import record
from portal.core.promotions import PromotionStep


@dataclass(frozen=True, kw_only=True)
class Window:
    """A return window that differs from the general one, for a category of goods, a reason, or both."""

    days: int
    category: str | None = None
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class FeeTier:
    """A restocking fee for what comes back soon enough, or in such a condition; empty conditions: in any."""

    percent_bp: int = 0
    fixed: Minor = 0
    up_to_days: int | None = None
    """Days since delivery, the last one inclusive; None: however late."""
    conditions: tuple[str, ...] = ()
    """Declared conditions and inspected grades."""


@dataclass(frozen=True, kw_only=True)
class Depreciation:
    """How goods lose value by age (days since delivery) or by use (units of use), evenly or by a table."""

    by: str = "age"
    category: str | None = None
    """Only goods of this category; before a record for all. None: all goods."""
    over: int = 0
    """After so many days or units of use nothing is left of the value (evenly); 0 where ``steps`` say it."""
    free: int = 0
    """The first days or units of use, which take no value away."""
    most_bp: int = 10_000
    """Never more than this part of the value."""
    steps: tuple[tuple[int, int], ...] = ()
    """(from so many days or units of use, part of the value that is gone), rising."""
    only_worn: bool = True
    """By age: only what is used, damaged or incomplete (inspected: grade C or D) loses value."""


@dataclass(frozen=True, kw_only=True)
class Deal:
    """What a discount code or a deal of the shop asks for; the channel tells only its name and amounts.

    ``code`` is the channel's, in any case; ``kind`` and the rest as ``core.promotions.Promotion`` has them.
    """

    code: str
    kind: str
    name: str = ""
    steps: tuple[PromotionStep, ...] = ()
    buy: int = 0
    get: int = 0
    percent_bp: int = 10_000


@dataclass(frozen=True, kw_only=True)
class RestockingFee:
    """A fee of ``percent_bp`` of the goods, and ``fixed`` per return or unit; waived by reason or fault."""

    percent_bp: int = 0
    fixed: Minor = 0
    per_unit: bool = False
    waived_reasons: tuple[str, ...] = ()
    waived_faults: tuple[str, ...] = ("merchant", "carrier")
    tiers: tuple[FeeTier, ...] = ()
    """In place of the amounts above: the first that fits a line counts, none that fits costs nothing."""


@dataclass(frozen=True, kw_only=True)
class ShippingTier:
    """What delivery costs an order whose goods come to ``from_goods`` or more, both as its prices are written."""

    from_goods: Minor
    price: Minor


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
    """Outbound shipping: ``never``, ``full_return`` (when everything goes back), ``proportion``, ``fault``
    (in proportion, when every reason is the merchant's or carrier's fault), or ``law`` (on withdrawal from
    the whole order, or when all of it is at fault: at most ``ordinary_delivery``). An order canceled as a
    whole gets its charges back by any rule."""
    refund_duties: str = "never"
    """Duties, by the same rules."""
    refund_fees: str = "never"
    """Fees that were charged with the order, by the same rules."""
    ordinary_delivery: Minor | None = None
    """The price of the least expensive ordinary delivery offered; None: what was charged."""
    promotions: str = "keep"
    """Deals that depended on what goes back: ``keep``, or ``re_evaluate`` for what stays."""
    deals: tuple[Deal, ...] = ()
    """The conditions of the shop's discounts, for orders that come in from then on; a discount without one
    here asked for nothing, and is kept."""
    restocking_fee: RestockingFee = RestockingFee()
    condition_deductions_bp: tuple[tuple[str, int], ...] = ()
    """Declared condition or inspected grade -> part of the goods withheld."""
    accessory_deductions: tuple[tuple[str, Minor], ...] = ()
    depreciation: tuple[Depreciation, ...] = ()
    """Per kind (age, use) the record for the goods' category counts, else the general one; the dearer of both."""
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
    refund_limits: tuple[tuple[str, Minor], ...] = ()
    """Role -> the most it may approve alone within 24 hours, per payment and per customer."""
    two_people_above: Minor | None = None
    """A refund above this needs two different people."""

    cancellations: bool = True
    """Customers may take units out of an order that was not shipped; agents may propose it in any case."""
    cancellation_hours: int = 48
    """How long an agent's proposal waits for the customer's answer and holds its units."""
    cancellation_reminder_hours: int = 24
    """So long before it expires the customer is reminded of a proposal, once; 0: never."""
    bundles: str = "parts"
    """A bundle may lose ``parts`` and be kept, or is canceled as a ``whole`` only."""
    cancel_shipping: str = "keep"
    """Shipping when a part is canceled: ``keep`` (then ``refund_shipping`` says what goes back), or
    ``re_evaluate`` by ``shipping_tiers`` for what stays. Nobody is ever charged more; an order canceled as a
    whole gets all of it back."""
    shipping_tiers: tuple[ShippingTier, ...] = ()

    approval_hours: int = 24
    """Within so many hours people mean to have decided what was requested; the clocks of the desk count it."""
    inspection_hours: int = 72
    """The same from the arrival to the inspection."""
    refund_hours: int = 72
    """The same from the inspection to the refund."""
    info_days: int = 7
    """So long a customer may take to answer what was asked before a decision."""
    dispute_hours: int = 72
    """Within so many hours a dispute is answered; the customer is promised it."""
    offer_days: int = 7
    """So long an offer in a dispute stands."""

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


class BadTerms(ValueError):
    """Terms that cannot be; ``faults`` are all of them, each with its path."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = tuple(faults)


def from_json(value: dict[str, Any]) -> Terms:
    """Terms from JSON, also as earlier versions wrote them; what is not given takes its default.

    Raises ``BadTerms`` with every fault and its path (unknown keys, wrong types, bad codes).
    """
    faults: list[str] = []
    terms: Terms | None = record(Terms, _today(value), "policy", faults)
    if terms is not None:
        faults = judged(terms)
    if terms is None or faults:
        raise BadTerms(faults)
    return terms


def _today(value: Any) -> Any:
    """``value`` with the fields of today: published versions are never edited, so old ones are read on."""
    if not isinstance(value, dict) or not {"depreciation_days", "depreciation_free_days"} & value.keys():
        return value
    given = dict(value)
    days, free = given.pop("depreciation_days", 0), given.pop("depreciation_free_days", 0)
    if days and "depreciation" not in given:
        given["depreciation"] = [{"by": "age", "over": days, "free": free}]
    return given
