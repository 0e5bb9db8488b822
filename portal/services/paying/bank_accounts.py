"""Whose bank account: the shop's, that transfers are paid from, and the customer's, that a refund needs."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from portal.core.access import Actor, Conflict, NotFound
from portal.core.bank import BankAccount, account_from, masked
from portal.db import history, returns
from portal.db.base import db, transaction
from portal.db.merchants import Merchant
from portal.db.refunds import Payout, Refund
from portal.ports import Declined, Gateways, RefundResult
from portal.services import scope, tasks
from portal.services.paying import approvals, settling
from portal.services.talking import notices

BANK_TRANSFER = "bank_transfer"
NEEDED = "account_needed"
"""The task, and the message, that ask for a customer's account."""


def checked(*, holder: str, iban: str, bic: str = "", gateways: Gateways) -> BankAccount:
    """The account as it is kept. Raises ``Conflict``: ``holder_missing``, ``iban_wrong``, ``iban_not_sepa``,
    ``bic_wrong``.
    """
    try:
        return gateways.bank.account(holder=holder, iban=iban, bic=bic)
    except Declined as problem:
        raise Conflict(problem.code) from None


def of_merchant(actor: Actor, merchant_id: UUID) -> BankAccount | None:
    """The account that the shop's transfers are paid from; None until somebody has named one."""
    scope.require(actor, "refunds.read", merchant_id)
    row = db.session.get(Merchant, merchant_id)
    return account_from(row.bank) if row else None


def set_of_merchant(
    actor: Actor,
    merchant_id: UUID,
    *,
    holder: str,
    iban: str,
    bic: str = "",
    gateways: Gateways,
    now: datetime,
) -> None:
    """Name the account that transfers are paid from. Raises what ``checked`` raises, ``NotAllowed``."""
    scope.require(actor, "policies.edit", merchant_id)
    account = checked(holder=holder, iban=iban, bic=bic, gateways=gateways)
    with transaction():
        row = db.session.get(Merchant, merchant_id, populate_existing=True, with_for_update=True)
        if row is None:
            raise NotFound
        before = account_from(row.bank)
        row.bank = account.record()
        history.record(
            actor,
            "bank.account_changed",
            merchant_id=merchant_id,
            subject_id=merchant_id,
            now=now,
            changed={"account": (before.masked if before else "", account.masked)},
            account=account.masked,
        )


def _waiting(return_id: UUID) -> list[Payout]:
    """Transfers to an account that stand in no batch yet, oldest first."""
    wanted = (
        sa.select(Payout)
        .join(Refund, Refund.id == Payout.refund_id)
        .where(
            Refund.return_id == return_id,
            Payout.provider == BANK_TRANSFER,
            Payout.state == "planned",
            Payout.batch_id.is_(None),
        )
    )
    return list(db.session.scalars(wanted.order_by(Payout.refund_id, Payout.id)))


def is_wanted(return_id: UUID) -> bool:
    """Whether a refund of this return waits for the customer's account; the caller has passed the gate."""
    return any(account_from(payout.destination) is None for payout in _waiting(return_id))


def given(return_id: UUID) -> str:
    """The account that was given for it, all but covered; empty where there is none. For a page."""
    wanted = (
        sa.select(Payout.destination)
        .join(Refund, Refund.id == Payout.refund_id)
        .where(Refund.return_id == return_id, Payout.provider == BANK_TRANSFER)
        .where(Payout.state.not_in(settling.FREED))
        .order_by(Payout.id.desc())
    )
    accounts = [account_from(destination) for destination in db.session.scalars(wanted)]
    return next((masked(account.iban) for account in accounts if account), "")


def give(
    actor: Actor,
    return_id: UUID,
    *,
    holder: str,
    iban: str,
    bic: str = "",
    gateways: Gateways,
    now: datetime,
) -> None:
    """Say where the refunds of a return shall go; what was said once, only a person can change.

    For the holder of the link, or for a person who was told on the phone; above the threshold for two people
    not for whoever asked for the refund. Raises what ``checked`` raises, and ``Conflict``:
    ``account_not_wanted``, ``four_eyes``.
    """
    permission = "returns.create" if actor.kind == "link" else "refunds.propose"
    scope.return_row(actor, return_id, permission)
    account = checked(holder=holder, iban=iban, bic=bic, gateways=gateways)
    with transaction():
        row = scope.return_row(actor, return_id, permission, lock=True)
        done = [payout for payout in _waiting(return_id) if _take(actor, payout, account)]
        if not done:
            raise Conflict("account_not_wanted")
        for payout in done:
            tasks.done(NEEDED, str(payout.id), merchant_id=row.merchant_id, now=now)
        history.record(
            actor,
            "refund.account_given",
            merchant_id=row.merchant_id,
            subject_id=row.id,
            now=now,
            changed={"account": ("", account.masked)},
            account=account.masked,
        )


def _take(actor: Actor, payout: Payout, account: BankAccount) -> bool:
    refund = settling.locked(payout.refund_id)
    db.session.refresh(payout, with_for_update=True)
    if payout.state != "planned" or payout.batch_id is not None or account_from(payout.destination):
        return False
    if actor.kind != "link":
        approvals.second_person(actor, refund)
    payout.destination = payout.destination | account.record()
    return True


def look_after(*, gateways: Gateways, now: datetime, limit: int = 100) -> None:
    """Ask for the accounts that waiting transfers lack, once each; hand over what no file can pay."""
    from portal.db.tasks import Task

    asked = sa.select(Task.id).where(
        Task.merchant_id == Payout.merchant_id, Task.kind == NEEDED, Task.subject_id == Payout.id
    )
    waiting = sa.select(Payout.id, Payout.refund_id).where(
        Payout.provider == BANK_TRANSFER,
        Payout.provider_reference == "",
        Payout.state == "planned",
        Payout.batch_id.is_(None),
        ~asked.exists(),
    )
    for payout_id, refund_id in db.session.execute(waiting.order_by(Payout.id).limit(limit)).all():
        with transaction():
            refund = settling.locked(refund_id)
            payout = db.session.get_one(Payout, payout_id, populate_existing=True, with_for_update=True)
            if payout.state != "planned" or payout.batch_id is not None or settling.awaits_warehouse(refund):
                continue
            if payout.currency != gateways.bank.currency:
                settling.apply(refund, payout, _by_hand(payout), now=now)
            elif account_from(payout.destination) is None:
                _ask(refund, payout, now)


def _by_hand(payout: Payout) -> RefundResult:
    return RefundResult(
        state="requires_action",
        reference="",
        amount=payout.amount_minor,
        currency=payout.currency,
        error="currency_not_sepa",
    )


def _ask(refund: Refund, payout: Payout, now: datetime) -> None:
    new = tasks.open(
        NEEDED,
        str(payout.id),
        merchant_id=payout.merchant_id,
        subject_id=payout.id,
        now=now,
        details={"number": refund.number, "amount": payout.amount_minor, "currency": payout.currency},
    )
    row = returns.get(refund.return_id) if refund.return_id else None
    if new and row is not None and row.email:
        notices.queue(NEEDED, returns.draft(row), now=now, refund_id=refund.id)
