"""What customers see: a link opened, a return filled in and confirmed, and followed to the credit.

May import: core, services, words; flask and its family.
"""

from flask import Blueprint, Flask

from portal.web.customer import (
    account,
    address,
    cancellation,
    check,
    credit,
    dispute,
    items,
    landing,
    link,
    papers,
    pictures,
    reasons,
    score,
    sending,
    start,
    status,
    thread,
)

bp = Blueprint("customer", __name__)
for module in (
    link, landing, items, reasons, address, sending, check, status, account, papers, start, credit,
    cancellation, score, pictures, thread, dispute,
):  # fmt: skip
    bp.register_blueprint(module.bp)


def init(app: Flask) -> None:
    app.register_blueprint(bp)
