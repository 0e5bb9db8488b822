"""An order that comes in again, differently: read as it lies here, and written as it has become."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from portal.core.intake import Special, provider_of
from portal.core.paid import PaidLine, PaidOrder, PaidPayment, PaidRefund, PaidTax, RefundOfLine
from portal.core.policy.terms import Deal
from portal.db.base import db, uuid7
from portal.db.intake import (
    LINES,
    ORDERS,
    OUTSIDE,
    PAYMENTS,
    SHARES,
    TAXES,
    WORDS,
    change_payments,
    line_row,
    pay,
    promotions_of,
    refund_row,
    tax_rows,
    told,
    word_rows,
    write,
)
from portal.db.orders import spans
from portal.db.refunds import RefundLine
from portal.db.returns import ReturnLine


def stored(order_id: UUID) -> PaidOrder:
    """An order as it lies here, its lines and shares of payments locked until the transaction ends."""
    session = db.session
    head = session.execute(sa.select(ORDERS).where(ORDERS.c.id == order_id).with_for_update()).one()
    lines = session.execute(
        sa.select(LINES).where(LINES.c.order_id == order_id).order_by(LINES.c.id).with_for_update()
    ).all()
    names = {line.id: line.external_id for line in lines}
    taxes: dict[UUID, list[PaidTax]] = {}
    for tax in session.execute(sa.select(TAXES).where(TAXES.c.order_line_id.in_(list(names)))):
        taxes.setdefault(tax.order_line_id, []).append(
            PaidTax(
                label=tax.label,
                amount=tax.amount_minor,
                rate_ppm=tax.rate_ppm,
                jurisdiction=tax.jurisdiction,
                refunded=tax.refunded_minor,
                withheld=tax.promotion_minor,
            )
        )
    shares = session.execute(
        sa.select(
            SHARES,
            PAYMENTS.c.reference,
            PAYMENTS.c.tender,
            PAYMENTS.c.label,
            PAYMENTS.c.mode,
            PAYMENTS.c.released_minor,
        )
        .join(PAYMENTS, PAYMENTS.c.id == SHARES.c.payment_id)
        .where(SHARES.c.order_id == order_id)
        .order_by(SHARES.c.id)
        .with_for_update(of=SHARES)
    )
    refunds = session.execute(sa.select(OUTSIDE).where(OUTSIDE.c.order_id == order_id).order_by(OUTSIDE.c.id))
    return PaidOrder(
        external_id=head.external_id,
        number=head.number,
        number_key=head.number_key,
        currency=head.currency,
        placed_at=head.placed_at,
        state=head.state,
        prices_include_tax=head.prices_include_tax,
        lines=tuple(
            _stored_line(line, taxes.get(line.id, []), names)
            for line in sorted(lines, key=lambda line: line.number)
        ),
        payments=tuple(
            PaidPayment(
                reference=share.reference,
                tender=share.tender,
                captured=share.share_minor,
                label=share.label,
                refunded=share.refunded_minor,
                mode=share.mode,
                released=min(share.released_minor, share.refunded_minor),
                id=share.payment_id,
            )
            for share in shares
        ),
        refunds=tuple(_stored_refund(refund, names) for refund in refunds),
        notes=tuple(head.notes),
        digest=head.digest,
    )


def _stored_line(row: Any, taxes: list[PaidTax], names: Mapping[UUID, str]) -> PaidLine:
    return PaidLine(
        external_id=row.external_id,
        number=row.number,
        kind=row.kind,
        units=row.units,
        unit_price=Decimal(row.unit_price),
        goods=row.goods_minor,
        discount=row.discount_minor,
        taxes=tuple(taxes),
        tax=row.tax_minor,
        paid=row.paid_minor,
        sku=row.sku,
        name=row.name,
        variant=row.variant,
        category=row.category,
        picture=row.picture,
        weight_g=row.weight_g,
        final_sale=row.final_sale,
        parent=names.get(row.parent_id, ""),
        shipped=row.shipped_units,
        delivered=row.delivered_units,
        shipped_at=row.shipped_at,
        delivered_at=row.delivered_at,
        canceled=spans(row.canceled_spans),
        claimed=spans(row.claimed_spans),
        returned=spans(row.returned_spans),
        held=spans(row.held_spans),
        reserved=row.reserved_units,
        refunded=row.refunded_minor,
        special=Special(
            picked=row.picked_units,
            location=row.location,
            logistics=tuple(row.logistics),
            cut_off_at=row.cut_off_at,
            gift=row.gift,
            part_required=row.part_required,
            period_start=row.period_start,
            period_end=row.period_end,
            interval=row.interval,
        ),
        id=row.id,
    )


def _stored_refund(row: Any, names: Mapping[UUID, str]) -> PaidRefund:
    return PaidRefund(
        external_id=row.external_id,
        at=row.at,
        amount=row.amount_minor,
        goods=row.goods_minor,
        reason=row.reason,
        lines=tuple(
            RefundOfLine(
                line=names.get(UUID(line["order_line_id"]), ""),
                units=line["units"],
                spans=spans(line["spans"]),
                amount=line["amount"],
                taxes=tuple((label, amount) for label, amount in line["taxes"]),
            )
            for line in row.lines
        ),
    )


def in_returns(order_id: UUID) -> set[str]:
    """External ids of the order's lines that some return or refund speaks of."""
    spoken_of = sa.union(
        sa.select(ReturnLine.order_line_id).where(ReturnLine.order_line_id.is_not(None)),
        sa.select(RefundLine.order_line_id),
    ).subquery()
    found = sa.select(LINES.c.external_id).where(
        LINES.c.order_id == order_id, LINES.c.id.in_(sa.select(spoken_of.c.order_line_id))
    )
    return set(db.session.scalars(found))


def rewrite(
    merchant_id: UUID,
    order_id: UUID,
    old: PaidOrder,
    new: PaidOrder,
    *,
    gateway: str,
    deals: Sequence[Deal] = (),
    now: datetime,
) -> None:
    """Make the stored order ``new``, which came of ``old``: lines and payments keep their ids."""
    connection = db.session.connection()
    ids = {line.external_id: line.id or uuid7() for line in new.lines}
    gone = [line.id for line in old.lines if line.external_id not in ids]
    touched = [line.id for line in old.lines]
    connection.execute(sa.delete(TAXES).where(TAXES.c.order_line_id.in_(touched)))
    connection.execute(sa.delete(LINES).where(LINES.c.id.in_(gone)))
    write(
        LINES,
        [
            line_row(ids[line.external_id], merchant_id, order_id, line, ids)
            for line in new.lines
            if not line.id
        ],
    )
    for line in new.lines:
        if line.id:
            values = line_row(line.id, merchant_id, order_id, line, ids)
            if line.reserved > line.units:
                # The stock follows in the same transaction (services.fulfilment); the row must hold meanwhile.
                values["reserved_units"] = line.units
            connection.execute(sa.update(LINES).where(LINES.c.id == line.id).values(values))
    write(
        TAXES, [row for line in new.lines for row in tax_rows(merchant_id, ids[line.external_id], line.taxes)]
    )
    _rewrite_payments(merchant_id, order_id, old, new, gateway)
    connection.execute(sa.delete(OUTSIDE).where(OUTSIDE.c.order_id == order_id))
    write(OUTSIDE, [refund_row(merchant_id, order_id, refund, ids) for refund in new.refunds])
    connection.execute(sa.delete(WORDS).where(WORDS.c.order_id == order_id))
    write(WORDS, word_rows(merchant_id, order_id, new.name))
    connection.execute(
        sa.update(ORDERS)
        .where(ORDERS.c.id == order_id)
        .values(
            told(new, now) | {"version": ORDERS.c.version + 1, "promotions": promotions_of(new, deals, ids)}
        )
    )


def _rewrite_payments(
    merchant_id: UUID, order_id: UUID, old: PaidOrder, new: PaidOrder, gateway: str
) -> None:
    before = {payment.id: payment for payment in old.payments}
    connection = db.session.connection()
    for payment in new.payments:
        if payment.id is None:
            continue
        was = before.pop(payment.id)
        share = sa.and_(SHARES.c.order_id == order_id, SHARES.c.payment_id == payment.id)
        connection.execute(
            sa.update(SHARES)
            .where(share)
            .values(share_minor=payment.captured, refunded_minor=payment.refunded)
        )
        _rename(payment, was, merchant_id, gateway)
        more, sent = payment.captured - was.captured, payment.refunded - was.refunded
        if more or sent:
            change_payments([{"payment": payment.id, "more": more, "sent": sent}])
    for gone in before.values():
        share = sa.and_(SHARES.c.order_id == order_id, SHARES.c.payment_id == gone.id)
        connection.execute(sa.delete(SHARES).where(share))
        change_payments([{"payment": gone.id, "more": -gone.captured, "sent": 0}])
    pay(
        merchant_id,
        [(order_id, new.currency, payment) for payment in new.payments if payment.id is None],
        gateway,
    )


def _rename(payment: PaidPayment, was: PaidPayment, merchant_id: UUID, gateway: str) -> None:
    """An authorization that was captured bears the capture's reference from now on, unless another one does."""
    told: dict[str, Any] = {} if payment.mode == was.mode else {"mode": payment.mode}
    if payment.reference != was.reference:
        taken = sa.select(PAYMENTS.c.id).where(
            PAYMENTS.c.merchant_id == merchant_id,
            PAYMENTS.c.provider == provider_of(payment.tender, gateway),
            PAYMENTS.c.reference == payment.reference,
        )
        if db.session.execute(taken).first() is None:
            told["reference"] = payment.reference
    if told:
        db.session.connection().execute(sa.update(PAYMENTS).where(PAYMENTS.c.id == payment.id).values(told))
