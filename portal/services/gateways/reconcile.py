"""The gateway's own list beside our transfers and our ledger: one to one, to the cent, or a person is told.

Nothing is repaired in silence: a state that moved on is taken over as any look at it would, a refund made
elsewhere is counted as any event of it would; all else that differs is a task with both sides.
"""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from portal.core.refunds.ledger import settles_on
from portal.db.base import db, transaction
from portal.db.gateway import Chargeback
from portal.db.orders import Payment
from portal.db.refunds import Payout, Refund, Transfer
from portal.db.tasks import Task
from portal.ports import GatewayRefund, Gateways, Payments, Unavailable
from portal.services import tasks
from portal.services.gateways import looking
from portal.services.paying import chargebacks, outside_refunds
from portal.services.paying.settling import SENDABLE

REACH = timedelta(days=35)
"""How far back the lists are compared: further than a success may be taken back."""

LAG = timedelta(hours=1)
"""What is younger may not be in the gateway's list yet."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Drift:
    """Where both sides differ, with what each of them says; empty where it says nothing."""

    provider: str
    reference: str
    what: str
    """amount, currency, state, ledger, twice (two refunds under one key), missing_there, outside"""
    ours: Mapping[str, Any]
    theirs: Mapping[str, Any]
    refund: str = ""
    """The number of our refund, where there is one."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """How many of each kind were compared per gateway, and every difference."""

    checked: dict[str, dict[str, int]]
    drifts: list[Drift] = field(default_factory=list)
    away: list[str] = field(default_factory=list)
    """Gateways that did not answer: nothing is known of them."""

    @property
    def agrees(self) -> bool:
        return not self.drifts and not self.away

    def to_json(self) -> dict[str, Any]:
        drifts = [asdict(one) for one in self.drifts]
        return {"agrees": self.agrees, "checked": self.checked, "away": self.away, "drifts": drifts}


def daily(*, gateways: Gateways, now: datetime) -> None:
    """``run`` as durable work. Raises ``Unavailable`` when a gateway did not answer."""
    report = run(gateways=gateways, now=now)
    for drift in report.drifts:
        log.warning("the gateway's list differs", extra=asdict(drift))
    if report.away:
        raise Unavailable(f"no answer from {', '.join(report.away)}")


def run(*, gateways: Gateways, now: datetime, since: datetime | None = None) -> Report:
    """Compare everything since ``since`` (35 days ago); every difference is told, and is a task.

    A task of a difference that is no more is closed.
    """
    report = Report(checked={})
    for code, gateway in sorted(gateways.payments.items()):
        try:
            _compare(code, gateway, gateways, since or now - REACH, now, report)
        except Unavailable as problem:
            log.warning("%s could not be reconciled: %s", code, problem)
            report.away.append(code)
    return report


def _compare(
    code: str, gateway: Payments, gateways: Gateways, since: datetime, now: datetime, report: Report
) -> None:
    oldest = sa.select(sa.func.min(Chargeback.opened_at)).where(
        Chargeback.provider == code, Chargeback.state == "open"
    )
    opened = db.session.scalar(oldest)
    open_since = min(since, opened - timedelta(days=1)) if opened is not None else since
    db.session.commit()  # nothing is read while the gateway is waited for
    theirs = list(gateway.refunds_since(since))
    disputes = list(gateway.disputes_since(open_since))
    counts = {
        "refunds": sum(not one.released for one in theirs),
        "released": sum(one.released for one in theirs),
        "transfers": 0,
        "outside": 0,
        "foreign": 0,
        "disputes": 0,
    }
    report.checked[code] = counts
    for dispute in disputes:
        counts["disputes"] += chargebacks.apply(code, dispute, now=now) != "foreign"
    drifts: list[Drift] = []
    seen: set[UUID] = set()
    for told in theirs:
        payout_id = _ours(code, told)
        if payout_id is None:
            drifts += _not_ours(code, told, counts, now)
            continue
        counts["transfers"] += 1
        drifts += _one(code, payout_id, told, gateways, now, again=payout_id in seen)
        seen.add(payout_id)
    for payout_id in _expected(code, since, now, seen):
        counts["transfers"] += 1
        drifts += _unlisted(code, payout_id, gateways, now)
    _tell(code, drifts, since, now)
    report.drifts.extend(drifts)


def _ours(code: str, told: GatewayRefund) -> UUID | None:
    """Our transfer of a refund on the list: by our key, else by the id that the gateway gave it."""
    for place, value in ((Payout.key, told.key), (Payout.provider_reference, told.reference)):
        wanted = sa.select(Payout.id).where(Payout.provider == code, place == value)
        found = db.session.scalar(wanted.limit(1)) if value else None
        if found is not None:
            return found
    return None


def _not_ours(code: str, told: GatewayRefund, counts: dict[str, int], now: datetime) -> list[Drift]:
    """A refund that none of our transfers made; one that says so all the same is a matter of its own."""
    outcome = outside_refunds.found(code, told, now=now)
    if outcome in ("foreign", "released"):
        counts["foreign"] += outcome == "foreign"
        return []
    counts["outside"] += 1
    if outcome != "uncounted":
        return []
    ours = {"amount": outside_refunds.known(code, told) or 0, "currency": told.currency}
    return [Drift(provider=code, reference=told.reference, what="outside", ours=ours, theirs=_said(told))]


def _one(
    code: str, payout_id: UUID, told: GatewayRefund, gateways: Gateways, now: datetime, *, again: bool
) -> list[Drift]:
    """Our transfer beside its refund on the list; where only the state differs it is looked at first."""
    payout, refund = _read(payout_id)
    if payout.state != told.state and payout.state != "planned":
        looking.look(payout.id, refund.id, gateways=gateways, now=now)
        payout, refund = _read(payout_id)
    posted = _posted(payout)
    found = []
    for what, mine, other in (
        ("amount", payout.amount_minor, told.amount),
        ("currency", payout.currency, told.currency),
        ("state", payout.state, told.state),
        ("ledger", posted, told.amount if told.state == "succeeded" else 0),
    ):
        if mine != other:
            found.append(what)
    if again:
        found.append("twice")
    if found == ["state"] and _is_newer(payout, told, now):
        return []
    ours = _own(payout) | {"ledger": posted}
    return [
        Drift(
            provider=code,
            reference=told.reference,
            what=what,
            ours=ours,
            theirs=_said(told),
            refund=refund.number,
        )
        for what in found[:1]
    ]


def _is_newer(payout: Payout, told: GatewayRefund, now: datetime) -> bool:
    """We looked just now and saw a later state than the list has."""
    return payout.checked_at == now and told.state in ("pending", "requires_action")


def _unlisted(code: str, payout_id: UUID, gateways: Gateways, now: datetime) -> list[Drift]:
    """A transfer of ours that the list has not: perhaps the list lags, so it is asked for by itself."""
    payout, refund = _read(payout_id)
    known = payout.state not in SENDABLE
    if looking.look(payout.id, refund.id, gateways=gateways, now=now) or not known:
        return []
    return [
        Drift(
            provider=code,
            reference=payout.provider_reference or payout.key,
            what="missing_there",
            ours=_own(payout) | {"ledger": _posted(payout)},
            theirs={},
            refund=refund.number,
        )
    ]


def _expected(code: str, since: datetime, now: datetime, seen: set[UUID]) -> list[UUID]:
    """Transfers that the gateway must have by now, and whose refund was not on its list."""
    wanted = (
        sa.select(Payout.id)
        .where(
            Payout.provider == code,
            Payout.sent_at >= since,
            Payout.sent_at < now - LAG,
            sa.or_(Payout.provider_reference != "", Payout.state.in_(("submitting", "unknown"))),
        )
        .order_by(Payout.id)
    )
    return [payout_id for payout_id in db.session.scalars(wanted) if payout_id not in seen]


def _read(payout_id: UUID) -> tuple[Payout, Refund]:
    payout = db.session.get_one(Payout, payout_id, populate_existing=True)
    return payout, db.session.get_one(Refund, payout.refund_id, populate_existing=True)


def _posted(payout: Payout) -> int:
    """What the ledger says was moved to the gateway's account for a transfer, less what came back."""
    account = settles_on(payout.provider, payout.mode)
    rows = db.session.execute(
        sa.select(Transfer.debit, Transfer.credit, Transfer.amount_minor).where(
            Transfer.payout_id == payout.id, sa.or_(Transfer.credit == account, Transfer.debit == account)
        )
    )
    return sum(row.amount_minor if row.credit == account else -row.amount_minor for row in rows)


def _own(payout: Payout) -> dict[str, Any]:
    return {
        "reference": payout.provider_reference,
        "amount": payout.amount_minor,
        "currency": payout.currency,
        "state": payout.state,
    }


def _said(told: GatewayRefund) -> dict[str, Any]:
    return {
        "reference": told.reference,
        "key": told.key,
        "capture": told.capture,
        "amount": told.amount,
        "currency": told.currency,
        "state": told.state,
        "at": told.at.isoformat(),
    }


def _tell(code: str, drifts: Iterable[Drift], since: datetime, now: datetime) -> None:
    """Open a task for every difference, and close those whose difference is no more."""
    named: set[str] = set()
    for drift in drifts:
        merchant, subject = _whose(drift)
        if merchant is None:
            continue
        key = f"{code}:{drift.reference}"
        named.add(key)
        details = asdict(drift) | {"number": drift.refund or drift.reference}
        with transaction():
            tasks.open("drift", key, merchant_id=merchant, subject_id=subject, details=details, now=now)
    old = sa.select(Task.merchant_id, Task.key).where(
        Task.kind == "drift", Task.state == "open", Task.key.startswith(f"{code}:"), Task.opened_at >= since
    )
    settled = [(row.merchant_id, row.key) for row in db.session.execute(old) if row.key not in named]
    for merchant_id, key in settled:
        with transaction():
            tasks.done("drift", key, merchant_id=merchant_id, now=now, note="agrees")


def _whose(drift: Drift) -> tuple[UUID | None, UUID | None]:
    """The merchant whose matter it is, and the refund or the payment it is about."""
    if drift.refund:
        found = db.session.execute(
            sa.select(Refund.merchant_id, Refund.id).where(Refund.number == drift.refund)
        ).one()
        return found.merchant_id, found.id
    payment_id = chargebacks.payment_of(drift.provider, str(drift.theirs.get("capture", "")))
    payment = db.session.get(Payment, payment_id) if payment_id is not None else None
    return (payment.merchant_id, payment.id) if payment is not None else (None, None)
