"""The admin area: everything that people of a merchant do. Denied by default: every view names what it needs."""

from flask import Blueprint, Flask

from portal.web.admin import (
    accounts,
    allowances,
    audit,
    bank,
    boards,
    bulk,
    cancellations,
    canned,
    channels,
    credits,
    customers,
    deciding,
    desk,
    dispute_list,
    dock_findings,
    entered,
    entry,
    figures,
    finance,
    frame,
    links,
    live,
    mail_log,
    measures,
    messages,
    orders,
    outbox,
    parcel,
    people,
    pictures,
    playbook_words,
    playbooks,
    policies,
    prepare,
    presence,
    proposals,
    refund_list,
    returns,
    sign_in,
    steps,
    stock,
    tasks,
    threads,
    views,
    work,
    workflows,
)

bp = Blueprint("admin", __name__, url_prefix="/admin")
for part in (
    sign_in, people, audit, desk, boards, live, figures, measures,
    entry, prepare, parcel, entered, links, returns, views, customers, bulk, deciding, presence, steps,
    cancellations, proposals, threads, mail_log, canned, playbooks, messages, dispute_list, dock_findings, pictures,
    refund_list, finance, bank, credits, accounts, allowances, tasks, work,
    orders, stock, channels, policies, workflows,
):  # fmt: skip
    bp.register_blueprint(part.bp)
bp.context_processor(frame.around)
playbook_words.init(bp)


def init(app: Flask) -> None:
    """Mount the admin area, and in the demo its outgoing mail."""
    app.register_blueprint(bp)
    outbox.init(app)
